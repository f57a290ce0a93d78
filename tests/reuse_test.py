#!/usr/bin/env python3
"""A connection that we made serves the next request only while it still stands for the same: our certificate, the
partner's domain, and what must prove that."""

import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, EVENT_S, Partner, World, check_refused, contoso, run_with
from tap import check, check_equal

from lab import pki
from lab.sipmsg import new_tag

PARTNER = Partner("partner.example")
OTHER = Partner("other.example")
# domains whose records lead to the Edge of partner.example: one that its certificate names, two that it does not
SECOND, THIRD = Partner("second.example", host=PARTNER.host), Partner("third.example", host=PARTNER.host)
PINNED = Partner("pinned.example", host=PARTNER.host, pinned=PARTNER.host)
PARTNER.names = [PARTNER.host, SECOND.domain]
WORLD = World(lambda: contoso([PARTNER, OTHER, SECOND, THIRD, PINNED], workers=1))


def dialled():
    """Connections that the Edge has made so far."""
    counters = WORLD.edge().counters()
    return counters.get("element.connection-dialled", 0)


async def message(alice, partner=PARTNER):
    return (await alice.message(partner.agent.aor, b"hi")).status


def change(*commands):
    for command in commands:
        WORLD.lab.contoso.central.entente(*command)
    WORLD.lab.contoso.publish("a change")


async def test_reuse():
    "one connection for many requests and revisions; a new one when the partner's trust or our certificate changes"
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0)
    await alice.start()
    for partner in (PARTNER, OTHER):
        await partner.open(lab, WORLD.ca)
    try:
        check_equal([await message(alice), await message(alice, OTHER)], [200, 200], "first")
        first = dialled()
        change(("topology", "set", "deployment/attempt_ms", "6100"))
        check_equal([await message(alice), await message(alice, OTHER), dialled()], [200, 200, first],
                    "a revision that concerns nobody")

        private = pki.Authority(lab.folder / "private-ca")
        change(("cert", "trust", "add", "--name", "private", private.cert),
               ("partner", "allow", PARTNER.domain, "--trust", "private"))
        PARTNER.got.clear()
        check_equal([await message(alice), len(PARTNER.got), dialled()], [504, 0, first + 1], "narrowed: not on the old one")
        check_equal([await message(alice), dialled()], [504, first + 1], "and none is made for each request")
        check_equal([await message(alice, OTHER), dialled()], [200, first + 1], "the other partner's connection stays")

        change(("topology", "remove", f"partners/{PARTNER.domain}"), ("partner", "allow", PARTNER.domain))
        check_equal([await message(alice), dialled()], [200, first + 1], "as before")

        fresh = lab.contoso.authority.issue("fresh", [EDGE_NAME])
        change(("cert", "import", "edge-old.contoso.example", fresh.cert, fresh.key),
               ("topology", "set", "deployment/attempt_ms", "6101"))
        check_equal([await message(alice), await message(alice, OTHER), dialled()], [200, 200, first + 3],
                    "under our new certificate")
        check_equal([await message(alice), await message(alice, OTHER), dialled()], [200, 200, first + 3], "again")
    finally:
        for agent in [alice, PARTNER.agent, OTHER.agent]:
            await agent.stop()


async def test_a_session_is_resumed():
    "a partner's Edge that closed its connection is dialled again with its ticket, and only while our certificate is the same"
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0)
    await alice.start()
    await PARTNER.open(lab, WORLD.ca)

    async def again():
        """A message by a new connection; was its session resumed?"""
        before = WORLD.edge().counters()
        for flow in list(PARTNER.agent.flows):
            flow.close()
        deadline = time.monotonic() + EVENT_S
        while dialled() == before["element.connection-dialled"]:  # one that crosses the end goes another way
            check(time.monotonic() < deadline, "a new connection")
            check_equal(await message(alice), 200, "after the partner has closed")
        after = WORLD.edge().counters()
        check_equal(after["element.connection-dialled"] - before["element.connection-dialled"], 1, "dialled")
        return after.get("element.connection-resumed", 0) - before.get("element.connection-resumed", 0)

    try:
        check_equal(await message(alice), 200, "first")
        check_equal([await again(), await again()], [1, 1], "resumed")
        fresh = lab.contoso.authority.issue("fresher", [EDGE_NAME])
        change(("cert", "import", "edge-old.contoso.example", fresh.cert, fresh.key),
               ("topology", "set", "deployment/attempt_ms", "6102"))
        check_equal([await again(), await again()], [0, 1], "under our new certificate, and after that")
    finally:
        for agent in (alice, PARTNER.agent):
            await agent.stop()


async def test_one_address_is_not_one_domain():
    "domains behind one Edge: each has a connection of its own, made for it; one that the Edge does not prove gets none"
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0)
    await alice.start()
    await PARTNER.open(lab, WORLD.ca)
    PARTNER.got.clear()
    try:
        check_equal(await message(alice), 200, "to the Edge's own domain")
        first = dialled()
        for more, domain in enumerate((SECOND.domain, PINNED.domain), 1):
            for _ in range(2):
                check_equal((await alice.message(f"x@{domain}", b"hi")).status, 200, domain)
            check_equal(dialled(), first + more, f"a connection for {domain}")
        check_equal([await message(alice), dialled()], [200, first + 2], "and the first one still serves its own")
        got = len(PARTNER.got)
        check(500 <= (await alice.message(f"x@{THIRD.domain}", b"hi")).status < 600, "one that is not proven")
        check_equal(len(PARTNER.got), got, "by no connection that stands, and by no new one")
    finally:
        for agent in (alice, PARTNER.agent):
            await agent.stop()


async def test_a_connection_proves_a_set():
    "one connection speaks for every domain that its certificate proves, each by the rule that holds, and for no other"
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0, on_message=lambda *_: None)
    await alice.start()
    await PARTNER.open(lab, WORLD.ca)
    edge, since = WORLD.edge(), WORLD.edge().log_end()
    try:
        for _ in range(2):
            for domain, rule in ((PARTNER.domain, "c"), (SECOND.domain, "a"), (PINNED.domain, "b"), (THIRD.domain, None)):
                request = PARTNER.agent.new_request("MESSAGE", f"sip:{alice.aor}")
                request.set("From", f"<sip:eve@{domain}>;tag={new_tag()}")
                response = await PARTNER.agent.send(request)
                if rule:
                    check_equal(response.status, 200, domain)
                    check_equal(edge.wait_event("edge.identity-proven", EVENT_S, since, domain=domain)["rule"], rule, domain)
                else:
                    check_refused(response, 403, "edge.sender-not-proven", edge, since)
        proven = [e["domain"] for e in edge.events("edge.identity-proven", since)]
        check_equal(sorted(proven), sorted([PARTNER.domain, SECOND.domain, PINNED.domain]), "each was proven once")
    finally:
        for agent in (alice, PARTNER.agent):
            await agent.stop()


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
