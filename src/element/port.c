/* See port.h. */
#include "element/port.h"

#include <unistd.h>

#include "element/flow.h"

static void port_accepted(void *arg, int fd, const struct net_addr *remote)
{
    struct port *p = arg;
    if (p->live)
        flow_accept(p, fd, remote);
    else
        close(fd); /* of a configuration that never ran */
}

static void port_received(struct udp *u, void *arg, struct slice datagram, const struct net_addr *from)
{
    struct port *p = arg;
    (void)u;
    if (!p->live)
        return; /* it comes again */
    if (datagram.n <= 4 && slice_trim(datagram).n == 0)
        return; /* keep-alive */
    struct source src = {.s = p->s, .port = p, .from = *from, .side = p->is.side, .transport = SIP_UDP};
    ingress_message(&src, datagram);
}

static const struct listener_ops port_listener_ops = {port_accepted};
static const struct udp_ops port_udp_ops = {port_received};

/* Who came by it is answered no more. */
static void port_forget(struct port *p)
{
    LIST_FOR(it, &p->s->requests)
    {
        struct request *rq = LIST_ENTRY(it, struct request, link);
        if (rq->src.port == p)
            rq->src.port = NULL;
    }
    accepted_port_gone(p->s, p);
}

void port_free(struct port *p)
{
    if (p->udp)
        port_forget(p);
    list_unlink(&p->link);
    listener_free(p->tcp);
    udp_free(p->udp);
    element_config_unref(p->config);
    mem_free(p);
}

void port_set_config(struct port *p, struct element_config *c, const struct element_listener *is)
{
    struct element_config *old = p->config;
    p->config = element_config_ref(c);
    p->is = *is;
    element_config_unref(old);
}

int port_new(struct shard *s, struct element_config *c, const struct element_listener *is, struct port **ret)
{
    struct port *p = MEM_NEW(struct port);
    p->s = s;
    int r = is->transport == SIP_UDP ? udp_new(s->loop, &is->addr, &port_udp_ops, p, &p->udp)
                                     : listener_new(s->loop, &is->addr, &port_listener_ops, p, &p->tcp);
    if (r < 0) {
        mem_free(p);
        return r;
    }
    if (p->tcp)
        listener_hold(p->tcp, true);
    port_set_config(p, c, is);
    *ret = p;
    return 0;
}

void port_go_live(struct port *p)
{
    if (p->tcp && !p->live)
        listener_hold(p->tcp, false);
    p->live = true;
}

struct port *port_same(struct list *ports, const struct element_listener *is)
{
    LIST_FOR(it, ports)
    {
        struct port *p = LIST_ENTRY(it, struct port, link);
        if (p->is.transport == is->transport && net_addr_eq(&p->is.addr, &is->addr))
            return p;
    }
    return NULL;
}
