/* kill -9 at any moment: what was answered is there, and the file is whole. */
#include "kept/location/fixture.h"

#include "ground/base/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { KILLS = 20, USERS = 3, AT_LEAST_MS = 20000 };

struct last {
    unsigned user, cseq;
};
static const struct location_change *change_of(unsigned user, char uri[32])
{
    static struct location_change c;
    snprintf(uri, 32, "sip:u%u.example", user);
    c = (struct location_change){
        .uri = slice_str(uri), .binding = {.expires_ms = loop_wall() + 3600000, .q = 1000}
    };
    return &c;
}

/* Registers again and again; tells the pipe of each that was answered. Never returns. */
static void child(struct fixture *f, int out, unsigned cseq)
{
    fixture_open(f);
    if (f->open_result != 0)
        _exit(1);
    for (;; cseq++) {
        struct last l = {cseq % USERS, cseq};
        char aor[32], uri[32];
        snprintf(aor, sizeof(aor), "u%u@b", l.user);
        struct location_request rq = {.aor = slice_str(aor),
                                      .call_id = SLICE("c"),
                                      .cseq = cseq,
                                      .changes = change_of(l.user, uri),
                                      .n = 1,
                                      .max_contacts = 1};
        if (fixture_update(f, &rq) != LOCATION_OK || write(out, &l, sizeof(l)) != sizeof(l))
            _exit(1);
    }
}

/* Reads what the child tells until it has told `wanted`, kills it, reads the rest. */
static void read_until_killed(int in, pid_t pid, unsigned wanted, unsigned newest[USERS],
                              unsigned *ret_highest)
{
    struct last l;
    unsigned told = 0;
    struct pollfd p = {.fd = in, .events = POLLIN};
    CHECK_INT(poll(&p, 1, AT_LEAST_MS), 1);
    while (read(in, &l, sizeof(l)) == sizeof(l)) {
        newest[l.user] = *ret_highest = l.cseq;
        if (++told == wanted)
            kill(pid, SIGKILL);
    }
    kill(pid, SIGKILL);
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && told >= wanted);
}

static void check_bindings(struct fixture *f, const unsigned newest[USERS])
{
    fixture_open(f);
    CHECK_INT(f->open_result, 0); /* db_open looks the file through */
    for (unsigned u = 0; u < USERS; u++) {
        char aor[32];
        struct location_binding *b;
        snprintf(aor, sizeof(aor), "u%u@b", u);
        size_t n = location_find(f->l, slice_str(aor), loop_wall(), &f->arena, &b);
        CHECK_INT(n, 1);
        /* the next one may have been on disk without its answer */
        CHECK(n == 1 && b->cseq >= newest[u] && b->cseq <= newest[u] + USERS);
    }
    fixture_close(f);
}

TEST(kill_9)
{
    struct fixture f;
    unsigned newest[USERS] = {0}, cseq = 1;
    fixture_init(&f);
    fixture_close(&f);
    srandom(1);
    for (int i = 0; i < KILLS; i++) {
        int fds[2];
        CHECK_INT(pipe(fds), 0);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            close(fds[0]);
            child(&f, fds[1], cseq + USERS);
        }
        close(fds[1]);
        read_until_killed(fds[0], pid, USERS + (unsigned)random() % 60, newest, &cseq);
        close(fds[0]);
        check_bindings(&f, newest);
    }
    fixture_open(&f);
    fixture_fini(&f);
}

TEST_MAIN(kill_9)
