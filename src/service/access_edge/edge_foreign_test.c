/* A third organisation whose next hop is not ours: it speaks UDP and is known by its address. */
#include "service/access_edge/access_edge.h"

#include "ground/base/test.h"
#include "service/access_edge/refusals.h"
#include "service/access_edge/world_for_test.h"

enum { PBX_PORT = 5070 };
static struct organisation wingtip;
static struct edge_machine wingtip_edge = {.fqdn = "edge1.wingtip.example"};
static struct peer front_end; /* contoso's Front End, over TLS to its Edge */
static struct peer pbx = {.fd = -1}, standby = {.fd = -1},
                   other = {.fd = -1}; /* datagrams: foreign machines, and one that is none */
static struct net_addr edge_at;

static int udp_at(unsigned host)
{
    struct net_addr a = fixture_addr(host, PBX_PORT);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, &a.sa, net_addr_len(&a)) == 0);
    return fd;
}

TEST(starts)
{
    world_start();
    wingtip.ca = pki_ca("internal");
    wingtip.trust = pki_trust(&wingtip.ca);
    wingtip.m = material_copy(contoso.m); /* the public root; keys of its own do not matter here */
    wingtip.t = parsed(
        "schema: 1\ndeployment:\n  name: wingtip\n  default_domain: wingtip.example\n"
        "  dns_servers: [\"%s:%u\"]\ncentral:\n  machine: cms.wingtip.example\n  internal_address: %s\n"
        "sites:\n- name: hq\nedge_pools:\n- fqdn: edge.wingtip.example\n  site: hq\n  federation: true\n"
        "  external_fqdn: sip.wingtip.example\n  next_hop: pbx.wingtip.example\n  machines:\n"
        "  - fqdn: edge1.wingtip.example\n    internal_address: %s\n    external_address: %s\n"
        "foreign_pools:\n- fqdn: pbx.wingtip.example\n  site: hq\n  transport: udp\n  port: %u\n"
        "  machines:\n  - fqdn: pbx1.wingtip.example\n    internal_address: %s\n"
        "  - fqdn: pbx2.wingtip.example\n    internal_address: %s\n    weight: 0\n"
        "partners:\n- domain: contoso.example\n  policy: allowed\n",
        ip(53), net_addr_port(&dns.at), ip(STRANGER), ip(WINGTIP_IN), ip(WINGTIP_OUT), PBX_PORT,
        ip(WINGTIP_PBX), ip(WINGTIP_PBX2));
    struct pki_id outer = LEAF(&public_ca, "sip.wingtip.example");
    certificate_into(wingtip.m, "edge.wingtip.example", &outer);
    pki_fini(&outer);
    wingtip_edge.id = LEAF(&wingtip.ca, wingtip_edge.fqdn);
    start_edge(&wingtip_edge, &wingtip);
    pbx.fd = udp_at(WINGTIP_PBX);
    standby.fd = udp_at(WINGTIP_PBX2);
    other.fd = udp_at(STRANGER);
    edge_at = fixture_addr(WINGTIP_IN, PBX_PORT);
    struct net_addr from = fixture_addr(CONTOSO_FE, 0), to = fixture_addr(OLD_IN, FIXTURE_PORT);
    CHECK(peer_connect(&front_end, &from, &to, contoso.fe_client));
}

static bool datagram(struct peer *p)
{
    char bytes[65536];
    ssize_t n = peer_readable(p->fd) ? recv(p->fd, bytes, sizeof(bytes), 0) : -1;
    enum sip_flaw flaw;
    if (n <= 0) {
        TEST_DIAG("no datagram came");
        return false;
    }
    mem_free(p->text);
    p->text = slice_dup(slice_mem(bytes, (size_t)n));
    arena_reset(&p->arena);
    return sip_msg_parse(slice_str(p->text), &p->arena, &p->m, &flaw) == 0;
}

static void send_to_edge(struct peer *p, struct buf *b)
{
    CHECK(sendto(p->fd, b->mem, b->end, 0, &edge_at.sa, net_addr_len(&edge_at)) == (ssize_t)b->end);
    buf_fini(b);
}

static void answer(struct peer *p, unsigned status)
{
    struct buf b = {0};
    sip_response_write(&p->m, &(struct sip_response){.status = status, .to_tag = SLICE("w1")}, &b);
    if (p->tls) {
        peer_send(p, buf_slice(&b));
        buf_fini(&b);
    } else {
        send_to_edge(p, &b);
    }
}

static void text_of(struct buf *b, const char *method, const char *uri, const char *via, const char *from,
                    const char *to, struct slice routes, unsigned cseq)
{
    buf_printf(
        b,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/%s;branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
        "Call-ID: foreign\r\nCSeq: %u %s\r\n",
        method, uri, via, method, cseq, from, to, cseq, method);
    if (routes.n)
        buf_printf(b, "Route: " SLICE_FMT "\r\n", SLICE_ARG(routes));
    buf_append(b, SLICE("Content-Length: 0\r\n\r\n"));
}

/* Record-Route values, joined; reversed for the caller. */
static struct slice routes_of(struct peer *p, bool reversed)
{
    struct sip_values v = sip_values(&p->m, SIP_H_RECORD_ROUTE);
    struct slice value, all = SLICE_NONE;
    while (sip_values_next(&v, &value)) {
        struct slice first = reversed ? value : all, second = reversed ? all : value;
        all = all.n ? arena_printf(&p->arena, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(first), SLICE_ARG(second))
                    : value;
    }
    return all;
}

static bool hear_status(struct peer *p, unsigned status)
{
    do {
        if (p->tls ? !peer_receive(p) : !datagram(p))
            return false;
    } while (!p->m.is_request && p->m.status == 100);
    if (p->m.is_request || p->m.status != status)
        TEST_DIAG("not %u but: %.200s", status, p->text);
    return true;
}

#define CALLER "<sip:alice@contoso.example>"
#define CALLEE "<sip:w@wingtip.example>"

TEST(call_to_a_foreign_next_hop)
{
    struct buf b = {0};
    text_of(&b, "INVITE", "sip:w@wingtip.example", "TLS fe1.contoso.example", CALLER ";tag=c1", CALLEE,
            SLICE_NONE, 1);
    peer_send(&front_end, buf_slice(&b));
    buf_fini(&b);
    if (!datagram(&pbx))
        return;
    CHECK_STR(pbx.m.method_name, "INVITE");
    struct slice want = arena_printf(&pbx.arena, "@%s:%u;transport=udp;lr>", ip(WINGTIP_IN), PBX_PORT);
    CHECK(slice_search(sip_msg_value(&pbx.m, SIP_H_RECORD_ROUTE), want) != SIZE_MAX);
    char *routes = slice_dup(routes_of(&pbx, false));
    answer(&pbx, 200);
    if (hear_status(&front_end, 200)) {
        text_of(&b, "ACK", "sip:w@pbx.invalid", "TLS fe1.contoso.example", CALLER ";tag=c1", CALLEE ";tag=w1",
                routes_of(&front_end, true), 1);
        peer_send(&front_end, buf_slice(&b));
        buf_fini(&b);
        CHECK(datagram(&pbx) && pbx.m.method == SIP_ACK);
    }
    /* and the callee ends it, by datagram */
    text_of(&b, "BYE", "sip:alice@fe1.contoso.example", "UDP pbx1.wingtip.example;rport", CALLEE ";tag=w1",
            CALLER ";tag=c1", slice_str(routes), 2);
    send_to_edge(&pbx, &b);
    struct peer *p = server_receive(&contoso.front_end);
    CHECK(p && p->m.method == SIP_BYE);
    if (p)
        answer(p, 200);
    hear_status(&pbx, 200);
    mem_free(routes);
}

/* What begins goes to the first machine of the pool, what belongs to a dialog to the one that has it. */
TEST(a_dialog_stays_with_its_machine)
{
    struct buf b = {0};
    text_of(&b, "INVITE", "sip:alice@contoso.example", "UDP pbx2.wingtip.example;rport", CALLEE ";tag=p2",
            CALLER, SLICE_NONE, 11);
    send_to_edge(&standby, &b);
    struct peer *p = server_receive(&contoso.front_end);
    CHECK(p && p->m.method == SIP_INVITE);
    if (!p)
        return;
    char *routes = slice_dup(routes_of(p, false));
    answer(p, 200);
    hear_status(&standby, 200);
    text_of(&b, "BYE", "sip:w@pbx.invalid", "TLS fe1.contoso.example", CALLER ";tag=w1", CALLEE ";tag=p2",
            slice_str(routes), 12);
    peer_send(&front_end, buf_slice(&b));
    buf_fini(&b);
    char none;
    CHECK(datagram(&standby) && standby.m.method == SIP_BYE);
    CHECK(recv(pbx.fd, &none, 1, MSG_DONTWAIT) < 0);
    answer(&standby, 200);
    hear_status(&front_end, 200);
    mem_free(routes);
}

TEST(other_addresses_are_refused)
{
    struct buf b = {0};
    text_of(&b, "MESSAGE", "sip:alice@contoso.example", "UDP x.invalid;rport", CALLEE ";tag=1", CALLER,
            SLICE_NONE, 3);
    send_to_edge(&other, &b);
    if (hear_status(&other, EDGE_NOT_A_MACHINE.status))
        CHECK(slice_search(sip_msg_value(&other.m, SIP_H_REASON), slice_str(EDGE_NOT_A_MACHINE.id)) !=
              SIZE_MAX);
    text_of(&b, "MESSAGE", "sip:alice@contoso.example", "UDP x.invalid;rport", CALLEE ";tag=1", CALLER,
            SLICE_NONE, 4);
    send_to_edge(&pbx, &b);
    struct peer *p = server_receive(&contoso.front_end);
    CHECK(p && p->m.method == SIP_MESSAGE);
    if (p)
        answer(p, 200);
    hear_status(&pbx, 200);
}

TEST(ends)
{
    peer_fini(&front_end);
    peer_fini(&pbx);
    peer_fini(&standby);
    peer_fini(&other);
    stop_edge(&wingtip_edge);
    pki_fini(&wingtip.ca);
    crypto_trust_unref(wingtip.trust);
    topology_unref(wingtip.t);
    material_unref(wingtip.m);
    world_end();
}

TEST_MAIN(starts, call_to_a_foreign_next_hop, a_dialog_stays_with_its_machine, other_addresses_are_refused,
          ends)
