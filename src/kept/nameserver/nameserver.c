#include "kept/nameserver/nameserver.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DNS_HEADER = 12, MAX_DATAGRAM = 65535 };

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int fail(char error[NAMESERVER_ERROR], int r, const struct net_addr *server, const char *what)
{
    char text[NET_ADDR_TEXT];
    struct slice addr = net_addr_text(server, text);
    snprintf(error, NAMESERVER_ERROR, "name server " SLICE_FMT ": %s", SLICE_ARG(addr), what);
    return r;
}

static int wait_fd(int fd, short what, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = {fd, what, 0};
        int r = poll(&p, 1, left > 0 ? (int)left : 0);
        if (r > 0)
            return 0;
        if (r == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static bool is_answer_to(struct slice query, struct slice answer)
{
    return answer.n >= DNS_HEADER && memcmp(answer.p, query.p, 2) == 0 && (answer.p[2] & 0x80);
}

static int udp_try(int fd, struct slice query, struct buf *answer)
{
    int64_t deadline = now_ms() + NAMESERVER_UDP_MS;
    int r;
    if (send(fd, query.p, query.n, MSG_NOSIGNAL) < 0)
        return -errno;
    while ((r = wait_fd(fd, POLLIN, deadline)) == 0) {
        buf_clear(answer, MAX_DATAGRAM);
        ssize_t n = recv(fd, buf_reserve(answer, MAX_DATAGRAM), MAX_DATAGRAM, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (n < 0)
            continue;
        buf_commit(answer, (size_t)n);
        if (is_answer_to(query, buf_slice(answer)))
            return 0;
    }
    return r;
}

static int exchange_udp(const struct net_addr *server, struct slice query, struct buf *answer)
{
    int r = -ETIMEDOUT;
    int fd = socket(server->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* connected: only this server's datagrams, and a closed port is told */
    if (connect(fd, &server->sa, net_addr_len(server)) < 0)
        r = -errno;
    else
        for (unsigned i = 0; i < NAMESERVER_TRIES && r == -ETIMEDOUT; i++)
            r = udp_try(fd, query, answer);
    close(fd);
    return r;
}

static int tcp_io(int fd, bool out, char *p, size_t n, int64_t deadline)
{
    while (n) {
        int r = wait_fd(fd, out ? POLLOUT : POLLIN, deadline);
        if (r < 0)
            return r;
        ssize_t k = out ? send(fd, p, n, MSG_NOSIGNAL) : recv(fd, p, n, 0);
        if (k == 0 && !out)
            return -ECONNRESET;
        if (k < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (k > 0) {
            p += k;
            n -= (size_t)k;
        }
    }
    return 0;
}

static int tcp_connect(int fd, const struct net_addr *server, int64_t deadline)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (connect(fd, &server->sa, net_addr_len(server)) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    int r = wait_fd(fd, POLLOUT, deadline);
    if (r < 0)
        return r;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 ? -errno : -error;
}

static int exchange_tcp(const struct net_addr *server, struct slice query, struct buf *answer)
{
    int64_t deadline = now_ms() + NAMESERVER_TCP_MS;
    unsigned char length[2] = {(unsigned char)(query.n >> 8), (unsigned char)query.n};
    struct buf out = {0};
    int fd = socket(server->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    buf_append_mem(&out, length, 2);
    buf_append(&out, query);
    int r = tcp_connect(fd, server, deadline);
    if (r == 0)
        r = tcp_io(fd, true, out.mem + out.start, buf_len(&out), deadline);
    if (r == 0)
        r = tcp_io(fd, false, (char *)length, 2, deadline);
    if (r == 0) {
        size_t n = (size_t)length[0] << 8 | length[1];
        buf_clear(answer, MAX_DATAGRAM);
        r = tcp_io(fd, false, buf_reserve(answer, n + 1), n, deadline);
        if (r == 0)
            buf_commit(answer, n);
        if (r == 0 && !is_answer_to(query, buf_slice(answer)))
            r = -EBADMSG;
    }
    buf_fini(&out);
    close(fd);
    return r;
}

/* One of the two bytes of flags: 0 has TC, 1 has the rcode. */
static unsigned flags(const struct buf *answer, size_t i)
{
    struct slice s = buf_slice(answer);
    return s.n >= DNS_HEADER && s.p ? (unsigned char)s.p[2 + i] : 0;
}

static int exchange(const struct net_addr *server, struct slice query, struct buf *answer, char *error)
{
    int r = exchange_udp(server, query, answer);
    bool truncated = r == 0 && (flags(answer, 0) & 0x02);
    if (truncated || r == -ETIMEDOUT)
        r = exchange_tcp(server, query, answer);
    return r < 0 ? fail(error, r, server, r == -ETIMEDOUT ? "no answer" : strerror(-r)) : 0;
}

static uint16_t random_id(void)
{
    uint16_t id = 0;
    if (getrandom(&id, sizeof(id), 0) != sizeof(id))
        id = (uint16_t)now_ms();
    return id;
}

static const char *rcode_text(unsigned rcode)
{
    static const char *const words[] = {"no error", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                        "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};
    return rcode < sizeof(words) / sizeof(words[0]) ? words[rcode] : "an unknown rcode";
}

/* Those of the answer section that are meant; -ELOOP when an alias stands there instead. */
static int pick(const struct dns_message *m, struct slice name, uint16_t type, struct arena *a,
                struct dns_record **ret, size_t *ret_n)
{
    struct dns_record *found = ARENA_ARRAY(a, struct dns_record, m->n_answers);
    size_t n = 0;
    for (size_t i = 0; i < m->n_answers; i++) {
        if (!slice_caseeq(m->answers[i].name, name))
            continue;
        if (m->answers[i].type == DNS_CNAME)
            return -ELOOP;
        if (m->answers[i].type == type)
            found[n++] = m->answers[i];
    }
    *ret = found;
    *ret_n = n;
    return 0;
}

typedef int picks(const struct dns_message *m, struct slice name, uint16_t type, struct arena *a,
                  struct dns_record **ret, size_t *ret_n);

static int pick_followed(const struct dns_message *m, struct slice name, uint16_t type, struct arena *a,
                         struct dns_record **ret, size_t *ret_n)
{
    const struct dns_record *found[DNS_MAX_RECORDS];
    uint32_t ttl = 0;
    size_t n = dns_answers(m, name, type, found, DNS_MAX_RECORDS, &ttl);
    *ret = ARENA_ARRAY(a, struct dns_record, n + 1);
    for (size_t i = 0; i < n; i++)
        (*ret)[i] = *found[i];
    *ret_n = n;
    return 0;
}

static int ask(const struct net_addr *server, struct slice name, uint16_t type, struct arena *a,
               struct dns_record **ret, size_t *ret_n, char error[NAMESERVER_ERROR], picks *picked)
{
    struct buf query = {0}, answer = {0};
    struct dns_message m;
    int r = dns_question_write(random_id(), name, type, &query);
    if (r < 0) {
        fail(error, r, server, "this name cannot be asked for");
        goto out;
    }
    r = exchange(server, buf_slice(&query), &answer, error);
    if (r < 0)
        goto out;
    if (dns_parse(arena_copy(a, buf_slice(&answer)), a, &m) < 0)
        r = fail(error, -EBADMSG, server, "its answer cannot be read");
    else if (m.rcode != DNS_NOERROR && m.rcode != DNS_NXDOMAIN)
        r = fail(error, -EREMOTEIO, server, rcode_text(m.rcode));
    else if ((r = picked(&m, name, type, a, ret, ret_n)) < 0)
        fail(error, r, server, "the name is an alias (CNAME)");
out:
    buf_fini(&query);
    buf_fini(&answer);
    return r;
}

int nameserver_ask(const struct net_addr *server, struct slice name, uint16_t type, struct arena *a,
                   struct dns_record **ret, size_t *ret_n, char error[NAMESERVER_ERROR])
{
    return ask(server, name, type, a, ret, ret_n, error, pick);
}

int nameserver_resolve(const struct net_addr *server, struct slice name, uint16_t type, struct arena *a,
                       struct dns_record **ret, size_t *ret_n, char error[NAMESERVER_ERROR])
{
    return ask(server, name, type, a, ret, ret_n, error, pick_followed);
}

int nameserver_update(const struct net_addr *server, struct slice zone, const struct dns_change *changes,
                      size_t n, const struct dns_tsig_key *key, uint64_t now_s, char error[NAMESERVER_ERROR])
{
    struct buf request = {0}, answer = {0};
    int r = dns_update_write(random_id(), zone, changes, n, key, now_s, &request);
    if (r < 0) {
        fail(error, r, server, "the update cannot be written");
        goto out;
    }
    r = exchange(server, buf_slice(&request), &answer, error);
    if (r < 0)
        goto out;
    unsigned rcode = flags(&answer, 1) & 0x0f;
    /* an unsigned refusal still says more than that its signature is missing */
    if (key && dns_update_verify(buf_slice(&answer), buf_slice(&request), key, now_s) < 0)
        r = fail(error, -EKEYREJECTED, server,
                 rcode ? rcode_text(rcode) : "its answer is not signed with our key");
    else if (rcode != DNS_NOERROR)
        r = fail(error, -EREMOTEIO, server, rcode_text(rcode));
out:
    buf_fini(&request);
    buf_fini(&answer);
    return r;
}

int nameserver_of_machine(struct net_addr *ret)
{
    char line[256];
    int r = -ENOENT;
    FILE *f = fopen("/etc/resolv.conf", "re");
    while (f && r < 0 && fgets(line, sizeof(line), f)) {
        struct slice word, rest, text = slice_trim(slice_str(line));
        if (slice_cut(text, ' ', &word, &rest) && slice_eq(word, SLICE("nameserver")))
            r = net_addr_parse(slice_trim(rest), NAMESERVER_PORT, ret);
    }
    if (f)
        fclose(f);
    return r;
}

/* Does this address answer for the zone itself? */
static bool answers_for(const struct net_addr *server, struct slice zone, struct arena *a)
{
    char error[NAMESERVER_ERROR];
    struct dns_record *soa;
    size_t n = 0;
    return nameserver_ask(server, zone, DNS_SOA, a, &soa, &n, error) == 0 && n > 0;
}

bool nameserver_find_authority(struct net_addr *server, struct slice name, struct arena *a)
{
    struct slice zone = name, label, rest;
    char error[NAMESERVER_ERROR];
    struct dns_record *ns, *addresses;
    size_t n = 0, m;
    while (nameserver_ask(server, zone, DNS_NS, a, &ns, &n, error) == 0 && !n &&
           slice_cut(zone, '.', &label, &rest))
        zone = rest;
    for (size_t i = 0; i < n; i++) {
        m = 0;
        if (nameserver_ask(server, ns[i].target, DNS_A, a, &addresses, &m, error) < 0)
            continue;
        for (size_t j = 0; j < m; j++) {
            struct net_addr found;
            if (net_addr_from_bytes(addresses[j].address, NAMESERVER_PORT, &found) == 0 &&
                answers_for(&found, zone, a)) {
                *server = found;
                return true;
            }
        }
    }
    return false;
}

/* Does a server of DNS stand at this port? Any answer will do. */
static bool is_open(const struct net_addr *server, struct slice zone)
{
    struct arena a = {0};
    char error[NAMESERVER_ERROR];
    struct dns_record *soa;
    size_t n;
    int r = nameserver_ask(server, zone, DNS_SOA, &a, &soa, &n, error);
    arena_fini(&a);
    return r != -ECONNREFUSED;
}

static void zone_add(struct nameserver_zone *z, const struct dns_record *address, uint16_t other_port)
{
    struct net_addr at;
    if (z->n == NAMESERVER_MAX_AUTHORITIES || net_addr_from_bytes(address->address, NAMESERVER_PORT, &at) < 0)
        return;
    if (other_port != NAMESERVER_PORT && !is_open(&at, z->name))
        net_addr_set_port(&at, other_port);
    for (size_t i = 0; i < z->n; i++)
        if (net_addr_eq(&z->servers[i], &at))
            return;
    z->servers[z->n++] = at;
}

static bool has_dot(struct slice name)
{
    return slice_find(name, '.') != SIZE_MAX;
}

int nameserver_zone_of(const struct net_addr *resolver, struct slice name, struct arena *a,
                       struct nameserver_zone *ret, char error[NAMESERVER_ERROR])
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA};
    struct nameserver_zone z = {0};
    struct dns_record *ns = NULL, *addresses;
    struct slice label, rest;
    size_t n = 0, m;
    for (z.name = name; has_dot(z.name); z.name = rest) {
        int r = nameserver_ask(resolver, z.name, DNS_NS, a, &ns, &n, error);
        if (r < 0 && r != -ELOOP)
            return r;
        if ((r == 0 && n) || !slice_cut(z.name, '.', &label, &rest))
            break;
        n = 0;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 2; k++)
            if (nameserver_resolve(resolver, ns[i].target, types[k], a, &addresses, &m, error) == 0)
                for (size_t j = 0; j < m; j++)
                    zone_add(&z, &addresses[j], net_addr_port(resolver));
    *ret = z;
    return 0;
}
