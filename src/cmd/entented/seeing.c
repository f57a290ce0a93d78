/* What the machine tells of what it does: the access log's file, the port of the metrics. */
#include "cmd/entented/daemon.h"

#include "ground/crypto/hash.h"
#include "ground/log/expose.h"
#include "ground/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { MEGABYTE = 1000000 };

/* ---------------------------------------------------------------- the access log */
static struct journal_limits log_limits(const struct topology *t)
{
    return (struct journal_limits){.max_bytes = (uint64_t)t->monitoring.access_log_mb * MEGABYTE,
                                   .keep = (unsigned)t->monitoring.access_log_keep};
}

int seeing_begin(struct daemon *d)
{
    if (!d->options.access_log)
        return 0;
    return journal_open(d->options.access_log, &(struct journal_limits){0}, &d->access_log);
}

/* A log that cannot be had is said and holds up no revision: calls matter more. */
static void log_open(struct daemon *d, const struct topology *t)
{
    char path[PATH_MAX];
    struct journal_limits limits = log_limits(t);
    snprintf(path, sizeof(path), "%s/access.log", d->options.state);
    int r = journal_open(path, &limits, &d->access_log);
    if (r < 0)
        log_error("access-log.failed", "%s cannot be written: %s", path, strerror(-r));
}

/* A partner that is monitored has lines in the log of the Edge machines, whether there is one or not. */
static bool any_monitored(const struct daemon *d, const struct topology *t)
{
    struct topology_role role;
    if (!topology_role_find(t, slice_str(d->machine), &role) || !role.edge)
        return false;
    for (size_t i = 0; i < t->n_partners; i++)
        if (t->partners[i].monitored)
            return true;
    return false;
}

void seeing_prepare(struct daemon *d, const struct topology *t, struct element_config *c)
{
    static const enum access_users users[] = {[TOPOLOGY_USERS_HASHED] = ACCESS_USERS_HASHED,
                                              [TOPOLOGY_USERS_WHOLE] = ACCESS_USERS_WHOLE,
                                              [TOPOLOGY_USERS_NONE] = ACCESS_USERS_NONE};
    bool all = d->options.access_log || t->monitoring.access_log;
    if (!all && !any_monitored(d, t))
        return;
    if (!d->access_log)
        log_open(d, t);
    c->access.journal = journal_ref(d->access_log);
    c->access.only_monitored = !all;
    c->access.users = users[t->monitoring.users];
    crypto_derive(slice_mem(d->nonce_key, sizeof(d->nonce_key)), SLICE("access log: users"), c->access.salt,
                  sizeof(c->access.salt));
}

/* ---------------------------------------------------------------- the port of the metrics */
static bool may_read(const struct topology_names *from, const struct http_request *rq)
{
    struct net_addr peer, allowed;
    if (from->n == 0)
        return true;
    if (!http_peer_addr(rq, &peer))
        return false;
    for (size_t i = 0; i < from->n; i++)
        if (net_addr_parse(from->items[i], 0, &allowed) == 0 && net_addr_eq_host(&allowed, &peer))
            return true;
    return false;
}

static void metrics_handle(void *arg, struct http_request *rq)
{
    struct daemon *d = arg;
    struct buf out = {0};
    if (!slice_eq(http_path(rq), SLICE("/metrics")) || !slice_eq(http_method(rq), SLICE("GET"))) {
        http_respond(rq, 404, "text/plain", SLICE("There is /metrics, and nothing else.\n"));
        return;
    }
    if (!d->topology || !may_read(&d->topology->monitoring.metrics_from, rq)) {
        http_respond(rq, 403, "text/plain", SLICE("This address is not among monitoring/metrics_from.\n"));
        return;
    }
    metrics_write(d, &out);
    http_respond(rq, 200, EXPOSE_CONTENT_TYPE, buf_slice(&out));
    buf_fini(&out);
}

static bool metrics_addr(const struct daemon *d, struct net_addr *ret)
{
    struct topology_role role;
    int64_t port = d->topology->monitoring.metrics_port;
    return port && topology_role_find(d->topology, slice_str(d->machine), &role) &&
           net_addr_parse(role.internal_address, (uint16_t)port, ret) == 0;
}

static void metrics_listen(struct daemon *d)
{
    struct net_addr addr;
    struct http_server *fresh = NULL;
    bool wanted = metrics_addr(d, &addr);
    if (wanted && d->metrics && net_addr_eq(http_server_addr(d->metrics), &addr))
        return;
    int r = wanted ? http_server_new(d->control, &addr, NULL, metrics_handle, d, &fresh) : 0;
    if (r < 0) {
        char text[NET_ADDR_TEXT];
        struct slice at = net_addr_text(&addr, text);
        log_error("metrics.listen", "metrics cannot be had at " SLICE_FMT ": %s", SLICE_ARG(at),
                  strerror(-r));
    }
    http_server_free(d->metrics);
    d->metrics = fresh;
}

void seeing_switch(struct daemon *d)
{
    struct journal_limits limits = log_limits(d->topology);
    if (d->access_log && !d->options.access_log && !d->topology->monitoring.access_log &&
        !any_monitored(d, d->topology)) {
        journal_unref(d->access_log); /* requests under way have theirs */
        d->access_log = NULL;
    }
    if (d->access_log)
        journal_set_limits(d->access_log, &limits);
    metrics_listen(d);
}

/* ---------------------------------------------------------------- SIGHUP */
void seeing_reopen(struct daemon *d)
{
    if (d->options.log_file) {
        int fd = open(d->options.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd >= 0) {
            dup3(fd, d->options.log_fd, O_CLOEXEC); /* lines that others are writing end where they began */
            close(fd);
        } else {
            log_error("log.reopen", "%s cannot be opened again: %s", d->options.log_file, strerror(errno));
        }
    }
    if (d->access_log)
        journal_reopen(d->access_log);
    log_info("log.reopened", "log files were opened anew");
}

void seeing_free(struct daemon *d)
{
    http_server_free(d->metrics);
    d->metrics = NULL;
    journal_unref(d->access_log);
    d->access_log = NULL;
}
