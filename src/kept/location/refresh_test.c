/* What is answered from memory, what goes to the disk first, and what a crash leaves of both. */
#include "kept/location/fixture.h"

#include "ground/base/test.h"

#include <semaphore.h>

enum { MINUTE = 60000, HOUR = 60 * MINUTE };
static struct fixture f;

/* alice's client: one contact on a connection. Tests change what they need. */
struct client {
    struct location_change change;
    struct location_request rq;
};
static struct client *client_at(const char *aor, int64_t now_ms, int64_t interval_ms)
{
    static struct client c;
    c.change = (struct location_change){
        .uri = SLICE("sip:alice@10.0.0.1:5070"),
        .binding = {.instance = SLICE("<urn:uuid:1>"),
                    .q = 1000,
                    .expires_ms = now_ms + interval_ms,
                    .transport = SIP_TLS,
                    .flow = {1, 2, 3}},
    };
    net_addr_parse(SLICE("10.0.0.1"), 5070, &c.change.binding.source);
    c.rq = (struct location_request){.aor = slice_str(aor),
                                     .call_id = SLICE("call"),
                                     .cseq = 1,
                                     .changes = &c.change,
                                     .n = 1,
                                     .max_contacts = 3};
    return &c;
}

static struct location_binding found(const char *aor, int64_t now_ms)
{
    struct location_binding *b;
    size_t n = location_find(f.l, slice_str(aor), now_ms, &f.arena, &b);
    CHECK_INT(n, 1);
    return n ? b[0] : (struct location_binding){0};
}

/* What it answers is what is found. */
static bool refresh(const struct location_request *rq, int64_t now_ms)
{
    struct location_binding *b, *there;
    size_t n;
    if (!location_refresh(f.l, rq, now_ms, &f.arena, &b, &n))
        return false;
    CHECK_INT(n, location_find(f.l, rq->aor, now_ms, &f.arena, &there));
    for (size_t i = 0; i < n; i++) {
        CHECK_SLICE(b[i].uri, there[i].uri);
        CHECK_INT(b[i].expires_ms, there[i].expires_ms);
        CHECK_INT(b[i].cseq, there[i].cseq);
    }
    return true;
}

static void copy_file(const char *from, const char *to)
{
    static char chunk[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    CHECK(in && out);
    for (size_t n; in && out && (n = fread(chunk, 1, sizeof(chunk), in)) > 0;)
        CHECK_INT(fwrite(chunk, 1, n, out), n);
    if (in)
        fclose(in);
    if (out)
        CHECK_INT(fclose(out), 0);
}

/* Goes on with a copy of the files that is made while they are open: what kill -9 leaves now. */
static void crash(void)
{
    static const char *const suffix[] = {"", "-wal"};
    struct fixture copy = {.folder = "/tmp/location_test.XXXXXX"};
    CHECK(mkdtemp(copy.folder) != NULL);
    for (size_t i = 0; i < 2; i++) {
        char from[128], to[128];
        fixture_path(&f, suffix[i], from);
        fixture_path(&copy, suffix[i], to);
        copy_file(from, to);
    }
    fixture_fini(&f);
    f = copy;
    fixture_open(&f);
    CHECK_INT(f.open_result, 0);
}

TEST(a_refresh_is_for_memory)
{
    int64_t now = loop_wall();
    fixture_init(&f);
    struct client *c = client_at("alice@b", now, HOUR);
    CHECK(!refresh(&c->rq, now)); /* there is nothing yet */
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    CHECK(!refresh(&c->rq, now)); /* the same CSeq */
    for (uint32_t i = 2; i < 10; i++) {
        c->rq.cseq = i;
        c->change.binding.expires_ms = now + i * MINUTE + HOUR;
        CHECK(refresh(&c->rq, now + i * MINUTE));
        struct location_binding b = found("alice@b", now + i * MINUTE);
        CHECK_INT(b.expires_ms, now + i * MINUTE + HOUR);
        CHECK_INT(b.cseq, i);
    }
    CHECK_INT(location_count(f.l), 1);
    c->rq.cseq = 9;
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_STALE);
    /* the client was told nine minutes and an hour; the disk knows it */
    crash();
    struct location_binding b = found("alice@b", now + 9 * MINUTE + HOUR - 1);
    CHECK(b.flow_lost);
    CHECK_INT(b.cseq, 1); /* a REGISTER from before may come again, if it proves its user */
    fixture_fini(&f);
}

/* Until the disk promises no more; then it promises anew. */
TEST(the_promise_runs_out)
{
    int64_t now = loop_wall() - HOUR - 10 * MINUTE;
    fixture_init(&f);
    struct client *c = client_at("alice@b", now + HOUR + 10 * MINUTE, 10 * MINUTE);
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    now = loop_wall();
    c->rq.cseq = 2;
    c->change.binding.expires_ms = now + 19 * MINUTE;
    CHECK(refresh(&c->rq, now + 9 * MINUTE));
    c->rq.cseq = 3;
    c->change.binding.expires_ms = now + 20 * MINUTE + 1;
    CHECK(!refresh(&c->rq, now + 10 * MINUTE + 1));
    CHECK_INT(found("alice@b", now).cseq, 2);
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    crash();
    struct location_binding b = found("alice@b", now + 20 * MINUTE);
    CHECK_INT(b.cseq, 3);
    CHECK(b.expires_ms >= now + 20 * MINUTE + 1);
    fixture_fini(&f);
}

/* The slack is one more interval, and no more than an hour. */
TEST(what_a_crash_leaves)
{
    static const struct {
        int64_t interval_ms, slack_ms;
    } cases[] = {
        {MINUTE,   MINUTE},
        {HOUR,     HOUR  },
        {5 * HOUR, HOUR  },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct location_binding *b;
        int64_t now = loop_wall(), granted = now + cases[i].interval_ms;
        fixture_init(&f);
        CHECK_INT(fixture_update(&f, &client_at("alice@b", now, cases[i].interval_ms)->rq), LOCATION_OK);
        CHECK_INT(location_find(f.l, SLICE("alice@b"), granted, &f.arena, &b), 0); /* as it was told */
        crash();
        CHECK_INT(location_find(f.l, SLICE("alice@b"), granted - 1, &f.arena, &b), 1);
        CHECK_INT(location_find(f.l, SLICE("alice@b"), granted + cases[i].slack_ms, &f.arena, &b), 0);
        fixture_fini(&f);
    }
}

static void change_uri(struct client *c)
{
    c->change.uri = SLICE("sip:alice@10.0.0.1:5070;x");
}
static void change_uri_case(struct client *c) /* the same by RFC 3261 19.1.4, and yet not what is there */
{
    c->change.uri = SLICE("SIP:alice@10.0.0.1:5070");
}
static void change_instance(struct client *c)
{
    c->change.binding.instance = SLICE("<urn:uuid:2>");
}
static void change_path(struct client *c)
{
    c->change.binding.path = SLICE("<sip:p.example>");
}
static void change_q(struct client *c)
{
    c->change.binding.q = 500;
}
static void change_call_id(struct client *c)
{
    c->rq.call_id = SLICE("other");
}
static void change_transport(struct client *c)
{
    c->change.binding.transport = SIP_TCP;
}
static void change_source(struct client *c)
{
    net_addr_parse(SLICE("10.0.0.1"), 5071, &c->change.binding.source);
}
static void change_flow(struct client *c)
{
    c->change.binding.flow.generation++;
}
static void change_expires_to_nothing(struct client *c)
{
    c->change.binding.expires_ms = loop_wall() - 1;
}
static void change_expires_to_little(struct client *c)
{
    c->change.binding.expires_ms = loop_wall() + MINUTE;
}
static void change_to_removal(struct client *c)
{
    c->change.remove = true;
}
static void change_to_remove_all(struct client *c)
{
    c->rq.remove_all = true;
}
static void change_to_several(struct client *c)
{
    static struct location_change two[2];
    two[0] = two[1] = c->change;
    c->rq.changes = two;
    c->rq.n = 2;
}
static void change_nothing_but_lose_the_flow(struct client *c)
{
    location_flow_gone(f.l, c->change.binding.flow);
}

/* Each of these goes to the disk, and is there after a crash. */
TEST(what_is_no_mere_refresh)
{
    static void (*const changes[])(struct client *) = {
        change_uri,
        change_uri_case,
        change_instance,
        change_path,
        change_q,
        change_call_id,
        change_transport,
        change_source,
        change_flow,
        change_expires_to_nothing,
        change_expires_to_little,
        change_to_removal,
        change_to_remove_all,
        change_to_several,
        change_nothing_but_lose_the_flow,
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        int64_t now = loop_wall();
        fixture_init(&f);
        CHECK_INT(fixture_update(&f, &client_at("alice@b", now, HOUR)->rq), LOCATION_OK);
        struct client *c = client_at("alice@b", now + MINUTE, HOUR);
        c->rq.cseq = 2;
        changes[i](c);
        if (refresh(&c->rq, now + MINUTE))
            TEST_DIAG("change %zu", i);
        CHECK(!refresh(&c->rq, now + MINUTE));
        CHECK_INT(found("alice@b", now).cseq, 1);
        fixture_fini(&f);
    }
}

TEST(removal_is_on_disk)
{
    int64_t now = loop_wall();
    fixture_init(&f);
    struct client *c = client_at("alice@b", now, HOUR);
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    c->rq.cseq = 2;
    c->change.binding.expires_ms++;
    CHECK(refresh(&c->rq, now + 1));
    c->rq.cseq = 3;
    c->change.remove = true;
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    crash();
    CHECK_INT(location_count(f.l), 0);
    fixture_fini(&f);
}

/* Somebody who asks for less than before is not promised what it had: the disk hears of it. */
TEST(a_shorter_interval)
{
    struct location_binding *b;
    int64_t now = loop_wall();
    fixture_init(&f);
    CHECK_INT(fixture_update(&f, &client_at("alice@b", now, HOUR)->rq), LOCATION_OK);
    struct client *c = client_at("alice@b", now, MINUTE);
    c->rq.cseq = 2;
    CHECK(!refresh(&c->rq, now));
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    crash();
    CHECK_INT(location_find(f.l, SLICE("alice@b"), now + 2 * MINUTE, &f.arena, &b), 0);
    fixture_fini(&f);
}

/* Keeps the writer's only thread until it is told. */
struct blocker {
    struct job job;
    sem_t go;
};
static void blocker_work(struct job *j)
{
    sem_wait(&((struct blocker *)j)->go);
}

/* What waits for the disk is not overtaken. */
TEST(behind_what_was_asked_before)
{
    int64_t now = loop_wall();
    fixture_init(&f);
    CHECK_INT(fixture_update(&f, &client_at("alice@b", now, HOUR)->rq), LOCATION_OK);
    struct client *c = client_at("alice@b", now, HOUR);
    struct fixture_answer removal = {f.loop, -1};
    struct blocker blocker = {.job = {.work = blocker_work}};
    sem_init(&blocker.go, 0, 0);
    CHECK_INT(helpers_run(f.helpers, NULL, &blocker.job), 0);
    c->rq.cseq = 2;
    c->change.remove = true;
    location_update(f.l, f.loop, &c->rq, fixture_done, &removal);
    c = client_at("alice@b", now, HOUR);
    c->rq.cseq = 3;
    CHECK(!refresh(&c->rq, now));
    CHECK_INT(found("alice@b", now).cseq, 1);
    sem_post(&blocker.go);
    while (removal.outcome < 0)
        loop_run(f.loop);
    CHECK_INT(removal.outcome, LOCATION_OK);
    CHECK_INT(location_count(f.l), 0);
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    /* and nothing is held for ever: not by this, nor by what was refused or failed */
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_STALE);
    c->change.uri = SLICE_NONE;
    c->rq.n = LOCATION_MAX_CHANGES + 1;
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_FAILED);
    c = client_at("alice@b", now, HOUR);
    c->rq.cseq = 4;
    CHECK(refresh(&c->rq, now));
    fixture_fini(&f);
}

TEST(the_last_refreshed_comes_first)
{
    struct location_binding *b;
    int64_t now = loop_wall();
    fixture_init(&f);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const uris[] = {"sip:1.example", "sip:2.example", "sip:3.example"};
        struct client *c = client_at("alice@b", now, HOUR);
        c->change.uri = slice_str(uris[i]);
        c->change.binding.instance = SLICE_NONE;
        c->change.binding.q = i == 2 ? 900 : 500;
        CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    }
    struct client *c = client_at("alice@b", now, HOUR);
    c->change.uri = SLICE("sip:1.example");
    c->change.binding.instance = SLICE_NONE;
    c->change.binding.q = 500;
    c->rq.cseq = 2;
    for (int round = 0; round < 2; round++) {
        CHECK_INT(location_find(f.l, SLICE("alice@b"), now, &f.arena, &b), 3);
        CHECK_STR(b[0].uri, "sip:3.example");
        CHECK_STR(b[1].uri, round ? "sip:1.example" : "sip:2.example");
        if (round == 0)
            CHECK(refresh(&c->rq, now));
    }
    /* also when the record is written anew for another contact */
    c->change.uri = SLICE("sip:4.example");
    c->change.binding.q = 100;
    c->rq.max_contacts = 4;
    CHECK_INT(fixture_update(&f, &c->rq), LOCATION_OK);
    CHECK_INT(location_find(f.l, SLICE("alice@b"), now, &f.arena, &b), 4);
    CHECK_STR(b[1].uri, "sip:1.example");
    fixture_fini(&f);
}

/* Of many users, half refresh. */
enum { USERS = 2 * LOCATION_SWEEP + 10 };
static unsigned answered;
static void count_answer(void *arg, enum location_outcome outcome)
{
    CHECK_INT(outcome, LOCATION_OK);
    if (++answered == USERS)
        loop_stop(arg);
}
static struct client *user_at(unsigned i, int64_t now)
{
    static char aor[32];
    snprintf(aor, sizeof(aor), "u%u@b", i);
    return client_at(aor, now, HOUR);
}

/* The sweep looks at more than one batch, and what was refreshed is due later. */
TEST(the_sweep_spares_the_refreshed)
{
    int64_t now = loop_wall();
    fixture_init(&f);
    answered = 0;
    for (unsigned i = 0; i < USERS; i++)
        location_update(f.l, f.loop, &user_at(i, now)->rq, count_answer, f.loop);
    while (answered < USERS)
        loop_run(f.loop);
    for (unsigned i = 0; i < USERS; i += 2) {
        struct client *c = user_at(i, now + MINUTE + i);
        c->rq.cseq = 2;
        CHECK(refresh(&c->rq, now + MINUTE + i));
    }
    CHECK_INT(location_count(f.l), USERS);
    location_sweep(f.l, now + HOUR);
    fixture_idle(&f);
    CHECK_INT(location_count(f.l), USERS / 2);
    location_sweep(f.l, now + HOUR + MINUTE + 100); /* those up to 100 */
    fixture_idle(&f);
    CHECK_INT(location_count(f.l), USERS / 2 - 51);
    location_sweep(f.l, now + 3 * HOUR);
    fixture_idle(&f);
    CHECK_INT(location_count(f.l), 0);
    fixture_fini(&f);
}

TEST_MAIN(a_refresh_is_for_memory, the_promise_runs_out, what_a_crash_leaves, what_is_no_mere_refresh,
          removal_is_on_disk, a_shorter_interval, behind_what_was_asked_before,
          the_last_refreshed_comes_first, the_sweep_spares_the_refreshed)
