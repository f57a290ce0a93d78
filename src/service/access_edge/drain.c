/* A machine that is being drained: what goes elsewhere. */
#include "service/access_edge/priv.h"

/* Whoever looks for the pool's name finds it: a sender goes on to it after a 503 (RFC 3263 4.3). */
static bool another_serves(const struct edge *e)
{
    for (size_t i = 0; i < e->pool->n_machines; i++) {
        const struct topology_machine *m = &e->pool->machines[i];
        if (m != e->self && topology_machine_service(e->pool, m) == TOPOLOGY_ENABLED)
            return true;
    }
    return false;
}

/* A machine that runs entented reads the same topology: it comes here because all others failed. */
static bool knows_better(const struct edge *e, struct slice machine)
{
    struct topology_role r;
    return machine.n && topology_role_find(e->t, machine, &r) && !r.foreign;
}

bool drain_refuses(const struct edge *e, struct request *rq, struct slice from_machine)
{
    if (topology_machine_service(e->pool, e->self) != TOPOLOGY_DRAINING || request_msg(rq)->method == SIP_ACK)
        return false;
    switch (e->pool->drain_new) {
    case TOPOLOGY_DRAIN_SERVE:
        return false;
    case TOPOLOGY_DRAIN_REFUSE:
        return true;
    case TOPOLOGY_DRAIN_ELSEWHERE:
        break;
    }
    return another_serves(e) && !knows_better(e, from_machine);
}
