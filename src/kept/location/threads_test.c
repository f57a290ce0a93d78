/* Updates, lookups, lost flows and sweeps from several threads at once; what TSan looks at. */
#include "kept/location/fixture.h"

#include "ground/base/test.h"

#include <pthread.h>
#include <stdatomic.h>

enum { UPDATERS = 3, FINDERS = 2, ROUNDS = 150, AORS = 4, REFRESHERS = 2 };
static struct fixture f;
static atomic_bool ended;
static atomic_size_t wrong;
static int64_t base;

static void fail_unless(bool good)
{
    if (!good)
        atomic_fetch_add(&wrong, 1);
}

/* Each thread has a contact of its own at every aor, all share the aors. */
static void *updater(void *arg)
{
    unsigned me = *(unsigned *)arg;
    struct loop *loop = loop_new(me);
    char uri[64], aor[32], call_id[32];
    snprintf(call_id, sizeof(call_id), "call-%u", me);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        snprintf(aor, sizeof(aor), "u%u@b", i % AORS);
        snprintf(uri, sizeof(uri), "sip:u%u@%u.example", i % AORS, me);
        struct location_change c = {
            .uri = slice_str(uri),
            .remove = i % 11 == 0,
            .binding = {.q = 1000, .expires_ms = base, .transport = SIP_TLS, .flow = {me, 1, i}}
        };
        struct location_request rq = {.aor = slice_str(aor),
                                      .call_id = slice_str(call_id),
                                      .cseq = i,
                                      .changes = &c,
                                      .n = 1,
                                      .max_contacts = UPDATERS + REFRESHERS};
        fail_unless(fixture_update_on(f.l, loop, &rq) == LOCATION_OK);
        rq.cseq--; /* what came later is never overtaken */
        int stale = c.remove ? LOCATION_OK : LOCATION_STALE;
        rq.changes = &(struct location_change){.uri = c.uri, .remove = true};
        fail_unless(fixture_update_on(f.l, loop, &rq) == stale);
        location_flow_gone(f.l, (struct location_flow){me, 1, i - 1});
        location_sweep(f.l, base - 1);
    }
    loop_free(loop);
    return NULL;
}

/* A contact at each of the aors that the updaters change, registered once and refreshed from then on; what
 * cannot be refreshed at once goes the long way, and neither overtakes the other. */
static atomic_size_t refreshed;
static void *refresher(void *arg)
{
    unsigned me = *(unsigned *)arg;
    struct loop *loop = loop_new(me);
    char uri[64], aor[32], call_id[32];
    snprintf(call_id, sizeof(call_id), "call-%u", me);
    for (unsigned i = 1; !atomic_load(&ended); i++) {
        struct arena a = {0};
        struct location_binding one, *there;
        size_t n_there;
        snprintf(aor, sizeof(aor), "u%u@b", i % AORS);
        snprintf(uri, sizeof(uri), "sip:u%u@%u.example", i % AORS, me);
        struct location_change c = {
            .uri = slice_str(uri),
            .binding = {.q = 1000, .expires_ms = base + i, .transport = SIP_TLS, .flow = {me, 1, 1}}
        };
        struct location_request rq = {.aor = slice_str(aor),
                                      .call_id = slice_str(call_id),
                                      .cseq = i,
                                      .changes = &c,
                                      .n = 1,
                                      .max_contacts = UPDATERS + REFRESHERS};
        if (location_refresh(f.l, &rq, loop_wall(), &a, &there, &n_there))
            atomic_fetch_add(&refreshed, 1);
        else
            fail_unless(fixture_update_on(f.l, loop, &rq) == LOCATION_OK);
        fail_unless(location_find_contact(f.l, c.uri, base - 1, &a, &one) && one.cseq == i &&
                    one.expires_ms == base + i);
        location_sweep(f.l, base - 1);
        arena_fini(&a);
    }
    loop_free(loop);
    return NULL;
}

static void *finder(void *arg)
{
    unsigned i = *(unsigned *)arg;
    for (; !atomic_load(&ended); i++) {
        struct arena a = {0};
        struct location_binding *found, one;
        char aor[32], uri[64];
        snprintf(aor, sizeof(aor), "u%u@b", i % AORS);
        size_t n = location_find(f.l, slice_str(aor), base - 1, &a, &found);
        fail_unless(n <= UPDATERS + REFRESHERS);
        for (size_t k = 0; k < n; k++)
            fail_unless(slice_starts(found[k].uri, SLICE("sip:u")));
        snprintf(uri, sizeof(uri), "sip:u%u@%u.example", i % AORS, i % (UPDATERS + REFRESHERS));
        if (location_find_contact(f.l, slice_str(uri), base - 1, &a, &one))
            fail_unless(slice_eq(one.uri, slice_str(uri)) && one.flow.worker == i % (UPDATERS + REFRESHERS));
        fail_unless(location_count(f.l) <= (size_t)(UPDATERS + REFRESHERS) * (AORS + 1));
        arena_fini(&a);
    }
    return NULL;
}

static void run_threads(void)
{
    enum { BUSY = UPDATERS + REFRESHERS, ALL = BUSY + FINDERS };
    pthread_t threads[ALL];
    unsigned index[ALL];
    atomic_store(&ended, false);
    for (unsigned i = 0; i < ALL; i++) {
        index[i] = i;
        pthread_create(&threads[i], NULL, i < UPDATERS ? updater : i < BUSY ? refresher : finder, &index[i]);
    }
    for (unsigned i = 0; i < ALL; i++) {
        if (i == UPDATERS)
            atomic_store(&ended, true);
        pthread_join(threads[i], NULL);
    }
}

TEST(threads)
{
    fixture_init(&f);
    base = loop_wall() + 3600000;
    run_threads();
    CHECK_INT(wrong, 0);
    CHECK(atomic_load(&refreshed) > 0);
    size_t n = location_count(f.l);
    CHECK(n >= AORS);
    fixture_close(&f);
    fixture_open(&f);
    CHECK_INT(location_count(f.l), n); /* disk and memory agree */
    fixture_fini(&f);
}

/* Many at once share a commit, and each has its answer, in order of asking. */
struct crowd {
    struct loop *loop;
    unsigned answered, wrong;
};
struct member {
    struct crowd *crowd;
    unsigned index;
    enum location_outcome want;
};
static void member_done(void *arg, enum location_outcome outcome)
{
    struct member *m = arg;
    m->crowd->wrong += outcome != m->want || m->index != m->crowd->answered;
    m->crowd->answered++;
    loop_stop(m->crowd->loop);
}

TEST(crowd)
{
    enum { MEMBERS = 2000 };
    static struct member members[MEMBERS];
    fixture_init(&f);
    struct crowd crowd = {.loop = f.loop};
    for (unsigned i = 0; i < MEMBERS; i++) {
        char aor[32], uri[32];
        snprintf(aor, sizeof(aor), "u%u@b", i / 4);
        snprintf(uri, sizeof(uri), "sip:%u.example", i % 4 / 2);
        /* of four: a contact, the same again (stale), a second contact, the same again */
        members[i] = (struct member){&crowd, i, i % 2 ? LOCATION_STALE : LOCATION_OK};
        struct location_change c = {
            .uri = slice_str(uri), .binding = {.expires_ms = loop_wall() + 3600000, .q = 1000}
        };
        struct location_request rq = {.aor = slice_str(aor),
                                      .call_id = SLICE("c"),
                                      .cseq = 1,
                                      .changes = &c,
                                      .n = 1,
                                      .max_contacts = 2};
        location_update(f.l, f.loop, &rq, member_done, &members[i]);
    }
    while (crowd.answered < MEMBERS)
        loop_run(f.loop);
    CHECK_INT(crowd.wrong, 0);
    CHECK_INT(location_count(f.l), MEMBERS / 2);
    fixture_close(&f);
    fixture_open(&f);
    CHECK_INT(location_count(f.l), MEMBERS / 2);
    fixture_fini(&f);
}

/* The queue is bounded; what does not fit is answered as well, on a later turn. */
TEST(close_answers_all)
{
    static struct member members[3];
    fixture_init(&f);
    struct crowd crowd = {.loop = f.loop};
    for (unsigned i = 0; i < 3; i++) {
        members[i] = (struct member){&crowd, i, i == 0 ? LOCATION_FAILED : LOCATION_OK};
        struct location_request rq = {
            .aor = i ? SLICE("a@b") : SLICE_NONE, .call_id = SLICE("c"), .cseq = i, .remove_all = true};
        location_update(f.l, f.loop, &rq, member_done, &members[i]);
        CHECK_INT(crowd.answered, 0);
    }
    location_close(f.l);
    f.l = NULL;
    while (crowd.answered < 3)
        loop_run(f.loop);
    CHECK_INT(crowd.wrong, 0);
    fixture_fini(&f);
}

TEST_MAIN(threads, crowd, close_answers_all)
