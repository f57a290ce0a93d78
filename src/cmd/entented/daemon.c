/* Life of the daemon: what is made in which order, signals, draining, the end. */
#include "cmd/entented/daemon.h"

#include "ground/crypto/hash.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"
#include "kept/store/files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ERROR_TEXT = 512, SWEEP_MS = 5000, PULSE_MS = 500 };

/* ---------------------------------------------------------------- the end */
static void daemon_end(struct daemon *d)
{
    struct element_load load = {0};
    if (d->element)
        element_load(d->element, &load);
    if (load.requests || load.connections)
        log_warn("daemon.cut", "%llu requests and %llu connections were cut at the end of the drain",
                 (unsigned long long)load.requests, (unsigned long long)load.connections);
    log_info("daemon.ended", "ended with status %d", d->exit_code);
    loop_stop(d->control);
}

static void daemon_drain_tick(void *arg)
{
    struct daemon *d = arg;
    struct element_load load = {0};
    if (d->element)
        element_load(d->element, &load);
    if ((load.requests == 0 && load.connections == 0) || loop_now(d->control) >= d->drain_until) {
        daemon_end(d);
        return;
    }
    timer_start(&d->drain, loop_now(d->control) + 50);
}

static void daemon_draining(void *arg, int error, const char *text)
{
    struct daemon *d = arg;
    (void)text;
    if (error) {
        daemon_end(d);
        return;
    }
    d->drain_until = loop_now(d->control) + DRAIN_MAX_MS;
    daemon_drain_tick(d);
}

void daemon_stop(struct daemon *d, int code)
{
    if (d->stopping) { /* asked twice: at once */
        loop_stop(d->control);
        return;
    }
    d->stopping = true;
    d->exit_code = code;
    if (!d->element || !d->config) {
        daemon_end(d);
        return;
    }
    log_info("daemon.draining", "listeners close, what is pending is finished");
    roles_stop(d, daemon_draining, d);
}

/* ---------------------------------------------------------------- signals */
static int signals_block(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

struct signals {
    struct daemon *d;
    int fd;
};

static void signals_ready(void *arg, unsigned what)
{
    struct signals *s = arg;
    struct signalfd_siginfo info;
    (void)what;
    while (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            seeing_reopen(s->d);
            continue;
        }
        log_info("daemon.signal", "%s", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
        daemon_stop(s->d, EXIT_DRAINED);
    }
}

/* ---------------------------------------------------------------- beginning */
/* Measures how late the control loop is. */
static void daemon_pulse(void *arg)
{
    struct daemon *d = arg;
    uint64_t now = loop_now(d->control);
    if (d->pulse.at && now >= d->pulse.at)
        METRIC_TIME(METRIC_CONTROL_LAG, (now - d->pulse.at) * 1000);
    timer_start(&d->pulse, now + PULSE_MS);
}

static void daemon_sweep(void *arg)
{
    struct daemon *d = arg;
    if (d->location)
        location_sweep(d->location, loop_wall());
    timer_start(&d->sweep, loop_now(d->control) + SWEEP_MS);
}

void daemon_announce(struct daemon *d)
{
    char revision[24];
    d->ready = true;
    d->waits = false;
    snprintf(revision, sizeof(revision), "%llu", (unsigned long long)d->revision);
    log_event(LOG_INFO, "daemon.ready",
              FIELDS({"revision", slice_str(revision)}, {"service", slice_str(d->service)}),
              "%s runs revision %s", d->machine, revision);
}

static void daemon_ready(void *arg, int error, const char *text)
{
    struct daemon *d = arg;
    if (error) {
        d->waits = true;
        log_error("daemon.first-revision-failed", "the revision on disk cannot run: %s", text);
        if (d->central) /* a revision that mends it can still be published */
            return;
        if (error == -EADDRINUSE || error == -EADDRNOTAVAIL || error == -EACCES) {
            d->exit_code = EXIT_LISTEN;
            loop_stop(d->control);
        }
        return; /* a push may bring one that runs */
    }
    daemon_announce(d);
}

/* The secret behind nonces: made once, so that a restart does not turn away those who hold one. */
static int daemon_nonce_key(struct daemon *d)
{
    struct buf b = {0};
    int r = files_read(d->options.state, "nonce.key", &b);
    if (r == 0 && buf_len(&b) == sizeof(d->nonce_key)) {
        memcpy(d->nonce_key, b.mem + b.start, sizeof(d->nonce_key));
    } else if (r == -ENOENT || r == 0) {
        crypto_random(d->nonce_key, sizeof(d->nonce_key));
        r = files_write(d->options.state, "nonce.key", slice_mem(d->nonce_key, sizeof(d->nonce_key)));
    }
    buf_fini(&b);
    return r;
}

static int daemon_state_error(const char *text)
{
    log_error("daemon.state", "%s", text);
    return EXIT_STATE;
}

/* Is this a joined state folder? Says what to do when not. */
static int daemon_check_state(struct daemon *d)
{
    struct stat st;
    char text[ERROR_TEXT];
    if (stat(d->options.state, &st) < 0 || !S_ISDIR(st.st_mode)) {
        snprintf(text, sizeof(text), "state folder %s: %s", d->options.state, strerror(errno));
        return daemon_state_error(text);
    }
    if (access(d->options.state, R_OK | W_OK | X_OK) < 0) {
        snprintf(text, sizeof(text), "no rights on state folder %s", d->options.state);
        return daemon_state_error(text);
    }
    struct replica_identity *id;
    int r = replica_identity_load(d->options.state, &id);
    if (r == -ENOENT) {
        log_error("daemon.not-joined",
                  "%s holds no machine: run `entente init` or `entente machine join --state %s BUNDLE`",
                  d->options.state, d->options.state);
        return EXIT_NOT_JOINED;
    }
    if (r < 0) {
        snprintf(text, sizeof(text), "the machine's identity in %s cannot be read: %s", d->options.state,
                 strerror(-r));
        return daemon_state_error(text);
    }
    snprintf(d->machine, sizeof(d->machine), SLICE_FMT, SLICE_ARG(id->fqdn));
    replica_identity_free(id);
    if (daemon_nonce_key(d) < 0)
        return daemon_state_error("nonce.key cannot be read or written");
    return 0;
}

static int daemon_begin_central(struct daemon *d, char *error)
{
    if (!files_exists(d->options.state, "central.db"))
        return 0;
    int r = central_new(d->control, d->disk, d->options.state, &d->central, error);
    if (r < 0)
        return r;
    struct transition_central tc = glue_transition(d);
    d->transition = transition_new(d->control, d->probes, &tc);
    return 0;
}

static int daemon_begin(struct daemon *d)
{
    static const struct replica_ops ops = {roles_apply, roles_describe, api_asked};
    char error[ERROR_TEXT] = "", path[4096];
    int r = seeing_begin(d);
    if (r < 0) {
        log_error("access-log.failed", "%s cannot be written: %s", d->options.access_log, strerror(-r));
        return EXIT_USAGE;
    }
    r = daemon_begin_central(d, error);
    if (r < 0)
        return daemon_state_error(error);
    snprintf(path, sizeof(path), "%s/entented.sock", d->options.state);
    r = http_server_unix_new(d->control, path, 0660, api_handle, d, &d->api);
    if (r < 0) {
        log_error("daemon.state", "cannot listen on %s: %s", path, strerror(-r));
        return EXIT_STATE;
    }
    r = replica_new(d->control, d->disk, d->options.state, &ops, d, daemon_ready, &d->replica, error);
    if (r < 0) {
        log_error("daemon.replica", "%s", error);
        return r == -EADDRINUSE || r == -EADDRNOTAVAIL || r == -EACCES ? EXIT_LISTEN : EXIT_STATE;
    }
    daemon_sweep(d);
    daemon_pulse(d);
    return 0;
}

/* From the top down: what uses goes before what is used. */
static void daemon_free(struct daemon *d)
{
    http_server_free(d->api);
    http_server_free(d->metrics);
    d->metrics = NULL;
    examine_free_all(d);
    replica_free(d->replica);
    transition_free(d->transition);
    central_free(d->central);
    timer_stop(&d->sweep);
    timer_stop(&d->pulse);
    timer_stop(&d->drain);
    workers_stop(d->team);
    crls_stop(d->crls);
    helpers_free(d->probes);
    helpers_free(d->writer);
    helpers_free(d->disk);
    loop_drain(d->control);
    element_free(d->element);
    roles_free(d);
    seeing_free(d);
    location_close(d->location);
    directory_close(d->directory);
    workers_free(d->team);
    loop_free(d->control);
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon d = {.options = *options, .started_ms = loop_wall(), .exit_code = EXIT_INTERNAL};
    struct signals signals = {&d, signals_block()};
    int r = daemon_check_state(&d);
    if (r != 0)
        return r;
    list_init(&d.examinations);
    log_setup_machine(d.machine);
    log_write_behind(true);
    d.control = loop_new(0);
    d.team = workers_new(options->workers ? options->workers : workers_cores(), "sip");
    d.disk = helpers_new(1, "disk");
    d.writer = helpers_new(1, "bindings");
    d.probes = helpers_new(2, "probe");
    timer_init(&d.sweep, d.control, daemon_sweep, &d);
    timer_init(&d.pulse, d.control, daemon_pulse, &d);
    timer_init(&d.drain, d.control, daemon_drain_tick, &d);
    workers_start(d.team);
    struct io *io = io_new(d.control, signals.fd, signals_ready, &signals);
    io_want(io, IO_READ);
    r = daemon_begin(&d);
    if (r == 0) {
        d.exit_code = EXIT_DRAINED;
        loop_run(d.control);
        r = d.exit_code;
    }
    io_free(io);
    close(signals.fd);
    daemon_free(&d);
    log_write_behind(false);
    return r;
}
