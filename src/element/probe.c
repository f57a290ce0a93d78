/* OPTIONS of our own: does anybody answer at this address (health.h)? */
#include "element/shard.h"

#include "ground/crypto/hash.h"

#include <stdio.h>

enum { PROBES_AT_ONCE = 16, PROBE_HOPS = 1 };

static void probe_write(struct client *c, struct slice from, struct buf *out)
{
    const struct element_config *config = c->config;
    struct buf via = {0};
    char host[NET_ADDR_TEXT];
    struct slice at = c->to.name.n ? c->to.name : net_addr_host_text(&c->to.addr, host);
    bool v6 = c->to.name.n == 0 && c->to.addr.sa.sa_family == AF_INET6;
    uint64_t unique[2];
    crypto_random(unique, sizeof(unique));
    via_write(config, c->side, c->to.transport, c->inflight.branch, &via);
    buf_printf(out,
               "OPTIONS sip:%s" SLICE_FMT "%s:%u;transport=%s SIP/2.0\r\nVia: " SLICE_FMT
               "\r\nMax-Forwards: %d\r\nFrom: <" SLICE_FMT ">;tag=%08x\r\nTo: <sip:%s" SLICE_FMT
               "%s>\r\nCall-ID: probe-%016llx@" SLICE_FMT "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
               v6 ? "[" : "", SLICE_ARG(at), v6 ? "]" : "", (unsigned)net_addr_port(&c->to.addr),
               c->to.transport == SIP_TLS   ? "tls"
               : c->to.transport == SIP_TCP ? "tcp"
                                            : "udp",
               SLICE_ARG(buf_slice(&via)), PROBE_HOPS, SLICE_ARG(from), (unsigned)unique[0], v6 ? "[" : "",
               SLICE_ARG(at), v6 ? "]" : "", (unsigned long long)unique[1], SLICE_ARG(config->machine));
    buf_fini(&via);
}

void probe_tick(struct shard *s)
{
    const struct element_config *config = s->config;
    struct destination_probe due[PROBES_AT_ONCE];
    if (s->index != 0 || !config || config->stopping)
        return;
    bool sides[SIDES];
    for (int i = 0; i < SIDES; i++)
        sides[i] = config->sides[i].probe_from.n > 0;
    struct arena a = {0};
    size_t n =
        destinations_due(s->e->destinations, &config->health, sides, config->connections_per_destination,
                         loop_now(s->loop), &a, due, PROBES_AT_ONCE);
    for (size_t i = 0; i < n; i++) {
        struct client *c = client_new_probe(s, due[i].side, &due[i].to);
        probe_write(c, config->sides[due[i].side].probe_from, &c->sent);
        client_start(c);
    }
    arena_fini(&a);
}
