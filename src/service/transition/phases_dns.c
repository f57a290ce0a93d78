/*
 * Phases that look at DNS and change it, on helper threads.
 *
 * Asked is the server that takes the updates. Without one, the name server of the zone is looked for, so that
 * TTLs are those that were set and not what is left of them in a cache; a resolver of the topology (or of the
 * machine) helps to find it, and is asked itself when that fails.
 */
#include "service/transition/priv.h"

#include <errno.h>
#include <stdio.h>

enum {
    MAX_QUESTIONS = PLAN_MAX_NAMES * 2 + 64,
    MAX_UPDATES = PLAN_MAX_NAMES,
    MAX_CHANGES = 64,
    TTL_OF_NEW_RECORDS = 300 /* when there was none before */
};

struct question {
    struct slice name;
    uint16_t type;
    struct dns_record *records;
    size_t n;
};
struct update {
    struct slice zone, name;
    struct dns_change *changes;
    size_t n;
};
struct dns_work {
    struct net_addr server;
    bool resolver, from_file; /* no server of the zone is known; the resolver is that of /etc/resolv.conf */
    struct question questions[MAX_QUESTIONS];
    size_t n_questions;
    struct update updates[MAX_UPDATES];
    size_t n_updates;
    struct dns_tsig_key key;
    uint64_t now_s;
};

/* --- on a helper thread --- */
static void work_ask(struct job *j)
{
    struct op *op = (struct op *)((char *)j - offsetof(struct op, job));
    struct dns_work *w = op->work_arg;
    char error[NAMESERVER_ERROR] = "";
    op->error = w->from_file ? nameserver_of_machine(&w->server) : 0;
    if (op->error < 0)
        snprintf(op->text, sizeof(op->text), "no name server is known");
    else if (w->resolver && w->n_questions)
        nameserver_find_authority(&w->server, w->questions[0].name, &op->arena);
    for (size_t i = 0; i < w->n_questions && op->error >= 0; i++) {
        struct question *q = &w->questions[i];
        op->error = nameserver_ask(&w->server, q->name, q->type, &op->arena, &q->records, &q->n, error);
        if (op->error < 0)
            snprintf(op->text, sizeof(op->text), SLICE_FMT ": %s", SLICE_ARG(q->name), error);
    }
}

static void work_update(struct job *j)
{
    struct op *op = (struct op *)((char *)j - offsetof(struct op, job));
    struct dns_work *w = op->work_arg;
    char error[NAMESERVER_ERROR] = "";
    for (size_t i = 0; i < w->n_updates && op->error >= 0; i++) {
        struct update *u = &w->updates[i];
        op->error = nameserver_update(&w->server, u->zone, u->changes, u->n, w->key.name.n ? &w->key : NULL,
                                      w->now_s, error);
        if (op->error < 0)
            snprintf(op->text, sizeof(op->text), SLICE_FMT ": %s", SLICE_ARG(u->name), error);
    }
    explicit_bzero((char *)w->key.secret.p, w->key.secret.n);
}

/* --- questions --- */
static struct dns_work *work_new(struct transition *t, struct op *op, const struct topology *topology,
                                 struct transition_dns *dns)
{
    struct dns_work *w = op->work_arg = ARENA_NEW(&op->arena, struct dns_work);
    *dns = (struct transition_dns){0};
    if (t->c.dns(t->c.central, &op->arena, dns) && dns->configured) {
        w->server = dns->server;
        return w;
    }
    dns->configured = false;
    w->resolver = true;
    const struct topology_names *servers = &topology->deployment.dns_servers;
    w->from_file = !servers->n || net_addr_parse_port(servers->items[0], NAMESERVER_PORT, &w->server) < 0;
    return w;
}

static void ask(struct dns_work *w, struct arena *a, struct slice name, uint16_t type)
{
    if (w->n_questions < MAX_QUESTIONS)
        w->questions[w->n_questions++] = (struct question){.name = arena_copy(a, name), .type = type};
}

static void ask_addresses(struct transition *t, const struct topology *topology, struct dns_work *w,
                          struct arena *a)
{
    struct slice names[PLAN_MAX_NAMES];
    size_t n = plan_names(t->plan, topology, names);
    for (size_t i = 0; i < n; i++) {
        ask(w, a, names[i], DNS_A);
        ask(w, a, names[i], DNS_AAAA);
    }
}

static void ask_srv(const struct topology *topology, struct dns_work *w, struct arena *a)
{
    const struct topology_deployment *d = &topology->deployment;
    for (size_t i = 0; i <= d->additional_domains.n; i++) {
        struct slice domain = i ? d->additional_domains.items[i - 1] : d->default_domain;
        ask(w, a, arena_printf(a, "_sipfederationtls._tcp." SLICE_FMT, SLICE_ARG(domain)), DNS_SRV);
    }
}

static struct slice record_text(const struct dns_record *r, struct arena *a)
{
    char text[NET_ADDR_TEXT];
    struct net_addr addr;
    return net_addr_from_bytes(r->address, 0, &addr) == 0 ? arena_copy(a, net_addr_host_text(&addr, text))
                                                          : SLICE_NONE;
}

/* --- before anything is changed --- */
static void remember(struct plan *p, const struct dns_work *w)
{
    p->before = ARENA_ARRAY(&p->arena, struct plan_record, PLAN_MAX_BEFORE);
    p->n_before = 0;
    p->ttl = 0;
    for (size_t i = 0; i < w->n_questions; i++)
        for (size_t j = 0; j < w->questions[i].n; j++) {
            const struct question *q = &w->questions[i];
            if (q->records[j].ttl > p->ttl)
                p->ttl = q->records[j].ttl;
            if (q->type != DNS_SRV && p->n_before < PLAN_MAX_BEFORE)
                p->before[p->n_before++] =
                    (struct plan_record){arena_copy(&p->arena, q->name), q->type,
                                         record_text(&q->records[j], &p->arena), q->records[j].ttl};
        }
    p->dns_known = true;
}

enum outcome phase_look_dns(struct transition *t, struct step *s)
{
    struct transition_dns dns;
    if (t->plan->dns_touched)
        return OUTCOME_NEXT; /* what stood before is known, and no longer there to be seen */
    if (t->result) {
        if (t->result->error < 0) {
            step_say(s, "transition.dns: %s", t->result->text);
            return OUTCOME_FAIL;
        }
        remember(t->plan, t->result->work_arg);
        if (!t->plan->n_before) {
            step_say(s, "transition.dns-no-record: the legacy external name has no address in DNS");
            return OUTCOME_FAIL;
        }
        step_say(s, "Nothing blocks. The legacy external name has %zu address%s; the largest TTL is %u s.",
                 t->plan->n_before, t->plan->n_before == 1 ? "" : "es", t->plan->ttl);
        return OUTCOME_NEXT;
    }
    struct topology *topology = t->c.topology(t->c.central);
    struct op *op = transition_op(t);
    struct dns_work *w = work_new(t, op, topology, &dns);
    ask_addresses(t, topology, w, &op->arena);
    ask_srv(topology, w, &op->arena);
    topology_unref(topology);
    return transition_work(t, op, work_ask);
}

/* --- updates --- */
static void change(struct update *u, bool add, struct slice name, uint16_t type, uint32_t ttl,
                   struct slice data)
{
    if (u->n < MAX_CHANGES)
        u->changes[u->n++] = (struct dns_change){add, name, type, ttl, data};
}

static uint32_t ttl_before(const struct plan *p, struct slice name)
{
    for (size_t i = 0; i < p->n_before; i++)
        if (slice_caseeq(p->before[i].name, name))
            return p->before[i].ttl;
    return TTL_OF_NEW_RECORDS;
}

/* The addresses that a name should have: those of the target's machines, or those of before. */
static size_t wanted(const struct plan *p, const struct topology *t, struct slice name, uint16_t type,
                     bool back, struct arena *a, struct slice **ret)
{
    size_t n = 0;
    if (!back)
        return plan_addresses(t, p->to, type, a, ret);
    *ret = ARENA_ARRAY(a, struct slice, p->n_before);
    for (size_t i = 0; i < p->n_before; i++)
        if (slice_caseeq(p->before[i].name, name) && p->before[i].type == type)
            (*ret)[n++] = p->before[i].address;
    return n;
}

/* One update a name: the name never stands there without an address. */
static void update_name(struct transition *t, const struct topology *topology, struct op *op,
                        struct slice zone, struct slice name, bool back)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA};
    struct dns_work *w = op->work_arg;
    struct update *u = &w->updates[w->n_updates++];
    u->zone = arena_copy(&op->arena, zone);
    u->name = arena_copy(&op->arena, name);
    u->changes = ARENA_ARRAY(&op->arena, struct dns_change, MAX_CHANGES);
    for (size_t i = 0; i < 2; i++)
        change(u, false, u->name, types[i], 0, SLICE_NONE);
    for (size_t i = 0; i < 2; i++) {
        struct slice *addresses;
        size_t n = wanted(t->plan, topology, name, types[i], back, &op->arena, &addresses);
        for (size_t j = 0; j < n; j++)
            change(u, true, u->name, types[i], ttl_before(t->plan, name),
                   arena_copy(&op->arena, addresses[j]));
    }
}

static enum outcome update(struct transition *t, struct step *s, bool back)
{
    struct transition_dns dns;
    struct slice names[PLAN_MAX_NAMES], zone;
    if (t->result) {
        if (t->result->error >= 0)
            return OUTCOME_NEXT;
        step_say(s, "transition.dns-update: %s", t->result->text);
        return OUTCOME_FAIL;
    }
    if (!t->plan->dns_touched) {
        t->plan->dns_touched = true; /* stored first: from here on the old addresses must be put back */
        return OUTCOME_STORE;
    }
    struct topology *topology = t->c.topology(t->c.central);
    struct op *op = transition_op(t);
    struct dns_work *w = work_new(t, op, topology, &dns);
    size_t n = plan_names(t->plan, topology, names);
    for (size_t i = 0; i < n && dns.configured; i++)
        if (plan_zone(&dns, names[i], &zone))
            update_name(t, topology, op, zone, names[i], back);
    w->key =
        (struct dns_tsig_key){arena_copy(&op->arena, dns.key_name), arena_copy(&op->arena, dns.key_secret)};
    w->now_s = (uint64_t)(loop_wall() / 1000);
    topology_unref(topology);
    step_say(s, w->n_updates ? "updating DNS" : "The record is changed by hand.");
    return transition_work(t, op, work_update);
}

enum outcome phase_set_dns(struct transition *t, struct step *s)
{
    return update(t, s, false);
}

enum outcome phase_restore_dns(struct transition *t, struct step *s)
{
    return t->plan->dns_touched ? update(t, s, true) : OUTCOME_NEXT;
}

/* --- seen --- */
static bool same_addresses(const struct question *q, const struct slice *addresses, size_t n, struct arena *a)
{
    size_t found = 0;
    for (size_t i = 0; i < q->n; i++) {
        struct slice text = record_text(&q->records[i], a);
        for (size_t j = 0; j < n; j++) {
            struct net_addr x, y;
            if (net_addr_parse(text, 0, &x) == 0 && net_addr_parse(addresses[j], 0, &y) == 0 &&
                net_addr_eq_host(&x, &y)) {
                found++;
                break;
            }
        }
    }
    return found == q->n && q->n == n;
}

/* The sentence of what should be there: "sip.x.example: 192.0.2.1, 192.0.2.2 (TTL 60)". */
static void say_wanted(struct transition *t, const struct topology *topology, bool back, struct arena *a,
                       struct buf *out)
{
    struct slice names[PLAN_MAX_NAMES];
    size_t n = plan_names(t->plan, topology, names);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s" SLICE_FMT " has", i ? "; " : "", SLICE_ARG(names[i]));
        for (unsigned type = 0; type < 2; type++) {
            struct slice *addresses;
            size_t k = wanted(t->plan, topology, names[i], type ? DNS_AAAA : DNS_A, back, a, &addresses);
            for (size_t j = 0; j < k; j++)
                buf_printf(out, " %s " SLICE_FMT, type ? "AAAA" : "A", SLICE_ARG(addresses[j]));
        }
        buf_printf(out, " (TTL %u s)", ttl_before(t->plan, names[i]));
    }
}

static bool all_seen(struct transition *t, const struct topology *topology, bool back, struct arena *a)
{
    const struct dns_work *w = t->result->work_arg;
    bool all = t->result->error >= 0;
    for (size_t i = 0; i < w->n_questions && all; i++) {
        struct slice *addresses;
        size_t n = wanted(t->plan, topology, w->questions[i].name, w->questions[i].type, back, a, &addresses);
        all = same_addresses(&w->questions[i], addresses, n, a);
    }
    return all;
}

/* Takes the result: seen, or how it goes on. */
static enum outcome judge(struct transition *t, struct step *s, const struct topology *topology, bool manual,
                          bool back)
{
    struct arena a = {0};
    struct buf words = {0};
    enum outcome r = OUTCOME_LATER;
    int64_t *when = back ? &t->plan->dns_restored_ms : &t->plan->dns_changed_ms;
    bool seen = all_seen(t, topology, back, &a) || (manual && t->told_to_continue);
    say_wanted(t, topology, back, &a, &words);
    struct slice text = buf_slice(&words);
    if (seen) {
        if (!*when)
            *when = loop_wall();
        step_say(s, "DNS says: " SLICE_FMT ".", SLICE_ARG(text));
        r = OUTCOME_NEXT;
    } else if (manual) {
        step_say(s, "Set in DNS that " SLICE_FMT "; this goes on when it is seen, or with continue.",
                 SLICE_ARG(text));
        transition_waits(t, s, true);
    } else if (transition_timed_out(t, t->times.see_dns_ms)) {
        step_say(s, "transition.dns-not-seen: after %u s the name server does not say that " SLICE_FMT "%s%s",
                 t->times.see_dns_ms / 1000, SLICE_ARG(text), t->result->text[0] ? ": " : "",
                 t->result->text);
        r = OUTCOME_FAIL;
    } else {
        step_say(s, "Waiting until DNS says that " SLICE_FMT ".", SLICE_ARG(text));
    }
    buf_fini(&words);
    arena_fini(&a);
    return r;
}

static enum outcome see(struct transition *t, struct step *s, bool back)
{
    struct transition_dns dns;
    struct slice names[PLAN_MAX_NAMES], zone;
    struct topology *topology = t->c.topology(t->c.central);
    struct op *op = t->result;
    enum outcome r;
    bool manual = false;
    struct arena a = {0};
    bool configured = t->c.dns(t->c.central, &a, &dns) && dns.configured;
    size_t n = plan_names(t->plan, topology, names);
    for (size_t i = 0; i < n; i++)
        manual |= !configured || !plan_zone(&dns, names[i], &zone);
    arena_fini(&a);
    if (op) {
        r = judge(t, s, topology, manual, back);
        /* it was looked at: the next call asks again */
        if (r == OUTCOME_LATER)
            transition_forget(t);
    } else {
        op = transition_op(t);
        ask_addresses(t, topology, work_new(t, op, topology, &dns), &op->arena);
        r = transition_work(t, op, work_ask);
    }
    topology_unref(topology);
    return r;
}

enum outcome phase_see_dns(struct transition *t, struct step *s)
{
    return see(t, s, false);
}

enum outcome phase_see_old_dns(struct transition *t, struct step *s)
{
    return t->plan->dns_touched ? see(t, s, true) : OUTCOME_NEXT;
}
