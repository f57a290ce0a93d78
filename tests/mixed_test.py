#!/usr/bin/env python3
"""Everything at once: two organisations talk while revisions are published, certificates change, other partners fail in
every way and the name server comes and goes. Two minutes; an hour with SOAK=1."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import KEEP, Partner, World, check_ended, refusal_id, run_with
from tap import SANITIZED, check, check_equal

from lab import pki
from lab.generator import Generator
from lab.lab import Lab
from lab.ledger import lost_anything
from lab.sip import UserAgent

SECONDS = int(os.environ.get("MIXED_SECONDS", 3600 if os.environ.get("SOAK") == "1" else 120))
SEED = int(os.environ.get("MIXED_SEED", time.time_ns() % 1000000))
USERS = 20
MESSAGES, CALLS, LONG_CALLS = 30, 3, 10
SICK = [Partner(f"sick{i}.example") for i in range(3)]
TRANSACTION_S = 32.0
GROWTH, GROWTH_KB = 1.10, 4096  # of a daemon's memory from the first third to the end


@contextlib.contextmanager
def both_and_the_sick():
    with Lab(users=USERS, keep=KEEP) as lab:
        ca = pki.Authority(lab.folder / "partners-ca", "partners' public CA")
        lab.dns.stop()
        for partner in SICK:
            partner.address = lab.net.address(partner.domain)
            lab.dns.records[partner.domain] = partner.records(lab.net)
        lab.dns.start()
        lab.contoso.central.entente("cert", "trust", "add", ca.cert)
        for partner in SICK:
            lab.contoso.central.entente("partner", "allow", partner.domain)
        lab.contoso.publish("the sick")
        yield lab, ca
    check_ended(lab)


WORLD = World(both_and_the_sick)


async def in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


# --- partners that fail ---
class MuteAgent(UserAgent):
    """Takes connections and requests, and answers nothing."""

    def on_request(self, request, transaction):
        pass


class Sick:
    """A partner's Edge that is well, mute, silent (no TLS), resetting or away, in turn; and a user of contoso who
    writes to it all the time. Whatever its state, each message has one end: delivered once, or refused with a reason
    that names the far side, or, when the far side took it and is mute, the sender's own time-out."""

    STATES = ("well", "mute", "silent", "resetting", "away")

    def __init__(self, partner, sender, rng):
        self.partner, self.sender, self.rng = partner, sender, rng
        self.state = "away"
        self.server, self.held = None, []
        self.ends = {}
        self.wrong = []
        self.sent = itertools.count()
        self.tasks = set()

    async def become(self, state):
        await self.leave()
        self.state = state
        if state in ("well", "mute"):
            await self.partner.open(WORLD.lab, WORLD.ca)
            if state == "mute":
                self.partner.agent.__class__ = MuteAgent
        elif state in ("silent", "resetting"):
            self.server = await asyncio.start_server(self.take, self.partner.address, 5061)

    async def take(self, reader, writer):
        if self.state == "resetting":
            writer.transport.abort()
            return
        self.held.append(writer)
        with contextlib.suppress(ConnectionError):
            await reader.read()

    async def leave(self):
        if self.server:
            self.server.close()
            self.server = None
        for writer in self.held:
            writer.close()
        self.held = []
        if self.state in ("well", "mute"):
            await self.partner.agent.stop()

    async def write(self, pause):
        """Messages one after the other, none waiting for another's end."""
        while True:
            self.spawn(self.one())
            await asyncio.sleep(pause)

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def one(self):
        body = f"{self.partner.domain} {next(self.sent)}".encode()
        began, state = time.monotonic(), self.state
        response = await self.sender.message(f"eve@{self.partner.domain}", body)
        took = time.monotonic() - began
        copies = sum(r.body == body for r in self.partner.got)
        why = refusal_id(response)
        own = response.status == 408 and not response.all("Via")
        self.ends[response.status] = self.ends.get(response.status, 0) + 1
        good = copies == 1 if response.status == 200 else copies == 0 and (why or own)
        if not good or took > TRANSACTION_S + 8:
            self.wrong.append(f"{state} -> {self.state}: {response.status} {response.reason} {why} after {took:.1f} s, "
                              f"{copies} copies")


# --- what happens to contoso ---
class Chaos:
    """One event every few seconds, by turns at random."""

    def __init__(self, lab, sick, rng):
        self.lab, self.sick, self.rng = lab, sick, rng
        self.numbers = itertools.count(1)
        self.counts = {}

    async def publish(self):
        """A change of limits, of who is admitted, of rules, in turn."""
        number, central = next(self.numbers), self.lab.contoso.central
        changes = (("topology", "set", "deployment/timer_c_s", str(190 + number)),
                   ("partner", "allow", f"partner{number}.example"),
                   ("topology", "set", "deployment/connections_per_partner", str(1 + number % 4)))
        await in_thread(central.entente, *changes[number % len(changes)])
        await in_thread(lambda: central.entente("publish", "-m", f"number {number}", "--yes"))

    async def certificate(self):
        """The Edge's external certificate is replaced."""
        org, name = self.lab.contoso, "sip.contoso.example"
        pair = await in_thread(lambda: org.authority.issue(name, [name], file=f"again-{next(self.numbers)}"))
        await in_thread(org.central.entente, "cert", "import", "edge-old.contoso.example", pair.cert, pair.key)

    async def partner(self):
        one = self.rng.choice(self.sick)
        await one.become("well" if one.state != "well" else self.rng.choice(Sick.STATES[1:]))

    async def dns(self):
        await in_thread(self.lab.dns.stop)
        await asyncio.sleep(self.rng.uniform(0.5, 4.0))
        await in_thread(self.lab.dns.start)

    async def run(self, seconds):
        events = [self.publish, self.publish, self.certificate, self.partner, self.partner, self.dns]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            event = self.rng.choice(events)
            self.counts[event.__name__] = self.counts.get(event.__name__, 0) + 1
            await event()
            await asyncio.sleep(self.rng.uniform(0.3, 2.0))


def memory_kb(machine):
    for line in Path(f"/proc/{machine.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


async def watch_memory(machines, samples):
    while True:
        for name, machine in machines.items():
            samples.setdefault(name, []).append(memory_kb(machine))
        await asyncio.sleep(1)


def check_flat(samples):
    for name, values in samples.items():
        third, tail = len(values) // 3, max(1, len(values) // 10)
        before, after = statistics.median(values[third:2 * third]), statistics.median(values[-tail:])
        print(f"# memory of {name}: {before:.0f} kB in the second third, {after:.0f} kB at the end")
        check(SANITIZED or after <= before * GROWTH + GROWTH_KB, f"{name} grew from {before} to {after} kB: {values[::10]}")


async def test_mixed():
    "load, publishes, new certificates, partners that fail, a name server that fails: nothing is lost, memory is flat"
    lab = await in_thread(WORLD.up)
    rng = random.Random(SEED)
    print(f"# seed {SEED}, {SECONDS} s")
    g, samples = Generator(), {}
    await g.register(lab.generator_config())
    await g.hold(LONG_CALLS, every=1.0)
    senders = [lab.contoso.user_agent(i) for i in range(len(SICK))]
    sick = [Sick(partner, sender, rng) for partner, sender in zip(SICK, senders)]
    for sender in senders:
        await sender.attach()  # not registered: what is for the user is the generator's
    g.start(messages=MESSAGES, calls=CALLS, inside_messages=3, inside_calls=1, call_seconds=0.5)
    writing = [asyncio.ensure_future(one.write(0.5)) for one in sick]
    watching = asyncio.ensure_future(watch_memory(lab.contoso.machines, samples))
    chaos = Chaos(lab, sick, rng)
    await chaos.run(SECONDS)
    for task in writing:
        task.cancel()
    watching.cancel()
    while pending := [task for one in sick for task in one.tasks]:
        await asyncio.wait(pending)
    await g.quit()
    for one in sick:
        await one.leave()
    for sender in senders:
        await sender.stop()
    report = g.report()
    print(f"# {chaos.counts}; {report['totals']['messages']} {report['totals']['calls']} "
          f"{report['totals']['long_calls']}; sick partners: {[one.ends for one in sick]}")
    check_equal([w for one in sick for w in one.wrong][:5], [], "messages to partners that fail")
    if lost_anything(report):
        lab.collect_traces(report["losses"])
        check(False, f"lost something (traces in {lab.folder}): " + json.dumps(report["losses"][:5]))
    check_equal(report["totals"]["long_calls"]["good"], LONG_CALLS, "long calls")
    check_flat(samples)


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
