/* SIP load generator: prints one JSON line. Closed loop (--window) finds the highest rate, open loop (--rate)
 * the latency. The parts: side_a.c with works.c and
 * register.c, side_b.c. */
#include "load/sipload.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "load/write.h"

enum { MAX_LOGGED = 3, MAX_SHOWN = 1500 };
static const uint64_t drain_ns = 10000000000ull, timers_ns = 100000000ull, idle_ns = 50000000ull;

struct options opt = {.conns = 8,
                      .window = 32,
                      .body = 160,
                      .users = 10000,
                      .secs = 3,
                      .warm = 1,
                      .domain = "home.example",
                      .from_domain = "partner.example",
                      .password = "secret"};
struct tally tally;
static char body_text[MAX_BODY];

void log_bad(const char *why, const char *text, size_t n)
{
    static int logged;
    if (logged++ < MAX_LOGGED)
        fprintf(stderr, "sipload: %s\n----\n%.*s\n----\n", why, (int)(n < MAX_SHOWN ? n : MAX_SHOWN), text);
}

/* The number of one of our Call-IDs: 16 hex digits, @bench. */
static bool number(struct str s, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < BODY_ID; i++) {
        const char *digits = "0123456789abcdef";
        const char *d = i < s.n && s.p[i] ? strchr(digits, s.p[i]) : NULL;
        if (!d)
            return false;
        *ret = *ret << 4 | (uint64_t)(d - digits);
    }
    return true;
}

bool call_number(struct str call_id, uint64_t *ret)
{
    return number(call_id, ret) && str_is((struct str){call_id.p + BODY_ID, call_id.n - BODY_ID}, "@bench");
}

void add_body(uint64_t id, const char *type)
{
    lit("Content-Type: ");
    lit(type);
    lit("\r\nContent-Length: ");
    dec((unsigned)opt.body + BODY_ID);
    lit("\r\n\r\n");
    hex(id, BODY_ID);
    add((struct str){body_text, (size_t)opt.body});
}

bool body_ok(struct str b, uint64_t id)
{
    uint64_t v;
    return b.n == (size_t)opt.body + BODY_ID && number(b, &v) && v == id &&
           !memcmp(b.p + BODY_ID, body_text, (size_t)opt.body);
}

static void on_data(struct conn *c)
{
    while (buf_left(&c->in)) {
        const char *p = buf_at(&c->in);
        size_t left = buf_left(&c->in);
        struct sip m;
        if (left >= 2 && p[0] == '\r' && p[1] == '\n') { /* keep-alive */
            buf_take(&c->in, 2);
            continue;
        }
        long n = sip_parse(p, left, &m);
        if (n == 0)
            return;
        if (n < 0) {
            tally.failed++;
            log_bad("not SIP", p, left);
            net_close(c);
            return;
        }
        if (c->role == A && m.status)
            a_reply(c, &m, p);
        else if (c->role == A)
            a_notify(c, &m, p);
        else if (c->role == B && m.status)
            b_reply(&m, p);
        else if (c->role == B && !m.status)
            b_request(c, &m, p);
        else
            tally.strays++;
        buf_take(&c->in, (size_t)n);
    }
}

static void on_up(struct conn *c)
{
    if (c->role == A)
        a_up(c);
}

static void on_close(struct conn *c)
{
    if (c->role == A)
        a_lost(c);
}

/* Starts what is due; returns how much came due with every slot taken. */
static long send_due(uint64_t now, uint64_t gap, uint64_t *next_due)
{
    long overrun = 0;
    if (!gap) {
        while (a_inflight() < opt.window && a_start(now_ns()))
            ;
        return 0;
    }
    for (; *next_due <= now; *next_due += gap)
        overrun += !a_start(*next_due);
    return overrun;
}

static void print_result(const struct probe *from, const struct probe *to)
{
    printf("{\"conns\":%d,\"window\":%d,\"rate\":%.0f,", opt.conns, opt.window, opt.rate);
    probe_print(from, to, tally.measured);
    putchar(',');
    hist_print(&tally.latency);
    printf(",\"fail\":%ld,\"stray\":%ld,\"lost_conns\":%ld,\"b_requests\":%ld,\"b_acks\":%ld,"
           "\"challenges\":%ld}\n",
           tally.failed, tally.strays, tally.lost_conns, tally.b_requests, tally.b_acks, tally.challenges);
}

static void run(void)
{
    uint64_t begin = now_ns(), next_due = begin, timers = begin, end = 0;
    uint64_t measure_at = begin + (uint64_t)(opt.warm * 1e9),
             stop_at = measure_at + (uint64_t)(opt.secs * 1e9);
    const uint64_t gap = opt.rate > 0 ? (uint64_t)(1e9 / opt.rate) : 0;
    struct probe from = {0}, to = {0};
    bool stopping = false;
    for (;;) {
        uint64_t now = now_ns();
        if (!tally.measuring && !stopping && now >= measure_at) {
            probe_take(&from, opt.pid);
            tally.measuring = true;
        }
        if (!stopping && (now >= stop_at || !a_alive())) {
            tally.measuring = false;
            stopping = true;
            probe_take(&to, opt.pid);
            end = now + drain_ns;
        }
        if (stopping && ((!a_inflight() && !b_unanswered()) || now > end || !a_alive()))
            break;
        if (!stopping)
            tally.failed += send_due(now, gap, &next_due);
        if (now - timers > timers_ns) {
            a_check_timers(now);
            timers = now;
        }
        uint64_t wait = idle_ns;
        if (gap && !stopping)
            wait = next_due > now ? next_due - now : 0;
        net_poll(wait);
    }
    tally.failed += a_inflight() + b_unanswered();
    print_result(&from, &to);
}

/* --- memory: so many dialogs complete, and so many more that stay --- */
static void dialogs(bool keep)
{
    long until = tally.started + opt.dialogs;
    keep_dialogs = keep;
    while (a_alive() && !tally.failed && (tally.started < until || a_inflight())) {
        while (tally.started < until && a_inflight() < opt.window)
            a_start(now_ns());
        a_check_timers(now_ns());
        net_poll(idle_ns);
    }
    for (uint64_t end = now_ns() + (uint64_t)(opt.hold * 1e9); a_alive() && now_ns() < end;)
        net_poll(idle_ns);
}

static void run_memory(void)
{
    dialogs(false); /* what grows once has grown */
    uint64_t before = usage_pss_kib(opt.pid);
    dialogs(true);
    uint64_t after = usage_pss_kib(opt.pid);
    tally.failed += !a_alive();
    tally.measured = opt.dialogs;
    printf("{\"ok\":%ld,\"fail\":%ld,\"before_kib\":%llu,\"after_kib\":%llu,\"each_kib\":%.3f}\n",
           opt.dialogs, tally.failed, (unsigned long long)before, (unsigned long long)after,
           ((double)after - (double)before) / (double)opt.dialogs);
}

static void usage(void)
{
    die("sipload --to IP:PORT --listen IP:PORT --from IP --pki-a DIR --pki-b DIR\n"
        "  --mode message|call|subscribe|register, --a-proto and --b-proto tls|tcp|udp (B: no udp)\n"
        "  --conns N, --window N or --rate N, --warm S --secs S, --body BYTES --users N --password P\n"
        "  --domain D, --from-domain D or --from-domains N, --transparent (no proxy) --pid SUT\n"
        "  --dialogs N --hold S: instead of speed, memory with N dialogs, S seconds after they were set up");
}

static bool read_proto(const char *v, enum proto *ret)
{
    static const char *const names[] = {"tls", "tcp", "udp"};
    for (unsigned i = 0; i < 3; i++)
        if (!strcmp(v, names[i])) {
            *ret = (enum proto)i;
            return true;
        }
    return false;
}

static bool read_option(int o, const char *v)
{
    switch (o) {
    case 't':
        opt.to = addr_parse(v);
        return true;
    case 'l':
        opt.listen = addr_parse(v);
        return true;
    case 'f':
        opt.from = v;
        return true;
    case 'a':
        opt.pki_a = v;
        return true;
    case 'b':
        opt.pki_b = v;
        return true;
    case 'c':
        opt.conns = atoi(v);
        return true;
    case 'w':
        opt.window = atoi(v);
        return true;
    case 'r':
        opt.rate = atof(v);
        return true;
    case 'W':
        opt.warm = atof(v);
        return true;
    case 's':
        opt.secs = atof(v);
        return true;
    case 'B':
        opt.body = atoi(v);
        return true;
    case 'u':
        opt.users = atoi(v);
        return true;
    case 'd':
        opt.domain = v;
        return true;
    case 'D':
        opt.from_domain = v;
        return true;
    case 'p':
        opt.pid = atoi(v);
        return true;
    case 'm':
        return (opt.work = work_find(v)) != NULL;
    case 'x':
        return read_proto(v, &opt.a_proto);
    case 'y':
        return read_proto(v, &opt.b_proto) && opt.b_proto != PROTO_UDP;
    case 'P':
        opt.password = v;
        return true;
    case 'F':
        opt.from_domains = atoi(v);
        return true;
    case 'n':
        opt.dialogs = atol(v);
        return true;
    case 'h':
        opt.hold = atof(v);
        return true;
    case 'T':
        opt.transparent = true;
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"to",     1, 0, 't'},
        {"listen",       1, 0, 'l'},
        {"from",        1, 0, 'f'},
        {"pki-a", 1, 0, 'a'},
        {"pki-b",     1, 0, 'b'},
        {"conns",   1, 0, 'c'},
        {"window",       1, 0, 'w'},
        {"rate",        1, 0, 'r'},
        {"warm",       1, 0, 'W'},
        {"secs",     1, 0, 's'},
        {"body",  1, 0, 'B'},
        {"users",       1, 0, 'u'},
        {"domain",        1, 0, 'd'},
        {"from-domain",     1, 0, 'D'},
        {"pid",     1, 0, 'p'},
        {"mode", 1, 0, 'm'},
        {"a-proto",       1, 0, 'x'},
        {"b-proto",        1, 0, 'y'},
        {"password",1, 0, 'P'},
        {"from-domains",     1, 0, 'F'},
        {"dialogs",   1, 0, 'n'},
        {"hold",       1, 0, 'h'},
        {"transparent",        0, 0, 'T'},
        {0  }
    };
    opt.work = work_find("message");
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;)
        if (!read_option(o, optarg))
            usage();
    if (!opt.to.sin_port || !opt.listen.sin_port || !opt.from || !opt.pki_a || !opt.pki_b || opt.conns < 1 ||
        opt.window < 1 || opt.body < 0 || opt.body > MAX_BODY || opt.users < 1)
        usage();
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    prctl(PR_SET_TIMERSLACK, 1000);
    for (size_t i = 0; i < sizeof body_text; i++)
        body_text[i] = "The quick brown fox jumps over the lazy dog. 0123456789\r\n"[i % 57];
    net_init();
    net_ops = (struct net_ops){.on_up = on_up, .on_data = on_data, .on_close = on_close};
    if (opt.work->same_conn)
        register_init();
    else
        b_init();
    a_init();
    if (opt.dialogs)
        run_memory();
    else
        run();
    return tally.failed || !tally.measured;
}
