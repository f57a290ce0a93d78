#!/usr/bin/env python3
"""Draining under load: one machine of an Edge pool, then the whole pool; what is stopped after it loses nothing."""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import KEEP, World, check_ended, run_with
from tap import check, check_equal, wait_until

from lab.generator import Generator
from lab.lab import Lab
from lab.ledger import lost_anything
from lab.machine import CommandFailed

SECONDS = 60
POOL, ONE, TWO = "edge-old.contoso.example", "edge-old1.contoso.example", "edge-old2.contoso.example"
MESSAGES, CALLS = 40, 4
LONG_CALLS = 12
BOTH_S = 30


def two_machines(net, topology):
    """Contoso's Edge pool has two machines; its dormant pool is left out."""
    topology["edge_pools"] = topology["edge_pools"][:1]
    topology["edge_pools"][0]["machines"].append(
        {"fqdn": TWO, "internal_address": net.address("contoso edge-old2"),
         "external_address": net.address("contoso edge-old2 external")})


@contextlib.contextmanager
def both():
    lab = Lab.__new__(Lab)
    lab.__init__(users=20, keep=KEEP, adjust={"contoso": lambda t: two_machines(lab.net, t)})
    with lab:
        yield lab, None
    check_ended(lab)


WORLD = World(both)


class Load:
    """Messages and calls between the organisations, in this process; judged at the end."""

    async def __aenter__(self):
        lab = await asyncio.get_running_loop().run_in_executor(None, WORLD.up)
        self.generator = g = Generator()
        config = lab.generator_config()
        for organisation in config["organisations"]:
            organisation["users"] = organisation["users"][:-1]  # the last one has LongCalls
        await g.register(config)
        g.start(messages=MESSAGES, calls=CALLS, call_seconds=1.0)
        return self

    async def __aexit__(self, kind, *_):
        g = self.generator
        await g.quit()
        report = g.report()
        if kind is None:
            print(f"# {report['totals']['messages']} {report['totals']['calls']}, longest gap {report['longest_gap_ms']} ms")
            if lost_anything(report):
                WORLD.lab.collect_traces(report["losses"])
                check(False, f"lost something (traces in {WORLD.lab.folder}): " + json.dumps(report["losses"][:5]))
            check(report["totals"]["messages"]["delivered"] >= 20, f"too little traffic: {report['totals']}")


async def in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def machine(name):
    return WORLD.lab.contoso.machines[name]


def began_on(name, call):
    """Has this machine taken the call on?"""
    with contextlib.suppress(CommandFailed):
        return "INVITE" in machine(name).trace(call.call_id)
    return False


def load_of(name):
    return machine(name).json("status")["load"]


async def carried(name):
    """How many requests this machine takes in a second, of those that begin something."""
    def count():
        c = machine(name).counters()
        return c.get("edge.admitted", 0) + c.get("edge.departed", 0)
    before = await in_thread(count)
    await asyncio.sleep(1.0)
    return await in_thread(count) - before


def service(verb, what, *options):
    return WORLD.lab.contoso.central.entente("service", verb, what, "--yes", *options, seconds=120)


def row(what):
    """What service list says of a machine."""
    line = next(x for x in WORLD.lab.contoso.central.entente("service", "list").splitlines() if what in x)
    return line.split()


def sees_well(fqdn):
    """Nothing keeps the Front End from sending to it."""
    return all(d["state"] == "good" for d in WORLD.lab.contoso.front_end.json("status")["destinations"] if d["name"] == fqdn)


async def test_whole_pool_that_still_has_calls():
    "a pool with calls is not drained before they end; with the last of them it is"
    lab = await in_thread(WORLD.up)
    a, b = lab.contoso.user_agent(0), lab.fabrikam.user_agent(0, on_call=take)
    await a.start()
    await b.start()
    call = await a.invite(b.aor)
    try:
        try:
            await in_thread(service, "drain", POOL, "--wait", "3")
            check(False, "it is drained with a call")
        except CommandFailed as failed:
            check(failed.code == 2 and "service.not-drained" in str(failed) and
                  f"together about 1 dialogs: {lab.fabrikam.domain} 1" in str(failed) and
                  "dialogs are open that nobody else serves" in str(failed), str(failed))
        response = await a.message(b.aor, b"a pool that is drained has nobody else to send to")
        check_equal(response.status, 200, "what begins meanwhile is served")
        await call.bye()
        text = await in_thread(service, "drain", POOL, "--wait", "60")
        check("nothing is under way (no request is pending, and as many dialogs ended as began)" in text, text)
    finally:
        await in_thread(service, "start", POOL)
        for agent in (a, b):
            await agent.stop()


async def test_nobody_takes_over():
    "one machine with a call, whose fellow is dead: it is not drained; with the fellow back it is"
    lab = await in_thread(WORLD.up)
    a, b = lab.contoso.user_agent(0), lab.fabrikam.user_agent(0, on_call=take)
    await a.start()
    await b.start()
    call = await a.invite(b.aor)
    deadline = time.monotonic() + SECONDS
    while not await in_thread(began_on, "edge-old1", call):
        check(time.monotonic() < deadline, "no call comes to this machine")
        check_equal((await call.bye()).status, 200, "BYE")
        call = await a.invite(b.aor)
    try:
        await in_thread(machine("edge-old2").kill9)
        try:
            text = await in_thread(service, "drain", ONE, "--wait", "3")
            check(False, f"it is drained, and nobody serves the call: {text}")
        except CommandFailed as failed:
            check(failed.code == 2 and "publish.not-everywhere" in str(failed) and "service.not-drained" in str(failed),
                  str(failed))
        await in_thread(machine("edge-old2").restart)
        text = await in_thread(service, "drain", ONE, "--wait", "60")
        check("the pool's other machines go on with its dialogs" in text, text)
        check_equal((await call.bye()).status, 200, "BYE")
        await in_thread(wait_until, lambda: sees_well(TWO), SECONDS, "the Front End sees the fellow again")
    finally:
        if not machine("edge-old2").running:  # or nothing that is published reaches it, and no other test passes
            await in_thread(machine("edge-old2").restart)
        await in_thread(service, "start", ONE)
        for agent in (a, b):
            await agent.stop()


class LongCalls:
    """Calls in both directions that stand while machines come and go; each is used, and ended at the end."""

    async def __aenter__(self):
        lab = WORLD.lab
        self.agents = [lab.contoso.user_agent(-1, on_call=take), lab.fabrikam.user_agent(-1, on_call=take)]
        for agent in self.agents:
            await agent.start()
        self.calls, self.begun = [], {}
        deadline = time.monotonic() + BOTH_S  # one that started late is tried last for a while
        while len(self.calls) < LONG_CALLS or not all(self.begun.values()):
            check(time.monotonic() < deadline, f"one machine of two takes no call: {self.begun}")
            i = len(self.calls) % 2
            self.calls.append(await self.agents[i].invite(self.agents[1 - i].aor))
            if len(self.calls) >= LONG_CALLS:
                self.begun = {name: await in_thread(self.begun_on, name) for name in ("edge-old1", "edge-old2")}
        return self

    def begun_on(self, name):
        """How many of them this machine took on."""
        return sum(began_on(name, call) for call in self.calls)

    async def use(self, when):
        for call in self.calls:
            check_equal((await call.info(b"still there")).status, 200, f"{when}: INFO of the caller")
            other = next(a for a in self.agents if a is not call.ua).calls
            callee = next(c for (call_id, _), c in other.items() if call_id == call.call_id)
            check_equal((await callee.info(b"here, too")).status, 200, f"{when}: INFO of the callee")

    async def __aexit__(self, kind, *_):
        for call in self.calls:
            if kind is None:
                check_equal((await call.bye()).status, 200, "BYE")
        for agent in self.agents:
            await agent.stop()


async def test_one_machine_of_a_pool():
    "one machine is drained, stopped, started again, then the other: new dialogs go to its fellow, nothing is lost, calls go on"
    async with Load(), LongCalls() as calls:
        for one, other in (("edge-old1", "edge-old2"), ("edge-old2", "edge-old1")):
            fqdn = machine(one).fqdn
            check(await carried(one) > 0, f"{one} takes nothing before")
            text = await in_thread(service, "drain", fqdn, "--wait", "60")
            check("pending" in text and "the pool's other machines go on with its dialogs" in text, text)
            check(calls.begun[one] > 0, f"no call began on {one}")
            await calls.use(f"{one} is drained")
            check((await in_thread(row, fqdn))[1:4] == ["draining", fqdn, "draining"], f"{await in_thread(row, fqdn)}")
            check(await carried(other) > 0, f"{other} takes nothing meanwhile")
            check_equal(await carried(one), 0, f"what begins on {one}")
            await in_thread(service, "stop", fqdn)
            check_equal(await in_thread(machine(one).terminate), 0, "exit code")
            check(await carried(other) > 0, f"{other} takes nothing while {one} is gone")
            await calls.use(f"{one} is gone")
            await in_thread(machine(one).restart)
            await in_thread(service, "start", fqdn)
            check_equal((await in_thread(row, fqdn))[1], "enabled", "list")
            for _ in range(SECONDS):
                if await carried(one):
                    break
            else:
                check(False, f"{one} takes nothing after it was started")


async def test_machine_readable():
    "service drain --json and status: pending, connections, last request in a dialog, dialogs"
    async with Load():
        told = json.loads(await in_thread(service, "drain", ONE, "--wait", "60", "--json"))
        check_equal((told["drained"], told["outcome"], [m["fqdn"] for m in told["machines"]], told["machines"][0]["state"]),
                    (True, "taken-over", [ONE], "draining"), "answer")
        load = told["machines"][0]["load"]
        check_equal(load["requests"], 0, "pending")
        check(load["connections"] > 0 and load["last_dialog_request_ago_ms"] >= 0, f"{load}")
        check(load["dialogs_begun"] > 0 and load["dialogs_ended"] > 0, f"dialogs: {load}")
        check(told["published"], f"{told}")
        await in_thread(service, "start", ONE)


async def take(call):
    await call.accept()


async def test_drain_new():
    "drain_new: refuse answers 503 edge.draining to all that is new; serve serves; a dialog goes on in either case"
    lab = await in_thread(WORLD.up)
    central = lab.contoso.central
    a, b = lab.contoso.user_agent(0), lab.fabrikam.user_agent(0, on_call=take)
    await a.start()
    await b.start()
    call = await a.invite(b.aor)
    try:
        for how, status in (("refuse", 500), ("serve", 200)):
            await in_thread(central.entente, "topology", "set", f"edge_pools/{POOL}/drain_new", how)
            await in_thread(service, "drain", POOL)
            response = await b.message(a.aor, how.encode())
            check_equal(response.status, status, f"{how}: {response.reason}")
            check_equal((await call.info(b"x")).status, 200, "a dialog")
            counters = await in_thread(machine("edge-old1").counters)
            check((counters.get("refused.edge.draining", 0) > 0) or how == "serve", f"counters: {counters}")
        check_equal((await call.bye()).status, 200, "BYE")
    finally:
        await in_thread(central.entente, "topology", "set", f"edge_pools/{POOL}/drain_new", "elsewhere")
        await in_thread(service, "start", POOL)
        for agent in (a, b):
            await agent.stop()


def test_the_end():
    "every daemon ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
