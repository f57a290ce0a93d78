/* Side A, the partner's Edge: MESSAGE, or INVITE 180 200 ACK BYE 200, over mutual TLS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/sipload.h"
#include "load/write.h"

enum { OPEN_LOOP_SLOTS = 20000 };
static const uint64_t timeout_ns = 8000000000ull, connect_ns = 10000000000ull;

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
static uint64_t slot_id(const struct slot *s)
{
    return (uint64_t)s->gen << 32 | s->idx;
}

static void add_user(uint32_t u)
{
    lit("u");
    hex(u, 5);
}

static void add_aor(const struct slot *s, const char *domain)
{
    lit("<sip:");
    add_user(s->user);
    lit("@");
    lit(domain);
    lit(">");
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
        add_user(s->user);
        lit("@");
        lit(opt.domain);
    }
    lit(" SIP/2.0\r\n");
}

static void request(struct slot *s, const char *method, const struct sip *dialog)
{
    request_line(s, method, dialog);
    lit(via);
    dec(s->c->port);
    lit(";rport;branch=z9hG4bK");
    hex(slot_id(s), 16);
    hex(s->tx, 4);
    lit("\r\nMax-Forwards: 70\r\n");
    if (dialog)
        add_routes(dialog, true);
    lit("From: \"Load\" ");
    add_aor(s, opt.from_domain);
    lit(";tag=a");
    hex(slot_id(s), 16);
    lit("\r\nTo: ");
    if (dialog)
        add(dialog->to);
    else
        add_aor(s, opt.domain);
    lit("\r\nCall-ID: ");
    hex(slot_id(s), 16);
    lit("@bench\r\nCSeq: ");
    dec(s->cseq);
    lit(" ");
    lit(method);
    lit("\r\nUser-Agent: sipload\r\n");
}

static void add_contact(const struct slot *s)
{
    lit("Contact: <sip:");
    add_user(s->user);
    lit("@");
    lit(opt.from);
    lit(":");
    dec(s->c->port);
    lit(";transport=tls>\r\n");
}

static void transmit(struct slot *s)
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
    s->c = conns[turn++ % opt.conns];
    s->gen++;
    s->user = (uint32_t)(tally.started++ % opt.users);
    s->t0 = t0;
    s->tx = s->cseq = 1;
    s->ringing = false;
    s->state = opt.calls ? INVITED : WAIT;
    inflight++;
    request(s, opt.calls ? "INVITE" : "MESSAGE", NULL);
    if (opt.calls) {
        add_contact(s);
        lit("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: timer, replaces\r\n");
        add_body(slot_id(s), "application/sdp");
    } else {
        add_body(slot_id(s), "text/plain;charset=UTF-8");
    }
    transmit(s);
    return true;
}

/* --- replies --- */
static void release(struct slot *s)
{
    s->state = FREE;
    s->next = free_slots;
    free_slots = s;
    inflight--;
}

static void fail(struct slot *s, const char *why, const struct sip *m, const char *raw)
{
    tally.failed++;
    log_bad(why, raw ? raw : "", m ? m->total : 0);
    release(s);
}

static void finish(struct slot *s)
{
    tally.done++;
    if (tally.measuring) {
        tally.measured++;
        if (!opt.calls)
            hist_add(&tally.latency, now_ns() - s->t0);
    }
    release(s);
}

static bool branch_ok(const struct sip *m, const struct slot *s)
{
    char want[32];
    snprintf(want, sizeof want, "z9hG4bK%016llx%04x", (unsigned long long)slot_id(s), s->tx & 0xffff);
    return str_is(str_param(m->via[0], "branch"), want);
}

static struct slot *find_slot(const struct sip *m)
{
    uint64_t id;
    if (!call_number(m->call_id, &id) || (uint32_t)id >= (uint32_t)nslots)
        return NULL;
    struct slot *s = &slots[(uint32_t)id];
    return s->state != FREE && s->gen == id >> 32 ? s : NULL;
}

static void answered_invite(struct slot *s, const struct sip *m, const char *raw)
{
    if (m->status == 100)
        return;
    if (!str_param(m->to, "tag").n || (!opt.transparent && !m->nrr)) {
        fail(s, "no To tag or no Record-Route", m, raw);
        return;
    }
    if (m->status < 200) {
        s->ringing = true;
        return;
    }
    if (!s->ringing || !body_ok(m->body, slot_id(s)) || !str_uri(m->contact).n) {
        fail(s, "200 of INVITE without 180, or with a bad body or Contact", m, raw);
        return;
    }
    if (tally.measuring)
        hist_add(&tally.latency, now_ns() - s->t0);
    s->tx++;
    request(s, "ACK", m);
    no_body();
    transmit(s);
    s->state = CONFIRMED;
    s->tx++;
    s->cseq++;
    request(s, "BYE", m);
    no_body();
    transmit(s);
}

void a_reply(struct conn *c, const struct sip *m, const char *raw)
{
    struct slot *s = find_slot(m);
    if (!s || s->c != c || m->cseq != s->cseq) {
        tally.strays++;
        return;
    }
    const char *expected = s->state == INVITED ? "INVITE" : s->state == CONFIRMED ? "BYE" : "MESSAGE";
    if (m->nvia != 1 || !branch_ok(m, s))
        fail(s, "reply with a wrong Via", m, raw);
    else if (!str_is(m->method, expected))
        fail(s, "wrong CSeq method", m, raw);
    else if (m->status >= 300)
        fail(s, "refused", m, raw);
    else if (s->state == INVITED)
        answered_invite(s, m, raw);
    else if (m->status >= 200 && (m->status != 200 || !str_param(m->to, "tag").n))
        fail(s, "unexpected final reply", m, raw);
    else if (m->status == 200)
        finish(s);
}

void a_check_timers(uint64_t now)
{
    for (int i = 0; i < nslots; i++)
        if (slots[i].state != FREE && now > slots[i].sent && now - slots[i].sent > timeout_ns)
            fail(&slots[i], "timed out", NULL, NULL);
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
        if (slots[i].state != FREE && slots[i].c == c)
            fail(&slots[i], "connection lost", NULL, NULL);
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
    snprintf(via, sizeof via, "Via: SIP/2.0/TLS %s:", opt.from);
    make_slots();
    SSL_CTX *ctx = tls_ctx(&(struct tls_conf){opt.pki_a, "partner", false, false});
    conns = calloc((size_t)opt.conns, sizeof *conns);
    for (int i = 0; conns && i < opt.conns; i++) {
        conns[i] = net_connect(opt.to, &src, ctx, A);
        if (!conns[i])
            die("cannot connect to the system under test");
    }
    for (uint64_t until = now_ns() + connect_ns; up < opt.conns && !tally.lost_conns && now_ns() < until;)
        net_poll(10000000ull);
    if (up < opt.conns)
        die("only %d of %d connections came up", up, opt.conns);
}
