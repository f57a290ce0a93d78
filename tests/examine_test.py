#!/usr/bin/env python3
"""partner test: what an Edge finds out about federation with a domain, stage by stage and in both directions; what
breaks is told at its stage, and what lies behind it was not reached."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import Partner, World, contoso, run_with
from tap import check, check_equal

from lab import pki
from lab.machine import CommandFailed, program
from lab.sip import UserAgent, server_tls

GOOD = Partner("good.example")
UNKNOWN = Partner("unknown.example", allow=False)
BLOCKED = Partner("blocked.example", names=["blocked.example"], allow=False)
PINNED = Partner("pinned.example", host="edge.pinned.example", pinned="edge.pinned.example", srv=False)
NO_RECORD = Partner("norecord.example", srv=False)
CLOSED = Partner("closed.example")
FORGED = Partner("forged.example", names=["sip.other.example"])
DISTRUSTED = Partner("distrusted.example")
MUTE = Partner("mute.example")
SECOND = Partner("second.example", before="first.second.example")  # nobody listens at the first
PRIVATE = Partner("private.example")  # is to lead to roots of its own, and leads to those of all
HOSTED = Partner("hosted.example", host=GOOD.host, allow=False)  # in no list, its record leads to a provider's Edge


class Recorded(Partner):
    """One whose zone has these records and no others: (name, type, data), "" for the domain's own host."""

    def __init__(self, domain, *own):
        super().__init__(domain)
        self.own = own

    def records(self, net):
        return [(f"{name}{'.' if name else ''}{self.domain}", kind, data) for name, kind, data in self.own]


SRV_NAME = "_sipfederationtls._tcp"
DOT = Recorded("dot.example", (SRV_NAME, "SRV", "0 0 0 ."))
ONLY_V6 = Recorded("only6.example", (SRV_NAME, "SRV", "0 0 5061 sip.only6.example."), ("sip", "AAAA", "2001:db8::5"))
EXPIRED = Partner("expired.example")
SICK = Partner("sick.example", before="first.sick.example")  # the certificate of the first target has expired
FORBIDS = Partner("forbids.example")
DUMB = Partner("dumb.example")  # speaks TLS, and no SIP
REJECTS = Partner("rejects.example")  # does not trust our certificate
NEW = (DOT, ONLY_V6, EXPIRED, SICK, FORBIDS, DUMB, REJECTS)
PARTNERS = NEW + (PRIVATE, HOSTED, GOOD, UNKNOWN, BLOCKED, PINNED, NO_RECORD, CLOSED, FORGED, DISTRUSTED, MUTE, SECOND)
TO_THEM = ("srv", "address", "tcp", "tls", "identity", "options")
ALL = TO_THEM + ("policy", "sender", "our_srv", "our_certificate")


@contextlib.contextmanager
def lab_with_partners():
    def adjust(topology):
        topology["providers"] = [{"name": "host", "edge_fqdn": GOOD.host, "enabled": True}]
    with contoso(PARTNERS, adjust=adjust) as (lab, ca):
        lab.contoso.central.entente("cert", "trust", "add", "--name", "own", pki.Authority(lab.folder / "own-ca", "their own").cert)
        lab.contoso.central.entente("partner", "allow", PRIVATE.domain, "--trust", "own")
        lab.contoso.central.entente("partner", "block", BLOCKED.domain)
        lab.contoso.publish("one is blocked")
        yield lab, ca


WORLD = World(lab_with_partners)


def examine(machine, domain, *options):
    """Exit code, and the report."""
    done = subprocess.run([program("entente"), "--state", machine.folder, "partner", "test", domain, *options, "--json"],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


async def report(partner, *options, code=None, listen=True):
    """The stages by name, as central management has them tried."""
    lab = WORLD.up()
    if listen:
        await partner.open(lab, WORLD.ca)
    try:
        got, told = await asyncio.get_running_loop().run_in_executor(
            None, lambda: examine(lab.contoso.central, partner.domain, *options))
    finally:
        if listen:
            await partner.agent.stop()
    check_equal(told.get("machine"), WORLD.edge().fqdn, f"who tried: {told}")
    check_equal([s["stage"] for s in told["stages"]], list(ALL), "stages")
    for stage in told["stages"]:
        check(stage["text"] and stage["ms"] >= 0, f"{stage}")
    if code is not None:
        check_equal(got, code, f"exit code: {told}")
    return {s["stage"]: s for s in told["stages"]}


def verdicts(stages, *names):
    return {n: stages[n]["verdict"] for n in names}


def all_are(stages, verdict, *names):
    check_equal(verdicts(stages, *names), {n: verdict for n in names},
                json.dumps([(s["stage"], s["verdict"], s["text"]) for s in stages.values()]))


async def test_a_partner_that_is_fine():
    "a listed partner: every stage is good; the chain, the rule and the answer are shown"
    stages = await report(GOOD, "--from", "u01@contoso.example", code=0)
    all_are(stages, "ok", *ALL)
    check_equal(stages["srv"]["records"][0]["target"], "sip.good.example", "SRV")
    check_equal(stages["address"]["addresses"], [f"{GOOD.address}:5061"], "addresses")
    check(stages["tls"]["version"] in ("TLSv1.2", "TLSv1.3") and stages["tls"]["cipher"], "TLS")
    check_equal(stages["tls"]["certificate"]["names"], ["sip.good.example"], "names")
    chain = stages["tls"]["chain"]
    check(len(chain) >= 1 and chain[0]["subject"] and chain[-1]["not_after_ms"] > time.time() * 1000, f"chain: {chain}")
    check_equal(stages["identity"]["rule"], "c", "rule")
    check_equal(stages["options"]["status"], 200, "OPTIONS")
    check("rule c" in stages["sender"]["text"] and "rule c" in stages["our_certificate"]["text"], "rules")


async def test_one_in_no_list():
    "an unlisted domain is tried in the same way; policy says that it is in no list"
    stages = await report(UNKNOWN, code=2)
    all_are(stages, "ok", *[s for s in TO_THEM if s not in ("identity", "options")])
    all_are(stages, "failed", "policy")
    check_equal((stages["policy"]["refusal"], stages["policy"]["listed"]), ("edge.partner-unknown", False), "policy")


async def test_one_that_is_blocked():
    "a blocked domain: rule a holds, policy says blocked"
    stages = await report(BLOCKED, code=2)
    all_are(stages, "ok", *TO_THEM)
    check_equal((stages["identity"]["rule"], stages["policy"]["refusal"]), ("a", "edge.partner-blocked"), "rule, policy")


async def test_one_that_is_pinned():
    "a pinned partner: DNS is not asked for it, rule b holds"
    stages = await report(PINNED, code=0)
    all_are(stages, "ok", *ALL)
    check("not asked" in stages["srv"]["text"] and stages["identity"]["rule"] == "b", str(stages["srv"]))


async def test_roots_of_its_own():
    "a certificate that names the domain and leads to other roots than the partner's: identity fails as a request would"
    stages = await report(PRIVATE, code=2)
    all_are(stages, "ok", "srv", "address", "tcp", "tls")
    all_are(stages, "failed", "identity", "sender")
    check_equal(stages["identity"]["refusal"], "edge.sender-not-trusted", str(stages["identity"]))
    check("edge.sender-not-trusted" in stages["sender"]["text"], str(stages["sender"]))


async def test_behind_a_provider():
    "a domain in no list whose record leads to a provider's Edge is tried there, and the provider's certificate proves it"
    lab = WORLD.up()
    await GOOD.open(lab, WORLD.ca)
    try:
        stages = await report(HOSTED, code=0, listen=False)
    finally:
        await GOOD.agent.stop()
    all_are(stages, "ok", *ALL)
    check("behind a hosting provider" in stages["policy"]["text"] and stages["policy"]["listed"], str(stages["policy"]))
    check_equal((stages["identity"]["rule"], stages["identity"]["name"]), ("c", GOOD.host), str(stages["identity"]))


async def test_no_record():
    "no SRV record: the rest was not reached, what is ours is told nevertheless"
    stages = await report(NO_RECORD, code=2, listen=False)
    all_are(stages, "failed", "srv")
    all_are(stages, "not_reached", "address", "tcp", "tls", "identity", "options", "sender")
    all_are(stages, "ok", "policy", "our_srv", "our_certificate")


async def test_nobody_listens():
    "a closed port fails at tcp, with the address"
    stages = await report(CLOSED, code=2, listen=False)
    all_are(stages, "ok", "srv", "address")
    all_are(stages, "failed", "tcp")
    all_are(stages, "not_reached", "tls", "identity", "options", "sender")
    check_equal([(t["address"], t["ok"]) for t in stages["tcp"]["tries"]], [(f"{CLOSED.address}:5061", False)], "tries")


async def test_the_second_address_is_tried():
    "the first target is dead: the second is used, and the first is named"
    stages = await report(SECOND, code=0)
    all_are(stages, "warning", "tcp")
    all_are(stages, "ok", "tls", "identity", "options")
    check_equal([t["ok"] for t in stages["tcp"]["tries"]], [False, True], "tries")


async def test_a_certificate_of_somebody_else():
    "a certificate that does not name them: identity and sender fail, OPTIONS is not sent"
    stages = await report(FORGED, code=2)
    all_are(stages, "ok", "srv", "address", "tcp", "tls")
    all_are(stages, "failed", "identity", "sender")
    all_are(stages, "not_reached", "options")
    check_equal(stages["identity"]["rule"], "", "rule")


async def test_a_certificate_that_nobody_trusts():
    "a certificate of another authority: TLS fails, and the certificate is shown"
    lab = WORLD.up()
    other = pki.Authority(lab.folder / "other-ca", "nobody's CA")
    pair = other.issue(DISTRUSTED.domain, [DISTRUSTED.host], file="distrusted")
    agent = UserAgent(f"eve@{DISTRUSTED.domain}", None, None)
    await agent.listen("TLS", DISTRUSTED.address, 5061, server_tls(pair, lab.contoso.authority.cert))
    try:
        stages = await report(DISTRUSTED, code=2, listen=False)
    finally:
        await agent.stop()
    all_are(stages, "ok", "tcp")
    all_are(stages, "failed", "tls")
    all_are(stages, "not_reached", "identity", "options", "sender")
    check("unknown issuer" in stages["tls"]["text"], stages["tls"]["text"])
    check_equal(stages["tls"]["certificate"]["names"], [DISTRUSTED.host], "the certificate is shown")


@contextlib.asynccontextmanager
async def serving(address, pair, trusts=None, options=None):
    """A TLS server of ours with this certificate; options: the status that it answers to OPTIONS, 0 for silence."""
    agent = UserAgent("eve@serving.example", None, None)
    usual = agent.on_request

    def on_request(request, transaction):
        if request.method != "OPTIONS" or options is None:
            usual(request, transaction)
        elif options:
            transaction.respond(transaction.response(options, "tag"))
    agent.on_request = on_request
    await agent.listen("TLS", address, 5061, server_tls(pair, trusts or WORLD.lab.contoso.authority.cert))
    try:
        yield agent
    finally:
        await agent.stop()


def says(stages, stage, *words):
    for word in words:
        check(word in stages[stage]["text"], f"{stage}: '{word}' is not in '{stages[stage]['text']}'")


async def test_those_that_are_silent():
    "a port that takes connections and says nothing: TLS fails in time, and TCP took none of it; TLS without SIP fails at OPTIONS"
    WORLD.up()
    began = time.monotonic()
    with socket.create_server((MUTE.address, 5061)):
        async with serving(DUMB.address, WORLD.ca.issue(DUMB.domain, [DUMB.host]), options=0):
            mute, dumb = await asyncio.gather(report(MUTE, code=2, listen=False), report(DUMB, code=2, listen=False))
    check(time.monotonic() - began < 30, "time")
    all_are(mute, "not_reached", "identity", "options")
    all_are(mute, "ok", "tcp")
    all_are(mute, "failed", "tls")
    check(mute["tcp"]["ms"] < 4000 <= mute["tls"]["ms"], f"TCP {mute['tcp']['ms']} ms, TLS {mute['tls']['ms']} ms")
    all_are(dumb, "ok", *TO_THEM[:-1])
    all_are(dumb, "failed", "options")
    says(dumb, "options", "nothing that speaks SIP answers")


async def test_what_dns_says():
    "a name that does not exist, a record that says no, a target with IPv6 alone, name servers that refuse: each in its words"
    WORLD.up()

    def gone(domain):
        return Partner(domain, srv=False)
    nxdomain, dot, only6, nobody = await asyncio.gather(
        report(gone(f"gone.{GOOD.domain}"), code=2, listen=False), report(DOT, code=2, listen=False),
        report(ONLY_V6, code=2, listen=False), report(gone("not-served.example"), code=2, listen=False))
    for stages in (nxdomain, dot, nobody):
        all_are(stages, "failed", "srv")
    says(nxdomain, "srv", "there is no record", f"entente partner allow gone.{GOOD.domain} --edge NAME")
    says(dot, "srv", 'target is "."', "does not federate")
    says(nobody, "srv", "no usable answer", "If other domains work it is theirs")
    all_are(only6, "failed", "address")
    all_are(only6, "not_reached", "tcp")
    says(only6, "address", "has only IPv6 addresses", "this machine is IPv4")


async def test_what_tls_and_sip_say():
    "an expired certificate; one that does not trust ours; one of two targets that is sick; OPTIONS that is refused"
    lab = WORLD.up()
    old = ("20200101000000Z", "20200201000000Z")
    async with serving(EXPIRED.address, WORLD.ca.issue(EXPIRED.domain, [EXPIRED.host], dates=old)):
        stages = await report(EXPIRED, code=2, listen=False)
    all_are(stages, "ok", "tcp")
    all_are(stages, "failed", "tls")
    says(stages, "tls", "certificate has expired")
    stranger = pki.Authority(lab.folder / "stranger-ca", "whom they trust")
    async with serving(REJECTS.address, WORLD.ca.issue(REJECTS.domain, [REJECTS.host]), trusts=stranger.cert):
        stages = await report(REJECTS, code=2, listen=False)
    all_are(stages, "ok", "tls", "identity")
    all_are(stages, "failed", "options")
    says(stages, "options", "they do not accept our certificate")
    async with serving(lab.net.address(SICK.before), WORLD.ca.issue(SICK.before, [SICK.before], dates=old)):
        stages = await report(SICK, code=0)
    all_are(stages, "warning", "tcp")
    all_are(stages, "ok", "tls", "identity", "options")
    check_equal([(t["name"], t["ok"]) for t in stages["tcp"]["tries"]], [(SICK.before, False), (SICK.host, True)], "tries")
    check("certificate has expired" in stages["tcp"]["tries"][0]["text"], str(stages["tcp"]["tries"]))
    async with serving(FORBIDS.address, WORLD.ca.issue(FORBIDS.domain, [FORBIDS.host]), options=403):
        stages = await report(FORBIDS, code=0, listen=False)
    all_are(stages, "warning", "options")
    check_equal(stages["options"]["status"], 403, "status")
    says(stages, "options", "their administrator has to allow our domain")


async def test_text_and_wrong_questions():
    "the table for people; an Edge asked itself; a machine without Edge; a sender that is not ours"
    lab, edge = WORLD.up(), WORLD.edge()
    loop = asyncio.get_running_loop()
    await GOOD.open(lab, WORLD.ca)
    try:
        text = await loop.run_in_executor(None, lambda: lab.contoso.central.entente("partner", "test", GOOD.domain))
        check("to them\nsrv             ok" in text and "\nfrom them\n" in text and "names sip.good.example" in text, text)
        code, told = await loop.run_in_executor(None, lambda: examine(edge, GOOD.domain))
        check_equal((code, told["machine"]), (0, edge.fqdn), "asked on the Edge")
    finally:
        await GOOD.agent.stop()
    for machine, options, name in ((lab.contoso.front_end, (), "partner.no-edge"),
                                   (lab.contoso.central, ("--from", "x@elsewhere.example"), "partner.from"),
                                   (lab.contoso.central, ("--from", "a>b@contoso.example"), "partner.from"),
                                   (lab.contoso.central, ("--machine", "no.contoso.example"), "machine.unknown")):
        try:
            machine.entente("partner", "test", GOOD.domain, *options)
            check(False, f"{options} was taken")
        except CommandFailed as failed:
            check(failed.code == 2 and name in str(failed), str(failed))


def test_the_end():
    "every daemon ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
