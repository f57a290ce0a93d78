/* What side A does, by name: MESSAGE, calls, subscriptions; REGISTER has a file of its own. */
#include <string.h>

#include "load/sipload.h"
#include "load/write.h"

bool keep_dialogs;

/* --- MESSAGE/200 --- */
static void message_start(struct slot *s)
{
    a_request(s, "MESSAGE", NULL);
    add_body(slot_id(s), "text/plain;charset=UTF-8");
    a_transmit(s);
}

static void message_reply(struct slot *s, const struct sip *m, const char *raw)
{
    if (m->status >= 200 && (m->status != 200 || !str_param(m->to, "tag").n)) {
        a_fail(s, "unexpected final reply", m, raw);
    } else if (m->status == 200) {
        a_latency(s);
        a_finish(s);
    }
}

/* --- INVITE 180 200 ACK BYE 200 --- */
static void call_start(struct slot *s)
{
    a_request(s, "INVITE", NULL);
    a_contact(s);
    lit("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: timer, replaces\r\n");
    add_body(slot_id(s), "application/sdp");
    a_transmit(s);
}

static void call_answered(struct slot *s, const struct sip *m)
{
    a_latency(s);
    s->tx++;
    a_request(s, "ACK", m);
    no_body();
    a_transmit(s);
    if (keep_dialogs) {
        a_finish(s);
        return;
    }
    s->tx++;
    s->cseq++;
    a_request(s, "BYE", m);
    no_body();
    a_transmit(s);
}

static void call_reply(struct slot *s, const struct sip *m, const char *raw)
{
    if (!strcmp(s->method, "BYE")) {
        if (m->status == 200)
            a_finish(s);
    } else if (m->status == 100) {
        return;
    } else if (!str_param(m->to, "tag").n || (!opt.transparent && !m->nrr)) {
        a_fail(s, "no To tag or no Record-Route", m, raw);
    } else if (m->status < 200) {
        s->ringing = true;
    } else if (!s->ringing || !body_ok(m->body, slot_id(s)) || !str_uri(m->contact).n) {
        a_fail(s, "200 of INVITE without 180, or with a bad body or Contact", m, raw);
    } else {
        call_answered(s, m);
    }
}

/* --- SUBSCRIBE 200 NOTIFY 200 --- */
static void subscribe_start(struct slot *s)
{
    a_request(s, "SUBSCRIBE", NULL);
    a_contact(s);
    lit("Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n");
    no_body();
    a_transmit(s);
}

static void subscribe_step(struct slot *s)
{
    if (!s->accepted || !s->notified)
        return;
    a_latency(s);
    a_finish(s);
}

static void subscribe_reply(struct slot *s, const struct sip *m, const char *raw)
{
    if (m->status < 200)
        return;
    if (m->status != 200 || !str_param(m->to, "tag").n || (!opt.transparent && !m->nrr)) {
        a_fail(s, "SUBSCRIBE was not accepted, or without Record-Route", m, raw);
        return;
    }
    s->accepted = true;
    subscribe_step(s);
}

/* It may overtake the 200 (RFC 6665 4.4.1). */
void a_notify(struct conn *c, const struct sip *m, const char *raw)
{
    uint64_t id;
    struct slot *s = a_find(m);
    bool proxied = opt.transparent || (m->nvia >= 2 && m->max_forwards < 70 && !m->nroute);
    if (!s || s->notified || !str_is(m->method, "NOTIFY") || !call_number(m->call_id, &id) || !proxied ||
        !body_ok(m->body, id)) {
        tally.failed++;
        log_bad("bad request at the partner", raw, m->total);
        return;
    }
    reply(m, 200, "OK", "a");
    no_body();
    net_send(c, out.d, out.n);
    s->notified = true;
    subscribe_step(s);
}

static const struct work works[] = {
    {"message",   message_start,   message_reply,   false},
    {"call",      call_start,      call_reply,      false},
    {"subscribe", subscribe_start, subscribe_reply, false},
    {"register",  register_start,  register_reply,  true },
};

const struct work *work_find(const char *name)
{
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
        if (!strcmp(works[i].name, name))
            return &works[i];
    return NULL;
}
