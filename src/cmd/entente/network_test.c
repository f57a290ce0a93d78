/* DNS, firewall rules, paths, and asking all machines. */
#include "ground/base/test.h"

#include "cmd/entente/fake_for_test.h"

TEST(dns_records_in_three_forms)
{
    static const struct row rows[] = {
        {"GET", "/v1/dns/records", 200,
         "{\"records\":[{\"side\":\"external\",\"name\":\"sip.x.example\",\"type\":\"A\",\"ttl\":300,"
         "\"data\":\"192.0.2.1\",\"optional\":true,\"use\":\"The Access Edge.\"}]}"          },
        {"GET", "/v1/dns/records", 200, "{\"text\":\"sip.x.example. 300 IN A 192.0.2.1\\n\"}"},
        {"GET", "/v1/dns/records", 200, "{\"records\":[]}"                                   },
        {NULL,  NULL,              0,   NULL                                                 }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "dns", "records", "--side", "external");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "external  sip.x.example  300  A     192.0.2.1  (optional) The Access Edge.\n");
    CHECK(asked("GET /v1/dns/records side=external"));
    ran_fini(&r);
    RUN(&r, "dns", "records", "--format", "zone");
    CHECK_STR(slice_str(r.out), "sip.x.example. 300 IN A 192.0.2.1\n");
    CHECK(asked("format=zone"));
    ran_fini(&r);
    RUN(&r, "dns", "records", "--format=json");
    CHECK_HAS(r.out, "\"records\": []");
    ran_fini(&r);
    RUN(&r, "dns", "records", "--format=nft");
    CHECK_INT(r.code, EXIT_WRONG_USAGE);
    CHECK_HAS(r.err, "'nft' is no --format of dns records; it takes: table zone json\n");
    ran_fini(&r);
    fake_stop();
}

#define DIFFERENT                                                                                            \
    "[{\"state\":\"different\",\"name\":\"sip.x.example\",\"type\":\"A\",\"wanted\":\"192.0.2.1\","          \
    "\"found\":\"192.0.2.9\",\"wanted_ttl\":300,\"found_ttl\":10,\"server\":\"192.0.2.53:53\"}]"

TEST(dns_check_ends_with_2_when_something_differs)
{
    static const struct row rows[] = {
        {"GET", "/v1/dns/check", 200, "{\"records\":" DIFFERENT ",\"differences\":1,\"servers\":[]}"},
        {"GET", "/v1/dns/check", 200, "{\"records\":[],\"differences\":0,\"servers\":[]}"           },
        {"GET", "/v1/dns/check", 200,
         "{\"records\":[],\"differences\":0,\"servers\":[{\"address\":\"192.0.2.53:53\",\"unasked\":3,"
         "\"why\":\"no answer\"}]}"                                                                 },
        {NULL,  NULL,            0,   NULL                                                          }
    };
    static const int codes[] = {EXIT_REFUSED, EXIT_DONE, EXIT_REFUSED};
    struct ran r;
    fake_start(rows);
    for (size_t i = 0; i < 3; i++) {
        RUN(&r, "dns", "check");
        CHECK_INT(r.code, codes[i]);
        CHECK_HAS(i ? "192.0.2.9" : r.out, "192.0.2.9");
        CHECK_HAS(i == 2 ? r.err : "(dns.not-asked)", "(dns.not-asked)");
        ran_fini(&r);
    }
    fake_stop();
}

TEST(dns_apply_shows_and_asks_first)
{
    static const struct row rows[] = {
        {"POST", "/v1/dns/apply", 200,
         "{\"dry_run\":true,\"records\":" DIFFERENT
         ",\"servers\":[],\"changes\":[{\"name\":\"sip.x.example\",\"type\":\"A\"}]}"                    },
        {"POST", "/v1/dns/apply", 200,
         "{\"dry_run\":true,\"records\":" DIFFERENT
         ",\"servers\":[],\"changes\":[{\"name\":\"sip.x.example\",\"type\":\"A\"}]}"                    },
        {"POST", "/v1/dns/apply", 200, "{\"changes\":[{\"name\":\"sip.x.example\",\"type\":\"A\"}]}"     },
        {"POST", "/v1/dns/apply", 200,
         "{\"dry_run\":true,\"records\":[],\"servers\":[],\"changes\":[{\"name\":\"a\",\"type\":\"A\"}]}"},
        {"POST", "/v1/dns/apply", 200,
         "{\"changes\":[{\"name\":\"a\",\"type\":\"A\",\"error\":\"REFUSED\"}]}"                         },
        {NULL,   NULL,            0,   NULL                                                              }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "dns", "apply");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.out, "192.0.2.9");
    CHECK_HAS(r.err, "(dns.not-confirmed)");
    CHECK(!has(fake.asked.mem, "\"dry_run\":false"));
    ran_fini(&r);
    RUN(&r, "dns", "apply", "--yes");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "set: sip.x.example A\n");
    CHECK(asked("\"dry_run\":false,\"sets\":[{\"name\":\"sip.x.example\",\"type\":\"A\"}]"));
    ran_fini(&r);
    RUN(&r, "dns", "apply", "--yes");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "not set: a A: REFUSED\n");
    ran_fini(&r);
    fake_stop();
}

TEST(firewall_rules_as_table_and_file)
{
    static const struct row rows[] = {
        {"GET", "/v1/firewall", 200,
         "{\"machines\":[{\"fqdn\":\"e1.x.example\",\"rules\":[{\"side\":\"external\",\"direction\":\"in\","
         "\"proto\":\"udp\",\"port\":50000,\"port_end\":59999,\"addresses\":[\"192.0.2.1\"],\"peers\":"
         "\"any\","
         "\"use\":\"media\",\"served\":false}]}]}"                         },
        {"GET", "/v1/firewall", 200, "{\"text\":\"table inet entente\\n\"}"},
        {NULL,  NULL,           0,   NULL                                  }
    };
    struct ran r;
    char file[128];
    fake_start(rows);
    RUN(&r, "firewall", "rules");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out,
              "e1.x.example  external  in   udp    50000-59999  any   192.0.2.1  media (not served yet)\n");
    ran_fini(&r);
    snprintf(file, sizeof(file), "%s/rules.nft", fake.folder);
    RUN(&r, "firewall", "rules", "e1.x.example", "--format", "nft", "-o", file);
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("format=nft machine=e1.x.example"));
    CHECK_INT(access(file, R_OK), 0);
    unlink(file);
    ran_fini(&r);
    RUN(&r, "firewall", "rules", "--format", "zone");
    CHECK_HAS(r.err, "'zone' is no --format of firewall rules; it takes: table nft json\n");
    ran_fini(&r);
    RUN(&r, "firewall", "rules", "-o", file);
    CHECK_HAS(r.err, "(firewall.output)");
    CHECK_INT(access(file, F_OK), -1);
    ran_fini(&r);
    fake_stop();
}

TEST(path_hop_by_hop)
{
    static const struct row rows[] = {
        {"GET", "/v1/path", 200,
         "{\"from\":\"a@x.example\",\"to\":\"b@y.example\",\"pool\":\"fe.x.example\",\"state\":\"fails\","
         "\"legs\":[{"
         "\"carries\":\"message and "
         "call\",\"from\":\"a@x.example\",\"to\":\"b@y.example\",\"failing\":0,\"hops\":["
         "{\"kind\":\"edge\",\"from\":\"fe.x.example\",\"to\":\"edge.x.example\",\"transport\":\"TLS\","
         "\"addresses\":"
         "[{\"name\":\"e1\",\"endpoint\":\"192.0.2.1:5061\"}],\"state\":\"fails\",\"id\":\"edge.no-"
         "federation\","
         "\"why\":\"It is off.\",\"remedy\":\"turn it on\"}]}]}"                           },
        {"GET", "/v1/path", 200,
         "{\"from\":\"a@x.example\",\"to\":\"b@y.example\",\"state\":\"ok\",\"legs\":[]}"  },
        {"GET", "/v1/path", 422, "{\"id\":\"path.not-ours\",\"text\":\"Neither is ours.\"}"},
        {NULL,  NULL,       0,   NULL                                                      }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "path", "a@x.example", "b@y.example", "--static", "--pool", "fe.x.example");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.out, "  1  fails      fe.x.example -> edge.x.example  TLS 192.0.2.1:5061 (e1)\n");
    CHECK_HAS(r.out, "fails at hop 1 (edge.no-federation): It is off. To do: turn it on.\n");
    CHECK(asked("static=1") && asked("pool=fe.x.example"));
    ran_fini(&r);
    RUN(&r, "path", "a@x.example", "b@y.example");
    CHECK_INT(r.code, EXIT_DONE);
    ran_fini(&r);
    RUN(&r, "path", "a@y.example", "b@y.example");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(path.not-ours)");
    ran_fini(&r);
    fake_stop();
}

TEST(replication_status_asks_and_waits)
{
#define MACHINE(rest)                                                                                        \
    "{\"revision\":2,\"machines\":[{\"fqdn\":\"m.x.example\",\"revision\":2,\"age_ms\":0," rest "}]}"
    static const struct row rows[] = {
        {"POST", "/v1/replication", 200, MACHINE("\"current\":true,\"state\":\"current\",\"asking\":true") },
        {"GET",  "/v1/replication", 200, MACHINE("\"current\":true,\"state\":\"current\",\"asking\":true") },
        {"GET",  "/v1/replication", 200, MACHINE("\"current\":true,\"state\":\"current\",\"asking\":false")},
        {"POST", "/v1/replication", 200,
         MACHINE("\"current\":false,\"state\":\"behind\",\"why\":{\"id\":\"route\",\"text\":\"no way\"}")  },
        {NULL,   NULL,              0,   NULL                                                              }
    };
    struct ran r;
    fake_start(rows);
    RUN(&r, "replication", "status", "--live");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "current");
    ran_fini(&r);
    RUN(&r, "replication", "status", "--live");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.out, "route: no way");
    ran_fini(&r);
    fake_stop();
}

TEST_MAIN(dns_records_in_three_forms, dns_check_ends_with_2_when_something_differs,
          dns_apply_shows_and_asks_first, firewall_rules_as_table_and_file, path_hop_by_hop,
          replication_status_asks_and_waits)
