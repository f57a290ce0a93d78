/* What a revision makes of this machine: which SIP service it runs, compiled and switched in one step. */
#include "cmd/entented/daemon.h"

#include "ground/base/mem.h"
#include "service/access_edge/access_edge.h"
#include "service/front_end/front_end.h"

#include <errno.h>
#include <stdio.h>

/* One apply at a time: the replica waits for `done`. */
struct role_apply {
    struct daemon *d;
    struct topology *topology;
    struct material *material;
    const struct replica_identity *identity;
    uint64_t revision;
    struct element_config *config; /* NULL: no SIP service here */
    const char *service;
    replica_applied *done;
    void *done_arg;
    char error[256];
};

/* ---------------------------------------------------------------- compiling */
static int roles_front_end_state(struct daemon *d, char *error)
{
    int r = d->directory ? 0 : directory_open(d->options.state, &d->directory);
    if (r < 0) {
        snprintf(error, 256, "users.db cannot be used: %s", strerror(-r));
        return r;
    }
    r = d->location ? 0 : location_open(d->options.state, d->writer, &d->location);
    if (r < 0)
        snprintf(error, 256, "location.db cannot be used: %s", strerror(-r));
    return r;
}

static int roles_compile_front_end(struct daemon *d, struct role_apply *ra)
{
    int r = roles_front_end_state(d, ra->error);
    if (r < 0)
        return r;
    struct front_end_self self = {.machine = ra->identity->fqdn,
                                  .key = ra->identity->key,
                                  .cert = ra->identity->cert,
                                  .internal_trust = ra->identity->trust,
                                  .directory = d->directory,
                                  .location = d->location};
    memcpy(self.nonce_key, d->nonce_key, sizeof(self.nonce_key));
    ra->service = "front_end";
    return front_end_compile(ra->topology, ra->material, &self, ra->config, ra->error);
}

static int roles_compile_edge(struct daemon *d, struct role_apply *ra)
{
    d->watch = d->watch ? d->watch : watch_new();
    d->crls = d->crls ? d->crls : crls_new(d->control, d->options.state);
    struct access_edge_self self = {.machine = ra->identity->fqdn,
                                    .key = ra->identity->key,
                                    .cert = ra->identity->cert,
                                    .internal_trust = ra->identity->trust,
                                    .watch = d->watch,
                                    .crls = crls_store(d->crls)};
    ra->service = "access_edge";
    return access_edge_compile(ra->topology, ra->material, &self, ra->config, ra->error);
}

static struct element_limits roles_limits(const struct topology_limits *l)
{
    return (struct element_limits){.connections = (uint32_t)l->connections,
                                   .reserved_percent = (uint32_t)l->reserved_percent,
                                   .source_connections = (uint32_t)l->source_connections,
                                   .source_handshakes = (uint32_t)l->source_handshakes,
                                   .source_handshake_rate = (uint32_t)l->source_handshake_rate,
                                   .source_requests = (uint32_t)l->source_requests,
                                   .handshake_ms = (uint32_t)l->handshake_s * 1000,
                                   .message_ms = (uint32_t)l->message_s * 1000,
                                   .untrusted_idle_ms = (uint32_t)l->untrusted_idle_s * 1000,
                                   .delay_ms = (uint32_t)l->delay_ms,
                                   .requests = (uint32_t)l->requests,
                                   .memory_mib = (uint32_t)l->memory_mib};
}

/* The config for this machine, or NULL with 0 when it has no SIP service. */
static int roles_compile(struct daemon *d, struct role_apply *ra)
{
    struct topology_role role;
    if (!topology_role_find(ra->topology, ra->identity->fqdn, &role)) {
        snprintf(ra->error, sizeof(ra->error), "revision %llu knows no machine " SLICE_FMT,
                 (unsigned long long)ra->revision, SLICE_ARG(ra->identity->fqdn));
        return -ENOENT;
    }
    if (!role.edge && !role.front_end)
        return 0;
    ra->config = element_config_new();
    ra->config->revision = ra->revision;
    ra->config->limits = roles_limits(&ra->topology->limits);
    int r = role.edge ? roles_compile_edge(d, ra) : roles_compile_front_end(d, ra);
    if (r == 0)
        seeing_prepare(d, ra->topology, ra->config);
    if (r < 0) {
        element_config_unref(ra->config);
        ra->config = NULL;
    }
    return r;
}

/* ---------------------------------------------------------------- switching */
/* Revocation lists are the process's: they follow once the revision has been taken. */
static void roles_keep_lists(struct daemon *d)
{
    struct topology_role role;
    struct net_addr from = {0};
    if (!d->crls || !d->config)
        return;
    if (topology_role_find(d->topology, slice_str(d->machine), &role) && role.machine)
        (void)!net_addr_parse(role.machine->external_address, 0, &from);
    crls_configure(d->crls, &from, &d->config->resolver);
    crls_give(d->crls, d->material);
}

static void roles_keep(struct daemon *d, struct role_apply *ra)
{
    topology_unref(d->topology);
    material_unref(d->material);
    element_config_unref(d->config);
    d->topology = topology_ref(ra->topology);
    d->material = material_ref(ra->material);
    d->config = ra->config ? element_config_ref(ra->config) : NULL;
    d->identity = ra->identity;
    d->revision = ra->revision;
    d->service = ra->service;
    roles_keep_lists(d);
    seeing_switch(d);
}

static void roles_applied(void *arg, int error, const char *text)
{
    struct role_apply *ra = arg;
    if (error == 0)
        roles_keep(ra->d, ra);
    if (error == 0 && ra->d->waits)
        daemon_announce(ra->d);
    ra->done(ra->done_arg, error, text);
    element_config_unref(ra->config);
    topology_unref(ra->topology);
    material_unref(ra->material);
    mem_free(ra);
}

void roles_apply(void *arg, struct topology *t, const struct revision *r, struct material *m,
                 const struct replica_identity *id, replica_applied *done, void *done_arg)
{
    struct daemon *d = arg;
    struct role_apply *ra = MEM_NEW(struct role_apply);
    *ra = (struct role_apply){.d = d,
                              .topology = topology_ref(t),
                              .material = material_ref(m),
                              .identity = id,
                              .revision = r->number,
                              .done = done,
                              .done_arg = done_arg};
    int error = d->stopping ? -ECANCELED : roles_compile(d, ra);
    if (d->stopping)
        snprintf(ra->error, sizeof(ra->error), "this machine is being stopped");
    if (error < 0 || (!ra->config && !d->config)) {
        roles_applied(ra, error, ra->error);
        return;
    }
    if (!ra->config) { /* it had a service that the revision takes away */
        ra->config = element_config_new();
        ra->config->ops = d->config->ops;
        ra->config->machine = arena_copy(&ra->config->arena, id->fqdn);
        ra->config->stopping = true;
    }
    if (!d->element)
        d->element = element_new(d->team, d->machine);
    element_apply(d->element, ra->config, d->control, roles_applied, ra);
}

/* ---------------------------------------------------------------- stopping */
struct role_stop {
    struct role_apply ra;
    element_applied *done;
    void *arg;
};

static void roles_stopped(void *arg, int error, const char *text)
{
    struct role_stop *rs = arg;
    rs->done(rs->arg, error, text);
    element_config_unref(rs->ra.config);
    mem_free(rs);
}

void roles_stop(struct daemon *d, element_applied *done, void *arg)
{
    struct role_stop *rs = MEM_NEW(struct role_stop);
    rs->ra = (struct role_apply){.d = d,
                                 .topology = d->topology,
                                 .material = d->material,
                                 .identity = d->identity,
                                 .revision = d->revision};
    rs->done = done;
    rs->arg = arg;
    int r = roles_compile(d, &rs->ra);
    if (r < 0 || !rs->ra.config) {
        roles_stopped(rs, r < 0 ? r : -ENOENT, rs->ra.error);
        return;
    }
    rs->ra.config->stopping = true;
    rs->ra.config->linger_ms = DRAIN_LINGER_MS;
    rs->ra.config->idle_close_ms = DRAIN_IDLE_MS;
    element_apply(d->element, rs->ra.config, d->control, roles_stopped, rs);
}

void roles_free(struct daemon *d)
{
    element_config_unref(d->config);
    topology_unref(d->topology);
    material_unref(d->material);
    watch_unref(d->watch);
    crls_free(d->crls);
    d->crls = NULL;
    d->watch = NULL;
    d->config = NULL;
    d->topology = NULL;
    d->material = NULL;
}

/* ---------------------------------------------------------------- what the machine says of itself */
static void describe_ago(struct arena *a, struct json_value *o, const char *name, uint64_t ago)
{
    json_set(a, o, name, ago == UINT64_MAX ? json_null(a) : json_int(a, (int64_t)ago));
}

static bool describe_draining(const struct daemon *d)
{
    struct topology_role role;
    return d->service && strcmp(d->service, "access_edge") == 0 && d->topology &&
           topology_role_find(d->topology, slice_str(d->machine), &role) && role.edge &&
           topology_machine_service(role.edge, role.machine) == TOPOLOGY_DRAINING;
}

struct dialogs_list {
    struct arena *a;
    struct json_value *list;
};

/* A dialog may end on another machine than it began on: whoever asks sums over the machines. */
static void describe_partner(void *arg, const char *name,
                             const struct account_sums by_direction[RECORD_DIRECTIONS])
{
    struct dialogs_list *to = arg;
    uint64_t begun = 0, ended = 0;
    for (int i = 0; i < RECORD_DIRECTIONS; i++) {
        begun += by_direction[i].dialogs_begun;
        ended += by_direction[i].dialogs_ended;
    }
    if (begun == ended)
        return;
    struct json_value *o = json_object(to->a);
    json_set_string(to->a, o, "domain", slice_str(name));
    json_set_int(to->a, o, "dialogs_begun", (int64_t)begun);
    json_set_int(to->a, o, "dialogs_ended", (int64_t)ended);
    json_push(to->a, to->list, o);
}

static void describe_dialogs(const struct daemon *d, struct arena *a, struct json_value *l)
{
    struct element_sums sums;
    struct dialogs_list partners = {a, json_array(a)};
    if (!d->element)
        return;
    element_sum(d->element, &sums);
    json_set_int(a, l, "dialogs_begun", (int64_t)sums.dialogs_begun);
    json_set_int(a, l, "dialogs_ended", (int64_t)sums.dialogs_ended);
    json_set_int(a, l, "dialogs_estimate", (int64_t)roles_dialogs_estimate(&sums));
    element_accounts(d->element, ACCOUNT_PARTNER, describe_partner, &partners);
    json_set(a, l, "partners", partners.list);
}

static const char *describe_service(const struct daemon *d, const struct element_load *load)
{
    if (!d->config->stopping)
        return "serving";
    return load->connections || load->requests ? "stopping" : "stopped";
}

/* A domain that has been listed since is discovered no more. */
static bool still_discovered(void *arg, struct slice domain)
{
    const struct daemon *d = arg;
    return !d->topology || !topology_partner_find(d->topology, domain);
}

enum { DESCRIBE_WATCHED_MAX = 500 };

static void describe_watched(struct daemon *d, struct arena *a, struct json_value *object)
{
    struct watch_row *rows;
    struct json_value *list = json_array(a);
    size_t n = watch_list(d->watch, still_discovered, d, true, a, &rows);
    uint64_t now = loop_now(d->control);
    for (size_t i = 0; i < n && i < DESCRIBE_WATCHED_MAX; i++) {
        const struct watch_row *r = &rows[i];
        struct json_value *o = json_object(a);
        json_set_string(a, o, "domain", r->domain);
        json_set_string(a, o, "why", slice_str(measure_why_text(r->why)));
        json_set_int(a, o, "since_ms", loop_wall() - (int64_t)(now - r->since_ms));
        json_set_bool(a, o, "suspicious", r->suspicious);
        json_set_int(a, o, "messages", (int64_t)r->messages);
        json_set_int(a, o, "refused", (int64_t)r->refused);
        json_set_int(a, o, "addresses", r->addresses);
        json_set_int(a, o, "answers", (int64_t)r->answers);
        json_set_int(a, o, "failures", (int64_t)r->failures);
        json_set_int(a, o, "connections", r->connections);
        json_push(a, list, o);
    }
    json_set(a, object, "watched", list);
}

static void describe_list(struct arena *a, const struct crl_row *r, int64_t now, struct json_value *o)
{
    static const char *const states[] = {"missing", "current", "expired"};
    struct json_value *urls = json_array(a);
    struct slice url, rest = r->names;
    while (rest.n) {
        if (!slice_cut(rest, '\n', &url, &rest)) {
            url = rest;
            rest = SLICE_NONE;
        }
        json_push(a, urls, json_string(a, url));
    }
    json_set_string(a, o, "issuer", r->issuer);
    json_set_string(a, o, "state", slice_str(states[r->there ? 1 + (now >= r->next_ms) : 0]));
    json_set(a, o, "urls", urls);
    json_set_string(a, o, "from", r->given ? SLICE("given by hand") : r->from);
    if (r->there) {
        json_set_int(a, o, "this_update_ms", r->this_ms);
        json_set_int(a, o, "next_update_ms", r->next_ms);
        json_set_int(a, o, "revoked", (int64_t)r->revoked);
    }
    if (r->came_ms)
        json_set_int(a, o, "came_ms", r->came_ms);
    if (r->fetch_ms)
        json_set_int(a, o, "asked_again_ms", r->fetch_ms);
    json_set_bool(a, o, "under_way", r->under_way);
    json_set_int(a, o, "failures", r->failures);
    json_set_string(a, o, "error", r->why);
}

enum { DESCRIBE_LISTS_MAX = 100 };

/* Those in trouble first. */
static void describe_lists(struct daemon *d, struct arena *a, struct json_value *object)
{
    struct crl_row *rows;
    struct json_value *list = json_array(a);
    size_t n = crl_store_list(crls_store(d->crls), a, &rows), told = 0;
    int64_t now = loop_wall();
    for (int good = 0; good < 2; good++)
        for (size_t i = 0; i < n && told < DESCRIBE_LISTS_MAX; i++) {
            if ((rows[i].why.n == 0 && rows[i].there && now < rows[i].next_ms) != (good == 1))
                continue;
            struct json_value *o = json_object(a);
            describe_list(a, &rows[i], now, o);
            json_push(a, list, o);
            told++;
        }
    json_set(a, object, "revocation", list);
}

uint64_t roles_dialogs_estimate(const struct element_sums *sums)
{
    return sums->dialogs_begun > sums->dialogs_ended ? sums->dialogs_begun - sums->dialogs_ended : 0;
}

void roles_describe_destinations(const struct daemon *d, struct arena *a, struct json_value *object)
{
    struct json_value *list = json_array(a);
    struct element_destination *all;
    size_t n = d->element ? element_destinations(d->element, loop_now(d->control), a, &all) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_value *o = json_object(a);
        char *addr = arena_alloc(a, NET_ADDR_TEXT);
        json_set_string(a, o, "address", net_addr_text(&all[i].addr, addr));
        json_set_string(a, o, "transport", slice_str(sip_transport_name(all[i].transport)));
        json_set_string(a, o, "side", slice_str(all[i].side == SIDE_EXTERNAL ? "external" : "internal"));
        json_set_string(a, o, "name", all[i].name);
        json_set_string(a, o, "partner", all[i].partner);
        json_set_string(a, o, "state", slice_str(health_state_name(all[i].state)));
        json_set_int(a, o, "since_ms", (int64_t)all[i].since_ms);
        json_set_int(a, o, "blocked_ms", (int64_t)all[i].blocked_ms);
        json_set_int(a, o, "failures", all[i].failures);
        json_set_int(a, o, "connections", all[i].connections);
        json_set_string(a, o, "error", all[i].error);
        json_push(a, list, o);
    }
    json_set(a, object, "destinations", list);
}

void roles_describe(void *arg, struct arena *a, struct json_value *object)
{
    struct daemon *d = arg;
    struct element_load load = {.dialog_requests_ago_ms = UINT64_MAX, .last_request_ago_ms = UINT64_MAX};
    struct json_value *services = json_object(a), *l = json_object(a);
    if (d->element)
        element_load(d->element, &load);
    if (d->service && d->config)
        json_set_string(a, services, d->service, slice_str(describe_service(d, &load)));
    if (d->central)
        json_set_string(a, services, "central", SLICE("serving"));
    json_set_int(a, l, "requests", (int64_t)load.requests);
    json_set_int(a, l, "connections", (int64_t)load.connections);
    describe_ago(a, l, "last_request_ago_ms", load.last_request_ago_ms);
    describe_ago(a, l, "last_dialog_request_ago_ms", load.dialog_requests_ago_ms);
    describe_dialogs(d, a, l);
    json_set_bool(a, object, "draining", describe_draining(d));
    json_set_string(a, object, "version", SLICE(ENTENTE_VERSION));
    json_set_int(a, object, "revision", (int64_t)d->revision);
    json_set(a, object, "services", services);
    json_set(a, object, "load", l);
    if (d->watch)
        describe_watched(d, a, object);
    if (d->crls)
        describe_lists(d, a, object);
    if (d->directory)
        json_set_int(a, object, "users", (int64_t)directory_count(d->directory));
    if (d->location)
        json_set_int(a, object, "bindings", (int64_t)location_count(d->location));
}
