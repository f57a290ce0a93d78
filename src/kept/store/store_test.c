#include "kept/store/store.h"

#include "ground/base/buf.h"
#include "ground/base/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64], path[96];
static struct store *s;
static struct arena arena;

static void setup(void)
{
    strcpy(folder, "/tmp/store_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/central.db", folder);
    CHECK_INT(store_open(folder, &s), 0);
}

static void reopen(void)
{
    store_close(s);
    s = NULL;
    CHECK_INT(store_open(folder, &s), 0);
}

static void teardown(void)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    store_close(s);
    s = NULL;
    arena_fini(&arena);
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
        unlink(name);
    }
    CHECK_INT(rmdir(folder), 0);
}

/* What is stored does not depend on the signature being right. */
static void make_revision(uint64_t number, char content[64], struct revision *ret)
{
    snprintf(content, 64, "{\"schema\":%u}", (unsigned)number);
    *ret = (struct revision){.number = number,
                             .content = slice_str(content),
                             .author = SLICE("alice"),
                             .comment = SLICE("because"),
                             .time_ms = 1700000000000 + (int64_t)number,
                             .signature = SLICE("\x30\x00")};
    snprintf(ret->hash, sizeof(ret->hash), "%064u", (unsigned)number);
}

static int add(uint64_t number)
{
    char content[64];
    struct revision r;
    make_revision(number, content, &r);
    return store_revision_add(s, &r);
}

static void check_text(uint64_t number, uint64_t want)
{
    char content[64];
    struct revision r;
    struct buf got = {0}, text = {0};
    make_revision(want, content, &r);
    revision_write(&r, &text);
    CHECK_INT(store_revision_text(s, number, &got), 0);
    CHECK_SLICE(buf_slice(&got), buf_slice(&text));
    buf_fini(&got);
    buf_fini(&text);
}

TEST(revisions)
{
    uint64_t newest = 9;
    struct store_revision_info *list;
    struct buf b = {0};
    size_t n;
    setup();
    CHECK_INT(store_revision_newest(s, &newest), 0);
    CHECK_INT(newest, 0);
    CHECK_INT(store_revision_text(s, 0, &b), -ENOENT);
    CHECK_INT(add(2), -ESTALE);
    CHECK_INT(add(0), -ESTALE);
    CHECK_INT(add(1), 0);
    CHECK_INT(add(2), 0);
    CHECK_INT(add(1), -EEXIST);
    CHECK_INT(add(2), -EEXIST);
    CHECK_INT(add(4), -ESTALE);
    char content[64];
    struct revision ahead;
    make_revision(9, content, &ahead);
    CHECK_INT(store_begin(s), 0);
    CHECK_INT(store_revision_add_above(s, &ahead), 0);
    CHECK_INT(store_revision_add_above(s, &ahead), -EEXIST);
    store_rollback(s);
    reopen();
    CHECK_INT(add(3), 0);
    check_text(0, 3);
    check_text(1, 1);
    CHECK_INT(store_revision_text(s, 4, &b), -ENOENT);
    CHECK_INT(store_revision_text(s, UINT64_MAX, &b), -ENOENT);
    CHECK_INT(store_revision_list(s, &arena, &list, &n), 0);
    CHECK_INT(n, 3);
    CHECK_INT(list[0].number, 3);
    CHECK_INT(list[2].number, 1);
    CHECK_INT(list[2].time_ms, 1700000000001);
    CHECK_STR(list[2].author, "alice");
    CHECK_STR(list[2].comment, "because");
    CHECK_INT(list[2].hash.n, 64);
    CHECK_INT(buf_len(&b), 0);
    buf_fini(&b);
    teardown();
}

static uint64_t draft_version(const char *want_text, uint64_t want_base)
{
    struct buf b = {0};
    uint64_t version = 99, base = 99;
    CHECK_INT(store_draft_get(s, &b, &version, &base), 0);
    CHECK_STR(buf_slice(&b), want_text);
    CHECK_INT(base, want_base);
    buf_fini(&b);
    return version;
}

TEST(draft)
{
    uint64_t v1 = 0, v2 = 0, v3 = 0;
    setup();
    CHECK_INT(draft_version("", 0), 0);
    CHECK_INT(store_draft_put(s, SLICE("one"), 5, 1, SLICE("alice"), &v1), -ESTALE);
    CHECK_INT(v1, 0);
    CHECK_INT(store_draft_put(s, SLICE("one"), 0, 1, SLICE("alice"), &v1), 0);
    CHECK_INT(draft_version("one", 1), v1);
    CHECK_INT(store_draft_put(s, SLICE("two"), 0, 1, SLICE("bob"), &v2), -ESTALE);
    CHECK_INT(store_draft_put(s, SLICE("two"), v1, 1, SLICE("alice"), &v2), 0);
    CHECK_INT(store_draft_put(s, SLICE("three"), v1, 1, SLICE("bob"), &v3), -ESTALE);
    reopen();
    CHECK_INT(draft_version("two", 1), v2);
    struct arena a = {0};
    struct slice author = SLICE_NONE;
    int64_t time_ms = 0, apart;
    CHECK_INT(store_draft_who(s, &a, &author, &time_ms), 0);
    CHECK_STR(author, "alice");
    apart = (int64_t)time(NULL) * 1000 - time_ms;
    CHECK(apart > -60000 && apart < 600000);
    arena_fini(&a);
    CHECK_INT(store_draft_drop(s), 0);
    CHECK_INT(store_draft_drop(s), 0);
    CHECK_INT(draft_version("", 0), 0);
    /* a new draft never has the version that somebody still holds */
    CHECK_INT(store_draft_put(s, SLICE("three"), 0, 2, SLICE("bob"), &v3), 0);
    CHECK(v3 != v1 && v3 != v2);
    CHECK_INT(store_draft_put(s, SLICE("late"), v2, 1, SLICE("alice"), &v2), -ESTALE);
    CHECK_INT(draft_version("three", 2), v3);
    teardown();
}

static void check_blob(const char *kind, const char *name, const char *want)
{
    struct buf b = {0};
    int r = store_blob_get(s, kind, slice_str(name), &b);
    CHECK_INT(r, want ? 0 : -ENOENT);
    CHECK_STR(buf_slice(&b), want ? want : "");
    buf_fini(&b);
}

TEST(blobs)
{
    struct slice *names;
    size_t n;
    setup();
    CHECK_INT(store_blob_list(s, "secret", &arena, &names, &n), 0);
    CHECK_INT(n, 0);
    CHECK_INT(store_blob_put(s, "secret", SLICE("b"), SLICE("1")), 0);
    CHECK_INT(store_blob_put(s, "secret", SLICE("a"), SLICE("2")), 0);
    CHECK_INT(store_blob_put(s, "machine", SLICE("a"), SLICE("")), 0);
    CHECK_INT(store_blob_put(s, "secret", SLICE("b"), SLICE("replaced")), 0);
    reopen();
    check_blob("secret", "b", "replaced");
    check_blob("machine", "a", "");
    check_blob("machine", "b", NULL);
    CHECK_INT(store_blob_list(s, "secret", &arena, &names, &n), 0);
    CHECK_INT(n, 2);
    CHECK_STR(names[0], "a");
    CHECK_STR(names[1], "b");
    CHECK_INT(store_blob_put(s, "secret", SLICE("a"), SLICE_NONE), 0);
    CHECK_INT(store_blob_put(s, "secret", SLICE("a"), SLICE_NONE), 0);
    check_blob("secret", "a", NULL);
    teardown();
}

TEST(several_as_one)
{
    uint64_t version;
    setup();
    CHECK_INT(store_begin(s), 0);
    CHECK_INT(store_begin(s), -EBUSY);
    CHECK_INT(store_blob_put(s, "transition", SLICE("t"), SLICE("step 1")), 0);
    CHECK_INT(add(1), 0);
    CHECK_INT(store_draft_put(s, SLICE("x"), 0, 1, SLICE("a"), &version), 0);
    CHECK_INT(add(1), -EEXIST);
    store_rollback(s);
    CHECK_INT(store_commit(s), -EINVAL);
    check_blob("transition", "t", NULL);
    CHECK_INT(draft_version("", 0), 0);
    CHECK_INT(store_begin(s), 0);
    CHECK_INT(store_blob_put(s, "transition", SLICE("t"), SLICE("step 1")), 0);
    CHECK_INT(add(1), 0);
    CHECK_INT(store_commit(s), 0);
    CHECK_INT(store_begin(s), 0);
    CHECK_INT(store_blob_put(s, "transition", SLICE("t"), SLICE("step 2")), 0);
    reopen(); /* what was not committed is gone */
    check_blob("transition", "t", "step 1");
    check_text(0, 1);
    teardown();
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
    uint64_t version = 0, newest;
    signal(SIGXFSZ, SIG_IGN);
    setup();
    CHECK_INT(add(1), 0);
    limit_files(4096);
    CHECK_INT(add(2), -EIO);
    CHECK(store_error(s)[0] != '\0');
    CHECK_INT(store_draft_put(s, SLICE("x"), 0, 1, SLICE("a"), &version), -EIO);
    CHECK_INT(version, 0);
    CHECK_INT(store_blob_put(s, "secret", SLICE("a"), SLICE("1")), -EIO);
    check_text(0, 1);
    CHECK_INT(draft_version("", 0), 0);
    limit_files(RLIM_INFINITY);
    CHECK_INT(add(2), 0);
    CHECK_INT(store_revision_newest(s, &newest), 0);
    CHECK_INT(newest, 2);
    store_close(s);
    s = NULL;
    CHECK_INT(truncate(path, 4096 + 1), 0);
    CHECK_INT(store_open(folder, &s), -EBADMSG);
    CHECK(s == NULL);
    CHECK(store_error(NULL)[0] != '\0');
    teardown();
}

/* --- kill -9 at any moment --------------------------------------------------------------------------------
 */

/* A revision, and with it what says how far things went; tells the pipe of each. Never returns. */
static void child(int out)
{
    uint64_t number;
    if (store_open(folder, &s) != 0 || store_revision_newest(s, &number) != 0)
        _exit(1);
    for (number++;; number++) {
        char progress[32];
        snprintf(progress, sizeof(progress), "%u", (unsigned)number);
        bool both = number % 2;
        int r = both ? store_begin(s) : 0;
        if (r == 0)
            r = add(number);
        if (r == 0 && both)
            r = store_blob_put(s, "transition", SLICE("t"), slice_str(progress));
        if (r == 0 && both)
            r = store_commit(s);
        if (r != 0 || write(out, &number, sizeof(number)) != sizeof(number))
            _exit(1);
    }
}

/* The newest that the child said was stored. */
static uint64_t run_and_kill(unsigned wanted)
{
    int fds[2];
    uint64_t number = 0, last = 0;
    CHECK_INT(pipe(fds), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(fds[1]);
    }
    close(fds[1]);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, 20000), 1);
    for (unsigned told = 0; read(fds[0], &number, sizeof(number)) == sizeof(number); last = number)
        if (++told == wanted)
            kill(pid, SIGKILL);
    kill(pid, SIGKILL);
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    close(fds[0]);
    return last;
}

TEST(kill_9)
{
    setup();
    srandom(1);
    for (int i = 0; i < 20; i++) {
        store_close(s);
        s = NULL;
        uint64_t told = run_and_kill(1 + (unsigned)random() % 40), newest = 0;
        CHECK(told > 0);
        CHECK_INT(store_open(folder, &s), 0); /* looks the file through */
        CHECK_INT(store_revision_newest(s, &newest), 0);
        CHECK(newest == told || newest == told + 1); /* the next may have been stored without its word */
        for (uint64_t n = 1; n <= newest; n++)
            check_text(n, n);
        char progress[32];
        snprintf(progress, sizeof(progress), "%u", (unsigned)(newest % 2 ? newest : newest - 1));
        check_blob("transition", "t", progress); /* both or none */
    }
    teardown();
}

TEST_MAIN(revisions, draft, blobs, several_as_one, failing_disk, kill_9)
