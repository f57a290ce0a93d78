#include "service/access_edge/examine_priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

static const char *const verdicts[] = {"ok", "warning", "failed", "not_reached"};

/* begin: NULL where the one before concludes it, too. otherwise: where it goes on when the stage was not
 * good. */
static const struct {
    const char *name, *direction;
    void (*begin)(struct examine *x);
    enum stage otherwise;
} stages[STAGES] = {
    [STAGE_SRV] = {"srv",             "to them",   examine_srv,             STAGE_POLICY         },
    [STAGE_ADDRESS] = {"address",         "to them",   examine_addresses,       STAGE_POLICY         },
    [STAGE_TCP] = {"tcp",             "to them",   examine_tcp,             STAGE_POLICY         },
    [STAGE_TLS] = {"tls",             "to them",   NULL,                    STAGE_POLICY         },
    [STAGE_IDENTITY] = {"identity",        "to them",   examine_identity,        STAGE_POLICY         },
    [STAGE_OPTIONS] = {"options",         "to them",   examine_options,         STAGE_POLICY         },
    [STAGE_POLICY] = {"policy",          "both",      examine_policy,          STAGE_SENDER         },
    [STAGE_SENDER] = {"sender",          "from them", examine_sender,          STAGE_OUR_SRV        },
    [STAGE_OUR_SRV] = {"our_srv",         "from them", examine_our_srv,         STAGE_OUR_CERTIFICATE},
    [STAGE_OUR_CERTIFICATE] = {"our_certificate", "from them", examine_our_certificate, STAGES               },
};

void examine_begin(struct examine *x, enum stage s)
{
    x->began_ms[s] = loop_now(x->loop);
}

struct json_value *examine_conclude(struct examine *x, enum stage s, enum verdict v, const char *fmt, ...)
{
    struct json_value *o = x->stage[s] = json_object(&x->arena);
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    json_set_string(&x->arena, o, "stage", slice_str(stages[s].name));
    json_set_string(&x->arena, o, "direction", slice_str(stages[s].direction));
    json_set_string(&x->arena, o, "verdict", slice_str(verdicts[v]));
    json_set_int(&x->arena, o, "ms", x->began_ms[s] ? (int64_t)(loop_now(x->loop) - x->began_ms[s]) : 0);
    json_set_string(&x->arena, o, "text", buf_slice(&text));
    buf_fini(&text);
    return o;
}

/* ---------------------------------------------------------------- from one to the next */
static void finish(struct examine *x)
{
    struct json_value *report = json_object(&x->arena), *list = json_array(&x->arena);
    bool ok = true;
    for (int s = 0; s < STAGES; s++) {
        if (!x->stage[s])
            examine_conclude(x, (enum stage)s, VERDICT_NOT_REACHED, "not reached");
        struct slice verdict = json_get_string(x->stage[s], "verdict");
        ok = ok && !slice_eq(verdict, SLICE("failed")) && !slice_eq(verdict, SLICE("not_reached"));
        json_push(&x->arena, list, x->stage[s]);
    }
    json_set_string(&x->arena, report, "domain", x->domain);
    json_set_string(&x->arena, report, "machine", x->e->machine);
    json_set_string(&x->arena, report, "from", x->from);
    json_set_bool(&x->arena, report, "ok", ok);
    json_set(&x->arena, report, "stages", list);
    x->done(x->arg, report);
    examine_free(x);
}

/* On a turn of its own: callbacks of streams and of the resolver are over then. */
static void next_begins(void *arg)
{
    struct examine *x = arg;
    enum stage s = x->coming;
    while (s < STAGES && !stages[s].begin)
        s++;
    if (s >= STAGE_POLICY)
        examine_connection_end(x);
    if (s == STAGES) {
        finish(x);
        return;
    }
    examine_begin(x, s);
    stages[s].begin(x);
}

void examine_over(struct examine *x, enum stage s, bool good)
{
    timer_stop(&x->deadline);
    examine_questions_end(x);
    x->coming = good ? s + 1 : stages[s].otherwise;
    deferred_add(x->loop, &x->next);
}

static void tcp_again(void *arg)
{
    examine_tcp(arg);
}

void examine_free(struct examine *x)
{
    if (!x)
        return;
    timer_stop(&x->deadline);
    deferred_cancel(&x->next);
    deferred_cancel(&x->again);
    examine_questions_end(x);
    resolver_free(x->resolver);
    stream_free(x->stream);
    crypto_cert_unref(x->cert);
    element_config_unref(x->config);
    arena_fini(&x->arena);
    mem_free(x);
}

struct examine *examine_new(struct loop *l, struct element_config *config, struct slice domain,
                            struct slice from, examine_done *done, void *arg)
{
    struct examine *x = MEM_NEW(struct examine);
    x->loop = l;
    x->config = element_config_ref(config);
    x->e = edge_of(config);
    x->done = done;
    x->arg = arg;
    x->domain = examine_lower(x, domain);
    x->from = from.n ? arena_copy(&x->arena, from) : x->e->t->deployment.default_domain;
    x->policy = policy_of(x->e->t, x->domain);
    x->resolver = resolver_new(l, &config->resolver);
    deferred_init(&x->next, next_begins, x);
    deferred_init(&x->again, tcp_again, x);
    timer_init(&x->deadline, l, examine_options_late, x);
    deferred_add(l, &x->next);
    return x;
}
