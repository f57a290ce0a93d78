/*
 * What RFC 3261 16.7-16.10 and RFC 4320 demand of responses, CANCEL and timer C, over real sockets.
 * doc/conformance.md names the tests by rule.
 */
#include "element/scene.h"

TEST(begins)
{
    proxy_begin();
    apply_usual();
}

/* ---------------------------------------------------------------- 16.7 responses */
TEST(provisional_responses_but_not_100)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "pr1", "pr1", END));
    arrives(0, "INVITE");
    answer(0, 100, "X-Below: 1\r\n");
    answer(0, 183, "X-Row: kept\r\n");
    while (receive(&scene.client) && scene.client.m.status == 100)
        CHECK(header(&scene.client.m, "X-Below").n == 0); /* our own, after 200 ms, is allowed */
    CHECK_INT(scene.client.m.status, 183);
    CHECK_STR(header(&scene.client.m, "X-Row"), "kept");
    CHECK_STR(scene.client.m.to_tag, "b1"); /* not ours to change */
    CHECK_STR(scene.client.m.branch, "z9hG4bKpr1");
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    scene_end();
}

/* A response with no Via but ours is for this element. */
TEST(response_without_further_via_ends_here)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "nv1", "nv1", END));
    struct sip_msg *m = arrives(0, "MESSAGE");
    struct sip_values v = sip_values(m, SIP_H_VIA);
    struct slice via;
    CHECK(sip_values_next(&v, &via));
    send_text(&scene.hops[0],
              "SIP/2.0 200 OK\r\nVia: " SLICE_FMT "\r\n" FROM_TO "Call-ID: nv1\r\nCSeq: 1 MESSAGE\r\n" END,
              SLICE_ARG(via));
    if (got(&scene.client, 502))
        CHECK(slice_search(header(&scene.client.m, "Reason"), SLICE("element.bad-response")) != SIZE_MAX);
    scene_end();
}

/* RFC 6026 section 7.3 and 8.9: what belongs to no transaction goes nowhere. */
TEST(stray_responses_are_dropped)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "sy1", "sy1", END));
    struct sip_msg *m = arrives(0, "MESSAGE");
    char branch[BRANCH_SIZE];
    snprintf(branch, sizeof(branch), SLICE_FMT, SLICE_ARG(m->branch));
    branch[strlen(branch) - 1] ^= 1; /* looks like ours, and is not */
    send_text(&scene.hops[0],
              "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP proxy.test;branch=%s\r\nVia: SIP/2.0/TCP "
              "client.test:5060;branch=z9hG4bKsy1\r\n" FROM_TO "Call-ID: sy1\r\nCSeq: 1 MESSAGE\r\n" END,
              branch);
    CHECK(silent(scene.client.fd, SILENCE_MS));
    answer(0, 202, "");
    CHECK(got(&scene.client, 202));
    scene_end();
}

static void fork_to_both(const char *call)
{
    plan.parallel = true;
    plan.q_second = 1;
    send_text(
        &scene.client,
        "INVITE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP client.test:5060;branch=z9hG4bK%s\r\n" FROM_TO
        "Call-ID: %s\r\nCSeq: 1 INVITE\r\n" END,
        call, call);
    arrives(0, "INVITE");
    arrives(1, "INVITE");
}

TEST(every_2xx_goes_up)
{
    scene_begin(2);
    fork_to_both("two");
    answer(0, 200, "X-From: 0\r\n");
    answer(1, 200, "X-From: 1\r\n");
    bool from[2] = {false, false};
    for (size_t i = 0; i < 2; i++)
        if (passes(&scene.client, 200))
            from[slice_eq(header(&scene.client.m, "X-From"), SLICE("1"))] = true;
    CHECK(from[0] && from[1]);
    scene_end();
}

TEST(a_final_response_cancels_what_is_pending)
{
    scene_begin(2);
    fork_to_both("pend");
    struct buf invite = {0};
    buf_append(&invite, scene.hops[1].m.branch);
    answer(1, 180, "");
    CHECK(passes(&scene.client, 180));
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    CHECK_SLICE(arrives(1, "CANCEL")->branch,
                buf_slice(&invite)); /* 16.6 step 8: the method is not part of it */
    buf_fini(&invite);
    scene_end();
}

TEST(nothing_but_2xx_after_the_final_response)
{
    scene_begin(2);
    fork_to_both("after");
    answer(1, 180, "");
    CHECK(passes(&scene.client, 180));
    struct sip_msg invite;
    struct arena kept = {0};
    sip_msg_copy(&scene.hops[1].m, &kept, &invite);
    answer(0, 200, "X-From: 0\r\n");
    CHECK(passes(&scene.client, 200));
    arrives(1, "CANCEL");
    scene.hops[1].m = invite;
    answer(1, 486, "");
    arrives(1, "ACK"); /* so it was taken */
    CHECK(silent(scene.client.fd, SILENCE_MS));
    arena_fini(&kept);
    scene_end();
}

TEST(a_6xx_ends_all_and_wins)
{
    scene_begin(2);
    fork_to_both("six");
    answer(1, 180, "");
    CHECK(passes(&scene.client, 180));
    struct peer ringing = {.fd = dup(scene.hops[1].fd), .text = slice_dup(scene.hops[1].m.text)};
    enum sip_flaw flaw;
    CHECK_INT(sip_msg_parse(slice_str(ringing.text), &ringing.arena, &ringing.m, &flaw), 0);
    answer(0, 603, "");
    arrives(0, "ACK");
    arrives(1, "CANCEL");
    answer(1, 200, "");
    respond(&ringing, 487, "b1");
    arrives(1, "ACK");
    CHECK(passes(&scene.client, 603));
    peer_fini(&ringing);
    scene_end();
}

/* After a 6xx no new branch: the second would be tried next. */
TEST(a_6xx_begins_no_branch)
{
    scene_begin(2);
    plan.parallel = true; /* but one after the other: q differs */
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "nb1", "nb1", END));
    arrives(0, "INVITE");
    answer(0, 600, "");
    arrives(0, "ACK");
    CHECK(passes(&scene.client, 600));
    CHECK(untouched(1));
    scene_end();
}

TEST(the_best_response_is_chosen)
{
    static const struct {
        const char *call;
        unsigned one, two, best;
    } rows[] = {
        {"be1", 404, 302, 302},
        {"be2", 500, 486, 486},
        {"be3", 486, 401, 401},
        {"be4", 503, 486, 486},
        {"be5", 408, 480, 480},
        {"be6", 503, 503, 500}, /* a 503 would keep the client from us altogether */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scene_begin(2);
        fork_to_both(rows[i].call);
        answer(0, rows[i].one, "");
        arrives(0, "ACK");
        answer(1, rows[i].two, "");
        arrives(1, "ACK");
        CHECK(passes(&scene.client, rows[i].best));
        scene_end();
    }
}

TEST(challenges_of_all_branches_are_collected)
{
    scene_begin(2);
    fork_to_both("chal");
    answer(0, 401, "WWW-Authenticate: Digest realm=\"one\", nonce=\"1\"\r\n");
    arrives(0, "ACK");
    answer(1, 407, "Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\"\r\n");
    arrives(1, "ACK");
    passes(&scene.client, 401);
    CHECK_STR(header(&scene.client.m, "WWW-Authenticate"), "Digest realm=\"one\", nonce=\"1\"");
    CHECK_STR(header(&scene.client.m, "Proxy-Authenticate"), "Digest realm=\"two\", nonce=\"2\"");
    scene_end();
}

TEST(bodies_and_headers_of_responses_stay)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "bo1", "bo1", END));
    struct sip_msg *m = arrives(0, "MESSAGE");
    struct slice rest = m->text;
    slice_cut(rest, '\n', &rest, &rest);
    struct buf vias = {0};
    for (const struct sip_header *h = sip_msg_header(m, SIP_H_VIA); h; h = sip_msg_next(m, h))
        buf_printf(&vias, "Via: " SLICE_FMT "\r\n", SLICE_ARG(h->value));
    send_text(&scene.hops[0],
              "SIP/2.0 299 As It Is\r\n" SLICE_FMT FROM_TO "Call-ID: bo1\r\nCSeq: 1 MESSAGE\r\n"
              "X-Odd.n'me!: it\r\nX-A: 1, 2\r\nContent-Length: 7\r\n\r\na\r\n\r\n\xff.",
              SLICE_ARG(buf_slice(&vias)));
    if (got(&scene.client, 299)) {
        CHECK(slice_ends(scene.client.m.start_line, SLICE("As It Is")));
        CHECK_STR(header(&scene.client.m, "X-A"), "1, 2");
        CHECK_STR(scene.client.m.body, "a\r\n\r\n\xff.");
        CHECK(slice_search(header(&scene.client.m, "Via"), SLICE("received=127.0.0.1")) != SIZE_MAX);
        CHECK(scene.client.m.to_tag.n == 0); /* no tag is added */
    }
    buf_fini(&vias);
    scene_end();
}

/* ---------------------------------------------------------------- 16.8 timer C */
TEST(timer_c_gives_up)
{
    apply_quick(1000);
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "tc1", "tc1", END));
    arrives(0, "INVITE");
    answer(0, 180, "");
    CHECK(passes(&scene.client, 180));
    arrives(0, "CANCEL"); /* it rang too long */
    CHECK(passes(&scene.client, 408));
    scene_end();
    apply_usual();
}

/* Each provisional response but 100 begins it anew: the call rings longer than timer C. */
TEST(timer_c_begins_anew)
{
    apply_quick(1500);
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "tc2", "tc2", END));
    arrives(0, "INVITE");
    for (int i = 0; i < 4; i++) {
        answer(0, 180, "");
        CHECK(passes(&scene.client, 180));
        CHECK(silent(scene.hops[0].fd, 500));
    }
    answer(0, 200, "");
    CHECK(passes(&scene.client, 200));
    scene_end();
    apply_usual();
}

/* ---------------------------------------------------------------- 16.9, 16.10, 9 */
TEST(cancel_waits_for_a_provisional_response)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("INVITE", "sip:bob@home.test", "ca1", "ca1", END));
    arrives(0, "INVITE");
    struct peer invite = {.fd = dup(scene.hops[0].fd), .text = slice_dup(scene.hops[0].m.text)};
    enum sip_flaw flaw;
    CHECK_INT(sip_msg_parse(slice_str(invite.text), &invite.arena, &invite.m, &flaw), 0);
    send_text(&scene.client, REQUEST("CANCEL", "sip:bob@home.test", "ca1", "ca1", END));
    if (passes(&scene.client, 200)) /* at once, whatever is beyond */
        CHECK(slice_eq(scene.client.m.cseq_method_name, SLICE("CANCEL")));
    CHECK(untouched(0)); /* 9.1 */
    respond(&invite, 180, "b1");
    CHECK_SLICE(arrives(0, "CANCEL")->branch, invite.m.branch);
    answer(0, 200, "");
    respond(&invite, 487, "b1");
    CHECK(passes(&scene.client, 180));
    CHECK(passes(&scene.client, 487));
    peer_fini(&invite);
    scene_end();
}

/* ---------------------------------------------------------------- RFC 4320 */
TEST(no_early_100_and_no_408_for_others_than_invite)
{
    apply_quick(60000);
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "nn1", "nn1", END));
    arrives(0, "MESSAGE");
    CHECK(silent(scene.client.fd, 3 * T1_MS));                   /* timer E is far from T2 */
    CHECK(readable(scene.client.fd) && got(&scene.client, 100)); /* from then on it may */
    CHECK(silent(scene.client.fd, 80 * T1_MS));                  /* past timer F: no 408 */
    scene_end();
    apply_usual();
}

TEST(a_408_from_below_is_not_passed_on)
{
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "nn2", "nn2", END));
    arrives(0, "MESSAGE");
    answer(0, 408, "");
    CHECK(silent(scene.client.fd, SILENCE_MS));
    scene_end();
}

/* The answer comes when the server transaction is over. */
TEST(a_late_answer_is_dropped)
{
    apply_quick(60000);
    scene_begin(1);
    send_text(&scene.client, REQUEST("MESSAGE", "sip:bob@home.test", "nn3", "nn3", END));
    arrives(0, "MESSAGE");
    CHECK(got(&scene.client, 100));
    CHECK(silent(scene.client.fd, 80 * T1_MS));
    answer(0, 200, "");
    CHECK(silent(scene.client.fd, SILENCE_MS));
    scene_end();
    apply_usual();
}

TEST(ends)
{
    proxy_end();
}

TEST_MAIN(begins, provisional_responses_but_not_100, response_without_further_via_ends_here,
          stray_responses_are_dropped, every_2xx_goes_up, a_final_response_cancels_what_is_pending,
          nothing_but_2xx_after_the_final_response, a_6xx_ends_all_and_wins, a_6xx_begins_no_branch,
          the_best_response_is_chosen, challenges_of_all_branches_are_collected,
          bodies_and_headers_of_responses_stay, timer_c_gives_up, timer_c_begins_anew,
          cancel_waits_for_a_provisional_response, no_early_100_and_no_408_for_others_than_invite,
          a_408_from_below_is_not_passed_on, a_late_answer_is_dropped, ends)
