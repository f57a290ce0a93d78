#!/usr/bin/env python3
"""A connection that we made serves the next request only while it still stands for the same: our certificate, the
partner's domain, and what must prove that."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, Partner, World, contoso, run_with
from tap import check_equal

from lab import pki

PARTNER = Partner("partner.example")
OTHER = Partner("other.example")
WORLD = World(lambda: contoso([PARTNER, OTHER], workers=1))


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


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
