#include "ground/crypto/tls.h"

#include "ground/base/test.h"

#include "ground/crypto/tls_pair_for_test.h"

#include <pthread.h>

/* The wall clock of this program, of OpenSSL too: time passes when a test says so. */
static _Atomic long hours_gone;

time_t time(time_t *ret)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += hours_gone * 3600;
    if (ret)
        *ret = ts.tv_sec;
    return ts.tv_sec;
}

static struct tls_config resuming(void)
{
    struct tls_config c = server_config();
    c.resume = true;
    c.scope = SLICE("external 192.0.2.1 5061");
    return c;
}

/* A connection that offers the session, if there is one, and leaves its own ticket in its place. */
static struct pair again(struct tls_ctx *s, struct tls_ctx *c, SSL_SESSION **session)
{
    struct pair p = {.client = tls_new(c, SLICE("sip.contoso.example")), .server = tls_new(s, SLICE_NONE)};
    if (*session)
        SSL_set_session(p.client->ssl, *session);
    tls_start(p.client, &p.to_server);
    pump(&p);
    if (!tls_is_up(p.client) || !tls_is_up(p.server))
        return p;
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(p.client->ssl);
    return p;
}

/* 1: resumed, 0: a full handshake, -1: none. The connection is lost then, without a word. */
static int visit(struct tls_ctx *s, struct tls_ctx *c, SSL_SESSION **session)
{
    struct pair p = again(s, c, session);
    bool up = tls_is_up(p.client) && tls_is_up(p.server);
    bool resumed = up && tls_was_resumed(p.server) && tls_was_resumed(p.client);
    if (up) {
        CHECK(crypto_cert_names_host(tls_peer_cert(p.server), SLICE("sip.fabrikam.example")));
        CHECK_INT(tls_peer_verdict(p.server), CRYPTO_VERIFY_OK);
        CHECK_INT(tls_write(p.client, SLICE("hello"), &p.to_server), TLS_OK);
        pump(&p);
        CHECK_STR(buf_slice(&p.at_server), "hello");
    }
    pair_fini(&p);
    return up ? resumed : -1;
}

TEST(a_session_is_resumed)
{
    setup();
    struct tls_ctx *s = context(resuming()), *c = context(client_config());
    SSL_SESSION *session = NULL;
    CHECK_INT(visit(s, c, &session), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(visit(s, c, &session), 1);
    /* the same ticket from two connections at once, and after both are gone */
    SSL_SESSION *same = session;
    SSL_SESSION_up_ref(same);
    struct pair p = again(s, c, &session);
    SSL_SESSION *other = same;
    struct pair q = again(s, c, &other);
    CHECK(tls_was_resumed(p.server) && tls_was_resumed(q.server));
    CHECK(tls_peer_cert(p.server) == tls_peer_cert(q.server));
    pair_fini(&p);
    pair_fini(&q);
    SSL_SESSION_free(other);
    SSL_SESSION_free(session);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
}

TEST(not_without_being_asked_for)
{
    struct tls_config plain = server_config(), optional = resuming();
    optional.peer = TLS_PEER_OPTIONAL;
    struct tls_config configs[] = {plain, optional};
    for (int i = 0; i < 2; i++) {
        struct tls_ctx *s = context(configs[i]), *c = context(client_config());
        SSL_SESSION *session = NULL;
        CHECK_INT(visit(s, c, &session), 0);
        CHECK_INT(visit(s, c, &session), 0);
        SSL_SESSION_free(session);
        tls_ctx_unref(s);
        tls_ctx_unref(c);
    }
}

/* Also where both contexts are one for OpenSSL's own rules (RFC 8446 4.6.1 leaves the binding to the server).
 */
TEST(another_listener_wants_a_full_handshake)
{
    struct tls_config there = resuming();
    there.scope = SLICE("external 192.0.2.2 5061");
    struct tls_ctx *here = context(resuming()), *other = context(there), *c = context(client_config());
    SSL_SESSION *session = NULL;
    CHECK_INT(visit(here, c, &session), 0);
    CHECK_INT(visit(other, c, &session), 0);
    CHECK_INT(visit(other, c, &session), 1);
    SSL_SESSION_free(session);
    tls_ctx_unref(here);
    tls_ctx_unref(other);
    tls_ctx_unref(c);
}

TEST(an_unchanged_revision_keeps_its_sessions)
{
    struct tls_config config = resuming();
    struct tls_ctx *first, *second, *third, *c = context(client_config());
    SSL_SESSION *session = NULL;
    CHECK_INT(tls_ctx_shared(&config, &first), 0);
    CHECK_INT(visit(first, c, &session), 0);
    struct crypto_trust *same = pki_trust(&ca); /* read again from the same material */
    config.trust = same;
    CHECK_INT(tls_ctx_shared(&config, &second), 0);
    CHECK(first == second);
    CHECK_INT(visit(second, c, &session), 1);
    tls_ctx_unref(first);
    tls_ctx_unref(second);
    /* the last one is gone, and its sessions with it */
    CHECK_INT(tls_ctx_shared(&config, &third), 0);
    CHECK_INT(visit(third, c, &session), 0);
    tls_ctx_unref(third);
    crypto_trust_unref(same);
    SSL_SESSION_free(session);
    tls_ctx_unref(c);
}

TEST(a_root_that_goes_takes_its_sessions)
{
    struct crypto_trust *narrow = pki_trust(&other_ca);
    struct tls_config before = resuming(), after = resuming();
    after.trust = narrow;
    struct tls_ctx *a, *b, *c = context(client_config());
    SSL_SESSION *session = NULL;
    CHECK_INT(tls_ctx_shared(&before, &a), 0);
    CHECK_INT(visit(a, c, &session), 0);
    CHECK_INT(tls_ctx_shared(&after, &b), 0);
    CHECK(a != b);
    CHECK(tls_ctx_same_identity(a, b));
    CHECK_INT(visit(b, c, &session), -1);
    CHECK_INT(visit(a, c, &session), 1);
    crypto_trust_unref(narrow);
    SSL_SESSION_free(session);
    tls_ctx_unref(a);
    tls_ctx_unref(b);
    tls_ctx_unref(c);
}

TEST(a_certificate_that_expired_meanwhile)
{
    struct slice dns = SLICE("sip.fabrikam.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    struct pki_id brief = pki_leaf(&ca, &names, pki_now() + 2 * PKI_HOUR);
    struct tls_config client = client_config();
    client.key = brief.key;
    client.cert = brief.cert;
    struct tls_ctx *s = context(resuming()), *c = context(client);
    SSL_SESSION *session = NULL;
    CHECK_INT(visit(s, c, &session), 0);
    hours_gone = 1;
    CHECK_INT(visit(s, c, &session), 1);
    hours_gone = 3; /* the ticket itself is good for four */
    struct pair p = again(s, c, &session);
    CHECK(!tls_is_up(p.server));
    CHECK_STR(slice_str(tls_error(p.server)), "certificate has expired");
    pair_fini(&p);
    hours_gone = 0;
    SSL_SESSION_free(session);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    pki_fini(&brief);
}

TEST(a_day_after_the_full_handshake)
{
    struct slice dns = SLICE("sip.fabrikam.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    struct pki_id lasting = pki_leaf(&ca, &names, pki_now() + 100 * PKI_HOUR);
    struct pki_id server = pki_leaf(&ca, &names, pki_now() + 100 * PKI_HOUR);
    struct tls_config client = client_config(), config = resuming();
    client.key = lasting.key;
    client.cert = lasting.cert;
    config.key = server.key;
    config.cert = server.cert;
    struct tls_ctx *s = context(config), *c = context(client);
    SSL_SESSION *session = NULL;
    CHECK_INT(visit(s, c, &session), 0);
    for (hours_gone = 1; hours_gone < 24;
         hours_gone += 3) /* not at the limit itself: real time passes, too */
        CHECK_INT(visit(s, c, &session), 1);
    CHECK_INT(visit(s, c, &session), 0); /* 25, three hours after the last one */
    hours_gone += 5;                     /* a ticket that nobody used for more than four hours */
    CHECK_INT(visit(s, c, &session), 0);
    hours_gone = 0;
    SSL_SESSION_free(session);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    pki_fini(&lasting);
    pki_fini(&server);
}

/* A handshake that breaks makes its session unusable (RFC 8446 6.2 would allow to keep it). */
TEST(a_made_up_ticket)
{
    struct tls_ctx *s = context(resuming()), *strange = context(resuming()), *c = context(client_config());
    SSL_SESSION *session = NULL;
    CHECK_INT(visit(strange, c, &session), 0);
    CHECK_INT(visit(s, c, &session), 0); /* nobody made it here, though the contexts are alike */
    SSL_SESSION_free(session);
    tls_ctx_unref(s);
    tls_ctx_unref(strange);
    tls_ctx_unref(c);
}

static struct tls_ctx *shared_server, *shared_client;

static void *visitor(void *arg)
{
    int *resumed = arg;
    SSL_SESSION *session = NULL;
    for (int i = 0; i < 20; i++)
        *resumed += visit(shared_server, shared_client, &session) == 1;
    SSL_SESSION_free(session);
    return NULL;
}

TEST(sessions_are_shared_by_threads)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    int resumed[THREADS] = {0};
    shared_server = context(resuming());
    shared_client = context(client_config());
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, visitor, &resumed[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(resumed[i], 19);
    }
    tls_ctx_unref(shared_server);
    tls_ctx_unref(shared_client);
}

/* ---------------------------------------------------------------- our side: what we dial */
static struct tls_config dialling(void)
{
    struct tls_config c = client_config();
    c.resume = true;
    c.scope = SLICE("external");
    return c;
}

#define PEER "192.0.2.1:5061 sip.contoso.example contoso.example"

/* 1: resumed, 0: a full handshake, -1: none. */
static int dial_as(struct tls_ctx *s, struct tls_ctx *c, const char *as)
{
    struct pair p = {.client = tls_new(c, SLICE("sip.contoso.example")), .server = tls_new(s, SLICE_NONE)};
    tls_resume_as(p.client, slice_str(as));
    tls_start(p.client, &p.to_server);
    pump(&p);
    bool up = tls_is_up(p.client) && tls_is_up(p.server), resumed = up && tls_was_resumed(p.client);
    if (up) {
        CHECK_INT(tls_was_resumed(p.server), resumed);
        CHECK(crypto_cert_names_host(tls_peer_cert(p.client), SLICE("sip.contoso.example")));
        CHECK_INT(tls_peer_verdict(p.client), CRYPTO_VERIFY_OK);
    }
    pair_fini(&p);
    return up ? resumed : -1;
}

TEST(what_we_dial_is_resumed)
{
    struct tls_ctx *s = context(resuming()), *c = context(dialling());
    CHECK_INT(dial_as(s, c, PEER), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(dial_as(s, c, PEER), 1); /* each by the ticket that the one before brought */
    /* another address, name or partner is somebody else */
    CHECK_INT(dial_as(s, c, "192.0.2.2:5061 sip.contoso.example contoso.example"), 0);
    CHECK_INT(dial_as(s, c, "192.0.2.1:5061 sip.contoso.example fabrikam.example"), 0);
    CHECK_INT(dial_as(s, c, PEER), 1);
    tls_ctx_unref(c);
    /* not where nobody asked for it */
    struct tls_config plain = dialling();
    plain.resume = false;
    c = context(plain);
    CHECK_INT(dial_as(s, c, PEER), 0);
    CHECK_INT(dial_as(s, c, PEER), 0);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
}

/* Two at once from one ticket would tell a listener that they are of one client (RFC 8446 appendix C.4). */
TEST(a_ticket_is_used_once)
{
    struct tls_ctx *s = context(resuming()), *c = context(dialling());
    CHECK_INT(dial_as(s, c, PEER), 0);
    struct pair both[2] = {0};
    for (int i = 0; i < 2; i++) {
        both[i].client = tls_new(c, SLICE("sip.contoso.example"));
        both[i].server = tls_new(s, SLICE_NONE);
        tls_resume_as(both[i].client, SLICE(PEER));
        tls_start(both[i].client, &both[i].to_server);
    }
    for (int i = 0; i < 2; i++) {
        pump(&both[i]);
        CHECK_INT(tls_was_resumed(both[i].client), i == 0);
        pair_fini(&both[i]);
    }
    tls_ctx_unref(s);
    tls_ctx_unref(c);
}

/* Our certificate, or whom we trust: another context, which knows no session; the same one keeps its own. */
TEST(what_we_are_decides_about_sessions)
{
    struct pki_id another = pki_host(&ca, "sip.fabrikam.example");
    struct crypto_trust *narrow = pki_trust(&other_ca);
    struct tls_config base = dialling(), renewed = dialling(), narrowed = dialling();
    renewed.key = another.key;
    renewed.cert = another.cert;
    narrowed.trust = narrow;
    struct tls_ctx *s = context(resuming()), *a, *same, *b, *n;
    CHECK_INT(tls_ctx_shared(&base, &a), 0);
    CHECK_INT(dial_as(s, a, PEER), 0);
    CHECK_INT(tls_ctx_shared(&base, &same), 0);
    CHECK_INT(dial_as(s, same, PEER), 1);
    CHECK_INT(tls_ctx_shared(&renewed, &b), 0);
    CHECK_INT(dial_as(s, b, PEER), 0);
    CHECK_INT(tls_ctx_shared(&narrowed, &n), 0);
    CHECK_INT(dial_as(s, n, PEER), -1);
    tls_ctx_unref(s);
    tls_ctx_unref(a);
    tls_ctx_unref(same);
    tls_ctx_unref(b);
    tls_ctx_unref(n);
    crypto_trust_unref(narrow);
    pki_fini(&another);
}

/* The server's certificate expires: its session is not offered, and the full handshake fails. */
TEST(a_server_that_expired_meanwhile)
{
    struct slice dns = SLICE("sip.contoso.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    struct pki_id brief = pki_leaf(&ca, &names, pki_now() + 2 * PKI_HOUR);
    struct tls_config config = resuming();
    config.key = brief.key;
    config.cert = brief.cert;
    struct tls_ctx *s = context(config), *c = context(dialling());
    CHECK_INT(dial_as(s, c, PEER), 0);
    hours_gone = 1;
    CHECK_INT(dial_as(s, c, PEER), 1);
    hours_gone = 3;
    CHECK_INT(dial_as(s, c, PEER), -1);
    hours_gone = 0;
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    pki_fini(&brief);
}

/* However often it was resumed since. */
TEST(a_day_after_our_full_handshake)
{
    struct slice dns = SLICE("sip.contoso.example");
    struct crypto_request_names names = {.common_name = dns, .dns = &dns, .n_dns = 1};
    struct pki_id lasting = pki_leaf(&ca, &names, pki_now() + 100 * PKI_HOUR);
    struct tls_config config = resuming(), client = dialling();
    config.key = client.key = lasting.key;
    config.cert = client.cert = lasting.cert;
    struct tls_ctx *s = context(config), *c = context(client);
    CHECK_INT(dial_as(s, c, PEER), 0);
    for (hours_gone = 1; hours_gone < 24; hours_gone += 3)
        CHECK_INT(dial_as(s, c, PEER), 1);
    struct pair p = {.client = tls_new(c, SLICE("sip.contoso.example")), .server = tls_new(s, SLICE_NONE)};
    tls_resume_as(p.client, SLICE(PEER));
    tls_start(p.client, &p.to_server);
    CHECK(!p.client->resumed); /* it is not offered, whatever the server would say */
    pump(&p);
    CHECK(tls_is_up(p.client) && !tls_was_resumed(p.client));
    pair_fini(&p);
    CHECK_INT(dial_as(s, c, PEER), 1);
    hours_gone = 0;
    tls_ctx_unref(s);
    tls_ctx_unref(c);
    pki_fini(&lasting);
}

/* Of many peers the one that came first is forgotten. */
TEST(sessions_of_servers_are_bounded)
{
    enum { MOST = 1024 };
    struct tls_ctx *s = context(resuming()), *c = context(dialling());
    char as[32];
    for (int i = 0; i <= MOST; i++) {
        snprintf(as, sizeof(as), "peer %d", i);
        CHECK_INT(dial_as(s, c, as), 0);
    }
    CHECK_INT(dial_as(s, c, as), 1);
    CHECK_INT(dial_as(s, c, "peer 0"), 0);
    tls_ctx_unref(s);
    tls_ctx_unref(c);
}

static void *dialler(void *arg)
{
    int *resumed = arg;
    for (int i = 0; i < 20; i++)
        *resumed += dial_as(shared_server, shared_client, PEER) == 1;
    return NULL;
}

/* Each is by a ticket or not, never by one that another thread has taken. */
TEST(threads_share_what_servers_gave)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    int resumed[THREADS] = {0}, sum = 0;
    shared_server = context(resuming());
    shared_client = context(dialling());
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, dialler, &resumed[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += resumed[i];
    }
    CHECK(sum >= THREADS * 20 - THREADS); /* at most so many began without a ticket */
    tls_ctx_unref(shared_server);
    tls_ctx_unref(shared_client);
}

TEST(last)
{
    teardown();
}

TEST_MAIN(a_session_is_resumed, not_without_being_asked_for, another_listener_wants_a_full_handshake,
          an_unchanged_revision_keeps_its_sessions, a_root_that_goes_takes_its_sessions,
          a_certificate_that_expired_meanwhile, a_day_after_the_full_handshake, a_made_up_ticket,
          sessions_are_shared_by_threads, what_we_dial_is_resumed, a_ticket_is_used_once,
          what_we_are_decides_about_sessions, a_server_that_expired_meanwhile, a_day_after_our_full_handshake,
          sessions_of_servers_are_bounded, threads_share_what_servers_gave, last)
