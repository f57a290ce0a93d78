/* Side A, the partner's Edge (or, with REGISTER, clients): its connections, and requests until they are
 * answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/sipload.h"
#include "load/write.h"

enum { OPEN_LOOP_SLOTS = 20000 };
static const uint64_t timeout_ns = 8000000000ull, connect_ns = 20000000000ull;
static const struct {
    const char *via, *uri;
} proto_names[] = {
    [PROTO_TLS] = {"TLS", "tls"},
    [PROTO_TCP] = {"TCP", "tcp"},
    [PROTO_UDP] = {"UDP", "udp"},
};

static struct slot *slots, *free_slots;
static int nslots, inflight, up, turn;
static struct conn **conns;
static char via[80];

int a_inflight(void)
{
    return inflight;
}

bool a_alive(void)
{
    return up > 0;
}

/* --- requests --- */
uint64_t slot_id(const struct slot *s)
{
    return (uint64_t)s->gen << 32 | s->idx;
}

static void add_user(uint32_t u)
{
    lit("u");
    hex(u, 5);
}

void a_add_aor(const struct slot *s, const char *domain)
{
    lit("<sip:");
    add_user(s->user);
    lit("@");
    lit(domain);
    lit(">");
}

static const char *from_domain(const struct slot *s)
{
    static char name[32];
    if (!opt.from_domains)
        return opt.from_domain;
    snprintf(name, sizeof name, "p%05u.example", s->user % (unsigned)opt.from_domains);
    return name;
}

static void request_line(const struct slot *s, const char *method, const struct sip *dialog)
{
    out.n = 0;
    lit(method);
    lit(" ");
    if (dialog) {
        add(str_uri(dialog->contact));
    } else {
        lit("sip:");
        if (!opt.work->same_conn) { /* a registrar is asked by its domain alone */
            add_user(s->user);
            lit("@");
        }
        lit(opt.domain);
    }
    lit(" SIP/2.0\r\n");
}

void a_request(struct slot *s, const char *method, const struct sip *dialog)
{
    request_line(s, method, dialog);
    lit(via);
    dec(s->c->port);
    lit(";rport;alias;branch=z9hG4bK");
    hex(slot_id(s), 16);
    hex(s->tx, 4);
    lit("\r\nMax-Forwards: 70\r\n");
    if (dialog)
        add_routes(dialog, true);
    lit("From: \"Load\" ");
    a_add_aor(s, opt.work->same_conn ? opt.domain : from_domain(s));
    lit(";tag=a");
    hex(slot_id(s), 16);
    lit("\r\nTo: ");
    if (dialog)
        add(dialog->to);
    else
        a_add_aor(s, opt.domain);
    lit("\r\nCall-ID: ");
    hex(opt.work->same_conn ? s->user : slot_id(s), 16); /* a client's registrations share one (10.2) */
    lit("@bench\r\nCSeq: ");
    dec(s->cseq);
    lit(" ");
    lit(method);
    lit("\r\nUser-Agent: sipload\r\n");
    if (strcmp(method, "ACK") != 0)
        s->method = method;
}

void a_contact(const struct slot *s)
{
    lit("Contact: <sip:");
    add_user(s->user);
    lit("@");
    lit(opt.from);
    lit(":");
    dec(s->c->port);
    lit(";transport=");
    lit(proto_names[opt.a_proto].uri);
    lit(">\r\n");
}

void a_transmit(struct slot *s)
{
    net_send(s->c, out.d, out.n);
    s->sent = now_ns();
}

bool a_start(uint64_t t0)
{
    struct slot *s = free_slots;
    if (!s)
        return false;
    free_slots = s->next;
    while (!conns[turn % opt.conns] || !conns[turn % opt.conns]->up)
        turn++;
    s->c = conns[turn % opt.conns];
    s->gen++;
    s->user = (uint32_t)(opt.work->same_conn ? turn % opt.users : tally.started % opt.users);
    turn = opt.work->same_conn ? (turn + 1) % opt.users : turn + 1;
    tally.started++;
    s->t0 = t0;
    s->tx = s->cseq = 1;
    s->ringing = s->notified = s->accepted = s->challenged = false;
    s->busy = true;
    inflight++;
    opt.work->start(s);
    return true;
}

/* --- replies --- */
static void release(struct slot *s)
{
    s->busy = false;
    s->next = free_slots;
    free_slots = s;
    inflight--;
}

void a_fail(struct slot *s, const char *why, const struct sip *m, const char *raw)
{
    tally.failed++;
    log_bad(why, raw ? raw : "", m ? m->total : 0);
    release(s);
}

void a_latency(const struct slot *s)
{
    if (tally.measuring)
        hist_add(&tally.latency, now_ns() - s->t0);
}

void a_finish(struct slot *s)
{
    tally.done++;
    tally.measured += tally.measuring;
    release(s);
}

static bool branch_ok(const struct sip *m, const struct slot *s)
{
    char want[32];
    snprintf(want, sizeof want, "z9hG4bK%016llx%04x", (unsigned long long)slot_id(s), s->tx & 0xffff);
    return str_is(str_param(m->via[0], "branch"), want);
}

struct slot *a_find(const struct sip *m)
{
    uint64_t id;
    if (!call_number(m->call_id, &id))
        return NULL;
    if (opt.work->same_conn)
        return register_slot(id);
    if ((uint32_t)id >= (uint32_t)nslots)
        return NULL;
    struct slot *s = &slots[(uint32_t)id];
    return s->busy && s->gen == id >> 32 ? s : NULL;
}

void a_reply(struct conn *c, const struct sip *m, const char *raw)
{
    struct slot *s = a_find(m);
    if (!s || s->c != c || m->cseq != s->cseq)
        tally.strays++;
    else if (m->nvia != 1 || !branch_ok(m, s))
        a_fail(s, "reply with a wrong Via", m, raw);
    else if (!str_is(m->method, s->method))
        a_fail(s, "wrong CSeq method", m, raw);
    else if (m->status >= 300 && m->status != 401)
        a_fail(s, "refused", m, raw);
    else
        opt.work->reply(s, m, raw);
}

void a_check_timers(uint64_t now)
{
    for (int i = 0; i < nslots; i++)
        if (slots[i].busy && now > slots[i].sent && now - slots[i].sent > timeout_ns)
            a_fail(&slots[i], "timed out", NULL, NULL);
}

/* --- connections --- */
void a_up(struct conn *c)
{
    struct sockaddr_in me;
    socklen_t l = sizeof me;
    if (!getsockname(c->fd, (struct sockaddr *)&me, &l))
        c->port = ntohs(me.sin_port);
    up++;
}

void a_lost(struct conn *c)
{
    tally.lost_conns++;
    for (int i = 0; i < opt.conns; i++)
        if (conns[i] == c)
            conns[i] = NULL;
    up -= c->up;
    for (int i = 0; i < nslots; i++)
        if (slots[i].busy && slots[i].c == c)
            a_fail(&slots[i], "connection lost", NULL, NULL);
}

static void make_slots(void)
{
    nslots = opt.rate > 0 ? OPEN_LOOP_SLOTS : opt.window;
    slots = calloc((size_t)nslots, sizeof *slots);
    if (!slots)
        die("out of memory");
    for (int i = nslots - 1; i >= 0; i--) {
        slots[i].idx = (uint32_t)i;
        slots[i].gen =
            (uint32_t)(now_ns() >> 16); /* unlike those of an earlier run: else they are retransmissions */
        slots[i].next = free_slots;
        free_slots = &slots[i];
    }
}

void a_init(void)
{
    struct sockaddr_in src = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, opt.from, &src.sin_addr) != 1)
        die("bad address '%s'", opt.from);
    snprintf(via, sizeof via, "Via: SIP/2.0/%s %s:", proto_names[opt.a_proto].via, opt.from);
    make_slots();
    SSL_CTX *ctx =
        opt.a_proto == PROTO_TLS ? tls_ctx(&(struct tls_conf){opt.pki_a, "partner", false, false}) : NULL;
    conns = calloc((size_t)opt.conns, sizeof *conns);
    for (int i = 0; conns && i < opt.conns; i++) {
        bool udp = opt.a_proto == PROTO_UDP;
        conns[i] = udp ? net_udp(opt.to, &src, A) : net_connect(opt.to, &src, ctx, A);
        if (!conns[i])
            die("cannot connect to the system under test");
        up += udp;
    }
    for (uint64_t until = now_ns() + connect_ns; up < opt.conns && !tally.lost_conns && now_ns() < until;)
        net_poll(10000000ull);
    if (up < opt.conns)
        die("only %d of %d connections came up", up, opt.conns);
}
