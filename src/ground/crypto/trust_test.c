#include "ground/crypto/cert.h"

#include "ground/base/test.h"

#include "ground/crypto/tls_pair_for_test.h"
#include "ground/crypto/trust_priv.h"

static int judge(struct crypto_trust *t, const struct crypto_cert *c, int64_t now)
{
    int64_t until;
    return crypto_trust_judge(t, c, now, &until);
}

static struct crypto_trust *pin_of(const struct pki_id *id)
{
    struct crypto_trust *t = crypto_trust_new();
    unsigned char key_id[32];
    crypto_cert_key_id(id->cert, key_id);
    crypto_trust_pin(t, key_id);
    return t;
}

TEST(a_trust_is_its_own)
{
    setup();
    struct crypto_trust *theirs = pki_trust(&other_ca);
    struct pki_id a = pki_host(&ca, "a.example"), b = pki_host(&other_ca, "b.example");
    int64_t now = pki_now();
    for (int i = 0; i < 2; i++) { /* the second time what was found is remembered */
        CHECK_INT(judge(trust, a.cert, now), 0);
        CHECK(judge(trust, b.cert, now) != 0);
        CHECK_INT(judge(theirs, b.cert, now), 0);
        CHECK(judge(theirs, a.cert, now) != 0);
    }
    CHECK_INT(trust->good.n, 1);
    CHECK_INT(theirs->good.n, 1);
    CHECK_INT(trust->bad.n, 1);
    pki_fini(&a);
    pki_fini(&b);
    crypto_trust_unref(theirs);
}

TEST(what_is_remembered_ends_with_the_chain)
{
    struct slice dns = SLICE("a.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    int64_t now = pki_now(), until;
    struct pki_id a = pki_leaf(&ca, &names, now + 2 * PKI_HOUR);
    CHECK_INT(crypto_trust_judge(trust, a.cert, now, &until), 0);
    CHECK_INT(until, crypto_cert_not_after(a.cert));
    CHECK_INT(judge(trust, a.cert, until - 1000), 0);
    CHECK_INT(judge(trust, a.cert, until + 1000), X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK_INT(judge(trust, a.cert, crypto_cert_not_before(a.cert) - 5000), X509_V_ERR_CERT_NOT_YET_VALID);
    CHECK_INT(judge(trust, a.cert, now), 0);
    pki_fini(&a);
}

TEST(a_pinned_key_needs_no_root)
{
    struct pki_id own = pki_ca("sip.pinned.example"); /* signed by itself */
    struct crypto_trust *pinned = pin_of(&own), *other = pin_of(&client_id);
    int64_t now = pki_now(), until;
    CHECK_INT(crypto_trust_judge(pinned, own.cert, now, &until), 0);
    CHECK_INT(until, crypto_cert_not_after(own.cert));
    CHECK(judge(other, own.cert, now) != 0);
    CHECK(judge(trust, own.cert, now) != 0);
    CHECK_INT(judge(pinned, own.cert, until + 1), X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK_INT(judge(pinned, own.cert, crypto_cert_not_before(own.cert) - 1), X509_V_ERR_CERT_NOT_YET_VALID);
    CHECK_INT(judge(other, client_id.cert, now), 0);
    crypto_trust_unref(pinned);
    crypto_trust_unref(other);
    pki_fini(&own);
}

/* One listener serves partners of all trusts; which one a chain leads to is asked later. */
TEST(any_trust_opens_the_handshake)
{
    struct pki_id theirs = pki_host(&other_ca, "sip.fabrikam.example"), own = pki_ca("sip.pinned.example"),
                  stranger = pki_ca("sip.stranger.example");
    struct crypto_trust *more[] = {pki_trust(&other_ca), pin_of(&own)};
    struct tls_config server = server_config();
    server.more_trusts = more;
    server.n_more_trusts = 2;
    struct {
        struct pki_id *id;
        bool up;
        int under[3]; /* trust, more[0], more[1]: 1 good */
    } cases[] = {
        {&client_id, true,  {1, 0, 0}},
        {&theirs,    true,  {0, 1, 0}},
        {&own,       true,  {0, 0, 1}},
        {&stranger,  false, {0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_config client = client_config();
        client.key = cases[i].id->key;
        client.cert = cases[i].id->cert;
        struct pair p = pair_of(server, client);
        CHECK_INT(tls_is_up(p.server), cases[i].up);
        const struct crypto_cert *c = tls_peer_cert(p.server);
        CHECK(c != NULL);
        struct crypto_trust *all[] = {trust, more[0], more[1]};
        for (int k = 0; c && k < 3; k++)
            CHECK_INT(judge(all[k], c, pki_now()) == 0, cases[i].under[k]);
        pair_fini(&p);
    }
    server.n_more_trusts = 0;
    struct tls_config client = client_config();
    client.key = own.key;
    client.cert = own.cert;
    struct pair p = pair_of(server, client);
    CHECK_STR(slice_str(tls_error(p.server)), "self-signed certificate");
    pair_fini(&p);
    crypto_trust_unref(more[0]);
    crypto_trust_unref(more[1]);
    pki_fini(&theirs);
    pki_fini(&own);
    pki_fini(&stranger);
}

TEST(what_is_remembered_is_bounded)
{
    enum { MANY = 1100, BOUND = 1024 };
    struct slice dns = SLICE("a.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    struct buf request = {0};
    struct crypto_trust *t = pki_trust(&ca);
    struct crypto_key *key = crypto_key_new();
    CHECK_INT(crypto_request_new(key, &names, &request), 0);
    for (int i = 0; i < MANY; i++) {
        struct crypto_cert *c = NULL;
        CHECK_INT(crypto_ca_sign(ca.key, ca.cert, buf_slice(&request), &names, pki_now() + PKI_HOUR, &c), 0);
        CHECK_INT(judge(t, c, pki_now()), 0);
        CHECK_INT(judge(t, c, pki_now()), 0);
        crypto_cert_unref(c);
    }
    CHECK_INT(t->good.n, BOUND);
    crypto_key_unref(key);
    crypto_trust_unref(t);
    buf_fini(&request);
}

static void remembered(struct crypto_trust *t, size_t good, size_t bad)
{
    size_t n_good, n_bad;
    crypto_trust_remembered(t, &n_good, &n_bad);
    CHECK_INT(n_good, good);
    CHECK_INT(n_bad, bad);
}

/* Ten places, of which three at a time are given up; the newest stay, and what was asked for. */
TEST(how_much_is_remembered_can_be_set)
{
    enum { CERTS = 11 };
    struct crypto_trust *ours = pki_trust(&ca), *theirs = pki_trust(&other_ca);
    struct crypto_trust_bounds bounds = {.good = 10, .bad = 10, .drop_percent = 30};
    struct pki_id ids[CERTS];
    int64_t now = pki_now();
    crypto_trust_remember(ours, &bounds);
    crypto_trust_remember(theirs, &bounds);
    for (size_t i = 0; i < CERTS; i++) {
        ids[i] = pki_host(&ca, "a.example");
        if (i == 10) { /* full: the first is used once more, so it is not among the oldest */
            remembered(ours, 10, 0);
            remembered(theirs, 0, 10);
            CHECK_INT(judge(ours, ids[0].cert, now), 0);
            CHECK(judge(theirs, ids[0].cert, now) != 0);
        }
        CHECK_INT(judge(ours, ids[i].cert, now), 0);
        CHECK(judge(theirs, ids[i].cert, now) != 0);
    }
    remembered(ours, 8, 0);
    remembered(theirs, 0, 8);
    CHECK_INT(judge(ours, ids[0].cert, now), 0);
    CHECK(judge(theirs, ids[0].cert, now) != 0);
    remembered(ours, 8, 0);
    remembered(theirs, 0, 8);
    CHECK_INT(judge(ours, ids[1].cert, now), 0); /* had been given up */
    remembered(ours, 9, 0);
    crypto_trust_remember(ours, &(struct crypto_trust_bounds){.good = 2});
    remembered(ours, 2, 0);
    crypto_trust_remember(ours, &(struct crypto_trust_bounds){.good = 0});
    CHECK_INT(judge(ours, ids[0].cert, now), 0);
    remembered(ours, 0, 0);
    for (size_t i = 0; i < CERTS; i++)
        pki_fini(&ids[i]);
    crypto_trust_unref(ours);
    crypto_trust_unref(theirs);
}

/* A refusal is remembered for a minute; one for being too early is not, or renewals would be late. */
TEST(what_was_bad_is_judged_again)
{
    struct crypto_trust *t = pki_trust(&ca);
    struct pki_id a = pki_host(&ca, "a.example");
    int64_t early = crypto_cert_not_before(a.cert) - 5000, late = crypto_cert_not_after(a.cert) + 1000;
    CHECK_INT(judge(t, a.cert, early), X509_V_ERR_CERT_NOT_YET_VALID);
    remembered(t, 0, 0);
    CHECK_INT(judge(t, a.cert, early + 6000), 0);
    CHECK_INT(judge(t, a.cert, late), X509_V_ERR_CERT_HAS_EXPIRED);
    remembered(t, 1, 1);
    CHECK_INT(judge(t, a.cert, pki_now()), 0);
    crypto_trust_unref(t);
    pki_fini(&a);
}

TEST(last)
{
    teardown();
}

TEST_MAIN(a_trust_is_its_own, what_is_remembered_ends_with_the_chain, a_pinned_key_needs_no_root,
          any_trust_opens_the_handshake, what_is_remembered_is_bounded, how_much_is_remembered_can_be_set,
          what_was_bad_is_judged_again, last)
