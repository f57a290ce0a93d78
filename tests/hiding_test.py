#!/usr/bin/env python3
"""The hidden topology: whatever happens in calls and around them, no byte of a header that reaches a partner holds a name
or an address of inside, not even decoded; and everything still finds its way. Bodies, SDP among them, are left alone."""

import asyncio
import base64
import contextlib
import json
import re
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, check_refused, contoso, refusal_id, run_with
from tap import check, check_equal

from lab.dialog import Call, CallFailed
from lab.siptxn import StreamFlow

PARTNER = Partner("partner.example")
OTHER = Partner("other.example")
WORLD = World(lambda: contoso((PARTNER, OTHER)))
HEARD = []  # what came to partners: (domain, bytes)


def listen_in(partners):
    """Every byte that the partners receive, as it comes."""
    original = StreamFlow.data_received

    def data_received(flow, data):
        for partner in partners:
            if flow.endpoint is partner.agent:
                HEARD.append((partner.domain, data))
        original(flow, data)
    StreamFlow.data_received = data_received
    return lambda: setattr(StreamFlow, "data_received", original)


def headers_only(stream):
    """The messages of a stream without their bodies."""
    out = b""
    while stream.strip():
        head, _, stream = stream.lstrip().partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        stream = stream[int(length.group(1)) if length else 0:]
        out += head + b"\r\n\r\n"
    return out


def decoded(text):
    """What stands behind everything that looks like base64."""
    for run in re.findall(rb"[A-Za-z0-9_-]{24,}", text):
        with contextlib.suppress(ValueError):
            yield base64.urlsafe_b64decode(run + b"=" * (-len(run) % 4))


def inner_words(alice):
    """Names and addresses of inside: of the topology, and the client's."""
    words = {alice.flow.local[0].encode()}
    document = json.loads(WORLD.lab.contoso.central.entente("topology", "export", "--format", "json"))
    for kind in ("edge_pools", "front_end_pools"):
        for pool in document[kind]:
            words.add(pool["fqdn"].encode())
            for machine in pool["machines"]:
                words |= {machine["fqdn"].encode(), machine["internal_address"].encode()}
    words.discard(WORLD.lab.contoso.address("edge-old1", external=True).encode())
    return words


def check_heard(alice, methods):
    """Partners heard of these methods and statuses, and of nothing inside."""
    text = headers_only(b"".join(data for _, data in HEARD))
    for method in methods:
        check(re.search(rb"(?m)^" + method.encode(), text), f"{method} was heard")
    for word in inner_words(alice):
        lines = [line for line in text.split(b"\r\n") if word.lower() in line.lower()]
        check(not lines, f"{word} leaves: {lines[:3]}")
        check(not any(word.lower() in plain.lower() for plain in decoded(text)), f"{word} stands in a token")
    for name in (b"user-agent", b"server", b"path", b"service-route"):
        check(not re.search(rb"(?im)^" + name + rb"\s*:", text), f"{name} leaves")


@contextlib.asynccontextmanager
async def talking(on_call=None, on_partner_call=None, hidden=True):
    lab = WORLD.up()
    lab.contoso.central.entente("topology", "set", "edge_pools/edge-old.contoso.example/hide_topology", str(hidden).lower())
    lab.contoso.publish(f"hidden: {hidden}")
    calls = []

    async def answer(call):
        calls.append(call)
        if on_call:
            await on_call(call)
        else:
            call.ring()
            await call.accept()
    alice = lab.contoso.user_agent(0, on_call=answer, on_other=lambda ua, r: 200, on_message=lambda ua, r: ua.got.append(r))
    alice.got, alice.incoming = [], calls
    await alice.start()
    for partner in (PARTNER, OTHER):
        partner.got.clear()
        await partner.open(lab, WORLD.ca, on_partner_call)
    HEARD.clear()
    restore = listen_in((PARTNER, OTHER))
    try:
        yield alice, WORLD.edge(), WORLD.edge().log_end()
    finally:
        restore()
        for agent in (alice, PARTNER.agent, OTHER.agent):
            await agent.stop()


async def test_a_call_from_outside():
    "INVITE, 180, 200, ACK, INFO and re-INVITE both ways, BYE; from a partner"
    async with talking() as (alice, edge, since):
        call = await PARTNER.agent.invite(alice.aor)
        near = alice.incoming[0]
        check_equal(((await call.info(b"in")).status, (await near.info(b"out")).status), (200, 200), "INFO")
        check_equal(((await call.reinvite()).status, (await near.reinvite()).status), (200, 200), "re-INVITE")
        check_equal((await near.send("NOTIFY", b"x")).status in (200, 405, 481), True, "NOTIFY")
        check_equal((await call.bye()).status, 200, "BYE")
        check_equal(near.ended.result(), "bye", "at the user")
        check_heard(alice, ("SIP/2.0 180", "SIP/2.0 200", "INFO", "INVITE", "ACK", "NOTIFY"))


async def test_a_call_from_inside():
    "the same from inside, ended by the partner: its requests find the user by what was sealed"
    far = []

    async def answer(call):
        far.append(call)
        call.ring()
        await call.accept()
    async with talking(on_partner_call=answer) as (alice, edge, since):
        call = await alice.invite(PARTNER.agent.aor)
        check("@sip.contoso.example" in far[0].target and far[0].target.startswith("sip:h."), f"Contact: {far[0].target}")
        check_equal(((await far[0].info(b"1")).status, (await call.info(b"2")).status), (200, 200), "INFO")
        check_equal(((await far[0].reinvite()).status, (await call.reinvite()).status), (200, 200), "re-INVITE")
        check_equal((await far[0].bye()).status, 200, "BYE")
        check_equal(call.ended.result(), "bye", "at the user")
        check_heard(alice, ("INVITE", "ACK", "INFO"))
        vias = [v for _, data in HEARD for v in re.findall(rb"(?im)^via:[^\r]*", data.split(b"\r\n\r\n")[0]) if data.startswith(b"INVITE")]
        check_equal(len(vias), 2, f"one Via in each INVITE: {vias}")


async def test_failures():
    "refusals of the Edge, of the Front End and of the user, CANCEL: no source, agent or reason tells of inside"
    async def reject(call):
        call.ring()
        call.reject(486)
    async def only_ring(call):
        call.ring()
    async with talking(on_call=reject, on_partner_call=only_ring) as (alice, edge, since):
        agent = PARTNER.agent
        for who, status in (("nobody@contoso.example", 404), ("x@elsewhere.example", 403)):
            response = await agent.message(who, b"x")
            check_equal(response.status, status, who)
            check_equal("sip.contoso.example" in response.get("ms-diagnostics"), True, response.get("ms-diagnostics"))
        with contextlib.suppress(CallFailed):
            await agent.invite(alice.aor)
            check(False, "a call that is rejected")
        call = alice.start_call(agent.aor)
        await call.ringing.wait()
        await call.cancel()
        with contextlib.suppress(CallFailed):
            await call.answered
            check(False, "a call that is cancelled")
        check_heard(alice, ("SIP/2.0 404", "SIP/2.0 403", "SIP/2.0 486", "CANCEL"))


LOOSE = (("User-Agent", "phone/1.0 (fe1.contoso.example)"), ("Warning", '399 fe1.contoso.example "overheard"'),
         ("Reason", 'SIP;cause=200;text="by fe1.contoso.example"'), ("X-Routed-By", "edge-old1.CONTOSO.example"),
         ("ms-diagnostics", '1234;reason="x";source="fe1.contoso.example"'), ("Call-Info", "<http://fe1.contoso.example/card>"),
         ("Subject", "lunch"), ("Refer-To", "<sip:bob@fe1.contoso.example?Replaces=abc>"))


async def test_loose_words():
    "rows that name inside are renamed, sealed or gone; others stay"
    async with talking() as (alice, edge, since):
        request = alice.new_request("MESSAGE", f"sip:{PARTNER.agent.aor}")
        for name, value in LOOSE:
            request.add(name, value)
        check_equal((await alice.send(request)).status, 200, "MESSAGE")
        seen = {n.lower(): v for n, v in PARTNER.got[-1].headers}
        check_equal(seen["warning"], '399 sip.contoso.example "overheard"', "Warning")
        check_equal(seen["ms-diagnostics"], '1234;reason="x";source="sip.contoso.example"', "ms-diagnostics")
        check_equal((seen["subject"], "reason" in seen, "call-info" in seen), ("lunch", False, False), str(seen))
        check(re.fullmatch(r"<sip:h\.[\w-]+@sip\.contoso\.example:5061;transport=tls\?Replaces=abc>", seen["refer-to"]), seen["refer-to"])
        check_heard(alice, ("MESSAGE",))
        # handed back, it is what it was; to a call of the partner's own, too
        back = PARTNER.agent.new_request("MESSAGE", f"sip:{alice.aor}")
        back.add("Refer-To", seen["refer-to"])
        check_equal((await PARTNER.agent.send(back)).status, 200, "back")
        check_equal(alice.got[-1].get("Refer-To"), "<sip:bob@fe1.contoso.example?Replaces=abc>", "as it was inside")


async def test_subscription():
    "SUBSCRIBE out and in: Contact and routes are sealed"
    async with talking() as (alice, edge, since):
        await alice.other("SUBSCRIBE", PARTNER.agent.aor, (("Event", "presence"),))
        check_equal((await PARTNER.agent.other("SUBSCRIBE", alice.aor, (("Event", "presence"),))).status, 200, "in")
        await alice.other("REFER", PARTNER.agent.aor, (("Refer-To", f"<sip:u02@{alice.flow.local[0]}>"),))
        check_heard(alice, ("SUBSCRIBE", "REFER", "SIP/2.0 200"))


class Branch(Call):
    def end(self, why):
        super().end(why)
        self.register()  # its ACK may come behind the BYE


def second_answer(call, *rows):
    """The 2xx of another branch of the same INVITE (RFC 3261 13.2.2.4): a call of its own at whoever was called."""
    other = Branch.incoming(call.ua, call.request, call.transaction)
    response = call.transaction.response(200, other.local_tag)
    for name, value in (("Contact", call.ua.contact(call.transaction.flow)), *rows):
        response.add(name, value)
    return other, response


@contextlib.contextmanager
def answers_seen():
    """Every 2xx behind the first one that reaches a caller."""
    seen, original = [], Call.on_repeated_2xx

    def on_repeated_2xx(call, response):
        seen.append(response)
        original(call, response)
    Call.on_repeated_2xx = on_repeated_2xx
    try:
        yield seen
    finally:
        Call.on_repeated_2xx = original


async def answered_thrice(caller, called_aor, far, *rows):
    """A call whose callee repeats its 200, and of which another branch answers as well; (the two further answers, the call,
    the callee's two)."""
    with answers_seen() as seen:
        call = await caller.invite(called_aor)
        near = far[-1]
        await asyncio.wait_for(asyncio.shield(near.acked), EVENT_S)
        near.transaction.flow.send(near.transaction.last)
        other, response = second_answer(near, *rows)
        near.transaction.flow.send(response.write())
        check_equal(await asyncio.wait_for(other.ended, EVENT_S), "bye", "the other branch is ended")
        await asyncio.wait_for(asyncio.shield(other.acked), EVENT_S)
        check_equal(sorted(other.seen), ["ACK", "BYE", "INVITE"], "what the other branch got")
        check_equal(near.seen.count("ACK"), 2, "the ACK of the answer that came again")
        check_equal([r.status for r in seen], [200, 200], "what came again")
        return seen, call, near


async def test_answers_that_come_again():
    "a 2xx that is repeated, and one of another branch, are hidden and opened as the first: from inside and from outside"
    far = []

    async def answer(call):
        far.append(call)
        await call.accept()
    async with talking(on_call=answer, on_partner_call=answer) as (alice, edge, since):
        for caller, called in ((PARTNER.agent, alice), (alice, PARTNER.agent)):
            (again, branch), call, near = await answered_thrice(caller, called.aor, far)
            sealed_anew = [re.sub(";hidden=[^;>]*", "", route) for route in again.all("Record-Route")]
            check_equal(sealed_anew, [re.sub(";hidden=[^;>]*", "", route) for route in reversed(call.routes)],
                        "routes of what came again")
            check(len(branch.all("Record-Route")) == len(call.routes) and branch.tag("To") != again.tag("To"), str(branch.headers))
            check_equal(((await call.info(b"1")).status, (await near.info(b"2")).status), (200, 200), "INFO")
            check_equal((await call.bye()).status, 200, "BYE")
            check_heard(alice, ("SIP/2.0 200",))
            HEARD.clear()


async def test_relayed():
    "clearing house with hiding: calls between partners pass whole, and tell nothing of inside; answers that come again, too"
    far = []
    claims = (("P-Asserted-Identity", "<sip:eve@other.example>, <sip:ceo@bank.example>"), ("ms-archiving", "TRUE"))

    async def answer(call):
        far.append(call)
        call.ring()
        await call.accept()
    async with talking(on_partner_call=answer) as (alice, edge, since):
        central = WORLD.lab.contoso.central
        central.entente("topology", "set", "access_edge/clearinghouse", "true")
        WORLD.lab.contoso.publish("clearing house")
        check_equal((await PARTNER.agent.message(OTHER.agent.aor, b"x")).status, 200, "MESSAGE")
        seen, call, near = await answered_thrice(PARTNER.agent, OTHER.agent.aor, far, *claims)
        for response in seen:
            check_equal(response.all("Record-Route"), list(reversed(call.routes)), "routes")
            check_equal(len(call.routes), 1, "one route")
            for name in ("ms-archiving", "ms-asserted-verification-level", "ms-edge-proxy-message-trust"):
                check_equal(response.get(name), None, name)
        check_equal(seen[1].all("P-Asserted-Identity"), ["<sip:eve@other.example>"], "who answers is the called partner's")
        check_equal(((await call.info(b"1")).status, (await near.info(b"2")).status), (200, 200), "INFO")
        check_equal(((await call.reinvite()).status, (await near.reinvite()).status), (200, 200), "re-INVITE")
        check_equal((await near.send("REFER", b"")).status, 200, "REFER")
        check_refused(await PARTNER.agent.message("x@elsewhere.example", b"x"), 403, "edge.not-our-domain", edge, since)
        for hidden in ("false", "true"):
            central.entente("topology", "set", "edge_pools/edge-old.contoso.example/hide_topology", hidden)
            WORLD.lab.contoso.publish("switched")
            check_equal(((await near.info(b"1")).status, (await call.info(b"2")).status), (200, 200), hidden)
        check_equal((await near.bye()).status, 200, "BYE")
        check_equal(call.ended.result(), "bye", "at the caller")
        check_heard(alice, ("INVITE", "SIP/2.0 200", "ACK", "INFO", "BYE", "SIP/2.0 403"))
        central.entente("topology", "set", "access_edge/clearinghouse", "false")
        WORLD.lab.contoso.publish("no clearing house")


async def test_sealed_for_one_partner():
    "what was sealed for one partner is of no use to another, nor altered; what it stands for serves its own partner"
    far = []

    async def answer(call):
        far.append(call)
        await call.accept()
    async with talking(on_partner_call=answer) as (alice, edge, since):
        call = await alice.invite(PARTNER.agent.aor)
        contact = far[0].target
        for agent, uri, status, name in (
                (OTHER.agent, contact, 404, "edge.hidden-unreadable"),
                (PARTNER.agent, contact.replace("sip:h.", "sip:h.A"), 404, "edge.hidden-unreadable")):
            request = agent.new_request("MESSAGE", uri)
            check_refused(await agent.send(request), status, name, edge, since)
        request = PARTNER.agent.new_request("MESSAGE", contact)
        response = await PARTNER.agent.send(request)
        check(not (refusal_id(response) or "").startswith("edge."), f"outside the dialog: {response.headers}")
        altered = far[0].new_request("INFO")
        for i, (name, value) in enumerate(altered.headers):
            if name == "Route":
                altered.headers[i] = (name, value.replace("hidden=", "hidden=A"))
        check_refused(await PARTNER.agent.send(altered), 404, "edge.hidden-unreadable", edge, since)
        check_equal((await call.bye()).status, 200, "BYE")


async def test_switched_in_the_middle():
    "hiding switched on and off within a dialog: the dialog goes on"
    far = []

    async def answer(call):
        far.append(call)
        await call.accept()
    async with talking(on_partner_call=answer, hidden=True) as (alice, edge, since):
        call = await alice.invite(PARTNER.agent.aor)
        for hidden in ("false", "true"):
            WORLD.lab.contoso.central.entente("topology", "set", "edge_pools/edge-old.contoso.example/hide_topology", hidden)
            WORLD.lab.contoso.publish("switched")
            check_equal(((await far[0].info(b"1")).status, (await call.info(b"2")).status), (200, 200), hidden)
        check_equal((await far[0].bye()).status, 200, "BYE")


async def test_call_id():
    "a Call-ID stays, and what a client puts there is the one thing of inside that leaves; products and paths go"
    async with talking() as (alice, edge, since):
        address = WORLD.lab.contoso.address("fe1")
        request = alice.new_request("MESSAGE", f"sip:{PARTNER.agent.aor}")
        request.set("Call-ID", f"abc@{address}")
        request.add("Subject", f"of {address}")
        products = ("User-Agent", "Server", "Organization", "Path", "Service-Route")
        for name in products:
            request.add(name, "<sip:proxy.elsewhere.example;lr>" if name in products[3:] else "Product/1.0")
        check_equal((await alice.send(request)).status, 200, "status")
        for name in products:
            check_equal(PARTNER.got[-1].get(name), None, name)
        text = headers_only(b"".join(data for _, data in HEARD))
        lines = {line for line in text.split(b"\r\n") for word in inner_words(alice) if word.lower() in line.lower()}
        check_equal(lines, {f"Call-ID: abc@{address}".encode()}, "what names something of inside")


async def test_off():
    "off, which is the default, the words are there: the test above would see them"
    async with talking(hidden=False) as (alice, edge, since):
        call = await PARTNER.agent.invite(alice.aor)
        check_equal((await call.bye()).status, 200, "BYE")
        text = headers_only(b"".join(data for _, data in HEARD))
        check(any(word in text for word in inner_words(alice)), "nothing of inside")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
