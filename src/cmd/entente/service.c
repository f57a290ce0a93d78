/* Access Edge services: what the topology says, what runs, stop, start and drain. */
#include "cmd/entente/drain.h"
#include "cmd/entente/publish.h"
#include "cmd/entente/table.h"
#include "cmd/entente/topology.h"

#include <stdlib.h>

static void pool_rows(struct table *t, const struct json_value *pool, const struct json_value *replication)
{
    const struct json_value *machines = json_get(pool, "machines");
    struct slice wanted = json_get_string(pool, "access_edge");
    for (size_t i = 0; i < json_count(machines); i++) {
        struct slice fqdn = json_get_string(json_at(machines, i), "fqdn");
        struct slice own = json_get_string(json_at(machines, i), "access_edge");
        table_cell(t, json_get_string(pool, "fqdn"));
        table_cell(t, own.n ? own : wanted.n ? wanted : SLICE("enabled"));
        table_cell(t, fqdn);
        drain_cells(t, drain_machine(replication, fqdn));
    }
}

int cmd_service_list(struct invocation *v)
{
    static const char *const heads[] = {"POOL", "PUBLISHED", "MACHINE", DRAIN_HEADS, NULL};
    struct answer topology, replication;
    struct table t;
    int r = call_api(v, "GET", SLICE("/v1/topology?format=json"), NULL, &topology);
    if (r == EXIT_DONE)
        r = call_api(v, "GET", SLICE("/v1/replication"), NULL, &replication);
    if (r || call_json(v, &replication))
        return r;
    const struct json_value *pools = json_get(json_get(topology.json, "document"), "edge_pools");
    table_init(&t, &v->arena, heads);
    for (size_t i = 0; i < json_count(pools); i++)
        pool_rows(&t, json_at(pools, i), json_get(replication.json, "machines"));
    table_print(&t, v->out, "no Edge pools");
    return EXIT_DONE;
}

/* --- changes --- */
/* What the draft changes, apart from `mine`. */
static int other_changes(struct invocation *v, struct slice mine, size_t *ret_mine, size_t *ret_others)
{
    struct answer answer;
    int r = call_api(v, "GET", SLICE("/v1/diff"), NULL, &answer);
    if (r)
        return r;
    const struct json_value *changes = json_get(answer.json, "changes");
    *ret_mine = *ret_others = 0;
    for (size_t i = 0; i < json_count(changes); i++)
        *(slice_caseeq(json_get_string(json_at(changes, i), "path"), mine) ? ret_mine : ret_others) += 1;
    return EXIT_DONE;
}

static int publish_change(struct invocation *v, struct slice path, const char *value, bool was_clean)
{
    struct answer answer;
    size_t mine, others;
    struct json_value *body = json_object(&v->arena);
    int r = other_changes(v, path, &mine, &others);
    if (r)
        return r;
    if (mine + others) {
        if (!option_given(v, OPTION_MESSAGE))
            json_set_string(&v->arena, body, "comment",
                            arena_printf(&v->arena, "Access Edge of %s: %s", v->arguments[0], value));
        r = publish_send(v, SLICE("/v1/publish"), body, true);
        if (r != EXIT_REFUSED || !was_clean)
            return r;
    } else {
        fprintf(v->out, "the Access Edge of %s is %s already\n", v->arguments[0], value);
    }
    /* Nothing that nobody asked for stays in the draft; a revision that is published took it along. */
    call_ask(v, "DELETE", SLICE("/v1/draft"), NULL, &answer);
    return r;
}

/* "edge_pools/POOL/access_edge", or of one machine of it. */
static int find_path(struct invocation *v, struct slice *ret)
{
    struct answer answer;
    int r = call_api(v, "GET", SLICE("/v1/topology?format=json"), NULL, &answer);
    if (r)
        return r;
    const struct json_value *pools = json_get(json_get(answer.json, "document"), "edge_pools");
    *ret = arena_printf(&v->arena, "edge_pools/%s/access_edge", v->arguments[0]);
    for (size_t i = 0; i < json_count(pools); i++) {
        const struct json_value *machines = json_get(json_at(pools, i), "machines");
        for (size_t k = 0; k < json_count(machines); k++)
            if (slice_caseeq(json_get_string(json_at(machines, k), "fqdn"), argument(v, 0)))
                *ret = arena_printf(&v->arena, "edge_pools/" SLICE_FMT "/machines/%s/access_edge",
                                    SLICE_ARG(json_get_string(json_at(pools, i), "fqdn")), v->arguments[0]);
    }
    return EXIT_DONE;
}

static int change(struct invocation *v, const char *value)
{
    struct slice path;
    struct answer answer;
    size_t mine, others;
    int r = find_path(v, &path);
    if (r == EXIT_DONE)
        r = other_changes(v, path, &mine, &others);
    if (r)
        return r;
    if (others && !option_given(v, OPTION_YES))
        return call_fail(
            v, "service.draft",
            "the draft holds %zu other changes (entente topology diff): publish or discard them first; "
            "--yes publishes them along",
            others);
    r = draft_ask(v, DRAFT_SET, draft_body_set(v, path, slice_str(value)), &answer);
    if (r == EXIT_REFUSED)
        return call_refused(v, &answer);
    return r ? r : publish_change(v, path, value, mine + others == 0);
}

int cmd_service_stop(struct invocation *v)
{
    return change(v, "disabled");
}

int cmd_service_start(struct invocation *v)
{
    return change(v, "enabled");
}

int cmd_service_drain(struct invocation *v)
{
    struct json_value *published = NULL;
    struct json_error error;
    char *text = NULL;
    size_t n = 0;
    FILE *out = v->out;
    if (option_given(v, OPTION_JSON)) /* one document in the end */
        v->out = open_memstream(&text, &n);
    int r = v->out ? change(v, "draining") : EXIT_REFUSED;
    if (v->out && v->out != out)
        fclose(v->out);
    v->out = out;
    if (text && json_parse(slice_mem(text, n), &v->arena, &published, &error) < 0)
        published = NULL;
    bool goes_on = r == EXIT_DONE || (r == EXIT_REFUSED && drain_began(v));
    if (!goes_on && text)
        fwrite(text, 1, n, out);
    free(text);
    return goes_on ? drain_watch(v, published) : r;
}
