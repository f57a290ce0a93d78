#!/usr/bin/env python3
"""The parts of the lab against what is not ours: Kamailio, Knot, openssl; and the ledger against planted faults."""

import asyncio
import json
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from kamailio import Kamailio, partner_route
from tap import check, check_equal, run, wait_until

from lab import dnsclient, pki
from lab.dns import Dns
from lab.drive import GeneratorProcess
from lab.generator import Generator
from lab.ledger import lost_anything
from lab.net import Net
from lab.sip import CallFailed, FrontEnd, RegisterFailed, UserAgent, server_tls
from lab.sipmsg import Credentials, Framer, Message, NameAddr, split_commas, uri_aor

FOLDER = Path(tempfile.mkdtemp(prefix="entente-lab-test-"))
NET = Net()
DOMAINS = ("contoso.example", "fabrikam.example")


def authority():
    if not hasattr(authority, "made"):
        authority.made = pki.Authority(FOLDER / "ca")
        authority.server = authority.made.issue("fe.contoso.example", ["fe.contoso.example"])
    return authority.made


def kamailio(name, **options):
    authority()
    return Kamailio(FOLDER / name, NET.address("kamailio"), certificate=authority.server, **options)


def front_end(transport):
    port = 5061 if transport == "TLS" else 5060
    return FrontEnd(transport, NET.address("kamailio"), port, "fe.contoso.example", authority().cert)


# --- formats ---
def test_messages():
    "messages: compact names, folding, lists, framing in pieces"
    text = (b"MESSAGE sip:b@x SIP/2.0\r\nv: SIP/2.0/TCP a:5060;branch=z9hG4bK1,\r\n SIP/2.0/UDP b;branch=z9hG4bK2\r\n"
            b"f: \"A, B\" <sip:a@X.example;p=1>;tag=1\r\nt: <sip:b@x>\r\ni: 1\r\nCSeq: 7 MESSAGE\r\nl: 2\r\n\r\nhi")
    out = []
    framer = Framer()
    for i in range(len(text)):
        out += framer.feed(text[i:i + 1])
    check_equal(len(out), 1, "messages")
    m = out[0]
    check_equal([m.top_via().branch, len(m.all("Via")), m.body, m.cseq], ["z9hG4bK1", 2, b"hi", (7, "MESSAGE")], "it")
    check_equal(m.tag("From"), "1", "tag")
    check_equal(uri_aor(NameAddr.parse(m.get("From")).uri), "a@x.example", "From")
    check_equal(split_commas('<sip:a;x=1,2>, "b,c" <sip:d>'), ["<sip:a;x=1,2>", '"b,c" <sip:d>'], "list")
    check_equal(Framer().feed(b"\r\n\r\n"), [None], "ping")
    check_equal(Message.parse(m.write()).body, b"hi", "written and read")


def test_digest():
    "digest: the examples of RFC 2617 and RFC 7616"
    rows = [("MD5", "Circle Of Life", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b",
             "6629fae49393a05397450978507c4ef1"),
            ("SHA-256", "Circle of Life", "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
             "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
             "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")]
    for algorithm, password, realm, nonce, cnonce, want in rows:
        challenge = Message(status=401)
        challenge.add("WWW-Authenticate", f'Digest realm="{realm}", qop="auth,auth-int", algorithm={algorithm}, '
                                          f'nonce="{nonce}", opaque="x"')
        credentials = Credentials("Mufasa", password)
        check(credentials.take(challenge), "challenge")
        check(f'response="{want}"' in credentials.answer("GET", "/dir/index.html", cnonce), algorithm)


# --- user agents between themselves ---
async def test_user_agents():
    "two user agents: message, call, INFO, re-INVITE and BYE from both ends, CANCEL; UDP, TCP and TLS"
    tls = server_tls(pki.Pair(*authority_server()))
    for transport in ("UDP", "TCP", "TLS"):
        got = []

        async def answer(call):
            call.ring()
            await call.accept()

        bob = UserAgent("bob@x.example", on_message=lambda ua, r: got.append(r.body), on_call=answer)
        address, port = await bob.listen(transport, "127.0.0.1", 0, tls if transport == "TLS" else None)
        alice = UserAgent("alice@x.example", None, FrontEnd(transport, address, port, "fe.contoso.example",
                                                            authority().cert))
        await alice.attach()
        check_equal([(await alice.message("bob@x.example", b"hi")).status, got], [200, [b"hi"]], "MESSAGE")
        check_equal((await alice.options("bob@x.example")).status, 200, "OPTIONS")
        call = await alice.invite("bob@x.example")
        far = next(iter(bob.calls.values()))
        await far.wait_ack()
        for step in (call.info(b"1"), far.info(b"2"), call.reinvite(), far.reinvite(), far.bye()):
            check_equal((await step).status, 200, step.__name__)
        check_equal([call.seen.count("INVITE"), far.seen.count("ACK"), call.ended.result()], [1, 2, "bye"], "ends")

        async def ring(call):
            call.ring()
        bob.on_call = ring
        call = alice.start_call("bob@x.example")
        await call.ringing.wait()
        check_equal((await call.cancel()).status, 200, "CANCEL")
        try:
            await call.answered
            check(False, "cancelled, and yet answered")
        except CallFailed as failed:
            check_equal(failed.response.status, 487, "INVITE")
        await alice.stop()
        await bob.stop()


def authority_server():
    authority()
    return authority.server


async def test_udp_loss():
    "UDP: a request whose first datagrams are lost is sent again, and is one message"
    got = []
    bob = UserAgent("bob@x.example", on_message=lambda ua, r: got.append(r.body))
    address, port = await bob.listen("UDP", "127.0.0.1")
    alice = UserAgent("alice@x.example", None, FrontEnd("UDP", address, port))
    await alice.attach()
    send, tries = alice.flow.send, []

    def lossy(data):
        tries.append(data)
        return True if len(tries) == 1 else send(data)
    alice.flow.send = lossy
    check_equal((await alice.message("bob@x.example", b"hi")).status, 200, "answered")
    check_equal([len(tries) >= 2, len(set(tries)), got], [True, 1, [b"hi"]], "sent again, unchanged, once")
    await alice.stop()
    await bob.stop()


async def test_wrong_certificates():
    "a client refuses a server whose certificate is expired, for another name, self-signed or of another CA"
    ca = authority()
    name = "fe.contoso.example"
    for make in (ca.expired, ca.wrong_name, ca.self_signed, ca.other_authority):
        bob = UserAgent("bob@x.example")
        address, port = await bob.listen("TLS", "127.0.0.1", 0, server_tls(make(name)))
        alice = UserAgent("alice@x.example", None, FrontEnd("TLS", address, port, name, ca.cert))
        try:
            await alice.attach()
            check(False, f"{make.__name__} accepted")
        except ssl.SSLCertVerificationError:
            pass
        await bob.stop()
    text = pki.openssl("x509", "-in", ca.server_only(name).cert, "-noout", "-ext", "extendedKeyUsage")
    check("Server" in text and "Client" not in text, text)


# --- the ledger ---
async def test_planted_faults():
    "the ledger finds what is planted: a duplicate, a lost message, a call without its ACK, a call without its BYE"
    g = Generator()

    class Liar(UserAgent):
        def on_request(self, request, transaction):
            number = int(request.body.split()[1]) if request.method == "MESSAGE" else 0
            if request.method == "MESSAGE" and number == 1:
                g.on_message(self, request)
            if request.method == "MESSAGE" and number == 2:
                transaction.respond(transaction.response(200, "liar"))
            elif request.method in self.deaf and (request.method != "BYE" or transaction):
                if transaction:
                    transaction.respond(transaction.response(200))
            else:
                super().on_request(request, transaction)
        deaf = ()

    bob = Liar("b@x.example", on_message=g.on_message, on_call=g.on_call)
    address, port = await bob.listen("TCP", "127.0.0.1")
    alice = UserAgent("a@x.example", None, FrontEnd("TCP", address, port), on_call=g.on_call)
    await alice.attach()
    g.agents = {u.aor: u for u in (alice, bob)}
    g.call_seconds = 0.0
    for _ in range(3):
        await g.one_message(alice, bob)
    for deaf in ((), ("INFO",), ("BYE",)):
        bob.deaf = deaf
        record = g.new_call(alice, bob, False)
        await g.judge(record, g.short_call(record, 0))
    report = g.report()
    totals = report["totals"]
    check_equal(totals["messages"], {"sent": 3, "delivered": 2, "lost": 1, "duplicates": 1}, "messages")
    check_equal(totals["calls"], {"made": 3, "good": 1, "dropped": 2}, "calls")
    check_equal([x["where"].split(":")[0] for x in report["losses"]],
                ["200, but it did not arrive", "INFO", "BYE"], "where")
    check(lost_anything(report), "seen as a loss")
    await alice.stop()
    await bob.stop()


# --- Kamailio ---
async def registering(transport, algorithm):
    with kamailio(f"reg-{transport}-{algorithm}", algorithm=algorithm):
        wrong = UserAgent("eve@contoso.example", "wrong", front_end(transport))
        try:
            await wrong.start()
            check(False, "registered with a wrong password")
        except RegisterFailed as failed:
            check_equal(failed.response.status, 401, "wrong password")
        got = []
        bob = UserAgent("bob@contoso.example", "secret", front_end(transport),
                        on_message=lambda ua, r: got.append(r.body))
        alice = UserAgent("alice@contoso.example", "secret", front_end(transport))
        await bob.start()
        await alice.start()
        check_equal(await alice.register(300), 300, "refresh")
        check_equal([(await alice.message(bob.aor, b"hi")).status, got], [200, [b"hi"]], "MESSAGE")
        if transport != "UDP":
            bob.flow.close()
            await bob.flow.lost
            await asyncio.wait_for(bob.ready.wait(), 30)
            check_equal([(await alice.message(bob.aor, b"again")).status, got[-1]], [200, b"again"], "after reconnect")
        await bob.stop()
        response = await alice.message(bob.aor, b"gone")  # 477: the lost connection's binding is still in Kamailio
        check(response.status in (404, 477), f"after removal: {response.status}")
        for agent in (alice, wrong):
            await agent.stop()


async def test_register_udp():
    "Kamailio as registrar over UDP, MD5: register, refresh, message, remove"
    await registering("UDP", "MD5")


async def test_register_tcp():
    "Kamailio as registrar over TCP, MD5: the same, and back after a lost connection"
    await registering("TCP", "MD5")


async def test_register_tls():
    "Kamailio as registrar over TLS, SHA-256: the same"
    await registering("TLS", "SHA-256")


def test_generator():
    "the generator through Kamailio over TLS: messages, calls, long calls, nothing lost, in a process of its own"
    config = {"organisations": [
        {"domain": d, "ca": str(authority().cert), "users": [[f"u{i}", "secret"] for i in range(10)],
         "front_end": {"transport": "TLS", "address": NET.address("kamailio"), "port": 5061,
                       "name": "fe.contoso.example"}} for d in DOMAINS]}
    with kamailio("generator"), GeneratorProcess() as g:
        g.do("register", 60, config=config)
        g.do("hold", 60, calls=10, every=0.5)
        g.do("start", 10, messages=25, calls=3, inside_messages=3, inside_calls=1, call_seconds=0.5)
        g.do("mark", 10, name="half")
        wait_until(lambda: g.report()["totals"]["messages"]["delivered"] >= 100, 120, "100 messages")
        g.do("end-long-calls", 140)
        g.do("stop", 140)
        report = g.quit()
    check(not lost_anything(report), json.dumps([report["losses"][:5], report["events"][-30:]]))
    totals = report["totals"]
    check(totals["messages"]["sent"] == totals["messages"]["delivered"] >= 100, totals)
    check_equal(totals["long_calls"], {"made": 10, "good": 10, "dropped": 0}, "long calls")
    check(totals["calls"]["good"] == totals["calls"]["made"] > 10, totals)
    check_equal(len(report["directions"]), 4, "directions")
    check(all(d["longest_gap_ms"] > 0 for d in report["directions"].values()), "gaps")


async def test_partner_edge():
    "Kamailio as a partner's Edge: mutual TLS in both directions, calls from both ends; no certificate, no service"
    ca, name, outside = authority(), "sip.contoso.example", NET.address("our edge")
    pair = ca.issue(name, [name])
    got = []

    async def answer(call):
        call.ring()
        await call.accept()
    inside = UserAgent("b@fabrikam.example", on_message=lambda ua, r: got.append(r.body), on_call=answer)
    where = await inside.listen("TCP", "127.0.0.1")
    ours = UserAgent("a@contoso.example", None, FrontEnd("TLS", NET.address("kamailio"), 5061, "sip.fabrikam.example",
                                                         ca.cert, certificate=pair),
                     on_message=lambda ua, r: got.append(r.body), on_call=answer)
    await ours.listen("TLS", outside, 5061, server_tls(pair, ca.cert))
    with Kamailio(FOLDER / "partner", NET.address("kamailio"), route=partner_route("fabrikam.example", outside, where),
                  certificate=ca.issue("sip.fabrikam.example", ["sip.fabrikam.example"]), trusted=ca.cert,
                  server_name=name):
        await ours.attach()
        inside.front_end = FrontEnd("TCP", NET.address("kamailio"), 5060)
        await inside.attach()
        check_equal([(await ours.message(inside.aor, b"in")).status, got], [200, [b"in"]], "in")
        check_equal([(await inside.message(ours.aor, b"out")).status, got[-1]], [200, b"out"], "out")
        for caller, callee in ((ours, inside), (inside, ours)):
            call = await caller.invite(callee.aor)
            check_equal([(await call.info(b"x")).status, (await call.bye()).status], [200, 200], "call")
        nobody = UserAgent("c@contoso.example", None, FrontEnd("TLS", NET.address("kamailio"), 5061,
                                                               "sip.fabrikam.example", ca.cert))
        try:
            await nobody.attach()
            response = await nobody.message(inside.aor, b"no")
            check_equal(response.status, 503, "without a certificate")
        except OSError:
            pass
    check_equal(got, [b"in", b"out"], "messages")
    for agent in (ours, inside, nobody):
        await agent.stop()


# --- Knot ---
async def test_dns():
    "Knot: SRV with addresses, an update with TSIG is seen by the next query, one without is refused; TTL is kept"
    dns = Dns(FOLDER / "dns", NET.address("dns"), {
        "contoso.example": [("sip.contoso.example", "A", "127.0.0.5"),
                            ("_sipfederationtls._tcp.contoso.example", "SRV", "0 0 5061 sip.contoso.example.")],
        "fabrikam.example": [("sip.fabrikam.example", "A", "127.0.0.9", 1)]})
    dns.start()
    try:
        client = dnsclient.DnsClient(dns.address, dns.port)
        check_equal(await client.targets("_sipfederationtls._tcp.contoso.example"),
                    [("sip.contoso.example", "127.0.0.5", 5061)], "targets")
        dns.replace("sip.contoso.example", "A", "127.0.0.6")
        check_equal(dns.query("sip.contoso.example", "A"), ["127.0.0.6"], "the next query")
        check_equal(await client.a("sip.contoso.example"), [("127.0.0.5", 10)], "kept for its TTL")
        check_equal(await dnsclient.DnsClient(dns.address, dns.port).a("sip.contoso.example"), [("127.0.0.6", 10)],
                    "another client")
        try:
            await client.a("no.contoso.example")
            check(False, "an answer for a name that does not exist")
        except dnsclient.DnsError as error:
            check_equal(error.rcode, 3, "rcode")
        try:
            dns.update("contoso.example", "add x.contoso.example. 10 A 127.0.0.1", signed=False)
            check(False, "an unsigned update was taken")
        except RuntimeError as error:
            check("NOTAUTH" in str(error), error)
    finally:
        dns.stop()


# --- the rest ---
def test_net():
    "two labs have two prefixes; a prefix that is held is not given again"
    other = Net()
    check(other.prefix != NET.prefix, other.prefix)
    try:
        Net(other.prefix)
        check(False, "the same prefix twice")
    except OSError:
        pass
    other.close()
    check_equal(NET.address("dns"), NET.address("dns"), "stable")


def test_pki():
    "certificates carry the names that were asked for, and openssl verifies them"
    ca = pki.Authority(FOLDER / "pki")
    pair = ca.issue("sip.contoso.example", ["sip.contoso.example", "URI:sip:contoso.example"])
    text = pki.openssl("x509", "-in", pair.cert, "-noout", "-text")
    for part in ("DNS:sip.contoso.example", "URI:sip:contoso.example", "Client Authentication"):
        check(part in text, part)
    pki.openssl("verify", "-CAfile", ca.cert, "-purpose", "sslclient", pair.cert)
    for bad in (ca.expired("sip.contoso.example"), ca.self_signed("sip.contoso.example"),
                ca.other_authority("sip.contoso.example")):
        done = subprocess.run(["openssl", "verify", "-CAfile", ca.cert, bad.cert], capture_output=True)
        check(done.returncode != 0, f"{bad.cert} verifies")


if __name__ == "__main__":
    try:
        run(globals())
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
