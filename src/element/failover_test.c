/* What becomes of a request whose target fails, and of the target: over real sockets, two workers. */
#include "element/fixture.h"
#include "ground/crypto/pki_for_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { MAX_TARGETS = 4, ATTEMPT_MS = 2000, CONNECT_MS = 1000, PROBE_TIMEOUT_MS = 1000 };

static struct workers *team;
static struct element *element;
static struct net_addr tcp_at;
static struct target_address targets[MAX_TARGETS];
static size_t n_targets;
static struct pki_id ca;
static struct crypto_trust *trust;

/* ---------------------------------------------------------------- the service */
static bool own_uri(const struct element_config *c, const struct sip_uri *uri)
{
    (void)c;
    return slice_eq(uri->host, SLICE("proxy.test"));
}

static bool covers(const struct element_config *c, struct flow *f, struct slice identity, bool secure_name)
{
    (void)c;
    (void)f;
    (void)identity;
    (void)secure_name;
    return true;
}

static void on_request(struct request *rq)
{
    struct forward_branch b = {
        .target = {.kind = TARGET_ADDRESSES, .addresses = targets, .n_addresses = n_targets}
    };
    request_forward(rq, &(struct forward){.branches = &b, .n = 1});
}

static const struct element_ops ops = {.is_own_uri = own_uri, .request = on_request, .flow_covers = covers};

static atomic_int applied;
static void on_applied(void *arg, int error, const char *text)
{
    (void)arg;
    (void)text;
    applied = error ? -1 : 1;
}

static void apply(uint32_t connections)
{
    struct element_config *c = element_config_new();
    struct tls_config tls = {.trust = trust, .peer = TLS_PEER_REQUIRED};
    c->ops = &ops;
    c->machine = SLICE("proxy.test");
    c->attempt_ms = ATTEMPT_MS;
    c->connect_ms = CONNECT_MS;
    c->linger_ms = 200;
    c->connections_per_destination = connections;
    c->limits = (struct element_limits){0}; /* all of the test comes from one address */
    c->health = (struct health_times){
        .probe_ms = 600000, .probe_timeout_ms = PROBE_TIMEOUT_MS, .block_ms = 1500, .block_max_ms = 3000};
    c->sides[SIDE_INTERNAL].probe_from = SLICE("sip:proxy.test");
    CHECK_INT(tls_ctx_new(&tls, &c->sides[SIDE_INTERNAL].client_tls), 0);
    c->listeners[c->n_listeners++] = (struct element_listener){.side = SIDE_INTERNAL,
                                                               .transport = SIP_TCP,
                                                               .addr = tcp_at,
                                                               .host = SLICE("proxy.test"),
                                                               .port = net_addr_port(&tcp_at)};
    applied = 0;
    element_apply(element, c, workers_loop(team, 0), on_applied, NULL);
    while (applied == 0)
        usleep(1000);
    CHECK_INT(applied, 1);
    element_config_unref(c);
}

/* ---------------------------------------------------------------- targets */
/* All of one partner. */
static void begin_partner(size_t n, const char *partner)
{
    n_targets = n;
    for (size_t i = 0; i < n; i++)
        targets[i] = (struct target_address){
            .transport = SIP_TCP, .name = SLICE("hop.test"), .identity = slice_str(partner)};
}

/* Each its own partner: with one connection to each, so that it is clear where something comes. */
static void begin(size_t n)
{
    static const char *const partners[MAX_TARGETS] = {"one.test", "two.test", "three.test", "four.test"};
    begin_partner(n, "");
    for (size_t i = 0; i < n; i++)
        targets[i].identity = slice_str(partners[i]);
}

static bool served_with(struct peer *p, unsigned status, const char *rows)
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

static bool served(struct peer *p)
{
    return served_with(p, 200, "");
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Of the target with this index; false: not known. */
static bool destination(size_t i, struct element_destination *ret, char error[160])
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

static bool in_state(size_t i, const char *state)
{
    struct element_destination d;
    char error[160];
    for (int ms = 0; ms < WAIT_MS; ms++, usleep(1000))
        if (destination(i, &d, error) && strcmp(health_state_name(d.state), state) == 0)
            return true;
    TEST_DIAG("target %zu does not become %s", i, state);
    return false;
}

static bool failed_by(size_t i, const char *why)
{
    struct element_destination d;
    char error[160] = "";
    bool ok = destination(i, &d, error) && d.state != HEALTH_GOOD && strstr(error, why);
    if (!ok)
        TEST_DIAG("target %zu: '%s' and not '%s'", i, error, why);
    return ok;
}

static void message(struct peer *client, const char *name)
{
    request(client, "MESSAGE", name, name, 1, "");
}

TEST(starts)
{
    ca = pki_ca("test");
    trust = pki_trust(&ca);
    pick_port(&tcp_at);
    team = workers_new(2, "test");
    element = element_new(team, "proxy.test");
    workers_start(team);
    apply(1);
}

/* Refused: the next target at once; the address is left alone until a probe is answered, and then used. */
TEST(connect_refused_then_recovered)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    pick_port(&targets[0].addr);
    int l2 = listen_any(&targets[1].addr);
    message(&client, "a1");
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "could not connect"));
    int l1 = listen_at(&targets[0].addr);
    message(&client, "a2"); /* not there, although somebody listens again */
    CHECK(served(&two));
    CHECK(got(&client, 200));
    one.fd = accept_one(l1);
    if (got_request(&one, SIP_OPTIONS)) {
        CHECK_STR(sip_msg_value(&one.m, SIP_H_MAX_FORWARDS), "1");
        CHECK_STR(one.m.from_tag.n ? SLICE("tag") : SLICE("none"), "tag");
        respond(&one, 200, "p");
    }
    CHECK(in_state(0, "good"));
    message(&client, "a3");
    CHECK(served(&one));
    CHECK(got(&client, 200));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* Nobody answers the SYN. */
TEST(connect_takes_too_long)
{
    enum { FULL = 8 };
    struct peer client = {.fd = connect_to(&tcp_at)}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr), fill[FULL];
    listen(l1, 0); /* its queue is full after these, and further connections wait for ever */
    for (int i = 0; i < FULL; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], &targets[0].addr.sa, net_addr_len(&targets[0].addr));
    }
    message(&client, "b1");
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "connecting took too long"));
    for (int i = 0; i < FULL; i++)
        close(fill[i]);
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&two);
}

TEST(tls_fails)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, two = {0};
    char hello[512];
    begin(2);
    targets[0].transport = SIP_TLS;
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    message(&client, "c1");
    int fd = accept_one(l1);
    CHECK(readable(fd) && read(fd, hello, sizeof(hello)) > 0);
    CHECK(write(fd, "HTTP/1.0 400 what?\r\n\r\n", 22) == 22);
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "TLS failed"));
    close(fd);
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&two);
}

/* Lost with the request unanswered: the next target, and no request more to the one that was lost. */
TEST(connection_lost)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    message(&client, "d1");
    one.fd = accept_one(l1);
    CHECK(got_request(&one, SIP_MESSAGE));
    struct linger reset = {1, 0};
    setsockopt(one.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(one.fd);
    one.fd = -1;
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    CHECK(failed_by(0, "lost"));
    message(&client, "d2");
    CHECK(served(&two));
    CHECK(got(&client, 200));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* Silence: the next target after attempt_ms; a probe that is answered clears the first, one that is not
 * blocks it. */
TEST(silence_is_probed)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    for (int i = 0; i < 2; i++) {
        message(&client, i ? "e2" : "e1");
        if (i == 0)
            one.fd = accept_one(l1);
        CHECK(got_request(&one, SIP_MESSAGE));
        if (i == 0)
            two.fd = accept_one(l2);
        CHECK(served(&two));
        CHECK(got(&client, 200));
        CHECK(got_request(&one, SIP_OPTIONS));
        if (i == 0)
            respond(&one, 405, "p"); /* any answer will do */
        CHECK(in_state(0, i ? "blocked" : "good"));
    }
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* 503: the next target. For as long as Retry-After says (here: our longest) nothing more goes there. */
TEST(unavailable_with_retry_after)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    begin(2);
    int l1 = listen_any(&targets[0].addr), l2 = listen_any(&targets[1].addr);
    struct element_destination d;
    char error[160];
    message(&client, "f1");
    one.fd = accept_one(l1);
    CHECK(served_with(&one, 503, "Retry-After: 7200 (upgrade)\r\n"));
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(!slice_eq(one.m.branch, two.m.branch)); /* a transaction of its own */
    CHECK_STR(two.m.call_id, "f1");
    CHECK(got(&client, 200));
    CHECK(destination(0, &d, error) && d.state != HEALTH_GOOD && d.blocked_ms > 1500 && d.blocked_ms <= 3000);
    message(&client, "f2");
    CHECK(served(&two));
    CHECK(got(&client, 200));
    /* the same without Retry-After, from the only one that is left: 503 becomes 500 (RFC 3261 16.7) */
    n_targets = 1;
    targets[0] = targets[1];
    message(&client, "f3");
    CHECK(served_with(&two, 503, ""));
    CHECK(got(&client, 500));
    CHECK(failed_by(0, "503"));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* Nothing good is left: the least bad is tried, at once. */
TEST(all_are_bad)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0};
    begin(2);
    pick_port(&targets[0].addr);
    pick_port(&targets[1].addr);
    message(&client, "g1");
    CHECK(got(&client, 504));
    CHECK(failed_by(0, "could not connect"));
    CHECK(failed_by(1, "could not connect"));
    int l1 = listen_at(&targets[0].addr);
    message(&client, "g2");
    one.fd = accept_one(l1);
    CHECK(served(&one));
    CHECK(got(&client, 200));
    CHECK(in_state(0, "good")); /* by the answer, no probe was needed */
    close(l1);
    peer_fini(&client);
    peer_fini(&one);
}

/* As many attempts as are allowed, and no more. */
TEST(attempts_are_limited)
{
    struct peer client = {.fd = connect_to(&tcp_at)};
    int l[MAX_TARGETS];
    begin(MAX_TARGETS);
    for (int i = 0; i < MAX_TARGETS; i++)
        l[i] = listen_any(&targets[i].addr);
    struct target_address last = targets[MAX_TARGETS - 1];
    for (int i = 0; i < MAX_TARGETS; i++) {
        close(l[i]);
        l[i] = -1;
    }
    /* four that fail, though a fifth would do: the default is four attempts */
    n_targets = MAX_TARGETS;
    targets[MAX_TARGETS - 1] = last;
    message(&client, "h1");
    CHECK(got(&client, 504));
    struct element_destination d;
    char error[160];
    for (size_t i = 0; i < MAX_TARGETS; i++)
        CHECK(destination(i, &d, error));
    peer_fini(&client);
}

/* ---------------------------------------------------------------- connections to one partner */
enum { CLIENTS = 8, SERVERS = 3 };
static int listeners[SERVERS];
static struct peer accepted[CLIENTS * SERVERS];
static size_t n_accepted;

/* Serves whatever comes until `wanted` messages were answered; how many came by each listener's connections.
 */
static unsigned serve(unsigned wanted, unsigned by[SERVERS], int of[CLIENTS * SERVERS])
{
    unsigned served_now = 0;
    while (served_now < wanted) {
        struct pollfd p[SERVERS + CLIENTS * SERVERS];
        for (size_t i = 0; i < SERVERS; i++)
            p[i] = (struct pollfd){listeners[i], POLLIN, 0};
        for (size_t i = 0; i < n_accepted; i++)
            p[SERVERS + i] = (struct pollfd){accepted[i].fd, POLLIN, 0};
        size_t had = n_accepted;
        if (poll(p, SERVERS + n_accepted, WAIT_MS) <= 0)
            break;
        for (int i = 0; i < SERVERS; i++)
            if (p[i].revents & POLLIN && n_accepted < CLIENTS * SERVERS) {
                accepted[n_accepted] = (struct peer){.fd = accept(listeners[i], NULL, NULL)};
                of[n_accepted++] = i;
            }
        for (size_t i = 0; i < had; i++)
            while (p[SERVERS + i].revents && accepted[i].fd >= 0) {
                if (!receive(&accepted[i])) {
                    close(accepted[i].fd);
                    accepted[i].fd = -1;
                    break;
                }
                respond(&accepted[i], 200, "t");
                by[of[i]]++;
                served_now++;
                if (buf_len(&accepted[i].in) == 0)
                    break;
            }
    }
    return served_now;
}

static size_t still_open(void)
{
    size_t n = 0;
    for (size_t i = 0; i < n_accepted; i++) {
        char c;
        n += accepted[i].fd >= 0 && recv(accepted[i].fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
    }
    return n;
}

/* Eight senders on two workers, three addresses of one partner, two connections allowed. */
TEST(connections_per_partner)
{
    struct peer clients[CLIENTS] = {0};
    unsigned by[SERVERS] = {0};
    int of[CLIENTS * SERVERS];
    apply(2);
    begin_partner(SERVERS, "partner.test");
    for (size_t i = 0; i < SERVERS; i++)
        listeners[i] = listen_any(&targets[i].addr);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i].fd = connect_to(&tcp_at);
    for (unsigned round = 0; round < 12; round++) {
        struct target_address first = targets[0]; /* as SRV of equal priority: another one first each time */
        memmove(targets, targets + 1, (SERVERS - 1) * sizeof(targets[0]));
        targets[SERVERS - 1] = first;
        for (size_t i = 0; i < CLIENTS; i++) {
            char name[32];
            snprintf(name, sizeof(name), "i%u-%zu", round, i);
            message(&clients[i], name);
        }
        CHECK_INT(serve(CLIENTS, by, of), CLIENTS);
        for (size_t i = 0; i < CLIENTS; i++)
            CHECK(got(&clients[i], 200));
    }
    CHECK_INT(still_open(), 2);
    CHECK_INT(n_accepted, 2); /* and no others came and went */
    for (size_t i = 0; i < CLIENTS; i++)
        peer_fini(&clients[i]);
    for (size_t i = 0; i < n_accepted; i++)
        peer_fini(&accepted[i]);
    for (size_t i = 0; i < SERVERS; i++)
        close(listeners[i]);
    n_accepted = 0;
}

/* One connection allowed, two addresses of different priority: back to the first when it has recovered; the
 * connection to the second ends in order. */
TEST(back_to_the_better_one)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    apply(1);
    begin_partner(2, "other.test");
    targets[1].rank = 1;
    pick_port(&targets[0].addr);
    int l2 = listen_any(&targets[1].addr);
    message(&client, "j1");
    two.fd = accept_one(l2);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    int l1 = listen_at(&targets[0].addr);
    one.fd = accept_one(l1);
    CHECK(got_request(&one, SIP_OPTIONS));
    respond(&one, 200, "p");
    CHECK(in_state(0, "good"));
    char c;
    CHECK(readable(one.fd) && read(one.fd, &c, 1) == 0); /* one more than allowed, for the probe alone */
    struct peer better = {0};
    message(&client, "j2");
    better.fd = accept_one(l1);
    CHECK(served(&better));
    CHECK(got(&client, 200));
    CHECK(readable(two.fd) && read(two.fd, &c, 1) == 0);
    peer_fini(&better);
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

TEST(ends)
{
    workers_stop(team);
    element_free(element);
    workers_free(team);
    crypto_trust_unref(trust);
    pki_fini(&ca);
}

TEST_MAIN(starts, connect_refused_then_recovered, connect_takes_too_long, tls_fails, connection_lost,
          silence_is_probed, unavailable_with_retry_after, all_are_bad, attempts_are_limited,
          connections_per_partner, back_to_the_better_one, ends)
