#include "machine/siptxn/siptxn.h"

#include "ground/base/test.h"

enum {
    SEND = SIPTXN_DO_SEND,
    ACK = SIPTXN_DO_ACK,
    PASS = SIPTXN_DO_PASS,
    EXPIRED = SIPTXN_DO_TIMEOUT,
    END = SIPTXN_DO_END,
    TRYING = SIPTXN_DO_TRYING,
};
#define NEVER UINT64_MAX

static uint64_t now;

static struct siptxn begin(enum siptxn_kind kind, bool reliable)
{
    struct siptxn t;
    bool client = kind == SIPTXN_INVITE_CLIENT || kind == SIPTXN_CLIENT;
    now = 1000000;
    CHECK_INT(siptxn_start(&t, kind, reliable, &siptxn_rfc_times, now), client ? SEND : 0);
    return t;
}

/* The next deadline is `ms` after now; go there and let it fire. */
static unsigned fire(struct siptxn *t, uint64_t ms)
{
    CHECK_INT(siptxn_deadline(t) - now, ms);
    CHECK_INT(siptxn_timeout(t, siptxn_deadline(t) - 1), 0);
    now = siptxn_deadline(t);
    return siptxn_timeout(t, now);
}

/* Nothing happens to a terminated transaction. */
static void check_dead(struct siptxn *t)
{
    CHECK_INT(t->state, SIPTXN_TERMINATED);
    CHECK_INT(siptxn_deadline(t), NEVER);
    for (unsigned status = 100; status < 700; status += 100) {
        CHECK_INT(siptxn_response(t, now, status), 0);
        CHECK_INT(siptxn_send(t, now, status), 0);
    }
    CHECK_INT(siptxn_request(t, now), 0);
    CHECK_INT(siptxn_ack(t, now), 0);
    CHECK_INT(siptxn_transport_failed(t, now), 0);
    CHECK_INT(siptxn_timeout(t, NEVER - 1), 0);
}

/* --- INVITE client (RFC 3261 17.1.1, RFC 6026 7.2) --- */

TEST(invite_client_timers_a_and_b)
{
    struct siptxn t = begin(SIPTXN_INVITE_CLIENT, false);
    uint64_t start = now;
    CHECK_INT(t.state, SIPTXN_CALLING);
    for (uint64_t step = 500; step <= 16000; step *= 2)
        CHECK_INT(fire(&t, step), SEND); /* at 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s: no bound but B */
    CHECK_INT(fire(&t, 500), EXPIRED | END);
    CHECK_INT(now - start, 32000);
    check_dead(&t);

    t = begin(SIPTXN_INVITE_CLIENT, true);
    CHECK_INT(fire(&t, 32000), EXPIRED | END);
    check_dead(&t);
}

TEST(invite_client_provisional_stops_timers)
{
    struct siptxn t = begin(SIPTXN_INVITE_CLIENT, false);
    CHECK_INT(siptxn_response(&t, now, 100), PASS);
    CHECK_INT(t.state, SIPTXN_PROCEEDING);
    CHECK_INT(siptxn_deadline(&t), NEVER);
    CHECK_INT(siptxn_response(&t, now, 180), PASS);
    CHECK_INT(siptxn_response(&t, now, 99), 0);
    CHECK_INT(siptxn_response(&t, now, 700), 0);
    CHECK_INT(siptxn_transport_failed(&t, now), 0); /* nothing is being sent */
    CHECK_INT(siptxn_response(&t, now, 200), PASS);
    CHECK_INT(t.state, SIPTXN_ACCEPTED);
}

TEST(invite_client_accepted)
{
    for (int reliable = 0; reliable < 2; reliable++) {
        struct siptxn t = begin(SIPTXN_INVITE_CLIENT, reliable);
        CHECK_INT(siptxn_response(&t, now, 200), PASS);
        CHECK_INT(t.state, SIPTXN_ACCEPTED);
        now += 500;
        CHECK_INT(siptxn_response(&t, now, 200), PASS); /* again, or of another branch */
        CHECK_INT(siptxn_response(&t, now, 486), 0);
        CHECK_INT(siptxn_response(&t, now, 180), 0);
        CHECK_INT(siptxn_transport_failed(&t, now), 0);
        CHECK_INT(fire(&t, 31500), END); /* M */
        check_dead(&t);
    }
}

TEST(invite_client_completed)
{
    for (int proceeding = 0; proceeding < 2; proceeding++) {
        struct siptxn t = begin(SIPTXN_INVITE_CLIENT, false);
        if (proceeding)
            siptxn_response(&t, now, 183);
        CHECK_INT(siptxn_response(&t, now, 486), ACK | PASS);
        CHECK_INT(t.state, SIPTXN_COMPLETED);
        now += 500;
        CHECK_INT(siptxn_response(&t, now, 486), ACK);
        CHECK_INT(siptxn_response(&t, now, 180), 0);
        CHECK_INT(siptxn_response(&t, now, 200), 0);
        CHECK_INT(fire(&t, 31500), END); /* D */
        check_dead(&t);

        t = begin(SIPTXN_INVITE_CLIENT, true);
        if (proceeding)
            siptxn_response(&t, now, 183);
        CHECK_INT(siptxn_response(&t, now, 302), ACK | PASS | END); /* D is 0 */
        check_dead(&t);
    }
}

TEST(invite_client_undelivered)
{
    struct siptxn t = begin(SIPTXN_INVITE_CLIENT, true);
    CHECK_INT(siptxn_transport_failed(&t, now), END);
    check_dead(&t);
    t = begin(SIPTXN_INVITE_CLIENT, false);
    siptxn_response(&t, now, 500);
    CHECK_INT(siptxn_transport_failed(&t, now), END); /* of the ACK */
    check_dead(&t);
}

/* --- other clients (17.1.2) --- */

TEST(client_timers_e_and_f)
{
    static const uint64_t steps[] = {500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000};
    struct siptxn t = begin(SIPTXN_CLIENT, false);
    uint64_t start = now;
    CHECK_INT(t.state, SIPTXN_TRYING);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        CHECK_INT(fire(&t, steps[i]), SEND); /* the last one at 31.5 s */
    CHECK_INT(fire(&t, 500), EXPIRED | END);
    CHECK_INT(now - start, 32000);
    check_dead(&t);

    t = begin(SIPTXN_CLIENT, true);
    CHECK_INT(fire(&t, 32000), EXPIRED | END);
    check_dead(&t);
}

TEST(client_proceeding)
{
    struct siptxn t = begin(SIPTXN_CLIENT, false);
    uint64_t start = now;
    CHECK_INT(fire(&t, 500), SEND);
    CHECK_INT(siptxn_response(&t, now, 100), PASS);
    CHECK_INT(t.state, SIPTXN_PROCEEDING);
    CHECK_INT(siptxn_response(&t, now, 100), PASS);
    CHECK_INT(fire(&t, 1000), SEND); /* E as it ran, then T2 */
    for (int i = 0; i < 7; i++)
        CHECK_INT(fire(&t, 4000), SEND);
    now = start + 32000; /* F goes on */
    CHECK_INT(siptxn_timeout(&t, now), EXPIRED | END);
    check_dead(&t);

    t = begin(SIPTXN_CLIENT, true);
    siptxn_response(&t, now, 100);
    CHECK_INT(fire(&t, 32000), EXPIRED | END);
}

TEST(client_completed)
{
    for (unsigned status = 200; status < 700; status += 100) {
        for (int proceeding = 0; proceeding < 2; proceeding++) {
            struct siptxn t = begin(SIPTXN_CLIENT, false);
            if (proceeding)
                siptxn_response(&t, now, 100);
            CHECK_INT(siptxn_response(&t, now, status), PASS);
            CHECK_INT(t.state, SIPTXN_COMPLETED);
            CHECK_INT(siptxn_response(&t, now, status), 0);
            CHECK_INT(siptxn_transport_failed(&t, now), 0);
            CHECK_INT(fire(&t, 5000), END); /* K */
            check_dead(&t);

            t = begin(SIPTXN_CLIENT, true);
            if (proceeding)
                siptxn_response(&t, now, 100);
            CHECK_INT(siptxn_response(&t, now, status), PASS | END);
            check_dead(&t);
        }
    }
}

TEST(client_undelivered)
{
    for (int proceeding = 0; proceeding < 2; proceeding++) {
        struct siptxn t = begin(SIPTXN_CLIENT, false);
        if (proceeding)
            siptxn_response(&t, now, 100);
        CHECK_INT(siptxn_transport_failed(&t, now), END);
        check_dead(&t);
    }
}

/* Attempts of a list of targets end well before the transaction's 32 s. */
TEST(client_own_time)
{
    struct siptxn_times times = siptxn_rfc_times;
    struct siptxn t;
    times.timer_b = 4000;
    times.timer_f = 3000;
    now = 0;
    siptxn_start(&t, SIPTXN_INVITE_CLIENT, true, &times, now);
    CHECK_INT(fire(&t, 4000), EXPIRED | END);
    siptxn_start(&t, SIPTXN_CLIENT, true, &times, now);
    CHECK_INT(fire(&t, 3000), EXPIRED | END);
}

/* --- INVITE server (17.2.1, RFC 6026 7.1) --- */

TEST(invite_server_trying)
{
    struct siptxn t = begin(SIPTXN_INVITE_SERVER, false);
    CHECK_INT(t.state, SIPTXN_PROCEEDING);
    CHECK_INT(siptxn_request(&t, now), 0); /* nothing to repeat yet */
    CHECK_INT(fire(&t, 200), TRYING);
    CHECK_INT(t.state, SIPTXN_PROCEEDING);
    CHECK_INT(siptxn_deadline(&t), NEVER);
    CHECK_INT(siptxn_request(&t, now), SEND);
    CHECK_INT(siptxn_ack(&t, now), 0);

    t = begin(SIPTXN_INVITE_SERVER, false);
    CHECK_INT(siptxn_send(&t, now + 100, 180), SEND);
    CHECK_INT(siptxn_deadline(&t), NEVER); /* the user was fast enough */
    CHECK_INT(siptxn_send(&t, now + 150, 183), SEND);
    CHECK_INT(siptxn_request(&t, now + 500), SEND);
    CHECK(!t.sent_final);
    CHECK_INT(siptxn_transport_failed(&t, now), 0); /* RFC 6026 8.8 */
    CHECK_INT(t.state, SIPTXN_PROCEEDING);
}

TEST(invite_server_accepted)
{
    for (int reliable = 0; reliable < 2; reliable++) {
        struct siptxn t = begin(SIPTXN_INVITE_SERVER, reliable);
        CHECK_INT(siptxn_send(&t, now, 200), SEND);
        CHECK_INT(t.state, SIPTXN_ACCEPTED);
        CHECK(t.sent_final);
        CHECK_INT(siptxn_request(&t, now), 0); /* absorbed: the user repeats the 2xx */
        CHECK_INT(siptxn_send(&t, now, 200), SEND);
        CHECK_INT(siptxn_send(&t, now, 180), 0);
        CHECK_INT(siptxn_send(&t, now, 486), 0);
        CHECK_INT(siptxn_ack(&t, now), PASS);
        CHECK_INT(siptxn_ack(&t, now), PASS);
        CHECK_INT(siptxn_transport_failed(&t, now), 0);
        CHECK_INT(fire(&t, 32000), END); /* L */
        check_dead(&t);
    }
}

TEST(invite_server_timers_g_and_h)
{
    static const uint64_t steps[] = {500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000};
    struct siptxn t = begin(SIPTXN_INVITE_SERVER, false);
    CHECK_INT(siptxn_send(&t, now, 486), SEND);
    CHECK_INT(t.state, SIPTXN_COMPLETED);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        CHECK_INT(fire(&t, steps[i]), SEND);
    CHECK_INT(siptxn_request(&t, now), SEND);
    CHECK_INT(siptxn_send(&t, now, 200), 0);
    CHECK_INT(siptxn_send(&t, now, 486), 0);
    CHECK_INT(fire(&t, 500), EXPIRED | END);
    check_dead(&t);

    t = begin(SIPTXN_INVITE_SERVER, true);
    CHECK_INT(siptxn_send(&t, now, 302), SEND);
    CHECK_INT(fire(&t, 32000), EXPIRED | END);
    check_dead(&t);
}

TEST(invite_server_confirmed)
{
    struct siptxn t = begin(SIPTXN_INVITE_SERVER, false);
    siptxn_send(&t, now, 486);
    CHECK_INT(fire(&t, 500), SEND);
    CHECK_INT(siptxn_ack(&t, now), 0);
    CHECK_INT(t.state, SIPTXN_CONFIRMED);
    CHECK_INT(siptxn_ack(&t, now), 0);
    CHECK_INT(siptxn_request(&t, now), 0);
    CHECK_INT(siptxn_send(&t, now, 486), 0);
    CHECK_INT(fire(&t, 5000), END); /* I */
    check_dead(&t);

    t = begin(SIPTXN_INVITE_SERVER, true);
    siptxn_send(&t, now, 486);
    CHECK_INT(siptxn_ack(&t, now), END);
    check_dead(&t);
}

/* --- other servers (17.2.2, RFC 4320 4.1) --- */

TEST(server_trying)
{
    for (int reliable = 0; reliable < 2; reliable++) {
        struct siptxn t = begin(SIPTXN_SERVER, reliable);
        CHECK_INT(t.state, SIPTXN_TRYING);
        CHECK_INT(siptxn_request(&t, now), 0);
        CHECK_INT(siptxn_send(&t, now + 3499, 100), 0);
        CHECK_INT(siptxn_send(&t, now + 3499, 180), 0);
        CHECK_INT(t.state, SIPTXN_TRYING);
        CHECK_INT(fire(&t, 3500), TRYING);
        CHECK_INT(t.state, SIPTXN_PROCEEDING);
        CHECK_INT(siptxn_deadline(&t), NEVER);
        CHECK_INT(siptxn_request(&t, now), SEND);
        CHECK_INT(siptxn_send(&t, now, 100), SEND);
        CHECK_INT(siptxn_send(&t, now, 180), 0); /* never */
        CHECK_INT(siptxn_ack(&t, now), 0);
        CHECK_INT(siptxn_transport_failed(&t, now), 0);
        CHECK_INT(siptxn_send(&t, now, 200), reliable ? SEND | END : SEND);
    }
    struct siptxn t = begin(SIPTXN_SERVER, false);
    CHECK_INT(siptxn_send(&t, now + 3500, 100), SEND); /* due, and the user comes before the timer */
    CHECK_INT(t.state, SIPTXN_PROCEEDING);
    CHECK_INT(siptxn_deadline(&t), NEVER);
}

TEST(server_completed)
{
    for (unsigned status = 200; status < 700; status += 100) {
        struct siptxn t = begin(SIPTXN_SERVER, false);
        CHECK_INT(siptxn_send(&t, now, status), SEND);
        CHECK_INT(t.state, SIPTXN_COMPLETED);
        CHECK(t.sent_final);
        CHECK_INT(siptxn_request(&t, now), SEND);
        CHECK_INT(siptxn_send(&t, now, status), 0);
        CHECK_INT(fire(&t, 32000), END); /* J */
        check_dead(&t);

        t = begin(SIPTXN_SERVER, true);
        CHECK_INT(siptxn_send(&t, now, status), SEND | END);
        check_dead(&t);
    }
}

TEST(wrong_side)
{
    struct siptxn t = begin(SIPTXN_CLIENT, false);
    CHECK_INT(siptxn_send(&t, now, 200), 0);
    CHECK_INT(siptxn_request(&t, now), 0);
    CHECK_INT(siptxn_ack(&t, now), 0);
    t = begin(SIPTXN_SERVER, false);
    CHECK_INT(siptxn_response(&t, now, 200), 0);
    CHECK_INT(t.state, SIPTXN_TRYING);
}

TEST(names)
{
    CHECK_STR(slice_str(siptxn_state_name(SIPTXN_CALLING)), "CALLING");
    CHECK_STR(slice_str(siptxn_state_name(SIPTXN_TERMINATED)), "TERMINATED");
    CHECK_STR(slice_str(siptxn_state_name(SIPTXN_STATE_COUNT)), "");
}

/* --- a client and a server over a lossy link --- */

enum { LINK_DELAY = 20, QUEUE = 64 };
enum what { REQUEST, RESPONSE, THE_ACK };
struct packet {
    uint64_t due;
    enum what what;
    unsigned status;
};
struct link {
    struct siptxn client, server;
    bool invite, server_began, reliable;
    uint64_t drops; /* bit n: packet n is lost, repeating every 64 */
    unsigned sent, last, final;
    uint64_t answer_at;  /* when the user behind the server answers */
    uint64_t resend_2xx; /* the user's repetition of a 2xx (13.3.1.4) */
    uint64_t resend_step;
    bool acked, got_final, timed_out;
    struct packet queue[QUEUE];
    size_t queued;
};

static void transmit(struct link *l, enum what what, unsigned status)
{
    bool lost = !l->reliable && (l->drops >> (l->sent++ % 64) & 1);
    if (lost)
        return;
    CHECK(l->queued < QUEUE);
    if (l->queued < QUEUE)
        l->queue[l->queued++] = (struct packet){now + LINK_DELAY, what, status};
}

static void do_client(struct link *l, unsigned actions, unsigned status)
{
    if (actions & SEND)
        transmit(l, REQUEST, 0);
    if (actions & ACK)
        transmit(l, THE_ACK, 0);
    if ((actions & PASS) && status >= 200) {
        l->got_final = true;
        if (l->invite && status < 300)
            transmit(l, THE_ACK, 0); /* by the user (13.2.2.4) */
    }
    l->timed_out = l->timed_out || (actions & EXPIRED);
}

static void do_server(struct link *l, unsigned actions)
{
    if (actions & TRYING)
        l->last = 100;
    if (actions & (SEND | TRYING))
        transmit(l, RESPONSE, l->last);
    if (actions & PASS)
        l->acked = true;
}

static void server_answers(struct link *l)
{
    l->last = l->final;
    do_server(l, siptxn_send(&l->server, now, l->final));
    l->answer_at = NEVER;
    if (l->invite && l->final < 300 && !l->reliable) {
        l->resend_step = 500;
        l->resend_2xx = now + l->resend_step;
    }
}

static void arrive(struct link *l, struct packet p)
{
    switch (p.what) {
    case RESPONSE:
        do_client(l, siptxn_response(&l->client, now, p.status), p.status);
        break;
    case THE_ACK:
        do_server(l, siptxn_ack(&l->server, now));
        break;
    case REQUEST:
        if (l->server_began) {
            do_server(l, siptxn_request(&l->server, now));
            break;
        }
        l->server_began = true;
        l->answer_at = now + l->answer_at;
        siptxn_start(&l->server, l->invite ? SIPTXN_INVITE_SERVER : SIPTXN_SERVER, l->reliable,
                     &siptxn_rfc_times, now);
        break;
    }
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t link_deadline(const struct link *l)
{
    uint64_t first = siptxn_deadline(&l->client);
    for (size_t i = 0; i < l->queued; i++)
        first = earliest(first, l->queue[i].due);
    if (l->server_began)
        first = earliest(first, earliest(siptxn_deadline(&l->server), earliest(l->answer_at, l->resend_2xx)));
    return first;
}

static void link_step(struct link *l)
{
    for (size_t i = 0; i < l->queued;) {
        struct packet p = l->queue[i];
        if (p.due > now) {
            i++;
            continue;
        }
        memmove(l->queue + i, l->queue + i + 1, (--l->queued - i) * sizeof(p));
        arrive(l, p);
    }
    do_client(l, siptxn_timeout(&l->client, now), 0);
    if (!l->server_began)
        return;
    do_server(l, siptxn_timeout(&l->server, now));
    if (l->answer_at <= now)
        server_answers(l);
    if (l->resend_2xx <= now) {
        l->resend_step = earliest(2 * l->resend_step, 4000);
        l->resend_2xx = now + l->resend_step;
        if (!l->acked)
            do_server(l, siptxn_send(&l->server, now, l->final));
        if (l->acked || l->server.state == SIPTXN_TERMINATED)
            l->resend_2xx = NEVER;
    }
}

/* Runs until nothing is left to do; both sides must have ended, and in time. */
static void run_link(bool invite, bool reliable, unsigned final, uint64_t answer_after, uint64_t drops,
                     struct link *l)
{
    uint64_t start;
    *l = (struct link){.invite = invite,
                       .reliable = reliable,
                       .final = final,
                       .drops = drops,
                       .answer_at = answer_after,
                       .resend_2xx = NEVER};
    now = start = 5000;
    do_client(l,
              siptxn_start(&l->client, invite ? SIPTXN_INVITE_CLIENT : SIPTXN_CLIENT, reliable,
                           &siptxn_rfc_times, now),
              0);
    for (int steps = 0; link_deadline(l) != NEVER; steps++) {
        if (steps > 1000) {
            TEST_DIAG("does not come to rest, drops %#llx", (unsigned long long)drops);
            return;
        }
        now = link_deadline(l);
        link_step(l);
    }
    CHECK_INT(l->client.state, SIPTXN_TERMINATED);
    if (l->server_began)
        CHECK_INT(l->server.state, SIPTXN_TERMINATED);
    /* request lost until B or F, then the longest wait of the other side (H, L or J, and I) */
    CHECK(now - start <= answer_after + 32000 + 32000 + 5000 + 10 * LINK_DELAY);
}

static const uint64_t some_drops[] = {
    0x0,
    0x1,
    0x2,
    0x3,
    0x4,
    0x5,
    0x7,
    0xf,
    0x15,
    0x2a,
    0x33,
    0xcc,
    0x5555555555555555,
    0xaaaaaaaaaaaaaaaa,
    0x6db6db6db6db6db6,
    0x9249249249249249,
    0x7777777777777777,
    0xff,
    0xffff,
};

TEST(lossy_link)
{
    static const unsigned finals[] = {200, 302, 486, 503, 603};
    static const uint64_t answers[] = {0, 100, 2000, 10000};
    struct link l;
    for (unsigned n = 0; n < 2 * 2 * 5 * 4; n++) {
        bool invite = n & 1, reliable = n & 2;
        unsigned final = finals[n / 4 % 5];
        for (size_t d = 0; d < sizeof(some_drops) / sizeof(some_drops[0]); d++) {
            run_link(invite, reliable, final, answers[n / 20], some_drops[d], &l);
            CHECK(l.got_final || l.timed_out);
            if (reliable || some_drops[d] == 0)
                CHECK(l.got_final && !l.timed_out && l.server.sent_final);
            if (reliable && invite && final == 200)
                CHECK(l.acked);
        }
    }
}

TEST(dead_link)
{
    struct link l;
    for (int invite = 0; invite < 2; invite++) {
        run_link(invite, false, 200, 0, UINT64_MAX, &l);
        CHECK(l.timed_out && !l.server_began && !l.got_final);
        CHECK_INT(now, 5000 + 32000);
        CHECK_INT(l.sent, invite ? 7 : 11); /* RFC 3261 17.1.1.2 and 17.1.2.2 */
        /* the request arrives, no response ever does */
        run_link(invite, false, 486, 0, UINT64_MAX - 1, &l);
        CHECK(l.timed_out && l.server_began && !l.got_final);
    }
}

TEST_MAIN(invite_client_timers_a_and_b, invite_client_provisional_stops_timers, invite_client_accepted,
          invite_client_completed, invite_client_undelivered, client_timers_e_and_f, client_proceeding,
          client_completed, client_undelivered, client_own_time, invite_server_trying, invite_server_accepted,
          invite_server_timers_g_and_h, invite_server_confirmed, server_trying, server_completed, wrong_side,
          names, lossy_link, dead_link)
