#!/usr/bin/env python3
"""A forged partner at the Access Edge: what may not pass is refused with its own stable id, in the answer and in the
log; what may pass does, and the log says by which rule its domain was proven."""

import contextlib
import re
import socket
import ssl
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, check_refused, contoso, refusal_id, run_with
from tap import check, check_equal

from lab.sip import CallFailed
from lab.sipmsg import new_branch, new_call_id, new_tag

BY_SRV = Partner("partner.example")
BY_NAME = Partner("named.example", names=["URI:sip:named.example"])
BY_PIN = Partner("pinned.example", names=["edge.hoster.example"], pinned="edge.hoster.example", srv=False)
WRONG = Partner("wrong.example", names=["sip.other.example"])
BLOCKED = Partner("blocked.example", allow=False)
UNKNOWN = Partner("unknown.example", names=["unknown.example"], allow=False)
PARTNERS = (BY_SRV, BY_NAME, BY_PIN, WRONG, BLOCKED, UNKNOWN)


@contextlib.contextmanager
def lab_with_partners():
    with contoso(PARTNERS) as (lab, ca):
        lab.contoso.central.entente("partner", "block", BLOCKED.domain)
        lab.contoso.publish("one is blocked")
        yield lab, ca


WORLD = World(lab_with_partners)


@contextlib.asynccontextmanager
async def talking(*partners, on_call=None):
    """alice of contoso, signed in, and the partners' Edges, connected."""
    lab = WORLD.up()
    got, calls = [], []

    async def answer(call):
        calls.append(call)
        await call.accept()
    alice = lab.contoso.user_agent(0, on_message=lambda ua, r: got.append(r), on_call=answer)
    alice.got, alice.incoming = got, calls
    await alice.start()
    for partner in partners:
        partner.got.clear()
        await partner.open(lab, WORLD.ca, on_call)
    try:
        yield alice, WORLD.edge(), WORLD.edge().log_end()
    finally:
        for agent in [alice] + [p.agent for p in partners]:
            await agent.stop()


def message(agent, to, **headers):
    """A MESSAGE outside a dialog, with headers of the test's own."""
    request = agent.new_request("MESSAGE", f"sip:{to}")
    for name, value in headers.items():
        request.set(name.replace("_", "-"), value)
    request.body = b"hello"
    return request


async def test_identity_rules():
    "who may speak: rule a (names the domain), b (pinned), c (target of the SRV record), each told by the log"
    async with talking(BY_NAME, BY_PIN, BY_SRV) as (alice, edge, since):
        for partner, rule in ((BY_NAME, "a"), (BY_PIN, "b"), (BY_SRV, "c")):
            check_equal((await partner.agent.message(alice.aor, b"hi")).status, 200, partner.domain)
            event = edge.wait_event("edge.identity-proven", EVENT_S, since, domain=partner.domain)
            check_equal(event["rule"], rule, f"{partner.domain}: {event}")
        check_equal(len(alice.got), 3, "messages at the user")


async def test_outward_rules():
    "the same rules when we dial: a message goes to each partner whose certificate proves it"
    async with talking(BY_NAME, BY_SRV) as (alice, edge, since):
        for partner in (BY_NAME, BY_SRV):
            check_equal((await alice.message(partner.agent.aor, b"hi")).status, 200, partner.domain)
            check_equal([r.body for r in partner.got], [b"hi"], partner.domain)


async def test_outward_wrong_certificate():
    "a partner's Edge that cannot prove the domain gets nothing: the connection is made, and no message goes out on it"
    async with talking(WRONG) as (alice, edge, since):
        response = await alice.message(WRONG.agent.aor, b"secret")
        check_refused(response, 504, "element.unreachable", edge, since)
        check_equal([r.body for r in WRONG.got], [], "what the wrong Edge got")


async def test_spoofed_from():
    "From of a domain that the certificate does not prove, of an unlisted one, and of our own: refused"
    async with talking(BY_SRV) as (alice, edge, since):
        for domain, status, name in (("named.example", 403, "edge.sender-not-proven"),
                                     ("bank.example", 403, "edge.partner-unknown"),
                                     ("contoso.example", 403, None)):
            request = message(BY_SRV.agent, alice.aor, From=f"<sip:ceo@{domain}>;tag={new_tag()}")
            response = await BY_SRV.agent.send(request)
            if name:
                check_refused(response, status, name, edge, since)
            else:
                check(response.status == 403 and refusal_id(response), f"our own domain: {response.headers}")
        check_equal(alice.got, [], "nothing came through")


async def test_clearing_house():
    "clearinghouse: messages and calls between two partners that are both listed, and nothing for anybody else"
    async def answer(call):
        answered.append(call)
        await call.accept()
    answered = []
    async with talking(BY_SRV, BY_NAME, BY_PIN, UNKNOWN, on_call=answer) as (alice, edge, since):
        central, agent = WORLD.lab.contoso.central, BY_SRV.agent
        central.entente("topology", "set", "access_edge/clearinghouse", "true")
        WORLD.lab.contoso.publish("clearing house")
        for sender, called in ((BY_SRV, BY_NAME), (BY_NAME, BY_SRV), (BY_PIN, BY_SRV)):
            called.got.clear()
            request = message(sender.agent, called.agent.aor, ms_archiving="TRUE", Remote_Party_ID="<sip:x@y.example>")
            request.headers += [("P-Asserted-Identity", f"<sip:boss@{d}>") for d in (sender.domain, "bank.example")]
            check_equal((await sender.agent.send(request)).status, 200, f"{sender.domain} to {called.domain}")
            came = called.got[0]
            check_equal(came.all("P-Asserted-Identity"), [f"<sip:boss@{sender.domain}>"], "identities")
            for name in ("ms-archiving", "Remote-Party-ID", "ms-edge-proxy-message-trust", "Record-Route"):
                check_equal(came.get(name), None, name)
        call = await agent.invite(BY_NAME.agent.aor)
        far = answered[0]
        check_equal(((await far.info(b"1")).status, (await call.info(b"2")).status), (200, 200), "both ways")
        check_equal(((await far.reinvite()).status, (await call.reinvite()).status), (200, 200), "re-INVITE")
        check_refused(await BY_PIN.agent.send(call.new_request("INFO")), 403, "edge.token-wrong-connection", edge, since)
        check_refused(await BY_PIN.agent.send(far.new_request("INFO")), 403, "edge.token-wrong-connection", edge, since)
        for called in (UNKNOWN.agent.aor, f"x@{BLOCKED.domain}", "x@nobody.example", f"y@{BY_SRV.domain}"):
            check_refused(await agent.send(message(agent, called)), 403, "edge.not-our-domain", edge, since)
        response = await UNKNOWN.agent.send(message(UNKNOWN.agent, BY_NAME.agent.aor))
        check_refused(response, 403, "edge.partner-unknown", edge, since)
        spoofed = message(agent, BY_NAME.agent.aor, From=f"<sip:ceo@{BY_PIN.domain}>;tag={new_tag()}")
        check_refused(await agent.send(spoofed), 403, "edge.sender-not-proven", edge, since)
        central.entente("topology", "set", "deployment/partner_discovery", "true")
        WORLD.lab.contoso.publish("discovery")
        for sender, called in ((UNKNOWN.agent, BY_NAME.agent.aor), (agent, UNKNOWN.agent.aor)):
            check_refused(await sender.send(message(sender, called)), 403, "edge.not-our-domain", edge, since)
        central.entente("topology", "set", "deployment/partner_discovery", "false")
        central.entente("topology", "add", "providers", "name=host", "edge_fqdn=edge.host.example", "enabled=true")
        central.entente("topology", "set", f"partners/{BY_NAME.domain}/provider", "host")
        WORLD.lab.contoso.publish("behind a provider")
        check_refused(await far.info(b"x"), 403, "edge.not-our-domain", edge, since)
        check_refused(await call.info(b"x"), 403, "edge.not-our-domain", edge, since)
        check_refused(await agent.send(message(agent, BY_NAME.agent.aor)), 403, "edge.not-our-domain", edge, since)
        central.entente("topology", "set", f"partners/{BY_NAME.domain}/provider", "")
        central.entente("topology", "remove", "providers/host")
        central.entente("topology", "set", "access_edge/clearinghouse", "false")
        WORLD.lab.contoso.publish("no clearing house")
        check_refused(await agent.send(message(agent, BY_NAME.agent.aor)), 403, "edge.not-our-domain", edge, since)
        check_equal((await far.info(b"3")).status, 200, "a dialog that has begun goes on")
        central.entente("partner", "block", BY_SRV.domain)
        WORLD.lab.contoso.publish("blocked")
        check_refused(await far.info(b"4"), 403, "edge.partner-blocked", edge, since)
        check_refused(await call.info(b"5"), 403, "edge.partner-blocked", edge, since)
        central.entente("partner", "allow", BY_SRV.domain)
        WORLD.lab.contoso.publish("allowed")
        check_equal((await far.bye()).status, 200, "BYE")
        check_equal(call.ended.result(), "bye", "at the caller")


async def test_relay():
    "a third domain, a Route elsewhere, and REGISTER are refused, each with its id"
    async with talking(BY_SRV) as (alice, edge, since):
        agent = BY_SRV.agent
        check_refused(await agent.send(message(agent, "x@named.example")), 403, "edge.not-our-domain", edge, since)
        routed = message(agent, alice.aor, Route="<sip:somewhere.example;lr>")
        check_refused(await agent.send(routed), 403, "edge.route-not-ours", edge, since)
        register = agent.new_request("REGISTER", "sip:contoso.example", alice.uri)
        register.add("Contact", agent.contact())
        check_refused(await agent.send(register), 403, "edge.method-not-federated", edge, since)
        check_equal(alice.got, [], "nothing came through")


async def test_partner_lists():
    "a blocked partner, and an unknown one while discovery is off, are refused in both directions; discovered when on"
    async with talking(BLOCKED, UNKNOWN) as (alice, edge, since):
        for partner, name in ((BLOCKED, "edge.partner-blocked"), (UNKNOWN, "edge.partner-unknown")):
            check_refused(await partner.agent.message(alice.aor, b"in"), 403, name, edge, since)
            check_refused(await alice.message(partner.agent.aor, b"out"), 403, name, edge, since)
        central = WORLD.lab.contoso.central
        central.entente("topology", "set", "deployment/partner_discovery", "true")
        WORLD.lab.contoso.publish("discovery on")
        response = await UNKNOWN.agent.message(alice.aor, b"discovered")
        check_equal((response.status, [r.body for r in alice.got]), (200, [b"discovered"]), str(response.headers))
        event = edge.wait_event("edge.identity-proven", EVENT_S, since, domain=UNKNOWN.domain)
        check_equal(event["rule"], "a", str(event))
        check_refused(await BLOCKED.agent.message(alice.aor, b"in"), 403, "edge.partner-blocked", edge, since)
        central.entente("topology", "set", "deployment/partner_discovery", "false")
        WORLD.lab.contoso.publish("discovery off")
        check_refused(await UNKNOWN.agent.message(alice.aor, b"in"), 403, "edge.partner-unknown", edge, since)


async def test_srv_names_setting():
    "rule c is a setting: a partner without srv_names is not proven by its SRV target"
    async with talking(BY_SRV) as (alice, edge, since):
        central = WORLD.lab.contoso.central
        central.entente("topology", "set", "partners/partner.example/srv_names", "false")
        WORLD.lab.contoso.publish("no SRV names")
        check_refused(await BY_SRV.agent.message(alice.aor, b"x"), 403, "edge.sender-not-proven", edge, since)
        central.entente("topology", "set", "partners/partner.example/srv_names", "true")
        WORLD.lab.contoso.publish("SRV names")
        check_equal((await BY_SRV.agent.message(alice.aor, b"x")).status, 200, "again")


async def test_asserted_identity():
    "P-Asserted-Identity: not proven is removed, proven is kept, and stands for an anonymous From"
    async with talking(BY_SRV) as (alice, edge, since):
        agent = BY_SRV.agent
        for identity, kept in (("<sip:ceo@bank.example>", None), ("<sip:eve@partner.example>", "eve@partner.example"),
                               ("<sip:boss@contoso.example>", None)):
            response = await agent.send(message(agent, alice.aor, P_Asserted_Identity=identity))
            check_equal(response.status, 200, identity)
            seen = [v for n, v in alice.got[-1].headers if n.lower() == "p-asserted-identity"]
            check(any(kept in v for v in seen) if kept else not seen, f"{identity} arrived as {seen}")
        nobody = f'"Anonymous" <sip:anonymous@anonymous.invalid>;tag={new_tag()}'
        known = message(agent, alice.aor, From=nobody, P_Asserted_Identity="<sip:eve@partner.example>")
        check_equal((await agent.send(known)).status, 200, "anonymous with an identity")
        unknown = message(agent, alice.aor, From=nobody)
        check_refused(await agent.send(unknown), 433, "edge.sender-anonymous", edge, since)
        false = message(agent, alice.aor, From=nobody, P_Asserted_Identity="<sip:x@named.example>")
        check_refused(await agent.send(false), 403, "edge.sender-not-proven", edge, since)


async def test_extension():
    "Proxy-Require: ms-benotify of Lync clients passes; an unknown extension gets 420 and its name"
    async with talking(BY_SRV) as (alice, edge, since):
        agent = BY_SRV.agent
        check_equal((await agent.send(message(agent, alice.aor, Proxy_Require="ms-benotify"))).status, 200, "inwards")
        check_equal((await alice.send(message(alice, agent.aor, Proxy_Require="ms-benotify"))).status, 200, "outwards")
        response = await agent.send(message(agent, alice.aor, Proxy_Require="no-such-thing"))
        check_refused(response, 420, "element.bad-extension", edge, since)
        check_equal(response.get("Unsupported"), "no-such-thing", "Unsupported")


async def test_sips():
    "sips: up to the user over TLS, with sips: in Record-Route; to a user who signed in over TCP it does not go"
    async with talking(BY_SRV) as (alice, edge, since):
        agent, front_end = BY_SRV.agent, WORLD.lab.contoso.machines["fe1"]
        fe_since = front_end.log_end()
        invite = agent.new_request("INVITE", f"sips:{alice.aor}")
        invite.add("Contact", f"<sips:{agent.aor}>")
        response = await agent.send(invite)
        check_equal(response.status, 200, str(response.headers))
        routes = [value for row in response.all("Record-Route") for value in row.split(",")]
        check(len(routes) >= 3 and all(value.strip().startswith("<sips:") for value in routes), f"routes: {routes}")
        bob = WORLD.lab.contoso.user_agent(1, "TCP")
        await bob.start()
        try:
            check_equal((await agent.message(bob.aor, b"plain")).status, 200, "sip:")
            refused = await agent.send(agent.new_request("MESSAGE", f"sips:{bob.aor}"))
            check_refused(refused, 480, "front-end.sips-not-possible", front_end, fe_since)
        finally:
            await bob.stop()


# --- tokens ---
@contextlib.asynccontextmanager
async def in_call():
    """A call that partner.example made to alice, with pinned.example's connection beside it."""
    async with talking(BY_SRV, BY_PIN) as (alice, edge, since):
        call = await BY_SRV.agent.invite(alice.aor)
        check(any("@" in route for route in call.routes), f"a token is in the route set: {call.routes}")
        try:
            yield alice, edge, since, call
        finally:
            check_equal((await call.bye()).status, 200, "the call itself goes on until its BYE")
            check_equal(alice.incoming[0].ended.result(), "bye", "and ends at the user")


def split_token(route):
    """(before, token, after) of a Record-Route value <sip:TOKEN@host…>."""
    head, _, tail = route.partition("@")
    start = head.rindex(":") + 1
    return head[:start], head[start:], "@" + tail


def altered(route, place):
    before, token, after = split_token(route)
    letter = "A" if token[place] != "A" else "B"
    text = list(token)
    text[place] = letter
    return before + "".join(text) + after


async def test_name_in_record_route():
    "Record-Route names what our certificate proves, so that who follows it finds whom it expects (RFC 5922 7.5)"
    async with in_call() as (alice, edge, since, call):
        host, _, port = re.match(r"@([^:;>]+)(:(\d+))?", split_token(call.routes[0])[2]).groups()
        context = ssl.create_default_context(cafile=WORLD.lab.contoso.authority.cert)
        context.load_cert_chain(BY_SRV.pair.cert, BY_SRV.pair.key)
        address = WORLD.lab.contoso.address("edge-old1", external=True)
        for name, proven in ((host, True), ("contoso.example", False)):
            with socket.create_connection((address, int(port or 5061)), EVENT_S) as sock:
                try:
                    context.wrap_socket(sock, server_hostname=name).close()
                    held = True
                except ssl.SSLCertVerificationError:
                    held = False
            check_equal(held, proven, f"{name} by the certificate")


async def test_token_altered():
    "a token with one letter changed, anywhere, is refused"
    async with in_call() as (alice, edge, since, call):
        length = len(split_token(call.routes[0])[1])
        for place in (0, 3, 8, length // 2, length - 6):
            request = call.new_request("INFO")
            request.remove("Route")
            for i, route in enumerate(call.routes):
                request.headers.insert(1 + i, ("Route", altered(route, place) if i == 0 else route))
            response = await BY_SRV.agent.send(request)
            check(response.status == 403, f"place {place}: {response.status}")
            check(refusal_id(response) in ("edge.token-altered", "edge.token-malformed", "edge.token-unknown-key"),
                  f"place {place}: {response.headers}")
            edge.wait_event(refusal_id(response), EVENT_S, since, call_id=call.call_id)
            if place == length - 6:
                check_equal(refusal_id(response), "edge.token-altered", "in the MAC")
        check_equal((await call.info(b"good")).status, 200, "unchanged it passes")


async def test_token_replayed():
    "a token in another dialog (another Call-ID, another tag) is refused; a request with a tag and no token, too"
    async with in_call() as (alice, edge, since, call):
        agent = BY_SRV.agent
        other = call.new_request("INFO")
        other.set("Call-ID", new_call_id())
        check_refused(await agent.send(other), 403, "edge.token-altered", edge, since)
        tagged = call.new_request("INFO")
        tagged.set("From", f"<{agent.uri}>;tag={new_tag()}")
        tagged.set("To", f"<sip:{alice.aor}>;tag={new_tag()}")
        check_refused(await agent.send(tagged), 403, "edge.token-altered", edge, since)
        bare = call.new_request("INFO")
        bare.remove("Route")
        bare.uri = f"sip:{alice.aor}"
        check_refused(await agent.send(bare), 403, "edge.token-missing", edge, since)


async def test_token_of_the_wrong_side():
    "the token that faces inside, one token twice, and the other side's role are refused from outside"
    async with in_call() as (alice, edge, since, call):
        def routed(*routes):
            request = call.new_request("INFO")
            request.remove("Route")
            for i, route in enumerate(routes):
                request.headers.insert(1 + i, ("Route", route))
            return request
        outer, inner = call.routes[:2]
        agent = BY_SRV.agent
        check_refused(await agent.send(routed(inner)), 403, "edge.token-wrong-connection", edge, since)
        check_refused(await agent.send(routed(outer, outer)), 403, "edge.token-altered", edge, since)
        swapped = call.new_request("INFO")
        one, other = swapped.get("From"), swapped.get("To")
        swapped.set("From", other)
        swapped.set("To", one)
        check_refused(await agent.send(swapped), 403, "edge.token-wrong-connection", edge, since)


async def test_token_of_another_partner():
    "a token on the connection of another partner is refused: edge.token-wrong-connection"
    async with in_call() as (alice, edge, since, call):
        stolen = call.new_request("INFO")
        response = await BY_PIN.agent.send(stolen)
        check_refused(response, 403, "edge.token-wrong-connection", edge, since)


async def test_ack_has_no_response():
    "an ACK that is refused gets no response, and the connection goes on"
    async with in_call() as (alice, edge, since, call):
        agent = BY_SRV.agent
        before = list(BY_SRV.notes)
        ack = call.new_request("ACK", 1)
        ack.remove("Route")
        ack.uri = f"sip:{alice.aor}"
        branch = new_branch()
        host, port = agent.flow.local
        ack.headers.insert(0, ("Via", f"SIP/2.0/TLS {host}:{port};branch={branch};rport"))
        agent.flow.send(ack.write())
        edge.wait_event("edge.token-missing", EVENT_S, since, call_id=call.call_id)
        stray = call.new_request("ACK", 1)
        stray.set("Call-ID", new_call_id())
        stray.headers.insert(0, ("Via", f"SIP/2.0/TLS {host}:{port};branch={new_branch()};rport"))
        agent.flow.send(stray.write())
        check_equal((await agent.message(alice.aor, b"later")).status, 200, "what follows on the connection")
        notes = [n for n in BY_SRV.notes[len(before):] if "response" in n[0]]
        check_equal(notes, [], "responses to the ACK")


async def test_callee_token():
    "a call that began inside: the partner's requests within it pass by its token; blocked meanwhile, they do not"
    async def answer(call):
        answered.append(call)
        await call.accept()
    answered = []
    async with talking(BY_SRV, on_call=answer) as (alice, edge, since):
        call = await alice.invite(BY_SRV.agent.aor)
        far = answered[0]
        check_equal(((await far.info(b"1")).status, (await call.info(b"2")).status), (200, 200), "both ways")
        check_equal((await far.reinvite()).status, 200, "re-INVITE of the callee")
        central = WORLD.lab.contoso.central
        central.entente("partner", "block", "partner.example")
        WORLD.lab.contoso.publish("blocked in the middle")
        check_refused(await far.info(b"3"), 403, "edge.partner-blocked", edge, since)
        central.entente("partner", "allow", "partner.example")
        WORLD.lab.contoso.publish("allowed again")
        check_equal((await far.bye()).status, 200, "BYE")
        check_equal(call.ended.result(), "bye", "at the user")


async def test_not_registered():
    "a user who is not there: the answer that comes from inside reaches the partner with its id"
    async with talking(BY_SRV) as (alice, edge, since):
        absent = f"{WORLD.lab.contoso.users[1][0]}@contoso.example"
        for who, status, name in ((absent, 480, "front-end.not-registered"),
                                  ("nobody@contoso.example", 404, "front-end.no-such-user")):
            response = await BY_SRV.agent.message(who, b"x")
            check_equal((response.status, refusal_id(response)), (status, name), who)
        with contextlib.suppress(CallFailed):
            await BY_SRV.agent.invite(absent)
            check(False, "a call to nobody")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
