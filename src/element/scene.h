/*
 * element/scene.h - a proxy between a client and two next hops: one worker, a service that forwards as each
 * test says. Tests only.
 */
#pragma once

#include "element/fixture.h"

enum { SILENCE_MS = 300, T1_MS = 30, BRANCH_SIZE = 64 };

static struct element *element;
static struct net_addr tcp_at, udp_at;

/* What the service does with the next request. */
static struct plan {
    struct net_addr hops[2];
    size_t n;
    bool parallel;     /* a branch for each, and not one branch with two targets */
    const char *uri;   /* new Request-URI */
    unsigned q_second; /* of the second branch; the first has 1 */
    bool keeps_vias;
    bool trusts;      /* who sends it */
    const char *mark; /* data of the request: a row of its responses */
} plan;

static inline void on_request(struct request *rq)
{
    struct forward_branch b[2] = {0};
    struct target_address to[2] = {0};
    struct sip_edits edits;
    sip_edits_init(&edits);
    if (request_msg(rq)->to_tag.n == 0)
        sip_edit_top(&edits, "Record-Route", SLICE("<sip:proxy.test;lr>"));
    for (size_t i = 0; i < plan.n; i++)
        to[i] = (struct target_address){.addr = plan.hops[i], .transport = SIP_TCP};
    for (size_t i = 0; i < plan.n; i++) {
        b[i].uri = plan.uri ? slice_str(plan.uri) : SLICE_NONE;
        b[i].q = i ? plan.q_second : 1;
        b[i].target = (struct target){.kind = TARGET_ADDRESSES,
                                      .side = SIDE_INTERNAL,
                                      .addresses = plan.parallel ? to + i : to,
                                      .n_addresses = plan.parallel ? 1 : plan.n};
    }
    if (plan.trusts)
        request_trust(rq, SLICE("client"));
    request_set_data(rq, plan.mark ? arena_cstr(request_arena(rq), slice_str(plan.mark)) : NULL);
    request_forward(rq, &(struct forward){.branches = b,
                                          .n = plan.parallel ? plan.n : 1,
                                          .keeps_vias = plan.keeps_vias,
                                          .edits = &edits});
}

static inline void on_response(struct request *rq, const struct sip_msg *m, struct sip_edits *edits)
{
    (void)m;
    if (request_data(rq))
        sip_edit_end(edits, "X-Mark", slice_str(request_data(rq)));
}

static inline struct slice on_keep(struct request *rq)
{
    return slice_str(request_data(rq));
}

static inline void on_restore(struct request *rq, struct slice kept)
{
    request_set_data(rq, arena_cstr(request_arena(rq), kept));
}

static const struct element_ops ops = {.is_own_uri = own_uri,
                                       .request = on_request,
                                       .response = on_response,
                                       .keep = on_keep,
                                       .restore = on_restore};

/* ---------------------------------------------------------------- the scene: a client, two next hops */
static struct scene {
    int listeners[2];
    struct peer client, hops[2];
} scene;

static inline void scene_begin(size_t n_hops)
{
    scene = (struct scene){
        .client = {.fd = connect_to(&tcp_at)},
          .hops = { {.fd = -1},               {.fd = -1}}
    };
    plan = (struct plan){.n = n_hops};
    for (size_t i = 0; i < 2; i++)
        scene.listeners[i] = listen_any(&plan.hops[i]);
}

static inline void scene_end(void)
{
    peer_fini(&scene.client);
    for (size_t i = 0; i < 2; i++) {
        peer_fini(&scene.hops[i]);
        close(scene.listeners[i]);
    }
}

/* The request as it came to a next hop; the connection is taken on when it is the first. */
static inline struct sip_msg *arrives(size_t hop, const char *method)
{
    struct peer *p = &scene.hops[hop];
    if (p->fd < 0)
        p->fd = accept_one(scene.listeners[hop]);
    if (!receive(p) || !p->m.is_request || !slice_eq(p->m.method_name, slice_str(method))) {
        TEST_DIAG("no %s came to next hop %zu", method, hop);
        p->m = (struct sip_msg){0};
    }
    return &p->m;
}

static inline bool silent(int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, ms) == 0;
}

/* Nothing came to this next hop: neither a connection nor a byte. */
static inline bool untouched(size_t hop)
{
    return silent(scene.hops[hop].fd >= 0 ? scene.hops[hop].fd : scene.listeners[hop], SILENCE_MS);
}

#define FROM_TO "From: <sip:alice@home.test>;tag=a1\r\nTo: <sip:bob@home.test>\r\n"
#define REQUEST(method, uri, branch, call, more)                                                             \
    method " " uri " SIP/2.0\r\nVia: SIP/2.0/TCP client.test:5060;branch=z9hG4bK" branch "\r\n" FROM_TO      \
           "Call-ID: " call "\r\nCSeq: 1 " method "\r\n" more
#define END "Content-Length: 0\r\n\r\n"

/* A response to what came last to a next hop, with rows and a body of the test's own. */
static inline void answer(size_t hop, unsigned status, const char *rows)
{
    struct sip_response r = {.status = status, .to_tag = SLICE("b1"), .extra = slice_str(rows)};
    struct buf out = {0};
    struct peer *p = &scene.hops[hop];
    sip_response_write(&p->m, &r, &out);
    CHECK(write(p->fd, out.mem, out.end) == (ssize_t)out.end);
    buf_fini(&out);
}

/* The next response that is not the proxy's own 100 (due after 200 ms for INVITE). */
static inline bool passes(struct peer *p, unsigned status)
{
    while (receive(p))
        if (p->m.is_request || p->m.status != 100) {
            if (!p->m.is_request && p->m.status == status)
                return true;
            TEST_DIAG("'" SLICE_FMT "' came, %u was expected", SLICE_ARG(p->m.start_line), status);
            return false;
        }
    TEST_DIAG("nothing came, %u was expected", status);
    return false;
}

static inline struct slice header(const struct sip_msg *m, const char *name)
{
    const struct sip_header *h = sip_msg_named(m, slice_str(name));
    return h ? h->value : SLICE_NONE;
}

/* ---------------------------------------------------------------- set-up */
static bool without_udp;
static struct access_log access_to; /* of the next apply */
static struct net_addr name_server; /* port 0: none */

static inline void apply(struct siptxn_times times, uint32_t timer_c_ms)
{
    struct element_config *c = config_of(&ops);
    c->limits = (struct element_limits)ELEMENT_LIMITS_DEFAULT;
    c->connect_ms = 2000;
    c->attempt_ms = 20000;
    c->timer_c_ms = timer_c_ms;
    c->times = times;
    c->access = access_to;
    c->access.journal = journal_ref(access_to.journal);
    if (net_addr_port(&name_server))
        c->resolver.servers[c->resolver.n_servers++] = name_server;
    listen_on(c, &tcp_at, SIP_TCP, NULL);
    if (!without_udp)
        listen_on(c, &udp_at, SIP_UDP, NULL);
    run(element, c);
}

static inline void apply_usual(void)
{
    apply(siptxn_rfc_times, 185000);
}

/* The same proportions as the RFC's, so that time-outs are seen. */
static inline void apply_quick(uint32_t timer_c_ms)
{
    apply((struct siptxn_times){.t1 = T1_MS,
                                .t2 = 8 * T1_MS,
                                .t4 = 10 * T1_MS,
                                .timer_b = 64 * T1_MS,
                                .timer_f = 64 * T1_MS,
                                .timer_d = 64 * T1_MS},
          timer_c_ms);
}

static inline void proxy_begin(void)
{
    pick_port(&tcp_at);
    pick_port(&udp_at);
    element = element_begin(1);
}

static inline void proxy_end(void)
{
    element_end(element);
}
