/* A request whose final response is out and that only absorbs retransmissions gives back what it was read
 * into. */
#include "element/branch.h"
#include "element/forward.h"

/* What finds it again and sends its last response again (17.2.3, 18.2.2). */
static void shed_message(struct request *rq)
{
    struct sip_msg kept = {
        .is_request = true,
        .method = rq->msg.method,
        .cseq = rq->msg.cseq,
        .branch = rq->msg.branch,
        .call_id = rq->msg.call_id,
        .from_tag = rq->msg.from_tag,
        .via = {.host = rq->msg.via.host,
                .host_is_ipv6 = rq->msg.via.host_is_ipv6,
                .port = rq->msg.via.port,
                .maddr = rq->msg.via.maddr,
                .has_rport = rq->msg.via.has_rport}
    };
    struct slice identity = slice_str(rq->peer_identity);
    struct slice *const texts[] = {&kept.branch, &kept.call_id, &kept.from_tag, &kept.via.host,
                                   &kept.via.maddr};
    enum { N = sizeof(texts) / sizeof(texts[0]) };
    size_t n = identity.n + 1;
    for (size_t i = 0; i < N; i++)
        n += texts[i]->n;
    char *to = rq->shed = mem_alloc(n);
    for (size_t i = 0; i < N; i++) {
        if (texts[i]->n)
            memcpy(to, texts[i]->p, texts[i]->n);
        texts[i]->p = to;
        to += texts[i]->n;
    }
    if (identity.n)
        memcpy(to, identity.p, identity.n);
    to[identity.n] = 0;
    rq->peer_identity = rq->peer_identity ? to : NULL;
    rq->msg = kept;
}

void request_shed(struct request *rq)
{
    if (rq->shed || rq->txn.state != SIPTXN_COMPLETED || !rq->over || rq->lookup)
        return;
    for (size_t i = 0; i < rq->n_branches; i++)
        if (rq->branches[i].state != BRANCH_DONE)
            return;
    forward_abandon(rq);
    shed_message(rq);
    rq->branches = NULL;
    rq->edits = NULL;
    rq->data = NULL;
    rq->uri = (struct sip_uri){0};
    rq->next_route = NULL;
    rq->own_routes = NULL;
    rq->best_detail = NULL;
    rq->strict = false;
    rq->strict_uri = rq->top_via = SLICE_NONE;
    rq->n_own_routes = 0;
    buf_fini(&rq->best);
    arena_fini(&rq->arena);
    overload_count(rq);
}
