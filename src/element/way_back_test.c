/* Where a response goes when the connection that its request came on is gone (RFC 3261 18.2.2, RFC 3263 5).
 */
#include "element/scene.h"

TEST(begins)
{
    proxy_begin();
    apply_usual();
}

/* Returns when the element knows. */
static void client_is_lost(void)
{
    struct linger reset = {1, 0};
    struct element_load load;
    element_load(element, &load);
    uint64_t before = load.connections;
    setsockopt(scene.client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(scene.client.fd);
    scene.client.fd = -1;
    for (int ms = 0; ms < WAIT_MS && load.connections >= before; ms++) {
        usleep(1000);
        element_load(element, &load);
    }
}

/* 18.2.2: the connection that the request came on is gone; its answer goes to where the Via says. */
TEST(response_by_a_new_connection)
{
    struct net_addr home;
    int ls = listen_any(&home);
    struct peer back = {0};
    scene_begin(1);
    send_text(&scene.client,
              "MESSAGE sip:bob@home.test SIP/2.0\r\nVia: SIP/2.0/TCP client.test:%u;branch=z9hG4bKnew\r\n"
              "From: <sip:a@b.test>;tag=1\r\nTo: <sip:bob@home.test>\r\nCall-ID: new\r\nCSeq: 1 MESSAGE\r\n"
              "Content-Length: 0\r\n\r\n",
              net_addr_port(&home));
    arrives(0, "MESSAGE");
    client_is_lost();
    answer(0, 200, "");
    back.fd = accept_one(ls);
    if (got(&back, 200))
        CHECK_STR(back.m.branch, "z9hG4bKnew");
    close(ls);
    peer_fini(&back);
    scene_end();
}

TEST(ends)
{
    proxy_end();
}

TEST_MAIN(begins, response_by_a_new_connection, ends)
