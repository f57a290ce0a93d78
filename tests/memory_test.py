#!/usr/bin/env python3
"""Memory of an Access Edge in floods that do not need its processor: connections with messages that do not end, answers that nobody
reads, calls that nobody answers. Whoever floods loses connections, or is refused; the process stays below its ceiling and another
partner is served all the while."""

import asyncio
import contextlib
import os
import socket
import ssl
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import SANITIZED, check, check_equal, diag

from lab.sipmsg import new_branch, new_call_id, new_tag

CULPRIT = Partner("culprit.example")
INNOCENT = Partner("innocent.example")
MEMORY_MIB = 24
PATIENT_S = EVENT_S * (6 if SANITIZED else 1)


def limited(topology):
    topology["limits"] = {"memory_mib": MEMORY_MIB, "source_handshake_rate": 100000, "source_handshakes": 10000}


WORLD = World(lambda: contoso([CULPRIT, INNOCENT], users=1, adjust=limited, workers=1))


def rss_mib(machine):
    status = Path(f"/proc/{machine.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def speak():
    CULPRIT.pair = CULPRIT.pair or WORLD.ca.issue(CULPRIT.domain, CULPRIT.names, file=f"edge-{CULPRIT.domain}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(WORLD.lab.contoso.authority.cert)
    context.load_cert_chain(CULPRIT.pair.cert, CULPRIT.pair.key)
    s = socket.socket()
    s.bind((CULPRIT.address, 0))
    s.settimeout(PATIENT_S)
    s.connect((WORLD.lab.contoso.address("edge-old1", external=True), 5061))
    return context.wrap_socket(s, server_hostname=EDGE_NAME)


def request(method, user="nobody", body="", more="", via=""):
    return (f"{method} sip:{user}@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS sip.culprit.example;branch={new_branch()}{via}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:eve@culprit.example>;tag={new_tag()}\r\nTo: <sip:{user}@contoso.example>\r\n"
            f"Contact: <sip:eve@sip.culprit.example:5061;transport=tls>\r\nCall-ID: {new_call_id()}\r\nCSeq: 1 {method}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class Watch:
    """Another partner asks all the while; the Edge's memory is looked at."""

    def __init__(self, edge, agent):
        self.edge, self.agent = edge, agent
        self.before, self.most, self.asked, self.stop = rss_mib(edge), 0, [], False

    async def run(self):
        while not self.stop:
            began = time.monotonic()
            response = await self.agent.message("nobody@contoso.example", b"are you there?")
            self.asked.append((response.status, time.monotonic() - began))
            self.most = max(self.most, rss_mib(self.edge))
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def watched():
    lab = WORLD.up()
    edge = lab.contoso.machines["edge-old1"]
    agent = await INNOCENT.open(lab, WORLD.ca)
    watch = Watch(edge, agent)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        watch.stop = True
        await task
        await agent.stop()
    diag(f"memory {watch.before} MiB before, {watch.most} at the most; the innocent partner asked {len(watch.asked)} times, "
         f"longest {max(wait for _, wait in watch.asked):.3f} s")
    check_equal({status for status, _ in watch.asked}, {404}, "the innocent partner")
    # a sanitizer keeps what was freed
    check(SANITIZED or watch.most - watch.before < 1.25 * MEMORY_MIB, f"memory {watch.before} MiB, then {watch.most} MiB")


def ended(edge):
    return edge.counters().get("element.memory-ended", 0)


async def test_messages_without_end():
    "hundreds of a partner's connections, each with a header that is nearly as long as it may be and does not end"
    async with watched() as watch:
        def flood():
            part = request("MESSAGE", more="".join(f"Z{i}: {'z' * 4000}\r\n" for i in range(14)))[:-2]
            sockets = []
            for _ in range(400):
                with contextlib.suppress(OSError):  # nobody is let in for a moment, when memory is just used up
                    s = speak()
                    sockets.append(s)
                    s.sendall(request("OPTIONS"))  # known from now on
                    s.recv(1)
                    s.sendall(part)
                if ended(watch.edge):
                    break
            return sockets

        sockets = await asyncio.to_thread(flood)
        check(await asyncio.to_thread(ended, watch.edge) > 0, f"of {len(sockets)} connections some end")
        for s in sockets:
            s.close()


async def test_answers_that_nobody_reads():
    "a partner sends requests and does not read their answers: its connections end before memory does"
    async with watched() as watch:
        before = ended(watch.edge)

        def flood():
            sockets = [speak() for _ in range(30)]
            text = b"".join(request("MESSAGE", via=";x=" + "x" * 6000) for _ in range(20))  # comes back in the answer
            end = time.monotonic() + 2 * PATIENT_S
            for s in sockets:
                s.settimeout(0.01)
            while time.monotonic() < end and ended(watch.edge) == before and sockets:
                for s in list(sockets):
                    try:
                        s.sendall(text)
                    except TimeoutError:
                        continue
                    except OSError:
                        sockets.remove(s)
            return sockets

        sockets = await asyncio.to_thread(flood)
        check(ended(watch.edge) > before, "some end")
        for s in sockets:
            s.close()


async def test_calls_that_nobody_answers():
    "calls to a user whose phone says nothing: one partner gets half of the memory, and 503 for more; others are served"
    async with watched() as watch:
        user = WORLD.lab.contoso.user_agent(0)
        user.on_invite = lambda *_: None
        await user.start()
        name = user.aor.partition("@")[0]

        def flood():
            with speak() as s:
                got = b""
                for _ in range(300):
                    s.sendall(request("INVITE", name, "x" * 30000))
                s.settimeout(PATIENT_S)
                while got.count(b"SIP/2.0 503") + got.count(b"SIP/2.0 100") < 250:
                    got += s.recv(1 << 16)
                return got.count(b"SIP/2.0 100"), got.count(b"SIP/2.0 503")

        begun, refused = await asyncio.to_thread(flood)
        diag(f"{begun} begun, {refused} refused")
        check(begun > 10 and refused > 50, f"{begun} begun, {refused} refused")
        await user.stop()


if __name__ == "__main__":
    run_with(WORLD, globals())
