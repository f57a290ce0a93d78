/* Registration and authentication over sockets. */
#include "ground/base/test.h"
#include "ground/log/metric.h"

#include "service/front_end/front_end_for_test.h"

TEST(registers_with_each_algorithm)
{
    static const char *const algorithms[] = {"SHA-256", "MD5"};
    for (size_t i = 0; i < 2; i++) {
        struct agent a = agent_of("alice");
        CHECK(agent_connect(&a, &tcp_at, false));
        send_register_proven(&a, i ? "r-md5" : "r-sha", contact_row(&a), algorithms[i]);
        if (agent_got(&a, 200)) {
            CHECK(slice_search(sip_msg_value(&a.m, SIP_H_CONTACT), slice_str(a.contact)) != SIZE_MAX);
            CHECK(slice_ends(sip_msg_value(&a.m, SIP_H_CONTACT), SLICE(";expires=600")));
            CHECK(slice_ends(sip_msg_value(&a.m, SIP_H_DATE), SLICE(" GMT")));
        }
        /* the connection is known now */
        send_register(&a, i ? "r-md5" : "r-sha", "Expires: 0\r\nContact: *\r\n");
        if (agent_got(&a, 200))
            CHECK_INT(contacts_in(&a), 0);
        agent_fini(&a);
    }
}

/* A known connection needs no proof. */
static bool registers(struct agent *a, const char *rows)
{
    if (a->udp)
        send_register_proven(a, "rf", rows, NULL);
    else
        send_register(a, "rf", rows);
    return agent_got(a, 200);
}

TEST(a_refresh_needs_no_disk)
{
    const struct net_addr *const to[] = {&tcp_at, &udp_at};
    for (size_t i = 0; i < 2; i++) {
        struct agent a = agent_of("alice");
        char row[200];
        CHECK(sign_in(&a, to[i]));
        CHECK(registers(&a, contact_row(&a))); /* another Call-ID than that */
        int64_t refreshed = metric_read("front-end.refreshed"), taken = metric_read("front-end.registered");
        if (registers(&a, contact_row(&a))) {
            CHECK_INT(contacts_in(&a), 1);
            CHECK(slice_ends(sip_msg_value(&a.m, SIP_H_CONTACT), SLICE(";expires=600")));
        }
        CHECK_INT(metric_read("front-end.refreshed"), refreshed + 1);
        CHECK_INT(metric_read("front-end.registered"), taken + 1);
        snprintf(row, sizeof(row), "Contact: <%s>;expires=600;q=0.7\r\n", a.contact);
        CHECK(registers(&a, row)); /* another q is no mere refresh */
        CHECK(registers(&a, "Contact: *\r\nExpires: 0\r\n"));
        CHECK_INT(metric_read("front-end.refreshed"), refreshed + 1);
        agent_fini(&a);
    }
}

static bool was_stale(struct agent *a)
{
    return agent_got(a, 401) &&
           slice_search(sip_msg_value(&a->m, SIP_H_WWW_AUTHENTICATE), SLICE("stale=true")) != SIZE_MAX;
}

static void send_again(struct agent *a, const struct agent *like)
{
    char rows[1024];
    snprintf(rows, sizeof(rows), "%s%s", contact_row(like), like->proof);
    agent_request(a, &(struct outgoing){.method = "REGISTER",
                                        .uri = "sip:home.test",
                                        .to = "sip:alice@home.test",
                                        .call = "rf",
                                        .cseq = like->cseq,
                                        .more = rows});
}

/* Its 200 may have been lost: the same once more has the same answer and changes nothing. From elsewhere it
 * is a replay, and so it is when its place was taken by another. */
TEST(a_refresh_over_udp_that_comes_again)
{
    struct agent a = agent_of("alice"), thief = agent_of("alice");
    CHECK(sign_in(&a, &udp_at) && registers(&a, contact_row(&a)) && registers(&a, contact_row(&a)));
    CHECK(agent_connect(&thief, &udp_at, true));
    int64_t taken = metric_read("front-end.registered");
    send_again(&a, &a);
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 1);
    send_again(&thief, &a);
    CHECK(was_stale(&thief));
    CHECK_INT(metric_read("front-end.registered"), taken);
    struct agent before = a;
    CHECK(registers(&a, contact_row(&a)));
    send_again(&a, &before);
    CHECK(was_stale(&a));
    CHECK(registers(&a, "Contact: *\r\nExpires: 0\r\n"));
    agent_fini(&thief);
    agent_fini(&a);
}

TEST(user_name_with_domain)
{
    struct agent a = agent_of("alice");
    a.name = "alice@home.test";
    CHECK(agent_connect(&a, &tcp_at, false));
    send_register_proven(&a, "un", "", NULL);
    CHECK(agent_got(&a, 200));
    agent_fini(&a);
}

TEST(challenges_follow_the_pool)
{
    struct agent a = agent_of("nobody");
    CHECK(agent_connect(&a, &tcp_at, false));
    apply("  digest_algorithms: [MD5, SHA-256]\n");
    for (unsigned i = 0; i < 2; i++) { /* users who are and who are not get the same */
        send_register(&a, "ch", contact_row(&a));
        if (agent_got(&a, 401)) {
            const struct sip_header *h = sip_msg_header(&a.m, SIP_H_WWW_AUTHENTICATE);
            CHECK(h && slice_search(h->value, SLICE("algorithm=MD5")) != SIZE_MAX);
            h = h ? sip_msg_next(&a.m, h) : NULL;
            CHECK(h && slice_search(h->value, SLICE("algorithm=SHA-256")) != SIZE_MAX);
            CHECK(h && !sip_msg_next(&a.m, h));
        }
        a.user = "alice";
    }
    apply("");
    agent_fini(&a);
}

static void first_challenge(struct agent *a, const char *want, bool alone)
{
    send_register(a, "own", contact_row(a));
    if (!agent_got(a, 401))
        return;
    const struct sip_header *h = sip_msg_header(&a->m, SIP_H_WWW_AUTHENTICATE);
    if (!h || slice_search(h->value, slice_str(want)) == SIZE_MAX)
        TEST_DIAG("the first challenge for %s is not %s", a->user, want);
    CHECK(h && (sip_msg_next(&a->m, h) == NULL) == alone);
}

TEST(a_domain_and_a_user_may_have_orders_of_their_own)
{
    struct agent a = agent_of("alice"), n = agent_of("nobody");
    CHECK(agent_connect(&a, &tcp_at, false) && agent_connect(&n, &tcp_at, false));
    apply("  digests: [{of: alice@home.test, algorithms: [MD5]}, {of: home.test, algorithms: [MD5, "
          "SHA-256]}]\n");
    first_challenge(&a, "algorithm=MD5", true);
    first_challenge(&n, "algorithm=MD5", false);
    apply("");
    first_challenge(&n, "algorithm=SHA-256", false);
    agent_fini(&a);
    agent_fini(&n);
}

TEST(wrong_password_and_unknown_user)
{
    struct agent a = agent_of("alice"), n = agent_of("nobody");
    a.password = "wrong";
    CHECK(agent_connect(&a, &tcp_at, false) && agent_connect(&n, &tcp_at, false));
    send_register_proven(&a, "wp", contact_row(&a), NULL);
    if (agent_got(&a, 401))
        CHECK(slice_search(sip_msg_value(&a.m, SIP_H_WWW_AUTHENTICATE), SLICE("stale")) == SIZE_MAX);
    send_register_proven(&n, "uu", contact_row(&n), NULL);
    CHECK(agent_got(&n, 401));
    agent_fini(&a);
    agent_fini(&n);
}

/* Each request of this client is challenged: it never gets as far as a binding with a wrong Contact. */
TEST(stale_nonces_and_replayed_counts)
{
    struct agent a = agent_of("alice");
    struct crypto_hmac_key key;
    char text[NONCE_TEXT + 1];
    CHECK(agent_connect(&a, &udp_at, true));
    send_register_proven(&a, "sn", "", NULL);
    CHECK(agent_got(&a, 200));
    char *again = mem_strdup(a.proof);
    send_register(&a, "sn", again);
    CHECK(was_stale(&a));
    a.nc = 4;
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", "auth"));
    CHECK(agent_got(&a, 200));
    a.nc = 2;
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", "auth"));
    CHECK(agent_got(&a, 200));
    send_register(&a, "sn", again);
    CHECK(was_stale(&a));
    mem_free(again);
    /* old by age: made with the machine's own key */
    nonce_key_init(slice_mem(self.nonce_key, 32), &key);
    nonce_make(&key, SLICE("home.test"), loop_wall() - NONCE_LIFE_MS - 60000, text);
    snprintf(a.nonce, sizeof(a.nonce), "%s", text);
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", "auth"));
    CHECK(was_stale(&a));
    /* without qop a nonce serves once */
    CHECK(agent_take_challenge(&a, NULL));
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", NULL));
    CHECK(agent_got(&a, 200));
    send_register(&a, "sn", agent_proof(&a, "REGISTER", "sip:home.test", NULL));
    CHECK(was_stale(&a));
    agent_fini(&a);
}

/* RFC 3665 2.1 to 2.4, RFC 3261 10.3. */
TEST(contacts)
{
    struct agent a = agent_of("carol");
    CHECK(sign_in(&a, &tcp_at));
    CHECK_INT(contacts_in(&a), 1);
    send_register(&a, "co", "Contact: <sip:carol@b>;q=0.5;expires=100, <sip:carol@c>;expires=100\r\n");
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 3);
    send_register(&a, "co", "");
    if (agent_got(&a, 200)) {
        CHECK_INT(contacts_in(&a), 3);
        CHECK(slice_search(slice_str(a.text), SLICE("<sip:carol@b>;expires=100;q=0.500")) != SIZE_MAX);
    }
    send_register(&a, "co", "Contact: <sip:carol@d>\r\n");
    CHECK(agent_got_refusal(&a, 403, "front-end.too-many-contacts"));
    send_register(&a, "co", "Contact: <sip:carol@d>;expires=5\r\n");
    if (agent_got_refusal(&a, 423, "front-end.interval-too-brief"))
        CHECK_STR(sip_msg_value(&a.m, SIP_H_MIN_EXPIRES), "60");
    send_register(&a, "co", "Contact: *\r\n");
    CHECK(agent_got_refusal(&a, 400, "front-end.bad-star"));
    send_register(&a, "co", "Contact: <mailto:carol@d>\r\n");
    CHECK(agent_got_refusal(&a, 400, "front-end.bad-contact"));
    send_register(&a, "co", "Contact: <sip:carol@b>;expires=0\r\n");
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 2);
    send_register(&a, "co", "Require: gruu\r\nContact: <sip:carol@b>\r\n");
    if (agent_got_refusal(&a, 420, "front-end.bad-extension"))
        CHECK_STR(sip_msg_value(&a.m, SIP_H_UNSUPPORTED), "gruu");
    a.cseq = 1;
    send_register(&a, "co", "Contact: <sip:carol@c>;expires=200\r\n");
    CHECK(agent_got_refusal(&a, 500, "front-end.register-out-of-order"));
    a.cseq = 100;
    send_register(&a, "co", "Contact: *\r\nExpires: 0\r\n");
    if (agent_got(&a, 200))
        CHECK_INT(contacts_in(&a), 0);
    agent_fini(&a);
}

/* What is left of lost connections does not count against the limit. */
TEST(coming_back_many_times)
{
    struct agent a = agent_of("frank"), watcher = agent_of("alice");
    CHECK(sign_in(&watcher, &tcp_at));
    for (unsigned i = 0; i < 6; i++) {
        CHECK(sign_in(&a, &tcp_at));
        agent_hang_up(&a);
        wait_until_away(&watcher, "sip:frank@home.test");
    }
    CHECK(sign_in(&a, &tcp_at));
    send_register(&a, "back", "Contact: *\r\nExpires: 0\r\n");
    CHECK(agent_got(&a, 200));
    agent_fini(&a);
    agent_fini(&watcher);
}

TEST(whose_registration)
{
    struct agent a = agent_of("carol");
    CHECK(agent_connect(&a, &tcp_at, false));
    send_register(&a, "wr", "");
    CHECK(agent_got(&a, 401) && agent_take_challenge(&a, NULL));
    struct outgoing o = {.method = "REGISTER",
                         .uri = "sip:home.test",
                         .to = "sip:bob@home.test",
                         .call = "wr",
                         .more = agent_proof(&a, "REGISTER", "sip:home.test", "auth")};
    agent_request(&a, &o);
    CHECK(agent_got_refusal(&a, 403, "front-end.register-not-yours"));
    o.to = "sip:carol@elsewhere.test";
    agent_request(&a, &o);
    CHECK(agent_got_refusal(&a, 404, "front-end.no-such-domain"));
    agent_fini(&a);
}

TEST_MAIN(starts, registers_with_each_algorithm, a_refresh_needs_no_disk, a_refresh_over_udp_that_comes_again,
          user_name_with_domain, challenges_follow_the_pool, a_domain_and_a_user_may_have_orders_of_their_own,
          wrong_password_and_unknown_user, stale_nonces_and_replayed_counts, contacts, coming_back_many_times,
          whose_registration, stops)
