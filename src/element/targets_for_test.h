/*
 * element/targets_for_test.h - a proxy on two workers whose service has a list of targets for every request;
 * each test says which, and looks at what the element comes to know of them. Tests only.
 */
#pragma once

#include "element/fixture.h"
#include "ground/crypto/pki_for_test.h"

#include <stdio.h>

enum { WORKERS = 2, MAX_TARGETS = 5, ATTEMPT_MS = 2000, CONNECT_MS = 1000, PROBE_TIMEOUT_MS = 1000 };

static struct element *element;
static struct net_addr tcp_at;
static struct target_address targets[MAX_TARGETS];
static size_t n_targets;
static struct pki_id ca;
static struct crypto_trust *trust;

/* ---------------------------------------------------------------- the service */
static inline bool covers(const struct element_config *c, struct flow *f, struct slice identity,
                          bool secure_name)
{
    (void)c;
    (void)f;
    (void)identity;
    (void)secure_name;
    return true;
}

/* REGISTER tells the worker that has the connection; everything else goes to the targets. */
static inline void on_request(struct request *rq)
{
    if (request_msg(rq)->method == SIP_REGISTER) {
        struct slice row =
            arena_printf(request_arena(rq), "X-Worker: %u\r\n", (unsigned)request_flow_ref(rq).worker);
        request_reply(rq, &(struct reply){.status = 200, .extra = row});
        return;
    }
    struct forward_branch b = {
        .target = {.kind = TARGET_ADDRESSES, .addresses = targets, .n_addresses = n_targets}
    };
    request_forward(rq, &(struct forward){.branches = &b, .n = 1});
}

static const struct element_ops ops = {.is_own_uri = own_uri, .request = on_request, .flow_covers = covers};

static inline void apply(uint32_t connections)
{
    struct element_config *c = config_of(&ops);
    struct tls_config tls = {.trust = trust, .peer = TLS_PEER_REQUIRED};
    c->attempt_ms = ATTEMPT_MS;
    c->connect_ms = CONNECT_MS;
    c->linger_ms = 200;
    c->connections_per_destination = connections;
    c->health = (struct health_times){
        .probe_ms = 600000, .probe_timeout_ms = PROBE_TIMEOUT_MS, .block_ms = 1500, .block_max_ms = 3000};
    c->sides[SIDE_INTERNAL].probe_from = SLICE("sip:proxy.test");
    CHECK_INT(tls_ctx_new(&tls, &c->sides[SIDE_INTERNAL].client_tls), 0);
    listen_on(c, &tcp_at, SIP_TCP, NULL);
    run(element, c);
}

static inline void targets_begin(void)
{
    ca = pki_ca("test");
    trust = pki_trust(&ca);
    pick_port(&tcp_at);
    element = element_begin(WORKERS);
}

static inline void targets_end(void)
{
    element_end(element);
    crypto_trust_unref(trust);
    pki_fini(&ca);
}

/* ---------------------------------------------------------------- targets */
/* All of one partner. */
static inline void begin_partner(size_t n, const char *partner)
{
    n_targets = n;
    for (size_t i = 0; i < n; i++)
        targets[i] = (struct target_address){
            .transport = SIP_TCP, .name = SLICE("hop.test"), .identity = slice_str(partner)};
}

/* Each its own partner, of this test alone: with one connection to each, so that it is clear where something
 * comes, and nothing that other tests have left is probed instead. */
static inline void begin(size_t n)
{
    static char partners[MAX_TARGETS][32];
    static unsigned tests;
    tests++;
    begin_partner(n, "");
    for (size_t i = 0; i < n; i++) {
        snprintf(partners[i], sizeof(partners[i]), "partner%zu-%u.test", i, tests);
        targets[i].identity = slice_str(partners[i]);
    }
}

static inline bool served_with(struct peer *p, unsigned status, const char *rows)
{
    struct buf out = {0};
    bool ok = got_request(p, SIP_MESSAGE);
    sip_response_write(
        &p->m, &(struct sip_response){.status = status, .to_tag = SLICE("t"), .extra = slice_str(rows)},
        &out);
    CHECK(write(p->fd, out.mem, out.end) == (ssize_t)out.end);
    buf_fini(&out);
    return ok;
}

static inline bool served(struct peer *p)
{
    return served_with(p, 200, "");
}

static inline uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Of the target with this index; false: not known. */
static inline bool destination(size_t i, struct element_destination *ret, char error[160])
{
    struct arena a = {0};
    struct element_destination *list;
    size_t n = element_destinations(element, now_ms(), &a, &list);
    bool found = false;
    for (size_t k = 0; k < n && !found; k++)
        if (net_addr_eq(&list[k].addr, &targets[i].addr) && list[k].transport == targets[i].transport) {
            *ret = list[k];
            snprintf(error, 160, SLICE_FMT, SLICE_ARG(list[k].error));
            found = true;
        }
    arena_fini(&a);
    return found;
}

static inline bool in_state(size_t i, const char *state)
{
    struct element_destination d;
    char error[160];
    for (int ms = 0; ms < WAIT_MS; ms++, usleep(1000))
        if (destination(i, &d, error) && strcmp(health_state_name(d.state), state) == 0)
            return true;
    TEST_DIAG("target %zu does not become %s", i, state);
    return false;
}

static inline bool failed_by(size_t i, const char *why)
{
    struct element_destination d;
    char error[160] = "";
    bool ok = destination(i, &d, error) && d.state != HEALTH_GOOD && strstr(error, why);
    if (!ok)
        TEST_DIAG("target %zu: '%s' and not '%s'", i, error, why);
    return ok;
}

static inline void message(struct peer *client, const char *name)
{
    request(client, "MESSAGE", name, name, 1, "");
}
