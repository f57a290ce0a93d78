#!/usr/bin/env python3
"""What tortures parsers beside the messages of the standards (rfc_torture_test.py), at the Front End over UDP, TCP and TLS and at
the Access Edge over TLS: each message has its outcome, and the next good one is answered. Messages without end, and what UDP
may answer. Each is made from one that is in order."""

import contextlib
import ssl
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import tormentor
from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import SANITIZED, check, check_equal

from lab.sipmsg import new_branch, new_call_id, new_tag

PARTNER = Partner("partner.example")
ANSWER_S = tormentor.ANSWER_S
LIMITS = {"source_requests": 100000, "source_handshake_rate": 10000, "message_s": 2}
BUILD_MB = 8  # of what has no end


def limited(topology):
    topology["limits"] = dict(LIMITS)
    topology["front_end_pools"][0].update(client_udp_port=5060, client_tcp_port=5060)


WORLD = World(lambda: contoso([PARTNER], users=1, adjust=limited))

# --- outcomes ---
PASS = "pass"      # understood: any answer but one of BAD
BAD = {"400", "416", "420", "482", "483", "485", "505", "513"}
CLOSED, SILENT = "closed", "silent"


class Message:
    """A MESSAGE of a partner's user (Edge) or of nobody known (Front End), as rows that can be changed."""

    def __init__(self, transport, method="MESSAGE", to="user1@contoso.example"):
        self.method, self.line = method, f"{method} sip:{to} SIP/2.0"
        self.call_id = new_call_id()
        self.rows = [("Via", f"SIP/2.0/{transport} sip.partner.example;branch={new_branch()};rport"), ("Max-Forwards", "70"),
                     ("From", f"<sip:eve@partner.example>;tag={new_tag()}"), ("To", f"<sip:{to}>"),
                     ("Call-ID", self.call_id), ("CSeq", f"7 {method}"), ("Content-Type", "text/plain")]
        self.length, self.body, self.after = True, b"hello", b""

    def set(self, name, value, new=None):
        self.rows = [(new or n, value) if n == name else (n, v) for n, v in self.rows]

    def add(self, name, value):
        self.rows.append((name, value))

    def remove(self, name):
        self.rows = [r for r in self.rows if r[0] != name]

    def value(self, name):
        return next(v for n, v in self.rows if n == name)

    def bytes(self):
        head = self.line + "\r\n" + "".join(f"{n}: {v}\r\n" for n, v in self.rows)
        if self.length is True:
            head += f"Content-Length: {len(self.body)}\r\n"
        elif self.length is not None:
            head += self.length
        return head.encode("utf-8", "surrogateescape") + b"\r\n" + self.body + self.after


def adding(name, value):
    return lambda m: m.add(name, value)


def many_vias(m):
    for i in range(240):
        m.add("Via", f"SIP/2.0/UDP h{i}.example;branch=z9hG4bK{i}")


def too_many_rows(m):
    for i in range(300):
        m.add(f"X-{i}", "y")


# name, what is changed, outcome over UDP, outcome on streams (None: the same)
TORTURES = [
    ("in order", lambda m: None, PASS, None),
    ("240 Via rows", many_vias, (PASS, "513", "400"), None),
    ("300 header rows", too_many_rows, "513", None),
    ("NUL in a value", adding("X", "a\0b"), "400", None),
    ("line feeds alone", adding("X", "y\nZ: z"), "400", None),
    ("a row of white space", adding("X", "y\r\n "), "400", "400"),
    ("nested comments", adding("User-Agent", "(" * 2000 + ")" * 2000), PASS, None),
    ("two thousand parameters", lambda m: m.set("Via", m.value("Via") + ";a" * 2000), PASS, None),
]


# --- transports ---
class Udp(tormentor.Udp):
    port = 5060

    def __init__(self):
        super().__init__((WORLD.lab.net.address("tormentor"), 0), (WORLD.lab.contoso.address("fe1"), self.port))

    def good(self):
        return register(self.transport)


class Tcp(Udp, tormentor.Tcp):
    pass


class Tls(Tcp, tormentor.Tls):
    port, pair = 5061, None


class Edge(tormentor.Tls):
    def __init__(self, address=None):
        PARTNER.pair = PARTNER.pair or WORLD.ca.issue(PARTNER.domain, PARTNER.names, file="torture")
        super().__init__((address or PARTNER.address, 0), (WORLD.lab.contoso.address("edge-old1", external=True), 5061),
                         (PARTNER.pair.cert, PARTNER.pair.key))

    def good(self):
        m = Message("TLS", "OPTIONS", EDGE_NAME)
        m.line = f"OPTIONS sip:{EDGE_NAME}:5061 SIP/2.0"
        return m, "200"


def register(transport):
    m = Message(transport, "REGISTER", "user1@contoso.example")
    m.line = "REGISTER sip:contoso.example SIP/2.0"
    m.set("From", f"<sip:user1@contoso.example>;tag={new_tag()}")
    return m, "401"


def call_id_of(head):
    for row in head.split(b"\r\n"):
        if row.lower().startswith(b"call-id:"):
            return row.split(b":", 1)[1].strip().decode()
    return None


def outcome(client, message, answers, waits=True):
    """What becomes of it, seen by what comes before the answer to a good message behind it; and the good one is answered."""
    good, status = client.good()
    client.send(message.bytes())
    client.send(good.bytes())
    result, deadline, well = SILENT, time.monotonic() + ANSWER_S, False
    while not well or (waits and result == SILENT):  # what is passed on may be answered after it
        head = client.read(deadline)
        if not head:  # closed: a stream cannot be read further
            result = CLOSED if result == SILENT else result
            client.close()
            client.open()
            good, status = client.good()
            client.send(good.bytes())
            continue
        answers.append(head)
        if call_id_of(head) == good.call_id:
            if client.stream and head.split()[1].decode() == "400":  # a part of what came before it
                client.close()
                client.open()
                good, status = client.good()
                client.send(good.bytes())
                continue
            check_equal(head.split()[1].decode(), status, "the good message behind it")
            well = True
        elif head.split()[1][:1] != b"1":
            result = head.split()[1].decode()
    return result


def fits(got, wanted):
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    return got in wanted or (PASS in wanted and got.isdigit() and got not in BAD)


def torture(client):
    wrong = []
    for name, alter, datagram, stream in TORTURES:
        message = Message(client.transport)
        alter(message)
        wanted = stream if client.stream and stream else datagram
        answers = []
        got = outcome(client, message, answers, wanted not in (SILENT, CLOSED) and SILENT not in wanted)
        if not fits(got, wanted):
            wrong.append(f"{name}: {got}, not {wanted}")
        if not client.stream:
            mine = [a for a in answers if call_id_of(a) == message.call_id]
            if len(mine) > 1 or any(len(a) > 1.5 * len(message.bytes()) for a in mine):
                wrong.append(f"{name}: {len(mine)} answers, {[len(a) for a in mine]} bytes to {len(message.bytes())}")
    client.close()
    check(not wrong, "\n".join(wrong))


def test_front_end_udp():
    "torture messages at the Front End over UDP; no answer is longer than 1.5 times the message"
    WORLD.up()
    torture(Udp())


def test_front_end_tcp():
    "the same over TCP"
    WORLD.up()
    torture(Tcp())


def test_front_end_tls():
    "the same over TLS"
    WORLD.up()
    torture(Tls())


def test_edge_tls():
    "the same at the Access Edge, from a partner"
    WORLD.up()
    torture(Edge())


def test_endless():
    "a start line, a header and a body without end: bounded memory, connection closed, one id in the log"
    WORLD.up()
    edge = WORLD.edge()

    def rss():
        return int(Path(f"/proc/{edge.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])
    row = b"X: " + b"y" * 1000 + b"\r\n"
    head = Message("TLS")
    head.length = "Content-Length: 60000000\r\n"
    for what, first, more in (("start line", b"MESSAGE sip:", b"a" * 4096), ("header", b"MESSAGE sip:a@b SIP/2.0\r\n", row * 4),
                              ("one row", b"MESSAGE sip:a@b SIP/2.0\r\nX: ", b"y" * 4096), ("body", head.bytes(), b"z" * 4096)):
        since, before = edge.log_end(), rss()
        client = Edge(WORLD.lab.net.address("endless"))
        client.send(first)
        sent = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            while sent < BUILD_MB << 20:
                client.socket.sendall(more)
                sent += len(more)
        check(sent < BUILD_MB << 20, f"{what}: closed before {BUILD_MB} MB")
        edge.wait_event("element.malformed", EVENT_S, since)
        check(SANITIZED or rss() < before + 2048, f"{what}: memory {before} KiB, then {rss()} KiB")
        client.close()
    good = Edge()
    check_equal(outcome(good, Message("TLS"), []) not in (SILENT, CLOSED), True, "served as before")
    good.close()


def test_udp_silence():
    "over UDP a refusal is sent once: no retransmission of an INVITE's refusal to an address that may be made up"
    WORLD.up()
    client = Udp()
    invite = Message("UDP", "INVITE", "user1@contoso.example")
    invite.set("Via", invite.value("Via") + ";maddr=127.0.0.9")
    client.send(invite.bytes())
    first = client.read(time.monotonic() + ANSWER_S)
    check(first.split()[1] in (b"403", b"407", b"401"), first.decode())
    check(len(first) <= 1.5 * len(invite.bytes()), f"{len(first)} bytes to {len(invite.bytes())}")
    with contextlib.suppress(TimeoutError):
        again = client.read(time.monotonic() + 1.7)  # timer G would have fired at 0.5 s and 1.5 s
        check(False, f"sent again: {again.decode()}")
    client.close()


if __name__ == "__main__":
    run_with(WORLD, globals())
