/* Whom a certificate proves, theirs and ours; what policy says. */
#include "service/access_edge/examine_priv.h"

#include "ground/base/text.h"
#include "ground/crypto/hash.h"
#include "kept/topology/certificate_json.h"

struct json_value *examine_certificate_json(struct examine *x, const struct crypto_cert *cert)
{
    struct json_value *o = json_object(&x->arena);
    unsigned char digest[CRYPTO_SHA256];
    struct buf hex = {0};
    bool has_eku;
    unsigned eku = crypto_cert_eku(cert, &has_eku);
    crypto_cert_fingerprint(cert, digest);
    text_hex(&hex, digest, sizeof(digest));
    json_set_string(&x->arena, o, "subject", crypto_cert_describe(cert, &x->arena));
    json_set(&x->arena, o, "names", certificate_names_json(cert, &x->arena));
    json_set_int(&x->arena, o, "not_before_ms", crypto_cert_not_before(cert));
    json_set_int(&x->arena, o, "not_after_ms", crypto_cert_not_after(cert));
    json_set_bool(&x->arena, o, "server_auth", !has_eku || eku & (CRYPTO_EKU_SERVER | CRYPTO_EKU_ANY));
    json_set_bool(&x->arena, o, "client_auth", !has_eku || eku & (CRYPTO_EKU_CLIENT | CRYPTO_EKU_ANY));
    json_set_string(&x->arena, o, "sha256", buf_slice(&hex));
    buf_fini(&hex);
    return o;
}

/* ---------------------------------------------------------------- identity */
/* As a request on this connection would be judged: rules, wildcards, roots and keys of this partner, lists.
 */
static struct peer_proof prove(struct examine *x)
{
    struct identity_claim claim = {.targets = x->counting, .n_targets = x->n_counting};
    struct peer_proof proof;
    peer_prove(x->e, NULL, x->cert, x->domain, &x->policy, &claim, &proof);
    return proof;
}

static struct slice identity_advice(struct examine *x)
{
    const struct crypto_names *names = crypto_cert_names(x->cert);
    struct slice pin = names->n_dns ? names->dns[0] : SLICE("NAME");
    if (x->policy.pinned.n)
        return arena_printf(&x->arena,
                            "it names neither the domain nor " SLICE_FMT ", to which the partner is pinned",
                            SLICE_ARG(x->policy.pinned));
    return arena_printf(
        &x->arena,
        "%s; if " SLICE_FMT " is their Edge: entente partner allow " SLICE_FMT " --edge " SLICE_FMT,
        !x->policy.srv_names
            ? "it does not name the domain, and names of SRV targets are not accepted for this partner"
        : x->n_counting == 0 ? "it does not name the domain, and no SRV target lies within the domain"
                             : "it names neither the domain nor an SRV target of it",
        SLICE_ARG(pin), SLICE_ARG(x->domain), SLICE_ARG(pin));
}

void examine_identity(struct examine *x)
{
    struct peer_proof proof = prove(x);
    struct slice advice = identity_advice(x);
    struct json_value *o;
    if (proof.untrusted)
        o = examine_conclude(x, STAGE_IDENTITY, VERDICT_FAILED, "%s %s", proof.untrusted->text,
                             proof.untrusted->remedy);
    else if (proof.rule == IDENTITY_NONE)
        o = examine_conclude(x, STAGE_IDENTITY, VERDICT_FAILED,
                             "the certificate does not prove " SLICE_FMT ": " SLICE_FMT, SLICE_ARG(x->domain),
                             SLICE_ARG(advice));
    else
        o = examine_conclude(x, STAGE_IDENTITY, VERDICT_OK, "%s (" SLICE_FMT ")",
                             identity_rule_text(proof.rule), SLICE_ARG(proof.name));
    json_set_string(&x->arena, o, "rule", slice_str(identity_rule_letter(proof.rule)));
    json_set_string(&x->arena, o, "name", proof.name);
    if (proof.untrusted)
        json_set_string(&x->arena, o, "refusal", slice_str(proof.untrusted->id));
    examine_over(x, STAGE_IDENTITY, proof.rule != IDENTITY_NONE);
}

/* ---------------------------------------------------------------- policy */
void examine_policy(struct examine *x)
{
    const struct policy *p = &x->policy;
    bool nobody = p->provider_only && p->perhaps_behind && p->provider.n == 0; /* and discovery is off */
    const struct refusal *why = p->refusal ? p->refusal : nobody ? &EDGE_PARTNER_UNKNOWN : NULL;
    const char *how = x->policy.provider.n ? "behind a hosting provider"
                      : x->policy.pinned.n ? "allowed, pinned"
                      : x->policy.listed   ? "allowed"
                                           : "discovered: in no list";
    struct json_value *o =
        why ? examine_conclude(x, STAGE_POLICY, VERDICT_FAILED, "%s %s", why->text, why->remedy)
            : examine_conclude(x, STAGE_POLICY, VERDICT_OK, "the domain is %s", how);
    json_set_bool(&x->arena, o, "listed", x->policy.listed);
    if (why)
        json_set_string(&x->arena, o, "refusal", slice_str(why->id));
    examine_over(x, STAGE_POLICY, true);
}

/* ---------------------------------------------------------------- from them */
static bool shown_for_servers_alone(const struct crypto_cert *cert)
{
    bool has;
    unsigned eku = crypto_cert_eku(cert, &has);
    return has && !(eku & (CRYPTO_EKU_CLIENT | CRYPTO_EKU_ANY));
}

static void sender_conclude(struct examine *x)
{
    struct peer_proof proof = prove(x);
    const struct refusal *why = proof.untrusted ? proof.untrusted : &EDGE_SENDER_NOT_PROVEN;
    if (proof.rule == IDENTITY_NONE)
        examine_conclude(x, STAGE_SENDER, VERDICT_FAILED,
                         "what they send would be refused (%s), if they send with this certificate: %s",
                         why->id, proof.untrusted ? why->text : "it does not prove their domain");
    else if (shown_for_servers_alone(x->cert) && !x->e->t->deployment.accept_server_auth_only)
        examine_conclude(
            x, STAGE_SENDER, VERDICT_FAILED,
            "the certificate is for servers alone (no clientAuth), as public authorities issue them now, and "
            "deployment/accept_server_auth_only is off");
    else
        examine_conclude(x, STAGE_SENDER, VERDICT_OK,
                         "with this certificate they are believed as senders: %s",
                         identity_rule_text(proof.rule));
}

/* They send with the certificate that they answer with, as far as can be known from here. */
void examine_sender(struct examine *x)
{
    if (x->cert && x->cert_good)
        sender_conclude(x);
    examine_over(x, STAGE_SENDER, true);
}

/* Rules a and c, as a partner that knows nothing of us applies them. */
static void our_certificate_conclude(struct examine *x, const struct crypto_cert *cert)
{
    struct slice outer = x->e->pool->external_fqdn, domain = x->e->t->deployment.default_domain, name;
    struct identity_claim claim = {.names = crypto_cert_names(cert),
                                   .domain = domain,
                                   .targets = &outer,
                                   .n_targets = identity_target_counts(outer, domain, false)};
    enum identity_rule rule = identity_prove(&claim, &name);
    int64_t left = crypto_cert_not_after(cert) - loop_wall();
    bool names_us = crypto_cert_names_host(cert, outer);
    struct json_value *o;
    if (left < 0)
        o = examine_conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_FAILED, "our certificate has expired");
    else if (!names_us)
        o = examine_conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_FAILED,
                             "our certificate does not name " SLICE_FMT ", by which partners reach us",
                             SLICE_ARG(outer));
    else if (rule == IDENTITY_NONE)
        o = examine_conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_WARNING,
                             "our certificate names " SLICE_FMT ", which is not within " SLICE_FMT
                             ": partners must pin us to it",
                             SLICE_ARG(outer), SLICE_ARG(domain));
    else
        o = examine_conclude(x, STAGE_OUR_CERTIFICATE,
                             left < SOON_DAYS * (int64_t)DAY_MS ? VERDICT_WARNING : VERDICT_OK,
                             "they can prove us by %s; it expires in %lld days", identity_rule_text(rule),
                             (long long)(left / DAY_MS));
    json_set(&x->arena, o, "certificate", examine_certificate_json(x, cert));
}

void examine_our_certificate(struct examine *x)
{
    const struct material_cert *mc = edge_certificate(x->e);
    struct crypto_cert *cert = NULL;
    if (mc && crypto_cert_parse(mc->cert_pem, &cert) == 0)
        our_certificate_conclude(x, cert);
    else
        examine_conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_FAILED,
                         "this Edge pool has no external certificate");
    crypto_cert_unref(cert);
    examine_over(x, STAGE_OUR_CERTIFICATE, true);
}
