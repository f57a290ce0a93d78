#include "kept/topology/certificates.h"

#include "ground/crypto/inspect.h"
#include "kept/topology/name_set.h"

#include <errno.h>
#include <time.h>

#define HOUR_MS (3600LL * 1000)
#define DAY_MS (24 * HOUR_MS)
enum { RSA_MIN_BITS = 2048, EC_MIN_BITS = 224 };

const struct certificate_use_row certificate_uses[CERTIFICATE_USES] = {
    [CERTIFICATE_ACCESS_EXTERNAL] = {"access-external",       "AccessEdgeExternal",       true,  true,  true,
                                     "what partners see"                                                                                            },
    [CERTIFICATE_CONFERENCING_EXTERNAL] = {"conferencing-external", "DataEdgeExternal",         true,  false, true,
                                     "external web conferencing"                                                                                    },
    [CERTIFICATE_AV_AUTHENTICATION] = {"av-authentication",     "AudioVideoAuthentication", true,  false, false,
                                     "signs tokens of the A/V Edge"                                                                                 },
    [CERTIFICATE_XMPP_EXTERNAL] = {"xmpp-external",         "XmppServer",               true,  false, true,  "what XMPP servers see"              },
    [CERTIFICATE_INTERNAL_EDGE] = {"internal-edge",         "Internal",                 false, true,  true,
                                     "internal interface of an Edge"                                                                                },
    [CERTIFICATE_FRONT_END] = {"front-end",             "Default",                  false, true,  true,
                                     "a Front End, for machines and clients"                                                                        },
    [CERTIFICATE_DIRECTOR] = {"director",              NULL,                       false, true,  true,  "a Director (Default)"               },
    [CERTIFICATE_SERVER] = {"server",                NULL,                       false, true,  true,
                                     "another server: mediation, trusted application, foreign"                                                      },
    [CERTIFICATE_CENTRAL] = {"central",               NULL,                       false, true,  true,  "central management, for replication"},
};

static bool use_has_name(const struct certificate_use_row *row, struct slice name)
{
    return slice_caseeq(name, slice_str(row->name)) ||
           (row->lync && slice_caseeq(name, slice_str(row->lync)));
}

int certificate_use_find(struct slice name, enum certificate_use *ret)
{
    size_t begin_so = 0, last = 0;
    for (size_t i = 0; i < CERTIFICATE_USES; i++) {
        struct slice whole = slice_str(certificate_uses[i].name);
        if (use_has_name(&certificate_uses[i], name)) {
            *ret = (enum certificate_use)i;
            return 0;
        }
        if (name.n && name.n < whole.n && slice_caseeq(name, slice_head(whole, name.n))) {
            begin_so++;
            last = i;
        }
    }
    if (begin_so != 1)
        return -ENOENT;
    *ret = (enum certificate_use)last;
    return 0;
}

bool certificate_use_is_internal(struct slice name)
{
    enum certificate_use use;
    return slice_caseeq(name, SLICE("internal")) ||
           (certificate_use_find(name, &use) == 0 && !certificate_uses[use].external);
}

void certificate_use_list(bool external, struct buf *out)
{
    const char *between = "";
    for (size_t i = 0; i < CERTIFICATE_USES; i++) {
        const struct certificate_use_row *row = &certificate_uses[i];
        if (row->external != external)
            continue;
        buf_printf(out, "%s%s", between, row->name);
        if (row->lync)
            buf_printf(out, " (%s)", row->lync);
        between = ", ";
    }
}

/* --- names --- */
static void add_domains(struct name_set *s, const struct topology *t, const char *prefix)
{
    const struct topology_deployment *d = &t->deployment;
    if (d->default_domain.n)
        name_set_add(s, arena_printf(s->a, "%s" SLICE_FMT, prefix, SLICE_ARG(d->default_domain)));
    for (size_t i = 0; i < d->additional_domains.n; i++)
        name_set_add(s,
                     arena_printf(s->a, "%s" SLICE_FMT, prefix, SLICE_ARG(d->additional_domains.items[i])));
}

/* --- needs --- */
struct needs {
    const struct topology *t;
    struct arena *a;
    struct certificate_need *items;
    size_t n, cap;
};

static void push(struct needs *w, enum certificate_use use, struct slice owner, const struct name_set *s,
                 size_t required)
{
    if (w->n == w->cap) {
        struct certificate_need *more = ARENA_ARRAY(w->a, struct certificate_need, w->cap ? 2 * w->cap : 16);
        if (w->n)
            memcpy(more, w->items, w->n * sizeof(*more));
        w->items = more;
        w->cap = w->cap ? 2 * w->cap : 16;
    }
    w->items[w->n++] = (struct certificate_need){
        .use = use, .owner = arena_copy(w->a, owner), .names = s->items, .n_required = required, .n = s->n};
}

/* What partners dial, and what clients look for without a record: sip.DOMAIN. RFC 5922 wants the domain. */
static void need_access(struct needs *w, const struct topology_edge_pool *pool)
{
    struct name_set s = {.a = w->a};
    name_set_add(&s, pool->external_fqdn);
    add_domains(&s, w->t, "sip.");
    size_t required = s.n;
    for (size_t i = 0; i < pool->adopts.n; i++) {
        const struct topology_edge_pool *old = topology_edge_pool_find(w->t, pool->adopts.items[i]);
        name_set_add(&s, old ? old->external_fqdn : SLICE_NONE);
    }
    add_domains(&s, w->t, "");
    push(w, CERTIFICATE_ACCESS_EXTERNAL, pool->fqdn, &s, required);
}

static void need_external(struct needs *w, const struct topology_edge_pool *pool)
{
    struct name_set conferencing = {.a = w->a}, av = {.a = w->a}, xmpp = {.a = w->a};
    need_access(w, pool);
    name_set_add(&conferencing, pool->conf_fqdn);
    if (conferencing.n)
        push(w, CERTIFICATE_CONFERENCING_EXTERNAL, pool->fqdn, &conferencing, 1);
    name_set_add(&av, pool->av_fqdn);
    if (av.n) /* who verifies tokens looks at the key alone */
        push(w, CERTIFICATE_AV_AUTHENTICATION, pool->fqdn, &av, 0);
    if (!pool->xmpp)
        return;
    add_domains(&xmpp, w->t, "");
    push(w, CERTIFICATE_XMPP_EXTERNAL, pool->fqdn, &xmpp, xmpp.n);
}

static void need_machine(struct needs *w, enum certificate_use use, struct slice pool, struct slice fqdn)
{
    struct name_set s = {.a = w->a};
    struct slice *items;
    size_t n;
    topology_certificate_names(w->t, fqdn, w->a, &items, &n);
    for (size_t i = 0; i < n; i++)
        name_set_add(&s, items[i]);
    name_set_add(&s, pool);
    push(w, use, fqdn, &s, s.n);
}

static bool asked(struct slice only, struct slice owner)
{
    return !only.n || slice_caseeq(only, owner);
}

/* The machines of a pool: all when the pool was asked for. */
static void need_machines(struct needs *w, enum certificate_use use, struct slice only, struct slice pool,
                          const struct topology_machine *machines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (asked(only, pool) || asked(only, machines[i].fqdn))
            need_machine(w, use, pool, machines[i].fqdn);
}

#define NEED_POOLS(list, use)                                                                                \
    for (size_t i = 0; i < t->n_##list; i++)                                                                 \
        need_machines(&w, use, owner, t->list[i].fqdn, t->list[i].machines, t->list[i].n_machines);

void certificate_needs(const struct topology *t, struct slice owner, struct arena *a,
                       struct certificate_need **ret, size_t *ret_n)
{
    struct needs w = {.t = t, .a = a};
    struct topology_role role;
    for (size_t i = 0; i < t->n_edge_pools; i++) {
        const struct topology_edge_pool *pool = &t->edge_pools[i];
        if (asked(owner, pool->fqdn))
            need_external(&w, pool);
        need_machines(&w, CERTIFICATE_INTERNAL_EDGE, owner, pool->fqdn, pool->machines, pool->n_machines);
    }
    NEED_POOLS(front_end_pools, CERTIFICATE_FRONT_END)
    NEED_POOLS(director_pools, CERTIFICATE_DIRECTOR)
    NEED_POOLS(mediation_pools, CERTIFICATE_SERVER)
    NEED_POOLS(trusted_application_pools, CERTIFICATE_SERVER)
    NEED_POOLS(foreign_pools, CERTIFICATE_SERVER)
    if (asked(owner, t->central.machine) && topology_role_find(t, t->central.machine, &role) && !role.machine)
        need_machine(&w, CERTIFICATE_CENTRAL, SLICE_NONE, t->central.machine);
    *ret = w.items;
    *ret_n = w.n;
}

bool certificate_need_find(const struct topology *t, struct slice owner, enum certificate_use use,
                           struct arena *a, struct certificate_need *ret)
{
    struct certificate_need *needs;
    size_t n;
    if (!owner.n)
        return false;
    certificate_needs(t, owner, a, &needs, &n);
    for (size_t i = 0; i < n; i++)
        if (needs[i].use == use) {
            *ret = needs[i];
            return true;
        }
    return false;
}

/* --- what is wrong with one --- */
struct looking {
    const struct crypto_cert *c;
    const struct certificate_need *need;
    const struct crypto_trust *trust;
    int64_t now;
    struct findings *f;
    struct arena a;
    struct slice path;
};

static struct slice date(struct looking *k, int64_t ms)
{
    char text[32] = "?";
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&s, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
    return arena_copy(&k->a, slice_str(text));
}

static void check_dates(struct looking *k, size_t i, const struct crypto_view *v)
{
    const char *renew = !k->need || certificate_uses[k->need->use].external
                            ? "import a new one: entente cert request, entente cert import"
                            : "machines renew it themselves; at once: entente cert renew MACHINE";
    struct slice who = v->subject, from = date(k, v->not_before), to = date(k, v->not_after);
    if (k->now > v->not_after)
        findings_add(k->f, i ? "certificate.chain-expired" : "certificate.expired", FINDING_ERROR, k->path,
                     renew, "The certificate of " SLICE_FMT " has expired on " SLICE_FMT ".", SLICE_ARG(who),
                     SLICE_ARG(to));
    else if (k->now < v->not_before)
        findings_add(k->f, i ? "certificate.chain-not-yet-valid" : "certificate.not-yet-valid", FINDING_ERROR,
                     k->path, "keep it under a name, and assign it when its time has come; see to the clock",
                     "The certificate of " SLICE_FMT " is not valid before " SLICE_FMT ".", SLICE_ARG(who),
                     SLICE_ARG(from));
    else if (v->not_after - k->now < CERTIFICATE_SOON_DAYS * DAY_MS)
        findings_add(k->f, i ? "certificate.chain-expires-soon" : "certificate.expires-soon", FINDING_WARNING,
                     k->path, renew, "The certificate of " SLICE_FMT " ends on " SLICE_FMT ", in %lld days.",
                     SLICE_ARG(who), SLICE_ARG(to), (long long)((v->not_after - k->now) / DAY_MS));
}

static void check_strength(struct looking *k, const struct crypto_view *v)
{
    bool rsa = slice_eq(slice_str(v->key), SLICE("RSA")), ec = slice_eq(slice_str(v->key), SLICE("EC"));
    if ((!rsa && !ec) || v->key_bits < (rsa ? RSA_MIN_BITS : EC_MIN_BITS))
        findings_add(k->f, "certificate.key-weak", FINDING_ERROR, k->path,
                     "use ECDSA P-256, or RSA of 2048 bits or more",
                     "The key of " SLICE_FMT " is %s of %u bits.", SLICE_ARG(v->subject), v->key,
                     v->key_bits);
    if (v->weak_signature)
        findings_add(k->f, "certificate.signature-weak", FINDING_ERROR, k->path,
                     "have it issued with SHA-256 or better",
                     "The certificate of " SLICE_FMT " is signed with MD5 or SHA-1.", SLICE_ARG(v->subject));
}

/* The chain as it is sent: RFC 5246 section 7.4.2, each certificate certifies the one before it. */
static void check_order(struct looking *k, size_t i, const struct crypto_view *before)
{
    if (crypto_cert_issued(k->c, i, i - 1))
        return;
    for (size_t j = 0; j < crypto_cert_count(k->c); j++)
        if (j != i - 1 && crypto_cert_issued(k->c, j, i - 1)) {
            findings_add(k->f, "certificate.chain-order", FINDING_WARNING, k->path,
                         "put the issuer right behind what it issued; many peers refuse another order",
                         "The issuer of " SLICE_FMT " is in the chain, but not at its place.",
                         SLICE_ARG(before->subject));
            return;
        }
    findings_add(k->f, before->self_issued ? "certificate.chain-stray" : "certificate.intermediate-missing",
                 before->self_issued ? FINDING_WARNING : FINDING_ERROR, k->path,
                 before->self_issued ? "leave out what does not belong to the chain"
                                     : "add the intermediate certificate of that name",
                 before->self_issued ? "What stands behind " SLICE_FMT " does not belong to its chain."
                                     : "The issuer of " SLICE_FMT " is not in the chain, others are.",
                 SLICE_ARG(before->subject));
}

static void check_end(struct looking *k, const struct crypto_view *leaf, const struct crypto_view *last)
{
    size_t n = crypto_cert_count(k->c);
    if (k->trust && crypto_trust_verify(k->trust, k->c) == 0)
        return;
    if (n == 1 && leaf->self_issued)
        findings_add(k->f, "certificate.self-signed", k->trust ? FINDING_ERROR : FINDING_WARNING, k->path,
                     "partners trust what a public authority has issued",
                     "The certificate of " SLICE_FMT " is signed by itself.", SLICE_ARG(leaf->subject));
    else if (n == 1 || (k->trust && !last->self_issued))
        findings_add(k->f, "certificate.intermediate-missing", k->trust ? FINDING_ERROR : FINDING_WARNING,
                     k->path, "unless that is a root, add its certificate behind the leaf",
                     "The chain ends at " SLICE_FMT "; who issued it, " SLICE_FMT ", is not in it%s.",
                     SLICE_ARG(last->subject), SLICE_ARG(last->issuer),
                     k->trust ? " and no trusted root" : "");
    else if (k->trust)
        findings_add(k->f, "certificate.untrusted", FINDING_ERROR, k->path, "trust that root, or use another",
                     "The chain leads to " SLICE_FMT ", which is not trusted: %s.", SLICE_ARG(last->subject),
                     crypto_error());
}

static void check_chain(struct looking *k)
{
    struct crypto_view leaf, before, v;
    struct slice path = k->path;
    crypto_cert_view(k->c, 0, &k->a, &leaf);
    before = leaf;
    check_dates(k, 0, &leaf);
    check_strength(k, &leaf);
    for (size_t i = 1; i < crypto_cert_count(k->c); i++) {
        crypto_cert_view(k->c, i, &k->a, &v);
        k->path = arena_printf(&k->a, "chain/%zu", i);
        check_dates(k, i, &v);
        check_strength(k, &v);
        check_order(k, i, &before);
        before = v;
    }
    k->path = path;
    if (leaf.authority && !leaf.self_issued)
        findings_add(k->f, "certificate.authority", FINDING_WARNING, k->path,
                     "use one that is made for servers",
                     "The certificate of " SLICE_FMT " is one of an authority.", SLICE_ARG(leaf.subject));
    check_end(k, &leaf, &before);
}

static void check_eku(struct looking *k)
{
    bool has;
    unsigned eku = crypto_cert_eku(k->c, &has);
    if (!has || (eku & CRYPTO_EKU_ANY))
        return;
    if (!(eku & CRYPTO_EKU_SERVER))
        findings_add(k->f, "certificate.no-server-use", FINDING_ERROR, k->path,
                     "have it issued with the extended key usage serverAuth",
                     "The certificate is not for servers (extended key usage).");
    else if (!(eku & CRYPTO_EKU_CLIENT))
        findings_add(k->f, "certificate.no-client-use", FINDING_WARNING, k->path,
                     "most partners accept that; ask for clientAuth where one does not",
                     "The certificate is for servers alone, and an Edge is a client towards partners, too.");
}

static struct slice missing_names(struct looking *k, size_t from, size_t to)
{
    struct buf text = {0};
    for (size_t i = from; i < to; i++)
        if (!crypto_cert_names_host(k->c, k->need->names[i]))
            buf_printf(&text, "%s" SLICE_FMT, buf_len(&text) ? ", " : "", SLICE_ARG(k->need->names[i]));
    struct slice s = arena_copy(&k->a, buf_slice(&text));
    buf_fini(&text);
    return s;
}

static void check_names(struct looking *k)
{
    const struct crypto_names *names = crypto_cert_names(k->c);
    static const char again[] = "have it issued with these names as well: entente cert required";
    for (size_t i = 0; i < names->n_dns; i++)
        if (slice_find(names->dns[i], '*') != SIZE_MAX)
            findings_add(k->f, "certificate.wildcard", FINDING_WARNING, k->path,
                         "name each host: SIP peers do not match wildcards (RFC 5922 section 7.2)",
                         "The name " SLICE_FMT " counts for nothing.", SLICE_ARG(names->dns[i]));
    if (!names->has_san)
        findings_add(k->f, "certificate.no-san", FINDING_WARNING, k->path,
                     "have it issued with its names as subjectAltName",
                     "The certificate has its name in the subject alone; many peers look at the "
                     "subjectAltName only.");
    if (!k->need || !certificate_uses[k->need->use].names_matter || !k->need->n)
        return;
    size_t own = k->need->n_required ? 1 : 0;
    if (own && !crypto_cert_names_host(k->c, k->need->names[0]))
        findings_add(k->f, "certificate.name", FINDING_ERROR, k->path, again,
                     "The certificate does not name " SLICE_FMT ".", SLICE_ARG(k->need->names[0]));
    struct slice lacks = missing_names(k, own, k->need->n_required);
    if (lacks.n)
        findings_add(k->f, "certificate.names-missing", FINDING_WARNING, k->path, again,
                     "The certificate does not name " SLICE_FMT ".", SLICE_ARG(lacks));
    lacks = missing_names(k, k->need->n_required, k->need->n);
    if (lacks.n)
        findings_add(k->f, "certificate.domains-missing", FINDING_WARNING, k->path,
                     "needed by partners that follow RFC 5922 alone, and for a pool that is adopted",
                     "The certificate does not name " SLICE_FMT ".", SLICE_ARG(lacks));
}

void certificate_check(const struct crypto_cert *c, const struct certificate_need *need,
                       const struct crypto_trust *trust, int64_t now_ms, struct findings *f)
{
    struct looking k = {.c = c, .need = need, .trust = trust, .now = now_ms, .f = f};
    k.path = need ? slice_str(certificate_uses[need->use].name) : SLICE("certificate");
    check_chain(&k);
    check_eku(&k);
    check_names(&k);
    arena_fini(&k.a);
}

/* --- one after another --- */
void certificate_check_takeover(const struct crypto_cert *fresh, const struct certificate_takeover *t,
                                struct findings *f)
{
    struct looking k = {.c = fresh, .f = f, .path = SLICE("takeover")};
    int64_t begins = crypto_cert_not_before(fresh), ends = crypto_cert_not_after(fresh);
    int64_t old_ends = t->old ? crypto_cert_not_after(t->old) : INT64_MAX;
    if (begins > t->from_ms)
        findings_add(f, "certificate.begins-late", FINDING_ERROR, k.path, "give a later time with --from",
                     "The certificate is not valid before " SLICE_FMT ", and is to be used from " SLICE_FMT
                     ".",
                     SLICE_ARG(date(&k, begins)), SLICE_ARG(date(&k, t->from_ms)));
    if (ends <= t->from_ms)
        findings_add(f, "certificate.ends-before-use", FINDING_ERROR, k.path, "import one that lives longer",
                     "The certificate ends on " SLICE_FMT ", and is to be used from " SLICE_FMT ".",
                     SLICE_ARG(date(&k, ends)), SLICE_ARG(date(&k, t->from_ms)));
    if (t->old && old_ends < t->from_ms && t->from_ms > t->now_ms)
        findings_add(f, "certificate.overlap-gap", FINDING_ERROR, k.path,
                     "let the new one take effect before the old one ends",
                     "The certificate in use ends on " SLICE_FMT ", and the new one begins on " SLICE_FMT
                     ": there would be none between.",
                     SLICE_ARG(date(&k, old_ends)), SLICE_ARG(date(&k, t->from_ms)));
    else if (t->old && old_ends < t->until_ms)
        findings_add(
            f, "certificate.overlap-cut", FINDING_WARNING, k.path,
            "let the new one take effect earlier, or accept that what the old one signed counts for less "
            "long",
            "The certificate in use ends on " SLICE_FMT ", before the overlap does on " SLICE_FMT ".",
            SLICE_ARG(date(&k, old_ends)), SLICE_ARG(date(&k, t->until_ms)));
    if (t->old && t->until_ms - t->from_ms < CERTIFICATE_TOKEN_HOURS * HOUR_MS)
        findings_add(f, "certificate.overlap-brief", FINDING_WARNING, k.path, "--overlap of 8 hours or more",
                     "Tokens live for %d hours, and those of the old certificate are verified for less.",
                     CERTIFICATE_TOKEN_HOURS);
    arena_fini(&k.a);
}
