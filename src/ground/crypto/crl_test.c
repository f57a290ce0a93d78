#include "ground/crypto/crl.h"

#include "ground/base/test.h"

#include "ground/crypto/crl_for_test.h"
#include "ground/crypto/tls_pair_for_test.h"
#include "ground/crypto/trust_priv.h"

#include <errno.h>
#include <pthread.h>

#include <openssl/pem.h>

static const long nobody[] = {7}, somebody[] = {400000, 7, 5, 70000, 300};
enum { SERIAL = 300 };

/* A store that was asked for one certificate's list, by a trust that lets pass what is not known. */
struct world {
    struct crl_store *store;
    struct crypto_trust *soft, *hard;
    struct pki_id partner;
    struct crl_want want;
    int64_t now;
};

static struct crypto_trust *asking(struct crl_store *s, bool refuse)
{
    struct crypto_trust *t = pki_trust(&ca);
    crypto_trust_ask_crls(t, s, refuse);
    return t;
}

static int judge_at(struct crypto_trust *t, const struct crypto_cert *c, int64_t now)
{
    int64_t until;
    return crypto_trust_judge(t, c, now, &until);
}

static struct world world_new(void)
{
    struct world w = {.store = crl_store_new(), .now = pki_now()};
    w.soft = asking(w.store, false);
    w.hard = asking(w.store, true);
    w.partner = list_named(&ca, "sip.fabrikam.example", SERIAL, "URI:" LIST_URL);
    CHECK(!crl_store_due(w.store, w.now, &w.want));
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), 0);
    CHECK(crl_store_due(w.store, w.now, &w.want));
    CHECK_INT(w.want.n_urls, 1);
    CHECK_STR(slice_str(w.want.urls[0]), LIST_URL);
    return w;
}

static void world_free(struct world *w)
{
    crypto_trust_unref(w->soft);
    crypto_trust_unref(w->hard);
    crl_store_unref(w->store);
    pki_fini(&w->partner);
}

static int put(struct world *w, struct list_of l)
{
    l.ca = l.ca ? l.ca : &ca;
    struct buf der = list_make(&l);
    int r = crl_store_put(w->store, &w->want, w->want.urls[0], buf_slice(&der), w->now);
    buf_fini(&der);
    return r;
}

#define LIST(...) ((struct list_of){__VA_ARGS__})
#define REVOKED .serials = somebody, .n = 5
#define CLEAN .serials = nobody, .n = 1

TEST(a_list_is_read)
{
    setup();
    struct list_of l = {.ca = &ca, .serials = somebody, .n = 5, .number = 9};
    struct buf der = list_make(&l), pem = {0};
    struct crl *c = NULL, *again = NULL;
    CHECK_INT(crl_parse(buf_slice(&der), SLICE(LIST_URL), ca.cert->leaf, pki_now(), &c), 0);
    CHECK_INT(c->n_revoked, 5);
    for (size_t i = 0; i < 5; i++) {
        struct crl_serial s;
        ASN1_INTEGER *n = ASN1_INTEGER_new();
        ASN1_INTEGER_set(n, somebody[i]);
        CHECK(crl_serial_read(n, &s) && crl_revokes(c, &s));
        ASN1_INTEGER_set(n, -somebody[i]);
        CHECK(crl_serial_read(n, &s) && !crl_revokes(c, &s));
        ASN1_INTEGER_set(n, somebody[i] + 1);
        CHECK(crl_serial_read(n, &s) && !crl_revokes(c, &s));
        ASN1_INTEGER_free(n);
    }
    X509_CRL *x = crl_decode(buf_slice(&der));
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509_CRL(bio, x));
    crypto_bio_take(bio, &pem);
    CHECK_INT(crl_parse(buf_slice(&pem), SLICE(LIST_URL), ca.cert->leaf, pki_now(), &again), 0);
    CHECK_INT(crl_compare(c, again), 0);
    X509_CRL_free(x);
    crl_unref(c);
    crl_unref(again);
    buf_fini(&der);
    buf_fini(&pem);
}

TEST(what_is_revoked_is_refused)
{
    struct world w = world_new();
    CHECK_INT(put(&w, LIST(CLEAN, .number = 1)), 0);
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), 0);
    CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), 0);
    uint64_t epoch = crl_store_epoch(w.store);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 1)), 1); /* within a second: the very same */
    CHECK_INT(crl_store_epoch(w.store), epoch);
    CHECK_INT(put(&w, LIST(REVOKED, .number = 2)), 0);
    CHECK(crl_store_epoch(w.store) > epoch);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
        CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    }
    /* of a trust that does not ask, and of a pinned key, nothing is known */
    CHECK_INT(judge_at(trust, w.partner.cert, w.now), 0);
    world_free(&w);
}

TEST(a_forged_list_hides_nothing)
{
    struct world w = world_new();
    struct pki_id twin = pki_ca("twin"); /* another key; the name is taken from the real one */
    CHECK_INT(put(&w, LIST(REVOKED, .number = 2)), 0);
    uint64_t epoch = crl_store_epoch(w.store);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 3, .key = twin.key)), -EKEYREJECTED);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 3, .ca = &other_ca)), -EKEYREJECTED);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 1)), -ESTALE); /* an old one, played again */
    CHECK_INT(put(&w, LIST(CLEAN, .this_ms = w.now - PKI_HOUR, .next_ms = w.now + PKI_HOUR)), -ESTALE);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 3, .this_ms = w.now + PKI_HOUR)), -EBADMSG);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 3, .delta = true)), -EBADMSG);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 3, .sha1 = true)), -EKEYREJECTED);
    CHECK_INT(crl_store_put(w.store, &w.want, LIST_URL, SLICE("<html>Not found</html>"), w.now), -EBADMSG);
    CHECK_INT(crl_store_put(w.store, &w.want, LIST_URL, SLICE_NONE, w.now), -EBADMSG);
    CHECK_INT(crl_store_epoch(w.store), epoch);
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    pki_fini(&twin);
    world_free(&w);
}

/* An authority with several lists signs them all; only the one of this address answers. */
TEST(a_list_of_another_part)
{
    struct world w = world_new();
    const char *elsewhere = "critical,fullname:URI:http://crl.example/2.crl";
    CHECK_INT(put(&w, LIST(CLEAN, .number = 9, .idp = elsewhere)), -ENXIO);
    CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), CRYPTO_VERIFY_NO_LIST);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 1, .idp = "critical,onlyCA:TRUE")), 0);
    CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), CRYPTO_VERIFY_NO_LIST);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 2, .idp = "critical,fullname:URI:" LIST_URL)), 0);
    CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), 0);
    CHECK_INT(put(&w, LIST(REVOKED, .number = 3, .idp = "critical,indirectCRL:TRUE")), -EBADMSG);
    CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), 0);
    world_free(&w);
}

TEST(nothing_known)
{
    struct world w = world_new();
    int64_t until;
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), 0);
    CHECK_INT(judge_at(w.hard, w.partner.cert, w.now), CRYPTO_VERIFY_NO_LIST);
    struct list_of brief = LIST(CLEAN, .this_ms = w.now - 10 * PKI_HOUR, .next_ms = w.now + 60000);
    CHECK_INT(put(&w, brief), 0);
    CHECK_INT(crypto_trust_judge(w.hard, w.partner.cert, w.now, &until), 0);
    int64_t end = (w.now + 60000) / 1000 * 1000 + CRL_GRACE_MS;
    CHECK_INT(until, end);
    CHECK_INT(judge_at(w.hard, w.partner.cert, end - 1), 0);
    CHECK_INT(judge_at(w.hard, w.partner.cert, end), CRYPTO_VERIFY_NO_LIST);
    CHECK_INT(judge_at(w.soft, w.partner.cert, end), 0);
    /* whom an expired list revokes stays so */
    struct list_of old = LIST(REVOKED, .this_ms = w.now - 9 * PKI_HOUR, .next_ms = w.now - PKI_HOUR);
    CHECK_INT(put(&w, old), -ETIME);
    CHECK_INT(judge_at(w.soft, w.partner.cert, end), CRYPTO_VERIFY_REVOKED);
    world_free(&w);
}

TEST(who_is_not_asked)
{
    struct crl_store *s = crl_store_new();
    struct crypto_trust *hard = asking(s, true);
    struct crl_want want;
    struct crl_row *rows;
    struct arena a = {0};
    struct pki_id plain = pki_host(&ca, "plain.example");
    CHECK_INT(judge_at(hard, plain.cert, pki_now()), 0);
    CHECK(!crl_store_due(s, pki_now() + PKI_HOUR, &want));
    CHECK_INT(crl_store_list(s, &a, &rows), 0);
    pki_fini(&plain);
    arena_fini(&a);
    crypto_trust_unref(hard);
    crl_store_unref(s);
}

/* Whoever says that there is a list has one, also where nobody here can fetch it. */
TEST(lists_that_cannot_be_fetched)
{
    static const char *const silent[] = {"URI:ldap://crl.example/cn=x", "URI:https://crl.example/x",
                                         "URI:http://crl.example/a b", "DNS:crl.example"};
    struct crl_store *s = crl_store_new();
    struct crypto_trust *hard = asking(s, true), *soft = asking(s, false);
    struct crl_want want;
    struct crl_row *rows;
    struct arena a = {0};
    for (size_t i = 0; i < 4; i++) {
        struct pki_id id = list_named(&ca, "a.example", 5, silent[i]);
        CHECK_INT(judge_at(hard, id.cert, pki_now()), CRYPTO_VERIFY_NO_LIST);
        CHECK_INT(judge_at(soft, id.cert, pki_now()), 0);
        pki_fini(&id);
    }
    CHECK(!crl_store_due(s, pki_now() + PKI_HOUR, &want));
    CHECK_INT(crl_store_list(s, &a, &rows), 3); /* of two no name is one: they are one entry */
    for (size_t i = 0; i < 3; i++) {
        CHECK(!rows[i].there && rows[i].fetch_ms == 0);
        CHECK_STR(rows[i].why, "its certificates name no http address that could be asked");
    }
    arena_fini(&a);
    crypto_trust_unref(hard);
    crypto_trust_unref(soft);
    crl_store_unref(s);
}

/* All addresses of all points, in the order of the certificate; a list for any of them is one for it. */
TEST(several_addresses)
{
    struct crl_store *s = crl_store_new();
    struct crypto_trust *hard = asking(s, true);
    struct crl_want want;
    struct pki_id id = list_named(&ca, "a.example", SERIAL,
                                  "URI:ldap://x/y,URI:http://one.example/a,URI:http://two.example/b,"
                                  "URI:https://x/z,URI:HTTP://three.example/c,URI:http://four.example/,"
                                  "URI:http://five.example/");
    struct list_of l = {.ca = &ca, CLEAN, .number = 1, .idp = "critical,fullname:URI:http://two.example/b"};
    struct list_of other = {
        .ca = &ca, CLEAN, .number = 2, .idp = "critical,fullname:URI:http://six.example/b"};
    struct buf der = list_make(&l), not_ours = list_make(&other);
    int64_t now = pki_now();
    CHECK_INT(judge_at(hard, id.cert, now), CRYPTO_VERIFY_NO_LIST);
    CHECK(crl_store_due(s, now, &want));
    CHECK_INT(want.n_urls, CRL_MAX_URLS);
    CHECK_STR(slice_str(want.urls[0]), "http://one.example/a");
    CHECK_STR(slice_str(want.urls[1]), "http://two.example/b");
    CHECK_STR(slice_str(want.urls[2]), "HTTP://three.example/c");
    CHECK_STR(slice_str(want.urls[3]), "http://four.example/");
    CHECK_INT(crl_store_put(s, &want, want.urls[0], buf_slice(&not_ours), now), -ENXIO);
    CHECK(!crl_store_due(s, now + PKI_HOUR, &want)); /* the next address is tried: it is under way */
    CHECK_INT(crl_store_put(s, &want, want.urls[1], buf_slice(&der), now), 0);
    CHECK_INT(judge_at(hard, id.cert, now), 0);
    struct crl_row *rows;
    struct arena a = {0};
    CHECK_INT(crl_store_list(s, &a, &rows), 1);
    CHECK_STR(rows[0].from, "http://two.example/b");
    CHECK(rows[0].there && !rows[0].given && rows[0].came_ms == now && rows[0].why.n == 0);
    CHECK_INT(rows[0].revoked, 1);
    CHECK_STR(rows[0].issuer, "Contoso Root");
    arena_fini(&a);
    buf_fini(&der);
    buf_fini(&not_ours);
    pki_fini(&id);
    crypto_trust_unref(hard);
    crl_store_unref(s);
}

static size_t give(struct crl_store *s, struct list_of l)
{
    l.ca = l.ca ? l.ca : &ca;
    struct buf der = list_make(&l);
    struct slice list = buf_slice(&der);
    size_t n = crl_store_give(s, &list, 1);
    buf_fini(&der);
    return n;
}

/* By hand: for every certificate of the issuer, until something newer comes. */
TEST(lists_given_by_hand)
{
    struct world w = world_new();
    struct pki_id plain = list_named(&ca, "b.example", SERIAL, NULL),
                  stranger = pki_host(&other_ca, "c.example");
    struct crypto_trust *other = pki_trust(&other_ca);
    crypto_trust_ask_crls(other, w.store, true);
    uint64_t epoch = crl_store_epoch(w.store);
    CHECK_INT(judge_at(w.hard, plain.cert, w.now), 0);
    CHECK_INT(give(w.store, LIST(REVOKED, .number = 2)), 1);
    CHECK(crl_store_epoch(w.store) > epoch);
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    CHECK_INT(judge_at(w.soft, plain.cert, w.now), CRYPTO_VERIFY_REVOKED);
    CHECK_INT(judge_at(other, stranger.cert, w.now), 0);
    CHECK_INT(put(&w, LIST(CLEAN, .number = 1)), 0); /* fetched, and older */
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    CHECK(crl_store_due(w.store, w.now + PKI_HOUR, &w.want));
    CHECK_INT(put(&w, LIST(CLEAN, .number = 3)), 0); /* fetched, and newer: where it is for */
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), 0);
    CHECK_INT(judge_at(w.soft, plain.cert, w.now), CRYPTO_VERIFY_REVOKED);
    CHECK_INT(give(w.store, LIST(CLEAN, .number = 4)), 1); /* takes the place of what was given */
    CHECK_INT(judge_at(w.hard, plain.cert, w.now), 0);
    epoch = crl_store_epoch(w.store);
    struct list_of same =
        LIST(CLEAN, .ca = &ca, .number = 4, .this_ms = w.now - 1000, .next_ms = w.now + 60000);
    struct buf der = list_make(&same);
    struct slice list = buf_slice(&der);
    CHECK_INT(crl_store_give(w.store, &list, 1), 1);
    CHECK_INT(crl_store_give(w.store, &list, 1), 1);
    CHECK_INT(crl_store_epoch(w.store), epoch + 1); /* the same again is nothing new */
    CHECK_INT(judge_at(w.hard, plain.cert, w.now + 120000 + CRL_GRACE_MS), CRYPTO_VERIFY_NO_LIST);
    CHECK_INT(crl_store_give(w.store, NULL, 0), 0);
    CHECK_INT(judge_at(w.hard, plain.cert, w.now), 0); /* it names none, and none was given */
    buf_fini(&der);
    pki_fini(&plain);
    pki_fini(&stranger);
    crypto_trust_unref(other);
    world_free(&w);
}

TEST(what_is_given_is_judged_too)
{
    struct world w = world_new();
    struct pki_id twin = pki_ca("twin");
    CHECK_INT(give(w.store, LIST(REVOKED, .number = 2, .key = twin.key)), 1);
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), 0); /* somebody else signed it */
    CHECK_INT(give(w.store, LIST(REVOKED, .number = 2, .delta = true)), 0);
    CHECK_INT(give(w.store, LIST(REVOKED, .number = 2, .idp = "critical,indirectCRL:TRUE")), 0);
    CHECK_INT(give(w.store, LIST(REVOKED, .number = 2, .idp = "critical,fullname:URI:http://crl.example/2")),
              1);
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), 0); /* of another part */
    CHECK_INT(give(w.store, LIST(REVOKED, .number = 2, .idp = "critical,fullname:URI:" LIST_URL)), 1);
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    pki_fini(&twin);
    world_free(&w);
}

TEST(a_list_as_it_is_shown)
{
    struct crl_view v, later, other;
    struct arena a = {0};
    struct buf out = {0}, again = {0};
    struct list_of l = LIST(REVOKED, .ca = &ca, .number = 0x1a),
                   newer = LIST(CLEAN, .ca = &ca, .number = 0x1b),
                   part = LIST(CLEAN, .ca = &ca, .number = 1, .idp = "critical,onlyCA:TRUE");
    struct buf der = list_make(&l), der2 = list_make(&newer), der3 = list_make(&part);
    CHECK_INT(crl_view(buf_slice(&der), &a, &v, &out), 0);
    CHECK(slice_eq(buf_slice(&out), buf_slice(&der)));
    CHECK_STR(v.issuer, "Contoso Root");
    CHECK_STR(v.number, "1a");
    CHECK_INT(v.revoked, 5);
    CHECK_INT(v.next_ms - v.this_ms, PKI_HOUR);
    CHECK_INT(crl_view(buf_slice(&der2), &a, &later, &again), 0);
    CHECK(memcmp(v.place, later.place, 32) == 0 && memcmp(v.fingerprint, later.fingerprint, 32) != 0);
    CHECK_INT(crl_view(buf_slice(&der3), &a, &other, &again), 0);
    CHECK(memcmp(v.place, other.place, 32) != 0);
    CHECK_INT(crl_signed_by(buf_slice(&der), ca.cert), 0);
    CHECK_INT(crl_signed_by(buf_slice(&der), other_ca.cert), 1);
    ((char *)buf_slice(&der).p)[buf_len(&der) - 1] ^= 1;
    CHECK_INT(crl_signed_by(buf_slice(&der), ca.cert), -EKEYREJECTED);
    CHECK_INT(crl_view(SLICE("x"), &a, &v, &out), -EBADMSG);
    struct list_of delta = LIST(CLEAN, .ca = &ca, .number = 2, .delta = true);
    struct buf der4 = list_make(&delta);
    CHECK_INT(crl_view(buf_slice(&der4), &a, &v, &out), -EBADMSG);
    CHECK_STR(slice_str(crypto_error()), "revocation list names only changes to another one (delta)");
    buf_fini(&der);
    buf_fini(&der2);
    buf_fini(&der3);
    buf_fini(&der4);
    buf_fini(&out);
    buf_fini(&again);
    arena_fini(&a);
}

/* Servers that are dead keep no places from those that were not asked yet. */
TEST(the_dead_hold_up_no_others)
{
    struct crl_store *s = crl_store_new();
    struct crypto_trust *soft = asking(s, false);
    struct crl_want want[CRL_MAX_UNDER_WAY], none;
    struct crl_row *rows;
    struct arena a = {0};
    int64_t now = pki_now();
    char point[64];
    for (int i = 0; i < CRL_MAX_UNDER_WAY + 1; i++) {
        snprintf(point, sizeof(point), "URI:http://crl.example/%d.crl", i);
        struct pki_id id = list_named(&ca, "a.example", 5 + i, point);
        CHECK_INT(judge_at(soft, id.cert, now), 0);
        pki_fini(&id);
        if (i == CRL_MAX_UNDER_WAY)
            break;
        CHECK(crl_store_due(s, now, &want[i]));
        crl_store_failed(s, &want[i], "nobody is there", now);
    }
    now += CRL_RETRY_LEAST_MS;
    size_t retrying = 0, fresh = 0;
    for (int i = 0; i < CRL_MAX_UNDER_WAY && crl_store_due(s, now, &want[i]); i++)
        ++*(want[i].failures ? &retrying : &fresh);
    CHECK_INT(retrying, CRL_MAX_RETRYING);
    CHECK_INT(fresh, 1);
    CHECK(want[1].failures > 0);
    crl_store_failed(s, &want[1], "still", now);
    CHECK(crl_store_due(s, now, &none));
    CHECK_INT(crl_store_list(s, &a, &rows), CRL_MAX_UNDER_WAY + 1);
    size_t told = 0;
    for (int i = 0; i < CRL_MAX_UNDER_WAY + 1; i++)
        told += slice_eq(rows[i].why, SLICE("nobody is there")) || slice_eq(rows[i].why, SLICE("still"));
    CHECK_INT(told, CRL_MAX_UNDER_WAY);
    arena_fini(&a);
    crypto_trust_unref(soft);
    crl_store_unref(s);
}

TEST(when_it_is_asked_for_again)
{
    struct world w = world_new();
    struct crl_want next;
    int64_t t = w.now;
    CHECK(!crl_store_due(w.store, t + PKI_HOUR, &next)); /* it is under way */
    for (unsigned i = 0; i < 10; i++) {
        int64_t wait = (int64_t)CRL_RETRY_LEAST_MS << i;
        wait = wait < CRL_RETRY_MOST_MS ? wait : CRL_RETRY_MOST_MS;
        CHECK_INT(w.want.failures, i);
        crl_store_failed(w.store, &w.want, "nobody is there", t);
        CHECK(!crl_store_due(w.store, t + wait - 1, &w.want));
        t += wait;
        CHECK(crl_store_due(w.store, t, &w.want));
    }
    w.now = t;
    CHECK_INT(put(&w, LIST(CLEAN, .this_ms = t - 1000, .next_ms = t + 20 * PKI_HOUR)), 0);
    CHECK(!crl_store_due(w.store, t + CRL_REFRESH_MOST_MS - 1, &next));
    CHECK(crl_store_due(w.store, t + CRL_REFRESH_MOST_MS, &next));
    CHECK_INT(next.failures, 0);
    w.now = t += CRL_REFRESH_MOST_MS;
    CHECK_INT(put(&w, LIST(CLEAN, .this_ms = t, .next_ms = t + 20000)), 0);
    CHECK(!crl_store_due(w.store, t + 8000, &next));
    CHECK(crl_store_due(w.store, t + 10001, &next));
    world_free(&w);
}

TEST(what_a_store_holds_is_bounded)
{
    struct crl_store *s = crl_store_new();
    struct crypto_trust *soft = asking(s, false);
    struct crl_want want[CRL_MAX_UNDER_WAY + 1], first;
    struct crl_counts counts;
    int64_t now = pki_now();
    for (int i = 0; i <= CRL_STORE_MAX_LISTS; i++) {
        char point[128];
        snprintf(point, sizeof(point), "URI:http://crl.example/%d.crl", i);
        struct pki_id id = list_named(&ca, "a.example", 5 + i, point);
        CHECK_INT(judge_at(soft, id.cert, now), 0);
        if (i == 0)
            CHECK(crl_store_due(s, now, &first));
        pki_fini(&id);
    }
    crl_store_count(s, now, &counts);
    CHECK_INT(counts.wanted, CRL_STORE_MAX_LISTS);
    struct list_of l = {.ca = &ca, .serials = nobody, .n = 1};
    struct buf der = list_make(&l);
    CHECK_INT(crl_store_put(s, &first, "x", buf_slice(&der), now), -ENOENT); /* it had to go */
    crl_store_failed(s, &first, "it is gone", now);
    for (int i = 0; i < CRL_MAX_UNDER_WAY; i++)
        CHECK(crl_store_due(s, now, &want[i]));
    CHECK(!crl_store_due(s, now, &want[CRL_MAX_UNDER_WAY]));
    CHECK_INT(crl_store_put(s, &want[0], "x", buf_slice(&der), now), 0);
    CHECK(crl_store_due(s, now, &want[0]));
    crl_store_count(s, now, &counts);
    CHECK_INT(counts.lists, 1);
    CHECK(counts.bytes > 0);
    char *huge = mem_zalloc(CRL_MAX_BYTES + 1);
    memcpy(huge, "0\x84\x7f\xff\xff\xff", 6);
    CHECK_INT(crl_store_put(s, &want[0], "x", slice_mem(huge, CRL_MAX_BYTES + 1), now), -EBADMSG);
    CHECK_STR(slice_str(crypto_error()), "revocation list is too large");
    mem_free(huge);
    buf_fini(&der);
    crypto_trust_unref(soft);
    crl_store_unref(s);
}

TEST(kept_over_a_restart)
{
    struct world w = world_new();
    struct list_of l = {.ca = &ca, .serials = somebody, .n = 5, .number = 4};
    struct buf der = list_make(&l), kept = {0};
    struct crl_want none;
    CHECK_INT(crl_store_put(w.store, &w.want, LIST_URL, buf_slice(&der), w.now), 0);
    CHECK(crl_store_write(w.store, &w.want, buf_slice(&der), &kept));
    struct crl_store *s = crl_store_new();
    struct crypto_trust *soft = asking(s, false);
    CHECK_INT(crl_store_restore(s, buf_slice(&kept), w.now), 0);
    CHECK(!crl_store_due(s, w.now + PKI_HOUR, &none)); /* nobody asked for it yet */
    CHECK_INT(judge_at(soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    CHECK(!crl_store_due(s, w.now, &none));
    CHECK(crl_store_due(s, w.now + PKI_HOUR, &none));
    int64_t later = w.now + 2 * PKI_HOUR + CRL_FORGET_MS;
    struct crl_store *late = crl_store_new();
    CHECK_INT(crl_store_restore(late, buf_slice(&kept), later), -ETIME);
    ((char *)buf_slice(&kept).p)[buf_len(&kept) - 1] ^= 1;
    CHECK_INT(crl_store_restore(late, buf_slice(&kept), w.now), -EKEYREJECTED);
    CHECK_INT(crl_store_restore(late, SLICE("http://x/\nnothing"), w.now), -EBADMSG);
    CHECK_INT(crl_store_restore(late, SLICE(""), w.now), -EBADMSG);
    CHECK_INT(crl_store_restore(late, SLICE("\n-----BEGIN CERTIFICATE-----\n"), w.now), -EBADMSG);
    crl_store_unref(late);
    crypto_trust_unref(soft);
    crl_store_unref(s);
    buf_fini(&der);
    buf_fini(&kept);
    world_free(&w);
}

static struct pair visit(struct tls_ctx *s, struct tls_ctx *c, SSL_SESSION *session)
{
    struct pair p = {.client = tls_new(c, SLICE("sip.contoso.example")), .server = tls_new(s, SLICE_NONE)};
    if (session)
        CHECK(SSL_set_session(p.client->ssl, session));
    tls_start(p.client, &p.to_server);
    pump(&p);
    return p;
}

/* New connections, whole and resumed. What is not known closes no door here. */
TEST(a_handshake)
{
    struct world w = world_new();
    struct tls_config server = server_config(), client = client_config();
    server.trust = w.hard;
    server.resume = true;
    client.key = w.partner.key;
    client.cert = w.partner.cert;
    struct tls_ctx *s = context(server), *c = context(client);
    SSL_SESSION *sessions[] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        struct pair p = visit(s, c, sessions[0]);
        CHECK(tls_is_up(p.server));
        CHECK_INT(tls_was_resumed(p.server), i);
        sessions[i] = SSL_get1_session(p.client->ssl);
        pair_fini(&p);
    }
    CHECK_INT(put(&w, LIST(REVOKED, .number = 1)), 0);
    for (int i = 0; i < 2; i++) {
        struct pair p = visit(s, c, i ? sessions[1] : NULL);
        CHECK(!tls_is_up(p.server));
        CHECK_STR(slice_str(tls_error(p.server)), "certificate was revoked by its issuer");
        CHECK_STR(slice_str(tls_error(p.client)), "certificate revoked (peer's alert)");
        pair_fini(&p);
        SSL_SESSION_free(sessions[i]);
    }
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    world_free(&w);
}

static void *asker(void *arg)
{
    struct world *w = arg;
    int64_t until;
    for (int i = 0; i < 2000; i++) {
        crl_store_epoch(w->store);
        int r = crypto_trust_judge(i % 2 ? w->soft : w->hard, w->partner.cert, w->now, &until);
        if (r != 0 && r != CRYPTO_VERIFY_REVOKED && r != CRYPTO_VERIFY_NO_LIST)
            return arg;
    }
    return NULL;
}

TEST(threads_ask_while_lists_come)
{
    enum { THREADS = 3, LISTS = 40 };
    struct world w = world_new();
    pthread_t threads[THREADS];
    void *failed;
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, asker, &w), 0);
    for (int i = 0; i < LISTS; i++) {
        CHECK_INT(i % 2 ? put(&w, LIST(REVOKED, .number = i + 1)) : put(&w, LIST(CLEAN, .number = i + 1)), 0);
        crl_store_due(w.store, w.now + PKI_HOUR, &w.want);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        CHECK(!failed);
    }
    CHECK_INT(judge_at(w.soft, w.partner.cert, w.now), CRYPTO_VERIFY_REVOKED);
    world_free(&w);
}

TEST(last)
{
    teardown();
}

TEST_MAIN(a_list_is_read, what_is_revoked_is_refused, a_forged_list_hides_nothing, a_list_of_another_part,
          nothing_known, who_is_not_asked, lists_that_cannot_be_fetched, several_addresses,
          lists_given_by_hand, what_is_given_is_judged_too, a_list_as_it_is_shown, the_dead_hold_up_no_others,
          when_it_is_asked_for_again, what_a_store_holds_is_bounded, kept_over_a_restart, a_handshake,
          threads_ask_while_lists_come, last)
