#include "service/transition/priv.h"

#include "ground/base/test.h"
#include "ground/crypto/pki_for_test.h"
#include "service/transition/fake_for_test.h"

/* --- what the tests ask and wait for --- */
static unsigned ask(struct fake *f, const char *method, const char *path, const char *body, struct buf *out)
{
    buf_clear(out, 1 << 20);
    return transition_answer(f->t, slice_str(method), slice_str(path), slice_str(body), out);
}

static unsigned post(struct fake *f, const char *path, const char *body)
{
    struct buf out = {0};
    unsigned status = ask(f, "POST", path, body, &out);
    if (status != 200)
        printf("# %s: " SLICE_FMT "\n", path, SLICE_ARG(buf_slice(&out)));
    buf_fini(&out);
    return status;
}

#define MOVE "{\"from\": \"" FAKE_OLD "\", \"to\": \"" FAKE_NEW "\"}"
#define CLASSIC "{\"from\": \"" FAKE_OLD "\", \"to\": \"" FAKE_NEW "\", \"classic\": true}"

static bool is_loaded(struct fake *f)
{
    return !f->t->loading;
}
static bool is_through(struct fake *f)
{
    const struct plan *p = f->t->plan;
    return !f->t->loading && !f->t->saving && p && !f->t->want_back &&
           (p->state == PLAN_APPLIED || p->state == PLAN_ROLLED_BACK || p->state == PLAN_FAILED);
}
static bool is_waiting(struct fake *f)
{
    return is_through(f) || (f->t->plan && f->t->plan->state == PLAN_WAITING_MANUAL);
}

static struct fake *begin(const char *body)
{
    struct fake *f = fake_new();
    fake_run(f, is_loaded);
    CHECK_INT(post(f, "/v1/transition/apply", body), 200);
    return f;
}

static void check_state(struct fake *f, enum plan_state want)
{
    const struct plan *p = f->t->plan;
    if (p->state != want)
        TEST_DIAG("%s, not %s: step %s: %s", plan_state_name(p->state), plan_state_name(want),
                  p->steps[p->at].kind->id, p->steps[p->at].text);
}

static void check_moved(struct fake *f)
{
    const struct topology *t = f->topology;
    const struct topology_edge_pool *from = topology_edge_pool_find(t, SLICE(FAKE_OLD));
    const struct topology_edge_pool *to = topology_edge_pool_find(t, SLICE(FAKE_NEW));
    check_state(f, PLAN_APPLIED);
    CHECK_SLICE(t->sites[0].federation_route, SLICE(FAKE_NEW));
    CHECK_SLICE(t->front_end_pools[0].media_edge, SLICE(FAKE_NEW));
    CHECK_STR(to->next_hop, "fe.contoso.example");
    CHECK(to->federation && to->adopts.n == 1);
    CHECK(!from->federation && from->access_edge == TOPOLOGY_DISABLED);
    CHECK_INT(f->n_addresses, 1);
    CHECK_STR(slice_str(f->addresses[0]), FAKE_PORT_ADDRS[FAKE_NEW_OUT]);
    for (size_t i = 0; i < f->t->plan->n_steps; i++)
        CHECK_INT(f->t->plan->steps[i].state, STEP_DONE);
}

/* Content as it was before anything was done. */
static void check_as_before(struct fake *f)
{
    struct buf now = {0}, before = {0};
    topology_write_canonical(f->topology, &now);
    topology_unref(f->topology);
    fake_load(f);
    topology_write_canonical(f->topology, &before);
    check_state(f, PLAN_ROLLED_BACK);
    CHECK_SLICE(buf_slice(&now), buf_slice(&before));
    CHECK_INT(f->n_addresses, 1);
    CHECK_STR(slice_str(f->addresses[0]), FAKE_PORT_ADDRS[FAKE_OLD_OUT]);
    buf_fini(&now);
    buf_fini(&before);
}

/* --- through --- */
TEST(apply_moves_without_a_gap)
{
    struct fake *f = begin(MOVE);
    f->ttl = 1; /* the legacy Edge must serve for that long after DNS changed: fake_watch looks */
    fake_run(f, is_through);
    check_moved(f);
    CHECK_INT(f->t->plan->ttl, 1);
    CHECK_INT(f->publishes, 4);
    CHECK_INT(f->updates, 1);
    fake_free(f);
}

TEST(classic_moves_in_nine_procedures)
{
    struct fake *f = begin(CLASSIC);
    f->watch = false; /* federation is down in between */
    fake_run(f, is_through);
    check_moved(f);
    CHECK_INT(f->publishes, 5);
    CHECK_INT(post(f, "/v1/transition/rollback", ""), 200);
    fake_run(f, is_through);
    check_as_before(f);
    fake_free(f);
}

TEST(rollback_of_the_whole)
{
    struct fake *f = begin(MOVE);
    fake_run(f, is_through);
    check_moved(f);
    CHECK_INT(post(f, "/v1/transition/rollback", ""), 200);
    fake_run(f, is_through);
    check_as_before(f);
    CHECK_INT(f->updates, 2);
    fake_free(f);
}

/* --- interrupted at every change of state --- */
static bool put_reached(struct fake *f)
{
    return f->puts >= f->at_put || is_through(f);
}

/* What can be seen of a killed central: the object is gone, the blob stays. */
TEST(resumes_at_every_state)
{
    bool more = true;
    for (unsigned put = 1; more && put < 200 && !test_failures; put++) {
        struct fake *f = begin(MOVE);
        f->at_put = put;
        f->on_put = fake_restart;
        fake_run(f, is_through);
        more = put_reached(f) && f->puts >= put;
        check_moved(f);
        if (test_failures)
            printf("# killed at put %u\n", put);
        fake_free(f);
    }
}

static void restart_always(struct fake *f)
{
    f->at_put++;
    fake_restart(f);
}

TEST(resumes_when_killed_every_time)
{
    struct fake *f = begin(MOVE);
    f->at_put = 1;
    f->on_put = restart_always;
    fake_run(f, is_through);
    check_moved(f);
    CHECK(f->puts > 20);
    f->at_put = f->puts + 2; /* the first that says that it goes back */
    CHECK_INT(post(f, "/v1/transition/rollback", ""), 200);
    fake_run(f, is_through);
    check_as_before(f);
    fake_free(f);
}

static void roll_back(struct fake *f)
{
    /* the last put says that it is through, too */
    CHECK_INT(post(f, "/v1/transition/rollback", ""), 200);
}

static bool is_rolled_back(struct fake *f)
{
    return is_through(f) && f->t->plan->state != PLAN_APPLIED;
}

TEST(rolls_back_from_every_state)
{
    bool more = true;
    for (unsigned put = 1; more && put < 200 && !test_failures; put++) {
        struct fake *f = begin(MOVE);
        f->at_put = put;
        f->on_put = roll_back;
        fake_run(f, is_through);
        more = f->puts >= put && f->t->plan->back;
        if (more) {
            fake_run(f, is_rolled_back);
            check_as_before(f);
        } else {
            check_moved(f);
        }
        if (test_failures)
            printf("# rolled back at put %u\n", put);
        fake_free(f);
    }
}

/* --- failures --- */
TEST(a_refused_publish_fails_and_goes_on)
{
    struct fake *f = begin(MOVE);
    f->refuse_publish = 2;
    fake_run(f, is_through);
    check_state(f, PLAN_FAILED);
    CHECK_STR(slice_str(f->t->plan->steps[f->t->plan->at].kind->id), "publish-routes");
    CHECK_INT(f->t->plan->steps[2].state, STEP_FAILED);
    CHECK_INT(post(f, "/v1/transition/plan", MOVE), 409);
    CHECK_INT(post(f, "/v1/transition/apply", MOVE), 200);
    fake_run(f, is_through);
    check_moved(f);
    fake_free(f);
}

TEST(a_silent_machine_fails_by_name)
{
    struct fake *f = begin(MOVE);
    f->t->times.acknowledged_ms = 50;
    f->machines[FAKE_FE1].silent = true;
    fake_run(f, is_through);
    check_state(f, PLAN_FAILED);
    struct slice text = slice_str(f->t->plan->steps[1].text);
    CHECK(slice_search(text, SLICE("fe1.contoso.example")) != SIZE_MAX);
    CHECK(slice_search(text, SLICE("on its way")) != SIZE_MAX);
    f->machines[FAKE_FE1].silent = false;
    f->t->times.acknowledged_ms = 60000;
    CHECK_INT(post(f, "/v1/transition/rollback", ""), 200);
    fake_run(f, is_through);
    check_as_before(f);
    fake_free(f);
}

TEST(a_closed_port_of_the_new_edge_stops_it)
{
    struct fake *f = begin(MOVE);
    f->t->times.probe_ms = 50;
    listener_free(f->listeners[FAKE_NEW_OUT]);
    f->listeners[FAKE_NEW_OUT] = NULL;
    fake_run(f, is_through);
    check_state(f, PLAN_FAILED);
    CHECK_INT(f->t->plan->steps[1].state, STEP_FAILED);
    CHECK(slice_starts(slice_str(f->t->plan->steps[1].text), SLICE("transition.port: ")));
    CHECK_SLICE(f->topology->sites[0].federation_route, SLICE(FAKE_OLD));
    CHECK_INT(post(f, "/v1/transition/rollback", ""), 200);
    fake_run(f, is_through);
    check_as_before(f);
    fake_free(f);
}

TEST(a_refused_update_keeps_the_old_edge)
{
    struct fake *f = begin(MOVE);
    f->refuse_updates = true;
    fake_run(f, is_through);
    check_state(f, PLAN_FAILED);
    CHECK(slice_search(slice_str(f->t->plan->steps[3].text), SLICE("REFUSED")) != SIZE_MAX);
    CHECK(fake_serves(f, FAKE_OLD1, FAKE_OLD));
    f->refuse_updates = false;
    CHECK_INT(post(f, "/v1/transition/apply", ""), 200);
    fake_run(f, is_through);
    check_moved(f);
    fake_free(f);
}

TEST(progress_that_cannot_be_stored_stops_it)
{
    struct fake *f = fake_new();
    fake_run(f, is_loaded);
    f->fail_blobs = true;
    CHECK_INT(post(f, "/v1/transition/apply", MOVE), 200);
    fake_run(f, is_through);
    check_state(f, PLAN_FAILED);
    CHECK_INT(f->publishes, 0);
    f->fail_blobs = false;
    CHECK_INT(post(f, "/v1/transition/apply", MOVE), 200);
    fake_run(f, is_through);
    check_moved(f);
    fake_free(f);
}

TEST(pending_requests_keep_the_old_edge)
{
    struct fake *f = begin(MOVE);
    f->requests = 3;
    f->t->times.drain_ms = 50;
    fake_run(f, is_waiting);
    check_state(f, PLAN_WAITING_MANUAL);
    CHECK(slice_search(slice_str(f->t->plan->steps[4].text), SLICE("3 requests pending")) != SIZE_MAX);
    CHECK(fake_serves(f, FAKE_OLD1, FAKE_OLD));
    f->requests = 0; /* goes on by itself */
    fake_run(f, is_through);
    check_moved(f);
    fake_free(f);
}

/* --- the API --- */
TEST(api_refuses_with_ids)
{
    static const struct {
        const char *method, *path, *body;
        unsigned status;
        const char *id;
    } cases[] = {
        {"GET",  "/v1/transition/other",    "",                  404, "transition.no-path"        },
        {"GET",  "/v1/transition/plan",     "",                  405, "transition.method"         },
        {"POST", "/v1/transition/plan",     "{",                 400, "transition.body"           },
        {"POST", "/v1/transition/plan",     "{\"from\": \"x\"}", 409, "transition.unknown-pool"   },
        {"POST", "/v1/transition/apply",    "",                  409, "transition.no-plan"        },
        {"POST", "/v1/transition/rollback", "",                  409, "transition.nothing-to-undo"},
        {"POST", "/v1/transition/continue", "",                  409, "transition.not-waiting"    },
    };
    struct fake *f = fake_new();
    struct arena a = {0};
    struct buf out = {0};
    struct json_value *o;
    struct json_error error;
    CHECK_INT(post(f, "/v1/transition/plan", MOVE), 503); /* not loaded yet */
    fake_run(f, is_loaded);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(ask(f, cases[i].method, cases[i].path, cases[i].body, &out), cases[i].status);
        CHECK_INT(json_parse(arena_copy(&a, buf_slice(&out)), &a, &o, &error), 0);
        CHECK_STR(json_get_string(o, "id"), cases[i].id);
    }
    CHECK_INT(ask(f, "GET", "/v1/transition", "", &out), 200);
    CHECK_INT(ask(f, "POST", "/v1/transition/plan", MOVE, &out), 200);
    CHECK_INT(json_parse(arena_copy(&a, buf_slice(&out)), &a, &o, &error), 0);
    CHECK_STR(json_get_string(o, "state"), "planned");
    CHECK_INT(json_count(json_get(o, "steps")), plan_n_steps);
    CHECK_STR(json_get_string(json_at(json_get(o, "steps"), 6), "id"), "verify");
    buf_fini(&out);
    arena_fini(&a);
    fake_free(f);
}

TEST_MAIN(apply_moves_without_a_gap, classic_moves_in_nine_procedures, rollback_of_the_whole,
          resumes_at_every_state, resumes_when_killed_every_time, rolls_back_from_every_state,
          a_refused_publish_fails_and_goes_on, a_silent_machine_fails_by_name,
          a_closed_port_of_the_new_edge_stops_it, a_refused_update_keeps_the_old_edge,
          progress_that_cannot_be_stored_stops_it, pending_requests_keep_the_old_edge, api_refuses_with_ids)
