#!/usr/bin/env python3
"""baresip clients of both organisations: TLS to the Front Ends, digest, calls with RTP and MESSAGE over both Edges."""

import contextlib
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from baresip import Baresip
from partner import KEEP, check_ended
from tap import check, run, wait_until

from lab.lab import Lab

RTP_PACKETS = 100  # two seconds of 20 ms


def md5_only(topology):
    for pool in topology["front_end_pools"]:
        pool["digest_algorithms"] = ["MD5"]


def client(stack, lab, org, other):
    user, password = org.users[0]
    return stack.enter_context(Baresip(lab.folder / "baresip" / org.name, f"{user}@{org.domain}", password,
                                       org.address("fe1"), lab.net.address(f"{org.name} baresip"),
                                       contact=f"{other.users[0][0]}@{other.domain}", dns=lab.dns.server))


@contextlib.contextmanager
def two_clients():
    change = {"contoso": md5_only, "fabrikam": md5_only}
    with Lab(users=1, adjust=change, keep=KEEP) as lab, contextlib.ExitStack() as stack:
        a = client(stack, lab, lab.contoso, lab.fabrikam)
        b = client(stack, lab, lab.fabrikam, lab.contoso)
        for one in (a, b):
            one.registered()
        yield lab, a, b
    check_ended(lab)


def call(caller, callee, caller_ends):
    """Established at both ends, RTP both ways directly, ended by one and seen by the other."""
    marks = caller.mark(), callee.mark()
    caller.do("dial", f"sip:{callee.aor}")
    caller.wait("CALL_ESTABLISHED", 30, marks[0])
    callee.wait("CALL_ESTABLISHED", 30, marks[1])
    started = time.monotonic()
    for one in (caller, callee):
        wait_until(lambda one=one: min(one.packets()) >= RTP_PACKETS, 30, f"{RTP_PACKETS} RTP packets at {one.aor}")
    check(time.monotonic() - started >= 1.0, "RTP came as fast as speech does")
    (caller if caller_ends else callee).do("hangup")
    caller.wait("CALL_CLOSED", 20, marks[0])
    callee.wait("CALL_CLOSED", 20, marks[1])


def through_both_edges(lab):
    """How many requests each Edge has let in and out."""
    out = []
    for machine in (lab.contoso.machines["edge-old1"], lab.fabrikam.machines["edge1"]):
        counters = machine.counters()
        out.append((counters.get("edge.admitted", 0), counters.get("edge.departed", 0)))
    return out


def test_calls_and_messages():
    "baresip of both organisations: calls in both directions, RTP direct, hang-up from each side, MESSAGE"
    with two_clients() as (lab, a, b):
        for caller, callee in ((a, b), (b, a)):
            for caller_ends in (True, False):
                call(caller, callee, caller_ends)
        for sender, receiver in ((a, b), (b, a)):
            text = f"hello from {sender.aor}"
            sender.message(text)
            receiver.printed(f'{sender.aor}: "{text}"', 20)
        for admitted, departed in through_both_edges(lab):
            check(admitted >= 3 and departed >= 3, f"each Edge let 3 in and 3 out: {through_both_edges(lab)}")


if __name__ == "__main__":
    run(globals())
