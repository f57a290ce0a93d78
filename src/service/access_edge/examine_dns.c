/* What DNS says: where they are, and whether they find us. */
#include "service/access_edge/examine_priv.h"

#include "ground/base/text.h"
#include "ground/crypto/hash.h"
#include "wire/dns/dns.h"

/* ---------------------------------------------------------------- questions */
void examine_questions_end(struct examine *x)
{
    for (size_t i = 0; i < x->n_questions; i++) {
        resolver_cancel(x->questions[i].asked);
        x->questions[i].asked = NULL;
    }
    x->n_questions = 0;
    x->waiting = 0;
}

static void ask(struct examine *x, struct slice name, uint16_t type, uint16_t port, resolver_done *done)
{
    struct question *q = &x->questions[x->n_questions++];
    *q = (struct question){.x = x, .name = name, .type = type, .port = port};
    x->waiting++;
    struct resolver_query *asked = resolver_ask(x->resolver, name, type, done, q);
    if (asked)
        q->asked = asked;
}

static struct slice srv_name(struct examine *x, struct slice domain)
{
    struct slice s = arena_printf(&x->arena, "_sipfederationtls._tcp." SLICE_FMT, SLICE_ARG(domain));
    for (size_t i = 0; i < s.n; i++)
        ((char *)s.p)[i] = text_lower(s.p[i]); /* dns_answers compares lower case */
    return s;
}

static uint32_t any_number(void *arg)
{
    uint32_t v;
    (void)arg;
    crypto_random(&v, sizeof(v));
    return v;
}

/* The SRV records of an answer in the order to be tried; false: there was no answer. */
static bool read_srv(struct question *q, enum resolver_status status, struct slice packet, struct arena *a,
                     const struct dns_record **rr, size_t *ret_n)
{
    struct dns_message m;
    uint32_t ttl;
    q->asked = NULL;
    q->x->waiting--;
    if (status != RESOLVER_ANSWER || dns_parse(packet, a, &m) < 0)
        return false;
    *ret_n = dns_answers(&m, q->name, DNS_SRV, rr, SRV_MAX, &ttl);
    dns_srv_order(rr, *ret_n, any_number, NULL);
    return true;
}

/* ---------------------------------------------------------------- SRV */
static void put_srv(struct examine *x, struct json_value *list, const struct dns_record *rr)
{
    struct json_value *o = json_object(&x->arena);
    json_set_string(&x->arena, o, "target", rr->srv.target);
    json_set_int(&x->arena, o, "port", rr->srv.port);
    json_set_int(&x->arena, o, "priority", rr->srv.priority);
    json_set_int(&x->arena, o, "weight", rr->srv.weight);
    json_push(&x->arena, list, o);
}

static void srv_conclude(struct examine *x, const struct dns_record **rr, size_t n)
{
    struct json_value *list = json_array(&x->arena);
    for (size_t i = 0; i < n; i++) {
        put_srv(x, list, rr[i]);
        if (rr[i]->srv.target.n == 0)
            continue;
        struct slice host = arena_copy(&x->arena, rr[i]->srv.target);
        x->names[x->n_names++] = (struct target_name){host, rr[i]->srv.port};
        if (x->policy.perhaps_behind && policy_behind(&x->policy, x->e->t, host)) {
            x->names[0] = (struct target_name){x->policy.provider, FEDERATION_PORT};
            x->n_names = 1;
            break;
        }
        if (x->policy.srv_names && identity_target_counts(host, x->domain, x->secure))
            x->counting[x->n_counting++] = host;
    }
    struct json_value *o;
    if (n == 0)
        o = examine_conclude(x, STAGE_SRV, VERDICT_FAILED,
                             "there is no record _sipfederationtls._tcp." SLICE_FMT
                             ": the domain federates with nobody who goes by DNS. If it has an Edge: entente "
                             "partner allow " SLICE_FMT " --edge NAME",
                             SLICE_ARG(x->domain), SLICE_ARG(x->domain));
    else if (x->n_names == 0)
        o = examine_conclude(
            x, STAGE_SRV, VERDICT_FAILED,
            "the record's target is \".\": the domain's administrators have declared that it does "
            "not federate");
    else
        o = examine_conclude(x, STAGE_SRV, VERDICT_OK, "%zu target%s, first " SLICE_FMT ":%u%s", x->n_names,
                             x->n_names == 1 ? "" : "s", SLICE_ARG(x->names[0].host), x->names[0].port,
                             x->secure ? ", proven by DNSSEC" : "");
    json_set(&x->arena, o, "records", list);
    json_set_bool(&x->arena, o, "dnssec", x->secure);
}

static void srv_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct question *q = arg;
    struct examine *x = q->x;
    struct arena a = {0};
    const struct dns_record *rr[SRV_MAX];
    size_t n = 0;
    x->secure = secure;
    if (read_srv(q, status, packet, &a, rr, &n))
        srv_conclude(x, rr, n);
    else
        examine_conclude(x, STAGE_SRV, VERDICT_FAILED,
                         "no usable answer about _sipfederationtls._tcp." SLICE_FMT
                         ": the name servers of this machine fail, refuse or are silent, or the domain's own "
                         "do. If other domains work it is theirs",
                         SLICE_ARG(x->domain));
    arena_fini(&a);
    examine_over(x, STAGE_SRV, x->n_names > 0);
}

void examine_srv(struct examine *x)
{
    struct slice fixed = x->policy.pinned.n ? x->policy.pinned : x->policy.provider;
    if (fixed.n) {
        x->names[x->n_names++] = (struct target_name){fixed, FEDERATION_PORT};
        examine_conclude(x, STAGE_SRV, VERDICT_OK, "DNS is not asked: the partner is %s " SLICE_FMT,
                         x->policy.pinned.n ? "pinned to" : "behind the provider's", SLICE_ARG(fixed));
        examine_over(x, STAGE_SRV, true);
        return;
    }
    ask(x, srv_name(x, x->domain), DNS_SRV, 0, srv_came);
}

/* ---------------------------------------------------------------- addresses */
static void addresses_conclude(struct examine *x)
{
    struct json_value *list = json_array(&x->arena), *o;
    char text[NET_ADDR_TEXT];
    for (size_t i = 0; i < x->n_places; i++)
        json_push(&x->arena, list, json_string(&x->arena, net_addr_text(&x->places[i].addr, text)));
    struct slice whose =
        x->n_names == 1 ? x->names[0].host : arena_printf(&x->arena, "the %zu targets", x->n_names);
    bool v6 = x->config->sides[SIDE_EXTERNAL].local.sa.sa_family == AF_INET6;
    if (x->n_places)
        o = examine_conclude(x, STAGE_ADDRESS, VERDICT_OK, "%zu address%s of " SLICE_FMT, x->n_places,
                             x->n_places == 1 ? "" : "es", SLICE_ARG(whose));
    else if (x->n_other)
        o = examine_conclude(
            x, STAGE_ADDRESS, VERDICT_FAILED,
            SLICE_FMT " %s only %s addresses, and the external address of this machine is %s",
            SLICE_ARG(whose), x->n_names == 1 ? "has" : "have", v6 ? "IPv4" : "IPv6", v6 ? "IPv6" : "IPv4");
    else
        o = examine_conclude(x, STAGE_ADDRESS, VERDICT_FAILED, "%s " SLICE_FMT,
                             x->dns_failed ? "no usable answer of the name servers about the address of"
                                           : "DNS has no address of",
                             SLICE_ARG(whose));
    json_set(&x->arena, o, "addresses", list);
    examine_over(x, STAGE_ADDRESS, x->n_places > 0);
}

static void address_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct question *q = arg;
    struct examine *x = q->x;
    struct arena a = {0};
    struct dns_message m;
    const struct dns_record *rr[EXAMINE_MAX_ADDRESSES];
    uint32_t ttl;
    sa_family_t bound = x->config->sides[SIDE_EXTERNAL].local.sa.sa_family;
    bool other = q->type == DNS_A ? bound == AF_INET6 : bound == AF_INET;
    (void)secure;
    q->asked = NULL;
    if (status != RESOLVER_ANSWER || dns_parse(packet, &a, &m) < 0) {
        x->dns_failed = x->dns_failed || !other;
    } else if (other) {
        x->n_other += dns_answers(&m, q->name, q->type, rr, EXAMINE_MAX_ADDRESSES, &ttl);
    } else {
        size_t n = dns_answers(&m, q->name, q->type, rr, EXAMINE_MAX_ADDRESSES, &ttl);
        for (size_t i = 0; i < n && x->n_places < EXAMINE_MAX_ADDRESSES; i++) {
            struct place *p = &x->places[x->n_places];
            p->host = q->name;
            x->n_places += net_addr_from_bytes(rr[i]->address, q->port, &p->addr) == 0;
        }
    }
    arena_fini(&a);
    if (--x->waiting == 0)
        addresses_conclude(x);
}

struct slice examine_lower(struct examine *x, struct slice s)
{
    char *copy = arena_cstr(&x->arena, s);
    for (char *c = copy; *c; c++)
        *c = text_lower(*c);
    return slice_str(copy);
}

/* Tried are those of the family that our outer side has; of the others it is only told that they are there.
 */
void examine_addresses(struct examine *x)
{
    examine_questions_end(x);
    x->waiting = 1; /* answers may come before all has been asked */
    for (size_t i = 0; i < x->n_names; i++) {
        struct slice host = examine_lower(x, x->names[i].host);
        ask(x, host, DNS_A, x->names[i].port, address_came);
        ask(x, host, DNS_AAAA, x->names[i].port, address_came);
    }
    if (--x->waiting == 0)
        addresses_conclude(x);
}

/* ---------------------------------------------------------------- do they find us */
static struct slice own_domain(const struct examine *x, size_t i)
{
    const struct topology_deployment *d = &x->e->t->deployment;
    return i == 0                         ? d->default_domain
           : i <= d->additional_domains.n ? d->additional_domains.items[i - 1]
                                          : SLICE_NONE;
}

static bool leads_to_us(const struct examine *x, const struct dns_record **rr, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (names_own(x->e, rr[i]->srv.target, rr[i]->srv.port))
            return true;
    return false;
}

static void our_srv_conclude(struct examine *x)
{
    if (x->ours_missing.n)
        examine_conclude(x, STAGE_OUR_SRV, x->n_ours_found ? VERDICT_WARNING : VERDICT_FAILED,
                         "they do not find us by _sipfederationtls._tcp (" SLICE_FMT "): entente dns check",
                         SLICE_ARG(x->ours_missing));
    else
        examine_conclude(x, STAGE_OUR_SRV, VERDICT_OK,
                         "they find us: the records of our %zu domain%s lead to our Edges", x->n_ours_found,
                         x->n_ours_found == 1 ? "" : "s");
    examine_over(x, STAGE_OUR_SRV, true);
}

static void our_srv_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct question *q = arg;
    struct examine *x = q->x;
    struct arena a = {0};
    const struct dns_record *rr[SRV_MAX];
    size_t n = 0;
    struct slice domain = own_domain(x, x->our_domain);
    (void)secure;
    const char *why = NULL;
    if (!read_srv(q, status, packet, &a, rr, &n))
        why = "no usable answer";
    else if (n == 0)
        why = "no record";
    else if (!leads_to_us(x, rr, n))
        why = "leads elsewhere";
    if (why)
        x->ours_missing = arena_printf(&x->arena, SLICE_FMT "%s" SLICE_FMT ": %s", SLICE_ARG(x->ours_missing),
                                       x->ours_missing.n ? ", " : "", SLICE_ARG(domain), why);
    else
        x->n_ours_found++;
    arena_fini(&a);
    x->our_domain++;
    if (own_domain(x, x->our_domain).n && x->our_domain < EXAMINE_MAX_OWN)
        examine_our_srv(x);
    else
        our_srv_conclude(x);
}

void examine_our_srv(struct examine *x)
{
    examine_questions_end(x);
    ask(x, srv_name(x, own_domain(x, x->our_domain)), DNS_SRV, 0, our_srv_came);
}
