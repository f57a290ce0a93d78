#!/usr/bin/env python3
"""Every refusal of the Access Edge is provoked: each row of its table is named by a test that expects it, or stands below
with the unit test of what decides it. And two that need an estate in trouble."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT)]

from partner import Partner, World, check_refused, contoso, run_with
from tap import check, check_equal

EDGE = ROOT / "src/service/access_edge"
# Not to be had from a running estate in a test's time: what decides is tested by itself.
DECIDED_BY = {
    "edge.token-expired": (EDGE / "token_test.c", "TOKEN_EXPIRED"),     # a key of many days ago
    "edge.draining": (ROOT / "tests/drain_test.py", "refused.edge.draining"),
    "edge.discovered-full": (EDGE / "watch_test.c", "full += f.full"),  # thousands of partners
}
UNREACHABLE = {
    "edge.no-next-hop": "the checks refuse to publish it (federation-without-next-hop)",
    "edge.no-key": "central management seals a key to every machine with its first material",
}

ROUTED = Partner("routed.example")
FRESH = Partner("fresh.example")  # of whom DNS was never asked
WORLD = World(lambda: contoso((ROUTED, FRESH)))


def test_every_row_is_provoked():
    "each id of the table is expected by a test, by the unit test of what decides it, or cannot happen"
    table = (EDGE / "refusals.h").read_text()
    rows = dict(re.findall(r'X\((\w+),\s*"(edge\.[a-z-]+)"', table))
    check(len(rows) > 25, f"{len(rows)} rows")
    tests = [p for p in (ROOT / "tests").glob("*_test.py") if p.name != Path(__file__).name]
    integration = "".join(p.read_text() for p in tests) + Path(__file__).read_text().split("# --- provoked here ---")[-1]
    units = "".join(p.read_text() for p in EDGE.glob("*_test.c"))
    missing = [name for row, name in rows.items()
               if f'"{name}"' not in integration and not re.search(rf"&EDGE_{row}\b", units)
               and name not in DECIDED_BY and name not in UNREACHABLE]
    check_equal(missing, [], "refusals that no test provokes")
    for name, (path, text) in DECIDED_BY.items():
        check(name in rows.values() and text in path.read_text(), f"{name}: {path.name}")
    for name in UNREACHABLE:
        check(name in rows.values(), name)


# --- provoked here ---
async def test_federation_off_for_the_pool():
    "a pool without federation refuses on connections that still stand"
    lab = WORLD.up()
    await ROUTED.open(lab, WORLD.ca)
    central, edge, since = lab.contoso.central, WORLD.edge(), WORLD.edge().log_end()
    check_equal((await ROUTED.agent.message("nobody@contoso.example", b"x")).status, 404, "federation is on")
    central.entente("topology", "set", "sites/hq/federation_route", "")
    central.entente("topology", "set", "edge_pools/edge-old.contoso.example/federation", "false")
    lab.contoso.publish("off")
    check_refused(await ROUTED.agent.message("nobody@contoso.example", b"x"), 403, "edge.no-federation", edge, since)
    central.entente("topology", "set", "edge_pools/edge-old.contoso.example/federation", "true")
    central.entente("topology", "set", "sites/hq/federation_route", "edge-old.contoso.example")
    lab.contoso.publish("on again")
    await ROUTED.agent.stop()


async def test_dns_is_dead():
    "a partner whose proof needs DNS, while that does not answer: told so, and not that it were a stranger"
    lab = WORLD.up()
    edge, since = WORLD.edge(), WORLD.edge().log_end()
    await FRESH.open(lab, WORLD.ca)
    lab.dns.stop()
    try:
        response = await FRESH.agent.message("nobody@contoso.example", b"x")
        check_refused(response, 504, "edge.proof-unavailable", edge, since)
    finally:
        lab.dns.start()
        await FRESH.agent.stop()


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
