#include "service/access_edge/crls_priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/log/log.h"
#include "kept/store/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

enum { FILE_NAME = 80 };

int crls_keep(struct crls *c, const struct crl_want *want, struct slice list)
{
    char name[FILE_NAME];
    struct buf out = {0};
    size_t at = 0;
    int r = 0;
    for (size_t i = 0; i < sizeof(want->key); i++)
        at += (size_t)snprintf(name + at, sizeof(name) - at, "%02x", want->key[i]);
    snprintf(name + at, sizeof(name) - at, ".crl");
    if (crl_store_write(c->store, want, list, &out))
        r = files_write(c->folder, name, buf_slice(&out));
    buf_fini(&out);
    return r;
}

static void crls_look(void *arg)
{
    struct crls *c = arg;
    struct crl_want want;
    while (crl_store_due(c->store, loop_wall(), &want))
        crl_fetch_begin(c, &want);
    timer_start(&c->look, loop_now(c->control) + CRLS_LOOK_MS);
}

/* ---------------------------------------------------------------- what was kept */
static void restore_one(struct crls *c, const char *name)
{
    struct buf kept = {0};
    int r = files_read(c->folder, name, &kept);
    if (r == 0)
        r = crl_store_restore(c->store, buf_slice(&kept), loop_wall());
    buf_fini(&kept);
    if (r < 0)
        (void)!files_remove(c->folder, name); /* too old, or damaged: it is fetched when somebody asks */
}

static void restore(struct crls *c)
{
    const struct dirent *e;
    DIR *dir = opendir(c->folder);
    for (int n = 0; dir && (e = readdir(dir));) {
        if (!slice_ends(slice_str(e->d_name), SLICE(".crl")))
            continue;
        if (n++ < CRL_STORE_MAX_LISTS)
            restore_one(c, e->d_name);
        else
            (void)!files_remove(c->folder, e->d_name);
    }
    if (dir)
        closedir(dir);
}

struct crls *crls_new(struct loop *control, const char *state)
{
    struct crls *c = MEM_NEW(struct crls);
    struct buf path = {0};
    buf_printf(&path, "%s/crls", state);
    c->folder = buf_take(&path);
    c->control = control;
    c->store = crl_store_new();
    c->threads = helpers_new(CRL_MAX_UNDER_WAY, "crl");
    list_init(&c->fetches);
    if (files_folder_make(c->folder) < 0)
        log_error("edge.crl-folder", "%s cannot be made: revocation lists are not kept", c->folder);
    restore(c);
    timer_init(&c->look, control, crls_look, c);
    return c;
}

struct crl_store *crls_store(struct crls *c)
{
    return c->store;
}

static bool same_servers(const struct resolver_config *a, const struct resolver_config *b)
{
    for (size_t i = 0; i < a->n_servers; i++)
        if (i >= b->n_servers || !net_addr_eq(&a->servers[i], &b->servers[i]))
            return false;
    return a->n_servers == b->n_servers && a->stale_ms == b->stale_ms && a->records == b->records &&
           a->validate == b->validate &&
           slice_eq(slice_str(a->trust_anchor ? a->trust_anchor : ""),
                    slice_str(b->trust_anchor ? b->trust_anchor : ""));
}

void crls_configure(struct crls *c, const struct net_addr *from, const struct resolver_config *resolver)
{
    c->from = *from;
    if (c->resolver && same_servers(&c->config, resolver))
        return;
    char *anchor = resolver->trust_anchor ? mem_strdup(resolver->trust_anchor) : NULL;
    resolver_free(c->resolver);
    mem_free(c->anchor);
    c->config = *resolver;
    c->config.trust_anchor = c->anchor = anchor;
    c->resolver = resolver_new(c->control, &c->config);
    crl_fetch_ask_again(c);
    if (!timer_running(&c->look) && !atomic_load(&c->stop))
        timer_start(&c->look, loop_now(c->control) + CRLS_LOOK_MS);
}

void crls_give(struct crls *c, const struct material *m)
{
    struct arena a = {0};
    struct slice lists[MATERIAL_MAX_LISTS];
    for (size_t i = 0; i < m->n_lists; i++) {
        struct slice text = m->lists[i].text;
        char *der = arena_alloc(&a, text.n + 1);
        ssize_t n = text_unbase64(text, der, text.n + 1);
        lists[i] = slice_mem(der, n > 0 ? (size_t)n : 0);
    }
    size_t good = crl_store_give(c->store, lists, m->n_lists);
    if (good != m->n_lists)
        log_error("edge.crl-given", "%zu of %zu revocation lists that were given cannot be read",
                  m->n_lists - good, m->n_lists);
    arena_fini(&a);
}

void crls_stop(struct crls *c)
{
    if (!c)
        return;
    atomic_store(&c->stop, true);
    timer_stop(&c->look);
    crl_fetch_stop_all(c);
    helpers_free(c->threads);
    c->threads = NULL;
}

void crls_free(struct crls *c)
{
    if (!c)
        return;
    resolver_free(c->resolver);
    crl_store_unref(c->store);
    mem_free(c->anchor);
    mem_free(c->folder);
    mem_free(c);
}
