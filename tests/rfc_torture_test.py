#!/usr/bin/env python3
"""The very messages of RFC 4475 and RFC 5118 through every transport: a Front End over UDP, TCP and TLS, an Access Edge from
outside over TLS and from inside over UDP, TCP and TLS. Each comes twice: byte by byte as it stands there, and with nothing
but hosts changed, so that it gets past the policy. What becomes of each is in tests/vectors/torture.tsv; behind each a
good message is served.

TORTURE_WRITE=1 writes that table anew, for whoever has looked at every difference.
"""

import contextlib
import itertools
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, Partner, World, contoso, run_with
from tap import SANITIZED, check, check_equal, diag
from tormentor import ANSWER_S, VECTORS, Far, Tcp, Tls, Udp, adapted, read_vector, rows, value

from lab.sipmsg import new_branch, new_call_id, new_tag

PARTNER = Partner("partner.example")
OURS, THEIRS = b"contoso.example", b"partner.example"
FOREIGN = {"tcp": "pbx.contoso.example", "udp": "pbx-udp.contoso.example"}
TABLE = VECTORS / "torture.tsv"
PADDING = "over UDP no answer is longer than 1.5 times the request " * 6
WRITE = os.environ.get("TORTURE_WRITE") == "1"
LATE_S = 1.5  # writing: so long something may still come
MEMORY_KIB = 6144
MARKS = itertools.count(1)
LIMITS = {"source_requests": 100000, "source_handshake_rate": 10000, "message_s": 1}
FLAWS = {m[2]: m[1].lower().replace("_", "-") for m in re.finditer(
    r'X\((\w+), \d+, "(.*)"\)', (VECTORS.parent.parent / "src/wire/sip/msg.h").read_text())}
# What an Edge may change of a message that it forwards.
EDITED = {b"via", b"max-forwards", b"route", b"record-route", b"content-length", b"p-asserted-identity"}


def limited(topology):
    topology["limits"] = dict(LIMITS)


def next_hop(org, transport):
    """An Edge listens for datagrams inside when its next hop speaks UDP."""
    org.central.entente("topology", "set", "edge_pools/edge-old.contoso.example/next_hop", FOREIGN[transport])
    org.publish(f"next hop over {transport}")


@contextlib.contextmanager
def world():
    with contoso([PARTNER], users=1, adjust=limited) as (lab, ca):
        change = lab.contoso.central.entente
        for kind, pool in FOREIGN.items():
            change("topology", "add", "foreign_pools", f"fqdn={pool}", "site=hq", f"transport={kind}")
            change("topology", "add", f"foreign_pools/{pool}/machines", f"fqdn=1.{pool}",
                   f"internal_address={lab.net.address('pbx ' + kind)}")
        next_hop(lab.contoso, "tcp")
        yield lab, ca


WORLD = World(world)


# --- places ---
class Place:
    """A way in. domains: of the sender, of whom it asks; own: what Route values lead to."""

    def __init__(self, column, machine, make, good, near, far, own):
        self.column, self.machine, self.make, self.good = column, machine, make, good
        self.near, self.far, self.own = near, far, own
        self.mark = f"{next(MARKS)}-"  # of its adapted messages: the same one elsewhere is another


def request(method, uri, sender, transport, to=None):
    call_id = new_call_id()
    return call_id, (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} good.example;branch={new_branch()};rport\r\n"
                     f"Max-Forwards: 70\r\nFrom: <sip:{sender}>;tag={new_tag()}\r\nTo: <sip:{to or sender}>\r\n"
                     f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nSubject: {PADDING}\r\nContent-Length: 0\r\n\r\n").encode()


def places():
    lab = WORLD.up()
    org, net = lab.contoso, lab.net
    fe, inside = (org.address(name) for name in ("fe1", "edge-old1"))
    outside = org.address("edge-old1", external=True)
    PARTNER.pair = PARTNER.pair or WORLD.ca.issue(PARTNER.domain, PARTNER.names, file="torture")
    machine = (org.machines["fe1"].folder / "internal.crt", org.machines["fe1"].folder / "internal.key")

    def front_end(kind, port):
        return Place("front end, datagram" if kind is Udp else "front end, stream", "fe1",
                     lambda: kind((net.address("tormentor"), 5060), (fe, port)),
                     lambda t: (*request("REGISTER", "sip:contoso.example", "u01@contoso.example", t), "401"),
                     OURS, OURS, b"fe1.contoso.example")

    def edge_inside(kind, local, port, *more):
        return Place("edge inside, datagram" if kind is Udp else "edge inside, stream", "edge-old1",
                     lambda: kind((local, 5060), (inside, port), *more),
                     lambda t: (*request("OPTIONS", "sip:edge-old1.contoso.example", "x@contoso.example", t), "200"),
                     OURS, THEIRS, b"edge-old1.contoso.example")
    return {
        "front end": [front_end(Udp, 5060), front_end(Tcp, 5060), front_end(Tls, 5061)],
        "edge": [Place("edge outside", "edge-old1",
                       lambda: Tls((PARTNER.address, 0), (outside, 5061), (PARTNER.pair.cert, PARTNER.pair.key)),
                       lambda t: (*request("OPTIONS", f"sip:{EDGE_NAME}:5061", "eve@partner.example", t), "200"),
                       THEIRS, OURS, EDGE_NAME.encode()),
                 edge_inside(Tcp, net.address("pbx tcp"), 5060), edge_inside(Tls, net.address("tormentor"), 5061, machine)],
        "edge, datagrams": [edge_inside(Udp, net.address("pbx udp"), 5060)]}


# --- outcomes ---
def named(answer):
    """Status, and why: the id of a refusal, or the flaw."""
    line = answer.split(b"\r\n", 1)[0].decode()
    status, phrase = line.split(" ", 2)[1:]
    found = re.search(rb'(?mi)^Reason:.*text="([^"]+)"', answer)
    why = found[1].decode() if found else FLAWS.get(phrase)
    return f"{status} {why}" if why else status


def same_request(answer, call_id):
    return value(answer.split(b"\r\n\r\n", 1)[0] + b"\r\n", b"call-id") == call_id


def outcome(link, place, data, expected):
    """(what becomes of it, its answers), seen by what comes before the answer to a good message behind it."""
    good_id, good, status = place.good(link.transport)
    call_id = value(data.split(b"\r\n\r\n", 1)[0] + b"\r\n", b"call-id")
    link.send(data)
    link.send(good)
    got, answers, served = "nothing", [], False
    deadline = time.monotonic() + ANSWER_S
    while not served or (got == "nothing" and got not in expected.split(" | ") and expected):
        try:
            answer = link.read(deadline)
        except TimeoutError:
            return ("no answer to a good message behind it" if not served else got), answers
        if not answer or (link.stream and not same_request(answer, call_id) and named(answer).startswith("400 ")):
            got += ", closed"  # or a piece of it was taken for a message
            link.close()
            link.open()
            good_id, good, status = place.good(link.transport)
            link.send(good)
        elif same_request(answer, good_id.encode()):
            check_equal(answer.split(b" ", 2)[1].decode(), status, "the good message")
            served = True
            if WRITE and got == "nothing":
                deadline = time.monotonic() + LATE_S
                expected = "1"
        elif same_request(answer, call_id):
            answers.append(answer)
            if not answer.startswith(b"SIP/2.0 1"):
                got = named(answer) + got.removeprefix("nothing")
    return got, answers


def unchanged(sent, came):
    """Rows of what was sent that what came lacks, and a body that differs."""
    head, body = sent.split(b"\r\n\r\n", 1)
    length = value(head + b"\r\n", b"content-length")
    body = body[:int(length)] if length else body
    missing = [row for name, row in rows(head + b"\r\n") if name not in EDITED and row not in came]
    return missing + ([] if came.endswith(b"\r\n\r\n" + body) else [b"body"])


def messages():
    return sorted(f"{folder}/{path.stem}" for folder in ("rfc4475", "rfc5118") for path in (VECTORS / folder).glob("*.sip"))


class Table:
    """tests/vectors/torture.tsv: a line for each message in each form, a column for each place."""

    def __init__(self):
        lines = [line.split("\t") for line in TABLE.read_text().splitlines()] if TABLE.exists() else [["message", "form"]]
        self.columns = lines[0][2:]
        self.cells = {tuple(line[:2]): dict(zip(self.columns, line[2:])) for line in lines[1:]}
        self.found = {}

    def expected(self, name, form, place):
        return "" if WRITE else self.cells[name, form][place.column]

    def note(self, name, form, column, got):
        cell = self.found.setdefault((name, form), {}).setdefault(column, [])
        cell += [] if got in cell else [got]

    def write(self):
        columns = list(dict.fromkeys(c for row in self.found.values() for c in row))
        lines = ["\t".join(["message", "form", *columns])]
        lines += ["\t".join([*key, *(" | ".join(row[c]) for c in columns)]) for key, row in sorted(self.found.items())]
        TABLE.write_text("\n".join(lines) + "\n")


TABLES = Table()


def torment(place, form, far):
    """All messages, one after the other; what is not as the table has it."""
    link, wrong = place.make(), []
    for name in messages():
        data = read_vector(name)
        if form == "adapted":
            data = adapted(data, place.near, place.far, place.own, (place.mark + name[8:]).encode())
        expected, before = TABLES.expected(name, form, place), len(far.got)
        got, answers = outcome(link, place, data, expected)
        call_id = value(data.split(b"\r\n\r\n", 1)[0] + b"\r\n", b"call-id")
        came = [m for m in far.got[before:] if same_request(m, call_id)]
        if came:
            got = re.sub(r"^\w+", r"\g<0> forwarded", got)
            wrong += [f"{name}: {lost} was changed" for lost in unchanged(data, came[0])]
        if place.column == "front end, datagram" and any(len(a) > 1.5 * len(data) for a in answers):
            wrong.append(f"{name}: {[len(a) for a in answers]} octets of answers to {len(data)}")
        if WRITE:
            diag(f"{time.monotonic():.1f} {place.column} {link.transport} {form} {name}: {got}")
        TABLES.note(name, form, place.column, got)
        if not WRITE and got not in expected.split(" | "):
            seen = WORLD.lab.contoso.machines[place.machine].trace(call_id.decode())
            wrong.append(f"{name}, {form}: {got}, not {expected}\n{seen}")
    link.close()
    return [f"{place.column}, {link.transport}: {line}" for line in wrong]


def memory(machine):
    return int(Path(f"/proc/{machine.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])


def run_all(key, far):
    """Exact messages once in each place: a daemon that begins anew for each, or the second would be a retransmission
    of the first. Then the adapted ones, by one daemon."""
    wrong = []
    ways = places()[key]
    for place in ways:
        machine = WORLD.lab.contoso.machines[place.machine]
        machine.terminate()
        machine.restart()
        wrong += torment(place, "exact", far)
        check(machine.running, f"{place.machine} is up")
    before = None
    for round_ in range(2):
        for place in ways:
            wrong += torment(place, "adapted", far) if round_ == 0 else again(place)
        if round_ == 0:
            before = memory(machine)
    after = memory(machine)
    diag(f"{key}: {before} KiB, {after} KiB after all of it again")
    check(SANITIZED or after < before + MEMORY_KIB, f"{key}: memory {before} KiB, then {after} KiB")
    return wrong


def edge_all(far):
    wrong = run_all("edge", far)
    next_hop(WORLD.lab.contoso, "udp")
    return wrong + run_all("edge, datagrams", far)


def again(place):
    """Everything once more, at once and without looking."""
    link = place.make()
    for name in messages():
        link.send(adapted(read_vector(name), place.near, place.far, place.own, ("again-" + place.mark + name[8:]).encode()))
        if link.stream:
            link.close()
            link.open()
    good_id, good, _ = place.good(link.transport)
    link.send(good)
    deadline = time.monotonic() + ANSWER_S
    while not same_request(link.read(deadline), good_id.encode()):
        pass
    link.close()
    return []


def test_messages_are_there():
    "49 messages of RFC 4475 and 12 of RFC 5118, each with its line in the table and in the README"
    names = messages()
    check_equal([sum(n.startswith(f) for n in names) for f in ("rfc4475/", "rfc5118/")], [49, 12], "messages")
    for folder in ("rfc4475", "rfc5118"):
        told = re.findall(r"(?m)^\| `([\w-]+)` \|", (VECTORS / folder / "README.md").read_text())
        check_equal(sorted(told), sorted(n[8:] for n in names if n.startswith(folder)), f"{folder}/README.md")
    if not WRITE:
        check_equal(sorted(TABLES.cells), sorted((n, f) for n in names for f in ("adapted", "exact")), "table")


def test_every_transport():
    "each message over UDP, TCP and TLS at the Front End, from outside and inside at the Edge: its outcome; memory flat"
    WORLD.up()
    far_in = Far(WORLD.lab.net.address("pbx tcp"), 5060)
    PARTNER.pair = PARTNER.pair or WORLD.ca.issue(PARTNER.domain, PARTNER.names, file="torture")
    far_out = Far(PARTNER.address, 5061, (PARTNER.pair.cert, PARTNER.pair.key))
    far_in.got = far_out.got  # both sides: what came through
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run_all, "front end", far_out), pool.submit(edge_all, far_out)]
        wrong = [line for job in jobs for line in job.result()]
    far_in.close()
    far_out.close()
    if WRITE:
        TABLES.write()
    check(not wrong, "\n".join(wrong))


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
