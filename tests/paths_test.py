#!/usr/bin/env python3
"""Paths, DNS records and firewall rules of the published topology, against what really happens in the lab."""

import json
import os
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from tap import check, check_equal, run, wait_until

from lab.dns import Dns
from lab.lab import Lab
from lab.machine import CommandFailed

LAB = []
REFUSED = 2  # exit code
METRICS_PORT = 9091


def with_metrics(topology):
    topology["monitoring"] = {"metrics_port": METRICS_PORT}


def lab():
    if not LAB:
        world = Lab(users=2, ttl=300, adjust={"contoso": with_metrics, "fabrikam": with_metrics})
        world.__enter__()
        LAB.append(world)
    return LAB[0]


def refused(machine, *arguments):
    """What a command prints that must end with 2."""
    try:
        machine.entente(*arguments)
    except CommandFailed as failed:
        check_equal(failed.code, REFUSED, " ".join(arguments))
        return failed.output
    check(False, f"{' '.join(arguments)} was not refused")


def path(org, sender, receiver, *options):
    return org.central.json("path", sender, receiver, *options)


def way(leg):
    """The endpoints that a leg names, hop by hop, without those that have none."""
    return [[a["endpoint"] for a in hop["addresses"]] for hop in leg["hops"] if hop["addresses"]]


def went(machine, call_id):
    """The peer to which a machine sent a request of this Call-ID; None when it knows nothing of it."""
    try:
        events = machine.json("trace", call_id, "--machine", machine.fqdn)["events"]
    except CommandFailed:
        return None
    return next((e.get("peer") for e in events if (e["event"], e["method"]) == ("request out", "MESSAGE")), None)


async def send(sender, receiver):
    """One MESSAGE between the first users of two organisations; its Call-ID."""
    call_id = uuid.uuid4().hex
    a, b = sender.user_agent(0), receiver.user_agent(0)
    await a.start()
    await b.start()
    try:
        response = await a.message(b.aor, b"which way?", call_id=call_id)
        check_equal(response.status, 200, "MESSAGE")
    finally:
        await a.stop()
        await b.stop()
    return call_id


def users():
    return f"u01@{lab().contoso.domain}", f"u01@{lab().fabrikam.domain}"


# --- paths ---
async def test_paths_are_the_way_that_messages_take():
    "the path that each organisation computes is the way that a message takes, in both directions"
    alice, bob = users()
    for sender, receiver, a, b in ((lab().contoso, lab().fabrikam, alice, bob),
                                   (lab().fabrikam, lab().contoso, bob, alice)):
        call_id = await send(sender, receiver)
        here, there = path(sender, a, b), path(receiver, a, b)
        check_equal([here["state"], there["state"]], ["ok", "ok"], "states")
        out, into = here["legs"][0], there["legs"][0]
        check_equal([out["from"], out["to"], into["from"], into["to"]], [a, b, a, b], "direction")
        edge = next(m for m in sender.machines.values() if m.fqdn == out["hops"][1]["addresses"][0]["name"])
        far = lambda hop: next(m for m in receiver.machines.values()
                               if m.fqdn == hop["addresses"][0]["name"])
        # the client's own, then what each machine of the sender dialled
        check_equal(way(out)[0], [f"{sender.address('fe1')}:5061"], "client")
        check(went(sender.front_end, call_id) in way(out)[1], "Front End to Edge")
        check(went(edge, call_id) in way(out)[2], "Edge to the partner's Edge")
        # and the same connection as the other side sees it, then the way in
        check_equal(way(out)[2], way(into)[0], "both sides name the same border")
        inner = next(m for name, m in receiver.machines.items() if went(m, call_id) in way(into)[1])
        check(inner is not receiver.front_end, "the Edge hands to the next hop")
        check_equal(far(into["hops"][1]).fqdn, receiver.front_end.fqdn, "the Front End has the user")


def test_path_says_what_fails():
    "the first hop that would fail, with id, reason and remedy; domains that are not ours are refused"
    alice, _ = users()
    text = refused(lab().contoso.central, "path", alice, "bob@stranger.example")
    check("fails at hop 3 (edge.partner-unknown)" in text and "To do:" in text, text)
    check("(path.not-ours)" in refused(lab().contoso.central, "path", "a@x.example", "b@y.example"), "not ours")
    check("(path.malformed)" in refused(lab().contoso.central, "path", alice, "two words"), "malformed")
    check("(path.no-pool)" in refused(lab().contoso.central, "path", alice, "u01@fabrikam.example", "--pool", "x"),
          "pool")
    media = path(lab().contoso, *users())["legs"][2]
    check_equal([media["carries"], media["hops"][0]["id"]], ["media", "path.av-edge-off"], "media")


def test_path_of_the_draft():
    "path and firewall rules of the draft: what is not published yet is judged before it is"
    org, central = lab().contoso, lab().contoso.central
    pool = path(org, *users())["legs"][2]["hops"][0]["to"]
    sender, receiver = users()
    edge = next(m["fqdn"] for m in central.json("topology", "show", f"edge_pools/{pool}/machines", "--format", "json")["document"])
    for what, value in (("av_edge", "enabled"), ("av_fqdn", "av.contoso.example"), ("nat", "true")):
        central.entente("topology", "set", f"edge_pools/{pool}/{what}", value)
    for what, value in (("av_address", "10.9.0.13"), ("nat_address", "203.0.113.13")):
        central.entente("topology", "set", f"edge_pools/{pool}/machines/{edge}/{what}", value)
    try:
        media = central.json("path", sender, receiver, "--draft")["legs"][2]
        check_equal([h["state"] for h in media["hops"]], ["ok", "not-served", "beyond", "beyond"], "of the draft")
        outside = [a["endpoint"] for a in media["hops"][2]["addresses"]]
        check({"203.0.113.13:3478", "203.0.113.13:443", "203.0.113.13:50000-59999"} <= set(outside), str(outside))
        check_equal(path(org, *users())["legs"][2]["hops"][0]["id"], "path.av-edge-off", "of what is published")
        rules = central.entente("firewall", "rules", edge, "--draft")
        check("50000-59999" in rules and "50000" not in central.entente("firewall", "rules", edge), rules)
    finally:
        central.entente("topology", "discard")


def test_dns_that_leads_elsewhere_is_seen():
    "DNS that leads partners elsewhere: the path says so; set right, it is well"
    alice, bob = users()
    dns = lab().dns
    dns.replace("sip.fabrikam.example", "A", lab().net.address("nobody"))
    try:
        from_inside = path_of_failure(lab().fabrikam, alice, bob)
        check_equal(from_inside, "path.dns-elsewhere", "seen by fabrikam")
    finally:
        dns.replace("sip.fabrikam.example", "A", lab().fabrikam.address("edge1", external=True))
    check_equal(path(lab().fabrikam, alice, bob)["state"], "ok", "afterwards")


def path_of_failure(org, *pair):
    try:
        answer = path(org, *pair)
    except CommandFailed as failed:
        answer = json.loads(failed.output)
    leg = answer["legs"][0]
    check(leg["failing"] >= 0, "a hop fails")
    return leg["hops"][leg["failing"]]["id"]


# --- DNS ---
def states(org, *options):
    try:
        answer = org.central.json("dns", "check", *options)
    except CommandFailed as failed:
        check_equal(failed.code, REFUSED, "dns check")
        answer = json.loads(failed.output)
    return {(r["name"], r["type"]): r["state"] for r in answer["records"]}


def test_dns_check_and_apply():
    "records that lack are found and set; one that is changed behind our back is found and repaired, TTLs too"
    org, dns = lab().contoso, lab().dns
    before = states(org)
    check_equal(before[("_sipfederationtls._tcp.contoso.example", "SRV")], "ok", "the lab's own record")
    check_equal(before[("edge-old1.contoso.example", "A")], "missing", "what the lab leaves out")
    check("(dns.not-confirmed)" in refused(org.central, "dns", "apply"), "asks first")
    check_equal(states(org), before, "nothing was changed")
    org.central.entente("dns", "apply", "--yes")
    check_equal(set(states(org).values()), {"ok", "optional"}, "all set")
    check("nothing differs" in org.central.entente("dns", "apply", "--yes"), "nothing more to do")
    changes = (("sip.contoso.example", "A", "192.0.2.66", None), ("fe1.contoso.example", "A", None, 17),
               ("_sips._tcp.contoso.example", "SRV", "0 0 5099 fe1.contoso.example.", None))
    for name, kind, data, ttl in changes:
        dns.replace(name, kind, data or org.address("fe1"), ttl)
        check_equal(states(org)[(name, kind)], "different", name)
    dns.update("contoso.example", "add sip-new.contoso.example. 300 AAAA 2001:db8::1")
    check_equal(states(org)[("sip-new.contoso.example", "AAAA")], "extra", "an address too many")
    dns.update("contoso.example", "del _sip._tcp.contoso.example. SRV")
    org.central.entente("dns", "apply", "--yes")
    check_equal(set(states(org).values()), {"ok", "optional"}, "repaired")
    check_equal(dns.query("sip.contoso.example", "A"), [org.address("edge-old1", external=True)], "as Knot says")
    check_equal(dns.query("sip-new.contoso.example", "AAAA"), [], "the address too many")


class Zone(Dns):
    """A name server with a zone file of the test's own; its NS record names `authority`, otherwise itself."""
    text = ""
    authority = None

    def zone_text(self, zone, records):
        head = super().zone_text(zone, [])
        return (head.replace(f"A {self.address}", f"A {self.authority.address}") if self.authority else head) + self.text


def test_zone_lines_are_a_zone():
    "the lines of --format zone are what a name server loads"
    org = lab().contoso
    dns = Zone(lab().folder / "implied", lab().net.address("implied"), {org.domain: []})
    dns.text = org.central.entente("dns", "records", "--format", "zone")
    dns.start()
    try:
        for record in org.central.json("dns", "records")["records"]:
            dot = "." if record["type"] == "SRV" else ""
            want = [] if record["optional"] else [record["data"] + dot]
            check_equal(dns.query(record["name"], record["type"]), want, record["name"])
    finally:
        dns.stop()
    external = org.central.json("dns", "records", "--side", "external")["records"]
    check({r["side"] for r in external} == {"external"} and len(external) >= 3, "--side")


def zone(name, text, authority=None):
    server = Zone(lab().folder / name, lab().net.address(name), {"contoso.example": []})
    server.text, server.authority = text, authority
    server.start()
    return server


def test_inside_and_outside_are_two_views():
    "authoritative servers are found by NS; each side's records in its own view; inside names are not to be seen outside"
    org, central = lab().contoso, lab().contoso.central
    fe1, sip = org.machines["fe1"].fqdn, "sip.contoso.example"

    def implied(side):
        return central.entente("dns", "records", "--draft", "--format", "zone", "--side", side)
    inside = zone("inside", implied("internal"))
    authority = zone("authority", implied("external").replace(f"{sip}. 300", f"{sip}. 77")
                     + f"{fe1}. 300 A {org.address('fe1')}\n")
    resolver = zone("resolver", implied("external"), authority)
    central.entente("topology", "set", "deployment/inside_dns_servers", inside.server)
    central.entente("topology", "set", "deployment/outside_dns_servers", resolver.server)
    try:
        answer = failing_json(central, "dns", "check", "--draft")
        seen = {(r["server"], r["view"], r["authoritative"], r["name"], r["type"]): r for r in answer["records"]}

        def state(server, view, authoritative, name):
            return seen[(server.server, view, authoritative, name, "A")]["state"]
        check_equal(state(resolver, "outside", False, sip), "ok", "the resolver")
        check_equal(state(authority, "outside", True, sip), "different", "the authority's TTL")
        check_equal(seen[(authority.server, "outside", True, sip, "A")]["found_ttl"], 77, "TTL")
        check_equal(state(authority, "outside", True, fe1), "exposed", "an inside name outside")
        check_equal(state(inside, "inside", True, fe1), "ok", "inside")
        check_equal({r["state"] for r in answer["records"] if r["view"] == "inside"}, {"ok"}, "inside")
        check_equal(answer["differences"], 2, "all differences")
        check_equal(failing_json(central, "dns", "check", "--draft", "--side", "external")["differences"], 2, "outside")
        central.entente("dns", "check", "--draft", "--side", "internal")
        authority.stop()
        check("(dns.not-asked)" in refused(central, "dns", "check", "--draft"), "an authority that is silent")
    finally:
        central.entente("topology", "discard")
        for server in (inside, authority, resolver):
            server.stop()
    check("views" not in central.entente("topology", "check"), "discarded")


def failing_json(machine, *arguments):
    try:
        machine.json(*arguments)
    except CommandFailed as failed:
        check_equal(failed.code, REFUSED, " ".join(arguments))
        return json.loads(failed.output)
    check(False, f"{' '.join(arguments)} was not refused")


def test_a_silent_name_server_is_told():
    "a name server that does not answer: said, exit 2, soon"
    org = lab().fabrikam
    lab().dns.stop()
    try:
        text = refused(org.central, "dns", "check")
        check("(dns.not-asked)" in text, text)
        check("path.dns-failed" in refused(org.central, "path", *users()), "path")
    finally:
        lab().dns.start()
    check_equal(path(org, *users())["state"], "ok", "afterwards")


# --- firewall ---
def test_nft_takes_every_ruleset():
    "nft -c takes the ruleset of every machine (root or a user namespace)"
    prefix = [] if os.geteuid() == 0 else ["unshare", "-Urn"]
    env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    for org in lab():
        for machine in org.machines.values():
            file = lab().folder / f"{machine.fqdn}.nft"
            org.central.entente("firewall", "rules", machine.fqdn, "--format", "nft", "-o", file)
            done = subprocess.run([*prefix, "nft", "-c", "-f", file], capture_output=True, text=True, env=env)
            check_equal(done.returncode, 0, f"{machine.fqdn}: {done.stderr}")
    check("(firewall.no-machine)" in refused(lab().contoso.central, "firewall", "rules", "nobody"), "unknown")
    check("(firewall.machine)" in refused(lab().contoso.central, "firewall", "rules", "--format", "nft"), "which")


def test_rules_are_of_ports_that_listen():
    "every TCP port that the rules open for what is served takes connections, but for an Edge that does not federate"
    for org in lab():
        for machine in org.machines.values():
            answer = org.central.json("firewall", "rules", machine.fqdn)["machines"][0]
            opened = [(address, r["port"]) for r in answer["rules"] for address in r["addresses"]
                      if r["direction"] == "in" and r["proto"] == "tcp" and r["served"]]
            check(opened or machine.name == "cms", machine.fqdn)
            for address, port in opened:
                if machine.name != "edge-new1":
                    socket.create_connection((address, port), 10).close()


def listening(process):
    """(protocol, address, port) of what a process listens on; UDP on every address is a question to a name server."""
    inodes = {os.readlink(fd.path)[8:-1] for fd in os.scandir(f"/proc/{process.pid}/fd")
              if os.readlink(fd.path).startswith("socket:[")}
    found = set()
    for proto, state in (("tcp", "0A"), ("udp", "07")):
        for line in open(f"/proc/net/{proto}", encoding="ascii").readlines()[1:]:
            words = line.split()
            address, port = words[1].split(":")
            address = socket.inet_ntoa(bytes.fromhex(address)[::-1])
            if words[9] in inodes and words[3] == state and (proto, address) != ("udp", "0.0.0.0"):
                found.add((proto, address, int(port, 16)))
    return found


def test_ports_that_listen_are_of_rules():
    "whatever a machine listens on has a rule that lets it in, and only on the addresses that the rule names"
    for org in lab():
        for machine in org.machines.values():
            rules = org.central.json("firewall", "rules", machine.fqdn)["machines"][0]["rules"]
            allowed = {(r["proto"], address, r["port"]) for r in rules if r["direction"] == "in"
                       for address in r["addresses"]}
            found = listening(machine.process)
            check(("tcp", METRICS_PORT) in {(proto, port) for proto, _, port in found}, f"{machine.fqdn}: {found}")
            check(found <= allowed, f"{machine.fqdn} listens on what no rule allows: {sorted(found - allowed)}")
    org = lab().contoso
    org.central.entente("topology", "set", "monitoring/metrics_from", "192.0.2.9")
    try:
        told = org.central.entente("firewall", "rules", org.machines["fe1"].fqdn, "--format", "nft", "--draft")
        check(re.search(rf"ip saddr {{ 192\.0\.2\.9 }} tcp dport {METRICS_PORT} accept", told), told)
    finally:
        org.central.entente("topology", "remove", "monitoring/metrics_from")


# --- replication ---
def test_replication_status_asks():
    "replication status --live: a machine that was killed is told, with the reason"
    org = lab().contoso
    org.central.entente("replication", "status", "--live")
    victim = org.machines["edge-new1"]
    victim.kill9()
    try:
        text = refused(org.central, "replication", "status", "--live")
        check(re.search(r"edge-new1\S* .*route: ", text), text)
    finally:
        victim.restart()
    wait_until(lambda: all(m["current"] and "why" not in m for m in
                           org.central.json("replication", "status")["machines"]), 30, "it is back")


if __name__ == "__main__":
    try:
        run(globals())
    finally:
        for world in LAB:
            world.stop()
