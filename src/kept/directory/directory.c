#include "kept/directory/directory.h"

#include "ground/base/map.h"
#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "kept/store/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARDS = 64, MAX_LABEL = 63 };

/* A row for each algorithm, by name: one that is added later finds users without it, not with a wrong one.
 * FULL_NAME behind it: the HA1 is of user@domain. */
#define FULL_NAME "/user@domain"
static const char schema[] = "CREATE TABLE IF NOT EXISTS ha1 (aor TEXT NOT NULL, algorithm TEXT NOT NULL,"
                             " ha1 TEXT NOT NULL, PRIMARY KEY (aor, algorithm)) WITHOUT ROWID";

struct user {
    struct map_entry entry;
    struct directory_user v;
    uint64_t serial;
    size_t n;
    char aor[]; /* domain in lower case */
};
struct shard {
    pthread_mutex_t lock; /* held for a copy, never over the disk */
    struct map users;
};
struct directory {
    struct shard shards[SHARDS];
    atomic_size_t count;
    atomic_ullong serials;
    pthread_mutex_t writing; /* one change at a time; guards db */
    struct db *db;
};

/* --- names and passwords ----------------------------------------------------------------------------------
 */

/* RFC 3261 25.1: unreserved and user-unreserved. Escaped bytes are none of ours: they would make two names of
 * one in clients that do not unescape. */
static bool is_user_char(char c)
{
    char l = text_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-_.!~*'()&=+$,;?/", c));
}

static bool is_label(struct slice label)
{
    if (label.n == 0 || label.n > MAX_LABEL || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        char l = text_lower(label.p[i]);
        if (!(l >= 'a' && l <= 'z') && !(l >= '0' && l <= '9') && l != '-')
            return false;
    }
    return true;
}

static bool is_domain(struct slice domain)
{
    struct slice label, rest = domain;
    while (slice_cut(rest, '.', &label, &rest))
        if (!is_label(label))
            return false;
    return is_label(rest);
}

struct name {
    struct slice text, user, domain; /* of mem */
    char mem[DIRECTORY_MAX_NAME];
};

/* user@domain with the domain in lower case; -EINVAL. */
static int parse_name(struct slice aor, struct name *ret)
{
    struct slice user, domain;
    if (aor.n > DIRECTORY_MAX_NAME || !slice_cut(aor, '@', &user, &domain) || user.n == 0 ||
        !is_domain(domain))
        return -EINVAL;
    for (size_t i = 0; i < user.n; i++)
        if (!is_user_char(user.p[i]))
            return -EINVAL;
    for (size_t i = 0; i < aor.n; i++)
        ret->mem[i] = i < user.n ? aor.p[i] : text_lower(aor.p[i]);
    ret->text = slice_mem(ret->mem, aor.n);
    ret->user = slice_head(ret->text, user.n);
    ret->domain = slice_from(ret->text, user.n + 1);
    return 0;
}

static int check_password(struct slice password)
{
    if (password.n == 0 || password.n > DIRECTORY_MAX_PASSWORD)
        return -EINVAL;
    for (size_t i = 0; i < password.n; i++)
        if ((unsigned char)password.p[i] < 0x20 || password.p[i] == 0x7f)
            return -EINVAL;
    return 0;
}

/* --- in memory --------------------------------------------------------------------------------------------
 */

static struct shard *shard_of(struct directory *d, uint64_t hash)
{
    return &d->shards[hash >> 58]; /* the map takes the low bits */
}

static struct user *find_user(const struct shard *s, struct slice aor, uint64_t hash)
{
    for (struct map_entry *e = map_first(&s->users, hash); e; e = map_next(e)) {
        struct user *u = MAP_OBJECT(e, struct user, entry);
        if (slice_eq(slice_mem(u->aor, u->n), aor))
            return u;
    }
    return NULL;
}

static void user_free(struct user *u)
{
    mem_wipe(u, sizeof(*u));
    mem_free(u);
}

/* Adds or replaces. */
static void publish(struct directory *d, struct slice aor, const struct directory_user *v)
{
    uint64_t hash = slice_hash(aor);
    struct shard *s = shard_of(d, hash);
    struct user *new = mem_zalloc(sizeof(*new) + aor.n);
    new->n = aor.n;
    memcpy(new->aor, aor.p, aor.n);
    pthread_mutex_lock(&s->lock);
    struct user *u = find_user(s, aor, hash);
    if (!u) {
        u = new;
        new = NULL;
        map_insert(&s->users, &u->entry, hash);
        atomic_fetch_add(&d->count, 1);
    }
    u->v = *v;
    u->serial = atomic_fetch_add(&d->serials, 1) + 1;
    pthread_mutex_unlock(&s->lock);
    mem_free(new);
}

static void withdraw(struct directory *d, struct slice aor)
{
    uint64_t hash = slice_hash(aor);
    struct shard *s = shard_of(d, hash);
    pthread_mutex_lock(&s->lock);
    struct user *u = find_user(s, aor, hash);
    map_remove(&s->users, &u->entry);
    atomic_fetch_sub(&d->count, 1);
    pthread_mutex_unlock(&s->lock);
    user_free(u);
}

/* The serial, or 0. ret may be NULL. */
static uint64_t find_name(struct directory *d, struct slice aor, struct directory_user *ret)
{
    uint64_t hash = slice_hash(aor);
    struct shard *s = shard_of(d, hash);
    pthread_mutex_lock(&s->lock);
    struct user *u = find_user(s, aor, hash);
    if (u && ret)
        *ret = u->v;
    uint64_t serial = u ? u->serial : 0;
    pthread_mutex_unlock(&s->lock);
    return serial;
}

bool directory_find(struct directory *d, struct slice aor, struct directory_user *ret)
{
    struct name name;
    return parse_name(aor, &name) == 0 && find_name(d, name.text, ret) != 0;
}

bool directory_ha1(struct directory *d, struct slice aor, enum sip_digest digest, bool full,
                   char ret[SIP_HA1_MAX])
{
    struct name name;
    if (parse_name(aor, &name) < 0)
        return false;
    uint64_t hash = slice_hash(name.text);
    struct shard *s = shard_of(d, hash);
    pthread_mutex_lock(&s->lock);
    const struct user *u = find_user(s, name.text, hash);
    const char *ha1 = !u ? "" : full ? u->v.ha1_full[digest] : u->v.ha1[digest];
    bool has = ha1[0];
    if (has)
        memcpy(ret, ha1, SIP_HA1_MAX);
    pthread_mutex_unlock(&s->lock);
    return has;
}

uint64_t directory_serial(struct directory *d, struct slice aor)
{
    struct name name;
    return parse_name(aor, &name) == 0 ? find_name(d, name.text, NULL) : 0;
}

size_t directory_count(struct directory *d)
{
    return atomic_load(&d->count);
}

static int compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

int directory_list(struct directory *d, struct arena *a, struct slice **ret_aors, size_t *ret_n)
{
    struct buf found = {0}; /* of struct slice */
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &d->shards[i];
        pthread_mutex_lock(&s->lock);
        for (size_t k = 0; k < s->users.n_slots; k++)
            for (struct map_entry *e = s->users.slots[k]; e; e = e->next) {
                struct user *u = MAP_OBJECT(e, struct user, entry);
                struct slice copy = arena_copy(a, slice_mem(u->aor, u->n));
                buf_append_mem(&found, &copy, sizeof(copy));
            }
        pthread_mutex_unlock(&s->lock);
    }
    size_t n = buf_len(&found) / sizeof(struct slice);
    *ret_aors = ARENA_ARRAY(a, struct slice, n + 1);
    if (n)
        memcpy(*ret_aors, buf_slice(&found).p, n * sizeof(struct slice));
    buf_fini(&found);
    qsort(*ret_aors, n, sizeof(struct slice), compare);
    *ret_n = n;
    return 0;
}

/* --- on disk ----------------------------------------------------------------------------------------------
 */

static int load_row(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    struct directory *d = arg;
    struct name name;
    struct directory_user v = {0};
    enum sip_digest digest;
    struct slice algorithm = c[1].text, suffix = SLICE(FULL_NAME);
    bool full = slice_ends(algorithm, suffix);
    if (full)
        algorithm = slice_head(algorithm, algorithm.n - suffix.n);
    /* an algorithm that this version does not know stays where it is */
    if (sip_digest_parse(algorithm, &digest) < 0)
        return 0;
    if (parse_name(c[0].text, &name) < 0 || c[2].text.n >= SIP_HA1_MAX)
        return -EBADMSG;
    find_name(d, name.text, &v);
    char *ha1 = full ? v.ha1_full[digest] : v.ha1[digest];
    memcpy(ha1, c[2].text.p, c[2].text.n);
    ha1[c[2].text.n] = '\0';
    publish(d, name.text, &v);
    mem_wipe(&v, sizeof(v));
    return 0;
}

int directory_open(const char *state_folder, struct directory **ret)
{
    struct buf path = {0};
    buf_printf(&path, "%s/users.db", state_folder);
    char *name = buf_take(&path);
    struct directory *d = MEM_NEW(struct directory);
    pthread_mutex_init(&d->writing, NULL);
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&d->shards[i].lock, NULL);
    int r = db_open(name, DB_SYNC_FULL, schema, &d->db);
    mem_free(name);
    if (r == 0)
        r = db_run(d->db, "SELECT aor, algorithm, ha1 FROM ha1", NULL, 0, load_row, d);
    if (r < 0) {
        directory_close(d);
        return r;
    }
    *ret = d;
    return 0;
}

void directory_close(struct directory *d)
{
    if (!d)
        return;
    db_close(d->db);
    for (size_t i = 0; i < SHARDS; i++) {
        struct map *m = &d->shards[i].users;
        for (size_t k = 0; k < m->n_slots; k++)
            for (struct map_entry *e = m->slots[k], *next; e; e = next) {
                next = e->next;
                user_free(MAP_OBJECT(e, struct user, entry));
            }
        map_fini(m);
        pthread_mutex_destroy(&d->shards[i].lock);
    }
    pthread_mutex_destroy(&d->writing);
    mem_free(d);
}

static int delete_rows(struct db *db, struct slice aor)
{
    return db_run(db, "DELETE FROM ha1 WHERE aor = ?", &DB_T(aor), 1, NULL, NULL);
}

static int insert_rows(struct db *db, struct slice aor, const struct directory_user *v)
{
    int r = 0;
    for (int i = 0; i < 2 * SIP_DIGEST_COUNT && r == 0; i++) {
        bool full = i >= SIP_DIGEST_COUNT;
        enum sip_digest digest = (enum sip_digest)(i % SIP_DIGEST_COUNT);
        char algorithm[64];
        snprintf(algorithm, sizeof(algorithm), "%s%s", sip_digest_name(digest), full ? FULL_NAME : "");
        const struct db_value args[] = {DB_T(aor), DB_T(slice_str(algorithm)),
                                        DB_T(slice_str(full ? v->ha1_full[digest] : v->ha1[digest]))};
        r = db_run(db, "INSERT INTO ha1 (aor, algorithm, ha1) VALUES (?, ?, ?)", args, 3, NULL, NULL);
    }
    return r;
}

/* In one transaction: the rows of before go, those of v (unless NULL) come. */
static int replace_rows(struct db *db, struct slice aor, const struct directory_user *v)
{
    int r = db_begin(db);
    if (r < 0)
        return r;
    r = delete_rows(db, aor);
    if (r == 0 && v)
        r = insert_rows(db, aor, v);
    if (r < 0) {
        db_rollback(db);
        return r;
    }
    return db_commit(db);
}

/* With d->writing held. */
static int store_user(struct directory *d, const struct name *name, struct slice password)
{
    struct directory_user v = {0};
    for (enum sip_digest i = 0; i < SIP_DIGEST_COUNT; i++) {
        sip_digest_ha1(i, name->user, name->domain, password, v.ha1[i]);
        sip_digest_ha1(i, name->text, name->domain, password, v.ha1_full[i]);
    }
    int r = replace_rows(d->db, name->text, &v);
    if (r == 0)
        publish(d, name->text, &v);
    mem_wipe(&v, sizeof(v));
    return r;
}

static int change(struct directory *d, struct slice aor, const struct slice *password, bool must_exist)
{
    struct name name;
    if (parse_name(aor, &name) < 0 || (password && check_password(*password) < 0))
        return -EINVAL;
    int r = 0;
    pthread_mutex_lock(&d->writing);
    bool exists = find_name(d, name.text, NULL);
    if (exists != must_exist)
        r = exists ? -EEXIST : -ENOENT;
    else if (!exists && directory_count(d) >= DIRECTORY_MAX_USERS)
        r = -ENOSPC;
    else if (password)
        r = store_user(d, &name, *password);
    else if ((r = replace_rows(d->db, name.text, NULL)) == 0)
        withdraw(d, name.text);
    pthread_mutex_unlock(&d->writing);
    return r;
}

int directory_add(struct directory *d, struct slice aor, struct slice password)
{
    return change(d, aor, &password, false);
}

int directory_passwd(struct directory *d, struct slice aor, struct slice password)
{
    return change(d, aor, &password, true);
}

int directory_remove(struct directory *d, struct slice aor)
{
    return change(d, aor, NULL, true);
}
