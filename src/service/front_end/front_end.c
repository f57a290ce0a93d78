/* What the element asks of the Front End. */
#include "service/front_end/front_end.h"

#include "ground/base/mem.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"
#include "service/front_end/priv.h"

/* ---------------------------------------------------------------- connections */
static void connection_free(void *data)
{
    struct connection *c = data;
    for (size_t i = 0; i < c->n_passes; i++)
        mem_free(c->passes[i].aor);
    mem_free(c->machine);
    mem_free(c);
}

static bool is_machine(const struct topology *t, struct slice name)
{
    struct topology_role role;
    return name.n && topology_role_find(t, name, &role) &&
           (role.edge || role.front_end || role.foreign || role.director);
}

/* The machine of the topology that a verified certificate names; SAN first, the CN without any. */
static char *machine_of(const struct front_end *fe, const struct flow *f)
{
    const struct crypto_cert *cert = flow_cert(f);
    if (!cert || flow_cert_verdict(f) != CRYPTO_VERIFY_OK)
        return NULL;
    const struct crypto_names *names = crypto_cert_names(cert);
    for (size_t i = 0; i < names->n_dns; i++)
        if (is_machine(fe->t, names->dns[i]))
            return slice_dup(names->dns[i]);
    return !names->has_san && is_machine(fe->t, names->common_name) ? slice_dup(names->common_name) : NULL;
}

/* Looked at again with each revision: an Edge may connect before this machine has heard of it. */
static const char *connection_machine(struct connection *k, const struct front_end *fe, const struct flow *f)
{
    if (k->machine && is_machine(fe->t, slice_str(k->machine)))
        return k->machine;
    mem_free(k->machine);
    k->machine = flow_transport(f) == SIP_TLS ? machine_of(fe, f) : NULL;
    return k->machine;
}

/* An Edge carries what belongs to many: it is known for one from the beginning, before its first request. */
static const struct refusal *on_flow_up(const struct element_config *c, struct flow *f)
{
    struct connection *k = MEM_NEW(struct connection);
    flow_set_data(f, k, connection_free);
    const char *machine = connection_machine(k, c->service, f);
    if (machine)
        flow_trust(f, slice_str(machine));
    return NULL;
}

static void on_flow_gone(const struct element_config *c, struct flow_ref ref)
{
    const struct front_end *fe = c->service;
    location_flow_gone(fe->location, (struct location_flow){ref.worker, ref.slot, ref.generation});
}

/* An unmanaged Edge may show its pool's name alone. */
static bool on_flow_covers(const struct element_config *c, struct flow *f, struct slice identity,
                           bool secure_name)
{
    const struct front_end *fe = c->service;
    const struct crypto_cert *cert = flow_cert(f);
    struct topology_role role;
    (void)secure_name;
    if (!cert || flow_cert_verdict(f) != CRYPTO_VERIFY_OK)
        return false;
    if (crypto_cert_names_host(cert, identity))
        return true;
    return topology_role_find(fe->t, identity, &role) && role.edge && !role.managed &&
           crypto_cert_names_host(cert, role.edge->fqdn);
}

/* ---------------------------------------------------------------- names */
static bool is_own_port(const struct front_end *fe, uint16_t port)
{
    return port == 0 || port == fe->pool->sip_port || port == fe->pool->client_tcp_port ||
           port == fe->pool->client_udp_port;
}

/* Machine, pool or internal address; the domain alone only as a route (Route: <sip:contoso.example;lr>). */
static bool on_is_own_uri(const struct element_config *c, const struct sip_uri *uri)
{
    const struct front_end *fe = c->service;
    struct slice lr;
    if (uri->scheme != SIP_SCHEME_SIP && uri->scheme != SIP_SCHEME_SIPS)
        return false;
    if (!is_own_port(fe, uri->port))
        return false;
    if (slice_caseeq(uri->host, fe->role.machine->fqdn) || slice_caseeq(uri->host, fe->pool->fqdn) ||
        slice_caseeq(uri->host, fe->role.internal_address))
        return true;
    return !uri->has_user && sip_uri_param(uri, SLICE("lr"), &lr) && topology_is_own_domain(fe->t, uri->host);
}

/* ---------------------------------------------------------------- requests */
/* Requests within a dialog are as good as the token of it that they carry. Others: From must be a user of
 * ours, who is proven. False: answered. */
static bool admit_client(struct visit *v)
{
    const struct sip_msg *m = request_msg(v->rq);
    const struct sip_uri *from = &request_from(v->rq)->uri;
    struct slice aor = sip_uri_aor(from, request_arena(v->rq));
    bool ours = from->has_user && topology_is_own_domain(v->fe->t, from->host) && aor.n <= FRONT_END_MAX_AOR;
    if (ours && connection_passes(v, aor)) {
        v->aor = aor;
        return true;
    }
    if (v->has_token)
        return true;
    if (m->method == SIP_ACK) {
        request_refuse(v->rq, &REFUSE_FE_NOT_SIGNED_IN, NULL);
        return false;
    }
    if (!ours) {
        request_refuse(v->rq, &REFUSE_FE_FROM_NOT_YOURS, "it is of no domain of ours");
        return false;
    }
    if (!authenticate(v, aor))
        return false;
    v->aor = aor;
    return true;
}

static void on_request(struct request *rq)
{
    struct visit *v = ARENA_NEW(request_arena(rq), struct visit);
    struct flow *f = request_flow(rq);
    v->rq = rq;
    v->fe = request_config(rq)->service;
    v->connection = f ? flow_data(f) : NULL;
    request_set_data(rq, v);
    const char *machine = v->connection ? connection_machine(v->connection, v->fe, f) : NULL;
    if (machine) {
        v->machine = arena_copy(request_arena(rq), slice_str(machine));
        request_set_peer(rq, v->machine);
        request_trust(rq, v->machine);
    }
    dialog_read_token(v);
    if (request_msg(rq)->method == SIP_REGISTER)
        registrar_request(v);
    else if (v->machine.n || admit_client(v))
        forward_visit(v);
}

/* A client proves nothing about itself by a header of its answer. */
static void on_response(struct request *rq, const struct sip_msg *response, struct sip_edits *edits)
{
    const struct visit *v = request_data(rq);
    if (v && v->to_client)
        sip_edit_remove_all(edits, response, SIP_H_P_ASSERTED_IDENTITY);
}

/* What on_response looks at. */
static struct slice on_keep(struct request *rq)
{
    const struct visit *v = request_data(rq);
    return v && v->to_client ? SLICE("c") : SLICE_NONE;
}

static void on_restore(struct request *rq, struct slice kept)
{
    struct visit *v = ARENA_NEW(request_arena(rq), struct visit);
    v->rq = rq;
    v->to_client = kept.n != 0;
    request_set_data(rq, v);
}

static void on_request_over(struct request *rq)
{
    struct visit *v = request_data(rq);
    if (v)
        registrar_over(v);
}

/* An Edge brings what many partners send: each of them is one who shares. Users share by themselves. */
static struct slice on_share(const struct element_config *c, const struct sip_msg *m)
{
    const struct front_end *fe = c->service;
    struct sip_addr from;
    if (sip_addr_parse(sip_msg_value(m, SIP_H_FROM), &from) < 0 ||
        topology_is_own_domain(fe->t, from.uri.host))
        return SLICE_NONE;
    return from.uri.host;
}

const struct element_ops front_end_ops = {
    .flow_up = on_flow_up,
    .flow_gone = on_flow_gone,
    .flow_covers = on_flow_covers,
    .share = on_share,
    .is_own_uri = on_is_own_uri,
    .request = on_request,
    .response = on_response,
    .keep = on_keep,
    .restore = on_restore,
    .request_over = on_request_over,
};
