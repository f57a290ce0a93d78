/*
 * entente/fake_for_test.h - an API that answers as it is told, on a UNIX socket of this process, and commands
 * that are run against it. Test programs only, behind ground/base/test.h.
 */
#pragma once

#include "cmd/entente/command.h"

#include "ground/base/mem.h"
#include "ground/http/http.h"
#include "ground/loop/workers.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 16, ASKED_MAX = 65536 };

/* What the API answers. Several rows for one question: one after the other, the last again and again. */
struct row {
    const char *method, *path;
    unsigned status;
    const char *body;
};
static struct fake {
    char folder[64], socket[96];
    struct workers *workers;
    struct http_server *server;
    pthread_mutex_t lock;
    const struct row *rows;
    bool used[32];
    struct buf asked; /* "METHOD PATH BODY\n" for each request */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool matches(const struct row *row, struct http_request *rq)
{
    return slice_eq(http_method(rq), slice_str(row->method)) && slice_eq(http_path(rq), slice_str(row->path));
}

static const struct row *choose(struct http_request *rq)
{
    const struct row *last = NULL;
    for (size_t i = 0; fake.rows[i].method; i++) {
        if (!matches(&fake.rows[i], rq))
            continue;
        last = &fake.rows[i];
        if (fake.used[i])
            continue;
        fake.used[i] = true;
        break;
    }
    return last;
}

static void note_query(struct http_request *rq)
{
    static const char *const names[] = {"path", "format", "aor",     "call_id", "from",
                                        "to",   "side",   "machine", "static",  "pool"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slice value = http_query(rq, names[i]);
        if (value.n)
            buf_printf(&fake.asked, " %s=" SLICE_FMT, names[i], SLICE_ARG(value));
    }
}

static void handle(void *arg, struct http_request *rq)
{
    (void)arg;
    pthread_mutex_lock(&fake.lock);
    struct slice method = http_method(rq), path = http_path(rq), body = http_body(rq);
    buf_printf(&fake.asked, SLICE_FMT " " SLICE_FMT, SLICE_ARG(method), SLICE_ARG(path));
    note_query(rq);
    buf_printf(&fake.asked, " " SLICE_FMT "\n", SLICE_ARG(body));
    const struct row *row = choose(rq);
    pthread_mutex_unlock(&fake.lock);
    http_respond(rq, row ? row->status : 404, "application/json",
                 row ? slice_str(row->body) : SLICE("{\"id\":\"api.unknown\",\"text\":\"no such thing\"}"));
}

/* --- life --- */
struct stop {
    struct mail mail;
    sem_t done;
};

static void stop_deliver(struct mail *m, struct loop *to)
{
    struct stop *s = (struct stop *)m;
    (void)to;
    http_server_free(fake.server);
    sem_post(&s->done);
}

static void fake_start(const struct row *rows)
{
    snprintf(fake.folder, sizeof(fake.folder), "/tmp/entente-test.XXXXXX");
    CHECK(mkdtemp(fake.folder));
    snprintf(fake.socket, sizeof(fake.socket), "%s/entented.sock", fake.folder);
    memset(fake.used, 0, sizeof(fake.used));
    fake.rows = rows;
    fake.workers = workers_new(1, "fake");
    int r =
        http_server_unix_new(workers_loop(fake.workers, 0), fake.socket, 0660, handle, NULL, &fake.server);
    CHECK_INT(r, 0);
    if (r < 0)
        exit(EXIT_FAILURE);
    workers_start(fake.workers);
}

static void fake_stop(void)
{
    struct stop s = {.mail.deliver = stop_deliver};
    sem_init(&s.done, 0, 0);
    loop_post(workers_loop(fake.workers, 0), &s.mail);
    sem_wait(&s.done);
    sem_destroy(&s.done);
    workers_stop(fake.workers);
    workers_free(fake.workers);
    unlink(fake.socket);
    rmdir(fake.folder);
    buf_fini(&fake.asked);
}

static inline bool asked(const char *what)
{
    pthread_mutex_lock(&fake.lock);
    bool yes = slice_search(buf_slice(&fake.asked), slice_str(what)) != SIZE_MAX;
    if (!yes)
        printf("# asked:\n# " SLICE_FMT, SLICE_ARG(buf_slice(&fake.asked)));
    pthread_mutex_unlock(&fake.lock);
    return yes;
}

/* --- running a command --- */
struct ran {
    int code;
    char *out, *err;
};

static void run_with(struct ran *ran, int in, const char *const *words)
{
    char *argv[ARGUMENTS_MAX] = {(char *)"entente", (char *)"--state", fake.folder};
    int argc = 3;
    size_t n_out, n_err;
    for (size_t i = 0; words[i]; i++)
        argv[argc++] = (char *)words[i];
    FILE *out = open_memstream(&ran->out, &n_out), *err = open_memstream(&ran->err, &n_err);
    ran->code = entente_run(argc, argv, in, out, err);
    fclose(out);
    fclose(err);
}

static inline void run(struct ran *ran, const char *const *words)
{
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_with(ran, in, words);
    close(in);
}
#define RUN(ran, ...) run(ran, (const char *const[]){__VA_ARGS__, NULL})

static void ran_fini(struct ran *ran)
{
    free(ran->out);
    free(ran->err);
}

static inline bool has(const char *text, const char *what)
{
    return slice_search(slice_str(text), slice_str(what)) != SIZE_MAX;
}
#define CHECK_HAS(text, what)                                                                                \
    do {                                                                                                     \
        if (!has(text, what))                                                                                \
            TEST_DIAG("'%s' is not in '%s'", what, text);                                                    \
    } while (0)
