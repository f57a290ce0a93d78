#include "kept/store/store.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"

#include <errno.h>

/* The one row of draft stays when the draft is dropped (live = 0), so that its version is never used again
 * and a late put cannot hit another draft that reached the same number. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS revision (number INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
    " author TEXT NOT NULL, comment TEXT NOT NULL, hash TEXT NOT NULL, text BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS draft (id INTEGER PRIMARY KEY CHECK (id = 1), live INTEGER NOT NULL,"
    " version INTEGER NOT NULL, base INTEGER NOT NULL, author TEXT NOT NULL, text BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS draft_time (version INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS blob (kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,"
    " UNIQUE (kind, name));";

struct store {
    struct db *db;
    bool in_transaction; /* of store_begin */
};

int store_open(const char *state_folder, struct store **ret)
{
    struct buf path = {0};
    struct db *db;
    buf_printf(&path, "%s/central.db", state_folder);
    char *name = buf_take(&path);
    int r = db_open(name, DB_SYNC_FULL, schema, &db);
    mem_free(name);
    if (r < 0)
        return r;
    *ret = MEM_NEW(struct store);
    (*ret)->db = db;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_rollback(s);
    db_close(s->db);
    mem_free(s);
}

const char *store_error(const struct store *s)
{
    return db_error(s ? s->db : NULL);
}

int store_begin(struct store *s)
{
    int r = s->in_transaction ? -EBUSY : db_begin(s->db);
    if (r == 0)
        s->in_transaction = true;
    return r;
}

int store_commit(struct store *s)
{
    if (!s->in_transaction)
        return -EINVAL;
    s->in_transaction = false;
    return db_commit(s->db);
}

void store_rollback(struct store *s)
{
    s->in_transaction = false;
    db_rollback(s->db);
}

/* What reads before it writes does so in one transaction: the caller's, or one of its own. */
static int inner_begin(struct store *s)
{
    return s->in_transaction ? 0 : db_begin(s->db);
}

static int inner_end(struct store *s, int r)
{
    if (s->in_transaction)
        return r;
    if (r == 0)
        return db_commit(s->db);
    db_rollback(s->db);
    return r;
}

/* --- rows -------------------------------------------------------------------------------------------------
 */

enum { FOUND = 1 }; /* ends a query of one row, before anything can still fail */

static int on_text(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    buf_append(arg, c[0].text);
    return FOUND;
}

/* One column of one row, appended to out; -ENOENT without a row. */
static int get_text(struct store *s, const char *sql, const struct db_value *args, size_t n, struct buf *out)
{
    int r = db_run(s->db, sql, args, n, on_text, out);
    return r == FOUND ? 0 : r == 0 ? -ENOENT : r;
}

/* --- revisions --------------------------------------------------------------------------------------------
 */

static int on_number(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    *(uint64_t *)arg = (uint64_t)c[0].integer;
    return 0;
}

int store_revision_newest(struct store *s, uint64_t *ret_number)
{
    uint64_t newest = 0;
    int r = db_run(s->db, "SELECT ifnull(max(number), 0) FROM revision", NULL, 0, on_number, &newest);
    if (r == 0)
        *ret_number = newest;
    return r;
}

static int insert_revision(struct store *s, const struct revision *rev, bool gap)
{
    uint64_t newest = 0;
    int r = store_revision_newest(s, &newest);
    if (r < 0)
        return r;
    if (rev->number <= newest)
        return rev->number ? -EEXIST : -ESTALE;
    if (rev->number != newest + 1 && !gap)
        return -ESTALE;
    struct buf text = {0};
    revision_write(rev, &text);
    const struct db_value args[] = {DB_I((int64_t)rev->number), DB_I(rev->time_ms),
                                    DB_T(rev->author),          DB_T(rev->comment),
                                    DB_T(slice_str(rev->hash)), DB_B(buf_slice(&text))};
    r = db_run(s->db,
               "INSERT INTO revision (number, time_ms, author, comment, hash, text)"
               " VALUES (?, ?, ?, ?, ?, ?)",
               args, 6, NULL, NULL);
    buf_fini(&text);
    return r;
}

int store_revision_add(struct store *s, const struct revision *rev)
{
    int r = inner_begin(s);
    return r < 0 ? r : inner_end(s, insert_revision(s, rev, false));
}

int store_revision_add_above(struct store *s, const struct revision *rev)
{
    int r = inner_begin(s);
    return r < 0 ? r : inner_end(s, insert_revision(s, rev, true));
}

int store_revision_text(struct store *s, uint64_t number, struct buf *out)
{
    if (number > INT64_MAX)
        return -ENOENT;
    if (number == 0)
        return get_text(s, "SELECT text FROM revision ORDER BY number DESC LIMIT 1", NULL, 0, out);
    return get_text(s, "SELECT text FROM revision WHERE number = ?", &DB_I((int64_t)number), 1, out);
}

struct listing {
    struct arena *arena;
    struct buf found; /* of the items */
};

/* The items as an array in the arena. */
static void *listing_end(struct listing *l, size_t item, size_t *ret_n)
{
    struct slice found = buf_slice(&l->found);
    void *items = arena_alloc(l->arena, found.n + item);
    if (found.p)
        memcpy(items, found.p, found.n);
    buf_fini(&l->found);
    *ret_n = found.n / item;
    return items;
}

static int on_revision(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    struct listing *l = arg;
    const struct store_revision_info info = {
        .number = (uint64_t)c[0].integer,
        .time_ms = c[1].integer,
        .author = arena_copy(l->arena, c[2].text),
        .comment = arena_copy(l->arena, c[3].text),
        .hash = arena_copy(l->arena, c[4].text),
    };
    buf_append_mem(&l->found, &info, sizeof(info));
    return 0;
}

int store_revision_list(struct store *s, struct arena *a, struct store_revision_info **ret, size_t *ret_n)
{
    struct listing l = {.arena = a};
    int r = db_run(s->db, "SELECT number, time_ms, author, comment, hash FROM revision ORDER BY number DESC",
                   NULL, 0, on_revision, &l);
    if (r == 0)
        *ret = listing_end(&l, sizeof(**ret), ret_n);
    buf_fini(&l.found);
    return r;
}

/* --- the draft --------------------------------------------------------------------------------------------
 */

struct draft {
    struct buf *out; /* or NULL */
    bool live;
    uint64_t version, base; /* version: also of a draft that was dropped */
};

static int on_draft(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    struct draft *d = arg;
    d->live = c[0].integer != 0;
    d->version = (uint64_t)c[1].integer;
    d->base = (uint64_t)c[2].integer;
    if (d->live && d->out)
        buf_append(d->out, c[3].text);
    return FOUND;
}

static int read_draft(struct store *s, struct draft *d)
{
    int r = db_run(s->db, "SELECT live, version, base, text FROM draft", NULL, 0, on_draft, d);
    return r == FOUND ? 0 : r;
}

int store_draft_get(struct store *s, struct buf *out_text, uint64_t *ret_version, uint64_t *ret_base_revision)
{
    struct draft d = {.out = out_text};
    int r = read_draft(s, &d);
    if (r == 0) {
        *ret_version = d.live ? d.version : 0;
        *ret_base_revision = d.live ? d.base : 0;
    }
    return r;
}

static int replace_draft(struct store *s, struct slice text, uint64_t expected_version,
                         uint64_t base_revision, struct slice author, uint64_t *ret_version)
{
    struct draft d = {0};
    int r = read_draft(s, &d);
    if (r < 0)
        return r;
    if (expected_version != (d.live ? d.version : 0))
        return -ESTALE;
    const struct db_value args[] = {DB_I((int64_t)(d.version + 1)), DB_I((int64_t)base_revision),
                                    DB_T(author), DB_B(text)};
    r = db_run(s->db,
               "INSERT OR REPLACE INTO draft (id, live, version, base, author, text)"
               " VALUES (1, 1, ?, ?, ?, ?)",
               args, 4, NULL, NULL);
    if (r == 0)
        r = db_run(s->db, "DELETE FROM draft_time", NULL, 0, NULL, NULL);
    if (r == 0)
        r = db_run(s->db,
                   "INSERT INTO draft_time (version, time_ms)"
                   " VALUES (?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))",
                   args, 1, NULL, NULL);
    *ret_version = d.version + 1;
    return r;
}

int store_draft_put(struct store *s, struct slice text, uint64_t expected_version, uint64_t base_revision,
                    struct slice author, uint64_t *ret_version)
{
    uint64_t version = 0;
    int r = inner_begin(s);
    if (r == 0)
        r = inner_end(s, replace_draft(s, text, expected_version, base_revision, author, &version));
    if (r == 0)
        *ret_version = version;
    return r;
}

int store_draft_drop(struct store *s)
{
    return db_run(s->db, "UPDATE draft SET live = 0, text = x'', author = ''", NULL, 0, NULL, NULL);
}

struct who {
    struct arena *arena;
    struct slice author;
    int64_t time_ms;
};

static int on_who(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    struct who *w = arg;
    w->author = arena_copy(w->arena, c[0].text);
    w->time_ms = c[1].integer;
    return FOUND;
}

int store_draft_who(struct store *s, struct arena *a, struct slice *ret_author, int64_t *ret_time_ms)
{
    struct who w = {.arena = a};
    int r = db_run(s->db,
                   "SELECT author, ifnull((SELECT time_ms FROM draft_time WHERE draft_time.version ="
                   " draft.version), 0) FROM draft WHERE live = 1",
                   NULL, 0, on_who, &w);
    if (r != FOUND)
        return r;
    *ret_author = w.author;
    *ret_time_ms = w.time_ms;
    return 0;
}

/* --- blobs ------------------------------------------------------------------------------------------------
 */

int store_blob_put(struct store *s, const char *kind, struct slice name, struct slice value)
{
    const struct db_value args[] = {DB_T(slice_str(kind)), DB_T(name), DB_B(value)};
    if (!value.p)
        return db_run(s->db, "DELETE FROM blob WHERE kind = ? AND name = ?", args, 2, NULL, NULL);
    return db_run(s->db,
                  "INSERT INTO blob (kind, name, value) VALUES (?, ?, ?)"
                  " ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value",
                  args, 3, NULL, NULL);
}

int store_blob_get(struct store *s, const char *kind, struct slice name, struct buf *out)
{
    const struct db_value args[] = {DB_T(slice_str(kind)), DB_T(name)};
    return get_text(s, "SELECT value FROM blob WHERE kind = ? AND name = ?", args, 2, out);
}

static int on_name(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    struct listing *l = arg;
    const struct slice name = arena_copy(l->arena, c[0].text);
    buf_append_mem(&l->found, &name, sizeof(name));
    return 0;
}

int store_blob_list(struct store *s, const char *kind, struct arena *a, struct slice **ret_names,
                    size_t *ret_n)
{
    struct listing l = {.arena = a};
    int r = db_run(s->db, "SELECT name FROM blob WHERE kind = ? ORDER BY name", &DB_T(slice_str(kind)), 1,
                   on_name, &l);
    if (r == 0)
        *ret_names = listing_end(&l, sizeof(**ret_names), ret_n);
    buf_fini(&l.found);
    return r;
}
