#!/usr/bin/env python3
"""An Access Edge and the Front End behind it on one CPU, with three processes on the same CPU that send for one partner all that the
connections take: what can be done is done, memory stays below its ceiling, another partner is answered as if nothing were, and it
is over when they stop. The same with a Front End that takes nothing.

With arguments this file is one of the senders: address, port, certificate, key, connections, messages under way on each (0: without
end), seconds."""

import asyncio
import contextlib
import json
import os
import selectors
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, EVENT_S, Partner, World, contoso, run_with
from tap import SANITIZED, check, check_equal, diag

CULPRIT = Partner("culprit.example")
INNOCENT = Partner("innocent.example")
SENDERS, CONNECTIONS, MEMORY_MIB = 3, 60, 192
GOODPUT = 0.85
PATIENT_S = 120 if SANITIZED else 15
WINDOW = 8  # messages that wait for their answers, of each connection, where nothing is beyond capacity
LONG = bool(os.environ.get("SOAK"))
ROUNDS, CAPACITY_S, FLOOD_S = (4, 5, 20) if LONG else (2, 1.5, 2.5)


# --- a sender ---
class Sender:
    def __init__(self, address, port, cert, key, conns, window):
        self.window, self.id, self.conns = window, os.getpid() << 40, []
        self.statuses = {}
        self.sent = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(cert, key)
        self.selector = selectors.DefaultSelector()
        for _ in range(conns):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # what waits, waits here and costs nothing
            s.settimeout(30)
            s.connect((address, port))
            s = context.wrap_socket(s)
            s.setblocking(False)
            conn = {"socket": s, "out": b"", "tail": b"", "open": 0}
            self.selector.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE, conn)

    def message(self):
        self.id += 1
        return (b"MESSAGE sip:nobody@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS sip.culprit.example;branch=z9hG4bK%x\r\n"
                b"Max-Forwards: 70\r\nFrom: <sip:eve@culprit.example>;tag=%x\r\nTo: <sip:nobody@contoso.example>\r\n"
                b"Call-ID: %x\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n%s"
                % (self.id, self.id, self.id, b"x" * 100))

    def write(self, conn):
        if not conn["out"]:
            n = 50 if not self.window else min(50, self.window - conn["open"])
            if n <= 0:
                return
            conn["out"] = b"".join(self.message() for _ in range(n))
            conn["open"] += n
            self.sent += n
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            while conn["out"]:
                n = conn["socket"].send(conn["out"])
                conn["out"] = conn["out"][n:]

    def read(self, conn):
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while True:
                data = conn["socket"].recv(1 << 16)
                if not data:
                    raise ConnectionError("closed by the Edge")
                data = conn["tail"] + data
                parts = data.split(b"SIP/2.0 ")
                for part in parts[1:-1]:
                    self.count(conn, part[:3])
                last = parts[-1]
                if len(parts) > 1 and len(last) >= 3 and b"\r\n" in last:
                    self.count(conn, last[:3])
                    last = last[3:]
                elif len(parts) > 1:
                    last = b"SIP/2.0 " + last
                conn["tail"] = last[-16:] if not last.startswith(b"SIP/2.0 ") else last

    def count(self, conn, status):
        if status[:1].isdigit() and status[:1] != b"1":
            status = status.decode()
            self.statuses[status] = self.statuses.get(status, 0) + 1
            conn["open"] -= 1

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, mask in self.selector.select(0.2):
                if mask & selectors.EVENT_READ:
                    self.read(key.data)
                if mask & selectors.EVENT_WRITE:
                    self.write(key.data)
                wants = key.data["out"] or not self.window or key.data["open"] < self.window
                self.selector.modify(key.fileobj, selectors.EVENT_READ | (selectors.EVENT_WRITE if wants else 0),
                                     key.data)


def sender_main(address, port, cert, key, conns, window, seconds):
    os.nice(10)  # the CPU goes to those under test while they have something to do, with and without the flood
    sender = Sender(address, int(port), cert, key, int(conns), int(window))
    print("ready", flush=True)
    sys.stdin.readline()
    sender.run(float(seconds))
    print(json.dumps({"sent": sender.sent, "statuses": sender.statuses}), flush=True)


# --- the test ---
def limited(topology):
    topology["limits"] = {"memory_mib": MEMORY_MIB, "requests": 1000000}


WORLD = World(lambda: contoso([CULPRIT, INNOCENT], users=1, adjust=limited, workers=1))


def pin(pid, cpu):
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {cpu})


def send(conns, window, seconds, cpu):
    """The senders, begun together; a function that waits for what they got."""
    pair = CULPRIT.pair = CULPRIT.pair or WORLD.ca.issue(CULPRIT.domain, CULPRIT.names, file="culprit")
    command = [sys.executable, __file__, WORLD.lab.contoso.address("edge-old1", external=True), "5061", pair.cert, pair.key,
               str(conns), str(window), str(seconds)]
    senders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(SENDERS)]
    for s in senders:
        check_equal(s.stdout.readline(), b"ready\n", "a sender")
        pin(s.pid, cpu)
    for s in senders:
        s.stdin.write(b"go\n")
        s.stdin.flush()

    def result():
        total, sent = {}, 0
        for s in senders:
            out = s.communicate(timeout=seconds + 60)[0]
            check_equal(s.returncode, 0, "a sender")
            one = json.loads(out)
            sent += one["sent"]
            for status, n in one["statuses"].items():
                total[status] = total.get(status, 0) + n
        return sent, total
    return result


def good(statuses):
    return sum(n for status, n in statuses.items() if status not in ("503", "500", "504"))


def cpu_s(machines):
    """Processor time that they have used; others on this machine take theirs when they like."""
    fields = [Path(f"/proc/{m.process.pid}/stat").read_text().rpartition(")")[2].split() for m in machines]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def rss_mib(machine):
    status = Path(f"/proc/{machine.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


async def ask(agent):
    began = time.monotonic()
    response = await agent.message("nobody@contoso.example", b"are you there?")
    return response.status, time.monotonic() - began


async def settled(machines):
    """What was sent before and lies in sockets is worked off."""
    used, end = -1, time.monotonic() + EVENT_S
    while cpu_s(machines) - used > 0.02:
        check(time.monotonic() < end, "they come to rest")
        used = cpu_s(machines)
        await asyncio.sleep(0.2)


class Phase:
    """What the senders got in all runs of one kind, what it took, and what the other partner saw meanwhile."""

    def __init__(self, window, seconds):
        self.window, self.seconds = window, seconds
        self.got, self.sent, self.ran, self.cpu, self.asked, self.most = {}, 0, 0, 0, [], 0

    async def run(self, machines, agent, cpu):
        await settled(machines)
        used = cpu_s(machines)
        result = await asyncio.to_thread(send, CONNECTIONS, self.window, self.seconds, cpu)
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            self.asked.append(await ask(agent))
            self.most = max(self.most, *(rss_mib(m) for m in machines))
            await asyncio.sleep(0.03)
        self.cpu += cpu_s(machines) - used
        sent, got = await asyncio.to_thread(result)
        self.ran += self.seconds
        self.sent += sent
        for status, n in got.items():
            self.got[status] = self.got.get(status, 0) + n

    def rate(self):
        return good(self.got) / self.ran

    def per_cpu(self):
        return good(self.got) / self.cpu

    def p99(self):
        waits = sorted(wait for _, wait in self.asked)
        return waits[int(len(waits) * 0.99) - 1]

    def text(self):
        waits = sorted(wait for _, wait in self.asked)
        return (f"{self.rate():.0f}/s, offered {self.sent / self.ran:.0f}/s, answers {self.got}, innocent: {len(waits)} asked, median "
                f"{statistics.median(waits):.3f} s, p99 {self.p99():.3f} s, longest {waits[-1]:.3f} s; {self.most} MiB")


async def test_ten_times_the_capacity():
    "more than can be done: goodput, memory, the other partner from the first moment, recovery"
    lab = WORLD.up()
    machines = [lab.contoso.machines["edge-old1"], lab.contoso.machines["fe1"]]
    cpu = sorted(os.sched_getaffinity(0))[0]
    for machine in machines:
        pin(machine.process.pid, cpu)
    agent = await INNOCENT.open(lab, WORLD.ca)
    expected, _ = await ask(agent)
    capacity, flood = Phase(WINDOW, CAPACITY_S), Phase(0, FLOOD_S)
    since = machines[0].log_end()
    # by turns, and more of them when it is not clear: others on this machine take the processor when they like
    done, wall, processor = 0, 0, 0
    while done < ROUNDS or (max(wall, processor) < GOODPUT and done < 3 * ROUNDS):
        await capacity.run(machines, agent, cpu)
        await flood.run(machines, agent, cpu)
        wall, processor = flood.rate() / capacity.rate(), flood.per_cpu() / capacity.per_cpu()
        done += 1
    over = machines[0].log_end()
    diag(f"capacity: {capacity.text()}")
    diag(f"flood: {flood.text()}; goodput {wall:.2f} of capacity, {processor:.2f} for the same processor time")
    diag(str({k: v for k, v in machines[0].counters().items() if "overload" in k or "memory" in k or "slow" in k}))
    check(set(capacity.got) == {str(expected)}, f"whoever waits for answers is refused nothing: {capacity.got}")
    check(flood.got.get("503", 0), "who does not is told to come again")
    # by the clock; or by processor time, when others on this machine take it meanwhile
    check(max(wall, processor) >= GOODPUT, f"goodput {wall:.2f}, {processor:.2f}")
    # the ceiling is for connections and requests; a quarter more for the program and what its heap cannot give back
    check(SANITIZED or flood.most < 1.25 * MEMORY_MIB, f"memory {flood.most} MiB")
    check_equal({status for status, _ in capacity.asked + flood.asked}, {expected}, "the innocent partner, from the first moment")
    check(flood.p99() <= max(0.5, 3 * capacity.p99()), f"it waits {flood.p99():.3f} s")
    check_equal(machines[0].events("element.slow-peer", since), [], "connections that were cut")
    began = time.monotonic()
    while (await ask(agent))[1] > 0.2:
        check(time.monotonic() - began < PATIENT_S, "as before within seconds")
    await agent.stop()
    began = time.monotonic()
    while not good((await asyncio.to_thread(lambda: send(2, 1, 1, cpu)()))[1]):
        check(time.monotonic() - began < PATIENT_S, "the culprit is served again")
    machines[0].wait_event("element.overload-over", EVENT_S, over)


async def test_nothing_is_taken_inside():
    "the Front End stands still: within seconds who asks is told to come again, and served when it goes on"
    lab = WORLD.up()
    edge, front_end = lab.contoso.machines["edge-old1"], lab.contoso.machines["fe1"]
    cpu = sorted(os.sched_getaffinity(0))[0]
    agent = await INNOCENT.open(lab, WORLD.ca)
    expected, _ = await ask(agent)
    since = edge.log_end()
    front_end.process.send_signal(signal.SIGSTOP)
    try:
        result = await asyncio.to_thread(send, 10, 0, 4, cpu)
        began = time.monotonic()
        asked = None
        while asked != 503:
            check(time.monotonic() - began < EVENT_S, f"told to come again: {asked}")
            with contextlib.suppress(TimeoutError):  # before it is known, some are sent to the Front End
                asked = (await asyncio.wait_for(ask(agent), 1))[0]
        check_equal(edge.wait_event("element.overloaded", EVENT_S, since)["why"], "the machines inside take nothing", "told")
        sent, got = await asyncio.to_thread(result)
    finally:
        front_end.process.send_signal(signal.SIGCONT)
    diag(f"sent {sent}, answers {got}, memory {rss_mib(edge)} MiB")
    check(got.get("503", 0) > 100 and set(got) <= {"503", "500", "504", str(expected)}, f"the culprit, too: {got}")
    check(rss_mib(edge) < 1.25 * MEMORY_MIB, f"memory {rss_mib(edge)} MiB")
    began = time.monotonic()
    while (await ask(agent))[0] != expected:
        check(time.monotonic() - began < 10, "served again")
    await agent.stop()


def test_log():
    "what was refused by the hundred thousand left a few hundred lines in the log, which say of how many"
    front_end = WORLD.lab.contoso.machines["fe1"]
    name = "front-end.no-such-user"

    refused = front_end.counters()[f"refused.{name}"]
    check(refused > 10000, f"{refused} were refused")
    front_end.terminate()  # then it says what it has not said yet
    lines = front_end.events(name)
    check_equal(sum(int(line.get("more", 1)) for line in lines), refused, "refusals that lines tell of")
    check(len(lines) < 1000, f"{len(lines)} lines")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sender_main(*sys.argv[1:])
    else:
        run_with(WORLD, globals())
