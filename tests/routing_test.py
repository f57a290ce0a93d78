#!/usr/bin/env python3
"""Ways that fail: machines of an Edge pool, a whole pool, a Front End. Contoso has an Edge pool of two machines, to which its
route leads, and a second Edge pool that adopts nothing, both in DNS by priority; fabrikam has one Edge."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import KEEP, World, check_ended, run_with
from tap import check, check_equal

from lab.lab import Lab

EACH_S = 0.02       # between messages of the traffic
TRIES = 3           # of a sender, for one message
HEALTHY = 20        # messages in a row, each way
HEALTHY_S = 60.0
REFUSED_S = 5.0      # connect_ms is 1 s; the rest is for a busy machine
DOMAIN = "contoso.example"
SECOND_POOL, SECOND_NAME = f"edge-new.{DOMAIN}", f"sip-new.{DOMAIN}"


def two_machines_two_pools(topology, net):
    first, second = topology["edge_pools"]
    first["machines"].append({"fqdn": f"edge-old2.{DOMAIN}", "internal_address": net.address("contoso edge-old2"),
                              "external_address": net.address("contoso edge-old2 external")})
    second.update(federation=True, next_hop=f"fe.{DOMAIN}", adopts=[])
    topology["deployment"].update(attempt_ms=2000, connect_ms=1000, block_max_s=2, probe_interval_s=1)


def quick(topology):
    topology["deployment"].update(attempt_ms=2000, connect_ms=1000, block_max_s=2, probe_interval_s=1)


@contextlib.contextmanager
def both():
    lab = Lab(users=4, keep=KEEP, adjust={"fabrikam": quick}, workers=2)
    # the addresses of further machines come from the lab's own net
    two_machines_two_pools(lab.contoso.topology, lab.net)
    lab.contoso.add_machine(f"edge-old2.{DOMAIN}")
    zone = lab.contoso.records()
    zone.append((f"_sipfederationtls._tcp.{DOMAIN}", "SRV", f"10 0 5061 {SECOND_NAME}."))
    lab.dns.records[DOMAIN] = zone
    with lab:
        yield lab, None
    check_ended(lab)


WORLD = World(both)


async def in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


class Talk:
    """alice of contoso and bob of fabrikam: messages both ways all the time, each tried again by its sender."""

    def __init__(self):
        lab = WORLD.up()
        self.alice = lab.contoso.user_agent(0, on_call=self.on_call)
        self.bob = lab.fabrikam.user_agent(0, on_call=self.on_call)
        self.calls, self.tasks = [], []
        self.sent = {"in": 0, "out": 0}
        self.again, self.lost, self.slowest = [], [], 0.0

    async def on_call(self, call):
        self.calls.append(call)
        await call.accept()

    async def __aenter__(self):
        await self.alice.start()
        await self.bob.start()
        self.tasks = [asyncio.get_running_loop().create_task(self.send(way)) for way in ("in", "out")]
        await self.goes_on()
        return self

    async def __aexit__(self, kind, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for agent in (self.alice, self.bob):
            await agent.stop()
        if kind is None:
            check_equal(self.lost, [], "messages that no retry brought through")

    async def send(self, way):
        sender, receiver = (self.bob, self.alice) if way == "in" else (self.alice, self.bob)
        while True:
            started, statuses = time.monotonic(), []
            while len(statuses) < TRIES and statuses[-1:] != [200]:
                statuses.append((await sender.message(receiver.aor, f"{way} {self.sent[way]}".encode())).status)
            self.slowest = max(self.slowest, time.monotonic() - started)
            if len(statuses) > 1:
                self.again.append((way, statuses))
            if statuses[-1] != 200:
                self.lost.append((way, statuses))
            self.sent[way] += 1
            await asyncio.sleep(EACH_S)

    async def goes_on(self, messages=HEALTHY):
        """Until so many more went through, both ways."""
        want = {way: n + messages for way, n in self.sent.items()}
        deadline = time.monotonic() + HEALTHY_S
        while any(self.sent[way] < n for way, n in want.items()):
            check(time.monotonic() < deadline, f"{self.sent} of {want}; again {self.again}, lost {self.lost}")
            await asyncio.sleep(0.02)

    async def call(self, way):
        """An established call: (caller's end, callee's end)."""
        caller, callee = (self.bob, self.alice) if way == "in" else (self.alice, self.bob)
        self.calls.clear()
        call = await caller.invite(callee.aor)
        while not self.calls:
            await asyncio.sleep(0.01)
        return call, self.calls[0]


async def within(calls, what):
    """A request within each dialog, from either end."""
    for number, (caller, callee) in enumerate(calls):
        for side, end in (("caller", caller), ("callee", callee)):
            check_equal((await end.info(b"still there?")).status, 200, f"{what}: INFO of the {side}, call {number}")


def machines(*names):
    return [WORLD.lab.contoso.machines[name] for name in names]


def destination(machine, name):
    found = [d for d in machine.json("status")["destinations"] if d["name"] == f"{name}.{DOMAIN}"]
    return found[0] if found else None


async def until_state(machine, name, good):
    deadline = time.monotonic() + HEALTHY_S
    while True:
        d = await in_thread(destination, machine, name)
        if d and (d["state"] == "good") == good:
            return d
        check(time.monotonic() < deadline, f"{name} at {machine.fqdn}: {d}")
        await asyncio.sleep(0.1)


async def test_one_machine_of_a_pool():
    "kill -9 of one of two Edge machines under calls and messages: dialogs go on over the other, nothing stays lost"
    lab = WORLD.up()
    async with Talk() as talk:
        calls = [await talk.call(way) for way in ("in", "out") * 3]
        for name in ("edge-old1", "edge-old2"):  # each in turn: whichever the dialogs began at
            machine = lab.contoso.machines[name]
            await in_thread(machine.kill9)
            await talk.goes_on()
            await within(calls, f"{name} is dead")
            d = await until_state(lab.contoso.front_end, name, False)
            check(d["error"] and d["failures"] > 0, f"{d}")
            await in_thread(machine.restart)
            await until_state(lab.contoso.front_end, name, True)
            await within(calls, f"{name} is back")
        for caller, _ in calls:
            check_equal((await caller.bye()).status, 200, "BYE")
        print(f"# {talk.sent}, tried again: {talk.again}, slowest {talk.slowest:.2f} s")


async def test_a_whole_pool():
    "both machines of the first pool dead: the pool of the next SRV priority takes over, inwards and outwards; and back"
    async with Talk() as talk:
        call = await talk.call("out")
        for machine in machines("edge-old1", "edge-old2"):
            await in_thread(machine.kill9)
        await talk.goes_on()
        second = WORLD.lab.contoso.machines["edge-new1"]
        check(second.counters().get("edge.admitted", 0) > 0 and second.counters().get("edge.departed", 0) > 0,
              f"by the second pool: {second.counters()}")
        check_equal((await call[0].info(b"x")).status, 200, "in a dialog of the first pool, from inside")
        for machine in machines("edge-old1", "edge-old2"):
            await in_thread(machine.restart)
        await until_state(WORLD.lab.contoso.front_end, "edge-old1", True)
        await until_state(WORLD.lab.contoso.front_end, "edge-old2", True)
        await talk.goes_on()
        await within([call], "the first pool is back")
        check_equal((await call[0].bye()).status, 200, "BYE")
        print(f"# {talk.sent}, tried again: {talk.again}, slowest {talk.slowest:.2f} s")


async def test_front_end_dead_in_a_dialog():
    "kill -9 of the only Front End: a request in a dialog is refused at once with 504, which ends no dialog; then it goes on"
    async with Talk() as talk:
        _, callee = await talk.call("out")  # bob is called, so his requests come from outside
        for task in talk.tasks:
            task.cancel()
        front_end = WORLD.lab.contoso.front_end
        await in_thread(front_end.kill9)
        for _ in range(3):  # also when it is known to be dead
            started = time.monotonic()
            check_equal((await callee.info(b"anybody?")).status, 504, "in the dialog, the Front End is dead")
            took = time.monotonic() - started
            check(took < REFUSED_S, f"refused after {took:.1f} s")
        await in_thread(front_end.restart)
        await asyncio.wait_for(talk.alice.ready.wait(), HEALTHY_S)
        check_equal((await callee.info(b"there again?")).status, 200, "in the same dialog, the Front End is back")
        check_equal((await callee.bye()).status, 200, "BYE")


async def test_front_end_seen_without_traffic():
    "the next hop is probed without any traffic: a dead Front End is seen by the Edge, and seen again when it is back"
    lab = WORLD.up()
    edge = lab.contoso.machines["edge-old1"]
    await until_state(edge, "fe1", True)
    await in_thread(lab.contoso.front_end.kill9)
    await in_thread(edge.kill9)
    await in_thread(edge.restart)  # it has never heard of anybody
    d = await until_state(edge, "fe1", False)
    check(d["side"] == "internal" and d["error"], f"{d}")
    await in_thread(lab.contoso.front_end.restart)
    d = await until_state(edge, "fe1", True)
    check(edge.counters().get("element.destination-recovered", 0) > 0 and not d["failures"], f"{d}")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
