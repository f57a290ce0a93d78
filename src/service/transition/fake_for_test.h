/*
 * transition/fake_for_test.h - central management in memory, a name server and TLS ports on loopback. Test
 * programs only; include base/test.h and pki_for_test.h before it.
 *
 * Machines acknowledge a revision one after the other in an order that changes from publish to publish. After
 * each switch, and each change of DNS, fake_watch looks whether somebody is led to a pool that does not
 * serve.
 */
#pragma once

#include "service/transition/priv.h"

#include "ground/base/mem.h"
#include "ground/net/listener.h"
#include "ground/net/stream.h"
#include "ground/net/udp.h"
#include "kept/topology/check.h"

#include <errno.h>
#include <unistd.h>

enum {
    FAKE_MACHINES = 4,
    FAKE_ADDRESSES = 4,
    FAKE_STREAMS = 512,
    FAKE_DEADLINE_MS = 20000,
    FAKE_STEP_MS = 1
};

#define FAKE_OLD "edge-old.contoso.example"
#define FAKE_NEW "edge-new.contoso.example"
#define FAKE_NAME "sip.contoso.example"
static const char *const FAKE_FQDNS[FAKE_MACHINES] = {"cms.contoso.example", "edge-old1.contoso.example",
                                                      "edge-new1.contoso.example", "fe1.contoso.example"};
enum { FAKE_CENTRAL, FAKE_OLD1, FAKE_NEW1, FAKE_FE1 };
/* Outside and inside of each Edge: ports that show the names. */
enum { FAKE_OLD_OUT, FAKE_OLD_IN, FAKE_NEW_OUT, FAKE_NEW_IN, FAKE_PORTS };
static const char *const FAKE_PORT_ADDRS[FAKE_PORTS] = {"127.0.0.31", "127.0.0.32", "127.0.0.33",
                                                        "127.0.0.34"};

struct fake_machine {
    struct topology *runs;
    uint64_t revision;
    struct timer acknowledge;
    struct fake *fake;
    bool silent; /* does not acknowledge */
};
struct fake {
    struct loop *loop;
    struct helpers *helpers;
    struct transition_central central;
    struct topology *topology;
    uint64_t revision;
    struct fake_machine machines[FAKE_MACHINES];
    struct buf blob;
    bool have_blob, fail_blobs;
    unsigned puts, publishes, refuse_publish; /* the how many-th publish is refused; 0: none */
    struct transition *t;
    /* at this put the test does something */
    unsigned at_put;
    void (*on_put)(struct fake *f);
    struct timer deadline, look;
    bool (*until)(struct fake *f);
    /* certificate of central */
    bool no_certificate;
    const char *certificate_name;
    int64_t certificate_end;
    /* loads of the legacy machine */
    int64_t requests;
    /* the name server */
    struct udp *dns;
    char addresses[FAKE_ADDRESSES][NET_ADDR_TEXT];
    size_t n_addresses;
    uint32_t ttl;
    bool dns_manual, refuse_updates;
    int64_t changed_ms;
    unsigned updates;
    /* TLS */
    struct tls_ctx *tls;
    struct listener *listeners[FAKE_PORTS];
    struct net_addr ports[FAKE_PORTS];
    struct stream *streams[FAKE_STREAMS];
    bool watch; /* make before break is expected */
    unsigned gaps;
};

/* --- make before break --- */
static inline bool fake_serves(struct fake *f, size_t machine, const char *pool)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(f->machines[machine].runs, slice_str(pool));
    return p && p->federation && p->access_edge != TOPOLOGY_DISABLED;
}

static inline bool fake_answers(struct fake *f, size_t machine, const char *pool)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(f->machines[machine].runs, slice_str(pool));
    bool named = slice_caseeq(p->external_fqdn, SLICE(FAKE_NAME));
    for (size_t i = 0; i < p->adopts.n; i++)
        named |= slice_caseeq(p->adopts.items[i], SLICE(FAKE_OLD));
    return named && fake_serves(f, machine, pool);
}

static inline void fake_gap(struct fake *f, const char *what)
{
    if (f->watch && f->gaps++ < 5)
        TEST_DIAG("%s (revision %llu)", what, (unsigned long long)f->revision);
}

static inline void fake_watch(struct fake *f)
{
    struct topology *fe = f->machines[FAKE_FE1].runs;
    struct slice route = fe->sites[0].federation_route;
    if (!route.n)
        fake_gap(f, "the Front End has no route");
    else if (slice_caseeq(route, SLICE(FAKE_NEW)) && !fake_serves(f, FAKE_NEW1, FAKE_NEW))
        fake_gap(f, "the Front End is led to the new Edge, which does not serve");
    else if (slice_caseeq(route, SLICE(FAKE_OLD)) && !fake_serves(f, FAKE_OLD1, FAKE_OLD))
        fake_gap(f, "the Front End is led to the legacy Edge, which does not serve");
    bool fresh = f->changed_ms && loop_wall() - f->changed_ms < (int64_t)f->ttl * 1000;
    for (size_t i = 0; i < f->n_addresses; i++) {
        bool old = strcmp(f->addresses[i], FAKE_PORT_ADDRS[FAKE_OLD_OUT]) == 0;
        if ((old || fresh) && !fake_answers(f, FAKE_OLD1, FAKE_OLD))
            fake_gap(f, "partners are led to the legacy Edge, which does not answer");
        if ((!old || fresh) && !fake_answers(f, FAKE_NEW1, FAKE_NEW))
            fake_gap(f, "partners are led to the new Edge, which does not answer");
    }
}

/* --- machines --- */
static inline void fake_acknowledge(void *arg)
{
    struct fake_machine *m = arg;
    topology_unref(m->runs);
    m->runs = topology_ref(m->fake->topology);
    m->revision = m->fake->revision;
    fake_watch(m->fake);
}

static inline void fake_push(struct fake *f)
{
    for (size_t i = 0; i < FAKE_MACHINES; i++)
        if (!f->machines[i].silent && f->machines[i].revision != f->revision &&
            !timer_running(&f->machines[i].acknowledge))
            timer_start(&f->machines[i].acknowledge,
                        loop_now(f->loop) + 1 + FAKE_STEP_MS * ((i + f->revision) % FAKE_MACHINES));
}

static inline struct json_value *fake_state(struct fake *f, size_t i, struct arena *a)
{
    struct json_value *o = json_object(a), *services = json_object(a), *load = json_object(a);
    const char *pool = i == FAKE_OLD1 ? FAKE_OLD : FAKE_NEW;
    json_set_string(a, services, "access_edge", slice_str(fake_serves(f, i, pool) ? "serving" : "stopped"));
    json_set_int(a, load, "requests", i == FAKE_OLD1 ? f->requests : 0);
    json_set(a, load, "last_request_ago_ms", json_null(a));
    json_set(a, o, "services", services);
    json_set(a, o, "load", load);
    return o;
}

static inline size_t fake_machines(void *arg, struct arena *a, struct transition_machine **ret)
{
    struct fake *f = arg;
    *ret = ARENA_ARRAY(a, struct transition_machine, FAKE_MACHINES);
    for (size_t i = 0; i < FAKE_MACHINES; i++) {
        bool edge = i == FAKE_OLD1 || i == FAKE_NEW1;
        bool current = f->machines[i].revision == f->revision;
        (*ret)[i] = (struct transition_machine){.fqdn = slice_str(FAKE_FQDNS[i]),
                                                .current = current,
                                                .why = current ? SLICE_NONE : SLICE("on its way"),
                                                .state = edge ? fake_state(f, i, a) : NULL,
                                                .heard_ms = loop_wall()};
    }
    return FAKE_MACHINES;
}

static inline uint64_t fake_revision(void *arg)
{
    return ((struct fake *)arg)->revision;
}

static inline struct topology *fake_topology(void *arg)
{
    return topology_ref(((struct fake *)arg)->topology);
}

static inline void fake_poll(void *arg)
{
    fake_push(arg);
}

/* --- publishing and blobs, answered on a later turn --- */
struct fake_answer {
    struct timer timer;
    struct fake *fake;
    transition_done *done;
    transition_blob_done *blob_done;
    void *arg;
    int error;
    struct buf value;
    bool put;
};

static inline void fake_answers_now(void *arg)
{
    struct fake_answer *x = arg;
    struct fake *f = x->fake;
    if (x->put && !x->error) {
        f->have_blob = true;
        buf_clear(&f->blob, 1 << 20);
        buf_append(&f->blob, buf_slice(&x->value));
    }
    if (x->done) {
        buf_append_char(&x->value, 0);
        x->done(x->arg, x->error, buf_slice(&x->value).p);
    } else {
        x->blob_done(x->arg, x->error, x->put ? SLICE_NONE : buf_slice(&x->value));
    }
    bool put = x->put && !x->error;
    buf_fini(&x->value);
    mem_free(x);
    if (put && f->on_put && ++f->puts == f->at_put)
        f->on_put(f);
}

static inline struct fake_answer *fake_answer_later(struct fake *f, void *arg)
{
    struct fake_answer *x = MEM_NEW(struct fake_answer);
    x->fake = f;
    x->arg = arg;
    timer_init(&x->timer, f->loop, fake_answers_now, x);
    timer_start(&x->timer, loop_now(f->loop));
    return x;
}

static inline void fake_publish(void *arg, const struct json_value *doc, struct slice comment,
                                transition_done *done, void *done_arg)
{
    struct fake *f = arg;
    struct findings findings = {0};
    struct topology *t = NULL;
    struct fake_answer *x = fake_answer_later(f, done_arg);
    x->done = done;
    CHECK(slice_starts(comment, SLICE("transition ")));
    x->error = topology_from_json(doc, &t, &findings);
    if (x->error == 0)
        topology_check_all(t, &findings);
    if (findings.errors || ++f->publishes == f->refuse_publish)
        x->error = -EINVAL;
    if (findings.errors)
        buf_append(&x->value, findings.items[0].text);
    if (x->error == 0) {
        topology_unref(f->topology);
        f->topology = t;
        f->revision++;
        fake_push(f);
    } else {
        topology_unref(t);
    }
    findings_fini(&findings);
}

static inline void fake_blob_get(void *arg, struct slice name, transition_blob_done *done, void *done_arg)
{
    struct fake *f = arg;
    struct fake_answer *x = fake_answer_later(f, done_arg);
    CHECK_STR(name, "current");
    x->blob_done = done;
    x->error = f->have_blob ? 0 : -ENOENT;
    buf_append(&x->value, buf_slice(&f->blob));
}

static inline void fake_blob_put(void *arg, struct slice name, struct slice value, transition_blob_done *done,
                                 void *done_arg)
{
    struct fake *f = arg;
    struct fake_answer *x = fake_answer_later(f, done_arg);
    CHECK_STR(name, "current");
    x->blob_done = done;
    x->put = true;
    x->error = f->fail_blobs ? -ENOSPC : 0;
    buf_append(&x->value, value);
}

static inline bool fake_certificate(void *arg, struct slice pool, struct arena *a, struct slice **ret_names,
                                    size_t *ret_n, int64_t *ret_end)
{
    struct fake *f = arg;
    if (f->no_certificate || !slice_caseeq(pool, SLICE(FAKE_OLD)))
        return false;
    *ret_names = ARENA_ARRAY(a, struct slice, 1);
    (*ret_names)[0] = slice_str(f->certificate_name);
    *ret_n = 1;
    *ret_end = f->certificate_end;
    return true;
}

static inline bool fake_dns(void *arg, struct arena *a, struct transition_dns *ret)
{
    struct fake *f = arg;
    if (f->dns_manual)
        return false;
    ret->configured = true;
    ret->server = f->dns ? *udp_addr(f->dns) : (struct net_addr){0};
    ret->zones = ARENA_ARRAY(a, struct slice, 1);
    ret->zones[0] = SLICE("contoso.example");
    ret->n_zones = 1;
    return true;
}

/* --- the name server --- */
static inline void fake_answer_question(struct fake *f, struct slice q, struct buf *out)
{
    size_t end = 12;
    while (end < q.n && q.p[end])
        end += 1 + (size_t)q.p[end];
    unsigned type = (unsigned char)q.p[end + 2];
    bool ours = (size_t)q.p[12] == 3 && memcmp(q.p + 13, "sip", 3) == 0 && type == DNS_A;
    bool srv = type == DNS_SRV;
    buf_append_mem(out, q.p, 2);
    buf_append_mem(out, (char[]){(char)0x84, 0, 0, 1, 0, (char)(ours ? f->n_addresses : srv), 0, 0, 0, 0},
                   10);
    buf_append_mem(out, q.p + 12, end + 5 - 12);
    for (size_t i = 0; ours && i < f->n_addresses; i++) {
        struct net_addr a;
        CHECK_INT(net_addr_parse(slice_str(f->addresses[i]), 0, &a), 0);
        buf_append_mem(out, (char[]){(char)0xc0, 12, 0, 1, 0, 1, 0, 0, 0, (char)f->ttl, 0, 4}, 12);
        buf_append_mem(out, &a.in4.sin_addr, 4);
    }
    if (srv) {
        buf_append_mem(out, (char[]){(char)0xc0, 12, 0, DNS_SRV, 0, 1, 0, 0, 0, (char)f->ttl, 0, 7}, 12);
        buf_append_mem(out, "\0\0\0\0\x13\xc5\0", 7);
    }
}

/* Whole RRsets away, addresses added: what dns_update_write makes, without compression. */
static inline void fake_take_update(struct fake *f, struct slice q)
{
    size_t at = 12, n = (size_t)(unsigned char)q.p[9];
    while (q.p[at])
        at += 1 + (size_t)q.p[at];
    at += 5;
    for (size_t i = 0; i < n; i++) {
        while (q.p[at])
            at += 1 + (size_t)q.p[at];
        unsigned type = (unsigned char)q.p[at + 2], class = (unsigned char)q.p[at + 4];
        size_t length = (unsigned char)q.p[at + 10];
        if (class == 255 && type == DNS_A) {
            f->n_addresses = 0;
        } else if (class == 1 && type == DNS_A && f->n_addresses < FAKE_ADDRESSES) {
            struct net_addr a;
            CHECK_INT(net_addr_from_bytes(slice_mem(q.p + at + 11, length), 0, &a), 0);
            struct slice text = net_addr_host_text(&a, f->addresses[f->n_addresses++]);
            ((char *)(uintptr_t)text.p)[text.n] = 0;
        }
        at += 11 + length;
    }
    f->updates++;
    f->changed_ms = loop_wall();
    fake_watch(f);
}

static inline void fake_asked(struct udp *u, void *arg, struct slice q, const struct net_addr *from)
{
    struct fake *f = arg;
    struct buf out = {0};
    if (q.n > 12 && (q.p[2] >> 3 & 0xf) == 5) {
        if (!f->refuse_updates)
            fake_take_update(f, q);
        buf_append_mem(&out, q.p, 2);
        buf_append_mem(&out,
                       (char[]){(char)0xa8, f->refuse_updates ? DNS_REFUSED : 0, 0, 0, 0, 0, 0, 0, 0, 0}, 10);
    } else if (q.n > 17) {
        fake_answer_question(f, q, &out);
    }
    CHECK_INT(udp_send(u, buf_slice(&out), from), 0);
    buf_fini(&out);
}

/* --- ports --- */
static inline void fake_stream_up(struct stream *s, void *arg)
{
    (void)s;
    (void)arg;
}
static inline size_t fake_stream_data(struct stream *s, void *arg, struct slice in)
{
    (void)s;
    (void)arg;
    return in.n;
}
static inline void fake_stream_ended(struct stream *s, void *arg, enum stream_end why)
{
    (void)why;
    struct stream **place = arg;
    *place = NULL;
    stream_free(s);
}

static inline void fake_accepted(void *arg, int fd, const struct net_addr *remote)
{
    static const struct stream_ops ops = {
        .up = fake_stream_up, .data = fake_stream_data, .ended = fake_stream_ended};
    struct fake *f = arg;
    for (size_t i = 0; i < FAKE_STREAMS; i++)
        if (!f->streams[i]) {
            f->streams[i] = stream_accept(f->loop, fd, remote, f->tls, NULL, &ops, &f->streams[i]);
            return;
        }
    close(fd);
}

static inline void fake_open(struct fake *f, size_t port)
{
    static const struct listener_ops ops = {.accepted = fake_accepted};
    struct net_addr at = f->ports[port];
    if (!at.sa.sa_family)
        CHECK_INT(net_addr_parse(slice_str(FAKE_PORT_ADDRS[port]), 0, &at), 0);
    CHECK_INT(listener_new(f->loop, &at, &ops, f, &f->listeners[port]), 0);
    if (f->listeners[port])
        f->ports[port] = *listener_addr(f->listeners[port]);
}

/* --- life --- */
static inline void fake_too_late(void *arg)
{
    struct fake *f = arg;
    const struct plan *p = f->t->plan;
    TEST_DIAG("nothing more happened: %s at step %zu phase %zu: %s",
              p ? plan_state_name(p->state) : "no plan", p ? p->at : 0, p ? p->phase : 0,
              p ? p->steps[p->at].text : "");
    loop_stop(f->loop);
}

static inline void fake_look(void *arg)
{
    struct fake *f = arg;
    if (f->until(f))
        loop_stop(f->loop);
    else
        timer_start(&f->look, loop_now(f->loop) + 1);
}

/* Runs until this is so. */
static inline void fake_run(struct fake *f, bool (*until)(struct fake *f))
{
    f->until = until;
    timer_start(&f->deadline, loop_now(f->loop) + FAKE_DEADLINE_MS);
    timer_start(&f->look, loop_now(f->loop));
    loop_run(f->loop);
    timer_stop(&f->deadline);
    timer_stop(&f->look);
}

static inline const struct transition_times *fake_times(void)
{
    static const struct transition_times times = {.tick_ms = 2,
                                                  .poll_ms = 2,
                                                  .acknowledged_ms = 60000,
                                                  .probe_ms = 60000,
                                                  .see_dns_ms = 60000,
                                                  .drain_ms = 60000,
                                                  .stopped_ms = 60000};
    return &times;
}

static inline void fake_restart(struct fake *f)
{
    transition_free(f->t);
    f->t = transition_new_with(f->loop, f->helpers, &f->central, fake_times());
}

static inline struct slice fake_document(struct fake *f, struct arena *a)
{
    return arena_printf(
        a,
        "schema: 1\n"
        "deployment:\n  name: contoso\n  default_domain: contoso.example\n  idle_close_s: 1\n"
        "central:\n  machine: cms.contoso.example\n  internal_address: 127.0.0.35\n"
        "sites:\n- name: hq\n  federation_route: " FAKE_OLD "\n"
        "edge_pools:\n"
        "- fqdn: " FAKE_OLD "\n  site: hq\n  federation: true\n  external_fqdn: " FAKE_NAME "\n"
        "  next_hop: fe.contoso.example\n  federation_port: %u\n  internal_port: %u\n"
        "  machines:\n  - fqdn: edge-old1.contoso.example\n    internal_address: %s\n"
        "    external_address: %s\n"
        "- fqdn: " FAKE_NEW "\n  site: hq\n  external_fqdn: sip-new.contoso.example\n"
        "  federation_port: %u\n  internal_port: %u\n"
        "  machines:\n  - fqdn: edge-new1.contoso.example\n    internal_address: %s\n"
        "    external_address: %s\n"
        "front_end_pools:\n- fqdn: fe.contoso.example\n  site: hq\n  media_edge: " FAKE_OLD "\n"
        "  machines:\n  - fqdn: fe1.contoso.example\n    internal_address: 127.0.0.36\n"
        "partners:\n- domain: fabrikam.example\n  policy: allowed\n",
        net_addr_port(&f->ports[FAKE_OLD_OUT]), net_addr_port(&f->ports[FAKE_OLD_IN]),
        FAKE_PORT_ADDRS[FAKE_OLD_IN], FAKE_PORT_ADDRS[FAKE_OLD_OUT], net_addr_port(&f->ports[FAKE_NEW_OUT]),
        net_addr_port(&f->ports[FAKE_NEW_IN]), FAKE_PORT_ADDRS[FAKE_NEW_IN], FAKE_PORT_ADDRS[FAKE_NEW_OUT]);
}

static inline void fake_load(struct fake *f)
{
    struct arena a = {0};
    struct findings findings = {0};
    CHECK_INT(topology_parse(fake_document(f, &a), &f->topology, &findings), 0);
    for (size_t i = 0; i < findings.n; i++)
        printf("# %s: " SLICE_FMT "\n", findings.items[i].id, SLICE_ARG(findings.items[i].text));
    findings_fini(&findings);
    arena_fini(&a);
    if (!f->topology)
        exit(EXIT_FAILURE);
}

static inline struct tls_ctx *fake_tls(void)
{
    static struct slice names[] = {SLICE_INIT(FAKE_NAME), SLICE_INIT(FAKE_OLD)};
    struct crypto_request_names both = {.common_name = names[0], .dns = names, .n_dns = 2};
    struct pki_id ca = pki_ca("test CA"), id = pki_leaf(&ca, &both, 0);
    struct tls_ctx *tls = NULL;
    CHECK_INT(tls_ctx_new(&(struct tls_config){.server = true, .key = id.key, .cert = id.cert}, &tls), 0);
    pki_fini(&id);
    pki_fini(&ca);
    return tls;
}

static inline struct fake *fake_new(void)
{
    static const struct udp_ops ops = {.received = fake_asked};
    struct fake *f = MEM_NEW(struct fake);
    struct net_addr any;
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &any), 0);
    f->loop = loop_new(0);
    f->helpers = helpers_new(1, "test");
    f->tls = fake_tls();
    for (size_t i = 0; i < FAKE_PORTS; i++)
        fake_open(f, i);
    CHECK_INT(udp_new(f->loop, &any, &ops, f, &f->dns), 0);
    snprintf(f->addresses[0], NET_ADDR_TEXT, "%s", FAKE_PORT_ADDRS[FAKE_OLD_OUT]);
    f->n_addresses = 1;
    f->certificate_name = FAKE_NAME;
    f->certificate_end = loop_wall() + 48 * PKI_HOUR;
    f->revision = 1;
    fake_load(f);
    for (size_t i = 0; i < FAKE_MACHINES; i++) {
        f->machines[i] = (struct fake_machine){.runs = topology_ref(f->topology), .revision = 1, .fake = f};
        timer_init(&f->machines[i].acknowledge, f->loop, fake_acknowledge, &f->machines[i]);
    }
    timer_init(&f->deadline, f->loop, fake_too_late, f);
    timer_init(&f->look, f->loop, fake_look, f);
    f->central =
        (struct transition_central){f,         fake_machines, fake_revision, fake_topology,    fake_publish,
                                    fake_poll, fake_blob_get, fake_blob_put, fake_certificate, fake_dns};
    f->watch = true;
    fake_restart(f);
    return f;
}

static inline bool fake_is_quiet(struct fake *f)
{
    return !f->t->loading && !f->t->saving && !f->t->op;
}

static inline void fake_free(struct fake *f)
{
    fake_run(f, fake_is_quiet);
    transition_free(f->t);
    helpers_free(f->helpers);
    udp_free(f->dns);
    for (size_t i = 0; i < FAKE_PORTS; i++)
        listener_free(f->listeners[i]);
    for (size_t i = 0; i < FAKE_STREAMS; i++)
        stream_free(f->streams[i]);
    for (size_t i = 0; i < FAKE_MACHINES; i++) {
        timer_stop(&f->machines[i].acknowledge);
        topology_unref(f->machines[i].runs);
    }
    topology_unref(f->topology);
    tls_ctx_unref(f->tls);
    buf_fini(&f->blob);
    loop_drain(f->loop);
    loop_free(f->loop);
    mem_free(f);
}
