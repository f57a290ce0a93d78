#include "kept/topology/rebase.h"

enum { SHOWN = 80 /* bytes of a value */ };

struct rebase {
    struct arena *a;
    const struct json_value *base, *mine;
    struct json_value *theirs;
    struct topology_change *changes, *others;
    size_t n, n_others;
    struct findings *f;
};

static bool within(struct slice path, struct slice above)
{
    return slice_starts(path, above) && (path.n == above.n || path.p[above.n] == '/');
}

static bool same(const struct json_value *x, const struct json_value *y)
{
    return x == y || (x && y && json_equal(x, y));
}

static struct slice shown(struct rebase *r, const struct json_value *v)
{
    struct buf text = {0};
    if (!v)
        return SLICE("nothing");
    json_write(v, false, &text);
    struct slice s = arena_printf(r->a, SLICE_FMT "%s", SLICE_ARG(slice_head(buf_slice(&text), SHOWN)),
                                  buf_len(&text) > SHOWN ? "…" : "");
    buf_fini(&text);
    return s;
}

static void conflict(struct rebase *r, struct slice path)
{
    findings_add(r->f, "both-changed", FINDING_ERROR, path,
                 "make the draft fit, or say --keep mine or --keep theirs",
                 "It was " SLICE_FMT "; published is " SLICE_FMT ", and the draft has " SLICE_FMT ".",
                 SLICE_ARG(shown(r, topology_edit_get(r->base, path))),
                 SLICE_ARG(shown(r, topology_edit_get(r->theirs, path))),
                 SLICE_ARG(shown(r, topology_edit_get(r->mine, path))));
}

/* The paths at which the other's change stands in the way of mine; NULL: it does not. */
static const struct slice *clash(const struct topology_change *m, const struct topology_change *t)
{
    if (m->kind == TOPOLOGY_REMOVED)
        return t->kind != TOPOLOGY_REMOVED && within(t->path, m->path) ? &t->path : NULL;
    if (t->kind == TOPOLOGY_REMOVED)
        return within(m->path, t->path) ? &m->path : NULL;
    return slice_eq(m->path, t->path) && !same(m->after, t->after) ? &m->path : NULL;
}

/* An object that they removed, and of which mine is only a part. */
static bool is_lost(const struct topology_change *m, const struct topology_change *t)
{
    return t->kind == TOPOLOGY_REMOVED && m->kind != TOPOLOGY_REMOVED && within(m->path, t->path);
}

static bool conflicts_with_any(struct rebase *r, const struct topology_change *m, bool *ret_lost)
{
    bool any = false;
    for (size_t k = 0; k < r->n_others; k++) {
        const struct slice *path = clash(m, &r->others[k]);
        if (!path)
            continue;
        any = true;
        *ret_lost = *ret_lost || is_lost(m, &r->others[k]);
        conflict(r, *path);
    }
    return any;
}

int topology_rebase(struct arena *a, const struct json_value *base, const struct json_value *mine,
                    struct json_value *theirs, enum rebase_keep keep, struct json_value **ret, size_t *ret_n,
                    struct findings *conflicts)
{
    struct rebase r = {.a = a, .base = base, .mine = mine, .theirs = theirs, .f = conflicts};
    struct findings left = {0};
    size_t n = 0;
    bool refused = false;
    topology_diff(base, mine, a, &r.changes, &r.n);
    topology_diff(base, theirs, a, &r.others, &r.n_others);
    struct topology_change *make = ARENA_ARRAY(a, struct topology_change, r.n + 1);
    for (size_t i = 0; i < r.n; i++) {
        bool lost = false, clashes = conflicts_with_any(&r, &r.changes[i], &lost);
        refused = refused || (clashes && (keep == REBASE_REFUSE || (lost && keep == REBASE_MINE)));
        if (!clashes || keep == REBASE_MINE)
            make[n++] = r.changes[i];
    }
    if (refused)
        return REBASE_CONFLICTS;
    for (size_t i = 0; i < n; i++) /* two under one name: theirs makes room */
        if (make[i].kind == TOPOLOGY_ADDED && topology_edit_get(theirs, make[i].path))
            (void)topology_edit_remove(a, theirs, make[i].path, &left);
    topology_apply(a, theirs, make, n, &left);
    n -= left.n < n ? left.n : n;
    findings_fini(&left);
    *ret = theirs;
    *ret_n = n;
    return 0;
}
