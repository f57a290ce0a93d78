#include "kept/nameserver/nameserver.h"

#include "ground/base/test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

/* --- a server on UDP and TCP, on a thread of its own; how it answers is told by the first label --- */
struct server {
    int udp, tcp, stop[2];
    struct net_addr addr;
    pthread_t thread;
    unsigned over_udp, over_tcp;
};

static void put_record(struct buf *b, char type, const char *data, size_t n)
{
    buf_append_mem(b, (char[]){(char)0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, (char)n}, 12);
    buf_append_mem(b, data, n);
}

static bool label_is(struct slice q, const char *label)
{
    return q.n > 13 + strlen(label) && (size_t)q.p[12] == strlen(label) &&
           memcmp(q.p + 13, label, strlen(label)) == 0;
}

static void answer(struct slice q, bool tcp, struct buf *out)
{
    size_t end = 12;
    while (end < q.n && q.p[end])
        end += 1 + (size_t)q.p[end];
    bool update = (q.p[2] >> 3 & 0xf) == 5, cut = label_is(q, "big") && !tcp;
    unsigned rcode = label_is(q, "fail") || label_is(q, "refusing") ? (update ? DNS_REFUSED : DNS_SERVFAIL)
                     : label_is(q, "nx")                            ? DNS_NXDOMAIN
                                                                    : DNS_NOERROR;
    bool alias = label_is(q, "alias"), records = !update && !rcode && !cut && !alias;
    buf_append_mem(out, q.p, 2);
    buf_append_mem(out,
                   (char[]){(char)(update ? 0xa8 : 0x84 | (cut ? 2 : 0)), (char)rcode, 0, update ? 0 : 1, 0,
                            (char)(records ? 2 : alias), 0, 0, 0, 0},
                   10);
    if (update)
        return;
    buf_append_mem(out, q.p + 12, end + 5 - 12);
    if (alias)
        put_record(out, DNS_CNAME, "\5other\0", 7);
    if (records) {
        put_record(out, DNS_A, "\xc0\0\2\1", 4);
        put_record(out, DNS_A, "\xc0\0\2\2", 4);
    }
}

static void serve_udp(struct server *s)
{
    char q[4096];
    struct net_addr from;
    socklen_t n = sizeof(from);
    ssize_t k = recvfrom(s->udp, q, sizeof(q), 0, &from.sa, &n);
    struct buf out = {0};
    if (k < 17)
        return;
    s->over_udp++;
    if (label_is(slice_mem(q, (size_t)k), "late")) { /* a stranger's answer comes first */
        q[0] ^= 1;
        answer(slice_mem(q, (size_t)k), false, &out);
        CHECK(sendto(s->udp, out.mem + out.start, buf_len(&out), 0, &from.sa, n) > 0);
        q[0] ^= 1;
        buf_clear(&out, 4096);
    }
    answer(slice_mem(q, (size_t)k), false, &out);
    CHECK(sendto(s->udp, out.mem + out.start, buf_len(&out), 0, &from.sa, n) > 0);
    buf_fini(&out);
}

static void serve_tcp(struct server *s)
{
    unsigned char q[4096];
    struct buf out = {0}, framed = {0};
    int fd = accept(s->tcp, NULL, NULL);
    size_t have = 0;
    ssize_t k;
    while ((have < 2 || have < 2 + ((size_t)q[0] << 8 | q[1])) &&
           (k = recv(fd, q + have, sizeof(q) - have, 0)) > 0)
        have += (size_t)k;
    s->over_tcp++;
    answer(slice_mem(q + 2, have - 2), true, &out);
    buf_append_char(&framed, (char)(buf_len(&out) >> 8));
    buf_append_char(&framed, (char)buf_len(&out));
    buf_append(&framed, buf_slice(&out));
    for (size_t i = 0; i < buf_len(&framed); i++) /* in pieces, as TCP may */
        CHECK_INT(send(fd, framed.mem + framed.start + i, 1, MSG_NOSIGNAL), 1);
    close(fd);
    buf_fini(&out);
    buf_fini(&framed);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    struct pollfd fds[] = {
        {s->udp,     POLLIN, 0},
        {s->tcp,     POLLIN, 0},
        {s->stop[0], POLLIN, 0}
    };
    while (poll(fds, 3, -1) >= 0 && !fds[2].revents) {
        if (fds[0].revents)
            serve_udp(s);
        if (fds[1].revents)
            serve_tcp(s);
    }
    return NULL;
}

/* One port for both; another one is tried when somebody has it on TCP. */
static bool bind_both(struct server *s)
{
    socklen_t n = sizeof(s->addr);
    CHECK_INT(net_addr_parse(SLICE("127.0.0.1"), 0, &s->addr), 0);
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->udp, &s->addr.sa, net_addr_len(&s->addr)) == 0 && getsockname(s->udp, &s->addr.sa, &n) == 0 &&
        bind(s->tcp, &s->addr.sa, net_addr_len(&s->addr)) == 0 && listen(s->tcp, 4) == 0)
        return true;
    close(s->udp);
    close(s->tcp);
    return false;
}

static void server_start(struct server *s)
{
    *s = (struct server){0};
    for (unsigned i = 0; i < 100 && !bind_both(s); i++)
        ;
    CHECK_INT(pipe(s->stop), 0);
    CHECK_INT(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    close(s->stop[0]);
    close(s->udp);
    close(s->tcp);
}

/* --- questions --- */
TEST(records_and_what_is_none)
{
    static const struct {
        const char *name;
        uint16_t type;
        int result;
        size_t n;
        const char *error;
    } cases[] = {
        {"sip.contoso.example",   DNS_A,    0,          2, ""               },
        {"SIP.contoso.example",   DNS_A,    0,          2, ""               },
        {"late.contoso.example",  DNS_A,    0,          2, ""               },
        {"sip.contoso.example",   DNS_AAAA, 0,          0, ""               },
        {"nx.contoso.example",    DNS_A,    0,          0, ""               },
        {"fail.contoso.example",  DNS_A,    -EREMOTEIO, 0, "SERVFAIL"       },
        {"alias.contoso.example", DNS_A,    -ELOOP,     0, "alias"          },
        {"..",                    DNS_A,    -EINVAL,    0, "cannot be asked"},
    };
    struct server s;
    server_start(&s);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a = {0};
        struct dns_record *records = NULL;
        size_t n = 0;
        char error[NAMESERVER_ERROR] = "";
        CHECK_INT(nameserver_ask(&s.addr, slice_str(cases[i].name), cases[i].type, &a, &records, &n, error),
                  cases[i].result);
        CHECK_INT(n, cases[i].n);
        CHECK(slice_search(slice_str(error), slice_str(cases[i].error)) != SIZE_MAX);
        if (n) {
            CHECK_INT(records[0].ttl, 60);
            CHECK_SLICE(records[1].address, SLICE("\xc0\0\2\2"));
        }
        arena_fini(&a);
    }
    server_stop(&s);
    CHECK_INT(s.over_tcp, 0);
}

TEST(truncated_goes_over_tcp)
{
    struct server s;
    struct arena a = {0};
    struct dns_record *records;
    size_t n = 0;
    char error[NAMESERVER_ERROR] = "";
    server_start(&s);
    CHECK_INT(nameserver_ask(&s.addr, SLICE("big.contoso.example"), DNS_A, &a, &records, &n, error), 0);
    CHECK_INT(n, 2);
    server_stop(&s);
    CHECK_INT(s.over_udp, 1);
    CHECK_INT(s.over_tcp, 1);
    arena_fini(&a);
}

TEST(a_closed_port_is_told)
{
    struct server s;
    struct arena a = {0};
    struct dns_record *records;
    size_t n = 0;
    char error[NAMESERVER_ERROR] = "";
    server_start(&s);
    server_stop(&s);
    CHECK_INT(nameserver_ask(&s.addr, SLICE("sip.contoso.example"), DNS_A, &a, &records, &n, error),
              -ECONNREFUSED);
    CHECK(slice_search(slice_str(error), SLICE("refused")) != SIZE_MAX);
    arena_fini(&a);
}

/* --- updates --- */
TEST(updates)
{
    static const struct {
        const char *zone;
        bool key;
        int result;
        const char *error;
    } cases[] = {
        {"contoso.example",  false, 0,             ""          },
        {"refusing.example", false, -EREMOTEIO,    "REFUSED"   },
        {"contoso.example",  true,  -EKEYREJECTED, "not signed"}, /* this server signs nothing */
        {"refusing.example", true,  -EKEYREJECTED, "REFUSED"   },
        {"fabrikam.test",    false, 0,             ""          },
    };
    struct dns_tsig_key key = {SLICE("test-key"), SLICE("0123456789abcdef0123456789abcdef")};
    struct server s;
    server_start(&s);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a = {0};
        char error[NAMESERVER_ERROR] = "";
        struct slice name = arena_printf(&a, "sip.%s", cases[i].zone);
        struct dns_change changes[] = {
            {.name = name, .type = DNS_A},
            { true, name, DNS_A, 60, SLICE("192.0.2.1")}
        };
        CHECK_INT(nameserver_update(&s.addr, slice_str(cases[i].zone), changes, 2, cases[i].key ? &key : NULL,
                                    1700000000, error),
                  cases[i].result);
        CHECK(slice_search(slice_str(error), slice_str(cases[i].error)) != SIZE_MAX);
        arena_fini(&a);
    }
    struct dns_change outside = {true, SLICE("sip.contoso.example"), DNS_A, 60, SLICE("192.0.2.1")};
    char error[NAMESERVER_ERROR] = "";
    CHECK_INT(nameserver_update(&s.addr, SLICE("fabrikam.example"), &outside, 1, NULL, 1700000000, error),
              -EINVAL);
    server_stop(&s);
}

TEST_MAIN(records_and_what_is_none, truncated_goes_over_tcp, a_closed_port_is_told, updates)
