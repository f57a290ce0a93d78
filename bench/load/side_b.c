/* Side B, the next hop: answers what the edge hands in. */
#include <stdio.h>

#include "load/sipload.h"
#include "load/write.h"

static char hostport[INET_ADDRSTRLEN + 8];

void b_init(void)
{
    char ip[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &opt.listen.sin_addr, ip, sizeof ip);
    snprintf(hostport, sizeof hostport, "%s:%d", ip, ntohs(opt.listen.sin_port));
    net_listen(opt.listen, tls_ctx(&(struct tls_conf){opt.pki_b, "pool", true, false}), B);
}

static void b_contact(void)
{
    lit("Contact: <sip:bob@");
    lit(hostport);
    lit(";transport=tls>\r\n");
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
    tally.b_requests++;
    if (!call_number(m->call_id, &id) || !forwarded_ok(m) || !m->from.n || !m->to.n ||
        ((invite || message) && !body_ok(m->body, id)) || (invite && !opt.transparent && !m->nrr)) {
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
    } else {
        no_body();
    }
    net_send(c, out.d, out.n);
}
