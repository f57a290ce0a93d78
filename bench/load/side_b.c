/* Side B, the next hop: answers what the edge hands in. */
#include <stdio.h>
#include <string.h>

#include "load/sipload.h"
#include "load/write.h"

static char hostport[INET_ADDRSTRLEN + 8];

void b_init(void)
{
    char ip[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &opt.listen.sin_addr, ip, sizeof ip);
    snprintf(hostport, sizeof hostport, "%s:%d", ip, ntohs(opt.listen.sin_port));
    bool tls = opt.b_proto == PROTO_TLS;
    net_listen(opt.listen, tls ? tls_ctx(&(struct tls_conf){opt.pki_b, "pool", true, false}) : NULL, B);
}

static void b_contact(void)
{
    lit("Contact: <sip:bob@");
    lit(hostport);
    lit(opt.b_proto == PROTO_TLS ? ";transport=tls>\r\n" : ";transport=tcp>\r\n");
}

/* --- NOTIFY, in the dialog that a SUBSCRIBE began --- */
static long unanswered;

long b_unanswered(void)
{
    return unanswered;
}

static void notify(struct conn *c, const struct sip *m, uint64_t id)
{
    out.n = 0;
    lit("NOTIFY ");
    add(str_uri(m->contact));
    lit(" SIP/2.0\r\nVia: SIP/2.0/");
    lit(opt.b_proto == PROTO_TLS ? "TLS " : "TCP ");
    lit(hostport);
    lit(";branch=z9hG4bKn");
    hex(id, 16);
    lit("\r\nMax-Forwards: 70\r\n");
    add_routes(m, false);
    lit("From: ");
    add(m->to);
    lit(";tag=b");
    add((struct str){m->call_id.p, 16});
    lit("\r\nTo: ");
    add(m->from);
    lit("\r\nCall-ID: ");
    add(m->call_id);
    lit("\r\nCSeq: 1 NOTIFY\r\nEvent: presence\r\nSubscription-State: active;expires=3600\r\n");
    b_contact();
    add_body(id, "application/pidf+xml");
    net_send(c, out.d, out.n);
    unanswered++;
}

void b_reply(const struct sip *m, const char *raw)
{
    uint64_t id;
    struct str b = str_param(m->via[0], "branch");
    if (m->nvia != 1 || m->status != 200 || !str_is(m->method, "NOTIFY") || !call_number(m->call_id, &id) ||
        b.n != 24 || memcmp(b.p, "z9hG4bKn", 8) != 0 || memcmp(b.p + 8, m->call_id.p, 16) != 0) {
        tally.failed++;
        log_bad("bad answer to NOTIFY", raw, m->total);
        return;
    }
    unanswered--;
}

/* A forwarded request must carry the proxy's Via above ours and a lower Max-Forwards. */
static bool forwarded_ok(const struct sip *m)
{
    if (opt.transparent)
        return m->nvia == 1;
    return m->nvia >= 2 && m->max_forwards >= 0 && m->max_forwards < 70 && m->nroute == 0;
}

void b_request(struct conn *c, const struct sip *m, const char *raw)
{
    uint64_t id;
    bool invite = str_is(m->method, "INVITE"), message = str_is(m->method, "MESSAGE");
    bool subscribe = str_is(m->method, "SUBSCRIBE");
    if (str_is(m->method,
               "OPTIONS")) { /* an edge asks whether we are back, when we were gone between two runs */
        reply(m, 200, "OK", "b");
        no_body();
        net_send(c, out.d, out.n);
        return;
    }
    tally.b_requests++;
    if (!call_number(m->call_id, &id) || !forwarded_ok(m) || !m->from.n || !m->to.n ||
        ((invite || message) && !body_ok(m->body, id)) ||
        ((invite || subscribe) && !opt.transparent && !m->nrr)) {
        tally.failed++;
        log_bad("bad request at the next hop", raw, m->total);
        return;
    }
    if (str_is(m->method, "ACK")) {
        tally.b_acks++;
        return;
    }
    if (invite) {
        reply(m, 180, "Ringing", "b");
        b_contact();
        no_body();
        net_send(c, out.d, out.n);
    }
    reply(m, 200, "OK", "b");
    if (invite) {
        b_contact();
        add_body(id, "application/sdp");
    } else if (subscribe) {
        b_contact();
        lit("Expires: 3600\r\n");
        no_body();
    } else {
        no_body();
    }
    net_send(c, out.d, out.n);
    if (subscribe)
        notify(c, m, id);
}
