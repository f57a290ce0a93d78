/* Services do not know one another: here central management is handed to the transition. */
#include "cmd/entented/daemon.h"

#include "ground/base/mem.h"

static size_t glue_machines(void *central, struct arena *a, struct transition_machine **ret)
{
    struct central_machine_state *from;
    size_t n = central_machines(central, a, &from);
    struct transition_machine *to = ARENA_ARRAY(a, struct transition_machine, n + 1);
    for (size_t i = 0; i < n; i++)
        to[i] = (struct transition_machine){.fqdn = from[i].fqdn,
                                            .current = from[i].current,
                                            .why = from[i].why,
                                            .state = from[i].state,
                                            .heard_ms = from[i].heard_ms};
    *ret = to;
    return n;
}

static uint64_t glue_revision(void *central)
{
    return central_revision(central);
}

static struct topology *glue_topology(void *central)
{
    return central_topology(central);
}

struct glue_publish {
    transition_done *done;
    void *arg;
};

static void glue_published(void *arg, int error, uint64_t number, const char *text)
{
    struct glue_publish p = *(struct glue_publish *)arg;
    (void)number;
    mem_free(arg);
    p.done(p.arg, error, text);
}

static void glue_publish(void *central, const struct json_value *doc, struct slice comment,
                         transition_done *done, void *arg)
{
    struct glue_publish *p = MEM_NEW(struct glue_publish);
    *p = (struct glue_publish){done, arg};
    central_publish(central, doc, SLICE("transition"), comment, glue_published, p);
}

static void glue_poll(void *central)
{
    central_poll(central);
}

static void glue_blob_get(void *central, struct slice name, transition_blob_done *done, void *arg)
{
    central_blob_get(central, "transition", name, done, arg);
}

static void glue_blob_put(void *central, struct slice name, struct slice value, transition_blob_done *done,
                          void *arg)
{
    central_blob_put(central, "transition", name, value, done, arg);
}

static bool glue_certificate(void *central, struct slice pool, struct arena *a, struct slice **ret_names,
                             size_t *ret_n, int64_t *ret_not_after_ms)
{
    return central_certificate_names(central, pool, a, ret_names, ret_n, ret_not_after_ms);
}

static bool glue_dns(void *central, struct arena *a, struct transition_dns *ret)
{
    struct central_dns dns;
    if (!central_dns(central, a, &dns))
        return false;
    *ret = (struct transition_dns){.configured = true,
                                   .server = dns.server,
                                   .key_name = dns.key_name,
                                   .key_secret = dns.key_secret,
                                   .zones = dns.zones,
                                   .n_zones = dns.n_zones};
    return true;
}

struct transition_central glue_transition(struct daemon *d)
{
    return (struct transition_central){.central = d->central,
                                       .machines = glue_machines,
                                       .revision = glue_revision,
                                       .topology = glue_topology,
                                       .publish = glue_publish,
                                       .poll = glue_poll,
                                       .blob_get = glue_blob_get,
                                       .blob_put = glue_blob_put,
                                       .certificate = glue_certificate,
                                       .dns = glue_dns};
}
