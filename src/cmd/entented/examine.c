/* partner test: asked at central management, done by an Edge machine of the federation route. */
#include "cmd/entented/daemon.h"

#include "ground/base/mem.h"
#include "service/access_edge/examine.h"

#include <errno.h>

enum { EXAMINE_WAIT_MS = 55000, DOMAIN_MAX = 253, FROM_MAX = 256 };

/* ---------------------------------------------------------------- on the Edge machine */
static void examined(void *arg, struct json_value *report)
{
    struct examining *x = arg;
    api_json(x->rq, 200, report);
    list_unlink(&x->link);
    mem_free(x);
}

/* What goes into a message of ours must not end its line. */
static bool is_domain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
              c == '.'))
            return false;
    }
    return s.n > 0 && s.n <= DOMAIN_MAX;
}

static bool is_sender(struct slice s)
{
    struct slice user, host;
    if (s.n == 0)
        return true;
    if (s.n > FROM_MAX || !slice_cut(s, '@', &user, &host) || user.n == 0 || !is_domain(host))
        return false;
    for (size_t i = 0; i < user.n; i++)
        if (user.p[i] <= ' ' || user.p[i] >= 0x7f || strchr("<>\"@;?", user.p[i]))
            return false;
    return true;
}

static void examine_here(struct daemon *d, struct http_request *rq, const struct json_value *q)
{
    struct slice domain = json_get_string(q, "domain"), from = json_get_string(q, "from"), user, host;
    if (slice_casestarts(from, SLICE("sip:")))
        from = slice_from(from, 4);
    if (!d->service || strcmp(d->service, "access_edge") != 0 || !d->config || d->config->stopping) {
        api_error(rq, 409, "partner.no-edge", "this machine runs no Access Edge");
    } else if (!is_domain(domain)) {
        api_error(rq, 400, "partner.domain", "domain is not the name of a domain");
    } else if (!is_sender(from) ||
               (slice_cut(from, '@', &user, &host) && !topology_is_own_domain(d->topology, host))) {
        api_error(rq, 400, "partner.from", "from is not user@domain of a domain of this deployment");
    } else if (!d->config->sides[SIDE_EXTERNAL].client_tls) {
        api_error(rq, 409, "partner.no-edge", "the Access Edge of this machine has no outer side");
    } else {
        struct examining *x = MEM_NEW(struct examining);
        x->rq = rq;
        list_push_back(&d->examinations, &x->link);
        x->examine = examine_new(d->control, d->config, domain, from, examined, x);
    }
}

void examine_free_all(struct daemon *d)
{
    LIST_FOR(it, &d->examinations)
    {
        struct examining *x = LIST_ENTRY(it, struct examining, link);
        examine_free(x->examine);
        http_respond(x->rq, 503, NULL, SLICE_NONE); /* only frees it */
        list_unlink(it);
        mem_free(x);
    }
}

void examine_asked(struct daemon *d, struct http_request *rq)
{
    struct json_value *body;
    struct json_error error;
    if (!slice_eq(http_method(rq), SLICE("POST")) ||
        json_parse(http_body(rq), http_arena(rq), &body, &error) < 0)
        api_error(rq, 400, "api.malformed", "the body is not {\"domain\": …}");
    else
        examine_here(d, rq, body);
}

/* ---------------------------------------------------------------- at central management */
static void answered(void *arg, const struct central_answer *answers, size_t n)
{
    struct http_request *rq = arg;
    const struct central_answer *w = &answers[0];
    (void)n;
    if (w->status) {
        api_json(rq, w->status, w->json);
        return;
    }
    struct arena *a = http_arena(rq);
    api_error(rq, 504, "partner.edge-silent",
              arena_cstr(a, arena_printf(a, SLICE_FMT " does not answer: %s: " SLICE_FMT, SLICE_ARG(w->fqdn),
                                         w->id, SLICE_ARG(w->why))));
}

static bool runs(const struct central_machine_state *m)
{
    return slice_eq(json_get_string(json_get(m->state, "services"), "access_edge"), SLICE("serving"));
}

/* Of the site's federation route, one that serves; else any other Edge machine that does. */
static struct slice choose_edge(struct daemon *d, const struct topology *t, struct arena *a)
{
    struct central_machine_state *list;
    size_t n = central_machines(d->central, a, &list);
    struct slice other = SLICE_NONE;
    for (size_t i = 0; i < n; i++) {
        struct topology_role role;
        if (!topology_role_find(t, list[i].fqdn, &role) || !role.edge || !role.edge->federation ||
            !runs(&list[i]))
            continue;
        for (size_t s = 0; s < t->n_sites; s++)
            if (slice_eq(t->sites[s].federation_route, role.edge->fqdn))
                return list[i].fqdn;
        other = list[i].fqdn;
    }
    return other;
}

void examine_api(struct daemon *d, struct http_request *rq)
{
    struct arena *a = http_arena(rq);
    struct json_value *body = NULL;
    struct json_error error;
    if (!d->central) {
        examine_asked(d, rq);
        return;
    }
    if (!slice_eq(http_method(rq), SLICE("POST")) || json_parse(http_body(rq), a, &body, &error) < 0) {
        api_error(rq, 400, "api.malformed", "the body is not {\"domain\": …}");
        return;
    }
    struct topology *t = central_topology(d->central);
    struct slice machine = json_get_string(body, "machine");
    struct central_question q = {.method = "POST",
                                 .path = SLICE("/v1/partners/test"),
                                 .body = http_body(rq),
                                 .machine = machine.n ? machine : choose_edge(d, t, a),
                                 .timeout_ms = EXAMINE_WAIT_MS};
    if (q.machine.n == 0)
        api_error(rq, 409, "partner.no-edge", "no Edge machine that serves is known: entente service list");
    else if (central_ask(d->central, &q, answered, rq) < 0)
        api_error(rq, 404, "machine.unknown", "there is no such managed machine in the published topology");
    topology_unref(t);
}
