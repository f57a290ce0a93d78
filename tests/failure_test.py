#!/usr/bin/env python3
"""Failure is normal: kill -9 of each daemon under traffic, central gone, machines away, revisions that are wrong, disks
that are full, DNS that is dead, partners that are silent, clocks that are apart. Each has a stated behaviour."""

import asyncio
import base64
import contextlib
import http.client
import itertools
import json
import os
import resource
import ssl
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, clock, contoso, refusal_id, run_with
from tap import Failed, check, check_equal, wait_until

from lab.machine import CommandFailed, program
from lab.sip import UserAgent

PARTNER = Partner("partner.example")
SILENT = Partner("silent.example")
MUTE = Partner("mute.example")
TWO = Partner("two.example", before="silent.two.example")
NEVER = Partner("never.example")  # nobody writes to it before DNS is dead
PARTNERS = (PARTNER, SILENT, MUTE, TWO, NEVER)
SOAK = os.environ.get("SOAK") == "1"
EACH_S = 0.05       # between messages of the traffic
HEALTHY = 10        # messages in a row, each way, that show that it serves again
HEALTHY_S = 60.0
TRANSACTION_S = 32.0
ATTEMPT_MS, CONNECT_MS = 6000, 3000


def quick(topology):
    topology["deployment"].update(attempt_ms=ATTEMPT_MS, connect_ms=CONNECT_MS)


WORLD = World(lambda: contoso(PARTNERS, users=4, adjust=quick, ttl=2))


async def in_thread(function, *arguments, **options):
    return await asyncio.get_running_loop().run_in_executor(None, lambda: function(*arguments, **options))


class Traffic:
    """Messages between alice and a partner, both ways, all the time. What got a 200 has arrived, and once."""

    def __init__(self):
        lab = WORLD.up()
        self.arrived, self.answers = {}, {}
        self.in_a_row = {"in": 0, "out": 0}
        self.number = 0
        self.calls = []
        self.before = frozenset()  # sent before all was well at first
        self.alice = lab.contoso.user_agent(0, on_message=self.on_message, on_call=self.on_call)
        self.tasks = []

    def on_message(self, agent, request):
        self.arrived[request.body] = self.arrived.get(request.body, 0) + 1

    async def on_call(self, call):
        self.calls.append(call)
        await call.accept()

    async def __aenter__(self):
        try:
            await self.alice.start()
            self.eve = await PARTNER.open(WORLD.lab, WORLD.ca, self.on_call)
            self.eve.on_message = self.on_message
            loop = asyncio.get_running_loop()
            self.tasks = [loop.create_task(self.send("out")), loop.create_task(self.send("in"))]
            await self.healthy()
            self.before = frozenset(self.answers)
        except BaseException as error:
            await self.__aexit__(type(error))
            raise
        return self

    async def __aexit__(self, kind, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.alice.stop()
        if PARTNER.agent:
            await PARTNER.agent.stop()
        if kind is None:
            self.judge()

    async def send(self, way):
        while True:
            self.number += 1
            body = f"{way} {self.number}".encode()
            if way == "in" and self.eve.flow.closed:
                with contextlib.suppress(OSError):
                    await self.eve.attach()
            sender, receiver = (self.eve, self.alice) if way == "in" else (self.alice, self.eve)
            response = await sender.message(receiver.aor, body)
            self.answers[body] = response.status
            self.in_a_row[way] = self.in_a_row[way] + 1 if response.status == 200 else 0
            await asyncio.sleep(EACH_S)

    def judge(self):
        for body, status in self.answers.items():
            copies = self.arrived.get(body, 0)
            check(copies <= 1, f"{body} arrived {copies} times")
            check(status != 200 or copies == 1, f"{body}: 200, but it did not arrive")

    async def healthy(self):
        """Until it is served again: messages in a row, both ways."""
        self.in_a_row = dict.fromkeys(self.in_a_row, 0)
        deadline = time.monotonic() + HEALTHY_S
        while min(self.in_a_row.values()) < HEALTHY:
            check(time.monotonic() < deadline, f"not healthy in {HEALTHY_S} s: {list(self.answers.items())[-6:]}")
            await asyncio.sleep(0.02)

    def lost(self):
        """Since all was well at first: what the test before this one broke may have been mending itself."""
        return sum(status != 200 for body, status in self.answers.items() if body not in self.before)


def revisions():
    return {name: m.revision() for name, m in WORLD.lab.contoso.machines.items()}


async def kill_and_restart(machine):
    await in_thread(machine.kill9)
    await in_thread(machine.restart)


def publish(comment):
    """Something changed, published, acknowledged by all."""
    org = WORLD.lab.contoso
    org.central.entente("topology", "set", "deployment/timer_c_s", next(TIMERS))
    org.publish(comment)


def draft():
    return json.loads(WORLD.lab.contoso.central.entente("topology", "show", "--format", "json"))


# --- kill -9 ---
async def test_kill_edge():
    "kill -9 of the Edge under traffic: serves again, same revision, and a dialog from before goes on"
    async with Traffic() as traffic:
        before = revisions()
        calls = [await traffic.alice.invite(traffic.eve.aor), await traffic.eve.invite(traffic.alice.aor)]
        await kill_and_restart(WORLD.edge())
        await traffic.healthy()
        check_equal(revisions(), before, "revisions")
        for call in calls:
            check_equal((await call.info(b"after")).status, 200, "INFO in a dialog from before")
        for call in traffic.calls:
            check_equal((await call.info(b"back")).status, 200, "and from its other end")
        for call in calls:
            check_equal((await call.bye()).status, 200, "BYE")


async def test_kill_front_end():
    "kill -9 of the Front End under traffic: serves again; bindings are whole: UDP is reached, a lost connection waits"
    org = WORLD.up().contoso
    front_end = org.front_end
    got = []
    udp = org.user_agent(1, "UDP", on_message=lambda ua, r: got.append(r.body))
    away = org.user_agent(2, on_message=lambda ua, r: got.append(r.body))
    async with Traffic() as traffic:
        await udp.attach()
        await udp.register(600)
        await away.attach()
        await away.register(600)
        call = await traffic.eve.invite(traffic.alice.aor)
        before = revisions()
        await kill_and_restart(front_end)
        await traffic.healthy()
        check_equal(revisions(), before, "revisions")
        check_equal((await traffic.eve.message(udp.aor, b"udp")).status, 200, "the binding over UDP")
        response = await traffic.eve.message(away.aor, b"gone")
        check_equal((response.status, refusal_id(response)), (480, "front-end.client-away"), "a lost connection")
        await away.attach()
        await away.register(600)
        check_equal((await traffic.eve.message(away.aor, b"back")).status, 200, "when its client is back")
        check_equal(got, [b"udp", b"back"], "bodies")
        check_equal((await call.info(b"after")).status, 200, "a dialog from before, to a client that came back")
        check_equal((await call.bye()).status, 200, "BYE")
    await udp.stop()
    await away.stop()


TIMERS = itertools.count(190)


def publish_and_kill(delay):
    """A publish with kill -9 of central some time after it began; the CLI's exit code."""
    central = WORLD.lab.contoso.central
    central.entente("topology", "set", "deployment/timer_c_s", next(TIMERS))
    command = [str(program("entente")), "--state", str(central.folder), "publish", "-m", f"killed at {delay}", "--yes"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(delay)  # the moment of the kill is what is varied here
        central.kill9()
        code = process.wait(30)
    central.restart()
    return code


def converged(number):
    for machine in WORLD.lab.contoso.machines.values():
        machine.wait_revision(number)
    check_equal(set(revisions().values()), {number}, "all run the same")


async def test_kill_central():
    "kill -9 of central at many moments of a publish, under traffic: the old or the new revision, whole, everywhere"
    async with Traffic() as traffic:
        central = WORLD.lab.contoso.central
        seen = set()
        for delay in (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1):
            before = central.published()
            code = await in_thread(publish_and_kill, delay)
            after = await in_thread(central.published)
            check(after in (before, before + 1), f"killed at {delay} s: revision {before} became {after}")
            check(code != 0 or after == before + 1, "a publish that succeeded is there")
            seen.add(after - before)
            await in_thread(converged, after)
            await in_thread(central.entente, "topology", "check")
        await traffic.healthy()
        check_equal(traffic.lost(), 0, "messages lost while central died and came back")
        print(f"# outcomes seen: {sorted(seen)}")
        await in_thread(publish, "and publishing works")


async def test_central_down():
    "central is down: Edge and Front End go on, also when they start again; nothing but publishing is missing"
    async with Traffic() as traffic:
        org = WORLD.lab.contoso
        before = org.central.published()
        await in_thread(org.central.kill9)
        await traffic.healthy()
        check_equal(traffic.lost(), 0, "lost when central went away")
        for machine in (WORLD.edge(), org.front_end):
            await kill_and_restart(machine)
            check_equal(machine.revision(), before, machine.name)
            await traffic.healthy()
        user, password = "late", "password-of-late"
        await in_thread(org.front_end.entente, "user", "add", f"{user}@{org.domain}", stdin=password + "\n")
        late = UserAgent(f"{user}@{org.domain}", password, org.client())
        await late.start()
        await late.stop()
        await in_thread(org.front_end.entente, "user", "remove", f"{user}@{org.domain}")
        await in_thread(org.central.restart)
        await in_thread(publish, "central is back")


# --- revisions ---
def test_away():
    "a machine that was away during two publishes runs the newest one when it is back"
    org = WORLD.up().contoso
    edge = WORLD.edge()
    check_equal(edge.terminate(), 0, "ends")
    for number in (1, 2):
        org.central.entente("topology", "set", "deployment/timer_c_s", next(TIMERS))
        org.central.entente("publish", "-m", f"number {number}", "--yes")
    newest = org.central.published()
    status = org.central.entente("replication", "status")
    check(edge.fqdn in status, status)
    edge.restart(wait=False)
    edge.wait_ready()
    edge.wait_revision(newest)
    converged(newest)


def push(machine, body, sender):
    """POST /v1/push with the internal certificate of `sender`; (status, id of the error)."""
    identity = json.loads((machine.folder / "machine.json").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=identity["internal_ca"])
    context.load_cert_chain(sender.folder / "internal.crt", sender.folder / "internal.key")
    context.check_hostname = False  # connected by address
    address = WORLD.lab.contoso.address(machine.name)
    connection = http.client.HTTPSConnection(address, 4443, context=context, timeout=30)
    try:
        connection.request("POST", "/v1/push", json.dumps({"format": 1, **body}), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    return response.status, (answer.get("error") or {}).get("id")


def test_refused_pushes():
    "a revision that is altered, wrongly signed, older, or not from central is refused; the current one stays"
    org = WORLD.up().contoso
    edge, central = WORLD.edge(), org.central
    older = (edge.folder / "revision.json").read_text()
    publish("one more")
    current = (edge.folder / "revision.json").read_text()
    before = edge.revision()
    altered = json.loads(current)
    altered["content"] = altered["content"].replace("contoso", "c0ntoso", 1)
    numbered = json.loads(current)
    numbered["number"] += 1
    since = edge.log_end()
    for body, sender, want in ((json.dumps(altered), central, (409, "replica.bad-hash")),
                               (json.dumps(numbered), central, (409, "replica.bad-signature")),
                               (older, central, (409, "replica.older")),
                               (current[:len(current) // 2], central, (409, "replica.bad-push")),
                               (current, org.front_end, (403, "replica.not-central"))):
        check_equal(push(edge, {"revision": body}, sender), want, want[1])
        edge.wait_event("replica.refused", EVENT_S, since, reason=want[1])
        check_equal((edge.revision(), (edge.folder / "revision.json").read_text()), (before, current), "what stays")
    check_equal(push(edge, {"material": base64.b64encode(b"junk").decode(), "material_serial": 10 ** 6}, central),
                (409, "replica.unseal"), "material that is not for it")
    check_equal(edge.revision(), before, "what runs")
    publish("and publishing works")


async def test_damaged_disk():
    "revision.json altered, gone or older (SOAK: wrongly signed, cut, empty) on disk: replaced by a push"
    org = WORLD.up().contoso
    edge = WORLD.edge()
    file = edge.folder / "revision.json"
    older = file.read_text()
    publish("one more")
    newest = org.central.published()
    current = file.read_text()
    document = json.loads(current)
    altered = dict(document, content=document["content"].replace("contoso", "c0ntoso", 1))
    unsigned = dict(document, number=newest + 7)
    texts = [json.dumps(altered), None, older] + ([json.dumps(unsigned), current[:100], ""] if SOAK else [])
    for text in texts:  # each takes up to a heartbeat of central
        await in_thread(edge.kill9)
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        since = edge.log_end()
        await in_thread(edge.restart, wait=False)
        await in_thread(edge.wait_event, "daemon.ready", EVENT_S * 2, since)
        await in_thread(edge.wait_revision, newest)
        if text != older:
            check(edge.events("replica.damaged", since), f"no replica.damaged for {(text or 'nothing')[:60]}")
        # it runs before it is written: what is acknowledged does both
        await in_thread(wait_until, lambda: file.exists() and json.loads(file.read_text())["number"] == newest, EVENT_S, "on disk")
    async with Traffic() as traffic:
        await traffic.healthy()


# --- full disks ---
@contextlib.contextmanager
def full_disk(machine, size=0):
    """No file of this daemon grows beyond `size`: what a full disk is to a process without privileges."""
    pid = machine.process.pid
    old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        if machine.running:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, old)


def test_full_disk_central():
    "central's disk is full: publish fails with a clear id, nothing is lost, and it works when there is space again"
    org = WORLD.up().contoso
    central = org.central
    timer = next(TIMERS)
    central.entente("topology", "set", "deployment/timer_c_s", timer)
    before = central.published()
    with full_disk(central):
        try:
            central.entente("publish", "-m", "full", "--yes")
            raise Failed("published on a full disk")
        except CommandFailed as failed:
            check_equal(failed.code, 2, str(failed))
            check("central." in failed.output or "store." in failed.output, f"an id: {failed.output}")
        check(central.running, f"central goes on: {central.tail()}")
        check_equal(central.published(), before, "revision")
    check_equal(draft()["deployment"]["timer_c_s"], timer, "the draft")
    org.publish("there is space again")
    check_equal(central.published(), before + 1, "revision")
    central.kill9()
    central.restart()
    check_equal(central.published(), before + 1, "after a restart")


def test_full_disk_machine():
    "a machine's disk is full: the new revision is refused (replica.disk), the current one stays, later it is taken"
    org = WORLD.up().contoso
    edge, central = WORLD.edge(), org.central
    before = edge.revision()
    with full_disk(edge):
        central.entente("topology", "set", "deployment/timer_c_s", next(TIMERS))
        central.entente("publish", "-m", "full edge", "--yes")
        newest = central.published()
        def told():
            return [line for line in central.entente("replication", "status").splitlines()
                    if edge.fqdn in line and "replica.disk" in line]
        wait_until(told, 30, "replication status says why")
        check(edge.running, f"the Edge goes on: {edge.tail()}")
        check_equal(edge.revision(), before, "what runs")
    edge.wait_revision(newest)
    converged(newest)


async def test_full_disk_front_end():
    "the Front End's disk is full: a registration is refused with its id, those that stand go on"
    org = WORLD.up().contoso
    async with Traffic() as traffic:
        other = org.user_agent(1)
        await other.attach()
        with full_disk(org.front_end):
            response = await registering(other)
            check_equal((response.status, refusal_id(response)), (503, "front-end.location-failed"), "REGISTER")
            await traffic.healthy()
        check_equal((await registering(other)).status, 200, "with space again")
        await other.stop()


async def registering(agent):
    """The last answer to a REGISTER."""
    request = agent.new_request("REGISTER", f"sip:{agent.domain}", agent.uri)
    request.add("Contact", f"{agent.contact()};expires=300")
    return await agent.send(request)


# --- partners ---
class MuteAgent(UserAgent):
    """Takes connections and requests, and answers nothing."""

    def on_request(self, request, transaction):
        pass


async def test_silent_partner():
    "a partner's Edge that takes connections and says nothing: an answer in time, others are not held up; failover"
    lab = WORLD.up()
    accepted = []

    async def hold(reader, writer):
        accepted.append(writer)
        await reader.read()
    servers = [await asyncio.start_server(hold, lab.net.address(name), 5061)
               for name in (SILENT.domain, TWO.before)]
    await TWO.open(lab, WORLD.ca)
    await MUTE.open(lab, WORLD.ca)
    MUTE.agent.__class__ = MuteAgent
    async with Traffic() as traffic:
        bob = lab.contoso.user_agent(1)
        await bob.start()
        since = time.monotonic()
        calls = [bob.start_call(f"eve@{MUTE.domain}") for _ in range(5 if SOAK else 0)]
        waiting = [asyncio.ensure_future(bob.message(f"eve@{SILENT.domain}", b"x")) for _ in range(5)]
        beside = 0
        while not all(w.done() for w in waiting):
            check_equal((await bob.message(PARTNER.agent.aor, b"beside")).status, 200, "another partner meanwhile")
            beside += 1
            await asyncio.sleep(0.05)
        check(beside >= 3, f"another partner is held up: {beside} messages meanwhile")
        check(time.monotonic() - since < TRANSACTION_S - 2, "the silent ones are answered for in time")
        for response in (w.result() for w in waiting):
            check_equal((response.status, refusal_id(response)), (504, "element.unreachable"), "silent")
        for call in calls:  # a call that is not answered at all takes what a transaction may take
            await asyncio.wait([call.answered], timeout=TRANSACTION_S + 8)
            response = call.answered.exception().response
            check_equal((response.status, refusal_id(response)), (408, "element.timeout"), "mute")
        check_equal((await bob.message(TWO.agent.aor, b"x")).status, 200, "the second target")
        check_equal([r.body for r in TWO.got], [b"x"], "once")
        check_equal(traffic.lost(), 0, "traffic meanwhile")
        await bob.stop()
    for server in servers:
        server.close()
    for writer in accepted:
        writer.close()
    for partner in (TWO, MUTE):
        await partner.agent.stop()


# --- clocks ---
async def test_clocks():
    "clocks apart by ten minutes, either way: federation, dialogs and publishing go on; central names the machine"
    org = WORLD.up().contoso
    edge, central = WORLD.edge(), org.central
    for seconds in (600, -600):
        async with Traffic() as traffic:
            call = await traffic.eve.invite(traffic.alice.aor)
            since = central.log_end()
            await in_thread(edge.kill9)

            def start():
                with clock(WORLD.lab.folder, seconds):
                    edge.restart()
            await in_thread(start)
            await traffic.healthy()
            check_equal((await call.info(b"x")).status, 200, "a dialog from before")
            check_equal((await call.bye()).status, 200, "BYE")
            await in_thread(publish, f"clock {seconds}")
            event = await in_thread(central.wait_event, "central.clock", EVENT_S, since, peer=edge.fqdn)
            apart = int(event["text"].split(" is ")[1].split()[0])
            check(abs(apart - seconds) < 30, str(event))
            await kill_and_restart(edge)
            await traffic.healthy()


# --- DNS: last, since a resolver keeps a failure for some seconds, each worker its own ---
async def test_dns_dead():
    "DNS is dead: old answers serve, and what was never asked fails in time (element.dns-failed); it recovers by itself"
    lab = WORLD.up()
    async with Traffic() as traffic:
        bob = lab.contoso.user_agent(1)
        await bob.start()
        # old answers are each worker's own: the one that bob's messages come to must have asked before
        check_equal((await bob.message(PARTNER.agent.aor, b"asked before")).status, 200, "while DNS lives")
        await in_thread(lab.dns.stop)
        try:
            response = await until_refused(bob, f"x@{NEVER.domain}", "element.dns-failed")
            check_equal(response.status, 504, "status")
            await until_stale()
            for _ in range(5):
                check_equal((await bob.message(PARTNER.agent.aor, b"by an old answer")).status, 200, "to a known partner")
            check_equal((await bob.message(traffic.alice.aor, b"inside")).status, 200, "inside")
            check_equal((await traffic.eve.message(traffic.alice.aor, b"from outside")).status, 200,
                        "from a partner whose connection has proven it")
        finally:
            await in_thread(lab.dns.start)
        await traffic.healthy()
        await bob.stop()


async def until_stale():
    """Until the answers about the partner are older than they may be, and serve (the traffic asks)."""
    edge, deadline = WORLD.edge(), time.monotonic() + HEALTHY_S
    before = edge.counters().get("resolver.stale", 0)
    while edge.counters().get("resolver.stale", 0) < before + 10:
        check(time.monotonic() < deadline, f"{edge.counters()}")
        await asyncio.sleep(0.1)


async def until_refused(agent, to, name):
    """Messages to the partner until one is refused with this id (answers are kept for their TTL); each in time."""
    deadline = time.monotonic() + HEALTHY_S
    while True:
        started = time.monotonic()
        response = await agent.message(to, b"x")
        check(time.monotonic() - started < TRANSACTION_S - 2, "answered well before the transaction ends")
        if response.status != 200 and refusal_id(response) == name:
            return response
        check(time.monotonic() < deadline, f"no {name}, but {response.status} {response.headers}")
        await asyncio.sleep(0.1)


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
