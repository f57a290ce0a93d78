#!/usr/bin/env python3
"""What RFC 4475 and RFC 5118 torture parsers with, at the Front End over UDP, TCP and TLS and at the Access Edge over TLS: each
message has its outcome, and the next good one is answered. Messages without end, and what UDP may answer.

The messages are made here from one that is in order, each with the trait of the section that it names, so that they are for
domains that these servers serve."""

import contextlib
import socket
import ssl
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import check, check_equal, wait_until

from lab.sipmsg import new_branch, new_call_id, new_tag

PARTNER = Partner("partner.example")
ANSWER_S = 20
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


def tortuous(m):
    for name, value, new in (("To", "\r\n <sip:user1@contoso.example >", "TO "), ("Max-Forwards", "0068", "MaX-fOrWaRdS"),
                             ("CSeq", f"0009\r\n  {m.method}", "cseq"), ("From", m.value("From").replace(";", "\r\n ; "), "f")):
        m.set(name, value, new)
    m.add("NewFangledHeader", "newfangled value\r\n continued newfangled value")
    m.add("UnknownHeaderWithUnusualValue", ";;,,;;,;")
    m.add("s ", "")
    m.length = f"Content-Length   : {len(m.body)}\r\n"


def wide(m):
    m.set("CSeq", "139122385 !interesting-Method0123456789_*+`.%indeed'~")
    m.method = "!interesting-Method0123456789_*+`.%indeed'~"
    m.line = m.method + " sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)" \
        "@contoso.example SIP/2.0"
    m.add("extensionHeader-!.%*+_`'~", "\ufeff大停電")


def change(name, value):
    return lambda m: m.set(name, value)


def adding(name, value):
    return lambda m: m.add(name, value)


def line(text):
    return lambda m: setattr(m, "line", text)


def length(text):
    return lambda m: setattr(m, "length", text)


def long_values(m):
    m.set("To", f'"{"I have a user name of extreme proportion " * 6}"<sip:user1@contoso.example:5060;unknownparam={"long" * 60}>')
    m.add("Unknown-" + "Long" * 70 + "-Name", "unknown-" + "long" * 70 + "-value")
    for i in range(30):
        m.add("Via", f"SIP/2.0/TCP sip{i}.example.com")


def two_in_one(m):
    m.after = b"INVITE sip:evil@contoso.example SIP/2.0\r\n"


def many_vias(m):
    for i in range(240):
        m.add("Via", f"SIP/2.0/UDP h{i}.example;branch=z9hG4bK{i}")


def too_many_rows(m):
    for i in range(300):
        m.add(f"X-{i}", "y")


# name, where in the RFC, what is changed, outcome over UDP, outcome on streams (None: the same)
TORTURES = [
    ("in order", "", lambda m: None, PASS, None),
    ("a short tortuous request", "4475 3.1.1.1", tortuous, PASS, None),
    ("wide range of characters", "4475 3.1.1.2", wide, PASS, None),
    ("escapes in a URI", "4475 3.1.1.3", line("MESSAGE sip:sips%3Auser%40example.com@contoso.example SIP/2.0"), PASS, None),
    ("escaped NUL in a URI", "4475 3.1.1.4", line("MESSAGE sip:null-%00-null@contoso.example SIP/2.0"), PASS, None),
    ("percent not of an escape", "4475 3.1.1.5", adding("RE%47IST%45R", "x"), PASS, None),
    ("no space before <", "4475 3.1.1.6", change("From", f"caller<sip:eve@partner.example>;tag={new_tag()}"), PASS, None),
    ("long values", "4475 3.1.1.7", long_values, PASS, None),
    ("more behind the body", "4475 3.1.1.8", two_in_one, PASS, None),
    ("semicolon in the user part", "4475 3.1.1.9", line("MESSAGE sip:user;par=u%40example.net@contoso.example SIP/2.0"), PASS,
     None),
    ("unknown transport in Via", "4475 3.1.1.10", adding("Via", "SIP/2.0/TRUCKSTOP h.example;branch=z9hG4bKx"), PASS, None),
    ("second topmost value in its own row", "4475 3.1.1.11", adding("Via", "SIP / 2.0 / TCP h.example ; branch = z9hG4bKx"), PASS,
     None),
    ("separators without values in Via", "4475 3.1.2.1", change("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,"), SILENT, PASS),
    ("Content-Length larger than the message", "4475 3.1.2.2", length("Content-Length: 9999\r\n"), "400", CLOSED),
    ("negative Content-Length", "4475 3.1.2.3", length("Content-Length: -999\r\n"), "400", "400"),
    ("overlarge CSeq", "4475 3.1.2.4", change("CSeq", "36893488147419103232 MESSAGE"), SILENT, None),
    ("overlarge Max-Forwards", "4475 3.1.2.4", change("Max-Forwards", "300"), "400", None),
    ("unterminated quote in To", "4475 3.1.2.6", change("To", '"Mr. J. User <sip:user1@contoso.example>'), SILENT, None),
    ("<> around the Request-URI", "4475 3.1.2.7", line("MESSAGE <sip:user1@contoso.example> SIP/2.0"), SILENT, CLOSED),
    ("white space within the Request-URI", "4475 3.1.2.8", line("MESSAGE sip:user1@contoso.example; lr SIP/2.0"), SILENT, CLOSED),
    ("two spaces in the start line", "4475 3.1.2.9", line("MESSAGE  sip:user1@contoso.example  SIP/2.0"), SILENT, CLOSED),
    ("space at the end of the start line", "4475 3.1.2.10", line("MESSAGE sip:user1@contoso.example SIP/2.0  "), SILENT, CLOSED),
    ("headers escaped in a Request-URI", "4475 3.1.2.11", line("MESSAGE sip:user1@contoso.example?Route=%3Csip:x%3E SIP/2.0"),
     (PASS, "400"), None),
    ("no <> around a URI with a header", "4475 3.1.2.13", adding("Contact", "sip:user@example.com?Route=%3Csip:x%3E"), PASS, None),
    ("spaces within an addr-spec", "4475 3.1.2.14", change("To", '"Watson" < sip:user1@contoso.example >'), (PASS, SILENT, "400"), None),
    ("no <> around a name with a comma", "4475 3.1.2.15", change("From", f"Bell, Alexander <sip:eve@partner.example>;tag={new_tag()}"),
     (PASS, SILENT, "400"), None),
    ("unknown version", "4475 3.1.2.16", line("MESSAGE sip:user1@contoso.example SIP/7.0"), "505", None),
    ("CSeq of another method", "4475 3.1.2.17", change("CSeq", "7 INVITE"), "400", None),
    ("unknown method with CSeq of another", "4475 3.1.2.18", line("NEWMETHOD sip:user1@contoso.example SIP/2.0"), "400", None),
    ("no transaction in the branch", "4475 3.2.1", change("Via", "SIP/2.0/UDP sip.partner.example;branch=z9hG4bK;rport"), PASS, None),
    ("mandatory headers missing", "4475 3.3.1", lambda m: [m.remove(n) for n in ("Call-ID", "From", "To")], SILENT, None),
    ("unknown scheme in the Request-URI", "4475 3.3.2", line("MESSAGE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
     (PASS, "416"), None),
    ("known scheme that is not SIP", "4475 3.3.3", line("MESSAGE soap.beep://192.0.2.103:3002 SIP/2.0"), (PASS, "416"), None),
    ("unknown schemes in To and From", "4475 3.3.4", change("To", "isbn:2983792873"), (PASS, "400"), None),
    ("unknown extension for proxies", "4475 3.3.5", adding("Proxy-Require", "nothingSupportsThis"), "420", None),
    ("unknown Content-Type", "4475 3.3.6", change("Content-Type", "application/unknownformat"), PASS, None),
    ("unknown authorization scheme", "4475 3.3.7", adding("Authorization", 'NoOneKnowsThisScheme opaque="data"'), PASS, None),
    ("headers repeated that stand once", "4475 3.3.8", adding("Call-ID", "other"), "400", None),
    ("two different Content-Lengths", "4475 3.3.9", length("Content-Length: 5\r\nContent-Length: 3\r\n"), "400", "400"),
    ("Max-Forwards of zero", "4475 3.3.11", change("Max-Forwards", "0"), "483", None),
    ("escaped semicolons in a URI", "4475 3.3.13", line("MESSAGE sip:user1%3Bx@contoso.example SIP/2.0"), PASS, None),
    ("of RFC 2543: no branch", "4475 3.4.1", change("Via", "SIP/2.0/UDP sip.partner.example;rport"), PASS, None),
    ("IPv6 reference in the Request-URI", "5118 4.1", line("MESSAGE sip:[2001:db8::10] SIP/2.0"), PASS, None),
    ("IPv6 without brackets in the Request-URI", "5118 4.2", line("MESSAGE sip:2001:db8::10 SIP/2.0"), "400", None),
    ("port that could be of the address", "5118 4.3", line("MESSAGE sip:[2001:db8::10:5070] SIP/2.0"), PASS, None),
    ("port behind the reference", "5118 4.4", line("MESSAGE sip:[2001:db8::10]:5070 SIP/2.0"), PASS, None),
    ("IPv6 in received, without brackets", "5118 4.5",
     adding("Via", "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3"), PASS, None),
    ("IPv6 in received, with brackets", "5118 4.5",
     adding("Via", "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3"), PASS, None),
    ("IPv6 and IPv4 in one message", "5118 4.8", adding("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"), PASS, None),
    ("IPv4 in IPv6", "5118 4.9", line("MESSAGE sip:[::ffff:192.0.2.10] SIP/2.0"), PASS, None),
    ("three colons in a reference", "5118 4.10", line("MESSAGE sip:[2001:db8:::192.0.2.1] SIP/2.0"), "400", None),
    ("240 Via rows", "", many_vias, (PASS, "513", "400"), None),
    ("300 header rows", "", too_many_rows, "513", None),
    ("NUL in a value", "", adding("X", "a\0b"), "400", None),
    ("line feeds alone", "", adding("X", "y\nZ: z"), "400", None),
    ("a row of white space", "", adding("X", "y\r\n "), "400", "400"),
    ("nested comments", "", adding("User-Agent", "(" * 2000 + ")" * 2000), PASS, None),
    ("two thousand parameters", "", lambda m: m.set("Via", m.value("Via") + ";a" * 2000), PASS, None),
]


# --- transports ---
class Udp:
    transport, stream = "UDP", False

    def __init__(self):
        self.open()

    def open(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((WORLD.lab.net.address("tormentor"), 0))
        self.socket.connect((WORLD.lab.contoso.address("fe1"), 5060))

    def good(self):
        return register(self.transport)

    def send(self, data):
        self.socket.send(data)

    def read(self, deadline):
        self.socket.settimeout(max(0.01, deadline - time.monotonic()))
        return self.socket.recv(65536)

    def close(self):
        self.socket.close()


class Tcp(Udp):
    transport, stream = "TCP", True

    def open(self):
        self.left = b""
        self.socket = socket.create_connection((WORLD.lab.contoso.address("fe1"), 5060), ANSWER_S,
                                               (WORLD.lab.net.address("tormentor"), 0))

    def send(self, data):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def read(self, deadline):
        while True:
            end = self.left.find(b"\r\n\r\n")
            if end >= 0:
                head = self.left[:end + 4]
                n = next((int(row.split(b":")[1]) for row in head.lower().split(b"\r\n") if row.startswith(b"content-length")), 0)
                if len(self.left) >= end + 4 + n:
                    self.left = self.left[end + 4 + n:]
                    return head
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            data = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                data = self.socket.recv(65536)
            if not data:
                return b""
            self.left += data


class Tls(Tcp):
    transport = "TLS"

    def open(self):
        self.left = b""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(
            socket.create_connection((WORLD.lab.contoso.address("fe1"), 5061), ANSWER_S, (WORLD.lab.net.address("tormentor"), 0)))


class Edge(Tls):
    def __init__(self, address=None):
        self.address = address or PARTNER.address
        super().__init__()

    def open(self):
        self.left = b""
        PARTNER.pair = PARTNER.pair or WORLD.ca.issue(PARTNER.domain, PARTNER.names, file="torture")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(PARTNER.pair.cert, PARTNER.pair.key)
        self.socket = context.wrap_socket(
            socket.create_connection((WORLD.lab.contoso.address("edge-old1", external=True), 5061), ANSWER_S,
                                     (self.address, 0)))

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
    for name, section, alter, datagram, stream in TORTURES:
        message = Message(client.transport)
        alter(message)
        wanted = stream if client.stream and stream else datagram
        answers = []
        got = outcome(client, message, answers, wanted not in (SILENT, CLOSED) and SILENT not in wanted)
        if not fits(got, wanted):
            wrong.append(f"{name} ({section}): {got}, not {wanted}")
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
        check(rss() < before + 2048, f"{what}: memory {before} KiB, then {rss()} KiB")
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
