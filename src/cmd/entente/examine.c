/* partner test: what the Edge found out, stage by stage. */
#include "cmd/entente/call.h"
#include "cmd/entente/table.h"

static const char *mark(struct slice verdict)
{
    static const struct {
        const char *verdict, *mark;
    } marks[] = {
        {"ok",          "ok"  },
        {"warning",     "WARN"},
        {"failed",      "FAIL"},
        {"not_reached", "-"   }
    };
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (slice_eq(verdict, slice_str(marks[i].verdict)))
            return marks[i].mark;
    return "?";
}

static void chain(struct invocation *v, const struct json_value *stage)
{
    const struct json_value *list = json_get(stage, "chain"), *leaf = json_get(stage, "certificate");
    if (json_count(json_get(leaf, "names"))) {
        fputs("                   names ", v->out);
        call_put(v->out, call_list(v, json_get(leaf, "names")));
        fputc('\n', v->out);
    }
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i);
        fprintf(v->out, "                   %zu ", i);
        call_put(v->out, json_get_string(c, "subject"));
        fputs(", by ", v->out);
        call_put(v->out, json_get_string(c, "issuer"));
        fputs(", until ", v->out);
        call_put(v->out, table_time(&v->arena, json_get_int(c, "not_after_ms", 0)));
        fputs(", ", v->out);
        call_put(v->out, json_get_string(c, "key"));
        fputs(json_get_bool(c, "weak_signature", false) ? ", WEAK signature\n" : "\n", v->out);
    }
}

static void tries(struct invocation *v, const struct json_value *stage)
{
    const struct json_value *list = json_get(stage, "tries");
    for (size_t i = 0; i < json_count(list) && json_count(list) > 1; i++) { /* one is told already */
        const struct json_value *t = json_at(list, i);
        fputs("                   ", v->out);
        call_put(v->out, json_get_string(t, "address"));
        fputs(" (", v->out);
        call_put(v->out, json_get_string(t, "name"));
        fputs("): ", v->out);
        call_put(v->out, json_get_string(t, "text"));
        fputc('\n', v->out);
    }
}

static void stage_print(struct invocation *v, const struct json_value *stage)
{
    struct slice verdict = json_get_string(stage, "verdict"), name = json_get_string(stage, "stage");
    fprintf(v->out, "%-16s%-5s", arena_cstr(&v->arena, name), mark(verdict));
    if (slice_eq(verdict, SLICE("not_reached")))
        fputs("         ", v->out);
    else
        fprintf(v->out, "%5lld ms ", (long long)json_get_int(stage, "ms", 0));
    call_put(v->out, json_get_string(stage, "text"));
    fputc('\n', v->out);
    tries(v, stage);
    chain(v, stage);
}

int cmd_partner_test(struct invocation *v)
{
    struct answer answer;
    struct json_value *body = json_object(&v->arena);
    json_set_string(&v->arena, body, "domain", argument(v, 0));
    if (option_given(v, OPTION_FROM))
        json_set_string(&v->arena, body, "from", option_slice(v, OPTION_FROM));
    if (option_given(v, OPTION_MACHINE))
        json_set_string(&v->arena, body, "machine", option_slice(v, OPTION_MACHINE));
    int r = call_api(v, "POST", SLICE("/v1/partners/test"), body, &answer);
    if (r)
        return r;
    bool ok = json_get_bool(answer.json, "ok", false);
    if (call_json(v, &answer))
        return ok ? EXIT_DONE : EXIT_REFUSED;
    const struct json_value *stages = json_get(answer.json, "stages");
    struct slice direction = SLICE_NONE;
    fputs("from ", v->out);
    call_put(v->out, json_get_string(answer.json, "machine"));
    fputs(" with ", v->out);
    call_put(v->out, json_get_string(answer.json, "domain"));
    fputc('\n', v->out);
    for (size_t i = 0; i < json_count(stages); i++) {
        struct slice d = json_get_string(json_at(stages, i), "direction");
        if (!slice_eq(d, direction))
            fprintf(v->out, "\n" SLICE_FMT "\n", SLICE_ARG(d));
        direction = d;
        stage_print(v, json_at(stages, i));
    }
    return ok ? EXIT_DONE : EXIT_REFUSED;
}
