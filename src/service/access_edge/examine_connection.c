/* TCP and TLS to each address, one after the other; what comes on the connection. */
#include "service/access_edge/examine_priv.h"

#include "kept/topology/certificate_json.h"

#include <stdio.h>

void examine_connection_end(struct examine *x)
{
    stream_free(x->stream);
    x->stream = NULL;
}

/* ---------------------------------------------------------------- TCP and TLS */
__attribute__((format(printf, 3, 4))) static void put_try(struct examine *x, bool ok, const char *fmt, ...)
{
    struct json_value *o = json_object(&x->arena);
    char addr[NET_ADDR_TEXT], text[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_set_string(&x->arena, o, "address", net_addr_text(&x->places[x->at].addr, addr));
    json_set_string(&x->arena, o, "name", x->places[x->at].host);
    json_set_bool(&x->arena, o, "ok", ok);
    json_set_string(&x->arena, o, "text", slice_str(text));
    json_push(&x->arena, x->tries, o);
}

static void tls_conclude(struct examine *x, enum verdict v, const char *why)
{
    char addr[NET_ADDR_TEXT];
    struct slice at = net_addr_text(&x->places[x->at].addr, addr);
    struct json_value *o =
        v == VERDICT_OK ? examine_conclude(x, STAGE_TLS, v, "%s, %s, chain verified",
                                           stream_tls_version(x->stream), stream_tls_cipher(x->stream))
                        : examine_conclude(x, STAGE_TLS, v, "with " SLICE_FMT ": %s", SLICE_ARG(at), why);
    if (x->cert) {
        json_set(&x->arena, o, "certificate", examine_certificate_json(x, x->cert));
        json_set(&x->arena, o, "chain", certificate_chain_json(x->cert, &x->arena));
    }
    if (v == VERDICT_OK) {
        json_set_string(&x->arena, o, "version", slice_str(stream_tls_version(x->stream)));
        json_set_string(&x->arena, o, "cipher", slice_str(stream_tls_cipher(x->stream)));
    }
}

static void keep_cert(struct examine *x)
{
    const struct crypto_cert *cert = stream_peer_cert(x->stream);
    crypto_cert_unref(x->cert);
    x->cert = cert ? crypto_cert_ref(cert) : NULL;
}

/* TCP was up: its time ends, and that of TLS begins, when it came up. */
static void tcp_conclude(struct examine *x)
{
    char addr[NET_ADDR_TEXT];
    struct slice at = net_addr_text(&x->places[x->at].addr, addr);
    uint64_t up = stream_connected_ms(x->stream);
    struct json_value *o = examine_conclude(
        x, STAGE_TCP, x->at ? VERDICT_WARNING : VERDICT_OK, "connected to " SLICE_FMT " (" SLICE_FMT ")%s",
        SLICE_ARG(at), SLICE_ARG(x->places[x->at].host), x->at ? "; the addresses before it failed:" : "");
    json_set(&x->arena, o, "tries", x->tries);
    json_set_int(&x->arena, o, "ms", (int64_t)(up - x->began_ms[STAGE_TCP]));
    x->began_ms[STAGE_TLS] = up;
}

static void on_up(struct stream *s, void *arg)
{
    struct examine *x = arg;
    (void)s;
    x->tcp_up = true;
    put_try(x, true, "connected");
    tcp_conclude(x);
    keep_cert(x);
    x->cert_good = true;
    tls_conclude(x, VERDICT_OK, "");
    examine_over(x, STAGE_TLS, true);
}

static size_t on_data(struct stream *s, void *arg, struct slice in)
{
    struct examine *x = arg;
    size_t len;
    enum sip_flaw flaw;
    (void)s;
    enum sip_frame f = sip_frame_next(&x->framer, in, &len, &flaw);
    if (f == SIP_FRAME_MORE)
        return 0;
    if (f == SIP_FRAME_BAD)
        examine_options_lost(x, "what came is not SIP");
    if (f == SIP_FRAME_MESSAGE)
        examine_options_answered(x, slice_head(in, len));
    return f == SIP_FRAME_BAD ? in.n : len;
}

/* Which stage a connection reached before it ended. */
static void on_ended(struct stream *s, void *arg, enum stream_end why)
{
    struct examine *x = arg;
    char text[256];
    snprintf(text, sizeof(text), "%s", stream_error(s)[0] ? stream_error(s) : "the connection ended");
    if (x->tcp_up) {
        examine_options_ended(x, text);
        return;
    }
    bool tls = stream_was_connected(s);
    (void)why;
    keep_cert(x);
    put_try(x, false, "%s%s", tls ? "TLS failed: " : "", text);
    if (tls) { /* the other addresses are asked, too; what is shown is of the last */
        tcp_conclude(x);
        tls_conclude(x, VERDICT_FAILED, text);
    }
    if (x->at + 1 < x->n_places) {
        x->at++;
        deferred_add(x->loop, &x->again);
    } else {
        if (!tls && !x->stage[STAGE_TLS]) {
            struct json_value *o =
                examine_conclude(x, STAGE_TCP, VERDICT_FAILED, "%s: %s",
                                 x->n_places == 1 ? "the address takes no connections"
                                                  : "no address takes connections, the last one",
                                 text);
            json_set(&x->arena, o, "tries", x->tries);
        }
        examine_over(x, STAGE_TCP, false);
    }
}

void examine_tcp(struct examine *x)
{
    static const struct stream_ops ops = {.up = on_up, .data = on_data, .ended = on_ended};
    static const struct stream_limits limits = {.setup_ms = EXAMINE_STAGE_MS, .max_input = OPTIONS_MAX};
    const struct element_side *side = &x->config->sides[SIDE_EXTERNAL];
    const struct place *p = &x->places[x->at];
    struct net_addr local = side->local;
    examine_connection_end(x);
    if (x->at == 0)
        x->tries = json_array(&x->arena);
    x->stream = stream_connect(x->loop, local.sa.sa_family == p->addr.sa.sa_family ? &local : NULL, &p->addr,
                               side->client_tls, p->host, &limits, &ops, x);
}
