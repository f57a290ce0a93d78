/*
 * access_edge/world_for_test.h - two organisations on loopback: contoso with an old Edge and a new one that
 * adopts its names, fabrikam with one; each Edge an element with two workers. Test programs only; include
 * base/test.h before it.
 */
#pragma once

#include "service/access_edge/access_edge.h"
#include "service/access_edge/fixture_for_test.h"

#include <stdatomic.h>

/* Last bytes of the addresses. */
enum {
    OLD_OUT = 1,
    OLD_IN = 2,
    CONTOSO_FE = 3,
    NEW_OUT = 5,
    NEW_IN = 6,
    FABRIKAM_OUT = 11,
    FABRIKAM_IN = 12,
    FABRIKAM_FE = 13,
    STRANGER = 20,
    WINGTIP_OUT = 31,
    WINGTIP_IN = 32,
    WINGTIP_PBX = 33,
    WINGTIP_PBX2 = 34,
};

struct edge_machine {
    const char *fqdn;
    struct pki_id id; /* internal */
    struct workers *team;
    struct element *element;
    struct element_config *config;
};
struct organisation {
    struct pki_id ca, fe;
    struct crypto_trust *trust;
    struct tls_ctx *fe_client;
    struct server front_end;
    struct topology *t;
    struct material *m;
};
static struct organisation contoso, fabrikam;
static struct edge_machine old_edge = {.fqdn = "edge-old1.contoso.example"},
                           new_edge = {.fqdn = "edge-new1.contoso.example"},
                           fabrikam_edge = {.fqdn = "edge1.fabrikam.example"};
static struct pki_id public_ca;
static struct crypto_trust *public_trust;
static struct name_server dns;

/* ---------------------------------------------------------------- building the world */
static inline const char *ip(unsigned host)
{
    static char out[32][NET_ADDR_TEXT];
    struct net_addr a = fixture_addr(host, 0);
    struct slice s = net_addr_host_text(&a, out[host % 32]);
    out[host % 32][s.n] = 0;
    return out[host % 32];
}

static inline struct pki_id leaf(const struct pki_id *ca, const char *const *names, size_t n)
{
    struct slice dns_names[4];
    for (size_t i = 0; i < n; i++)
        dns_names[i] = slice_str(names[i]);
    struct crypto_request_names r = {.common_name = dns_names[0], .dns = dns_names, .n_dns = n};
    return pki_leaf(ca, &r, 0);
}
#define LEAF(ca, ...)                                                                                        \
    leaf(ca, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline struct tls_ctx *context(bool server, const struct pki_id *id, struct crypto_trust *trust)
{
    struct tls_ctx *ctx = NULL;
    struct tls_config c = {
        .server = server, .key = id->key, .cert = id->cert, .trust = trust, .peer = TLS_PEER_REQUIRED};
    CHECK_INT(tls_ctx_new(&c, &ctx), 0);
    return ctx;
}

static inline struct topology *parsed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline struct topology *parsed(const char *fmt, ...)
{
    struct buf text = {0};
    struct findings f = {0};
    struct topology *t = NULL;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (topology_parse(buf_slice(&text), &t, &f) < 0)
        for (size_t i = 0; i < f.n; i++)
            TEST_DIAG(SLICE_FMT ": " SLICE_FMT, SLICE_ARG(f.items[i].path), SLICE_ARG(f.items[i].text));
    findings_fini(&f);
    buf_fini(&text);
    return t;
}

#define HEAD(org)                                                                                            \
    "schema: 1\ndeployment:\n  name: " org "\n  default_domain: " org                                        \
    ".example\n  dns_servers: [\"%s:%u\"]\n"                                                                 \
    "central:\n  machine: fe1." org ".example\nsites:\n- name: hq\nfront_end_pools:\n"                       \
    "- fqdn: fe." org ".example\n  site: hq\n  machines:\n  - fqdn: fe1." org ".example\n"                   \
    "    internal_address: %s\nedge_pools:\n"
#define POOL(org, pool, external)                                                                            \
    "- fqdn: " pool "." org ".example\n  site: hq\n  federation: true\n  external_fqdn: " external "\n"      \
    "  next_hop: fe." org ".example\n  machines:\n  - fqdn: " pool "1." org ".example\n"                     \
    "    internal_address: %s\n    external_address: %s\n"

static inline void make_topologies(void)
{
    const char *ns = ip(53);
    unsigned port = net_addr_port(&dns.at);
    contoso.t = parsed(HEAD("contoso") POOL("contoso", "edge-old", "sip.contoso.example")
                           POOL("contoso", "edge-new",
                                "sip-new.contoso.example") "  adopts: [edge-old.contoso.example]\n"
                                                           "partners:\n"
                                                           "- domain: fabrikam.example\n  policy: allowed\n"
                                                           "- domain: wingtip.example\n  policy: allowed\n"
                                                           "- domain: victim.example\n  policy: allowed\n"
                                                           "- domain: evil.example\n  policy: allowed\n"
                                                           "- domain: blocked.example\n  policy: blocked\n",
                       ns, port, ip(CONTOSO_FE), ip(OLD_IN), ip(OLD_OUT), ip(NEW_IN), ip(NEW_OUT));
    fabrikam.t =
        parsed(HEAD("fabrikam")
                   POOL("fabrikam", "edge",
                        "sip.fabrikam.example") "partners:\n- domain: contoso.example\n  policy: allowed\n",
               ns, port, ip(FABRIKAM_FE), ip(FABRIKAM_IN), ip(FABRIKAM_OUT));
}

static inline void certificate_into(struct material *m, const char *pool, const struct pki_id *id)
{
    struct buf cert = {0}, key = {0};
    crypto_cert_write(id->cert, &cert);
    crypto_key_write(id->key, &key);
    CHECK_INT(material_cert_set(m, slice_str(pool), buf_slice(&cert), buf_slice(&key)), 0);
    buf_fini(&cert);
    buf_fini(&key);
}

static inline void make_organisation(struct organisation *o, const char *fe, unsigned host)
{
    struct net_addr at = fixture_addr(host, FIXTURE_PORT);
    o->ca = pki_ca("internal");
    o->trust = pki_trust(&o->ca);
    o->fe = LEAF(&o->ca, fe);
    o->fe_client = context(false, &o->fe, o->trust);
    o->front_end.ctx = context(true, &o->fe, o->trust);
    o->front_end.listens = peer_listen(&at);
    o->m = material_new();
    material_key_add(o->m, loop_wall(), (int64_t)7 * 24 * PKI_HOUR);
    struct buf roots = {0};
    crypto_cert_write(public_ca.cert, &roots);
    o->m->trust_pem = arena_copy(&o->m->arena, buf_slice(&roots));
    buf_fini(&roots);
}

static atomic_int applied;
static inline void on_applied(void *arg, int error, const char *text)
{
    (void)arg;
    if (error)
        TEST_DIAG("apply: %s", text);
    applied = error ? -1 : 1;
}

static inline void start_edge(struct edge_machine *em, const struct organisation *o)
{
    char error[256] = "";
    struct access_edge_self self = {slice_str(em->fqdn), em->id.key, em->id.cert, o->trust, NULL, NULL};
    em->config = element_config_new();
    if (access_edge_compile(o->t, o->m, &self, em->config, error) < 0)
        TEST_DIAG("%s does not compile: %s", em->fqdn, error);
    em->team = workers_new(2, "edge");
    em->element = element_new(em->team, em->fqdn);
    workers_start(em->team);
    applied = 0;
    element_apply(em->element, em->config, workers_loop(em->team, 0), on_applied, NULL);
    for (int ms = 0; applied == 0 && ms < FIXTURE_WAIT_MS; ms++)
        usleep(1000);
    CHECK_INT(applied, 1);
}

static inline void zone_add(const char *name, uint16_t type, unsigned host, const char *target)
{
    dns.zone[dns.n++] = (struct zone_record){name, type, fixture_addr(host, FIXTURE_PORT), target};
}

static inline void world_start(void)
{
    zone_add("_sipfederationtls._tcp.contoso.example", DNS_SRV, 0, "sip.contoso.example");
    zone_add("sip.contoso.example", DNS_A, OLD_OUT, NULL);
    zone_add("sip-new.contoso.example", DNS_A, NEW_OUT, NULL);
    zone_add("_sipfederationtls._tcp.fabrikam.example", DNS_SRV, 0, "sip.fabrikam.example");
    zone_add("sip.fabrikam.example", DNS_A, FABRIKAM_OUT, NULL);
    zone_add("_sipfederationtls._tcp.victim.example", DNS_SRV, 0, "sip.victim.example");
    zone_add("_sipfederationtls._tcp.evil.example", DNS_SRV, 0, "sip.victim.example");
    zone_add("_sipfederationtls._tcp.wingtip.example", DNS_SRV, 0, "sip.wingtip.example");
    zone_add("sip.wingtip.example", DNS_A, WINGTIP_OUT, NULL);
    dns_start(&dns);
    public_ca = pki_ca("public");
    public_trust = pki_trust(&public_ca);
    make_organisation(&contoso, "fe1.contoso.example", CONTOSO_FE);
    make_organisation(&fabrikam, "fe1.fabrikam.example", FABRIKAM_FE);
    make_topologies();
    struct pki_id c = LEAF(&public_ca, "sip.contoso.example"), f = LEAF(&public_ca, "sip.fabrikam.example");
    certificate_into(contoso.m, "edge-old.contoso.example", &c);
    certificate_into(fabrikam.m, "edge.fabrikam.example", &f);
    pki_fini(&c);
    pki_fini(&f);
    old_edge.id = LEAF(&contoso.ca, old_edge.fqdn, "edge-old.contoso.example");
    new_edge.id = LEAF(&contoso.ca, new_edge.fqdn, "edge-new.contoso.example", "edge-old.contoso.example",
                       old_edge.fqdn);
    fabrikam_edge.id = LEAF(&fabrikam.ca, fabrikam_edge.fqdn, "edge.fabrikam.example");
    start_edge(&old_edge, &contoso);
    start_edge(&new_edge, &contoso);
    start_edge(&fabrikam_edge, &fabrikam);
}

static inline void stop_edge(struct edge_machine *em)
{
    workers_stop(em->team);
    element_free(em->element);
    workers_free(em->team);
    element_config_unref(em->config);
    pki_fini(&em->id);
}

static inline void end_organisation(struct organisation *o)
{
    pki_fini(&o->ca);
    pki_fini(&o->fe);
    crypto_trust_unref(o->trust);
    tls_ctx_unref(o->fe_client);
    topology_unref(o->t);
    material_unref(o->m);
    server_fini(&o->front_end);
}

static inline void world_end(void)
{
    stop_edge(&old_edge);
    stop_edge(&new_edge);
    stop_edge(&fabrikam_edge);
    end_organisation(&contoso);
    end_organisation(&fabrikam);
    pki_fini(&public_ca);
    crypto_trust_unref(public_trust);
    dns_stop(&dns);
}
