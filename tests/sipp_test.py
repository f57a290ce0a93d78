#!/usr/bin/env python3
"""sipp as client of a Front End, and as the foreign next hop behind an Edge, over UDP and TCP."""

import asyncio
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, contoso, run_with
from sipp import Sipp
from tap import check, check_equal

PARTNER = Partner("partner.example")
NEXT_HOP = "pbx.contoso.example"
CALL_S = 30


def md5_only(topology):
    for pool in topology["front_end_pools"]:
        pool["digest_algorithms"] = ["MD5"]


WORLD = World(lambda: contoso([PARTNER], adjust=md5_only))


def folder():
    return WORLD.lab.folder / "sipp"


async def in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def account(org, index):
    user, password = org.users[index]
    return f"{user};{org.domain};[authentication username={user} password={password}]"


async def answering(org, index=1):
    """A user of the lab, signed in over TLS, who answers calls; and the calls."""
    calls = []

    async def answer(call):
        calls.append(call)
        call.ring()
        await call.accept()
    agent = org.user_agent(index, on_call=answer)
    await agent.start()
    return agent, calls


async def client_calls(transport):
    """sipp calls a user, is challenged once, and hangs up; ACK and BYE arrive."""
    org = WORLD.up().contoso
    agent, calls = await answering(org)
    client = Sipp(folder(), "call", WORLD.lab.net.address("sipp"), 0, transport,
                  to=(org.address("fe1"), 5060), fields=[f"{account(org, 0)};{agent.aor}"], domain=org.domain, calls=5)
    await in_thread(client.run, CALL_S)
    check_equal([(c.acked.done(), c.ended.done() and c.ended.result()) for c in calls], [(True, "bye")] * 5, "calls")
    await agent.stop()


async def test_call_udp():
    "sipp over UDP with MD5: five calls through the Front End to a user over TLS"
    await client_calls("udp")


async def test_call_tcp():
    "sipp over TCP with MD5: five calls through the Front End to a user over TLS"
    await client_calls("tcp")


async def client_is_called(transport):
    """sipp registers and stays; a message and a call reach it, over the connection that it registered on."""
    org = WORLD.up().contoso
    agent, _ = await answering(org)
    user = f"{org.users[0][0]}@{org.domain}"
    client = Sipp(folder(), "register", WORLD.lab.net.address("sipp"), 0, transport,
                  to=(org.address("fe1"), 5060), fields=[account(org, 0)], domain=org.domain, meanwhile="answer")
    with client:
        deadline = asyncio.get_running_loop().time() + CALL_S
        while "CSeq: 2 REGISTER" not in client.messages().partition("SIP/2.0 200")[2]:
            check(client.process.poll() is None and asyncio.get_running_loop().time() < deadline,
                  f"not registered: {client.messages()[-2000:]}")
            await asyncio.sleep(0.05)
        call = await agent.invite(user)
        check_equal((await call.bye()).status, 200, "BYE")
        check_equal((await agent.message(user, b"hello")).status, 200, "MESSAGE")
        check_equal((client.received("INVITE"), client.received("BYE"), client.received("MESSAGE")), (1, 1, 1),
                    "what sipp received")
    await agent.stop()


async def test_called_udp():
    "sipp registered over UDP with MD5 is called, and gets a message"
    await client_is_called("udp")


async def test_called_tcp():
    "sipp registered over TCP with MD5 is called, and gets a message"
    await client_is_called("tcp")


# --- foreign next hop ---
def become_foreign(transport):
    """Contoso's Edge hands what comes in to a pool of sipp machines."""
    org = WORLD.up().contoso
    central = org.central
    document = json.loads(central.entente("topology", "show", "--format", "json"))
    known = [p["fqdn"] for p in document.get("foreign_pools", [])]
    address = WORLD.lab.net.address("pbx")
    if NEXT_HOP not in known:
        central.entente("topology", "add", "foreign_pools", f"fqdn={NEXT_HOP}", "site=hq", f"transport={transport}")
        central.entente("topology", "add", f"foreign_pools/{NEXT_HOP}/machines", "fqdn=pbx1.contoso.example",
                        f"internal_address={address}")
        central.entente("topology", "set", "edge_pools/edge-old.contoso.example/next_hop", NEXT_HOP)
    else:
        central.entente("topology", "set", f"foreign_pools/{NEXT_HOP}/transport", transport)
    org.publish(f"foreign next hop over {transport}")
    return address


async def foreign(transport):
    address = become_foreign(transport)
    calls = []

    async def answer(call):
        calls.append(call)
        call.ring()
        await call.accept()
    agent = await PARTNER.open(WORLD.lab, WORLD.ca, on_call=answer)
    with Sipp(folder(), "answer", address, 5060, transport) as pbx:
        for _ in range(3):
            call = await agent.invite("sipp@contoso.example")
            check_equal((await call.bye()).status, 200, "BYE")
        check_equal((await agent.message("sipp@contoso.example", b"hello")).status, 200, "MESSAGE")
        check_equal((pbx.received("INVITE"), pbx.received("ACK"), pbx.received("BYE"), pbx.received("MESSAGE")),
                    (3, 3, 3, 1), "what sipp received")
    # and outwards: the pool's machine calls the partner through the Edge's internal side
    out = Sipp(folder(), "call-plain", address, 0, transport, calls=3, fields=["sipp;contoso.example;;" + agent.aor],
               to=(WORLD.lab.contoso.address("edge-old1"), 5060))
    await in_thread(out.run, CALL_S)
    check_equal([c.ended.done() and c.ended.result() for c in calls], ["bye"] * 3, "calls at the partner")
    await agent.stop()


async def test_foreign_udp():
    "sipp as foreign next hop over UDP: a partner's calls and message reach it, and its calls reach the partner"
    await foreign("udp")


async def test_retransmission():
    "UDP: a request that is not answered comes again unchanged, and is one message to its sender"
    address = become_foreign("udp")
    await PARTNER.open(WORLD.lab, WORLD.ca)
    with Sipp(folder(), "answer-late", address, 5060, "udp") as pbx:
        check_equal((await PARTNER.agent.message("sipp@contoso.example", b"x")).status, 200, "answered")
        check(pbx.received("MESSAGE") >= 3, f"came {pbx.received('MESSAGE')} times in 1.8 s (at 0, 0.5 and 1.5 s)")
        branches = {line for line in pbx.messages().split("SIP/2.0 200")[0].splitlines() if "branch=" in line}
        check_equal(len(branches), 2, f"the same Vias each time, the Edge's and the partner's: {branches}")
    await PARTNER.agent.stop()


async def test_large_over_tcp():
    "more than 1,300 bytes are not sent over UDP: a large message goes to the UDP next hop over TCP"
    address = become_foreign("udp")
    await PARTNER.open(WORLD.lab, WORLD.ca)
    with Sipp(folder(), "answer", address, 5060, "udp") as small, \
            Sipp(folder(), "answer", address, 5060, "tcp") as large:
        for size, places in ((100, (1, 0)), (1500, (1, 1)), (20000, (1, 2))):
            response = await PARTNER.agent.message("sipp@contoso.example", b"x" * size)
            check_equal(response.status, 200, f"{size} bytes")
            now = small.received("MESSAGE"), large.received("MESSAGE")
            check_equal(now, places, f"{size} bytes: over UDP, over TCP")
    await PARTNER.agent.stop()


async def test_foreign_tcp():
    "sipp as foreign next hop over TCP: the same"
    await foreign("tcp")


async def test_foreign_stranger():
    "over UDP and TCP only the pool's addresses are known inside: another address is refused"
    become_foreign("udp")
    edge, since = WORLD.lab.contoso.machines["edge-old1"], WORLD.lab.contoso.machines["edge-old1"].log_end()
    out = Sipp(folder(), "call-plain", WORLD.lab.net.address("stranger"), 0, "udp",
               fields=["sipp;contoso.example;;" + f"eve@{PARTNER.domain}"],
               to=(WORLD.lab.contoso.address("edge-old1"), 5060))
    out.start()
    event = await in_thread(edge.wait_event, "edge.not-a-machine", EVENT_S, since)
    check(WORLD.lab.net.address("stranger") in event["peer"], str(event))
    out.stop()


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
