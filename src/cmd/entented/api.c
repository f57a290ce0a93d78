/* The local API: this machine's status, trace and users; the rest belongs to central management and its
 * transition. */
#include "cmd/entented/daemon.h"

#include "ground/base/mem.h"
#include "ground/log/expose.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* ---------------------------------------------------------------- answers */
void api_json(struct http_request *rq, unsigned status, const struct json_value *v)
{
    struct buf out = {0};
    json_write(v, false, &out);
    http_respond(rq, status, "application/json", buf_slice(&out));
    buf_fini(&out);
}

void api_error(struct http_request *rq, unsigned status, const char *id, const char *text)
{
    struct arena *a = http_arena(rq);
    struct json_value *o = json_object(a);
    json_set_string(a, o, "id", slice_str(id));
    json_set_string(a, o, "text", slice_str(text));
    api_json(rq, status, o);
}

/* ---------------------------------------------------------------- status, trace */
static void api_status(struct daemon *d, struct http_request *rq)
{
    struct arena *a = http_arena(rq);
    struct json_value *o = json_object(a), *counters = json_object(a);
    const char *name;
    int64_t value;
    json_set_string(a, o, "machine", slice_str(d->machine));
    json_set_bool(a, o, "ready", d->ready);
    json_set_int(a, o, "pid", getpid());
    json_set_int(a, o, "uptime_ms", loop_wall() - d->started_ms);
    json_set_int(a, o, "memory_in_use", (int64_t)mem_in_use());
    roles_describe(d, a, o);
    roles_describe_destinations(d, a, o);
    for (unsigned i = 0; metric_next(&i, &name, &value);)
        json_set_int(a, counters, name, value);
    json_set(a, o, "counters", counters);
    api_json(rq, 200, o);
}

static void api_metrics(struct daemon *d, struct http_request *rq)
{
    struct buf out = {0};
    metrics_write(d, &out);
    http_respond(rq, 200, EXPOSE_CONTENT_TYPE, buf_slice(&out));
    buf_fini(&out);
}

/* ---------------------------------------------------------------- users */
struct user_job {
    struct job job;
    struct daemon *d;
    struct http_request *rq;
    int (*change)(struct directory *d, struct slice aor, struct slice password);
    struct json_value *users;
    int error;
    struct slice failed;
};

static void user_work(struct job *j)
{
    struct user_job *u = (struct user_job *)j;
    for (size_t i = 0; i < json_count(u->users) && u->error == 0; i++) {
        struct json_value *v = json_at(u->users, i);
        u->failed = json_get_string(v, "aor");
        u->error = u->change(u->d->directory, u->failed, json_get_string(v, "password"));
    }
}

static const struct {
    int error;
    unsigned status;
    const char *id, *text;
} user_errors[] = {
    {-EEXIST, 409, "user.exists",  "is there already: use passwd to change it"       },
    {-ENOENT, 404, "user.unknown", "is not a user of this machine"                   },
    {-EINVAL, 400, "user.invalid",
     "is not a name like alice@contoso.example, or the password is empty or too long"},
    {-ENOSPC, 507, "user.disk",    "was not stored: the disk is full"                },
    {0,       500, "user.failed",  "was not stored"                                  },
};

static void user_done(struct job *j)
{
    struct user_job *u = (struct user_job *)j;
    struct arena *a = http_arena(u->rq);
    for (size_t i = 0; i < json_count(u->users);
         i++) { /* passwords lie in the request's memory until it goes */
        struct slice p = json_get_string(json_at(u->users, i), "password");
        mem_wipe((char *)p.p, p.n);
    }
    if (u->error == 0) {
        struct json_value *o = json_object(a);
        json_set_int(a, o, "changed", (int64_t)json_count(u->users));
        api_json(u->rq, 200, o);
    } else {
        size_t i = 0;
        while (user_errors[i].error && user_errors[i].error != u->error)
            i++;
        char text[512];
        snprintf(text, sizeof(text), SLICE_FMT " %s", SLICE_ARG(u->failed), user_errors[i].text);
        api_error(u->rq, user_errors[i].status, user_errors[i].id, text);
    }
    mem_free(u);
}

static void user_run(struct daemon *d, struct http_request *rq, struct json_value *users,
                     int (*change)(struct directory *, struct slice, struct slice))
{
    struct user_job *u = MEM_NEW(struct user_job);
    *u = (struct user_job){
        .job = {.work = user_work, .done = user_done},
          .d = d, .rq = rq, .change = change, .users = users
    };
    if (helpers_run(d->disk, d->control, &u->job) < 0) {
        mem_free(u);
        api_error(rq, 503, "api.busy", "too much is queued");
    }
}

static int user_remove(struct directory *dir, struct slice aor, struct slice password)
{
    (void)password;
    return directory_remove(dir, aor);
}

static void user_list(struct daemon *d, struct http_request *rq)
{
    struct arena *a = http_arena(rq);
    struct slice *aors;
    size_t n;
    struct json_value *o = json_object(a), *list = json_array(a);
    if (directory_list(d->directory, a, &aors, &n) == 0)
        for (size_t i = 0; i < n; i++)
            json_push(a, list, json_string(a, aors[i]));
    json_set(a, o, "users", list);
    api_json(rq, 200, o);
}

/* A user whom nobody could reach: of a domain that the topology does not have. SLICE_NONE: there is none. */
static struct slice stranger(const struct daemon *d, const struct json_value *users)
{
    for (size_t i = 0; d->topology && i < json_count(users); i++) {
        struct slice aor = json_get_string(json_at(users, i), "aor"), name, domain;
        if (slice_cut(aor, '@', &name, &domain) && !topology_is_own_domain(d->topology, domain))
            return aor;
    }
    return SLICE_NONE;
}

static void user_add(struct daemon *d, struct http_request *rq, struct json_value *users)
{
    char text[512];
    struct slice aor = stranger(d, users);
    if (!aor.n) {
        user_run(d, rq, users, directory_add);
        return;
    }
    snprintf(text, sizeof(text),
             SLICE_FMT " is of no SIP domain of ours: add the domain to the topology first, as "
                       "deployment/additional_domains, and publish",
             SLICE_ARG(aor));
    api_error(rq, 422, "user.no-such-domain", text);
}

static void api_users(struct daemon *d, struct http_request *rq)
{
    struct arena *a = http_arena(rq);
    struct slice method = http_method(rq);
    struct json_value *body = NULL;
    struct json_error error;
    if (!d->directory) {
        api_error(rq, 404, "user.not-here", "users are kept by Front End machines, and this is none");
    } else if (slice_eq(method, SLICE("GET"))) {
        user_list(d, rq);
    } else if (slice_eq(method, SLICE("DELETE"))) {
        struct json_value *users = json_array(a), *one = json_object(a);
        json_set_string(a, one, "aor", http_query(rq, "aor"));
        json_push(a, users, one);
        user_run(d, rq, users, user_remove);
    } else if (json_parse(http_body(rq), a, &body, &error) < 0 || json_count(json_get(body, "users")) == 0) {
        api_error(rq, 400, "api.malformed", "the body is not {\"users\": [{\"aor\": …, \"password\": …}]}");
    } else if (slice_eq(method, SLICE("PUT"))) {
        user_run(d, rq, json_get(body, "users"), directory_passwd);
    } else {
        user_add(d, rq, json_get(body, "users"));
    }
}

/* ---------------------------------------------------------------- routes */
static const struct route {
    const char *path;
    void (*handle)(struct daemon *d, struct http_request *rq);
} routes[] = {
    {"/v1/status",        api_status },
    {"/metrics",          api_metrics},
    {"/v1/trace",         trace_api  },
    {"/v1/partners/test", examine_api},
    {"/v1/users",         api_users  },
};

static const struct route asked_routes[] = {
    {"/v1/trace",         trace_here   },
    {"/v1/partners/test", examine_asked},
};

bool api_asked(void *arg, struct http_request *rq)
{
    for (size_t i = 0; i < sizeof(asked_routes) / sizeof(asked_routes[0]); i++)
        if (slice_eq(http_path(rq), slice_str(asked_routes[i].path))) {
            asked_routes[i].handle(arg, rq);
            return true;
        }
    return false;
}

void api_handle(void *arg, struct http_request *rq)
{
    struct daemon *d = arg;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (slice_eq(http_path(rq), slice_str(routes[i].path))) {
            routes[i].handle(d, rq);
            return;
        }
    if ((d->transition && transition_api(d->transition, rq)) || (d->central && central_api(d->central, rq)))
        return;
    if (d->central) {
        api_error(rq, 404, "api.unknown", "no such thing");
        return;
    }
    struct arena *a = http_arena(rq);
    struct slice where = d->topology ? d->topology->central.machine : SLICE("another machine");
    api_error(
        rq, 404, "api.not-central",
        arena_cstr(a, arena_printf(a, "central management runs on " SLICE_FMT ", not here: do this there",
                                   SLICE_ARG(where))));
}
