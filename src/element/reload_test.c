/* Reloading under load: listeners, certificates of both sides, limits and the service change again and again
 * while requests go through two elements, over TCP and then TLS. Nothing is lost, and what is replaced goes.
 */
#include "element/fixture.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/log/log.h"

#include <pthread.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { RELOADS = 300, WATCH_MEMORY = false };
#else
enum { RELOADS = 2000, WATCH_MEMORY = true };
#endif
enum {
    RELOADS_SOAK = 10000,
    CLIENTS = 3,
    CERT_EVERY = 10, /* reloads: new TLS contexts, certificates in turn */
    RESOLVER_EVERY = 97,
    GROWTH_PERCENT = 5,
    LOST_MAX = 20,     /* told; then a client gives up */
    SERVICES_MAX = 64, /* configs that are still in use by requests, at the most */
};

static struct element *outer, *inner; /* the way of a request: client, outer, inner */
static struct net_addr tcp_at, more_at, tls_at;
static atomic_int services;
static struct pki_id ca, certs[2];
static struct crypto_trust *trust;

/* ---------------------------------------------------------------- the services */
static bool proves(const struct element_config *c, struct flow *f, struct slice identity, bool secure_name)
{
    (void)c;
    (void)secure_name;
    return flow_cert_verdict(f) == CRYPTO_VERIFY_OK && crypto_cert_names_host(flow_cert(f), identity);
}

/* The service of the config that a request began with is there until it is over. */
static void check_service(const struct request *rq)
{
    if (*(int *)request_config(rq)->service != 4711)
        abort();
}

static void pass_on(struct request *rq)
{
    struct target_address to = {
        .addr = tls_at, .transport = SIP_TLS, .name = SLICE("inner.test"), .identity = SLICE("inner.test")};
    struct forward_branch b = {
        .target = {.kind = TARGET_ADDRESSES, .side = SIDE_INTERNAL, .addresses = &to, .n_addresses = 1}
    };
    check_service(rq);
    request_forward(rq, &(struct forward){.branches = &b, .n = 1});
}

static void answer(struct request *rq)
{
    check_service(rq);
    request_reply(rq, &(struct reply){.status = 200});
}

static void over(struct request *rq)
{
    check_service(rq);
}

static const struct element_ops outer_ops = {
    .is_own_uri = own_uri, .request = pass_on, .flow_covers = proves, .request_over = over};
static const struct element_ops inner_ops = {
    .is_own_uri = own_uri, .request = answer, .flow_covers = proves, .request_over = over};

static void service_free(void *service)
{
    *(int *)service = 0;
    mem_free(service);
    atomic_fetch_sub(&services, 1);
}

/* ---------------------------------------------------------------- configurations */
static struct tls_ctx *tls_kept[2][2]; /* outer's client context, inner's server context: old and new */

static void make_tls(unsigned turn)
{
    for (int server = 0; server < 2; server++) {
        struct tls_config config = {.server = server,
                                    .key = certs[turn % 2].key,
                                    .cert = certs[turn % 2].cert,
                                    .trust = trust,
                                    .peer = TLS_PEER_REQUIRED};
        tls_ctx_unref(tls_kept[server][0]);
        CHECK_INT(tls_ctx_new(&config, &tls_kept[server][0]), 0);
    }
}

static struct element_config *config_new(const struct element_ops *ops, unsigned turn)
{
    struct element_config *c = config_of(ops);
    c->revision = turn;
    c->service = mem_alloc(sizeof(int));
    *(int *)c->service = 4711;
    c->service_free = service_free;
    c->attempt_ms = 8000 + turn % 7;
    c->connections_per_destination = 1 + turn / 5 % 3;
    c->linger_ms = 5000;
    c->resolver.n_servers = 1;
    net_addr_parse(SLICE("127.0.0.1"), (uint16_t)(5300 + turn / RESOLVER_EVERY % 2), &c->resolver.servers[0]);
    atomic_fetch_add(&services, 1);
    return c;
}

static void reload(unsigned turn)
{
    if (turn % CERT_EVERY == 0)
        make_tls(turn / CERT_EVERY);
    struct element_config *c = config_new(&inner_ops, turn);
    listen_on(c, &tls_at, SIP_TLS, tls_kept[1][0]);
    run(inner, c);
    c = config_new(&outer_ops, turn);
    c->sides[SIDE_INTERNAL].client_tls = tls_ctx_ref(tls_kept[0][0]);
    listen_on(c, &tcp_at, SIP_TCP, NULL);
    if (turn % 2)
        listen_on(c, &more_at, SIP_TCP, NULL);
    run(outer, c);
}

/* ---------------------------------------------------------------- load */
static atomic_bool loading;
static atomic_uint answered, lost;

/* One connection each, or a new one for every request. */
static void *client(void *arg)
{
    unsigned me = *(unsigned *)arg;
    struct peer p = {.fd = -1};
    for (unsigned i = 0; loading; i++) {
        char branch[32], call[32];
        if (p.fd < 0)
            p.fd = connect_to(&tcp_at);
        snprintf(branch, sizeof(branch), "r%u-%u", me, i);
        snprintf(call, sizeof(call), "reload-%u-%u", me, i);
        if (p.fd < 0) {
            atomic_fetch_add(&lost, 1);
            continue;
        }
        request(&p, "MESSAGE", branch, call, 1, "");
        if (!receive(&p) || p.m.status != 200) {
            printf("# %s: %.*s\n", call, p.text ? (int)p.m.start_line.n : 7,
                   p.text ? p.m.start_line.p : "nothing");
            if (atomic_fetch_add(&lost, 1) > LOST_MAX)
                break;
        } else {
            atomic_fetch_add(&answered, 1);
        }
        if (me == 0) { /* in order: what is closed was answered */
            peer_fini(&p);
            p = (struct peer){.fd = -1};
        }
    }
    peer_fini(&p);
    return NULL;
}

static size_t resident_kib(void)
{
    unsigned long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%lu %lu", &total, &resident) == 2);
    if (f)
        fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void world_start(void)
{
    log_setup(LOG_TEXT, LOG_ERROR, NULL, NULL, 2);
    ca = pki_ca("reload CA");
    for (int i = 0; i < 2; i++)
        certs[i] = pki_host(&ca, "inner.test");
    trust = pki_trust(&ca);
    pick_port(&tcp_at);
    pick_port(&more_at);
    pick_port(&tls_at);
    team = workers_new(2, "test");
    outer = element_new(team, "outer.test");
    inner = element_new(team, "inner.test");
    workers_start(team);
}

static void world_end(void)
{
    workers_stop(team);
    element_free(outer);
    element_free(inner);
    workers_free(team);
    for (int server = 0; server < 2; server++)
        tls_ctx_unref(tls_kept[server][0]);
    crypto_trust_unref(trust);
    pki_fini(&ca);
    for (int i = 0; i < 2; i++)
        pki_fini(&certs[i]);
}

TEST(nothing_is_lost_and_nothing_stays)
{
    unsigned n = getenv("SOAK") ? RELOADS_SOAK : RELOADS;
    pthread_t threads[CLIENTS];
    unsigned numbers[CLIENTS];
    size_t third = 0, most = 0;
    world_start();
    reload(0);
    loading = true;
    for (unsigned i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        CHECK_INT(pthread_create(&threads[i], NULL, client, &numbers[i]), 0);
    }
    for (unsigned turn = 1; turn <= n; turn++) {
        reload(turn);
        size_t standing = (size_t)services;
        most = standing > most ? standing : most;
        if (turn == n / 3)
            third = resident_kib();
    }
    size_t end = resident_kib();
    loading = false;
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    printf("# %u reloads of two elements, %u requests answered, %zu configs at once, %zu KiB after a third, "
           "%zu KiB at "
           "the end\n",
           n, answered, most, third, end);
    CHECK_INT(lost, 0);
    CHECK(answered > n / 10);
    CHECK(most <= SERVICES_MAX);
    if (WATCH_MEMORY)
        CHECK(end * 100 <= third * (100 + GROWTH_PERCENT));
    world_end();
    CHECK_INT(services, 0);
}

TEST_MAIN(nothing_is_lost_and_nothing_stays)
