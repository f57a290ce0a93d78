#include "service/access_edge/hide.h"

#include <errno.h>
#include <stdio.h>

#include "ground/base/mem.h"
#include "ground/crypto/crl.h"

enum { ERROR_TEXT = 256 };

/* What is put together while a config is compiled. */
struct compiling {
    struct edge *e;
    const struct access_edge_self *self;
    struct element_config *c;
    char *error;
};

__attribute__((format(printf, 2, 3))) static int fail(struct compiling *k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(k->error, ERROR_TEXT, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static void edge_free(void *arg)
{
    struct edge *e = arg;
    trusts_free(e);
    topology_unref(e->t);
    material_unref(e->m);
    crl_store_unref(e->crls);
    watch_unref(e->watch);
    users_fini(&e->users);
    map_fini(&e->welcome);
    arena_fini(&e->arena);
    mem_free(e);
}

static struct edge *edge_new(const struct topology *t, const struct material *m,
                             const struct topology_role *role)
{
    static _Atomic uint64_t generation;
    struct edge *e = MEM_NEW(struct edge);
    e->generation = ++generation;
    e->t = topology_ref((struct topology *)t);
    e->m = material_ref((struct material *)m);
    e->pool = role->edge;
    e->self = role->machine;
    e->machine = role->machine->fqdn;
    e->outer_host = role->edge->external_fqdn;
    names_compile(e);
    welcome_compile(e);
    return e;
}

/* ---------------------------------------------------------------- trust and certificates */
static int partner_trust(struct compiling *k)
{
    const char *file;
    int r = trusts_compile(k->e, &file);
    if (r < 0)
        return fail(k, "the roots that partners' certificates must lead to cannot be read%s%s",
                    file ? " from " : "", file ? file : "");
    return 0;
}

static bool certificate_names(const struct material_cert *mc, struct slice host)
{
    struct crypto_cert *cert = NULL;
    if (!mc || crypto_cert_parse(mc->cert_pem, &cert) < 0)
        return false;
    bool named = crypto_cert_names_host(cert, host);
    crypto_cert_unref(cert);
    return named;
}

/*
 * A listener presents one certificate (there is no choice by SNI), and what we dial gets the same: the pool's
 * own, unless the pool adopts another whose external name that one does not cover and whose certificate we
 * hold. Partners still look for the adopted name then; our own they find only in Route values of dialogs.
 */
static const struct material_cert *choose_certificate(const struct edge *e)
{
    const struct material_cert *own = material_cert_find(e->m, e->pool->fqdn);
    for (size_t i = 0; i < e->pool->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(e->t, e->pool->adopts.items[i]);
        const struct material_cert *mc = old ? material_cert_find(e->m, old->fqdn) : NULL;
        if (mc && !certificate_names(own, old->external_fqdn))
            return mc;
    }
    return own;
}

const struct material_cert *edge_certificate(const struct edge *e)
{
    return choose_certificate(e);
}

/*
 * The name under which we ask to be found in dialogs must be one that the certificate carries, or a partner
 * that checks names turns away. Before DNS moves, the adopted name still leads to the legacy pool: machines
 * of ours, which serve any dialog. A foreign one could not, so there it is our own name.
 */
static struct slice choose_outer_host(const struct edge *e, const struct material_cert *mc)
{
    if (certificate_names(mc, e->pool->external_fqdn))
        return e->pool->external_fqdn;
    for (size_t i = 0; i < e->pool->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(e->t, e->pool->adopts.items[i]);
        if (old && old->managed && old->federation_port == e->pool->federation_port &&
            certificate_names(mc, old->external_fqdn))
            return old->external_fqdn;
    }
    return e->pool->external_fqdn;
}

static int context(struct compiling *k, const struct tls_config *tls, const char *what, struct tls_ctx **ret)
{
    if (tls_ctx_shared(tls, ret) < 0)
        return fail(k, "the %s certificate or its key cannot be used: %s", what, crypto_error());
    return 0;
}

/* A server's and a client's context of one side. Sessions are resumed on the listener that made them, and by
 * what we dial from the same side. */
static int contexts(struct compiling *k, struct tls_config *tls, const struct element_listener *l,
                    struct slice address, struct tls_ctx **ret_server)
{
    const char *what = l->side == SIDE_EXTERNAL ? "external" : "internal";
    tls->server = false;
    tls->resume = true;
    tls->scope = slice_str(what);
    int r = context(k, tls, what, &k->c->sides[l->side].client_tls);
    tls->server = true;
    tls->scope = arena_printf(&k->c->arena, "%s " SLICE_FMT " %u", what, SLICE_ARG(address), l->port);
    return r < 0 ? r : context(k, tls, what, ret_server);
}

/* ---------------------------------------------------------------- sides */
static int add_listener(struct compiling *k, const struct element_listener *l, struct slice address)
{
    struct element_listener *to = &k->c->listeners[k->c->n_listeners];
    *to = *l;
    to->host = arena_copy(&k->c->arena, l->host);
    k->c->n_listeners++; /* from here on the config owns the context */
    if (net_addr_parse(address, l->port, &to->addr) < 0)
        return fail(k, "machine " SLICE_FMT " has no %s address", SLICE_ARG(k->e->machine),
                    l->side == SIDE_EXTERNAL ? "external" : "internal");
    k->c->sides[l->side].local = to->addr;
    net_addr_set_port(&k->c->sides[l->side].local, 0);
    return 0;
}

static int external_side(struct compiling *k)
{
    const struct topology_edge_pool *pool = k->e->pool;
    const struct material_cert *mc = choose_certificate(k->e);
    if (!mc)
        return fail(k, "no external certificate for Edge pool " SLICE_FMT ": entente cert import",
                    SLICE_ARG(pool->fqdn));
    k->e->outer_host = choose_outer_host(k->e, mc);
    hide_compile(k->e);
    if (k->e->words)
        k->c->shown[SIDE_EXTERNAL] = k->e->outer_host;
    struct tls_config tls = {.peer = TLS_PEER_REQUIRED,
                             .refuse_server_auth_only = !k->e->t->deployment.accept_server_auth_only,
                             .refuse_client_auth_only = true};
    struct crypto_cert *cert = NULL;
    struct element_listener l = {.side = SIDE_EXTERNAL,
                                 .transport = SIP_TLS,
                                 .host = k->e->outer_host,
                                 .port = (uint16_t)pool->federation_port};
    int r = partner_trust(k);
    tls.more_trusts = k->e->trusts;
    tls.n_more_trusts = k->e->n_trusts;
    if (r == 0 && (crypto_key_parse(mc->key_pem, &tls.key) < 0 || crypto_cert_parse(mc->cert_pem, &cert) < 0))
        r = fail(k, "the external certificate of Edge pool " SLICE_FMT " cannot be read: %s",
                 SLICE_ARG(mc->pool), crypto_error());
    tls.cert = cert;
    if (r == 0)
        r = contexts(k, &tls, &l, k->e->self->external_address, &l.tls);
    crypto_key_unref(tls.key);
    crypto_cert_unref(cert);
    return r < 0 ? r : add_listener(k, &l, k->e->self->external_address);
}

static int foreign_listener(struct compiling *k, enum sip_transport transport, uint16_t port)
{
    struct slice at = k->e->self->internal_address;
    bool v6 = slice_find(at, ':') != SIZE_MAX;
    struct element_listener l = {
        .side = SIDE_INTERNAL,
        .transport = transport,
        .host = v6 ? arena_printf(&k->c->arena, "[" SLICE_FMT "]", SLICE_ARG(at)) : at,
        .port = port,
    };
    return add_listener(k, &l, at);
}

/* A foreign next hop without TLS reaches us by the port number that it has itself; one with UDP sends what is
 * too large for a datagram over TCP (RFC 3261 18.1.1). */
static int foreign_listeners(struct compiling *k)
{
    struct hops next;
    if (!hops_of_pool(k->e->t, k->e->pool->next_hop, &next) || next.transport == SIP_TLS)
        return 0;
    int r = next.transport == SIP_UDP ? foreign_listener(k, SIP_UDP, next.port) : 0;
    return r < 0 ? r : foreign_listener(k, SIP_TCP, next.port);
}

static int internal_side(struct compiling *k)
{
    struct tls_config tls = {.key = k->self->key,
                             .cert = k->self->cert,
                             .trust = k->self->internal_trust,
                             .peer = TLS_PEER_REQUIRED};
    struct element_listener l = {.side = SIDE_INTERNAL,
                                 .transport = SIP_TLS,
                                 .host = k->e->machine,
                                 .port = (uint16_t)k->e->pool->internal_port};
    int r = contexts(k, &tls, &l, k->e->self->internal_address, &l.tls);
    if (r == 0)
        r = add_listener(k, &l, k->e->self->internal_address);
    return r < 0 ? r : foreign_listeners(k);
}

/* ---------------------------------------------------------------- settings */
enum { SECOND_MS = 1000 };

static int settings(struct compiling *k)
{
    const struct topology_deployment *d = &k->e->t->deployment;
    struct element_config *c = k->c;
    c->machine = arena_copy(&c->arena, k->e->machine);
    c->attempt_ms = (uint32_t)d->attempt_ms;
    c->attempts_max = (uint32_t)d->attempts_max;
    c->connect_ms = (uint32_t)d->connect_ms;
    c->timer_c_ms = (uint32_t)(d->timer_c_s * SECOND_MS);
    c->connections_per_destination = (uint32_t)d->connections_per_partner;
    c->health = (struct health_times){.probe_ms = (uint32_t)(d->probe_interval_s * SECOND_MS),
                                      .probe_timeout_ms = (uint32_t)d->probe_timeout_ms,
                                      .block_ms = (uint32_t)d->block_ms,
                                      .block_max_ms = (uint32_t)(d->block_max_s * SECOND_MS)};
    c->linger_ms = (uint32_t)(d->drain_linger_s * SECOND_MS);
    c->idle_close_ms = (uint32_t)(d->idle_close_s * SECOND_MS);
    c->resolver.stale_ms = (uint64_t)d->dns_stale_s * SECOND_MS;
    c->resolver.records = (size_t)k->e->t->access_edge.srv_cache_records;
    c->resolver.validate = d->dnssec;
    if (d->dnssec_anchor.n)
        c->resolver.trust_anchor = arena_cstr(&c->arena, d->dnssec_anchor);
    for (size_t i = 0; i < d->dns_servers.n && i < RESOLVER_MAX_SERVERS; i++)
        if (net_addr_parse_port(d->dns_servers.items[i], 53, &c->resolver.servers[c->resolver.n_servers++]) <
            0)
            return fail(k, "'" SLICE_FMT "' is not the address of a DNS server",
                        SLICE_ARG(d->dns_servers.items[i]));
    return 0;
}

/* The machines of the next hop are probed always, whatever traffic there is. */
static void probes(struct compiling *k)
{
    struct element_config *c = k->c;
    struct hops next;
    if (hops_of_pool(k->e->t, k->e->pool->next_hop, &next))
        c->n_watched = hops_targets(&next, 0, c->watched);
    c->sides[SIDE_INTERNAL].probe_from = arena_printf(&c->arena, "sip:" SLICE_FMT, SLICE_ARG(k->e->machine));
    c->sides[SIDE_EXTERNAL].probe_from =
        arena_printf(&c->arena, "sip:" SLICE_FMT, SLICE_ARG(k->e->t->deployment.default_domain));
}

int access_edge_compile(const struct topology *t, const struct material *m,
                        const struct access_edge_self *self, struct element_config *c, char *error)
{
    struct topology_role role;
    if (!topology_role_find(t, self->machine, &role) || !role.edge)
        return -ENOENT;
    struct compiling k = {.e = edge_new(t, m, &role), .self = self, .c = c, .error = error};
    discovered_compile(k.e, self->watch);
    k.e->crls = self->crls && t->access_edge.check_crls ? crl_store_ref(self->crls) : NULL;
    local_compile(k.e);
    vouch_compile(k.e);
    c->service = k.e;
    c->service_free = edge_free;
    c->ops = &edge_ops;
    c->stopping =
        !role.edge->federation || topology_machine_service(role.edge, role.machine) == TOPOLOGY_DISABLED;
    int r = settings(&k);
    probes(&k);
    if (r == 0)
        r = internal_side(&k);
    /* A service that ends needs its outer side for the dialogs on the connections that are left, as far as it
     * can be had; one that never served may have neither certificate nor address for it. */
    if (r == 0 && !c->stopping)
        r = external_side(&k);
    else if (r == 0 && choose_certificate(k.e))
        (void)!external_side(&k);
    return r;
}
