/* Rules as a file for nft(8). */
#include "kept/topology/firewall.h"

static bool is_v6(struct slice address)
{
    return slice_find(address, ':') != SIZE_MAX;
}

static bool family_of_peers(const struct firewall_peers *p, bool v6)
{
    for (size_t i = 0; i < p->n; i++)
        if (is_v6(p->addresses[i]) == v6)
            return true;
    return p->n == 0;
}

static void write_peers(const struct firewall_peers *p, bool v6, const char *which, struct buf *out)
{
    const char *comma = "";
    if (!p->n)
        return;
    buf_printf(out, "%s %s { ", v6 ? "ip6" : "ip", which);
    for (size_t i = 0; i < p->n; i++) {
        if (is_v6(p->addresses[i]) != v6)
            continue;
        buf_printf(out, "%s" SLICE_FMT, comma, SLICE_ARG(p->addresses[i]));
        comma = ", ";
    }
    buf_printf(out, " } ");
}

/* One line of one address family. */
static void write_line(const struct firewall_rule *r, bool v6, struct slice local, struct buf *out)
{
    bool in = r->direction == FIREWALL_IN;
    buf_printf(out, "        %s", r->served ? "" : "# not served yet: ");
    if (local.n)
        buf_printf(out, "%s %s " SLICE_FMT " ", v6 ? "ip6" : "ip", in ? "daddr" : "saddr", SLICE_ARG(local));
    write_peers(r->peers, v6, in ? "saddr" : "daddr", out);
    buf_printf(out, "%s dport %u", firewall_proto_name(r->proto), r->port);
    if (r->port_end != r->port)
        buf_printf(out, "-%u", r->port_end);
    buf_printf(out, " accept comment \"%s\"\n", r->use);
}

static void write_rule(const struct firewall_rule *r, struct buf *out)
{
    bool named = r->local[0].n || r->local[1].n;
    for (unsigned i = 0; i < 2 && named; i++)
        if (r->local[i].n && family_of_peers(r->peers, is_v6(r->local[i])))
            write_line(r, is_v6(r->local[i]), r->local[i], out);
    if (named)
        return;
    if (!r->peers->n)
        write_line(r, false, SLICE_NONE, out);
    for (unsigned v6 = 0; v6 < 2 && r->peers->n; v6++)
        if (family_of_peers(r->peers, v6))
            write_line(r, v6, SLICE_NONE, out);
}

static void write_chain(const struct firewall_machine *m, enum firewall_direction d, bool drop,
                        struct buf *out)
{
    const char *hook = d == FIREWALL_IN ? "input" : "output";
    buf_printf(out,
               "    chain %s {\n"
               "        type filter hook %s priority filter; policy %s;\n"
               "        ct state established,related accept\n"
               "        ct state invalid drop\n"
               "        %s \"lo\" accept\n",
               hook, hook, drop ? "drop" : "accept", d == FIREWALL_IN ? "iifname" : "oifname");
    buf_printf(
        out, "        icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } "
             "accept\n"
             "        icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, "
             "parameter-problem, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
             "nd-neighbor-advert, mld-listener-query, mld-listener-report, mld2-listener-report } accept\n");
    for (size_t i = 0; i < m->n; i++)
        if (m->rules[i].direction == d && drop)
            write_rule(&m->rules[i], out);
    buf_printf(out, "        include \"" FIREWALL_OWN_RULES "/%s*.nft\"\n    }\n", hook);
}

void firewall_write_nft(const struct firewall_machine *m, struct buf *out)
{
    buf_printf(out,
               "#!/usr/sbin/nft -f\n"
               "# " SLICE_FMT ": what the published topology needs, and no more.\n"
               "# Rules of your own (ssh, time, …) stand in " FIREWALL_OWN_RULES "/input*.nft and "
               "output*.nft.\n"
               "table inet entente\n"
               "delete table inet entente\n"
               "table inet entente {\n",
               SLICE_ARG(m->fqdn));
    write_chain(m, FIREWALL_IN, true, out);
    write_chain(m, FIREWALL_OUT, m->perimeter, out);
    buf_printf(out, "}\n");
}
