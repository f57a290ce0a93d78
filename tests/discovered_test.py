#!/usr/bin/env python3
"""Discovered partners: their limits hold for the domain over all its connections, the watch list tells of them, and
allowing the domain lifts everything at once, on the connection that stands."""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, check_refused, contoso, refusal_id, run_with
from tap import check, check_equal

FAST = Partner("fast.example", names=["fast.example"], allow=False)
AGAIN = Partner("fast.example", names=["fast.example"], allow=False, user="adam")  # a second connection of the same
CURIOUS = Partner("curious.example", names=["curious.example"], allow=False)
GUESSING = Partner("guessing.example", names=["guessing.example"], allow=False)
LISTED = Partner("listed.example", names=["listed.example"])
RATE, ADDRESSES, LEAST = 20, 5, 6


def settings(topology):
    topology["deployment"]["partner_discovery"] = True
    topology["access_edge"] = {"discovered_contacts_max": ADDRESSES, "discovered_failures_least": LEAST}


WORLD = World(lambda: contoso((FAST, CURIOUS, GUESSING, LISTED), adjust=settings))


@contextlib.asynccontextmanager
async def talking(*partners):
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0, on_message=lambda ua, r: None)
    await alice.start()
    for partner in partners:
        await partner.open(lab, WORLD.ca)
    try:
        yield alice, WORLD.edge(), WORLD.edge().log_end()
    finally:
        for agent in [alice] + [p.agent for p in partners]:
            await agent.stop()


def watched(machine):
    """The watch list by domain, as this machine's command line tells it."""
    return {row["domain"]: row for row in json.loads(machine.entente("partner", "list", "--watch", "--json"))}


def publish(path, value, why):
    WORLD.lab.contoso.central.entente("topology", "set", path, value)
    WORLD.lab.contoso.publish(why)


async def burst(alice, agents, n, to=None):
    """n messages at once from each; the refusals, and the seconds it took."""
    began = time.monotonic()
    responses = await asyncio.gather(*[a.message(to or alice.aor, b"x") for a in agents for _ in range(n)])
    return [r for r in responses if r.status not in (200, 404)], time.monotonic() - began


async def test_rate_over_all_connections():
    "messages a second are counted for the domain: a second connection brings nothing; the listed have no limit"
    AGAIN.address = WORLD.up().net.address("again.fast.example")
    async with talking(FAST, AGAIN, LISTED) as (alice, edge, since):
        refused, seconds = await burst(alice, (FAST.agent, AGAIN.agent), 60)
        passed = 120 - len(refused)
        check(RATE <= passed <= RATE * (1 + seconds) + 1, f"{passed} passed in {seconds:.2f} s")
        for r in refused:
            check_equal((r.status, refusal_id(r)), (503, "edge.discovered-too-fast"), str(r.headers))
            check_equal(r.get("Retry-After"), "1", "Retry-After")
        event = edge.wait_event("edge.partner-watched", EVENT_S, since, domain=FAST.domain, why="rate")
        check("entente partner allow fast.example" in event["text"], f"the hint: {event}")
        row = watched(WORLD.lab.contoso.central)[FAST.domain]
        check_equal((row["messages"], row["refused"], row["addresses"], row["connections"], row["why"],
                     row["machine"].split(".")[0]), (120, len(refused), 1, 2, "rate", "edge-old1"), str(row))
        check_equal(len((await burst(alice, (LISTED.agent,), 100))[0]), 0, "refusals of a listed partner")
        check(LISTED.domain not in watched(edge), "the listed are not watched")


async def test_addresses():
    "the address after the last one allowed is refused, on new connections too; those known go on; a reload keeps it"
    async with talking(CURIOUS) as (alice, edge, since):
        for i in range(ADDRESSES - 1):
            check_equal((await CURIOUS.agent.message(f"nobody{i}@contoso.example", b"x")).status, 404, f"address {i}")
        check_equal((await CURIOUS.agent.message(alice.aor, b"x")).status, 200, "the last address")
        more = await CURIOUS.agent.message("nobody99@contoso.example", b"x")
        check_refused(more, 403, "edge.discovered-new-address", edge, since)
        edge.wait_event("edge.partner-watched", EVENT_S, since, domain=CURIOUS.domain, why="addresses")
    publish("access_edge/discovered_report_minutes", "61", "a reload")
    async with talking(CURIOUS) as (alice, edge, since):
        check_equal((await CURIOUS.agent.message(alice.aor, b"x")).status, 200, "a known address on a new connection")
        more = await CURIOUS.agent.message("nobody98@contoso.example", b"x")
        check_refused(more, 403, "edge.discovered-new-address", edge, since)
        row = watched(edge)[CURIOUS.domain]
        check_equal((row["why"], row["addresses"]), ("addresses", ADDRESSES), str(row))
        table = edge.entente("partner", "list", "--watch")
        check("curious.example" in table and "entente partner allow DOMAIN" in table, table)
        publish("access_edge/limit_discovered_contacts", "false", "no limit of addresses")
        check_equal((await CURIOUS.agent.message("nobody97@contoso.example", b"x")).status, 404, "the limit is off")
        publish("access_edge/limit_discovered_contacts", "true", "limit of addresses")


async def test_suspicious_until_allowed():
    "many failures: one message a second; the domain allowed, everything is lifted on the same connection"
    async with talking(GUESSING) as (alice, edge, since):
        for i in range(LEAST):
            response = await GUESSING.agent.message(f"nobody{i % (ADDRESSES - 1)}@contoso.example", b"x")
            check_equal(response.status, 404, "a guess")
        edge.wait_event("edge.partner-watched", EVENT_S, since, domain=GUESSING.domain, why="failures")
        refused, seconds = await burst(alice, (GUESSING.agent,), 10)
        check(len(refused) >= 10 - 2 - seconds, f"{len(refused)} refused in {seconds:.2f} s")
        check_refused(refused[0], 503, "edge.discovered-suspicious", edge, since)
        check(watched(edge)[GUESSING.domain]["suspicious"], "it is told")
        publish("access_edge/limit_discovered_contacts", "false", "no protection against guessing")
        refused, seconds = await burst(alice, (GUESSING.agent,), 60, "nobody0@contoso.example")
        check_equal({refusal_id(r) for r in refused}, {"edge.discovered-too-fast"}, "the rate of everybody holds")
        publish("access_edge/limit_discovered_contacts", "true", "protection against guessing")
        refused, seconds = await burst(alice, (GUESSING.agent,), 60, "nobody0@contoso.example")
        check("edge.discovered-suspicious" in {refusal_id(r) for r in refused}, "it is suspicious again")
        flow = GUESSING.agent.flow
        WORLD.lab.contoso.central.entente("partner", "allow", GUESSING.domain)
        WORLD.lab.contoso.publish("it is known")
        refused, seconds = await burst(alice, (GUESSING.agent,), 60)
        check_equal((refused, GUESSING.agent.flow is flow), ([], True), "refusals, and the connection")
        for i in range(2 * ADDRESSES):
            response = await GUESSING.agent.message(f"nobody{i}@contoso.example", b"x")
            check_equal(response.status, 404, "an address more")
        check(GUESSING.domain not in watched(WORLD.lab.contoso.central), "it is watched no more")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
