#include "service/transition/plan.h"

#include "ground/base/mem.h"
#include "wire/dns/dns.h"

#include <errno.h>
#include <stdio.h>

static const char *const STEP_NAMES[] = {"pending", "running", "waiting", "done", "failed", "undone"};
static const char *const PLAN_NAMES[] = {"planned", "applying",     "waiting-manual", "failed",
                                         "applied", "rolling-back", "rolled-back"};

const char *step_state_name(enum step_state s)
{
    return STEP_NAMES[s];
}

const char *plan_state_name(enum plan_state s)
{
    return PLAN_NAMES[s];
}

static int name_index(const char *const *names, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(slice_str(names[i]), name))
            return (int)i;
    return -1;
}

struct plan *plan_new(struct slice from, struct slice to, bool classic)
{
    struct plan *p = MEM_NEW(struct plan);
    const struct step_kind *const *kinds = classic ? plan_classic_steps : plan_steps;
    p->from = arena_copy(&p->arena, from);
    p->to = arena_copy(&p->arena, to);
    p->classic = classic;
    p->n_steps = classic ? plan_n_classic_steps : plan_n_steps;
    p->steps = ARENA_ARRAY(&p->arena, struct step, p->n_steps);
    for (size_t i = 0; i < p->n_steps; i++)
        p->steps[i].kind = kinds[i];
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    arena_fini(&p->arena);
    mem_free(p);
}

void step_say(struct step *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->text, sizeof(s->text), fmt, ap);
    va_end(ap);
}

/* --- stored --- */
static struct json_value *step_to_json(const struct step *s, struct arena *a, bool full)
{
    struct json_value *o = json_object(a);
    const struct {
        const char *name, *text;
    } words[] = {
        {"title",  s->kind->title    },
        {"seed",   s->kind->seed     },
        {"check",  s->kind->check    },
        {"action", s->kind->action   },
        {"after",  s->kind->after    },
        {"undo",   s->kind->undo_text},
    };
    json_set_string(a, o, "id", slice_str(s->kind->id));
    for (size_t i = 0; !full && i < sizeof(words) / sizeof(words[0]); i++)
        json_set_string(a, o, words[i].name, slice_str(words[i].text ? words[i].text : ""));
    json_set_string(a, o, "state", slice_str(step_state_name(s->state)));
    json_set_string(a, o, "text", slice_str(s->text));
    json_set_int(a, o, "started_ms", s->started_ms);
    json_set_int(a, o, "ended_ms", s->ended_ms);
    if (full && s->undo)
        json_set(a, o, "undo", s->undo);
    return o;
}

static void engine_to_json(const struct plan *p, struct arena *a, struct json_value *o)
{
    struct json_value *records = json_array(a);
    json_set_bool(a, o, "back", p->back);
    json_set_int(a, o, "at", (int64_t)p->at);
    json_set_int(a, o, "phase", (int64_t)p->phase);
    json_set_bool(a, o, "dns_known", p->dns_known);
    json_set_bool(a, o, "dns_touched", p->dns_touched);
    for (size_t i = 0; i < p->n_before; i++) {
        struct json_value *r = json_object(a);
        json_set_string(a, r, "name", p->before[i].name);
        json_set_int(a, r, "type", p->before[i].type);
        json_set_string(a, r, "address", p->before[i].address);
        json_set_int(a, r, "ttl", p->before[i].ttl);
        json_push(a, records, r);
    }
    json_set(a, o, "before", records);
}

struct json_value *plan_to_json(const struct plan *p, struct arena *a, bool full)
{
    struct json_value *o = json_object(a), *steps = json_array(a);
    json_set_string(a, o, "from", p->from);
    json_set_string(a, o, "to", p->to);
    json_set_bool(a, o, "classic", p->classic);
    json_set_string(a, o, "state", slice_str(plan_state_name(p->state)));
    json_set_int(a, o, "started_ms", p->started_ms);
    json_set_int(a, o, "ended_ms", p->ended_ms);
    json_set_int(a, o, "ttl", p->ttl);
    json_set_int(a, o, "dns_changed_ms", p->dns_changed_ms);
    json_set_int(a, o, "dns_restored_ms", p->dns_restored_ms);
    if (full)
        engine_to_json(p, a, o);
    for (size_t i = 0; i < p->n_steps; i++)
        json_push(a, steps, step_to_json(&p->steps[i], a, full));
    json_set(a, o, "steps", steps);
    return o;
}

static int parse_step(struct step *s, const struct json_value *o)
{
    int state =
        name_index(STEP_NAMES, sizeof(STEP_NAMES) / sizeof(STEP_NAMES[0]), json_get_string(o, "state"));
    if (state < 0 || !slice_eq(json_get_string(o, "id"), slice_str(s->kind->id)))
        return -EBADMSG;
    s->state = (enum step_state)state;
    step_say(s, SLICE_FMT, SLICE_ARG(json_get_string(o, "text")));
    s->started_ms = json_get_int(o, "started_ms", 0);
    s->ended_ms = json_get_int(o, "ended_ms", 0);
    s->undo = json_get(o, "undo");
    return 0;
}

static void parse_dns(struct plan *p, const struct json_value *o)
{
    const struct json_value *records = json_get(o, "before");
    p->dns_known = json_get_bool(o, "dns_known", false);
    p->dns_touched = json_get_bool(o, "dns_touched", false);
    p->ttl = (uint32_t)json_get_int(o, "ttl", 0);
    p->dns_changed_ms = json_get_int(o, "dns_changed_ms", 0);
    p->dns_restored_ms = json_get_int(o, "dns_restored_ms", 0);
    p->n_before = json_count(records);
    if (p->n_before > PLAN_MAX_BEFORE)
        p->n_before = PLAN_MAX_BEFORE;
    p->before = ARENA_ARRAY(&p->arena, struct plan_record, p->n_before);
    for (size_t i = 0; i < p->n_before; i++) {
        const struct json_value *r = json_at(records, i);
        p->before[i] =
            (struct plan_record){json_get_string(r, "name"), (uint16_t)json_get_int(r, "type", 0),
                                 json_get_string(r, "address"), (uint32_t)json_get_int(r, "ttl", 0)};
    }
}

int plan_parse(struct slice text, struct plan **ret)
{
    struct plan *p = NULL;
    struct arena a = {0};
    struct json_value *o;
    struct json_error error;
    if (json_parse(text, &a, &o, &error) == 0)
        p = plan_new(json_get_string(o, "from"), json_get_string(o, "to"),
                     json_get_bool(o, "classic", false));
    arena_fini(&a);
    /* again, into the arena that stays: undo lists and records point there */
    if (!p || json_parse(arena_copy(&p->arena, text), &p->arena, &o, &error) < 0)
        goto fail;
    const struct json_value *steps = json_get(o, "steps");
    int state =
        name_index(PLAN_NAMES, sizeof(PLAN_NAMES) / sizeof(PLAN_NAMES[0]), json_get_string(o, "state"));
    if (state < 0 || json_count(steps) != p->n_steps)
        goto fail;
    p->state = (enum plan_state)state;
    p->back = json_get_bool(o, "back", false);
    p->at = (size_t)json_get_int(o, "at", 0);
    p->phase = (size_t)json_get_int(o, "phase", 0);
    p->started_ms = json_get_int(o, "started_ms", 0);
    p->ended_ms = json_get_int(o, "ended_ms", 0);
    parse_dns(p, o);
    if (p->at > p->n_steps || p->phase > STEP_MAX_PHASES)
        goto fail;
    for (size_t i = 0; i < p->n_steps; i++)
        if (parse_step(&p->steps[i], json_at(steps, i)) < 0)
            goto fail;
    *ret = p;
    return 0;
fail:
    plan_free(p);
    return -EBADMSG;
}

/* --- what a plan is about --- */
size_t plan_names(const struct plan *p, const struct topology *t, struct slice ret[PLAN_MAX_NAMES])
{
    const struct topology_edge_pool *from = topology_edge_pool_find(t, p->from);
    size_t n = 0;
    if (!from)
        return 0;
    if (from->external_fqdn.n)
        ret[n++] = from->external_fqdn;
    for (size_t i = 0; i < from->adopts.n && n < PLAN_MAX_NAMES; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(t, from->adopts.items[i]);
        if (old && old->external_fqdn.n && !slice_caseeq(old->external_fqdn, from->external_fqdn))
            ret[n++] = old->external_fqdn;
    }
    return n;
}

size_t plan_addresses(const struct topology *t, struct slice pool, uint16_t type, struct arena *a,
                      struct slice **ret)
{
    const struct topology_edge_pool *p = topology_edge_pool_find(t, pool);
    size_t n = 0;
    *ret = ARENA_ARRAY(a, struct slice, p ? p->n_machines : 0);
    for (size_t i = 0; p && i < p->n_machines; i++) {
        struct net_addr addr;
        if (net_addr_parse(p->machines[i].external_address, 0, &addr) == 0 &&
            (addr.sa.sa_family == AF_INET6) == (type == DNS_AAAA))
            (*ret)[n++] = p->machines[i].external_address;
    }
    return n;
}

bool plan_zone(const struct transition_dns *dns, struct slice name, struct slice *ret)
{
    bool found = false;
    for (size_t i = 0; i < dns->n_zones; i++)
        if (slice_within_domain(name, dns->zones[i]) && (!found || dns->zones[i].n > ret->n)) {
            *ret = dns->zones[i];
            found = true;
        }
    return found;
}
