#include "kept/location/fixture.h"

#include "ground/base/buf.h"
#include "ground/base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { HOUR = 3600000 };
static struct fixture f;

/* uri[;…] for an hour, over TLS, on flow `generation` of worker 1; an instance may follow a blank. */
static struct location_change contact(const char *text, unsigned q, uint64_t generation)
{
    struct slice uri, instance;
    if (!slice_cut(slice_str(text), ' ', &uri, &instance)) {
        uri = slice_str(text);
        instance = SLICE_NONE;
    }
    struct location_change c = {
        .uri = uri,
        .binding = {.uri = uri,
                    .instance = instance,
                    .q = q,
                    .expires_ms = loop_wall() + HOUR,
                    .transport = generation ? SIP_TLS : SIP_UDP,
                    .flow = {1, 2, generation}},
    };
    net_addr_parse(SLICE("192.0.2.1"), 5070, &c.binding.source);
    return c;
}

static struct location_change gone(const char *uri)
{
    return (struct location_change){.uri = slice_str(uri), .remove = true};
}

static int update(const char *aor, const char *call_id, uint32_t cseq, size_t n,
                  const struct location_change *changes)
{
    struct location_request rq = {.aor = slice_str(aor),
                                  .call_id = slice_str(call_id),
                                  .cseq = cseq,
                                  .changes = changes,
                                  .n = n,
                                  .max_contacts = 3,
                                  .remove_all = n == 0};
    return fixture_update(&f, &rq);
}
#define UPDATE(aor, call_id, cseq, ...)                                                                      \
    update(aor, call_id, cseq,                                                                               \
           sizeof((struct location_change[]){__VA_ARGS__}) / sizeof(struct location_change),                 \
           (struct location_change[]){__VA_ARGS__})

/* The contacts of an aor as they are found, with blanks between. */
static void check_contacts(const char *aor, const char *want)
{
    struct location_binding *found;
    struct buf text = {0};
    size_t n = location_find(f.l, slice_str(aor), loop_wall(), &f.arena, &found);
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s" SLICE_FMT "%s", i ? " " : "", SLICE_ARG(found[i].uri),
                   found[i].flow_lost ? "!" : "");
    CHECK_STR(buf_slice(&text), want);
    buf_fini(&text);
}

TEST(register_refresh_remove)
{
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c1", 1, contact("sip:a@1.example", 500, 7)), LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "c2", 1, contact("sip:a@2.example", 1000, 8)), LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "c3", 1, contact("sip:a@3.example", 500, 9)), LOCATION_OK);
    check_contacts("a@b", "sip:a@2.example sip:a@3.example sip:a@1.example"); /* best q, then newest */
    check_contacts("x@b", "");
    CHECK_INT(location_count(f.l), 3);
    CHECK_INT(UPDATE("a@b", "c1", 2, contact("sip:a@1.EXAMPLE", 500, 7)), LOCATION_OK); /* 19.1.4: the same */
    check_contacts("a@b", "sip:a@2.example sip:a@1.EXAMPLE sip:a@3.example");
    CHECK_INT(UPDATE("a@b", "c2", 2, gone("sip:a@2.example"), gone("sip:a@9.example")), LOCATION_OK);
    check_contacts("a@b", "sip:a@1.EXAMPLE sip:a@3.example");
    CHECK_INT(update("a@b", "other", 1, 0, NULL), LOCATION_OK);
    check_contacts("a@b", "");
    CHECK_INT(location_count(f.l), 0);
    fixture_fini(&f);
}

TEST(fields_come_back)
{
    struct location_binding *b, one;
    fixture_init(&f);
    struct location_change c = contact("sip:a@1.example;transport=tls \"<urn:uuid:1>\"", 300, 7);
    c.binding.path = SLICE("<sip:p.example;lr>");
    CHECK_INT(UPDATE("a@b", "call", 41, c), LOCATION_OK);
    for (int round = 0; round < 2; round++) {
        CHECK_INT(location_find(f.l, SLICE("a@b"), loop_wall(), &f.arena, &b), 1);
        CHECK_STR(b->uri, "sip:a@1.example;transport=tls");
        CHECK_STR(b->instance, "\"<urn:uuid:1>\"");
        CHECK_STR(b->path, "<sip:p.example;lr>");
        CHECK_STR(b->call_id, "call");
        CHECK_INT(b->cseq, 41);
        CHECK_INT(b->q, 300);
        if (round == 0)
            CHECK_INT(b->expires_ms, c.binding.expires_ms);
        else
            CHECK(b->expires_ms >= c.binding.expires_ms && b->expires_ms <= c.binding.expires_ms + HOUR);
        CHECK_INT(b->transport, SIP_TLS);
        CHECK(net_addr_eq(&b->source, &c.binding.source));
        CHECK_INT(b->flow.generation, round ? 0 : 7);
        CHECK_INT(b->flow_lost, round);
        CHECK(location_find_contact(f.l, b->uri, loop_wall(), &f.arena, &one));
        CHECK_STR(one.instance, "\"<urn:uuid:1>\"");
        CHECK(!location_find_contact(f.l, SLICE("sip:a@1.example"), loop_wall(), &f.arena, &one));
        fixture_close(&f);
        fixture_open(&f);
        CHECK_INT(f.open_result, 0);
    }
    fixture_fini(&f);
}

TEST(stale_requests)
{
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c", 5, contact("sip:a@1.example", 1000, 7)), LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "c", 5, contact("sip:a@1.example", 1000, 7)), LOCATION_STALE);
    /* all or nothing: the second contact is new, the first is not */
    CHECK_INT(UPDATE("a@b", "c", 4, contact("sip:a@2.example", 1000, 7), gone("sip:a@1.example")),
              LOCATION_STALE);
    CHECK_INT(update("a@b", "c", 5, 0, NULL), LOCATION_STALE);
    check_contacts("a@b", "sip:a@1.example");
    CHECK_INT(UPDATE("a@b", "new", 1, contact("sip:a@1.example", 1000, 7)), LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "new", 2, gone("sip:a@1.example")), LOCATION_OK);
    check_contacts("a@b", "");
    fixture_fini(&f);
}

TEST(same_instance_replaces)
{
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c", 1, contact("sip:a@1.example <urn:uuid:aa>", 1000, 7)), LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "d", 1, contact("sip:a@2.example <urn:uuid:AA>", 1000, 8)), LOCATION_OK);
    check_contacts("a@b", "sip:a@2.example");
    CHECK_INT(UPDATE("a@b", "e", 1, contact("sip:a@3.example <urn:uuid:bb>", 1000, 8)), LOCATION_OK);
    check_contacts("a@b", "sip:a@3.example sip:a@2.example");
    /* the same contact twice in one request: the later counts */
    CHECK_INT(UPDATE("a@b", "f", 1, contact("sip:a@4.example", 1000, 8), gone("sip:a@4.example")),
              LOCATION_OK);
    check_contacts("a@b", "sip:a@3.example sip:a@2.example");
    CHECK_INT(location_count(f.l), 2);
    fixture_fini(&f);
}

TEST(limits)
{
    static char longer[LOCATION_MAX_URI + 2] = "sip:";
    memset(longer + 4, 'a', LOCATION_MAX_URI - 3);
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c", 1, contact("sip:1.example", 1000, 0), contact("sip:2.example", 1000, 0),
                     contact("sip:3.example", 1000, 0)),
              LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "c", 2, contact("sip:4.example", 1000, 0), gone("sip:4.example"),
                     contact("sip:5.example", 1000, 0)),
              LOCATION_TOO_MANY);
    CHECK_INT(UPDATE("a@b", "c", 3, contact("sip:4.example", 1000, 0), gone("sip:1.example")), LOCATION_OK);
    check_contacts("a@b", "sip:4.example sip:3.example sip:2.example");
    /* a limit that was lowered: what is there may be refreshed */
    struct location_change refresh = contact("sip:3.example", 1000, 0);
    struct location_request lowered = {.aor = SLICE("a@b"),
                                       .call_id = SLICE("other"),
                                       .cseq = 1,
                                       .changes = &refresh,
                                       .n = 1,
                                       .max_contacts = 1};
    CHECK_INT(fixture_update(&f, &lowered), LOCATION_OK);
    refresh = contact("sip:9.example", 1000, 0);
    CHECK_INT(fixture_update(&f, &lowered), LOCATION_TOO_MANY);
    check_contacts("a@b", "sip:3.example sip:4.example sip:2.example");
    CHECK_INT(UPDATE("a@b", "c", 4, contact(longer, 1000, 0)), LOCATION_FAILED);
    CHECK_INT(UPDATE("", "c", 4, contact("sip:1.example", 1000, 0)), LOCATION_FAILED);
    struct location_change many[LOCATION_MAX_CHANGES + 1];
    for (size_t i = 0; i <= LOCATION_MAX_CHANGES; i++)
        many[i] = gone("sip:2.example");
    CHECK_INT(update("a@b", "c", 5, LOCATION_MAX_CHANGES + 1, many), LOCATION_FAILED);
    CHECK_INT(update("a@b", "c", 5, LOCATION_MAX_CHANGES, many), LOCATION_OK);
    check_contacts("a@b", "sip:3.example sip:4.example");
    fixture_fini(&f);
}

TEST(flows)
{
    struct location_binding b;
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c", 1, contact("sip:1.example", 1000, 7), contact("sip:2.example", 900, 8)),
              LOCATION_OK);
    CHECK_INT(UPDATE("c@b", "c", 1, contact("sip:3.example", 1000, 7), contact("sip:4.example", 900, 0)),
              LOCATION_OK);
    location_flow_gone(f.l, (struct location_flow){1, 2, 7});
    location_flow_gone(f.l, (struct location_flow){1, 2, 0});
    location_flow_gone(f.l, (struct location_flow){2, 2, 8});
    check_contacts("a@b", "sip:1.example! sip:2.example");
    check_contacts("c@b", "sip:3.example! sip:4.example");
    CHECK(location_find_contact(f.l, SLICE("sip:3.example"), loop_wall(), &f.arena, &b));
    CHECK(b.flow_lost);
    CHECK_INT(UPDATE("a@b", "c", 2, contact("sip:1.example", 1000, 9)), LOCATION_OK);
    check_contacts("a@b", "sip:1.example sip:2.example");
    /* a restart: what lived on a connection waits for its client; UDP, and what had none, works on */
    struct location_change udp = contact("sip:5.example", 800, 5), none = contact("sip:6.example", 700, 0);
    udp.binding.transport = SIP_UDP;
    none.binding.transport = SIP_TCP;
    CHECK_INT(UPDATE("d@b", "c", 1, udp, none), LOCATION_OK);
    fixture_close(&f);
    fixture_open(&f);
    check_contacts("a@b", "sip:1.example! sip:2.example!");
    check_contacts("c@b", "sip:3.example! sip:4.example");
    check_contacts("d@b", "sip:5.example sip:6.example");
    fixture_fini(&f);
}

/* The connection goes while its REGISTER waits for the disk. */
TEST(flow_gone_while_queued)
{
    fixture_init(&f);
    struct location_change c = contact("sip:1.example", 1000, 7);
    struct location_request rq = {
        .aor = SLICE("a@b"), .call_id = SLICE("c"), .cseq = 1, .changes = &c, .n = 1, .max_contacts = 1};
    struct fixture_answer a = {f.loop, -1};
    location_update(f.l, f.loop, &rq, fixture_done, &a);
    location_flow_gone(f.l, c.binding.flow);
    while (a.outcome < 0)
        loop_run(f.loop);
    CHECK_INT(a.outcome, LOCATION_OK);
    check_contacts("a@b", "sip:1.example!");
    fixture_fini(&f);
}

TEST(contact_of_several_users)
{
    struct location_binding b;
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "first", 1, contact("sip:1.example", 1000, 7)), LOCATION_OK);
    CHECK_INT(UPDATE("evil@b", "second", 1, contact("sip:1.example", 1000, 8)), LOCATION_OK);
    CHECK_INT(UPDATE("a@b", "first", 2, contact("sip:1.example", 1000, 7)), LOCATION_OK);
    CHECK(location_find_contact(f.l, SLICE("sip:1.example"), loop_wall(), &f.arena, &b));
    CHECK_STR(b.call_id, "first");
    location_flow_gone(f.l, (struct location_flow){1, 2, 7});
    CHECK(location_find_contact(f.l, SLICE("sip:1.example"), loop_wall(), &f.arena, &b));
    CHECK_STR(b.call_id, "second");
    fixture_close(&f);
    fixture_open(&f);
    CHECK(location_find_contact(f.l, SLICE("sip:1.example"), loop_wall(), &f.arena, &b));
    CHECK_STR(b.call_id, "first"); /* also after a restart */
    fixture_fini(&f);
}

TEST(expiry_and_sweep)
{
    enum { USERS = 40, SOON = HOUR / 2 };
    struct location_binding b;
    int64_t now = loop_wall(); /* the others of this test expire after an hour */
    fixture_init(&f);
    for (int i = 0; i < USERS; i++) {
        char aor[32], uri[32];
        snprintf(aor, sizeof(aor), "u%d@b", i);
        snprintf(uri, sizeof(uri), "sip:u%d.example", i);
        struct location_change c = contact(uri, 1000, 0);
        c.binding.expires_ms = now + SOON + i * 7 % USERS;
        CHECK_INT(UPDATE(aor, "c", 1, c), LOCATION_OK);
    }
    struct location_binding *found;
    CHECK_INT(location_find(f.l, SLICE("u0@b"), now + SOON, &f.arena, &found), 0); /* i * 7 % USERS is 0 */
    CHECK(!location_find_contact(f.l, SLICE("sip:u0.example"), now + SOON, &f.arena, &b));
    location_sweep(f.l, now);
    CHECK_INT(location_count(f.l), USERS);
    for (int i = 0; i < USERS / 2; i++) { /* half of them, one by one */
        location_sweep(f.l, now + SOON + i);
        for (uint32_t k = 1; k <= 2; k++) /* in its batch or behind it */
            CHECK_INT(UPDATE("x@b", "c", 2 * (uint32_t)i + k, contact("sip:x.example", 1000, 0)),
                      LOCATION_OK);
        CHECK_INT(location_count(f.l), USERS - i);
    }
    CHECK_INT(UPDATE("y@b", "c", 1, contact("sip:y.example", 1000, 0)), LOCATION_OK);
    CHECK_INT(location_count(f.l), USERS / 2 + 2);
    fixture_close(&f);
    fixture_open(&f);
    CHECK_INT(location_count(f.l), USERS / 2 + 2);
    location_sweep(f.l, now + 3 * HOUR);
    fixture_close(&f); /* waits for it */
    fixture_open(&f);
    CHECK_INT(location_count(f.l), 0);
    fixture_fini(&f);
}

/* Expired at once: not found after a restart either. */
TEST(expired_is_not_loaded)
{
    fixture_init(&f);
    struct location_change c = contact("sip:1.example", 1000, 0);
    c.binding.expires_ms = loop_wall() - 1;
    CHECK_INT(UPDATE("a@b", "c", 1, c), LOCATION_OK);
    check_contacts("a@b", "");
    CHECK_INT(location_count(f.l), 1);
    /* and it is no reason to call a request stale */
    CHECK_INT(UPDATE("a@b", "c", 1, c), LOCATION_OK);
    fixture_close(&f);
    fixture_open(&f);
    CHECK_INT(location_count(f.l), 0);
    fixture_fini(&f);
}

static void limit_files(rlim_t n)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = n < l.rlim_max ? n : l.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &l), 0);
}

TEST(failing_disk)
{
    signal(SIGXFSZ, SIG_IGN);
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c", 1, contact("sip:1.example", 1000, 7)), LOCATION_OK);
    limit_files(4096);
    CHECK_INT(UPDATE("a@b", "c", 2, contact("sip:2.example", 1000, 7)), LOCATION_FAILED);
    CHECK_INT(update("a@b", "c", 3, 0, NULL), LOCATION_FAILED);
    CHECK_INT(UPDATE("a@b", "c", 1, contact("sip:1.example", 1000, 7)), LOCATION_STALE); /* needs no disk */
    check_contacts("a@b", "sip:1.example");
    CHECK_INT(location_count(f.l), 1);
    limit_files(RLIM_INFINITY);
    CHECK_INT(UPDATE("a@b", "c", 2, contact("sip:2.example", 1000, 7)), LOCATION_OK);
    check_contacts("a@b", "sip:2.example sip:1.example");
    fixture_close(&f);
    fixture_open(&f);
    check_contacts("a@b", "sip:2.example! sip:1.example!");
    fixture_fini(&f);
}

TEST(damaged_file)
{
    char path[128];
    fixture_init(&f);
    CHECK_INT(UPDATE("a@b", "c", 1, contact("sip:1.example", 1000, 7)), LOCATION_OK);
    fixture_close(&f);
    fixture_path(&f, "", path);
    CHECK_INT(truncate(path, 4096 + 1), 0);
    fixture_open(&f);
    CHECK_INT(f.open_result, -EBADMSG);
    CHECK_INT(truncate(path, 0), 0);
    fixture_close(&f);
    fixture_open(&f);
    CHECK_INT(f.open_result, 0);
    fixture_fini(&f);
}

TEST_MAIN(register_refresh_remove, fields_come_back, stale_requests, same_instance_replaces, limits, flows,
          flow_gone_while_queued, contact_of_several_users, expiry_and_sweep, expired_is_not_loaded,
          failing_disk, damaged_file)
