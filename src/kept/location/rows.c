#include "kept/location/priv.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"

#include <errno.h>

/* No index beside the key: rows are found by id, which memory knows. expires_ms is what is promised
 * (refresh.c): whether the client was told so long, or refreshed since, only memory knew. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS binding (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, aor TEXT NOT NULL,"
    " uri TEXT NOT NULL, instance TEXT NOT NULL, path TEXT NOT NULL, call_id TEXT NOT NULL,"
    " cseq INTEGER NOT NULL, q INTEGER NOT NULL, expires_ms INTEGER NOT NULL, transport TEXT NOT NULL,"
    " source BLOB NOT NULL, connected INTEGER NOT NULL)";
static const char select_all[] =
    "SELECT id, since, aor, uri, instance, path, call_id, cseq, q, expires_ms, transport, source, connected"
    " FROM binding WHERE expires_ms > ?";
static const char insert[] = "INSERT INTO binding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
enum { COLUMNS = 13 };

/* A socket address as this machine has it: the file never leaves it. */
static int source_read(struct slice s, struct net_addr *ret)
{
    struct net_addr a = {0};
    if (s.n > sizeof(a))
        return -EBADMSG;
    if (s.n)
        memcpy(&a, s.p, s.n);
    bool in4 = a.sa.sa_family == AF_INET && s.n == sizeof(a.in4);
    bool in6 = a.sa.sa_family == AF_INET6 && s.n == sizeof(a.in6);
    if (!in4 && !in6 && s.n)
        return -EBADMSG;
    *ret = a;
    return 0;
}

static struct slice source_bytes(const struct net_addr *a)
{
    size_t n = a->sa.sa_family == AF_INET ? sizeof(a->in4) : a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : 0;
    return slice_mem(a, n);
}

static int load_row(void *arg, const struct db_value *c, size_t n)
{
    (void)n;
    struct location *l = arg;
    struct location_binding v = {
        .instance = c[4].text,
        .path = c[5].text,
        .call_id = c[6].text,
        .cseq = (uint32_t)c[7].integer,
        .q = (unsigned)c[8].integer,
        .expires_ms = c[9].integer,
        .transport = sip_transport_parse(c[10].text),
        .flow_lost = c[12].integer != 0,
    };
    struct plan p;
    plan_init(&p, l, c[2].text, slice_hash(c[2].text));
    if (source_read(c[11].text, &v.source) < 0 || p.n >= LOCATION_MAX_CONTACTS)
        return -EBADMSG;
    struct binding *b = binding_new(l, &v, c[3].text, v.expires_ms);
    b->id = c[0].integer;
    b->turn = atomic_fetch_add(&l->next_turn, 1);
    b->since = c[1].integer;
    if (b->id >= l->next_id)
        l->next_id = b->id + 1;
    p.next[p.n++] = b;
    index_publish(l, &p);
    return 0;
}

int rows_open(struct location *l, const char *state_folder, int64_t now_ms)
{
    struct buf path = {0};
    buf_printf(&path, "%s/location.db", state_folder);
    char *name = buf_take(&path);
    l->next_id = 1;
    int r = db_open(name, DB_SYNC_FULL, schema, &l->db);
    mem_free(name);
    if (r < 0)
        return r;
    /* a full disk does not keep us from reading: the rows go another time */
    (void)db_run(l->db, "DELETE FROM binding WHERE expires_ms <= ?", &DB_I(now_ms), 1, NULL, NULL);
    return db_run(l->db, select_all, &DB_I(now_ms), 1, load_row, l);
}

static int insert_row(struct location *l, struct slice aor, const struct binding *b)
{
    /* a UDP client is reached by its address, also after a restart */
    bool connected = b->v.flow.generation != 0 && b->v.transport != SIP_UDP;
    const struct db_value args[COLUMNS] = {
        DB_I(b->id),
        DB_I(b->since),
        DB_T(aor),
        DB_T(b->v.uri),
        DB_T(b->v.instance),
        DB_T(b->v.path),
        DB_T(b->v.call_id),
        DB_I(atomic_load(&b->cseq)),
        DB_I(b->v.q),
        DB_I(b->promised_ms),
        DB_T(slice_str(sip_transport_name(b->v.transport))),
        DB_B(source_bytes(&b->v.source)),
        DB_I(connected),
    };
    return db_run(l->db, insert, args, COLUMNS, NULL, NULL);
}

static bool is_changed(const struct plan *p)
{
    if (p->n != (p->record ? p->record->n : 0))
        return true;
    for (size_t i = 0; i < p->n; i++)
        if (!p->next[i]->record)
            return true;
    return false;
}

static int write_plan(struct location *l, const struct plan *p)
{
    int r = 0;
    for (size_t i = 0; p->record && i < p->record->n && r == 0; i++)
        if (!plan_has(p, p->record->items[i]))
            r = db_run(l->db, "DELETE FROM binding WHERE id = ?", &DB_I(p->record->items[i]->id), 1, NULL,
                       NULL);
    for (size_t i = 0; i < p->n && r == 0; i++)
        if (!p->next[i]->record)
            r = insert_row(l, p->aor, p->next[i]);
    return r;
}

int rows_write(struct location *l, const struct list *plans)
{
    bool begun = false;
    int r = 0;
    LIST_FOR(it, plans)
    {
        const struct plan *p = LIST_ENTRY(it, struct plan, link);
        if (!is_changed(p))
            continue;
        if (!begun && (r = db_begin(l->db)) < 0)
            return r;
        begun = true;
        if ((r = write_plan(l, p)) < 0) {
            db_rollback(l->db);
            return r;
        }
    }
    if (begun)
        r = db_commit(l->db);
    return r < 0 ? r : begun;
}
