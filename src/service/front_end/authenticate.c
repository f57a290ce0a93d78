/* Digest authentication of clients (RFC 3261 section 22, RFC 7616, RFC 8760). */
#include "service/front_end/priv.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

/* ---------------------------------------------------------------- connections that need no more challenge */
static struct pass *pass_find(struct connection *c, struct slice aor)
{
    for (size_t i = 0; c && i < c->n_passes; i++)
        if (slice_eq(slice_str(c->passes[i].aor), aor))
            return &c->passes[i];
    return NULL;
}

/* A user who was removed or has a new password must prove it again. */
bool connection_passes(const struct visit *v, struct slice aor)
{
    const struct pass *p = pass_find(v->connection, aor);
    return p && v->fe->pool->challenge == TOPOLOGY_CHALLENGE_CONNECTION &&
           directory_serial(v->fe->directory, aor) == p->serial;
}

bool connection_registered(const struct visit *v, struct slice aor)
{
    return pass_find(v->connection, aor) != NULL;
}

void connection_add_pass(const struct visit *v, struct slice aor)
{
    struct connection *c = v->connection;
    uint64_t serial = c ? directory_serial(v->fe->directory, aor) : 0;
    struct pass *p = pass_find(c, aor);
    if (!serial)
        return;
    if (!p && c->n_passes < FRONT_END_MAX_PASSES) {
        p = &c->passes[c->n_passes++];
        p->aor = slice_dup(aor);
    }
    if (p)
        p->serial = serial;
}

/* ---------------------------------------------------------------- challenges */
static bool is_register(const struct visit *v)
{
    return request_msg(v->rq)->method == SIP_REGISTER;
}

/* The user's own order, else the domain's, else the pool's. */
static const struct topology_names *algorithms_for(const struct visit *v, struct slice aor)
{
    const struct topology_front_end_pool *pool = v->fe->pool;
    const struct topology_names *names = &pool->digest_algorithms;
    for (size_t i = 0; i < pool->n_digests; i++) {
        const struct topology_digest *d = &pool->digests[i];
        if (slice_caseeq(d->of, aor))
            return &d->algorithms;
        if (slice_caseeq(d->of, domain_of(aor)))
            names = &d->algorithms;
    }
    return names;
}

/* These algorithms, in their order, as far as the user has an HA1 of them; for nobody's name all of them,
 * so that a challenge does not tell who exists. */
static void challenge(struct visit *v, struct slice aor, bool stale)
{
    struct directory_user user;
    bool known = directory_find(v->fe->directory, aor, &user);
    const struct topology_names *names = algorithms_for(v, aor);
    struct slice realm = domain_of(aor);
    char nonce[NONCE_TEXT + 1];
    struct buf rows = {0};
    nonce_make(&v->fe->nonce_key, realm, front_end_now(v->fe->state), nonce);
    for (unsigned round = 0; round < 2 && buf_len(&rows) == 0; round++)
        for (size_t i = 0; i < names->n; i++) {
            enum sip_digest d;
            if (sip_digest_parse(names->items[i], &d) < 0 || (round == 0 && known && !user.ha1[d][0]))
                continue;
            buf_append(&rows, is_register(v) ? SLICE("WWW-Authenticate: ") : SLICE("Proxy-Authenticate: "));
            sip_challenge_write(d, realm, slice_str(nonce), stale, &rows);
            buf_append(&rows, SLICE("\r\n"));
        }
    METRIC_COUNT("front-end.challenged");
    request_trace(v->rq, "challenged%s", stale ? ", the nonce was stale" : "");
    request_reply(v->rq, &(struct reply){.status = is_register(v) ? 401 : 407,
                                         .extra = buf_slice(&rows),
                                         .stateless_over_udp = true});
    mem_wipe(&user, sizeof(user));
    buf_fini(&rows);
}

/* ---------------------------------------------------------------- credentials */
enum proof { PROOF_NONE, PROOF_WRONG, PROOF_STALE, PROOF_OTHER_USER, PROOF_GOOD };

/* The user name may be "alice" or "alice@domain". The answer is looked at before the nonce: stale is told
 * only to who knows the password (RFC 7616 3.3). The digest's uri is not compared with the Request-URI:
 * clients put there what they connected to, and a count is good for one request anyway. */
static enum proof weigh(struct visit *v, const struct sip_credentials *c, struct slice aor)
{
    char ha1[SIP_HA1_MAX] = "0000000000000000000000000000000000000000000000000000000000000000"; /* nobody's */
    const struct sip_msg *m = request_msg(v->rq);
    struct slice realm = domain_of(aor), user_part = slice_head(aor, aor.n - realm.n - 1);
    struct nonce nonce;
    struct slice name = sip_unquote(c->username, request_arena(v->rq));
    bool full = slice_eq(name, aor), mine = full || slice_eq(name, user_part);
    bool has = directory_ha1(v->fe->directory, aor, c->digest, full, ha1) && mine;
    bool right = sip_credentials_match(c, slice_str(ha1), m->method_name, m->body);
    mem_wipe(ha1, sizeof(ha1));
    if (!mine)
        return PROOF_OTHER_USER;
    if (!has || !right)
        return PROOF_WRONG;
    if (nonce_check(&v->fe->nonce_key, realm, c->nonce, front_end_now(v->fe->state), &nonce) != NONCE_GOOD)
        return PROOF_STALE;
    if (!nonce_counts_take(front_end_counts(v->fe->state), &nonce, c->has_qop ? c->nonce_count : 1)) {
        v->again = registrar_has_answered(v, aor);
        if (v->again)
            return PROOF_GOOD;
        METRIC_COUNT("front-end.nonce-replayed");
        return PROOF_STALE;
    }
    return PROOF_GOOD;
}

/* Is the algorithm one that we would have asked for? */
static bool offered(const struct visit *v, struct slice aor, enum sip_digest d)
{
    const struct topology_names *names = algorithms_for(v, aor);
    for (size_t i = 0; i < names->n; i++)
        if (slice_caseeq(names->items[i], slice_str(sip_digest_name(d))))
            return true;
    return false;
}

/* The best of the credentials for this realm: a client may answer several challenges. */
static enum proof best_proof(struct visit *v, struct slice aor)
{
    const struct sip_msg *m = request_msg(v->rq);
    enum sip_header_id id = is_register(v) ? SIP_H_AUTHORIZATION : SIP_H_PROXY_AUTHORIZATION;
    struct slice realm = domain_of(aor);
    enum proof best = PROOF_NONE;
    unsigned n = 0;
    for (const struct sip_header *h = sip_msg_header(m, id);
         h && n < FRONT_END_MAX_CREDENTIALS && best < PROOF_GOOD; h = sip_msg_next(m, h)) {
        struct sip_credentials c;
        if (sip_credentials_parse(h->value, &c) < 0 ||
            !slice_caseeq(sip_unquote(c.realm, request_arena(v->rq)), realm) || !offered(v, aor, c.digest))
            continue;
        enum proof p = weigh(v, &c, aor);
        best = p > best ? p : best;
        n++;
    }
    return best;
}

static void tell_failure(const struct visit *v, struct slice aor)
{
    char text[NET_ADDR_TEXT];
    METRIC_COUNT("front-end.auth-failed");
    if (request_may_tell(v->rq, "front-end.auth-failed"))
        log_event(LOG_WARN, "front-end.auth-failed",
                  FIELDS({"user", aor}, {"peer", net_addr_text(request_source(v->rq), text)},
                         {"call_id", request_msg(v->rq)->call_id}),
                  "wrong password or unknown user " SLICE_FMT, SLICE_ARG(aor));
}

bool authenticate(struct visit *v, struct slice aor)
{
    if (connection_passes(v, aor))
        return true;
    enum proof p = best_proof(v, aor);
    if (p == PROOF_OTHER_USER) {
        METRIC_COUNT("front-end.auth-failed");
        request_refuse(v->rq, is_register(v) ? &REFUSE_FE_AOR_NOT_YOURS : &REFUSE_FE_FROM_NOT_YOURS,
                       "the credentials are those of another user than " SLICE_FMT, SLICE_ARG(aor));
    } else if (p != PROOF_GOOD) {
        if (p == PROOF_WRONG)
            tell_failure(v, aor);
        challenge(v, aor, p == PROOF_STALE);
    }
    if (p == PROOF_GOOD)
        request_trust(v->rq, aor);
    return p == PROOF_GOOD;
}
