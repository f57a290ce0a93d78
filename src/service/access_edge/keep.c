#include "service/access_edge/hide.h"

/* In one piece, the texts behind it in this order. */
enum { PARTNER, SENDER, PROVEN_NAME, OUTER_TOKEN, INNER_TOKEN, INSIDE, TAKEN_ROUTES, THEIR_ROUTES, TEXTS };
struct kept_passage {
    enum policy_source source;
    enum topology_verification verification;
    bool public_cloud, listed, hides;
    uint32_t n[TEXTS];
};

static void texts_of(struct passage *p, struct slice *ret[TEXTS])
{
    ret[PARTNER] = &p->partner;
    ret[SENDER] = &p->sender;
    ret[PROVEN_NAME] = &p->proof.name;
    ret[OUTER_TOKEN] = &p->outer_token;
    ret[INNER_TOKEN] = &p->inner_token;
    ret[INSIDE] = &p->inside;
    ret[TAKEN_ROUTES] = &p->taken_routes;
    ret[THEIR_ROUTES] = &p->their_routes;
}

struct slice keep_passage(struct request *rq)
{
    struct passage *p = passage_of(rq);
    struct arena *a = request_arena(rq);
    struct kept_passage k = {.source = p->policy.source,
                             .verification = p->policy.verification,
                             .public_cloud = p->policy.public_cloud,
                             .listed = p->policy.listed,
                             .hides = p->hides};
    struct slice *texts[TEXTS];
    size_t all = sizeof(k);
    if (p->partner.n == 0)
        return SLICE_NONE;
    if (p->e->words && request_side(rq) == SIDE_EXTERNAL && p->sender.n == 0)
        p->their_routes = hide_joined(request_msg(rq), SIP_H_RECORD_ROUTE, a);
    if (!p->e->words)
        p->outer_token = p->inner_token = p->inside = p->taken_routes = SLICE_NONE;
    texts_of(p, texts);
    for (size_t i = 0; i < TEXTS; i++)
        all += k.n[i] = (uint32_t)texts[i]->n;
    char *kept = arena_alloc(a, all), *to = kept + sizeof(k);
    memcpy(kept, &k, sizeof(k));
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->n)
            memcpy(to, texts[i]->p, texts[i]->n);
        to += texts[i]->n;
    }
    return slice_mem(kept, all);
}

void restore_passage(struct request *rq, struct slice kept)
{
    struct passage *p = ARENA_NEW(request_arena(rq), struct passage);
    struct kept_passage k;
    struct slice *texts[TEXTS];
    memcpy(&k, kept.p, sizeof(k));
    kept = slice_from(kept, sizeof(k));
    p->e = edge_of(request_config(rq));
    p->policy = (struct policy){.source = k.source,
                                .verification = k.verification,
                                .public_cloud = k.public_cloud,
                                .listed = k.listed};
    p->hides = k.hides;
    p->over = true;
    texts_of(p, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        *texts[i] = slice_head(kept, k.n[i]);
        kept = slice_from(kept, k.n[i]);
    }
    request_set_data(rq, p);
}
