#include "service/replica/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"

#include <errno.h>
#include <stdio.h>

enum { OLD_ADDRESS_MS = 5000 }; /* the answer on its way is sent before a changed endpoint closes */

uint64_t replica_revision(const struct replica *r)
{
    return r->running ? r->revision->number : 0;
}

/* --- what is on disk --- */
static int load_revision(struct replica *r)
{
    struct buf text = {0};
    struct findings f = {0};
    int e = files_read(r->folder, FILE_REVISION, &text);
    if (e == 0)
        e = revision_parse(buf_slice(&text), r->signer, &r->revision);
    if (e == 0)
        e = topology_parse(r->revision->content, &r->topology, &f);
    if (e < 0) {
        revision_free(r->revision);
        r->revision = NULL;
    }
    findings_fini(&f);
    buf_fini(&text);
    return e;
}

static int unseal_file(struct replica *r, const char *name)
{
    struct buf sealed = {0};
    int e = files_read(r->folder, name, &sealed);
    if (e == 0)
        e = material_unseal(r->id, buf_slice(&sealed), &r->material);
    if (e == 0)
        keys_fill(r->folder, r->material, NULL);
    buf_fini(&sealed);
    return e;
}

/* A crash in the last steps of a renewal leaves what is sealed to the new key under its first name. */
static int load_material(struct replica *r)
{
    int e = unseal_file(r, FILE_MATERIAL);
    if (e < 0 && unseal_file(r, FILE_MATERIAL_NEXT) == 0)
        e = files_rename(r->folder, FILE_MATERIAL_NEXT, FILE_MATERIAL);
    return e;
}

static void on_start(void *arg)
{
    struct replica *r = arg;
    const char *fault = NULL;
    if (load_revision(r) < 0)
        fault = "The stored revision is damaged or missing; a new one is waited for.";
    else if (load_material(r) < 0)
        fault = "The stored material is damaged or missing; new material is waited for.";
    r->holds = keys_held(r->folder);
    r->lacks = r->material ? keys_lacking(r->material) : NULL;
    if (fault)
        log_event(LOG_ERROR, "replica.damaged", FIELDS({"folder", slice_str(r->folder)}), "%s", fault);
    exchange_first(r, fault);
}

/* --- the endpoint --- */
static int endpoint(const struct replica *r, struct net_addr *ret)
{
    struct topology_role role;
    if (r->topology && topology_role_find(r->topology, r->id->fqdn, &role))
        return net_addr_parse(role.internal_address, (uint16_t)role.replica_port, ret);
    *ret = r->id->listen;
    return 0;
}

static void drop_old(void *arg)
{
    struct replica *r = arg;
    http_server_free(r->old_server);
    r->old_server = NULL;
}

int replica_listen(struct replica *r)
{
    struct net_addr at;
    struct http_server *server;
    struct tls_ctx *tls;
    const struct tls_config config = {.server = true,
                                      .key = r->id->key,
                                      .cert = r->id->cert,
                                      .trust = r->id->trust,
                                      .peer = TLS_PEER_REQUIRED};
    int e = endpoint(r, &at);
    if (e < 0 || (r->server && net_addr_eq(&at, &r->listening)))
        return e;
    e = tls_ctx_new(&config, &tls);
    if (e < 0)
        return e;
    e = http_server_new(r->loop, &at, tls, replica_handle, r, &server);
    tls_ctx_unref(tls);
    if (e < 0)
        return e;
    if (r->server) {
        drop_old(r);
        r->old_server = r->server;
        timer_start(&r->drop_old, loop_now(r->loop) + OLD_ADDRESS_MS);
    }
    r->server = server;
    r->listening = at;
    return 0;
}

/* --- life --- */
static void replica_destroy(struct replica *r)
{
    revision_free(r->revision);
    topology_unref(r->topology);
    material_unref(r->material);
    crypto_cert_unref(r->signer);
    replica_identity_free(r->id);
    buf_fini(&r->request);
    keys_free(r->holds);
    keys_free(r->lacks);
    mem_free(r->folder);
    mem_free(r);
}

int replica_new(struct loop *l, struct helpers *h, const char *state_folder, const struct replica_ops *ops,
                void *arg, replica_applied *ready, struct replica **ret, char *error)
{
    struct replica *r = MEM_NEW(struct replica);
    r->loop = l;
    r->helpers = h;
    r->folder = mem_strdup(state_folder);
    r->ops = ops;
    r->arg = arg;
    r->ready = ready;
    timer_init(&r->start, l, on_start, r);
    timer_init(&r->drop_old, l, drop_old, r);
    int e = replica_identity_load(state_folder, &r->id);
    if (e == 0)
        e = crypto_cert_parse(r->id->signer_pem, &r->signer);
    if (e < 0) {
        snprintf(error, REPLICA_ERROR,
                 e == -ENOENT ? "%s: this machine has not joined."
                              : "%s: the machine's key, certificate or machine.json is damaged.",
                 state_folder);
        replica_destroy(r);
        return e;
    }
    timer_start(&r->start, loop_now(l));
    *ret = r;
    return 0;
}

void replica_drop(struct replica *r)
{
    if (r->closed && !r->changing && !r->key_jobs)
        replica_destroy(r);
}

void replica_free(struct replica *r)
{
    if (!r)
        return;
    timer_stop(&r->start);
    timer_stop(&r->drop_old);
    http_server_free(r->server);
    http_server_free(r->old_server);
    r->server = r->old_server = NULL;
    r->closed = true;
    replica_drop(r);
}
