/* Commands that ask once. */
#include "ground/base/test.h"

#include "cmd/entente/fake_for_test.h"

/* --- looking --- */
TEST(status_for_people_and_programs)
{
    static const struct row rows[] = {
        {"GET", "/v1/status", 200,
         "{\"machine\":\"fe1.example\",\"revision\":7,\"version\":\"0.1.0\",\"uptime_ms\":130000,\"memory_in_"
         "use\":20480,"
         "\"services\":"
         "{\"front_end\":\"serving\"},\"load\":{\"requests\":3},\"counters\":{\"sip.requests\":12},"
         "\"destinations\":["
         "{\"transport\":\"TLS\",\"address\":\"192.0.2.1:5061\",\"name\":\"e1.example\",\"side\":"
         "\"internal\","
         "\"state\":\"good\",\"since_ms\":1000,\"connections\":2,\"error\":\"\"},"
         "{\"transport\":\"TLS\",\"address\":\"192.0.2.2:5061\",\"name\":\"e2.example\",\"side\":"
         "\"internal\","
         "\"state\":\"blocked\",\"since_ms\":120000,\"connections\":0,\"error\":\"could not connect\"}]}"},
        {NULL,  NULL,         0,   NULL                                                                  }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "status");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "revision  7\n");
    CHECK_HAS(r.out, "up        2 min\n");
    CHECK_HAS(r.out, "memory    20 KiB\n");
    CHECK_HAS(r.out, "services  front_end serving\n");
    CHECK_HAS(r.out, "sip.requests     12\n");
    CHECK_HAS(r.out, "TLS 192.0.2.2:5061  e2.example  internal  blocked  2 min");
    CHECK_HAS(r.out, "could not connect\nTLS 192.0.2.1:5061"); /* the bad ones first */
    ran_fini(&r);
    RUN(&r, "status", "--json");
    CHECK_HAS(r.out, "  \"revision\": 7,\n");
    CHECK_STR(slice_str(r.err), "");
    ran_fini(&r);
    fake_stop();
}

TEST(a_call_id_is_escaped)
{
    static const struct row rows[] = {
        {"GET", "/v1/trace", 200,
         "{\"machine\":\"e1.x.example\",\"events\":[{\"time_us\":1500000,\"event\":\"request in\",\"method\":"
         "\"MESSAGE\",\"peer\":\"192.0.2.1:5\"},{\"time_us\":1500002,\"event\":\"response "
         "out\",\"method\":\"MESSAGE\","
         "\"status\":200,\"note\":\"b\\u001b[2J\"}]}"                                 },
        {"GET", "/v1/trace", 200, "{\"machine\":\"e1.x.example\",\"events\":[]}"      },
        {"GET", "/v1/trace", 200,
         "{\"machines\":[{\"fqdn\":\"e1.x.example\",\"answered\":true,\"clock_ahead_ms\":-2000},{\"fqdn\":"
         "\"fe1.x.example\",\"answered\":false,\"id\":\"route\",\"text\":\"refused\"}],\"events\":[{\"time_"
         "ms\":1500,"
         "\"machine\":\"e1.x.example\",\"event\":\"request in\",\"method\":\"BYE\"}]}"},
        {NULL,  NULL,        0,   NULL                                                }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "trace", "a&b=c d%41@h\xc3\xb6st");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, ".500000  e1           request in      MESSAGE  192.0.2.1:5\n");
    CHECK_HAS(r.out, ".500002  e1           response out    MESSAGE 200  b?[2J\n");
    CHECK(asked("GET /v1/trace call_id=a&b=c d%41@h\xc3\xb6st \n"));
    ran_fini(&r);
    RUN(&r, "trace", "other");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(trace.nothing)");
    ran_fini(&r);
    RUN(&r, "trace", "third", "--machine", "e1.x.example");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "  e1           request in      BYE\n");
    CHECK_HAS(r.err, "fe1.x.example does not answer: route: refused\n");
    CHECK_HAS(r.err, "the clock of e1.x.example is 2000 ms behind central's");
    CHECK(asked("GET /v1/trace call_id=third machine=e1.x.example"));
    ran_fini(&r);
    fake_stop();
}

TEST(replication_is_a_table)
{
    static const struct row rows[] = {
        {"GET", "/v1/replication", 200,
         "{\"revision\":4,\"machines\":[{\"fqdn\":\"a.example\",\"revision\":4,\"state\":\"current\",\"age_"
         "ms\":1500},"
         "{\"fqdn\":\"b.example\",\"revision\":0,\"state\":\"new\",\"age_ms\":-1,\"why\":{\"id\":\"route\","
         "\"text\":"
         "\"nobody \\u001b[31mlistens\"}}]}"},
        {NULL,  NULL,              0,   NULL}
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "replication", "status");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_STR(slice_str(r.out), "newest revision: 4\n\n"
                                "MACHINE    REVISION  HEARD    STATE    REASON\n"
                                "a.example         4  1 s ago  current  -\n"
                                "b.example         0  never    new      route: nobody ?[31mlistens\n");
    ran_fini(&r);
    fake_stop();
}

/* --- nobody there --- */
TEST(who_is_not_there_is_said)
{
    struct ran r;
    snprintf(fake.folder, sizeof(fake.folder), "/tmp/entente-test.XXXXXX");
    CHECK(mkdtemp(fake.folder));
    snprintf(fake.socket, sizeof(fake.socket), "%s/entented.sock", fake.folder);
    RUN(&r, "status");
    CHECK_INT(r.code, EXIT_NO_DAEMON);
    CHECK_HAS(r.err, "there is no socket");
    CHECK_HAS(r.err, fake.socket);
    CHECK_HAS(r.err, "(daemon.no-socket)");
    ran_fini(&r);

    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, fake.socket, strlen(fake.socket));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    RUN(&r, "user", "list");
    CHECK_INT(r.code, EXIT_NO_DAEMON);
    CHECK_HAS(r.err, "(daemon.gone)");
    ran_fini(&r);
    close(fd);
    unlink(fake.socket);
    rmdir(fake.folder);

    RUN(&r, "status");
    CHECK_INT(r.code, EXIT_NO_DAEMON);
    CHECK_HAS(r.err, "(daemon.no-state)");
    CHECK_STR(slice_str(r.out), "");
    ran_fini(&r);
    RUN(&r, "status", "--json");
    CHECK_INT(r.code, EXIT_NO_DAEMON);
    CHECK_HAS(r.out, "{\n  \"id\": \"daemon.no-state\",\n  \"text\": \"there is no state folder");
    ran_fini(&r);
    RUN(&r, "status", "--socket",
        "/tmp/"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "012345");
    CHECK_INT(r.code, EXIT_NO_DAEMON);
    CHECK_HAS(r.err, "(daemon.long-path)");
    ran_fini(&r);
}

/* --- refusals --- */
TEST(findings_are_lines)
{
    static const struct row rows[] = {
        {"POST", "/v1/publish", 422,
         "{\"id\":\"publish.errors\",\"text\":\"The checks found 1 error(s).\",\"findings\":[{\"id\":"
         "\"route-without-federation\",\"severity\":\"error\",\"path\":\"sites/hq/"
         "federation_route\",\"text\":"
         "\"The route leads nowhere.\",\"remedy\":\"turn federation "
         "on\"},{\"id\":\"x\",\"severity\":\"warning\","
         "\"path\":\"\",\"text\":\"Look.\",\"line\":3}]}"},
        {NULL,   NULL,          0,   NULL                }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "publish", "-m", "a \"b\"");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_STR(slice_str(r.err),
              "error route-without-federation sites/hq/federation_route: The route leads nowhere. "
              "(turn federation on)\n"
              "warning x (line 3): Look.\n"
              "entente: The checks found 1 error(s). (publish.errors)\n");
    CHECK_STR(slice_str(r.out), "");
    CHECK(asked("\"comment\":\"a \\\"b\\\"\""));
    CHECK(asked("\"accept_warnings\":false"));
    ran_fini(&r);
    RUN(&r, "publish", "--yes", "--json");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK(slice_starts(slice_str(r.out), SLICE("{\n  \"id\": \"publish.errors\"")));
    CHECK(slice_ends(slice_str(r.out), SLICE("]\n}\n"))); /* one answer */
    CHECK(asked("\"accept_warnings\":true"));
    ran_fini(&r);
    fake_stop();
}

TEST(an_answer_that_is_not_ours_is_refused)
{
    static const struct row rows[] = {
        {"GET", "/v1/history", 200, "<html>"},
        {"GET", "/v1/check",   502, ""      },
        {NULL,  NULL,          0,   NULL    }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "topology", "history");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(api.not-json)");
    ran_fini(&r);
    RUN(&r, "topology", "check");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "502");
    ran_fini(&r);
    RUN(&r, "machine", "list");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "entente: no such thing (api.unknown)\n");
    ran_fini(&r);
    fake_stop();
}

/* --- the draft --- */
TEST(documents_are_shown_and_changed)
{
    static const struct row rows[] = {
        {"GET",  "/v1/draft",     200, "{\"draft\":true,\"text\":\"name: hq\\n\"}"      },
        {"GET",  "/v1/draft",     200, "{\"draft\":true,\"document\":{\"name\":\"hq\"}}"},
        {"POST", "/v1/draft/set", 200,
         "{\"draft\":true,\"findings\":[{\"id\":\"f\",\"severity\":\"error\",\"path\":\"a\",\"text\":\"T.\"}]"
         "}"                                                                            },
        {"POST", "/v1/draft/add", 422,
         "{\"id\":\"unknown-path\",\"text\":\"there is "
         "none\",\"findings\":[{\"id\":\"unknown-path\",\"text\":\"there is none\"}]}"  },
        {"GET",  "/v1/diff",      200, "{\"changes\":[],\"text\":\"\"}"                 },
        {NULL,   NULL,            0,   NULL                                             }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "topology", "show", "sites/hq");
    CHECK_STR(slice_str(r.out), "name: hq\n");
    CHECK(asked("GET /v1/draft path=sites/hq format=yaml"));
    ran_fini(&r);
    RUN(&r, "topology", "show", "--format", "json");
    CHECK_STR(slice_str(r.out), "{\n  \"name\": \"hq\"\n}\n");
    ran_fini(&r);
    RUN(&r, "topology", "show", "--format", "xml");
    CHECK_INT(r.code, EXIT_WRONG_USAGE);
    ran_fini(&r);
    RUN(&r, "topology", "set", "a/b", "true");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.err, "error f a: T.\n");
    CHECK(asked("POST /v1/draft/set {\"path\":\"a/b\",\"value\":\"true\",\"author\":"));
    ran_fini(&r);
    RUN(&r, "topology", "add", "sits", "name=x", "y=");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_STR(slice_str(r.err), "entente: there is none (unknown-path)\n");
    CHECK(asked("{\"path\":\"sits\",\"assignments\":[\"name=x\",\"y=\"],"));
    ran_fini(&r);
    RUN(&r, "topology", "add", "sites", "x");
    CHECK_INT(r.code, EXIT_WRONG_USAGE);
    ran_fini(&r);
    RUN(&r, "topology", "diff", "3");
    CHECK_STR(slice_str(r.out), "no difference\n");
    CHECK(asked("GET /v1/diff from=3 \n"));
    ran_fini(&r);
    fake_stop();
}

TEST(a_known_partner_is_changed)
{
    static const struct row rows[] = {
        {"POST", "/v1/draft/add", 422, "{\"id\":\"double-identity\",\"text\":\"there already\"}"        },
        {"POST", "/v1/draft/set", 200, "{\"draft\":true}"                                               },
        {"GET",  "/v1/draft",     200,
         "{\"document\":[{\"domain\":\"a.example\"},{\"domain\":\"b.example\",\"policy\":\"blocked\"}]}"},
        {NULL,   NULL,            0,   NULL                                                             }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "partner", "allow", "a.example", "--edge", "sip.a.example");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("[\"domain=a.example\",\"policy=allowed\",\"edge_fqdn=sip.a.example\"]"));
    CHECK(asked("{\"path\":\"partners/a.example/policy\",\"value\":\"allowed\","));
    CHECK(asked("{\"path\":\"partners/a.example/edge_fqdn\",\"value\":\"sip.a.example\","));
    ran_fini(&r);
    RUN(&r, "partner", "list");
    CHECK_HAS(r.out, "a.example  allowed  -");
    CHECK_HAS(r.out, "b.example  blocked  -");
    ran_fini(&r);
    fake_stop();
}

#define WATCHED                                                                                              \
    "\"watched\":[{\"domain\":\"x.example\",\"why\":\"addresses\",\"since_ms\":1000,\"messages\":1203,"      \
    "\"refused\":7,"                                                                                         \
    "\"addresses\":1000,\"answers\":90,\"failures\":80,\"connections\":2,\"suspicious\":false}]"

TEST(the_watch_list_is_of_all_machines)
{
    static const struct row rows[] = {
        {"GET",  "/v1/status",      200, "{\"machine\":\"fe1.example\",\"services\":{\"central\":\"serving\"}}"},
        {"POST", "/v1/replication", 200, "{\"machines\":[{\"fqdn\":\"e1.example\",\"asking\":true}]}"          },
        {"GET",  "/v1/replication", 200,
         "{\"machines\":[{\"fqdn\":\"e1.example\",\"report\":{" WATCHED "}},"
         "{\"fqdn\":\"e2.example\",\"why\":{\"id\":\"push.timeout\",\"text\":\"It is silent.\"}}]}"            },
        {NULL,   NULL,              0,   NULL                                                                  }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "partner", "list", "--watch");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "addresses      1203        7       1000  80 of 90            2  e1.example");
    CHECK_HAS(r.out, "entente partner allow DOMAIN");
    CHECK_HAS(r.err, "e2.example was not asked: push.timeout: It is silent.");
    ran_fini(&r);
    fake_stop();
}

TEST(the_watch_list_of_an_edge_alone)
{
    static const struct row rows[] = {
        {"GET", "/v1/status", 200, "{\"machine\":\"e1.example\",\"services\":{}," WATCHED "}"},
        {NULL,  NULL,         0,   NULL                                                      }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "partner", "list", "--watch", "--json");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "\"machine\": \"e1.example\"");
    ran_fini(&r);
    fake_stop();
}

/* --- secrets and files --- */
TEST(passwords_come_from_files_or_standard_input)
{
    static const struct row rows[] = {
        {"POST",   "/v1/users", 200, "{\"changed\":1}"                                                      },
        {"PUT",    "/v1/users", 404, "{\"id\":\"user.unknown\",\"text\":\"bob@contoso.example is no user\"}"},
        {"DELETE", "/v1/users", 200, "{\"changed\":1}"                                                      },
        {NULL,     NULL,        0,   NULL                                                                   }
    };
    struct ran r;
    int fds[2];
    char path[128];
    fake_start(rows);
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    CHECK_INT(write(fds[1], "s\"cr\\t\r\nrest", 12), 12);
    close(fds[1]);
    run_with(&r, fds[0], (const char *const[]){"user", "add", "alice@contoso.example", NULL});
    close(fds[0]);
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_STR(slice_str(r.out), "alice@contoso.example is added\n");
    CHECK(asked(
        "POST /v1/users {\"users\":[{\"aor\":\"alice@contoso.example\",\"password\":\"s\\\"cr\\\\t\"}]}\n"));
    ran_fini(&r);
    RUN(&r, "user", "passwd", "bob@contoso.example", "--password-file", "/dev/null");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(secret.empty)");
    ran_fini(&r);
    snprintf(path, sizeof(path), "%s/password", fake.folder);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs("s3cret\nrest", f) >= 0 && fclose(f) == 0);
    RUN(&r, "user", "passwd", "bob@contoso.example", "--password-file", path);
    unlink(path);
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "entente: bob@contoso.example is no user (user.unknown)\n");
    CHECK(asked("PUT /v1/users {\"users\":[{\"aor\":\"bob@contoso.example\",\"password\":\"s3cret\"}]}\n"));
    ran_fini(&r);
    RUN(&r, "user", "remove", "alice@contoso.example");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("DELETE /v1/users aor=alice@contoso.example \n"));
    ran_fini(&r);
    RUN(&r, "user", "add", "alice", "--password-file", "/nowhere/p");
    CHECK_HAS(r.err, "(user.invalid)"); /* before the password is read */
    ran_fini(&r);
    RUN(&r, "user", "passwd", "bob@contoso.example", "--password-file", "/nowhere/p");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "cannot read /nowhere/p: No such file or directory (file.unreadable)");
    ran_fini(&r);
    fake_stop();
}

TEST(a_bundle_is_for_its_owner_alone)
{
    static const struct row rows[] = {
        {"POST", "/v1/machines/bundle", 200, "{\"format\":1,\"fqdn\":\"m.example\"}\n"},
        {NULL,   NULL,                  0,   NULL                                     }
    };
    struct ran r;
    struct stat st;
    char path[128], text[64] = "";
    fake_start(rows);
    snprintf(path, sizeof(path), "%s/m.bundle", fake.folder);
    RUN(&r, "machine", "bundle", "m.example", "-o", path);
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    CHECK_STR(slice_str(text), "{\"format\":1,\"fqdn\":\"m.example\"}\n");
    CHECK(!has(r.out, "format"));
    unlink(path);
    ran_fini(&r);
    RUN(&r, "machine", "bundle", "m.example", "-o", "/nowhere/m.bundle");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(file.unwritable)");
    ran_fini(&r);
    fake_stop();
}

TEST_MAIN(status_for_people_and_programs, a_call_id_is_escaped, replication_is_a_table,
          who_is_not_there_is_said, findings_are_lines, an_answer_that_is_not_ours_is_refused,
          documents_are_shown_and_changed, a_known_partner_is_changed, the_watch_list_is_of_all_machines,
          the_watch_list_of_an_edge_alone, passwords_come_from_files_or_standard_input,
          a_bundle_is_for_its_owner_alone)
