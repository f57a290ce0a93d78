/* A configuration that cannot be taken whole is not taken at all. */
#include "element/fixture.h"

#include <errno.h>

static struct element *element;
static struct net_addr first_at, more_at, taken_at;

static void answer_200(struct request *rq)
{
    request_reply(rq, &(struct reply){.status = 200});
}

static void answer_480(struct request *rq)
{
    request_reply(rq, &(struct reply){.status = 480});
}

static const struct element_ops before = {.is_own_uri = own_uri, .request = answer_200},
                                after = {.is_own_uri = own_uri, .request = answer_480};

static bool answers(const struct net_addr *at, const char *call, unsigned status)
{
    struct peer p = {.fd = connect_to(at)};
    bool ok = p.fd >= 0;
    if (ok) {
        request(&p, "OPTIONS", call, call, 1, "");
        ok = got(&p, status);
    }
    peer_fini(&p);
    return ok;
}

struct outcome {
    atomic_int done;
    int error;
    char text[160];
};

static void ended(void *arg, int error, const char *text)
{
    struct outcome *o = arg;
    o->error = error;
    snprintf(o->text, sizeof(o->text), "%s", text ? text : "");
    atomic_store(&o->done, 1);
}

TEST(begins)
{
    pick_port(&first_at);
    pick_port(&more_at);
    element = element_begin(2);
    struct element_config *c = config_of(&before);
    listen_on(c, &first_at, SIP_TCP, NULL);
    run(element, c);
    CHECK(answers(&first_at, "a1", 200));
}

/* One of its ports is another program's: the others are not opened, and what runs goes on. */
TEST(a_port_that_is_taken)
{
    int other = listen_any(&taken_at);
    struct outcome o = {0};
    struct element_config *c = config_of(&after);
    listen_on(c, &first_at, SIP_TCP, NULL);
    listen_on(c, &more_at, SIP_TCP, NULL);
    listen_on(c, &taken_at, SIP_TCP, NULL);
    element_apply(element, c, workers_loop(team, 0), ended, &o);
    while (o.done == 0)
        usleep(20);
    element_config_unref(c);
    CHECK_INT(o.error, -EADDRINUSE);
    CHECK(slice_starts(slice_str(o.text), SLICE("cannot listen on TCP 127.0.0.1:")));
    for (int i = 0; i < 8; i++) /* whichever worker has the connection */
        CHECK(answers(&first_at, "b1", 200));
    CHECK_INT(connect_to(&more_at), -1);
    close(other);
}

TEST(without_it)
{
    struct element_config *c = config_of(&after);
    listen_on(c, &first_at, SIP_TCP, NULL);
    listen_on(c, &more_at, SIP_TCP, NULL);
    run(element, c);
    for (int i = 0; i < 8; i++)
        CHECK(answers(&first_at, "c1", 480));
    CHECK(answers(&more_at, "c2", 480));
}

TEST(ends)
{
    element_end(element);
}

TEST_MAIN(begins, a_port_that_is_taken, without_it, ends)
