#include "kept/topology/path.h"

static void put(struct arena *a, struct json_value *o, const char *name, struct slice text)
{
    if (text.n)
        json_set_string(a, o, name, text);
}

static struct json_value *hop_to_json(const struct path_hop *h, struct arena *a)
{
    struct json_value *o = json_object(a), *list = json_array(a);
    json_set_string(a, o, "kind", slice_str(h->kind));
    json_set_string(a, o, "from", h->from);
    json_set_string(a, o, "to", h->to);
    put(a, o, "transport", slice_str(h->transport));
    for (size_t i = 0; i < h->n_addresses; i++) {
        struct json_value *to = json_object(a);
        json_set_string(a, to, "name", h->addresses[i].name);
        json_set_string(a, to, "endpoint", h->addresses[i].endpoint);
        put(a, to, "use", slice_str(h->addresses[i].use));
        json_push(a, list, to);
    }
    json_set(a, o, "addresses", list);
    put(a, o, "decided_by", h->decided_by);
    put(a, o, "certificate", h->certificate);
    put(a, o, "identity", h->identity);
    put(a, o, "policy", h->policy);
    json_set_string(a, o, "state", slice_str(path_state_name(h->state)));
    put(a, o, "id", slice_str(h->id));
    put(a, o, "why", h->why);
    put(a, o, "remedy", h->remedy);
    return o;
}

struct json_value *path_to_json(const struct path *p, struct arena *a)
{
    struct json_value *o = json_object(a), *legs = json_array(a);
    json_set_string(a, o, "from", p->from);
    json_set_string(a, o, "to", p->to);
    json_set_string(a, o, "pool", p->pool);
    json_set_bool(a, o, "live", p->live);
    json_set_string(a, o, "state", slice_str(path_state_name(p->state)));
    for (size_t i = 0; i < p->n; i++) {
        const struct path_leg *leg = &p->legs[i];
        struct json_value *l = json_object(a), *hops = json_array(a);
        json_set_string(a, l, "carries", slice_str(leg->carries));
        json_set_string(a, l, "from", leg->from);
        json_set_string(a, l, "to", leg->to);
        json_set_int(a, l, "failing", leg->failing == SIZE_MAX ? -1 : (int64_t)leg->failing);
        for (size_t k = 0; k < leg->n; k++)
            json_push(a, hops, hop_to_json(&leg->hops[k], a));
        json_set(a, l, "hops", hops);
        json_push(a, legs, l);
    }
    json_set(a, o, "legs", legs);
    return o;
}
