#include "service/access_edge/crls.h"

#include "ground/base/mem.h"
#include "ground/http/http.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"
#include "ground/loop/helpers.h"
#include "kept/store/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

enum { FILE_NAME = 80, WORDS = 256 };

struct crls {
    struct crl_store *store;
    struct helpers *threads;
    struct loop *control;
    struct timer look;
    struct net_addr from;
    _Atomic bool stop;
    char *folder;
};

/* One list on its way. */
struct fetch {
    struct job job;
    struct crls *c;
    struct crl_want want;
    struct net_addr from;
    int outcome; /* of crl_store_put; -EIO: nothing came */
    char words[WORDS];
};

/* ---------------------------------------------------------------- on a thread */
static void fetch_file(const struct crl_want *w, char name[FILE_NAME])
{
    size_t at = 0;
    for (size_t i = 0; i < sizeof(w->key); i++)
        at += (size_t)snprintf(name + at, FILE_NAME - at, "%02x", w->key[i]);
    snprintf(name + at, FILE_NAME - at, ".crl");
}

static void fetch_keep(struct fetch *f, struct slice list)
{
    char name[FILE_NAME];
    struct buf out = {0};
    fetch_file(&f->want, name);
    if (crl_store_write(f->c->store, &f->want, list, &out)) {
        int r = files_write(f->c->folder, name, buf_slice(&out));
        if (r < 0)
            snprintf(f->words, sizeof(f->words), "it cannot be kept: %s", strerror(-r));
    }
    buf_fini(&out);
}

static void fetch_take(struct fetch *f, struct slice list)
{
    f->outcome = crl_store_put(f->c->store, &f->want, list, loop_wall());
    if (f->outcome < 0)
        snprintf(f->words, sizeof(f->words), "%.200s", crypto_error());
    else if (f->outcome == 0)
        fetch_keep(f, list);
}

static void fetch_work(struct job *j)
{
    struct fetch *f = (struct fetch *)((char *)j - offsetof(struct fetch, job));
    struct http_result got;
    struct http_call call = {.method = "GET",
                             .url = f->want.url,
                             .local = f->from,
                             .max_body = CRL_MAX_BYTES,
                             .timeout_ms = CRLS_FETCH_MS,
                             .stop = &f->c->stop};
    http_call(&call, &got);
    if (got.status == 200) {
        fetch_take(f, buf_slice(&got.body));
    } else {
        f->outcome = -EIO;
        crl_store_failed(f->c->store, &f->want, loop_wall());
        if (got.status)
            snprintf(f->words, sizeof(f->words), "the server answers %u", got.status);
        else
            snprintf(f->words, sizeof(f->words), "%.200s", got.error);
    }
    http_result_fini(&got);
}

/* ---------------------------------------------------------------- on the control loop */
static void fetch_done(struct job *j)
{
    struct fetch *f = (struct fetch *)((char *)j - offsetof(struct fetch, job));
    struct slice url = slice_str(f->want.url), words = slice_str(f->words);
    if (f->outcome == 0) {
        METRIC_COUNT("edge.crl-fetched");
        log_event(words.n ? LOG_WARN : LOG_INFO, "edge.crl-fetched", FIELDS({"url", url}, {"error", words}),
                  "revocation list " SLICE_FMT " is here%s" SLICE_FMT, SLICE_ARG(url),
                  words.n ? ", and " : "", SLICE_ARG(words));
    } else if (f->outcome < 0 && !atomic_load(&f->c->stop)) {
        METRIC_COUNT("edge.crl-failed");
        log_event(f->want.failures ? LOG_DEBUG : LOG_WARN, "edge.crl-unreachable",
                  FIELDS({"url", url}, {"error", words}),
                  "revocation list " SLICE_FMT " cannot be had: " SLICE_FMT
                  "; access_edge/crl_unreachable says what comes of it",
                  SLICE_ARG(url), SLICE_ARG(words));
    }
    mem_free(f);
}

static void crls_look(void *arg)
{
    struct crls *c = arg;
    struct crl_want want;
    while (crl_store_due(c->store, loop_wall(), &want)) {
        struct fetch *f = MEM_NEW(struct fetch);
        f->job.work = fetch_work;
        f->job.done = fetch_done;
        f->c = c;
        f->want = want;
        f->from = c->from;
        if (helpers_run(c->threads, c->control, &f->job) < 0) {
            crl_store_failed(c->store, &want, loop_wall());
            mem_free(f);
        }
    }
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
    if (files_folder_make(c->folder) < 0)
        log_error("edge.crl-folder", "%s cannot be made: revocation lists are not kept", c->folder);
    restore(c);
    timer_init(&c->look, control, crls_look, c);
    timer_start(&c->look, loop_now(control) + CRLS_LOOK_MS);
    return c;
}

struct crl_store *crls_store(struct crls *c)
{
    return c->store;
}

void crls_send_from(struct crls *c, const struct net_addr *from)
{
    c->from = *from;
}

void crls_stop(struct crls *c)
{
    if (!c)
        return;
    atomic_store(&c->stop, true);
    timer_stop(&c->look);
    helpers_free(c->threads);
    c->threads = NULL;
}

void crls_free(struct crls *c)
{
    if (!c)
        return;
    crl_store_unref(c->store);
    mem_free(c->folder);
    mem_free(c);
}
