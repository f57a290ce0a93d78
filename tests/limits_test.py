#!/usr/bin/env python3
"""Strangers at the Access Edge's external port: what they may take of connections, handshakes and time ends at the limits of
the topology, the log says so once, and a partner beside them is served as ever."""

import contextlib
import os
import select
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import SANITIZED, check, check_equal, wait_until

from lab.sipmsg import new_branch, new_call_id, new_tag

PARTNER = Partner("partner.example")
STRANGER = Partner("stranger.example", allow=False)
BLOCKED = Partner("blocked.example", allow=False)
LIMITS = {"source_connections": 20, "source_handshakes": 10, "source_handshake_rate": 10000, "source_requests": 5,
          "handshake_s": 2, "message_s": 2, "untrusted_idle_s": 3}


def limited(topology):
    topology["limits"] = dict(LIMITS)
    topology.setdefault("partners", []).append({"domain": BLOCKED.domain, "policy": "blocked"})


WORLD = World(lambda: contoso([PARTNER, STRANGER, BLOCKED], adjust=limited))


def edge_address():
    return WORLD.up().contoso.address("edge-old1", external=True)


def connect(address):
    s = socket.socket()
    s.bind((address, 0))
    s.settimeout(EVENT_S)
    s.connect((edge_address(), 5061))
    return s


def speak(partner, address=None):
    """A TLS connection with the partner's certificate."""
    partner.pair = partner.pair or WORLD.ca.issue(partner.domain, partner.names, file=f"edge-{partner.domain}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(WORLD.lab.contoso.authority.cert)
    context.load_cert_chain(partner.pair.cert, partner.pair.key)
    return context.wrap_socket(connect(address or partner.address), server_hostname=EDGE_NAME)


def options(domain, call_id=None, body=""):
    """A partner's test of the connection: the Edge itself answers 200 when the domain is proven."""
    return (f"OPTIONS sip:{EDGE_NAME}:5061 SIP/2.0\r\nVia: SIP/2.0/TLS sip.{domain};branch={new_branch()}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{domain}>;tag={new_tag()}\r\nTo: <sip:{EDGE_NAME}>\r\n"
            f"Call-ID: {call_id or new_call_id()}\r\nCSeq: 1 OPTIONS\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def answer(s):
    """(status, head) of the next message, None at the end of the stream."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        data = s.recv(1)
        if not data:
            return None
        seen += data
    return int(seen.split()[1]), seen.decode()


def ended(sockets):
    """How many of them the Edge has closed by now."""
    ready = select.select(sockets, [], [], 0)[0]
    gone = 0
    for s in ready:
        with contextlib.suppress(ConnectionError):
            if s.recv(65536):
                continue
        gone += 1
    return gone


def served(partner=PARTNER):
    with speak(partner) as s:
        s.sendall(options(partner.domain))
        check_equal(answer(s)[0], 200, "the partner is served")


def counter(name):
    return WORLD.edge().counters().get(name, 0)


def test_handshakes():
    "handshakes of one address are bounded before any TLS work, slow ones end, the log says it once"
    address = WORLD.up().net.address("silent")
    edge, since = WORLD.edge(), WORLD.edge().log_end()
    began, sockets = time.monotonic(), [connect(address) for _ in range(50)]
    wait_until(lambda: ended(sockets) >= 40, EVENT_S, "forty of fifty connections are closed at once")
    served()  # from another address
    wait_until(lambda: ended(sockets) == 50, EVENT_S, "the rest when the time for a handshake is over")
    check(time.monotonic() - began >= LIMITS["handshake_s"], "not before")
    edge.wait_event("element.source-handshakes", EVENT_S, since)
    check_equal(len(edge.events("element.source-handshakes", since)), 1, "lines")
    check(counter("element.source-handshakes") >= 40, "the counter has all of them")
    for s in sockets:
        s.close()


def test_connections():
    "connections of a stranger are bounded; a partner's are not, even behind the same address"
    edge, since = WORLD.edge(), WORLD.edge().log_end()
    refused, strangers = 0, []
    for _ in range(LIMITS["source_connections"] + 5):
        try:
            s = speak(STRANGER)
            s.sendall(options(STRANGER.domain))
            check_equal(answer(s)[0], 403, "a stranger is refused")
            strangers.append(s)
        except (ConnectionError, ssl.SSLError, TypeError):
            refused += 1
    check_equal((len(strangers), refused), (LIMITS["source_connections"], 5), "strangers let in and refused")
    edge.wait_event("element.source-connections", EVENT_S, since)
    partners = [speak(PARTNER) for _ in range(3 * LIMITS["source_connections"])]
    for s in partners:
        s.sendall(options(PARTNER.domain))
    check_equal({answer(s)[0] for s in partners}, {200}, "a partner's connections")
    for s in strangers + partners:
        s.close()
    # the partner was here: a stranger behind its address takes nothing from it
    strangers = [speak(STRANGER, PARTNER.address) for _ in range(LIMITS["source_connections"] + 5)]
    served()
    for s in strangers:
        s.close()


def test_slow_message():
    "a header or a body that does not come to its end closes the connection; one that is slow and ends does not"
    edge = WORLD.up() and WORLD.edge()
    whole = options(PARTNER.domain, body="0123456789")
    header, body = whole[:100], whole[:-5]
    for what, part in (("header", header), ("body", body)):
        since = edge.log_end()
        with speak(PARTNER, WORLD.lab.net.address(f"slow {what}")) as s:
            s.sendall(options(PARTNER.domain))
            check_equal(answer(s)[0], 200, what)
            began = time.monotonic()
            s.sendall(part)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                check_equal(s.recv(1), b"", f"slow {what}: closed")
            check(time.monotonic() - began >= LIMITS["message_s"] - 0.5, f"slow {what}: not at once")
        edge.wait_event("element.slow-message", EVENT_S, since)
    with speak(PARTNER) as s:
        s.sendall(whole[:50])
        time.sleep(0.2)
        s.sendall(whole[50:])
        check_equal(answer(s)[0], 200, "slow enough")


def test_idle_stranger():
    "a connection that proves nobody, or whom we blocked, is closed when it is idle; a partner's stays"
    WORLD.up()
    with speak(STRANGER) as stranger, speak(BLOCKED) as blocked, speak(PARTNER) as partner:
        began = time.monotonic()
        stranger.sendall(b"\r\n\r\n")  # keep-alives do not count
        check_equal(stranger.recv(2), b"\r\n", "the answer to a keep-alive")
        check_equal(stranger.recv(1), b"", "closed")
        check_equal(blocked.recv(1), b"", "that of a blocked partner, too")
        check(time.monotonic() - began >= LIMITS["untrusted_idle_s"] - 0.5, "not at once")
        partner.sendall(options(PARTNER.domain))
        check_equal(answer(partner)[0], 200, "the partner's")


def test_requests_of_a_stranger():
    "requests of a stranger are held to a rate: 503 with Retry-After; a partner sends as fast as it likes"
    edge, since = WORLD.up() and WORLD.edge(), WORLD.edge().log_end()
    with speak(STRANGER, WORLD.lab.net.address("fast stranger")) as s:
        got = []
        for _ in range(100):
            s.sendall(options(STRANGER.domain))
            got.append(answer(s))
        statuses = [status for status, _ in got]
        check(30 > statuses.count(403) >= 25, f"answered up to the rate: {statuses}")
        limited_one = next(head for status, head in got if status == 503)
        check("Retry-After:" in limited_one, limited_one)
    edge.wait_event("element.source-requests", EVENT_S, since)
    check_equal(len(edge.events("element.source-requests", since)), 1, "lines")
    with speak(PARTNER) as s:
        for _ in range(100):
            s.sendall(options(PARTNER.domain))
            check_equal(answer(s)[0], 200, "a partner")


def test_total():
    "when all connections are taken, strangers are refused and the reserve serves those who are known"
    central = WORLD.up().contoso.central
    served()
    central.entente("topology", "set", "limits/connections", "30")
    WORLD.lab.contoso.publish("few connections")
    edge, since = WORLD.edge(), WORLD.edge().log_end()
    sockets = [connect(WORLD.lab.net.address(f"crowd {i // 10}")) for i in range(40)]
    edge.wait_event("element.connections-full", EVENT_S, since)
    served()
    for s in sockets:
        s.close()
    central.entente("topology", "set", "limits/connections", "1000")
    WORLD.lab.contoso.publish("many connections")
    wait_until(lambda: speak(STRANGER).close() is None, EVENT_S, "room for strangers again")


def test_coming_and_going():
    "thousands of connections that are closed, reset or half closed before, in and after a handshake: nothing stays of them"
    edge = WORLD.up() and WORLD.edge()
    process = Path(f"/proc/{edge.process.pid}")
    crowd = WORLD.lab.net.address("coming and going")
    served()

    def sockets():
        return len(list((process / "fd").iterdir()))

    def memory_kib():
        return int((process / "status").read_text().split("VmRSS:")[1].split()[0])

    def come_and_go(n):
        for i in range(n):
            s = connect(crowd)
            if i % 4 == 1:
                s.sendall(b"\x16\x03\x01")  # a record begins
            if i % 4 == 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
            if i % 4 == 3:
                s.shutdown(socket.SHUT_WR)
                s.recv(1)
            s.close()

    before = sockets()
    come_and_go(1000)  # what is allocated once
    wait_until(lambda: sockets() <= before, EVENT_S, "no socket stays")
    used = memory_kib()
    come_and_go(20000 if os.environ.get("SOAK") else 3000)
    wait_until(lambda: sockets() <= before, EVENT_S, "no socket stays")
    check(SANITIZED or memory_kib() - used < 4096, f"memory {used} KiB, then {memory_kib()} KiB")
    half = [speak(PARTNER) for _ in range(20)]
    for i, s in enumerate(half):
        if i % 2:
            s.sendall(options(PARTNER.domain)[:50 + i])
        socket.socket.shutdown(s, socket.SHUT_WR)
    wait_until(lambda: ended(half) == len(half), EVENT_S, "half closed within a message, without close_notify: ended")
    for s in half:
        s.close()
    wait_until(lambda: sockets() <= before, EVENT_S, "no socket stays")
    served()


if __name__ == "__main__":
    run_with(WORLD, globals())
