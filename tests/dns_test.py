#!/usr/bin/env python3
"""Name servers that are dead, slow, or lie: what is asked of them fails in time and by name; nobody else notices."""

import asyncio
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import contextlib

from partner import Partner, World, contoso, refusal_id, run_with
from tap import SANITIZED, check, check_equal

from lab.dns import PORT
from lab.hostile import Hostile

GOOD = Partner("partner.example")
HOSTILE_PORT = PORT + 1
# what each may end in; all within the time of a transaction
FAILED, NONE = "element.dns-failed", "element.no-address"
HOSTILE = {"blackhole": {FAILED}, "wrongid": {FAILED}, "loop": {FAILED, NONE}, "endless": {FAILED, NONE},
           "many": {FAILED, NONE}, "refused": {FAILED}, "drip": {FAILED}, "garbage": {FAILED}, "poison": {NONE},
           "servfail": {FAILED}}
PARTNERS = [GOOD] + [Partner(f"{name}.example") for name in HOSTILE]
ANSWER_S = 25.0   # two look-ups one after the other, each 5 s at the most, on a busy machine
MESSAGES = 300    # whose times are compared
SLOWER_S = 0.25   # far less than any look-up that times out (1.5 s and more)
GROWTH_KB = 30000


def ask_the_hostile(topology):
    servers = topology["deployment"]["dns_servers"]
    servers[0] = servers[0].replace(f":{PORT}", f":{HOSTILE_PORT}")


@contextlib.contextmanager
def lab_with_hostile_dns():
    with contoso(PARTNERS, adjust=ask_the_hostile, ttl=2) as (lab, ca):
        with Hostile(lab.dns.address, HOSTILE_PORT, (lab.dns.address, PORT),
                     victims=[(GOOD.host, lab.net.address("evil"))]) as server:
            lab.hostile = server
            yield lab, ca


WORLD = World(lab_with_hostile_dns)


def memory_kb(machine):
    for line in open(f"/proc/{machine.process.pid}/status", encoding="ascii"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


async def timed(alice, seconds=None):
    """Times of messages to the good partner, one after the other; all are answered 200."""
    times, end = [], time.monotonic() + (seconds or 0)
    while len(times) < MESSAGES or time.monotonic() < end:
        started = time.monotonic()
        response = await alice.message(GOOD.agent.aor, b"x")
        times.append(time.monotonic() - started)
        check_equal((response.status, response.reason), (200, "OK"), f"message {len(times)}: {response.headers}")
        await asyncio.sleep(0.005)
    times.sort()
    return times[len(times) * 99 // 100]


async def one(agent, name):
    """(what it ended in, how long it took) for a message to a domain that the hostile server plays."""
    started = time.monotonic()
    response = await agent.message(f"x@{name}.example", b"x")
    return name, response.status, refusal_id(response), time.monotonic() - started


async def test_hostile_answers():
    "no answer, loops, 1,000 records, truncated, forged, malformed, dripping: each fails by name, nobody else waits"
    lab = WORLD.up()
    alice, bob = lab.contoso.user_agent(0), lab.contoso.user_agent(1)
    await alice.start()
    await bob.start()
    await GOOD.open(lab, WORLD.ca)
    try:
        before = await timed(alice)
        memory = memory_kb(WORLD.edge())
        tasks = [asyncio.create_task(one(bob, name)) for name in HOSTILE for _ in range(5)]
        during = await timed(alice, seconds=6)
        for name, status, found, took in await asyncio.gather(*tasks):
            check(status == 504 and found in HOSTILE[name], f"{name}: {status} {found}")
            check(took < ANSWER_S, f"{name} took {took:.1f} s")
            check(lab.hostile.asked.get(f"{name}.example"), f"{name} was not asked")
        check(during < before + SLOWER_S, f"p99 {before * 1000:.1f} ms before, {during * 1000:.1f} ms during")
        grown = memory_kb(WORLD.edge()) - memory
        check(SANITIZED or grown < GROWTH_KB, f"memory grew by {grown} KB")
        print(f"# p99 {before * 1000:.1f} ms before, {during * 1000:.1f} ms during; memory {grown:+} KB")
    finally:
        for agent in (alice, bob, GOOD.agent):
            await agent.stop()


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
