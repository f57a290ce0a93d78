/* See way_back.h. */
#include "element/way_back.h"

#include "element/flow.h"
#include "element/outgoing.h"
#include "element/port.h"

void source_send(const struct source *src, const struct sip_via *via, struct slice message,
                 struct slice peer_identity)
{
    struct shard *s = src->s;
    METRIC_COUNT("element.response-out");
    if (src->transport == SIP_UDP) {
        struct net_addr to = src->from, maddr;
        if (!via->has_rport)
            net_addr_set_port(&to, via->port ? via->port : 5060);
        /* nobody unknown has answers sent to a third */
        if (src->trusted && via->maddr.n && !via->has_rport &&
            net_addr_parse(via->maddr, net_addr_port(&to), &maddr) == 0)
            to = maddr;
        if (src->port)
            udp_send(src->port->udp, message, &to);
        return;
    }
    struct target_address to = {.addr = src->from, .transport = src->transport, .name = via->host};
    if (src->ref.worker != s->index) {
        client_transmit(s, src->side, &to, src->ref, SLICE_NONE, message, "", NULL);
        return;
    }
    struct flow *f = flow_find(s, src->ref);
    if (f && flow_send(f, message))
        return;
    if (src->transport == SIP_TLS && peer_identity.n == 0) {
        METRIC_COUNT("element.response-undeliverable");
        return;
    }
    METRIC_COUNT("element.response-redialled");
    net_addr_set_port(&to.addr, via->port ? via->port : src->transport == SIP_TLS ? 5061 : 5060);
    client_transmit(s, src->side, &to, (struct flow_ref){0}, peer_identity, message, "", NULL);
}
