/* Commands that publish, or watch until something is done. */
#include "ground/base/test.h"

#include "cmd/entente/fake_for_test.h"

/* --- publishing --- */
#define BEHIND                                                                                               \
    "{\"revision\":5,\"machines\":[{\"fqdn\":\"a.example\",\"revision\":5,\"current\":true},{\"fqdn\":"      \
    "\"b.example\",\"revision\":4,\"current\":false,\"why\":{\"id\":\"behind\",\"text\":\"on its way\"}}]}"
#define CURRENT                                                                                              \
    "{\"revision\":5,\"machines\":[{\"fqdn\":\"a.example\",\"revision\":5,\"current\":true},{\"fqdn\":"      \
    "\"b.example\",\"revision\":5,\"current\":true}]}"

TEST(publish_waits_for_all)
{
    static const struct row rows[] = {
        {"POST", "/v1/publish",     200, "{\"number\":5}"},
        {"GET",  "/v1/replication", 200, BEHIND          },
        {"GET",  "/v1/replication", 200, BEHIND          },
        {"GET",  "/v1/replication", 200, CURRENT         },
        {NULL,   NULL,              0,   NULL            }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "publish", "--wait");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "revision 5 is published\n");
    CHECK_HAS(r.out, "a.example runs revision 5\n");
    CHECK_HAS(r.out, "b.example is at revision 4: behind: on its way\n");
    CHECK_HAS(r.out, "b.example runs revision 5\n");
    ran_fini(&r);
    RUN(&r, "publish", "--wait", "--json");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "\"number\": 5,\n  \"replication\": {\n");
    ran_fini(&r);
    fake_stop();
}

TEST(a_daemon_that_is_away_for_a_moment_is_asked_again)
{
    static const struct row rows[] = {
        {"POST", "/v1/publish",     200, "{\"number\":5}"                                        },
        {"GET",  "/v1/replication", 503, "{\"id\":\"central.ending\",\"text\":\"It is ending.\"}"},
        {"GET",  "/v1/replication", 200, CURRENT                                                 },
        {NULL,   NULL,              0,   NULL                                                    }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "publish", "--wait");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_STR(slice_str(r.err), "");
    ran_fini(&r);
    fake_stop();
}

TEST(publish_names_who_is_behind)
{
    static const struct row rows[] = {
        {"POST", "/v1/publish",     200, "{\"number\":5}"},
        {"GET",  "/v1/replication", 200, BEHIND          },
        {NULL,   NULL,              0,   NULL            }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "publish", "--wait", "0.3");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "b.example is at revision 4: behind: on its way\n");
    CHECK_HAS(r.err, "1 of 2 machines");
    CHECK_HAS(r.err, "(publish.not-everywhere)\n");
    ran_fini(&r);
    fake_stop();
}

TEST(warnings_want_yes)
{
    static const struct row rows[] = {
        {"POST", "/v1/publish", 409,
         "{\"id\":\"publish.warnings\",\"text\":\"The checks "
         "warn.\",\"findings\":[{\"id\":\"w\",\"severity\":"
         "\"warning\",\"path\":\"p\",\"text\":\"Hm.\"}]}"},
        {NULL,   NULL,          0,   NULL                }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "publish");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "warning w p: Hm.\n");
    CHECK_HAS(r.err, "--yes accepts warnings");
    ran_fini(&r);
    fake_stop();
}

TEST(a_service_is_stopped_by_publishing)
{
    static const struct row rows[] = {
        {"GET",  "/v1/topology",    200,
         "{\"document\":{\"edge_pools\":[{\"fqdn\":\"e.example\",\"machines\":[{\"fqdn\":\"e1.e.example\"}]}]"
         "}}"                                                                                             },
        {"GET",  "/v1/diff",        200, "{\"changes\":[]}"                                               },
        {"POST", "/v1/draft/set",   200, "{\"draft\":true}"                                               },
        {"GET",  "/v1/diff",        200, "{\"changes\":[{\"path\":\"edge_pools/e.example/access_edge\"}]}"},
        {"POST", "/v1/publish",     200, "{\"number\":5}"                                                 },
        {"GET",  "/v1/replication", 200, CURRENT                                                          },
        {"GET",  "/v1/diff",        200, "{\"changes\":[{\"path\":\"partners/x\"}]}"                      },
        {NULL,   NULL,              0,   NULL                                                             }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "service", "stop", "e.example");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("{\"path\":\"edge_pools/e.example/access_edge\",\"value\":\"disabled\","));
    CHECK(asked("\"comment\":\"Access Edge of e.example: disabled\""));
    CHECK_HAS(r.out, "b.example runs revision 5\n");
    ran_fini(&r);
    RUN(&r, "service", "start", "e.example");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(service.draft)");
    ran_fini(&r);
    fake_stop();
}

/* --- transitions --- */
#define STEP(state, text)                                                                                    \
    "{\"id\":\"publish-edge\",\"title\":\"publish 1\",\"state\":\"" state "\",\"text\":\"" text              \
    "\",\"started_ms\":1000,\"ended_ms\":2250}"
/* A row: the transition and its one step are in these states. */
#define PLAN(method, path, state, step, text)                                                                \
    {                                                                                                        \
        method, "/v1/transition" path, 200,                                                                  \
            "{\"from\":\"old\",\"to\":\"new\",\"state\":\"" state "\",\"steps\":[" STEP(step, text) "]}"     \
    }

TEST(a_transition_is_watched)
{
    static const struct row rows[] = {
        PLAN("POST", "/apply", "applying", "running", ""),
        PLAN("GET", "", "applying", "running", ""),
        PLAN("GET", "", "applying", "waiting", "0 of 4 machines"),
        PLAN("GET", "", "waiting-manual", "waiting", "change the record"),
        PLAN("GET", "", "applied", "done", "all runs"),
        {NULL, NULL, 0, NULL},
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "transition", "apply", "--from", "old", "--to", "new", "--classic", "--wait");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("POST /v1/transition/apply {\"from\":\"old\",\"to\":\"new\",\"classic\":true}"));
    CHECK_HAS(r.out, " 1/1  waiting      1.25 s  publish 1: change the record\n");
    CHECK_HAS(r.out, " 1/1  done         1.25 s  publish 1: all runs\n");
    CHECK(!has(r.out, "0 of 4 machines"));
    CHECK_HAS(r.out, "applied after ");
    ran_fini(&r);
    RUN(&r, "transition", "status");
    CHECK_HAS(r.out, "from old to new, make before break: applied\n");
    CHECK_HAS(r.out, "publish 1  all runs\n");
    ran_fini(&r);
    RUN(&r, "transition", "apply", "--from", "old");
    CHECK_INT(r.code, EXIT_WRONG_USAGE);
    ran_fini(&r);
    fake_stop();
}

TEST(a_failed_transition_says_which_step)
{
    static const struct row rows[] = {
        PLAN("POST", "/apply", "applying", "running", ""),
        PLAN("GET", "", "failed", "failed", "port 5061 is closed"),
        PLAN("POST", "/rollback", "rolling-back", "running", ""),
        {NULL, NULL, 0, NULL},
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "transition", "apply", "--wait");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "step 1 (publish 1) failed: port 5061 is closed (transition.failed)\n");
    ran_fini(&r);
    RUN(&r, "transition", "rollback");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "it is being undone");
    ran_fini(&r);
    fake_stop();
}

TEST_MAIN(publish_waits_for_all, a_daemon_that_is_away_for_a_moment_is_asked_again,
          publish_names_who_is_behind, warnings_want_yes, a_service_is_stopped_by_publishing,
          a_transition_is_watched, a_failed_transition_says_which_step)
