#include "service/access_edge/examine.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/hash.h"
#include "ground/crypto/inspect.h"
#include "ground/net/stream.h"
#include "service/access_edge/priv.h"
#include "wire/dns/dns.h"
#include "wire/sip/frame.h"

#include <stdio.h>

enum {
    SRV_MAX = 8,
    EXAMINE_MAX_OWN = 20,
    FEDERATION_PORT = 5061,
    OPTIONS_MAX = 65536,
    DAY_MS = 24 * 3600 * 1000,
    SOON_DAYS = 14
};

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_FAILED, VERDICT_NOT_REACHED };
static const char *const verdicts[] = {"ok", "warning", "failed", "not_reached"};

enum stage {
    STAGE_SRV,
    STAGE_ADDRESS,
    STAGE_TCP,
    STAGE_TLS,
    STAGE_IDENTITY,
    STAGE_OPTIONS,
    STAGE_POLICY,
    STAGE_SENDER,
    STAGE_OUR_SRV,
    STAGE_OUR_CERTIFICATE,
    STAGES
};
static const struct {
    const char *name, *direction;
} stages[STAGES] = {
    [STAGE_SRV] = {"srv",             "to them"  },
      [STAGE_ADDRESS] = {"address",         "to them"  },
    [STAGE_TCP] = {"tcp",             "to them"  },
      [STAGE_TLS] = {"tls",             "to them"  },
    [STAGE_IDENTITY] = {"identity",        "to them"  },
      [STAGE_OPTIONS] = {"options",         "to them"  },
    [STAGE_POLICY] = {"policy",          "both"     },
      [STAGE_SENDER] = {"sender",          "from them"},
    [STAGE_OUR_SRV] = {"our_srv",         "from them"},
      [STAGE_OUR_CERTIFICATE] = {"our_certificate", "from them"},
};

struct target_name {
    struct slice host;
    uint16_t port;
};
struct place {
    struct net_addr addr;
    struct slice host;
};
struct question {
    struct examine *x;
    struct resolver_query *asked;
    struct slice name;
    uint16_t type, port;
};
struct examine {
    struct loop *loop;
    struct element_config *config;
    const struct edge *e;
    struct arena arena;
    struct slice domain, from;
    struct policy policy;
    examine_done *done;
    void *arg;
    struct resolver *resolver;
    struct deferred next;
    void (*step)(struct examine *x);
    struct timer deadline;
    struct json_value *stage[STAGES];
    uint64_t began_ms[STAGES];

    struct question questions[2 * SRV_MAX];
    size_t n_questions, waiting;
    bool dns_failed, secure;
    struct target_name names[SRV_MAX]; /* of SRV, or the one that policy names */
    size_t n_names;
    struct slice counting[SRV_MAX]; /* targets that count for rule c */
    size_t n_counting;
    struct place places[EXAMINE_MAX_ADDRESSES];
    size_t n_places, at;
    struct json_value *tries;
    struct stream *stream;
    bool tcp_up;
    const struct crypto_cert *cert; /* that they showed; a reference */
    bool cert_good;
    struct sip_framer framer;
    size_t our_domain; /* which of ours is being looked for */
    struct slice ours_missing;
    size_t n_ours_found;
};

/* ---------------------------------------------------------------- stages */
static void begin(struct examine *x, enum stage s)
{
    x->began_ms[s] = loop_now(x->loop);
}

__attribute__((format(printf, 4, 5))) static struct json_value *conclude(struct examine *x, enum stage s,
                                                                         enum verdict v, const char *fmt, ...)
{
    struct json_value *o = x->stage[s] = json_object(&x->arena);
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    json_set_string(&x->arena, o, "stage", slice_str(stages[s].name));
    json_set_string(&x->arena, o, "direction", slice_str(stages[s].direction));
    json_set_string(&x->arena, o, "verdict", slice_str(verdicts[v]));
    json_set_int(&x->arena, o, "ms", x->began_ms[s] ? (int64_t)(loop_now(x->loop) - x->began_ms[s]) : 0);
    json_set_string(&x->arena, o, "text", buf_slice(&text));
    buf_fini(&text);
    return o;
}

static void run_next(void *arg)
{
    struct examine *x = arg;
    x->step(x);
}

/* At the end of the turn: callbacks of streams and of the resolver are over then. */
static void go_on(struct examine *x, void (*step)(struct examine *x))
{
    timer_stop(&x->deadline);
    x->step = step;
    deferred_add(x->loop, &x->next);
}

static void finish(struct examine *x);
static void look_inwards(struct examine *x);
static void try_place(struct examine *x);
static void ask_addresses(struct examine *x);

static void connection_end(struct examine *x)
{
    stream_free(x->stream);
    x->stream = NULL;
}

/* ---------------------------------------------------------------- questions */
static void questions_end(struct examine *x)
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
        if (x->policy.srv_names && identity_target_counts(host, x->domain, x->secure))
            x->counting[x->n_counting++] = host;
    }
    struct json_value *o;
    if (n == 0)
        o = conclude(x, STAGE_SRV, VERDICT_FAILED,
                     "_sipfederationtls._tcp." SLICE_FMT
                     " does not exist: the domain federates with nobody by DNS",
                     SLICE_ARG(x->domain));
    else if (x->n_names == 0)
        o = conclude(x, STAGE_SRV, VERDICT_FAILED,
                     "the record says \".\": the domain decidedly does not federate");
    else
        o = conclude(x, STAGE_SRV, VERDICT_OK, "%zu target%s, first " SLICE_FMT ":%u%s", x->n_names,
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
        conclude(x, STAGE_SRV, VERDICT_FAILED, "the name servers of this machine gave no usable answer");
    arena_fini(&a);
    go_on(x, x->n_names ? ask_addresses : look_inwards);
}

static void ask_srv(struct examine *x)
{
    struct slice fixed = x->policy.pinned.n ? x->policy.pinned : x->policy.provider;
    begin(x, STAGE_SRV);
    if (fixed.n) {
        x->names[x->n_names++] = (struct target_name){fixed, FEDERATION_PORT};
        conclude(x, STAGE_SRV, VERDICT_OK, "DNS is not asked: the partner is %s " SLICE_FMT,
                 x->policy.pinned.n ? "pinned to" : "behind the provider's", SLICE_ARG(fixed));
        go_on(x, ask_addresses);
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
    if (x->n_places)
        o = conclude(x, STAGE_ADDRESS, VERDICT_OK, "%zu address%s for " SLICE_FMT, x->n_places,
                     x->n_places == 1 ? "" : "es", SLICE_ARG(x->names[0].host));
    else
        o = conclude(x, STAGE_ADDRESS, VERDICT_FAILED, "%s for " SLICE_FMT,
                     x->dns_failed ? "the name servers gave no usable answer" : "there is no address",
                     SLICE_ARG(x->names[0].host));
    json_set(&x->arena, o, "addresses", list);
    go_on(x, x->n_places ? try_place : look_inwards);
}

static void address_came(void *arg, enum resolver_status status, struct slice packet, bool secure)
{
    struct question *q = arg;
    struct examine *x = q->x;
    struct arena a = {0};
    struct dns_message m;
    const struct dns_record *rr[EXAMINE_MAX_ADDRESSES];
    uint32_t ttl;
    (void)secure;
    q->asked = NULL;
    if (status != RESOLVER_ANSWER || dns_parse(packet, &a, &m) < 0) {
        x->dns_failed = true;
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

static struct slice lower(struct examine *x, struct slice s)
{
    char *copy = arena_cstr(&x->arena, s);
    for (char *c = copy; *c; c++)
        *c = text_lower(*c);
    return slice_str(copy);
}

/* Only of the family that our outer side has. */
static void ask_addresses(struct examine *x)
{
    sa_family_t bound = x->config->sides[SIDE_EXTERNAL].local.sa.sa_family;
    begin(x, STAGE_ADDRESS);
    questions_end(x);
    x->waiting = 1; /* answers may come before all has been asked */
    for (size_t i = 0; i < x->n_names; i++) {
        struct slice host = lower(x, x->names[i].host);
        if (bound != AF_INET6)
            ask(x, host, DNS_A, x->names[i].port, address_came);
        if (bound != AF_INET)
            ask(x, host, DNS_AAAA, x->names[i].port, address_came);
    }
    if (--x->waiting == 0)
        addresses_conclude(x);
}

/* ---------------------------------------------------------------- certificates, as they are shown */
static void put_names(struct examine *x, struct json_value *o, const struct crypto_cert *cert)
{
    const struct crypto_names *names = crypto_cert_names(cert);
    struct json_value *list = json_array(&x->arena);
    for (size_t i = 0; i < names->n_dns; i++)
        json_push(&x->arena, list, json_string(&x->arena, names->dns[i]));
    for (size_t i = 0; i < names->n_uri; i++)
        json_push(&x->arena, list, json_string(&x->arena, names->uri[i]));
    json_set(&x->arena, o, "names", list);
}

static struct json_value *certificate_json(struct examine *x, const struct crypto_cert *cert)
{
    struct json_value *o = json_object(&x->arena);
    unsigned char digest[CRYPTO_SHA256];
    struct buf hex = {0};
    bool has_eku;
    unsigned eku = crypto_cert_eku(cert, &has_eku);
    crypto_cert_fingerprint(cert, digest);
    text_hex(&hex, digest, sizeof(digest));
    json_set_string(&x->arena, o, "subject", crypto_cert_describe(cert, &x->arena));
    put_names(x, o, cert);
    json_set_int(&x->arena, o, "not_before_ms", crypto_cert_not_before(cert));
    json_set_int(&x->arena, o, "not_after_ms", crypto_cert_not_after(cert));
    json_set_bool(&x->arena, o, "server_auth", !has_eku || eku & (CRYPTO_EKU_SERVER | CRYPTO_EKU_ANY));
    json_set_bool(&x->arena, o, "client_auth", !has_eku || eku & (CRYPTO_EKU_CLIENT | CRYPTO_EKU_ANY));
    json_set_string(&x->arena, o, "sha256", buf_slice(&hex));
    buf_fini(&hex);
    return o;
}

static struct json_value *chain_json(struct examine *x, const struct crypto_cert *cert)
{
    struct json_value *list = json_array(&x->arena);
    for (size_t i = 0; i < crypto_cert_count(cert); i++) {
        struct crypto_view v;
        struct json_value *o = json_object(&x->arena);
        crypto_cert_view(cert, i, &x->arena, &v);
        json_set_string(&x->arena, o, "subject", v.subject);
        json_set_string(&x->arena, o, "issuer", v.issuer);
        json_set_string(&x->arena, o, "key", arena_printf(&x->arena, "%s %u", v.key, v.key_bits));
        json_set_bool(&x->arena, o, "weak_signature", v.weak_signature);
        json_set_int(&x->arena, o, "not_before_ms", v.not_before);
        json_set_int(&x->arena, o, "not_after_ms", v.not_after);
        json_push(&x->arena, list, o);
    }
    return list;
}

/* ---------------------------------------------------------------- TCP and TLS */
__attribute__((format(printf, 3, 4))) static void put_try(struct examine *x, bool ok, const char *fmt, ...)
{
    struct json_value *o = json_object(&x->arena);
    char addr[NET_ADDR_TEXT], text[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_set_string(&x->arena, o, "address", net_addr_text(&x->places[x->at].addr, addr));
    json_set_bool(&x->arena, o, "ok", ok);
    json_set_string(&x->arena, o, "text", slice_str(text));
    json_push(&x->arena, x->tries, o);
}

static void look_at_identity(struct examine *x);

static void tls_conclude(struct examine *x, enum verdict v, const char *why)
{
    char addr[NET_ADDR_TEXT];
    struct slice at = net_addr_text(&x->places[x->at].addr, addr);
    struct json_value *o = v == VERDICT_OK
                               ? conclude(x, STAGE_TLS, v, "%s, %s, chain verified",
                                          stream_tls_version(x->stream), stream_tls_cipher(x->stream))
                               : conclude(x, STAGE_TLS, v, "with " SLICE_FMT ": %s", SLICE_ARG(at), why);
    if (x->cert) {
        json_set(&x->arena, o, "certificate", certificate_json(x, x->cert));
        json_set(&x->arena, o, "chain", chain_json(x, x->cert));
    }
    if (v == VERDICT_OK) {
        json_set_string(&x->arena, o, "version", slice_str(stream_tls_version(x->stream)));
        json_set_string(&x->arena, o, "cipher", slice_str(stream_tls_cipher(x->stream)));
    }
}

static void keep_cert(struct examine *x)
{
    const struct crypto_cert *cert = stream_peer_cert(x->stream);
    crypto_cert_unref(x->cert);
    x->cert = cert ? crypto_cert_ref(cert) : NULL;
}

static void tcp_conclude(struct examine *x, bool ok, const char *why)
{
    char addr[NET_ADDR_TEXT];
    struct slice at = net_addr_text(&x->places[x->at].addr, addr);
    put_try(x, ok, "%s", why);
    struct json_value *o =
        ok ? conclude(x, STAGE_TCP, x->at ? VERDICT_WARNING : VERDICT_OK, "connected to " SLICE_FMT "%s",
                      SLICE_ARG(at), x->at ? "; addresses before it failed" : "")
           : conclude(x, STAGE_TCP, VERDICT_FAILED, SLICE_FMT ": %s", SLICE_ARG(at), why);
    json_set(&x->arena, o, "tries", x->tries);
}

static void on_up(struct stream *s, void *arg)
{
    struct examine *x = arg;
    (void)s;
    x->tcp_up = true;
    tcp_conclude(x, true, "connected");
    keep_cert(x);
    x->cert_good = true;
    begin(x, STAGE_IDENTITY);
    tls_conclude(x, VERDICT_OK, "");
    go_on(x, look_at_identity);
}

static void options_answered(struct examine *x, struct slice text);
static void options_lost(struct examine *x, const char *why);

static size_t on_data(struct stream *s, void *arg, struct slice in)
{
    struct examine *x = arg;
    size_t len;
    enum sip_flaw flaw;
    (void)s;
    enum sip_frame f = sip_frame_next(&x->framer, in, &len, &flaw);
    if (f == SIP_FRAME_MORE)
        return 0;
    if (f == SIP_FRAME_BAD)
        options_lost(x, "what came is not SIP");
    if (f == SIP_FRAME_MESSAGE)
        options_answered(x, slice_head(in, len));
    return f == SIP_FRAME_BAD ? in.n : len;
}

/* Which stage a connection reached before it ended. */
static void on_ended(struct stream *s, void *arg, enum stream_end why)
{
    struct examine *x = arg;
    char text[256];
    snprintf(text, sizeof(text), "%s", stream_error(s)[0] ? stream_error(s) : "the connection ended");
    if (x->tcp_up) {
        options_lost(x, text);
        return;
    }
    bool tls = stream_was_connected(s);
    (void)why;
    keep_cert(x);
    if (tls) { /* the other addresses are asked, too; what is shown is of the last */
        tcp_conclude(x, true, "connected");
        tls_conclude(x, VERDICT_FAILED, text);
    } else {
        put_try(x, false, "%s", text);
    }
    if (x->at + 1 < x->n_places) {
        x->at++;
        go_on(x, try_place);
    } else {
        if (!tls && !x->stage[STAGE_TLS]) {
            struct json_value *o =
                conclude(x, STAGE_TCP, VERDICT_FAILED, "no address takes connections: %s", text);
            json_set(&x->arena, o, "tries", x->tries);
        }
        go_on(x, look_inwards);
    }
}

static void try_place(struct examine *x)
{
    static const struct stream_ops ops = {.up = on_up, .data = on_data, .ended = on_ended};
    static const struct stream_limits limits = {.setup_ms = EXAMINE_STAGE_MS, .max_input = OPTIONS_MAX};
    const struct element_side *side = &x->config->sides[SIDE_EXTERNAL];
    const struct place *p = &x->places[x->at];
    struct net_addr local = side->local;
    connection_end(x);
    if (x->at == 0) {
        x->tries = json_array(&x->arena);
        begin(x, STAGE_TCP);
    }
    begin(x, STAGE_TLS);
    x->stream = stream_connect(x->loop, local.sa.sa_family == p->addr.sa.sa_family ? &local : NULL, &p->addr,
                               side->client_tls, p->host, &limits, &ops, x);
}

/* ---------------------------------------------------------------- identity */
static enum identity_rule prove(struct examine *x, struct slice *ret_name)
{
    struct identity_claim claim = {.names = crypto_cert_names(x->cert),
                                   .domain = x->domain,
                                   .pinned = x->policy.pinned,
                                   .provider = x->policy.provider,
                                   .targets = x->counting,
                                   .n_targets = x->n_counting};
    return identity_prove(&claim, ret_name);
}

static const char *identity_advice(const struct examine *x)
{
    if (x->policy.pinned.n)
        return "it names neither the domain nor what the partner is pinned to";
    if (!x->policy.srv_names)
        return "it does not name the domain, and SRV names are not accepted for this partner";
    if (x->n_counting == 0)
        return "it does not name the domain, and no SRV target lies within the domain: pin the partner to "
               "the name that "
               "it has";
    return "it names neither the domain nor an SRV target of it";
}

static void send_options(struct examine *x);

static void look_at_identity(struct examine *x)
{
    struct slice name = SLICE_NONE;
    enum identity_rule rule = prove(x, &name);
    struct json_value *o =
        rule == IDENTITY_NONE
            ? conclude(x, STAGE_IDENTITY, VERDICT_FAILED, "the certificate does not prove " SLICE_FMT ": %s",
                       SLICE_ARG(x->domain), identity_advice(x))
            : conclude(x, STAGE_IDENTITY, VERDICT_OK, "%s (" SLICE_FMT ")", identity_rule_text(rule),
                       SLICE_ARG(name));
    json_set_string(&x->arena, o, "rule", slice_str(identity_rule_letter(rule)));
    json_set_string(&x->arena, o, "name", name);
    go_on(x, rule == IDENTITY_NONE ? look_inwards : send_options);
}

/* ---------------------------------------------------------------- OPTIONS */
static void options_lost(struct examine *x, const char *why)
{
    if (!x->stage[STAGE_OPTIONS] && x->began_ms[STAGE_OPTIONS])
        conclude(x, STAGE_OPTIONS, VERDICT_FAILED, "no answer: %s", why);
    go_on(x, look_inwards);
}

static void options_late(void *arg)
{
    struct examine *x = arg;
    if (x->began_ms[STAGE_OPTIONS])
        options_lost(x, "none came in time");
}

/* Whatever answers speaks SIP; what it refuses is told. */
static void options_answered(struct examine *x, struct slice text)
{
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    if (sip_msg_parse(text, &a, &m, &flaw) == 0 && !m.is_request && m.status >= 200 &&
        !x->stage[STAGE_OPTIONS]) {
        struct slice why = sip_msg_value(&m, SIP_H_MS_DIAGNOSTICS);
        struct slice reason = why.n ? why : sip_msg_value(&m, SIP_H_REASON);
        bool good = m.status < 300 || m.status == 404 || m.status == 405 || m.status == 501;
        struct json_value *o =
            conclude(x, STAGE_OPTIONS, good ? VERDICT_OK : VERDICT_WARNING, "answered %u%s" SLICE_FMT,
                     m.status, reason.n ? ": " : "", SLICE_ARG(slice_head(reason, 200)));
        json_set_int(&x->arena, o, "status", m.status);
        go_on(x, look_inwards);
    }
    arena_fini(&a);
}

static void send_options(struct examine *x)
{
    unsigned char random[12];
    struct buf unique = {0};
    crypto_random(random, sizeof(random));
    text_hex(&unique, random, sizeof(random));
    struct slice id = buf_slice(&unique), host = x->e->outer_host;
    begin(x, STAGE_OPTIONS);
    buf_printf(stream_output(x->stream),
               "OPTIONS sip:" SLICE_FMT " SIP/2.0\r\nVia: SIP/2.0/TLS " SLICE_FMT ";branch=z9hG4bKx" SLICE_FMT
               ";rport\r\nMax-Forwards: 70\r\nFrom: <sip:" SLICE_FMT ">;tag=x" SLICE_FMT
               "\r\nTo: <sip:" SLICE_FMT ">\r\nCall-ID: " SLICE_FMT "@" SLICE_FMT
               "\r\nCSeq: 1 OPTIONS\r\nUser-Agent: entente\r\nContent-Length: 0\r\n\r\n",
               SLICE_ARG(x->domain), SLICE_ARG(host), SLICE_ARG(id), SLICE_ARG(x->from),
               SLICE_ARG(slice_head(id, 8)), SLICE_ARG(x->domain), SLICE_ARG(id), SLICE_ARG(host));
    stream_flush(x->stream);
    timer_start(&x->deadline, loop_now(x->loop) + EXAMINE_STAGE_MS);
    buf_fini(&unique);
}

/* ---------------------------------------------------------------- policy */
static void look_at_policy(struct examine *x)
{
    const struct refusal *why = x->policy.refusal;
    const char *how = x->policy.provider.n ? "behind a hosting provider"
                      : x->policy.pinned.n ? "allowed, pinned"
                      : x->policy.listed   ? "allowed"
                                           : "discovered: in no list";
    begin(x, STAGE_POLICY);
    struct json_value *o = why ? conclude(x, STAGE_POLICY, VERDICT_FAILED, "%s %s", why->text, why->remedy)
                               : conclude(x, STAGE_POLICY, VERDICT_OK, "the domain is %s", how);
    json_set_bool(&x->arena, o, "listed", x->policy.listed);
    if (why)
        json_set_string(&x->arena, o, "refusal", slice_str(why->id));
}

/* ---------------------------------------------------------------- from them */
static bool shown_for_servers_alone(const struct crypto_cert *cert)
{
    bool has;
    unsigned eku = crypto_cert_eku(cert, &has);
    return has && !(eku & (CRYPTO_EKU_CLIENT | CRYPTO_EKU_ANY));
}

/* They send with the certificate that they answer with, as far as can be known from here. */
static void look_at_sender(struct examine *x)
{
    struct slice name;
    if (!x->cert || !x->cert_good)
        return;
    begin(x, STAGE_SENDER);
    enum identity_rule rule = prove(x, &name);
    if (rule == IDENTITY_NONE)
        conclude(x, STAGE_SENDER, VERDICT_FAILED, "what they send would be refused (" SLICE_FMT "): %s",
                 SLICE_ARG(slice_str(EDGE_SENDER_NOT_PROVEN.id)), identity_advice(x));
    else if (shown_for_servers_alone(x->cert) && !x->e->t->deployment.accept_server_auth_only)
        conclude(x, STAGE_SENDER, VERDICT_FAILED,
                 "the certificate is for servers alone, and deployment/accept_server_auth_only is off");
    else
        conclude(x, STAGE_SENDER, VERDICT_OK, "with this certificate they are believed as senders: %s",
                 identity_rule_text(rule));
}

/* Rules a and c, as a partner that knows nothing of us applies them. */
static void look_at_our_certificate(struct examine *x)
{
    const struct material_cert *mc = edge_certificate(x->e);
    struct crypto_cert *cert = NULL;
    struct slice outer = x->e->pool->external_fqdn, domain = x->e->t->deployment.default_domain, name;
    begin(x, STAGE_OUR_CERTIFICATE);
    if (!mc || crypto_cert_parse(mc->cert_pem, &cert) < 0) {
        conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_FAILED, "this Edge pool has no external certificate");
        return;
    }
    struct identity_claim claim = {.names = crypto_cert_names(cert),
                                   .domain = domain,
                                   .targets = &outer,
                                   .n_targets = identity_target_counts(outer, domain, false)};
    enum identity_rule rule = identity_prove(&claim, &name);
    int64_t left = crypto_cert_not_after(cert) - loop_wall();
    bool names_us = crypto_cert_names_host(cert, outer);
    struct json_value *o;
    if (left < 0)
        o = conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_FAILED, "our certificate has expired");
    else if (!names_us)
        o = conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_FAILED,
                     "our certificate does not name " SLICE_FMT ", by which partners reach us",
                     SLICE_ARG(outer));
    else if (rule == IDENTITY_NONE)
        o = conclude(x, STAGE_OUR_CERTIFICATE, VERDICT_WARNING,
                     "our certificate names " SLICE_FMT ", which is not within " SLICE_FMT
                     ": partners must pin us to it",
                     SLICE_ARG(outer), SLICE_ARG(domain));
    else
        o = conclude(x, STAGE_OUR_CERTIFICATE,
                     left < SOON_DAYS * (int64_t)DAY_MS ? VERDICT_WARNING : VERDICT_OK,
                     "they can prove us by %s; it expires in %lld days", identity_rule_text(rule),
                     (long long)(left / DAY_MS));
    json_set(&x->arena, o, "certificate", certificate_json(x, cert));
    crypto_cert_unref(cert);
}

/* ---------------------------------------------------------------- do they find us */
static struct slice own_domain(const struct examine *x, size_t i)
{
    const struct topology_deployment *d = &x->e->t->deployment;
    return i == 0                         ? d->default_domain
           : i <= d->additional_domains.n ? d->additional_domains.items[i - 1]
                                          : SLICE_NONE;
}

static void ask_our_srv(struct examine *x);

static bool leads_to_us(const struct examine *x, const struct dns_record **rr, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (names_own(x->e, rr[i]->srv.target, rr[i]->srv.port))
            return true;
    return false;
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
    go_on(x, ask_our_srv);
}

static void ask_our_srv(struct examine *x)
{
    struct slice domain = own_domain(x, x->our_domain);
    questions_end(x);
    if (domain.n && x->our_domain < EXAMINE_MAX_OWN) {
        ask(x, srv_name(x, domain), DNS_SRV, 0, our_srv_came);
        return;
    }
    if (x->ours_missing.n)
        conclude(x, STAGE_OUR_SRV, x->n_ours_found ? VERDICT_WARNING : VERDICT_FAILED,
                 "they do not find us by _sipfederationtls._tcp (" SLICE_FMT "): entente dns check",
                 SLICE_ARG(x->ours_missing));
    else
        conclude(x, STAGE_OUR_SRV, VERDICT_OK,
                 "they find us: the records of our %zu domain%s lead to our Edges", x->n_ours_found,
                 x->n_ours_found == 1 ? "" : "s");
    look_at_our_certificate(x);
    finish(x);
}

static void look_inwards(struct examine *x)
{
    questions_end(x);
    connection_end(x);
    look_at_policy(x);
    look_at_sender(x);
    begin(x, STAGE_OUR_SRV);
    ask_our_srv(x);
}

/* ---------------------------------------------------------------- the end */
static void finish(struct examine *x)
{
    struct json_value *report = json_object(&x->arena), *list = json_array(&x->arena);
    bool ok = true;
    for (int s = 0; s < STAGES; s++) {
        if (!x->stage[s])
            conclude(x, (enum stage)s, VERDICT_NOT_REACHED, "not reached");
        struct slice verdict = json_get_string(x->stage[s], "verdict");
        ok = ok && !slice_eq(verdict, SLICE("failed")) && !slice_eq(verdict, SLICE("not_reached"));
        json_push(&x->arena, list, x->stage[s]);
    }
    json_set_string(&x->arena, report, "domain", x->domain);
    json_set_string(&x->arena, report, "machine", x->e->machine);
    json_set_string(&x->arena, report, "from", x->from);
    json_set_bool(&x->arena, report, "ok", ok);
    json_set(&x->arena, report, "stages", list);
    x->done(x->arg, report);
    examine_free(x);
}

void examine_free(struct examine *x)
{
    if (!x)
        return;
    timer_stop(&x->deadline);
    deferred_cancel(&x->next);
    questions_end(x);
    resolver_free(x->resolver);
    stream_free(x->stream);
    crypto_cert_unref(x->cert);
    element_config_unref(x->config);
    arena_fini(&x->arena);
    mem_free(x);
}

struct examine *examine_new(struct loop *l, struct element_config *config, struct slice domain,
                            struct slice from, examine_done *done, void *arg)
{
    struct examine *x = MEM_NEW(struct examine);
    x->loop = l;
    x->config = element_config_ref(config);
    x->e = edge_of(config);
    x->done = done;
    x->arg = arg;
    x->domain = lower(x, domain);
    x->from = from.n ? arena_copy(&x->arena, from) : x->e->t->deployment.default_domain;
    x->policy = policy_of(x->e->t, x->domain);
    x->resolver = resolver_new(l, &config->resolver);
    deferred_init(&x->next, run_next, x);
    timer_init(&x->deadline, l, options_late, x);
    go_on(x, ask_srv);
    return x;
}
