/* Where a response goes when the connection that its request came on is gone (RFC 3261 18.2.2, RFC 3263 5).
 */
#include "element/name_server_for_test.h"
#include "element/scene.h"
#include "ground/log/metric.h"

#include <pthread.h>

/* Addresses of the loopback network, so that one port can be open at some of them. */
#define SOURCE "127.0.0.7"
#define NOBODY "127.0.0.8"
#define THERE "127.0.0.9"
#define UNDELIVERABLE "element.response-undeliverable"

/* ---------------------------------------------------------------- a name server */
static int name_socket;
static pthread_mutex_t zone_lock = PTHREAD_MUTEX_INITIALIZER;
static struct record zone[4];
static char zone_data[4][64];
static size_t n_zone;
static atomic_uint questions;

static void *serve_names(void *arg)
{
    char in[512];
    struct net_addr from;
    (void)arg;
    for (;;) {
        socklen_t n_from = sizeof(from);
        ssize_t n = recvfrom(name_socket, in, sizeof(in), 0, &from.sa, &n_from);
        if (n <= 12)
            return NULL;
        struct buf out = {0};
        questions++;
        pthread_mutex_lock(&zone_lock);
        answer_question(slice_mem(in, (size_t)n), zone, n_zone, &out);
        pthread_mutex_unlock(&zone_lock);
        sendto(name_socket, out.mem, out.end, 0, &from.sa, n_from);
        buf_fini(&out);
    }
}

__attribute__((format(printf, 3, 4))) static void add_record(const char *name, uint16_t type, const char *fmt,
                                                             ...)
{
    va_list ap;
    va_start(ap, fmt);
    pthread_mutex_lock(&zone_lock);
    vsnprintf(zone_data[n_zone], sizeof(zone_data[0]), fmt, ap);
    va_end(ap);
    zone[n_zone] = (struct record){name, type, zone_data[n_zone]};
    n_zone++;
    pthread_mutex_unlock(&zone_lock);
}

static void no_records(void)
{
    pthread_mutex_lock(&zone_lock);
    n_zone = 0;
    pthread_mutex_unlock(&zone_lock);
}

static pthread_t name_thread;

TEST(begins)
{
    socklen_t n = sizeof(name_server);
    name_socket = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &name_server), 0);
    CHECK_INT(bind(name_socket, &name_server.sa, net_addr_len(&name_server)), 0);
    CHECK_INT(getsockname(name_socket, &name_server.sa, &n), 0);
    CHECK_INT(pthread_create(&name_thread, NULL, serve_names, NULL), 0);
    proxy_begin();
    apply_usual();
}

/* ---------------------------------------------------------------- the request, and the loss */
/* A client at SOURCE, and its request under way. */
static void ask(const char *sent_by, const char *branch, bool trusted)
{
    struct net_addr from;
    scene_begin(1);
    plan.trusts = trusted;
    close(scene.client.fd);
    scene.client.fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(net_addr_parse(SLICE(SOURCE), 0, &from), 0);
    CHECK_INT(bind(scene.client.fd, &from.sa, net_addr_len(&from)), 0);
    CHECK_INT(connect(scene.client.fd, &tcp_at.sa, net_addr_len(&tcp_at)), 0);
    send_text(&scene.client,
              "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s\r\n" FROM_TO
              "Call-ID: %s\r\nCSeq: 1 MESSAGE\r\n" END,
              sent_by, branch, branch);
}

/* Its connection is lost; returns when the element knows. Then its answer is sent. */
static void answer_too_late(void)
{
    struct linger reset = {1, 0};
    struct element_load load;
    arrives(0, "MESSAGE");
    element_load(element, &load);
    uint64_t before = load.connections;
    setsockopt(scene.client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(scene.client.fd);
    scene.client.fd = -1;
    for (int ms = 0; ms < WAIT_MS && load.connections >= before; ms++) {
        usleep(1000);
        element_load(element, &load);
    }
    CHECK(load.connections < before);
    answer(0, 200, "");
}

static int listen_host(const char *host, struct net_addr *at)
{
    pick_port(at);
    CHECK_INT(net_addr_parse(slice_str(host), net_addr_port(at), at), 0);
    return listen_at(at);
}

static void check_comes(int listener, const char *branch)
{
    struct peer back = {.fd = accept_one(listener)};
    if (got(&back, 200))
        CHECK_STR(back.m.branch, branch);
    CHECK(silent(back.fd, 50)); /* once */
    close(listener);
    peer_fini(&back);
    scene_end();
    no_records();
}

/* ---------------------------------------------------------------- places */
TEST(where_it_came_from)
{
    struct net_addr at;
    char sent_by[64];
    unsigned before = questions;
    int ls = listen_host(SOURCE, &at);
    snprintf(sent_by, sizeof(sent_by), "one.test:%u", net_addr_port(&at));
    ask(sent_by, "w1", true);
    answer_too_late();
    check_comes(ls, "z9hG4bKw1");
    CHECK_INT(questions, before); /* whatever the name says */
}

/* Sent-by is an address. */
TEST(a_numeric_sent_by)
{
    struct net_addr at;
    char sent_by[64];
    int ls = listen_host(THERE, &at);
    snprintf(sent_by, sizeof(sent_by), "%s:%u", THERE, net_addr_port(&at));
    ask(sent_by, "w2", true);
    answer_too_late();
    check_comes(ls, "z9hG4bKw2");
}

/* A name and a port: its addresses, one after the other. */
TEST(addresses_of_sent_by)
{
    struct net_addr at;
    char sent_by[64];
    int ls = listen_host(THERE, &at);
    add_record("three.test", DNS_A, SOURCE);
    add_record("three.test", DNS_A, NOBODY);
    add_record("three.test", DNS_A, THERE);
    add_record("_sip._tcp.three.test", DNS_SRV, "0 0 1 wrong.test"); /* not asked where a port is */
    snprintf(sent_by, sizeof(sent_by), "three.test:%u", net_addr_port(&at));
    ask(sent_by, "w3", true);
    answer_too_late();
    check_comes(ls, "z9hG4bKw3");
}

/* A name alone: SRV records of the transport, in their order. */
TEST(services_of_sent_by)
{
    struct net_addr at;
    int ls = listen_host(THERE, &at);
    add_record("_sip._tcp.four.test", DNS_SRV, "1 0 %u there.four.test", net_addr_port(&at));
    add_record("_sip._tcp.four.test", DNS_SRV, "0 0 %u nobody.four.test", net_addr_port(&at));
    add_record("there.four.test", DNS_A, THERE);
    add_record("nobody.four.test", DNS_A, NOBODY);
    ask("four.test", "w4", true);
    answer_too_late();
    check_comes(ls, "z9hG4bKw4");
}

/* ---------------------------------------------------------------- none */
static void check_undeliverable(int64_t before)
{
    for (int ms = 0; ms < WAIT_MS && metric_read(UNDELIVERABLE) == before; ms++)
        usleep(1000);
    CHECK_INT(metric_read(UNDELIVERABLE), before + 1);
    scene_end();
    no_records();
}

TEST(nobody_unknown_has_names_looked_up)
{
    struct net_addr at;
    char sent_by[64];
    int64_t before = metric_read(UNDELIVERABLE);
    unsigned asked = questions;
    int ls = listen_host(THERE, &at);
    snprintf(sent_by, sizeof(sent_by), "%s:%u", THERE, net_addr_port(&at));
    ask(sent_by, "w5", false);
    answer_too_late();
    check_undeliverable(before);
    CHECK(silent(ls, 0));
    CHECK_INT(questions, asked);
    close(ls);
}

TEST(nobody_takes_it)
{
    struct net_addr at;
    char sent_by[64];
    int64_t before = metric_read(UNDELIVERABLE);
    close(listen_host(NOBODY, &at));
    add_record("six.test", DNS_A, NOBODY);
    snprintf(sent_by, sizeof(sent_by), "six.test:%u", net_addr_port(&at));
    ask(sent_by, "w6", true);
    answer_too_late();
    check_undeliverable(before);
}

TEST(ends)
{
    proxy_end();
    sendto(name_socket, "", 0, 0, &name_server.sa, net_addr_len(&name_server)); /* its end */
    pthread_join(name_thread, NULL);
    close(name_socket);
}

TEST_MAIN(begins, where_it_came_from, a_numeric_sent_by, addresses_of_sent_by, services_of_sent_by,
          nobody_unknown_has_names_looked_up, nobody_takes_it, ends)
