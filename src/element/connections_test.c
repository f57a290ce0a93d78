/* Connections to one partner: never more than are allowed, over all workers and addresses. */
#include "element/targets_for_test.h"

enum { CLIENTS = 8, SERVERS = 3 };
static int listeners[SERVERS];
static struct peer accepted[CLIENTS * SERVERS];
static size_t n_accepted;

/* Serves whatever comes until `wanted` messages were answered; how many came by each listener's connections.
 */
static unsigned serve(unsigned wanted, unsigned by[SERVERS], int of[CLIENTS * SERVERS])
{
    unsigned served_now = 0;
    while (served_now < wanted) {
        struct pollfd p[SERVERS + CLIENTS * SERVERS];
        for (size_t i = 0; i < SERVERS; i++)
            p[i] = (struct pollfd){listeners[i], POLLIN, 0};
        for (size_t i = 0; i < n_accepted; i++)
            p[SERVERS + i] = (struct pollfd){accepted[i].fd, POLLIN, 0};
        size_t had = n_accepted;
        if (poll(p, SERVERS + n_accepted, WAIT_MS) <= 0)
            break;
        for (int i = 0; i < SERVERS; i++)
            if (p[i].revents & POLLIN && n_accepted < CLIENTS * SERVERS) {
                accepted[n_accepted] = (struct peer){.fd = accept(listeners[i], NULL, NULL)};
                of[n_accepted++] = i;
            }
        for (size_t i = 0; i < had; i++)
            while (p[SERVERS + i].revents && accepted[i].fd >= 0) {
                if (!receive(&accepted[i])) {
                    close(accepted[i].fd);
                    accepted[i].fd = -1;
                    break;
                }
                respond(&accepted[i], 200, "t");
                by[of[i]]++;
                served_now++;
                if (buf_len(&accepted[i].in) == 0)
                    break;
            }
    }
    return served_now;
}

static size_t still_open(void)
{
    size_t n = 0;
    for (size_t i = 0; i < n_accepted; i++) {
        char c;
        n += accepted[i].fd >= 0 && recv(accepted[i].fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
    }
    return n;
}

/* A connection that this worker has: the kernel deals them out as it likes. */
static struct peer client_of(unsigned worker)
{
    enum { TRIES = 200 };
    struct peer p = {.fd = -1};
    for (unsigned i = 0; i < TRIES; i++) {
        p = (struct peer){.fd = connect_to(&tcp_at)};
        request(&p, "REGISTER", "where", "where", 1, "");
        CHECK(got(&p, 200));
        const struct sip_header *h = sip_msg_named(&p.m, SLICE("X-Worker"));
        if (h && slice_eq(h->value, worker ? SLICE("1") : SLICE("0")))
            return p;
        peer_fini(&p);
    }
    CHECK(!"no connection for this worker");
    return (struct peer){.fd = -1};
}

/* Twelve rounds of messages from eight senders on the first so many workers, to three addresses of one
 * partner. */
static void load_partner(unsigned workers)
{
    struct peer clients[CLIENTS];
    unsigned by[SERVERS] = {0};
    int of[CLIENTS * SERVERS];
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = client_of((unsigned)i % workers);
    for (unsigned round = 0; round < 12; round++) {
        struct target_address first = targets[0]; /* as SRV of equal priority: another one first each time */
        memmove(targets, targets + 1, (SERVERS - 1) * sizeof(targets[0]));
        targets[SERVERS - 1] = first;
        for (size_t i = 0; i < CLIENTS; i++) {
            char name[32];
            snprintf(name, sizeof(name), "i%u-%u-%zu", workers, round, i);
            message(&clients[i], name);
        }
        CHECK_INT(serve(CLIENTS, by, of), CLIENTS);
        for (size_t i = 0; i < CLIENTS; i++)
            CHECK(got(&clients[i], 200));
    }
    for (size_t i = 0; i < CLIENTS; i++)
        peer_fini(&clients[i]);
}

/* Two are allowed. A worker takes one, and keeps to it; so two are used as soon as two workers are concerned,
 * and never more. */
TEST(connections_per_partner)
{
    apply(2);
    for (unsigned workers = 1; workers <= WORKERS; workers++) {
        begin_partner(SERVERS, workers == 1 ? "lonely.test" : "partner.test");
        for (size_t i = 0; i < SERVERS; i++)
            listeners[i] = listen_any(&targets[i].addr);
        load_partner(workers);
        CHECK_INT(still_open(), workers);
        CHECK_INT(n_accepted, workers); /* and no others came and went */
        for (size_t i = 0; i < n_accepted; i++)
            peer_fini(&accepted[i]);
        for (size_t i = 0; i < SERVERS; i++)
            close(listeners[i]);
        n_accepted = 0;
    }
}

/* One connection allowed, two addresses of different priority: back to the first when it has recovered. Its
 * probe has taken the place of the connection to the second, which ends in order. */
TEST(back_to_the_better_one)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    apply(1);
    begin_partner(2, "other.test");
    targets[1].rank = 1;
    pick_port(&targets[0].addr);
    int l2 = listen_any(&targets[1].addr);
    for (int i = 0; i < 2; i++) { /* the second shows that the first address is still wanted */
        message(&client, i ? "j1b" : "j1");
        two.fd = i ? two.fd : accept_one(l2);
        CHECK(served(&two));
        CHECK(got(&client, 200));
    }
    int l1 = listen_at(&targets[0].addr);
    one.fd = accept_one(l1);
    CHECK(got_request(&one, SIP_OPTIONS));
    respond(&one, 200, "p");
    CHECK(in_state(0, "good"));
    char c;
    CHECK(readable(two.fd) && read(two.fd, &c, 1) == 0);
    message(&client, "j2");
    CHECK(served(&one));
    CHECK(got(&client, 200));
    close(l1);
    close(l2);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

/* Two allowed and both in use, then traffic finds an address that is not well: that took the place of one,
 * which stays free for probes. The other one serves both workers, and is not lost to a probe. */
TEST(a_probe_has_one_of_the_places)
{
    struct peer clients[WORKERS], good[WORKERS], ill = {.fd = -1};
    apply(2);
    for (unsigned i = 0; i < WORKERS; i++)
        clients[i] = client_of(i);
    begin_partner(1, "prober.test");
    int l_good = listen_any(&targets[0].addr);
    for (unsigned i = 0; i < WORKERS; i++) {
        message(&clients[i], i ? "l1" : "l0");
        good[i] = (struct peer){.fd = accept_one(l_good)};
        CHECK(served(&good[i]));
        CHECK(got(&clients[i], 200));
    }
    targets[1] = targets[0];
    n_targets = 2;
    pick_port(&targets[0].addr);
    message(&clients[0], "l2");
    struct pollfd ready[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        ready[i] = (struct pollfd){good[i].fd, POLLIN, 0};
    CHECK(poll(ready, WORKERS, WAIT_MS) > 0);
    char c;
    size_t stays = ready[0].revents && recv(good[0].fd, &c, 1, MSG_PEEK) == 1 ? 0 : 1;
    CHECK(served(&good[stays]));
    CHECK(got(&clients[0], 200));
    CHECK(readable(good[!stays].fd) && read(good[!stays].fd, &c, 1) == 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        message(&clients[i], i ? "l4" : "l3");
        CHECK(served(&good[stays]));
        CHECK(got(&clients[i], 200));
    }
    int l_ill = listen_at(&targets[0].addr);
    ill.fd = accept_one(l_ill);
    if (got_request(&ill, SIP_OPTIONS))
        respond(&ill, 503, "p"); /* not well, and keeps its connection */
    message(&clients[1], "l5");
    CHECK(served(&good[stays]));
    CHECK(got(&clients[1], 200));
    struct pollfd further = {l_good, POLLIN, 0};
    CHECK_INT(poll(&further, 1, 0), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        peer_fini(&good[i]);
        peer_fini(&clients[i]);
    }
    peer_fini(&ill);
    close(l_good);
    close(l_ill);
}

/* Two partners behind one address: each has a connection of its own, whatever its certificate proves. */
TEST(one_address_of_two_partners)
{
    struct peer client = {.fd = connect_to(&tcp_at)}, one = {0}, two = {0};
    apply(4);
    begin_partner(1, "this.test");
    int listener = listen_any(&targets[0].addr);
    message(&client, "k1");
    one.fd = accept_one(listener);
    CHECK(served(&one));
    CHECK(got(&client, 200));
    targets[0].identity = SLICE("that.test");
    message(&client, "k2");
    two.fd = accept_one(listener);
    CHECK(served(&two));
    CHECK(got(&client, 200));
    targets[0].identity = SLICE("this.test");
    message(&client, "k3");
    CHECK(served(&one));
    CHECK(got(&client, 200));
    close(listener);
    peer_fini(&client);
    peer_fini(&one);
    peer_fini(&two);
}

TEST(starts)
{
    targets_begin();
}

TEST(ends)
{
    targets_end();
}

TEST_MAIN(starts, connections_per_partner, back_to_the_better_one, a_probe_has_one_of_the_places,
          one_address_of_two_partners, ends)
