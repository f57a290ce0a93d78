#include "kept/store/db.h"

#include "ground/base/map.h"
#include "ground/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DB_BUSY_MS = 5000, DB_MAX_COLUMNS = 32, DB_MAX_ERROR = 256 };

struct statement {
    struct map_entry entry;
    sqlite3_stmt *handle;
    struct slice sql; /* SQLite's own copy */
};
struct db {
    sqlite3 *handle;
    struct map statements;
    int failure; /* of a statement since db_begin: the transaction cannot be committed any more */
    char error[DB_MAX_ERROR];
};

/* What went wrong in db_open, when there is no db to ask. */
static _Thread_local char open_error[DB_MAX_ERROR];

const char *db_error(const struct db *d)
{
    return d ? d->error : open_error;
}

static const struct {
    int code, error;
} errors[] = {
    {SQLITE_FULL,       -ENOSPC  },
    {SQLITE_CORRUPT,    -EBADMSG },
    {SQLITE_NOTADB,     -EBADMSG },
    {SQLITE_FORMAT,     -EBADMSG },
    {SQLITE_BUSY,       -EBUSY   },
    {SQLITE_LOCKED,     -EBUSY   },
    {SQLITE_CONSTRAINT, -EEXIST  },
    {SQLITE_TOOBIG,     -EMSGSIZE},
    {SQLITE_ERROR,      -EINVAL  },
    {SQLITE_MISUSE,     -EINVAL  },
    {SQLITE_RANGE,      -EINVAL  },
    {SQLITE_NOMEM,      -ENOMEM  },
};

/* SQLite calls a full disk SQLITE_FULL, but a full quota, or a full disk met by another call than write(2),
 * an I/O error. */
static int system_error(int e)
{
    return e == ENOSPC || e == EDQUOT || e == EFBIG ? -ENOSPC : -EIO;
}

static int error_of(struct db *d, int code)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].code == (code & 0xff))
            return errors[i].error;
    return system_error(sqlite3_system_errno(d->handle));
}

/* Keeps the words and answers the errno; 0 for the codes that are no failure. */
static int failed(struct db *d, int code)
{
    int primary = code & 0xff;
    if (primary == SQLITE_OK || primary == SQLITE_ROW || primary == SQLITE_DONE)
        return 0;
    int r = error_of(d, code);
    snprintf(d->error, sizeof(d->error), "%s", sqlite3_errmsg(d->handle));
    if (r != -EEXIST && !d->failure)
        d->failure = r;
    return r;
}

static int exec(struct db *d, const char *sql)
{
    return failed(d, sqlite3_exec(d->handle, sql, NULL, NULL, NULL));
}

/* The file with its rights stands before SQLite sees it; the journal files take over its mode. An existing
 * file is not opened here: closing it would drop the locks of another connection of this process. */
static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST && chmod(path, 0600) == 0 ? 0 : -errno;
    int r = fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
    close(fd);
    char *copy = mem_strdup(path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(copy);
    if (folder < 0 || fsync(folder) < 0)
        r = r ? r : -errno;
    if (folder >= 0)
        close(folder);
    return r;
}

static int want_wal(void *arg, const struct db_value *columns, size_t n)
{
    (void)n;
    *(bool *)arg = slice_eq(columns[0].text, SLICE("wal"));
    return 0;
}

static int want_ok(void *arg, const struct db_value *columns, size_t n)
{
    (void)n;
    struct db *d = arg;
    if (slice_eq(columns[0].text, SLICE("ok")))
        return 0;
    snprintf(d->error, sizeof(d->error), "damaged: " SLICE_FMT, SLICE_ARG(columns[0].text));
    return -EBADMSG;
}

/* Pragmas, then what the file says of itself, then the schema. */
static int set_up(struct db *d, enum db_sync sync, const char *schema)
{
    bool wal = false;
    sqlite3_extended_result_codes(d->handle, 1);
    sqlite3_busy_timeout(d->handle, DB_BUSY_MS);
    sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* secure_delete: what was removed may have been a secret. journal_size_limit: give back what a burst took
     */
    int r = exec(d, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"
                    "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=16777216; PRAGMA secure_delete=ON;");
    if (r == 0)
        r = db_run(d, "PRAGMA journal_mode=WAL", NULL, 0, want_wal, &wal);
    if (r == 0 && !wal) {
        snprintf(d->error, sizeof(d->error), "the file system cannot carry a write-ahead log");
        r = -EIO;
    }
    if (r == 0)
        r = exec(d, sync == DB_SYNC_FULL ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    if (r == 0)
        r = db_run(d, "PRAGMA quick_check(1)", NULL, 0, want_ok, d);
    if (r == 0)
        r = exec(d, schema);
    return r;
}

int db_open(const char *path, enum db_sync sync, const char *schema, struct db **ret)
{
    int r = make_file(path);
    if (r < 0) {
        snprintf(open_error, sizeof(open_error), "%s: %s", path, strerror(-r));
        return system_error(-r);
    }
    struct db *d = MEM_NEW(struct db);
    r = failed(d,
               sqlite3_open_v2(path, &d->handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL));
    if (r == 0)
        r = set_up(d, sync, schema);
    if (r < 0) {
        snprintf(open_error, sizeof(open_error), "%s: %.*s", path, DB_MAX_ERROR / 2, d->error);
        db_close(d);
        return r;
    }
    *ret = d;
    return 0;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->statements.n_slots; i++)
        for (struct map_entry *e = d->statements.slots[i], *next; e; e = next) {
            next = e->next;
            struct statement *s = MAP_OBJECT(e, struct statement, entry);
            sqlite3_finalize(s->handle);
            mem_free(s);
        }
    map_fini(&d->statements);
    int r = sqlite3_close(d->handle);
    assert(r == SQLITE_OK); /* a statement of ours was left */
    (void)r;
    mem_free(d);
}

/* --- statements -------------------------------------------------------------------------------------------
 */

static struct statement *find_statement(struct db *d, struct slice sql, uint64_t hash)
{
    for (struct map_entry *e = map_first(&d->statements, hash); e; e = map_next(e)) {
        struct statement *s = MAP_OBJECT(e, struct statement, entry);
        /* one that is being stepped cannot be run again from its own row */
        if (slice_eq(s->sql, sql) && !sqlite3_stmt_busy(s->handle))
            return s;
    }
    return NULL;
}

static int get_statement(struct db *d, const char *sql, sqlite3_stmt **ret)
{
    uint64_t hash = slice_hash(slice_str(sql));
    struct statement *s = find_statement(d, slice_str(sql), hash);
    if (!s) {
        sqlite3_stmt *handle;
        int r = failed(d, sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL));
        if (r < 0)
            return r;
        assert(handle); /* empty text */
        s = MEM_NEW(struct statement);
        s->handle = handle;
        s->sql = slice_str(sqlite3_sql(handle));
        map_insert(&d->statements, &s->entry, hash);
    }
    *ret = s->handle;
    return 0;
}

static int bind(sqlite3_stmt *s, int i, const struct db_value *v)
{
    /* SQLite takes a NULL pointer for NULL, also where an empty text is meant */
    const char *p = v->text.p ? v->text.p : "";
    switch (v->type) {
    case DB_NULL:
        return sqlite3_bind_null(s, i);
    case DB_INT:
        return sqlite3_bind_int64(s, i, v->integer);
    case DB_TEXT:
        return sqlite3_bind_text64(s, i, p, v->text.n, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(s, i, p, v->text.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static struct db_value column(sqlite3_stmt *s, int i)
{
    switch (sqlite3_column_type(s, i)) {
    case SQLITE_NULL:
        return (struct db_value){DB_NULL, 0, SLICE_NONE};
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        return DB_I(sqlite3_column_int64(s, i));
    case SQLITE_TEXT: {
        const void *p = sqlite3_column_text(s, i); /* before its length is asked for */
        return DB_T(slice_mem(p, (size_t)sqlite3_column_bytes(s, i)));
    }
    default: {
        const void *p = sqlite3_column_blob(s, i);
        return DB_B(slice_mem(p, (size_t)sqlite3_column_bytes(s, i)));
    }
    }
}

static int step_rows(struct db *d, sqlite3_stmt *s, db_row *row, void *arg)
{
    struct db_value columns[DB_MAX_COLUMNS];
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        if (!row)
            continue;
        int n = sqlite3_column_count(s);
        assert(n <= DB_MAX_COLUMNS);
        for (int i = 0; i < n; i++)
            columns[i] = column(s, i);
        int r = row(arg, columns, (size_t)n);
        if (r != 0)
            return r;
    }
    return failed(d, code);
}

int db_run(struct db *d, const char *sql, const struct db_value *args, size_t n, db_row *row, void *arg)
{
    sqlite3_stmt *s;
    int r = get_statement(d, sql, &s);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n && r == 0; i++)
        r = failed(d, bind(s, (int)i + 1, &args[i]));
    if (r == 0)
        r = step_rows(d, s, row, arg);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s); /* they point into the caller's memory */
    return r;
}

/* --- transactions -----------------------------------------------------------------------------------------
 */

int db_begin(struct db *d)
{
    d->failure = 0;
    /* IMMEDIATE: what is read inside is what is written upon, also with another connection at work */
    return db_run(d, "BEGIN IMMEDIATE", NULL, 0, NULL, NULL);
}

int db_commit(struct db *d)
{
    int r = d->failure; /* SQLite may have given the transaction up already */
    if (r == 0)
        r = db_run(d, "COMMIT", NULL, 0, NULL, NULL);
    if (r < 0)
        db_rollback(d);
    return r;
}

void db_rollback(struct db *d)
{
    if (sqlite3_get_autocommit(d->handle))
        return;
    char words[DB_MAX_ERROR]; /* of what led here */
    memcpy(words, d->error, sizeof(words));
    db_run(d, "ROLLBACK", NULL, 0, NULL, NULL);
    memcpy(d->error, words, sizeof(words));
}
