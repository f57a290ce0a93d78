#!/usr/bin/env python3
"""openssl s_client at the Access Edge's external port: every kind of certificate is accepted or refused as stated, and
the log line names the reason."""

import contextlib
import hashlib
import itertools
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import check, check_equal

from lab import pki
from lab.sipmsg import new_branch, new_call_id, new_tag

PARTNER = Partner("partner.example")
ANSWER_S = 20.0
HANDSHAKE = "element.tls-failed"


WORLD = World(lambda: contoso([PARTNER], users=0))
NUMBERS = itertools.count(1)


def source():
    """An address of its own for each connection, by which its log lines are found."""
    return WORLD.up().net.address(f"client {next(NUMBERS)}")


def options(domain="partner.example"):
    """A partner's test of the connection: the Edge itself answers 200 when the domain is proven."""
    return (f"OPTIONS sip:{EDGE_NAME}:5061 SIP/2.0\r\nVia: SIP/2.0/TLS sip.{domain};branch={new_branch()}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{domain}>;tag={new_tag()}\r\nTo: <sip:{EDGE_NAME}>\r\n"
            f"Call-ID: {new_call_id()}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode()


class Client:
    """openssl s_client, from an address of its own."""

    def __init__(self, pair=None, *more, external=True):
        """external: that side's name and certificate are verified by s_client as well."""
        self.address = source()
        host = WORLD.lab.contoso.address("edge-old1", external=external)
        command = ["openssl", "s_client", "-connect", f"{host}:5061", "-bind", f"{self.address}:0", *more]
        if external:
            command += ["-servername", EDGE_NAME, "-verify_hostname", EDGE_NAME, "-CAfile",
                        str(WORLD.lab.contoso.authority.cert), "-verify_return_error"]
        if pair:
            command += ["-cert", str(pair.cert), "-key", str(pair.key)]
        self.since = WORLD.edge().log_end()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.seen = self.head = b""

    def send(self, data):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def read_until(self, pattern, seconds=ANSWER_S):
        """The match in what it printed, None when it ended before."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            ready = select.select([self.process.stdout], [], [], max(0, left))[0]
            data = self.process.stdout.read1(65536) if ready else b""
            if not data:
                return None
            self.seen += data
        return found

    def close(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, domain="partner.example"):
        """The status of OPTIONS through the connection; None when the connection ended instead."""
        if not self.head:
            self.read_until(rb"Verify return code: \d+[^\n]*\n(.*\n)*?---\n")
        self.send(options(domain))
        found = self.read_until(rb"SIP/2\.0 (\d+)[^$]*?Content-Length: 0")
        self.head = self.head or self.seen
        self.seen = self.seen[found.end():] if found else self.seen
        return int(found.group(1)) if found else None

    def event(self, name):
        """The log line of this connection with this id."""
        deadline = time.monotonic() + EVENT_S
        while True:
            for event in WORLD.edge().events(name, self.since):
                if event.get("peer", "").startswith(self.address + ":"):
                    return event
            check(time.monotonic() < deadline, f"no {name} for {self.address}: {WORLD.edge().tail()}")
            time.sleep(0.02)


def refused(pair, words, *more):
    """The handshake fails and the log says why."""
    with Client(pair, *more) as client:
        check_equal(client.ask(), None, f"answered, but should be refused for {words!r}")
        event = client.event(HANDSHAKE)
        check(words in event["text"], f"the log says {event['text']!r}, not {words!r}")
        check_equal(event["side"], "external", str(event))


def accepted(pair, *more):
    with Client(pair, *more) as client:
        check_equal(client.ask(), 200, client.seen.decode(errors="replace")[-1500:])


def issue(**options):
    WORLD.up()
    name = f"case-{next(NUMBERS)}"
    return WORLD.ca.issue(name, ["sip.partner.example"], file=name, **options)


def test_good():
    "a good certificate: accepted over TLS 1.3 and 1.2, the rule is logged; ours is verified by s_client"
    pair = issue()
    accepted(pair, "-tls1_3")
    accepted(pair, "-tls1_2")
    with Client(pair) as client:
        check_equal(client.ask(), 200, "OPTIONS")
        check(b"Verification: OK" in client.head, "our certificate is verified")
        check_equal(client.event("edge.identity-proven")["rule"], "c", "rule")


def test_wrong_authority():
    "a certificate of an authority that nobody trusts, and a self-signed one: refused, with the reason in the log"
    WORLD.up()
    refused(WORLD.ca.other_authority("sip.partner.example"), "unknown issuer")
    refused(WORLD.ca.self_signed("sip.partner.example"), "self-signed certificate")


def test_dates():
    "expired, and not yet valid (a clock that is minutes behind): refused, with the reason in the log"
    refused(issue(dates=("20200101000000Z", "20200201000000Z")), "certificate has expired")
    refused(issue(dates=(stamp(600), stamp(86400))), "certificate is not yet valid")
    refused(issue(dates=(stamp(-86400), stamp(-600))), "certificate has expired")
    accepted(issue(dates=(stamp(-600), stamp(600))))


def stamp(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


def test_wrong_name():
    "a good chain for another name: the handshake stands, the request is refused as not proven, naming the certificate"
    WORLD.up()
    with Client(WORLD.ca.wrong_name("sip.partner.example")) as client:
        check_equal(client.ask(), 403, "OPTIONS")
        event = client.event("edge.sender-not-proven")
        check("wrong.invalid" in event["detail"] and "partner.example" in event["detail"], str(event))


def test_no_certificate():
    "no certificate: refused, with the reason in the log"
    WORLD.up()
    refused(None, "peer sent no certificate")


def test_usage():
    "for servers only: accepted by default, refused with accept_server_auth_only off; for clients: accepted"
    server_only = issue(usage="server")
    accepted(server_only)
    accepted(issue(usage="none"))
    accepted(issue(usage="client"))
    central = WORLD.lab.contoso.central
    central.entente("topology", "set", "deployment/accept_server_auth_only", "false")
    WORLD.lab.contoso.publish("both usages")
    refused(server_only, "for servers only")
    accepted(issue())
    central.entente("topology", "set", "deployment/accept_server_auth_only", "true")
    WORLD.lab.contoso.publish("servers only is enough")
    accepted(server_only)


def test_versions():
    "TLS 1.1 and 1.0 are refused, with the reason in the log"
    pair = issue()
    for version in ("-tls1_1", "-tls1"):
        refused(pair, "TLS version is too old", version, "-cipher", "DEFAULT@SECLEVEL=0")


def test_renegotiation():
    "renegotiation (TLS 1.2) is refused; the Edge goes on"
    pair = issue()
    with Client(pair, "-tls1_2") as client:
        check_equal(client.ask(), 200, "before")
        client.send(b"R\n")
        asked = client.read_until(rb"RENEGOTIATING")
        check(asked, "s_client asks for it")
        client.send(options())
        # s_client ends when it is refused; what it says may come in one piece with what it said before
        client.read_until(rb"(?s)RENEGOTIATING.*(no[ _]renegotiation|SIP/2\.0 \d+)")
        after = client.seen[asked.end():]
        check(b"SIP/2.0" not in after, "answered after a renegotiation")
        if not re.search(rb"no[ _]renegotiation", after):
            check_equal(bool(client.process.wait(ANSWER_S)), True, f"s_client failed: {after}")
    accepted(pair)


def plain(data, side_address):
    """What comes back for plain bytes on the TLS port."""
    address = source()
    with socket.create_connection((side_address, 5061), ANSWER_S, source_address=(address, 0)) as sock:
        sock.settimeout(ANSWER_S)
        sock.sendall(data)
        out = b""
        with contextlib.suppress(ConnectionResetError):
            while got := sock.recv(4096):
                out += got
    return address, out


def test_plain_text():
    "plain SIP on the TLS port: closed without a SIP answer, and the log says that it is plain text"
    edge, since = WORLD.edge(), WORLD.edge().log_end()
    address, out = plain(options(), WORLD.lab.contoso.address("edge-old1", external=True))
    check(b"SIP/2.0" not in out, f"an answer: {out[:100]}")
    deadline = time.monotonic() + EVENT_S
    while not (found := [e for e in edge.events(HANDSHAKE, since) if e["peer"].startswith(address + ":")]):
        check(time.monotonic() < deadline, edge.tail())
        time.sleep(0.02)
    check("plain text" in found[0]["text"], str(found))
    accepted(issue())


def test_internal_side():
    "the internal side: no certificate but those of the internal authority, with a machine's name"
    WORLD.up()
    for pair, words in ((issue(), "unknown issuer"), (None, "peer sent no certificate")):
        with Client(pair, external=False) as client:
            check_equal(client.ask(), None, "answered")
            event = client.event(HANDSHAKE)
            check(words in event["text"] and event["side"] == "internal", str(event))


def change(*commands):
    """Commands of central management, published when they are through, with a setting that trust has nothing to do
    with: what is no property of the topology travels with the revision."""
    for command in (*commands, ("topology", "set", "deployment/attempt_ms", str(6000 + next(NUMBERS)))):
        WORLD.lab.contoso.central.entente(*command)
    WORLD.lab.contoso.publish("another trust")


def key_id(pair):
    key = subprocess.run(["openssl", "x509", "-in", str(pair.cert), "-noout", "-pubkey"], capture_output=True, check=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout, capture_output=True, check=True)
    return hashlib.sha256(der.stdout).hexdigest()


def answer(pair, domain, *more):
    with Client(pair, *more) as client:
        return client.ask(domain)


def test_trust_of_their_own():
    "a partner's own authority proves that partner and no other; taken away, it proves nobody, on standing connections too"
    WORLD.up()
    private = pki.Authority(WORLD.lab.folder / "private-ca", "private CA")
    own, forged = (private.issue(d, [d]) for d in ("own.example", "partner.example"))
    public = WORLD.ca.issue("own-public", ["own.example"])
    refused(own, "unknown issuer")
    change(("cert", "trust", "add", "--name", "private", private.cert),
           ("partner", "allow", "own.example", "--trust", "private"))
    check_equal(answer(own, "own.example"), 200, "by its own authority")
    with Client(forged) as client:
        check_equal(client.ask(), 403, "a partner of the public roots, certified by the private authority")
        client.event("edge.sender-not-trusted")
    check_equal(answer(public, "own.example"), 403, "by a public authority, though it has its own")
    with Client(own) as standing:
        check_equal(standing.ask("own.example"), 200, "before")
        change(("cert", "trust", "remove", "--name", "private"))
        check_equal(standing.ask("own.example"), 403, "on the connection that stands")
    refused(own, "unknown issuer")


def test_pinned_key():
    "a pinned key needs no authority and no other one does; another key in its place, and the key is the old one's no more"
    WORLD.up()
    first, second = (pki.Authority(WORLD.lab.folder / f"own-{n}").self_signed("pinned.example") for n in (1, 2))
    public = WORLD.ca.issue("pinned-public", ["pinned.example"])
    thief = pki.Authority(WORLD.lab.folder / "own-3").self_signed("thief.example", "pinned.example")
    change(("partner", "allow", "pinned.example", "--pin-key", key_id(first)),
           ("partner", "allow", "thief.example", "--pin-key", key_id(thief)))
    check_equal(answer(first, "pinned.example"), 200, "the pinned key")
    check_equal(answer(first, "partner.example"), 403, "it proves nobody else")
    check_equal(answer(thief, "thief.example"), 200, "another partner's pinned key")
    check_equal(answer(thief, "pinned.example"), 403, "which names more than its owner")
    check_equal(answer(public, "pinned.example"), 403, "another key of a public authority")
    refused(second, "self-signed certificate")
    session = WORLD.lab.folder / "pinned.session"
    resumed(first, "pinned.example", session)
    change(("partner", "allow", "pinned.example", "--pin-key", key_id(second)))
    refused(first, "self-signed certificate", "-sess_in", str(session))
    check_equal(answer(second, "pinned.example"), 200, "the new pinned key")


def resumed(pair, domain, session):
    """A session is made, written down, and resumed."""
    with Client(pair, "-sess_out", str(session)) as client:
        check_equal(client.ask(domain), 200, "the full handshake")
        check(b"New, TLSv1.3" in client.head, "a full handshake")
    with Client(pair, "-sess_in", str(session)) as client:
        check_equal(client.ask(domain), 200, "resumed")
        check(b"Reused, TLSv1.3" in client.head, client.head.decode(errors="replace")[-500:])


def test_resumed():
    "a session is resumed over an unchanged revision; the partner blocked meanwhile is refused; a root that goes ends it"
    pair, session = issue(), WORLD.lab.folder / "partner.session"
    resumed(pair, "partner.example", session)
    change()
    with Client(pair, "-sess_in", str(session)) as client:
        check_equal(client.ask(), 200, "another revision, the same trust")
        check(b"Reused, TLSv1.3" in client.head, "kept over a revision")
    change(("partner", "block", "partner.example"))
    check_equal(answer(pair, "partner.example", "-sess_in", str(session)), 403, "blocked")
    change(("partner", "allow", "partner.example"))
    with Client(pair, "-sess_in", str(session)) as client:
        check_equal(client.ask(), 200, "allowed again")
    other = pki.Authority(WORLD.lab.folder / "other-root", "another root")
    change(("cert", "trust", "add", other.cert), ("cert", "trust", "remove", fingerprint(WORLD.ca.cert)))
    refused(pair, "unknown issuer", "-sess_in", str(session))
    change(("cert", "trust", "add", WORLD.ca.cert))
    with Client(pair, "-sess_in", str(session)) as client:
        check_equal(client.ask(), 200, "the root is back")
        check(b"New, TLSv1.3" in client.head, "the session fell with the root")


def fingerprint(cert):
    done = subprocess.run(["openssl", "x509", "-in", str(cert), "-outform", "DER"], capture_output=True, check=True)
    return hashlib.sha256(done.stdout).hexdigest()


def test_wildcards():
    "*.partner.example: not for sip.partner.example by default; by a setting of the partner"
    WORLD.up()
    pair = WORLD.ca.issue("wild", ["*.partner.example"])
    check_equal(answer(pair, "partner.example"), 403, "RFC 5922 7.2")
    change(("topology", "set", "partners/partner.example/accept_wildcards", "true"))
    check_equal(answer(pair, "partner.example"), 200, "allowed for this partner")
    change(("topology", "set", "partners/partner.example/accept_wildcards", "false"))
    check_equal(answer(pair, "partner.example"), 403, "and no more")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
