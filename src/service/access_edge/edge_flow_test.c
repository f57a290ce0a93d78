/* Three Access Edges of two organisations on loopback, two workers each; the Front Ends and strangers are
 * played by the test. */
#include "service/access_edge/access_edge.h"

#include "ground/base/test.h"
#include "ground/log/metric.h"
#include "service/access_edge/refusals.h"
#include "service/access_edge/world_for_test.h"

#include <errno.h>

TEST(starts)
{
    world_start();
}

/* ---------------------------------------------------------------- messages */
struct say {
    const char *method, *uri, *from, *to, *call, *rows;
    unsigned cseq;
};
#define ALICE "<sip:alice@contoso.example>"
#define BOB "<sip:bob@fabrikam.example>"

static void say(struct peer *p, const struct say *s)
{
    static unsigned branch;
    struct buf b = {0};
    unsigned cseq = s->cseq ? s->cseq : 1;
    buf_printf(
        &b,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/TLS test.example;branch=z9hG4bKt%u\r\nMax-Forwards: 70\r\nFrom: %s\r\n"
        "To: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
        s->method, s->uri, ++branch, s->from, s->to, s->call, cseq, s->method, s->rows ? s->rows : "");
    peer_send(p, buf_slice(&b));
    buf_fini(&b);
}

static void respond(struct peer *p, unsigned status, const char *to_tag, const char *extra)
{
    struct buf b = {0};
    struct sip_response r = {.status = status, .to_tag = slice_str(to_tag), .extra = slice_str(extra)};
    sip_response_write(&p->m, &r, &b);
    peer_send(p, buf_slice(&b));
    buf_fini(&b);
}

/* The next message but 100 Trying. */
static bool hear(struct peer *p)
{
    while (peer_receive(p))
        if (p->m.is_request || p->m.status != 100)
            return true;
    TEST_DIAG("nothing came");
    return false;
}

/* What comes to a Front End, on whichever connection. */
static struct peer *hear_request(struct organisation *o, const char *method)
{
    struct peer *p = server_receive(&o->front_end);
    if (!p || !p->m.is_request) {
        TEST_DIAG("no %s came", method);
        return NULL;
    }
    CHECK_STR(p->m.method_name, method);
    return p;
}

/* The same, answered with 200. */
static void serve(struct organisation *o, const char *method)
{
    struct peer *p = hear_request(o, method);
    if (p)
        respond(p, 200, "served", "");
}

static bool hear_status(struct peer *p, unsigned status)
{
    if (!hear(p))
        return false;
    CHECK(!p->m.is_request);
    if (p->m.status != status)
        TEST_DIAG("%u and not %u: " SLICE_FMT, p->m.status, status,
                  SLICE_ARG(sip_msg_value(&p->m, SIP_H_REASON)));
    return true;
}

static void hear_refusal(struct peer *p, const struct refusal *why)
{
    char id[64];
    snprintf(id, sizeof(id), "text=\"%s\"", why->id);
    if (!hear(p))
        return;
    CHECK_INT(p->m.status, why->status);
    if (slice_search(sip_msg_value(&p->m, SIP_H_REASON), slice_str(id)) == SIZE_MAX)
        TEST_DIAG("the reason is not %s but " SLICE_FMT, why->id,
                  SLICE_ARG(sip_msg_value(&p->m, SIP_H_REASON)));
}

/* A Route row made of the Record-Route values of a message: the callee's in order, the caller's reversed
 * (12.1). */
static char *route_set(const struct sip_msg *m, bool reversed)
{
    struct sip_values v = sip_values(m, SIP_H_RECORD_ROUTE);
    struct slice value, all[8];
    struct buf b = {0};
    size_t n = 0;
    while (n < 8 && sip_values_next(&v, &value))
        all[n++] = value;
    buf_append(&b, SLICE("Route: "));
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(all[reversed ? n - 1 - i : i]));
    buf_append(&b, SLICE("\r\n"));
    return buf_take(&b);
}

static bool fe_connects(struct peer *p, const struct organisation *o, unsigned from, unsigned to)
{
    struct net_addr a = fixture_addr(from, 0), b = fixture_addr(to, FIXTURE_PORT);
    bool ok = peer_connect(p, &a, &b, o->fe_client);
    CHECK(ok);
    return ok;
}

/* The Front Ends' own connections to their Edges; they stay for the tests below. */
static struct peer alice_out, bob_out;

/* ---------------------------------------------------------------- what passes */
TEST(message_crosses_both_edges)
{
    if (!fe_connects(&alice_out, &contoso, CONTOSO_FE, OLD_IN))
        return;
    say(&alice_out, &(struct say){"MESSAGE", "sip:bob@fabrikam.example", ALICE ";tag=a1", BOB, "m1",
                                  "ms-edge-proxy-message-trust: ms-source-type=AuthorizedServer\r\n"
                                  "P-Asserted-Identity: " ALICE ", <sip:x@victim.example>\r\n",
                                  1});
    struct peer *bob = hear_request(&fabrikam, "MESSAGE");
    if (bob) {
        CHECK(sip_msg_header(&bob->m, SIP_H_RECORD_ROUTE) == NULL);
        CHECK_STR(sip_msg_value(&bob->m, SIP_H_MS_EDGE_PROXY_MESSAGE_TRUST),
                  "ms-source-type=AutoFederation;ms-ep-fqdn=edge1.fabrikam.example;ms-source-verified-user="
                  "verified;"
                  "ms-source-network=federation;ms-remote-fqdn=sip.contoso.example");
        CHECK_STR(sip_msg_value(&bob->m, SIP_H_P_ASSERTED_IDENTITY), ALICE);
        CHECK_STR(sip_msg_value(&bob->m, SIP_H_MAX_FORWARDS), "68");
        respond(bob, 200, "b1", "P-Asserted-Identity: " BOB "\r\n");
    }
    if (hear_status(&alice_out, 200))
        CHECK_STR(sip_msg_value(&alice_out.m, SIP_H_P_ASSERTED_IDENTITY), BOB);
}

static char *alice_route, *bob_route;

static struct slice trust_of(const struct sip_msg *m)
{
    return sip_msg_value(m, SIP_H_MS_EDGE_PROXY_MESSAGE_TRUST);
}

TEST(call_crosses_both_edges)
{
    struct say invite = {"INVITE", "sip:bob@fabrikam.example", ALICE ";tag=a2", BOB, "call1", NULL, 1};
    say(&alice_out, &invite);
    struct peer *bob = hear_request(&fabrikam, "INVITE");
    if (bob) {
        bob_route = route_set(&bob->m, false);
        respond(bob, 200, "b2", "Contact: <sip:bob@fe1.fabrikam.example>\r\n");
    }
    if (!hear_status(&alice_out, 200))
        return;
    char *trust = slice_dup(trust_of(&alice_out.m));
    CHECK(trust[0]);
    if (bob) { /* until the ACK is there it comes again, and nothing of it is less checked (RFC 6026) */
        respond(bob, 200, "b2", "Contact: <sip:bob@fe1.fabrikam.example>\r\nP-Charging-Vector: x\r\n");
        if (hear_status(&alice_out, 200))
            CHECK(sip_msg_named(&alice_out.m, SLICE("P-Charging-Vector")) == NULL);
        CHECK_SLICE(trust_of(&alice_out.m), slice_str(trust));
    }
    mem_free(trust);
    struct sip_values v = sip_values(&alice_out.m, SIP_H_RECORD_ROUTE);
    struct slice one;
    size_t n = 0;
    while (sip_values_next(&v, &one))
        n++;
    CHECK_INT(n, 4);
    alice_route = route_set(&alice_out.m, true);
    say(&alice_out, &(struct say){"ACK", "sip:bob@fe1.fabrikam.example", ALICE ";tag=a2", BOB ";tag=b2",
                                  "call1", alice_route, 1});
    bob = hear_request(&fabrikam, "ACK");
    if (bob)
        CHECK(sip_msg_header(&bob->m, SIP_H_ROUTE) == NULL);
}

/* RFC 3263 section 4: maddr says where a URI leads. There the token is missed, so the request came there. */
TEST(in_dialog_by_maddr)
{
    const char *end = alice_route;
    for (int i = 0; end && i < 2; i++) /* our own two values */
        end = strchr(end + 1, ',');
    if (!end)
        return;
    char *ours = slice_dup(slice_mem(alice_route, (size_t)(end - alice_route))), route[2048];
    snprintf(route, sizeof(route), "%s\r\n", ours);
    struct say info = {"INFO",
                       "sip:bob@elsewhere.invalid;maddr=sip.fabrikam.example",
                       ALICE ";tag=a2",
                       BOB ";tag=b2",
                       "call1",
                       route,
                       2};
    say(&alice_out, &info);
    hear_refusal(&alice_out, &EDGE_TOKEN_MISSING);
    info.uri = "sip:bob@elsewhere.invalid";
    info.cseq = 3;
    say(&alice_out, &info);
    hear_refusal(&alice_out, &REFUSE_NO_ADDRESS);
    mem_free(ours);
}

/* The callee sends, too; its tags are swapped. The Edge dials the machine that the dialog was made with. */
TEST(callee_sends_within_the_dialog)
{
    if (!bob_route || !fe_connects(&bob_out, &fabrikam, FABRIKAM_FE, FABRIKAM_IN))
        return;
    say(&bob_out, &(struct say){"INFO", "sip:alice@fe1.contoso.example", BOB ";tag=b2", ALICE ";tag=a2",
                                "call1", bob_route, 7});
    serve(&contoso, "INFO");
    hear_status(&bob_out, 200);
}

/* The new Edge adopts the old one's names: it serves its dialogs, from inside and from outside. */
TEST(adopting_edge_serves_the_dialog)
{
    struct peer p;
    if (!alice_route || !fe_connects(&p, &contoso, CONTOSO_FE, NEW_IN))
        return;
    say(&p, &(struct say){"INFO", "sip:bob@fe1.fabrikam.example", ALICE ";tag=a2", BOB ";tag=b2", "call1",
                          alice_route, 8});
    serve(&fabrikam, "INFO");
    hear_status(&p, 200);
    /* A new dialog by the new Edge: outside it asks to be found by the adopted name, which its certificate
     * carries and DNS still leads to the old Edge: that one serves it. */
    say(&p, &(struct say){"INVITE", "sip:bob@fabrikam.example", ALICE ";tag=a3", BOB, "call2", NULL, 1});
    struct peer *bob = hear_request(&fabrikam, "INVITE");
    if (bob) {
        char *route = route_set(&bob->m, false);
        CHECK(strstr(route, "@sip.contoso.example:5061;transport=tls;lr>") != NULL);
        respond(bob, 200, "b3", "");
        hear_status(&p, 200);
        say(&bob_out, &(struct say){"BYE", "sip:alice@fe1.contoso.example", BOB ";tag=b3", ALICE ";tag=a3",
                                    "call2", route, 2});
        serve(&contoso, "BYE");
        hear_status(&bob_out, 200);
        mem_free(route);
    }
    peer_fini(&p);
}

/* ---------------------------------------------------------------- what does not */
static bool stranger(struct peer *p, const char *name, unsigned to)
{
    struct net_addr a = fixture_addr(STRANGER, 0), b = fixture_addr(to, FIXTURE_PORT);
    struct pki_id id = LEAF(&public_ca, name);
    struct tls_ctx *ctx = context(false, &id, public_trust);
    bool ok = peer_connect(p, &a, &b, ctx);
    CHECK(ok);
    tls_ctx_unref(ctx);
    pki_fini(&id);
    return ok;
}

struct refused_case {
    struct say say;
    const struct refusal *why;
};

static void all_refused(struct peer *p, const struct refused_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        say(p, &cases[i].say);
        hear_refusal(p, cases[i].why);
    }
}

#define TO_ALICE "sip:alice@contoso.example"
static const struct refused_case from_outside[] = {
    {{"MESSAGE", TO_ALICE, "<sip:ceo@fabrikam.example>;tag=1", ALICE, "x1", NULL, 1},
     &EDGE_SENDER_NOT_PROVEN                                                                                             },
    {{"MESSAGE", TO_ALICE, "<sip:ceo@contoso.example>;tag=1", ALICE, "x2", NULL, 1},              &EDGE_SENDER_NOT_PROVEN},
 /* its own SRV record names another's Edge, outside its domain: that proves nothing of it */
    {{"MESSAGE", TO_ALICE, "<sip:x@evil.example>;tag=1", ALICE, "x3", NULL, 1},                   &EDGE_SENDER_NOT_PROVEN},
    {{"MESSAGE", TO_ALICE, "<sip:x@blocked.example>;tag=1", ALICE, "x4", NULL, 1},                &EDGE_PARTNER_BLOCKED  },
    {{"MESSAGE", TO_ALICE, "<sip:x@nowhere.example>;tag=1", ALICE, "x5", NULL, 1},                &EDGE_PARTNER_UNKNOWN  },
    {{"MESSAGE", "sip:bob@fabrikam.example", "<sip:v@victim.example>;tag=1", BOB, "x6", NULL, 1},
     &EDGE_NOT_OUR_DOMAIN                                                                                                },
    {{"MESSAGE", "tel:+12015550123", "<sip:v@victim.example>;tag=1", ALICE, "x7", NULL, 1},
     &EDGE_NOT_OUR_DOMAIN                                                                                                },
    {{"MESSAGE", TO_ALICE, "<sip:v@victim.example>;tag=1", ALICE, "x8",
      "Route: <sip:sip.contoso.example;lr>, <sip:sip.fabrikam.example;lr>\r\n", 1},
     &EDGE_ROUTE_NOT_OURS                                                                                                },
    {{"MESSAGE", TO_ALICE, "<sip:v@victim.example>", ALICE, "x9", NULL, 1},                       &EDGE_FROM_MALFORMED   },
    {{"MESSAGE", TO_ALICE, "<sip:anonymous@anonymous.invalid>;tag=1", ALICE, "x10", NULL, 1},
     &EDGE_SENDER_ANONYMOUS                                                                                              },
    {{"REGISTER", TO_ALICE, "<sip:v@victim.example>;tag=1", ALICE, "x11", NULL, 1},               &EDGE_METHOD           },
    {{"BYE", TO_ALICE, "<sip:v@victim.example>;tag=1", ALICE ";tag=2", "x12", NULL, 1},           &EDGE_TOKEN_MISSING    },
    {{"BYE", TO_ALICE, "<sip:v@victim.example>;tag=1", ALICE ";tag=2", "x13",
      "Route: <sip:bob@sip.contoso.example;lr>\r\n", 1},
     &EDGE_TOKEN_MALFORMED                                                                                               },
};

TEST(strangers_are_refused)
{
    struct peer p;
    if (!stranger(&p, "sip.victim.example", OLD_OUT))
        return;
    all_refused(&p, from_outside, sizeof(from_outside) / sizeof(from_outside[0]));
    /* it is still a good partner for its own domain */
    say(&p, &(struct say){"OPTIONS", "sip:sip.contoso.example", "<sip:v@victim.example>;tag=1", ALICE, "x20",
                          NULL, 1});
    hear_status(&p, 200);
    say(&p, &(struct say){"MESSAGE", TO_ALICE, "<sip:v@victim.example>;tag=1", ALICE, "x21", NULL, 1});
    serve(&contoso, "MESSAGE");
    hear_status(&p, 200);
    peer_fini(&p);
}

/* A connection that stands proves nothing any more once its certificate has expired. */
TEST(a_certificate_that_expires_proves_nothing)
{
    struct net_addr a = fixture_addr(STRANGER, 0), b = fixture_addr(OLD_OUT, FIXTURE_PORT);
    struct slice name = SLICE("victim.example");
    const struct crypto_request_names names = {.common_name = name, .dns = &name, .n_dns = 1};
    struct say one = {"MESSAGE", TO_ALICE, "<sip:v@victim.example>;tag=1", ALICE, "x30", NULL, 1};
    int64_t seconds = 2, end;
    struct peer p;
    for (;; seconds *= 2) {
        end = pki_now() + seconds * 1000;
        struct pki_id id = pki_leaf(&public_ca, &names, end);
        struct tls_ctx *ctx = context(false, &id, public_trust);
        bool up = peer_connect(&p, &a, &b, ctx);
        tls_ctx_unref(ctx);
        pki_fini(&id);
        if (up && pki_now() <= end - 1000)
            break;
        peer_fini(&p); /* a busy machine was late: again, with more time */
        CHECK(seconds < 60);
        if (seconds >= 60)
            return;
    }
    say(&p, &one);
    serve(&contoso, "MESSAGE");
    hear_status(&p, 200);
    while (pki_now() <= end)
        usleep(10000);
    one.call = "x31";
    say(&p, &one);
    hear_refusal(&p, &EDGE_SENDER_NOT_TRUSTED);
    peer_fini(&p);
}

/* The tokens of bob's dialog, as they are sent to the old Edge of contoso. */
static char *outer_route(void)
{
    /* bob's route set: fabrikam's two values, then contoso's two */
    struct slice all = slice_from(slice_str(bob_route), strlen("Route: ")), one;
    struct buf b = {0};
    buf_append(&b, SLICE("Route: "));
    for (int i = 0; sip_list_next(&all, &one); i++)
        if (i >= 2)
            buf_printf(&b, "%s" SLICE_FMT, i > 2 ? ", " : "", SLICE_ARG(slice_trim(one)));
    buf_append(&b, SLICE("\r\n"));
    return buf_take(&b);
}

TEST(tokens_of_others_are_refused)
{
    struct peer p;
    if (!bob_route || !stranger(&p, "sip.victim.example", OLD_OUT))
        return;
    char *route = outer_route(), *altered = slice_dup(slice_str(route));
    char *byte = strstr(altered, "sip:") + 20;
    *byte = *byte == 'A' ? 'B' : 'A';
    char *inside_first = slice_dup(slice_str(alice_route)); /* faces the other side */
    const struct refused_case cases[] = {
        {{"BYE", TO_ALICE, BOB ";tag=b2", ALICE ";tag=a2", "call1", route, 9},        &EDGE_TOKEN_WRONG_CONNECTION},
        {{"BYE", TO_ALICE, BOB ";tag=b2", ALICE ";tag=a2", "call9", route, 9},        &EDGE_TOKEN_ALTERED         },
        {{"BYE", TO_ALICE, BOB ";tag=b9", ALICE ";tag=a9", "call1", route, 9},        &EDGE_TOKEN_ALTERED         },
        {{"BYE", TO_ALICE, ALICE ";tag=a2", BOB ";tag=b2", "call1", route, 9},        &EDGE_TOKEN_WRONG_CONNECTION},
        {{"BYE", TO_ALICE, BOB ";tag=b2", ALICE ";tag=a2", "call1", inside_first, 9},
         &EDGE_TOKEN_WRONG_CONNECTION                                                                             },
    };
    all_refused(&p, cases, sizeof(cases) / sizeof(cases[0]));
    /* an ACK is refused in silence: what comes next is the answer to the BYE */
    say(&p, &(struct say){"ACK", TO_ALICE, BOB ";tag=b2", ALICE ";tag=a2", "call1", route, 9});
    say(&p, &(struct say){"BYE", TO_ALICE, BOB ";tag=b2", ALICE ";tag=a2", "call1", altered, 10});
    if (hear(&p)) {
        CHECK(p.m.status == 403 && p.m.cseq_method == SIP_BYE);
    }
    /* the true partner's connection: the same route passes */
    struct peer bob;
    if (stranger(&bob, "sip.fabrikam.example", OLD_OUT)) {
        say(&bob, &(struct say){"INFO", TO_ALICE, BOB ";tag=b2", ALICE ";tag=a2", "call1", route, 11});
        serve(&contoso, "INFO");
        hear_status(&bob, 200);
        peer_fini(&bob);
    }
    mem_free(route);
    mem_free(altered);
    mem_free(inside_first);
    peer_fini(&p);
}

static const struct refused_case from_inside[] = {
    {{"MESSAGE", "sip:bob@fabrikam.example", "<sip:x@evil.example>;tag=1", BOB, "y1", NULL, 1},
     &EDGE_SENDER_NOT_OURS                                                                                                },
    {{"MESSAGE", TO_ALICE, ALICE ";tag=1", ALICE, "y2", NULL, 1},                               &EDGE_NOT_A_PARTNER_DOMAIN},
    {{"MESSAGE", "sip:x@blocked.example", ALICE ";tag=1", BOB, "y3", NULL, 1},                  &EDGE_PARTNER_BLOCKED     },
    {{"MESSAGE", "sip:x@nowhere.example", ALICE ";tag=1", BOB, "y4", NULL, 1},                  &EDGE_PARTNER_UNKNOWN     },
};

TEST(inside_has_its_rules)
{
    all_refused(&alice_out, from_inside, sizeof(from_inside) / sizeof(from_inside[0]));
    /* a certificate of the internal CA for a name that is no machine */
    struct net_addr a = fixture_addr(STRANGER, 0), b = fixture_addr(OLD_IN, FIXTURE_PORT);
    struct pki_id id = LEAF(&contoso.ca, "laptop.contoso.example"),
                  other = LEAF(&public_ca, "fe1.contoso.example");
    struct tls_ctx *ctx = context(false, &id, contoso.trust), *wrong = context(false, &other, contoso.trust);
    struct peer p;
    if (peer_connect(&p, &a, &b, ctx))
        CHECK(peer_is_closed(&p));
    peer_fini(&p);
    /* the right name by another CA */
    if (peer_connect(&p, &a, &b, wrong))
        CHECK(peer_is_closed(&p));
    peer_fini(&p);
    tls_ctx_unref(ctx);
    tls_ctx_unref(wrong);
    pki_fini(&id);
    pki_fini(&other);
}

TEST(compiles_to_nothing_elsewhere)
{
    char error[256] = "";
    struct element_config *c = element_config_new();
    struct access_edge_self self = {
        SLICE("fe1.contoso.example"), old_edge.id.key, old_edge.id.cert, contoso.trust, NULL, NULL};
    CHECK_INT(access_edge_compile(contoso.t, contoso.m, &self, c, error), -ENOENT);
    element_config_unref(c);
    struct material *bare = material_new();
    c = element_config_new();
    self.machine = slice_str(old_edge.fqdn);
    CHECK_INT(access_edge_compile(contoso.t, bare, &self, c, error), -EINVAL);
    CHECK(error[0]);
    element_config_unref(c);
    material_unref(bare);
    CHECK(metric_read("edge.proven-by-srv") > 0);
}

TEST(ends)
{
    peer_fini(&alice_out);
    peer_fini(&bob_out);
    mem_free(alice_route);
    mem_free(bob_route);
    world_end();
}

TEST_MAIN(starts, message_crosses_both_edges, call_crosses_both_edges, in_dialog_by_maddr,
          callee_sends_within_the_dialog, adopting_edge_serves_the_dialog, strangers_are_refused,
          a_certificate_that_expires_proves_nothing, tokens_of_others_are_refused, inside_has_its_rules,
          compiles_to_nothing_elsewhere, ends)
