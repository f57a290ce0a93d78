/* How a message, a call and its media travel. */
#include "cmd/entente/call.h"

static void put_line(struct invocation *v, const char *word, struct slice text)
{
    if (!text.n)
        return;
    fprintf(v->out, "       %s: ", word);
    call_put(v->out, text);
    fputc('\n', v->out);
}

static void put_address(struct invocation *v, const struct json_value *o)
{
    struct slice use = json_get_string(o, "use");
    call_put(v->out, json_get_string(o, "endpoint"));
    fputs(" (", v->out);
    call_put(v->out, json_get_string(o, "name"));
    fputs(use.n ? ": " : "", v->out);
    call_put(v->out, use);
    fputc(')', v->out);
}

/* Those that are for one thing each have a line of their own. */
static void put_addresses(struct invocation *v, const struct json_value *list)
{
    bool apart = json_get_string(json_at(list, 0), "use").n > 0;
    for (size_t i = 0; i < json_count(list); i++) {
        fputs(apart ? "\n       at: " : i ? ", " : " ", v->out);
        put_address(v, json_at(list, i));
    }
}

static void put_hop(struct invocation *v, size_t number, const struct json_value *h)
{
    static const struct {
        const char *word, *member;
    } lines[] = {
        {"by",             "decided_by" },
        {"certificate of", "certificate"},
        {"known by",       "identity"   },
        {"policy",         "policy"     },
    };
    struct slice transport = json_get_string(h, "transport");
    fprintf(v->out, "  %zu  %-10s ", number, arena_cstr(&v->arena, json_get_string(h, "state")));
    call_put(v->out, json_get_string(h, "from"));
    fputs(" -> ", v->out);
    call_put(v->out, json_get_string(h, "to"));
    if (transport.n)
        fprintf(v->out, "  " SLICE_FMT, SLICE_ARG(transport));
    put_addresses(v, json_get(h, "addresses"));
    fputc('\n', v->out);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        put_line(v, lines[i].word, json_get_string(h, lines[i].member));
    put_line(v, "because", json_get_string(h, "why"));
}

static void put_leg(struct invocation *v, const struct json_value *leg)
{
    const struct json_value *hops = json_get(leg, "hops");
    int64_t failing = json_get_int(leg, "failing", -1);
    fputc('\n', v->out);
    call_put(v->out, json_get_string(leg, "carries"));
    fputs(": ", v->out);
    call_put(v->out, json_get_string(leg, "from"));
    fputs(" -> ", v->out);
    call_put(v->out, json_get_string(leg, "to"));
    fputc('\n', v->out);
    for (size_t i = 0; i < json_count(hops); i++)
        put_hop(v, i + 1, json_at(hops, i));
    if (failing < 0)
        return;
    const struct json_value *h = json_at(hops, (size_t)failing);
    fprintf(v->out, "  fails at hop %lld (" SLICE_FMT "): ", (long long)failing + 1,
            SLICE_ARG(json_get_string(h, "id")));
    call_put(v->out, json_get_string(h, "why"));
    fputs(" To do: ", v->out);
    call_put(v->out, json_get_string(h, "remedy"));
    fputs(".\n", v->out);
}

int cmd_path(struct invocation *v)
{
    struct slice path = SLICE("/v1/path");
    struct answer answer;
    path = call_query(v, path, "from", argument(v, 0));
    path = call_query(v, path, "to", argument(v, 1));
    path = call_query(v, path, "pool", option_slice(v, OPTION_POOL));
    path = call_query(v, path, "draft", option_given(v, OPTION_DRAFT) ? SLICE("1") : SLICE_NONE);
    path = call_query(v, path, "static", option_given(v, OPTION_STATIC) ? SLICE("1") : SLICE_NONE);
    int r = call_api(v, "GET", path, NULL, &answer);
    if (r)
        return r;
    struct slice state = json_get_string(answer.json, "state");
    bool fails = slice_eq(state, SLICE("fails"));
    if (call_json(v, &answer))
        return fails ? EXIT_REFUSED : EXIT_DONE;
    call_put(v->out, json_get_string(answer.json, "from"));
    fputs(" -> ", v->out);
    call_put(v->out, json_get_string(answer.json, "to"));
    fprintf(v->out, ": %s (our user on pool " SLICE_FMT ")\n",
            fails                                 ? "messages and calls fail"
            : slice_eq(state, SLICE("not-asked")) ? "nothing in the topology is in the way; DNS was not asked"
                                                  : "messages and calls have a way",
            SLICE_ARG(json_get_string(answer.json, "pool")));
    const struct json_value *legs = json_get(answer.json, "legs");
    for (size_t i = 0; i < json_count(legs); i++)
        put_leg(v, json_at(legs, i));
    return fails ? EXIT_REFUSED : EXIT_DONE;
}
