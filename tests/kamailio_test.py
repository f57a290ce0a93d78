#!/usr/bin/env python3
"""Kamailio as the partner's Edge: mutual TLS with contoso's Access Edge, messages and calls in both directions."""

import asyncio
import contextlib
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from kamailio import Kamailio, partner_route
from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import check, check_equal

from lab.sip import FrontEnd, UserAgent

FABRIKAM = Partner("fabrikam.example")
WORLD = World(lambda: contoso([FABRIKAM]))
BURST = 30


@contextlib.asynccontextmanager
async def both_sides():
    """alice of contoso, signed in; bob, inside fabrikam, behind Kamailio."""
    lab = WORLD.up()
    got = {"alice": [], "bob": []}
    calls = {"alice": [], "bob": []}

    def handlers(name):
        async def answer(call):
            calls[name].append(call)
            call.ring()
            await call.accept()
        return {"on_message": lambda ua, r: got[name].append(r.body), "on_call": answer}
    bob = UserAgent("bob@fabrikam.example", None, FrontEnd("TCP", FABRIKAM.address, 5060), **handlers("bob"))
    where = await bob.listen("TCP", lab.net.address("inside fabrikam"))
    pair = WORLD.ca.issue("fabrikam", [FABRIKAM.host])
    edge_address = lab.contoso.address("edge-old1", external=True)
    route = partner_route(FABRIKAM.domain, edge_address, where)
    with Kamailio(lab.folder / "kamailio", FABRIKAM.address, route=route, certificate=pair,
                  trusted=lab.contoso.authority.cert, server_name=EDGE_NAME):
        await bob.attach()
        alice = lab.contoso.user_agent(0, **handlers("alice"))
        await alice.start()
        try:
            yield alice, bob, got, calls
        finally:
            await alice.stop()
            await bob.stop()


async def whole_call(caller, callee, far_calls):
    """INVITE, INFO from both ends, re-INVITE from both ends, BYE from the callee."""
    call = await caller.invite(callee.aor)
    far = far_calls[-1]
    check(await far.wait_ack(), "ACK")
    for step in (call.info(b"1"), far.info(b"2"), call.reinvite(), far.reinvite()):
        check_equal((await step).status, 200, step.__name__)
    deadline = asyncio.get_running_loop().time() + EVENT_S  # an ACK is not answered: it may be on its way still
    while far.seen.count("ACK") < 2:
        check(asyncio.get_running_loop().time() < deadline, f"ACK of the re-INVITE: {far.seen}")
        await asyncio.sleep(0.01)
    for step in (call.message(b"3"), far.bye()):
        check_equal((await step).status, 200, step.__name__)
    check_equal((call.ended.result(), far.bodies.count(b"1"), call.bodies.count(b"2")), ("bye", 1, 1), "both ends")


async def test_both_directions():
    "Kamailio as the partner's Edge: MESSAGE and calls with requests within the dialog, in both directions, mutual TLS"
    async with both_sides() as (alice, bob, got, calls):
        edge, since = WORLD.edge(), WORLD.edge().log_end()
        check_equal((await alice.message(bob.aor, b"out")).status, 200, "outwards")
        check_equal((await bob.message(alice.aor, b"in")).status, 200, "inwards")
        check_equal((got["bob"], got["alice"]), ([b"out"], [b"in"]), "bodies")
        event = edge.wait_event("edge.identity-proven", EVENT_S, since, domain=FABRIKAM.domain)
        check_equal(event["rule"], "c", str(event))
        await whole_call(alice, bob, calls["bob"])
        await whole_call(bob, alice, calls["alice"])


async def test_cancel_and_refusal():
    "a call that is cancelled while it rings, and one to nobody, through Kamailio"
    async with both_sides() as (alice, bob, got, calls):
        ringing = []

        async def ring(call):
            ringing.append(call)
            call.ring()
        for caller, callee in ((alice, bob), (bob, alice)):
            callee.on_call = ring
            call = caller.start_call(callee.aor)
            await asyncio.wait_for(call.ringing.wait(), EVENT_S)
            check_equal((await call.cancel()).status, 200, "CANCEL")
            await asyncio.wait([call.answered], timeout=EVENT_S)
            check_equal(call.answered.exception().response.status, 487, "INVITE")
            check("CANCEL" in ringing[-1].seen, "the callee heard it")
        response = await bob.message("nobody@contoso.example", b"x")
        check_equal(response.status, 404, "nobody")


async def test_burst():
    "a burst in both directions: every message arrives once"
    async with both_sides() as (alice, bob, got, calls):
        sent = [(s.message(r.aor, f"{i}".encode())) for i in range(BURST) for s, r in ((alice, bob), (bob, alice))]
        answers = await asyncio.gather(*sent)
        check_equal({r.status for r in answers}, {200}, "answers")
        want = sorted(f"{i}".encode() for i in range(BURST))
        check_equal((sorted(got["bob"]), sorted(got["alice"])), (want, want), "bodies")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
