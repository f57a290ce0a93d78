/*
 * entented/deployment_for_test.h - central management and machines of one deployment in this process, on
 * loopback addresses of its own, for the tests of publishing. Include base/test.h before it.
 */
#pragma once

#include "service/central/central.h"
#include "service/replica/replica.h"

#include "ground/base/mem.h"
#include "ground/crypto/pki_for_test.h"
#include "kept/store/files.h"

#include <errno.h>
#include <ftw.h>
#include <unistd.h>

enum { WAIT_MS = 120 * 1000, LOOK_MS = 5, N_NODES = 3, CMS = 0, OLD1 = 1, NEW1 = 2 };

static const char *const node_names[N_NODES] = {"cms.contoso.example", "old1.contoso.example",
                                                "new1.contoso.example"};

struct node {
    const char *fqdn;
    char folder[128], address[32];
    struct replica *replica;
    bool ready;
    int ready_error;
    unsigned applies;
    uint64_t revision;          /* the last that was applied */
    const char *refuse_comment; /* a revision with this comment is refused */
    struct material *material;
    struct crypto_cert *cert;
};
static struct {
    char root[64], socket[128];
    struct loop *loop;
    struct helpers *helpers;
    struct central *central;
    struct http_server *api;
    struct node nodes[N_NODES];
} world;

/* --- waiting: the loop turns until the condition holds --- */
struct waiting {
    struct timer look;
    bool (*holds)(void *arg);
    void *arg;
    uint64_t until;
    bool held;
};

static inline void waiting_look(void *arg)
{
    struct waiting *w = arg;
    w->held = w->holds(w->arg);
    if (w->held || loop_now(world.loop) >= w->until)
        loop_stop(world.loop);
    else
        timer_start(&w->look, loop_now(world.loop) + LOOK_MS);
}

static inline bool wait_until(bool (*holds)(void *arg), void *arg)
{
    struct waiting w = {.holds = holds, .arg = arg, .until = loop_now(world.loop) + WAIT_MS};
    timer_init(&w.look, world.loop, waiting_look, &w);
    timer_start(&w.look, loop_now(world.loop));
    loop_run(world.loop);
    timer_stop(&w.look);
    return w.held;
}

/* --- HTTP calls from a helper, while the loop turns --- */
struct calling {
    struct job job;
    struct http_call call;
    struct http_result result;
    bool done;
};

static inline void calling_work(struct job *j)
{
    struct calling *c = (struct calling *)j;
    http_call(&c->call, &c->result);
}

static inline void calling_done(struct job *j)
{
    ((struct calling *)j)->done = true;
}

static inline bool calling_is_done(void *arg)
{
    return ((struct calling *)arg)->done;
}

static inline void call_now(struct calling *c)
{
    c->job.work = calling_work;
    c->job.done = calling_done;
    c->done = false;
    CHECK_INT(helpers_run(world.helpers, world.loop, &c->job), 0);
    CHECK(wait_until(calling_is_done, c));
}

/* The status; the answer's tree lives in a. */
static inline unsigned api(struct arena *a, const char *method, const char *path, const char *body,
                           struct json_value **ret)
{
    struct json_error error;
    char url[256];
    snprintf(url, sizeof(url), "http://local%s", path);
    struct calling c = {
        .call = {.method = method,
                 .unix_socket = world.socket,
                 .url = url,
                 .body = slice_str(body),
                 .timeout_ms = WAIT_MS,
                 .content_type = "application/json"}
    };
    struct json_value *doc = NULL;
    call_now(&c);
    if (c.result.status == 0)
        TEST_DIAG("%s %s: %s", method, path, c.result.error);
    else
        CHECK_INT(json_parse(buf_slice(&c.result.body), a, &doc, &error), 0);
    unsigned status = c.result.status;
    http_result_fini(&c.result);
    if (ret)
        *ret = doc;
    return status;
}

static inline void api_good(const char *method, const char *path, const char *body)
{
    struct arena a = {0};
    struct json_value *v;
    unsigned status = api(&a, method, path, body, &v);
    if (status != 200)
        TEST_DIAG("%s %s: %u " SLICE_FMT, method, path, status, SLICE_ARG(json_get_string(v, "text")));
    arena_fini(&a);
}

static inline void api_refused(const char *method, const char *path, const char *body, unsigned status,
                               const char *id)
{
    struct arena a = {0};
    struct json_value *v;
    CHECK_INT(api(&a, method, path, body, &v), status);
    CHECK_STR(json_get_string(v, "id"), id);
    CHECK(json_get_string(v, "text").n > 0);
    arena_fini(&a);
}

/* --- nodes --- */
static inline void node_apply(void *arg, struct topology *t, const struct revision *r, struct material *m,
                              const struct replica_identity *id, replica_applied *done, void *done_arg)
{
    struct node *n = arg;
    (void)t;
    if (n->refuse_comment && slice_eq(r->comment, slice_str(n->refuse_comment))) {
        done(done_arg, -EADDRINUSE, "a port is taken");
        return;
    }
    n->applies++;
    n->revision = r->number;
    material_unref(n->material);
    n->material = material_ref(m);
    crypto_cert_unref(n->cert);
    n->cert = crypto_cert_ref(id->cert);
    done(done_arg, 0, "");
}

static inline void node_describe(void *arg, struct arena *a, struct json_value *object)
{
    json_set_int(a, object, "applies", ((struct node *)arg)->applies);
}

static inline void node_ready(void *arg, int error, const char *text)
{
    struct node *n = arg;
    n->ready = true;
    n->ready_error = error;
    if (error)
        printf("# %s: %s\n", n->fqdn, text);
}

static const struct replica_ops node_ops = {.apply = node_apply, .describe = node_describe};

static inline bool node_is_ready(void *arg)
{
    return ((struct node *)arg)->ready;
}

static inline void node_start(struct node *n)
{
    char error[512] = "";
    n->ready = false;
    int r = replica_new(world.loop, world.helpers, n->folder, &node_ops, n, node_ready, &n->replica, error);
    if (r < 0)
        TEST_DIAG("%s: %s", n->fqdn, error);
    else
        CHECK(wait_until(node_is_ready, n));
}

static inline void node_stop(struct node *n)
{
    replica_free(n->replica);
    n->replica = NULL;
}

static inline void node_join(struct node *n)
{
    struct arena a = {0};
    struct json_value *v;
    struct buf text = {0};
    char body[128], error[256] = "";
    snprintf(body, sizeof(body), "{\"fqdn\":\"%s\"}", n->fqdn);
    CHECK_INT(api(&a, "POST", "/v1/machines/bundle", body, &v), 200);
    json_write(v, false, &text);
    CHECK_INT(replica_join(n->folder, buf_slice(&text), error), 0);
    CHECK_STR(slice_str(error), "");
    buf_fini(&text);
    arena_fini(&a);
}

/* --- central --- */
static inline void api_handle(void *arg, struct http_request *rq)
{
    (void)arg;
    if (!world.central || !central_api(world.central, rq))
        http_respond(rq, 404, "application/json", SLICE("{}"));
}

static inline void central_start(void)
{
    char error[512] = "";
    if (central_new(world.loop, world.helpers, world.nodes[CMS].folder, &world.central, error) < 0)
        TEST_DIAG("central: %s", error);
}

static inline void central_stop(void)
{
    central_free(world.central);
    world.central = NULL;
}

static inline void topology_text(struct buf *out)
{
    buf_printf(out,
               "schema: 1\n"
               "deployment:\n  name: contoso\n  default_domain: contoso.example\n"
               "central:\n  machine: %s\n  internal_address: %s\n"
               "sites:\n- name: hq\n  federation_route: old.contoso.example\n"
               "edge_pools:\n"
               "- fqdn: old.contoso.example\n  site: hq\n  federation: true\n"
               "  external_fqdn: sip.contoso.example\n  next_hop: pbx.contoso.example\n"
               "  machines:\n  - fqdn: %s\n    internal_address: %s\n    external_address: 127.0.0.2\n"
               "- fqdn: new.contoso.example\n  site: hq\n  external_fqdn: sip2.contoso.example\n"
               "  machines:\n  - fqdn: %s\n    internal_address: %s\n    external_address: 127.0.0.3\n"
               "foreign_pools:\n- fqdn: pbx.contoso.example\n  site: hq\n"
               "  machines:\n  - fqdn: pbx1.contoso.example\n    internal_address: 127.0.0.4\n",
               node_names[CMS], world.nodes[CMS].address, node_names[OLD1], world.nodes[OLD1].address,
               node_names[NEW1], world.nodes[NEW1].address);
}

static inline int world_init_central(char *error)
{
    struct buf text = {0};
    topology_text(&text);
    struct central_init init = {.state_folder = world.nodes[CMS].folder,
                                .machine = slice_str(node_names[CMS]),
                                .address = slice_str(world.nodes[CMS].address),
                                .topology = buf_slice(&text)};
    int r = central_init(&init, error);
    buf_fini(&text);
    return r;
}

/* Folders, addresses and a loop; nothing runs. */
static inline void world_new(void)
{
    unsigned pid = (unsigned)getpid();
    memset(&world, 0, sizeof(world));
    snprintf(world.root, sizeof(world.root), "/tmp/deployment.XXXXXX");
    CHECK(mkdtemp(world.root) != NULL);
    snprintf(world.socket, sizeof(world.socket), "%s/api.sock", world.root);
    for (unsigned i = 0; i < N_NODES; i++) {
        struct node *n = &world.nodes[i];
        n->fqdn = node_names[i];
        snprintf(n->folder, sizeof(n->folder), "%s/%u", world.root, i);
        snprintf(n->address, sizeof(n->address), "127.%u.%u.%u", 64 + ((pid >> 14) & 63), (pid >> 6) & 255,
                 ((pid & 63) << 2) + i);
    }
    world.loop = loop_new(0);
    world.helpers = helpers_new(3, "test");
}

static inline bool all_current(void *arg)
{
    struct arena a = {0};
    struct central_machine_state *list;
    size_t n = central_machines(world.central, &a, &list), current = 0;
    for (size_t i = 0; i < n; i++)
        current += list[i].current;
    arena_fini(&a);
    return n == N_NODES && current == n && (!arg || central_revision(world.central) >= *(uint64_t *)arg);
}

static inline void wait_all_current(uint64_t revision)
{
    if (wait_until(all_current, &revision))
        return;
    struct arena a = {0};
    struct central_machine_state *list;
    size_t n = central_machines(world.central, &a, &list);
    for (size_t i = 0; i < n; i++)
        TEST_DIAG(SLICE_FMT " runs %llu: " SLICE_FMT, SLICE_ARG(list[i].fqdn),
                  (unsigned long long)list[i].acknowledged, SLICE_ARG(list[i].why));
    arena_fini(&a);
}

/* Every machine has replaced the key that its bundle brought. */
static inline bool keys_are_own(void *arg)
{
    bool own = all_current(arg);
    for (unsigned i = 0; own && i < N_NODES; i++) {
        struct arena a = {0};
        struct buf text = {0};
        struct bundle b = {0};
        unsigned char now[32], carried[32];
        struct crypto_cert *cert = NULL;
        CHECK_INT(files_read(world.nodes[i].folder, FILE_MACHINE, &text), 0);
        CHECK_INT(bundle_machine_parse(buf_slice(&text), &a, &b), 0);
        CHECK_INT(crypto_cert_parse(b.cert_pem, &cert), 0);
        crypto_cert_fingerprint(cert, carried);
        crypto_cert_fingerprint(world.nodes[i].cert, now);
        own = memcmp(now, carried, sizeof(now)) != 0;
        crypto_cert_unref(cert);
        buf_fini(&text);
        arena_fini(&a);
    }
    return own;
}

/* A whole deployment that runs revision 1, which each machine applied once, so to say. */
static inline void world_start(void)
{
    char error[512] = "";
    world_new();
    CHECK_INT(world_init_central(error), 0);
    CHECK_STR(slice_str(error), "");
    CHECK_INT(http_server_unix_new(world.loop, world.socket, 0600, api_handle, NULL, &world.api), 0);
    central_start();
    node_join(&world.nodes[OLD1]);
    node_join(&world.nodes[NEW1]);
    for (unsigned i = 0; i < N_NODES; i++)
        node_start(&world.nodes[i]);
    wait_all_current(1);
    CHECK(wait_until(keys_are_own, NULL));
    for (unsigned i = 0; i < N_NODES; i++)
        world.nodes[i].applies = 1;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void world_end(void)
{
    central_stop();
    for (unsigned i = 0; i < N_NODES; i++)
        node_stop(&world.nodes[i]);
    http_server_free(world.api);
    helpers_free(world.helpers);
    loop_free(world.loop);
    for (unsigned i = 0; i < N_NODES; i++) {
        material_unref(world.nodes[i].material);
        crypto_cert_unref(world.nodes[i].cert);
    }
    CHECK_INT(nftw(world.root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The deployment's own authority, out of central's store. */
static inline struct pki_id real_authority(void)
{
    struct pki_id ca = {0};
    struct store *s = NULL;
    struct buf b = {0};
    CHECK_INT(store_open(world.nodes[CMS].folder, &s), 0);
    CHECK_INT(store_blob_get(s, "secret", SLICE("ca.key"), &b), 0);
    CHECK_INT(crypto_key_parse(buf_slice(&b), &ca.key), 0);
    buf_clear(&b, SIZE_MAX);
    CHECK_INT(store_blob_get(s, "secret", SLICE("ca.crt"), &b), 0);
    CHECK_INT(crypto_cert_parse(buf_slice(&b), &ca.cert), 0);
    buf_fini(&b);
    store_close(s);
    return ca;
}
