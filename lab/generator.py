"""The traffic: users of several organisations, messages and calls at a constant rate, long calls that are held.

It knows SIP, DNS and public certificates, and nothing of what is under test. Nothing is tried twice. As a program
(`python3 -m lab.generator`) it reads commands as JSON lines and answers with JSON lines; lab/drive.py is the other
end.

    {"cmd": "register", "id": 1, "config": {"dns": "127.1.2.10:5300", "organisations": [
        {"domain": "contoso.example", "ca": "FILE", "users": [["u1", "password"]], "local_address": "127.1.2.30",
         "front_end": {"transport": "TLS", "address": "…", "port": 5061, "name": "fe1.contoso.example"}}]}}
    {"cmd": "start", "messages": 50, "calls": 5, "inside_messages": 5, "inside_calls": 1, "call_seconds": 1.0}
    {"cmd": "hold", "calls": 50, "every": 5.0}     {"cmd": "mark", "name": "route moved"}
    {"cmd": "end-long-calls"}   {"cmd": "stop"}   {"cmd": "report"}   {"cmd": "quit"}

Without "front_end" it is found by SRV. Rates are per second and per direction. Each command is answered by
{"done": CMD, "id": …} when it is complete, or by {"failed": …, "why": …}.
"""

import asyncio
import itertools
import json
import secrets
import sys
import time

from .dnsclient import DnsClient
from .ledger import Ledger
from .sip import CallFailed, FrontEnd, UserAgent, find_front_end, uri_aor
from .sipmsg import NameAddr, new_call_id

REGISTER_AT_ONCE = 20
HOLD_AT_ONCE = 10
SEEN_S = 32.0      # how long the far end may take to see what the near end had answered, or an ACK
FINISH_S = 130.0   # after stop: an INVITE may ring for 90 s, what follows times out after 32 s
LATE_S = 1.0       # a schedule that is later than this says that this machine is overloaded


class StepFailed(Exception):
    def __init__(self, where, status):
        super().__init__(where)
        self.where, self.status = where, status


class Organisation:
    def __init__(self, domain, agents):
        self.domain, self.agents = domain, agents
        self.turn = itertools.cycle(agents)


class Generator:
    def __init__(self, emit=None):
        self.emit = emit or (lambda event: None)
        self.ledger = Ledger()
        self.organisations = []
        self.agents = {}
        self.tasks = set()
        self.schedules = []
        self.long_calls = []
        self.end_long = asyncio.Event()
        self.call_seconds = 1.0
        self.numbers = itertools.count(1)
        self.late_s = 0.0
        self.reconnects = self.register_failures = 0

    def event(self, name, /, **fields):
        self.emit(self.ledger.event(name, **fields))

    # --- registering ---
    async def register(self, config):
        dns = DnsClient(*split_server(config["dns"])) if config.get("dns") else None
        for entry in config["organisations"]:
            front_end = await self.front_end(entry, dns)
            agents = []
            for user, password in entry["users"]:
                agent = UserAgent(f"{user}@{entry['domain']}", password, front_end, on_message=self.on_message,
                                  on_call=self.on_call, on_note=self.on_note, expires=config.get("expires", 600),
                                  algorithms=config.get("algorithms"))
                agents.append(agent)
                self.agents[agent.aor] = agent
            self.organisations.append(Organisation(entry["domain"], agents))
        gate = asyncio.Semaphore(REGISTER_AT_ONCE)

        async def one(agent):
            async with gate:
                await agent.start()
        await asyncio.gather(*(one(agent) for agent in self.agents.values()))
        self.event("registered", users=len(self.agents))

    @staticmethod
    async def front_end(entry, dns):
        where = entry.get("front_end")
        if where:
            return FrontEnd(where["transport"], where["address"], where["port"], where.get("name"), entry.get("ca"),
                            entry.get("local_address"))
        return await find_front_end(entry["domain"], dns, entry.get("ca"), entry.get("local_address"))

    def on_note(self, agent, event, text):
        self.reconnects += event == "reconnected"
        self.register_failures += event == "register-failed"
        self.event(event, user=agent.aor, text=text)

    # --- traffic ---
    def pairs(self):
        """(from, to, same) for every ordered pair of organisations."""
        return [(a, b, a is b) for a in self.organisations for b in self.organisations]

    def start(self, messages=50, calls=5, inside_messages=0, inside_calls=0, call_seconds=1.0):
        self.call_seconds = call_seconds
        for a, b, same in self.pairs():
            self.ledger.direction(f"@{a.domain}", f"@{b.domain}")
            for rate, begin in ((inside_messages if same else messages, self.begin_message),
                                (inside_calls if same else calls, self.begin_call)):
                if rate:
                    self.schedules.append(asyncio.ensure_future(self.schedule(rate, begin, a, b)))
        self.ledger.begin()
        self.event("traffic-started", messages=messages, calls=calls)

    async def schedule(self, rate, begin, a, b):
        loop = asyncio.get_running_loop()
        due = loop.time()
        warned = False
        while True:
            late = loop.time() - due
            self.late_s = max(self.late_s, late)
            if late > LATE_S and not warned:
                warned = True
                self.event("generator-late", seconds=round(late, 2))
            begin(a, b)
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    def pick(self, a, b):
        sender, receiver = next(a.turn), next(b.turn)
        if sender is receiver:
            receiver = next(b.turn)
        return sender, receiver

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.task_done)
        return task

    def task_done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.event("generator-fault", text=repr(task.exception()))

    # --- messages ---
    def begin_message(self, a, b):
        sender, receiver = self.pick(a, b)
        self.spawn(self.one_message(sender, receiver))

    async def one_message(self, sender, receiver):
        body = f"message {next(self.numbers)} {secrets.token_hex(16)}".encode()
        record = self.ledger.message_sent(new_call_id(), sender.aor, receiver.aor, body)
        response = await sender.message(receiver.aor, body, record.call_id)
        self.ledger.message_answered(record, response.status, response.reason)

    def on_message(self, agent, request):
        sender = uri_aor(NameAddr.parse(request.get("From")).uri)
        self.ledger.message_arrived(request.call_id, agent.aor, sender, request.body)

    # --- calls: both ends ---
    def begin_call(self, a, b):
        caller, callee = self.pick(a, b)
        number = next(self.numbers)
        record = self.new_call(caller, callee, False)
        self.spawn(self.judge(record, self.short_call(record, number)))

    def new_call(self, caller, callee, long):
        record = self.ledger.call_made(new_call_id(), caller.aor, callee.aor, long)
        record.arrived = asyncio.get_running_loop().create_future()
        return record

    async def on_call(self, call):
        """The callee's end."""
        record = self.ledger.calls.get(call.call_id)
        if not record or record.callee != call.ua.aor or uri_aor(call.remote_uri) != record.caller or record.far:
            self.ledger.strange += 1
            self.event("strange-call", call_id=call.call_id, at=call.ua.aor)
            call.reject(404)
            return
        record.far = call
        call.ring()
        acked = await call.accept()
        if not record.arrived.done():
            record.arrived.set_result(acked)

    async def judge(self, record, steps):
        try:
            await steps
        except StepFailed as failure:
            self.ledger.call_dropped(record, failure.where, failure.status)
            await self.abandon(record)
        else:
            self.ledger.call_good(record)

    async def abandon(self, record):
        """Ends what is left of a call that is already counted as dropped."""
        for call in (record.near, record.far):
            if call and call.remote_tag and not call.ended.done():
                await call.bye()

    async def establish(self, record):
        caller = self.agents[record.caller]
        record.near = caller.start_call(record.callee, record.call_id)
        try:
            response = await record.near.answered
        except CallFailed as failed:
            r = failed.response
            reached = "the callee had it" if record.far else "it did not reach the callee"
            raise StepFailed(f"INVITE ({reached})", f"{r.status} {r.reason}") from failed
        record.rang, record.status, record.step = record.near.ringing.is_set(), response.status, "ACK"
        if not record.far:
            raise StepFailed("INVITE: 200, but not from the callee", response.status)
        await asyncio.wait([record.arrived], timeout=SEEN_S)
        if not record.arrived.done() or not record.arrived.result():
            raise StepFailed("ACK: the callee did not get it", response.status)

    async def in_dialog(self, record, number, near):
        """INFO from one end; the other must have got this body, once."""
        record.step = "INFO"
        call, other = (record.near, record.far) if near else (record.far, record.near)
        body = f"info {number} {secrets.token_hex(8)}".encode()
        response = await call.info(body)
        self.need(response, "INFO")
        if other.bodies.count(body) != 1:
            raise StepFailed(f"INFO: 200, but seen {other.bodies.count(body)} times", response.status)

    @staticmethod
    def need(response, step):
        if response.status != 200:
            raise StepFailed(step, f"{response.status} {response.reason}")

    async def hang_up(self, record, near):
        record.step = "BYE"
        call, other = (record.near, record.far) if near else (record.far, record.near)
        self.need(await call.bye(), "BYE")
        if not other.ended.done() or other.ended.result() != "bye":
            raise StepFailed("BYE: 200, but the other end did not get it", 200)

    async def short_call(self, record, number):
        await self.establish(record)
        await asyncio.sleep(self.call_seconds / 2)
        await self.in_dialog(record, number, near=number % 2 == 0)
        await asyncio.sleep(self.call_seconds / 2)
        await self.hang_up(record, near=number % 4 < 2)

    # --- long calls ---
    async def hold(self, calls=50, every=5.0):
        """Sets up long calls, in all directions between organisations; complete when all are up or have failed."""
        pairs = [(a, b) for a, b, same in self.pairs() if not same] or [(a, b) for a, b, _ in self.pairs()]
        gate = asyncio.Semaphore(HOLD_AT_ONCE)
        up = []
        for number in range(calls):
            caller, callee = self.pick(*pairs[number % len(pairs)])
            record = self.new_call(caller, callee, True)
            established = asyncio.get_running_loop().create_future()
            up.append(established)
            task = self.spawn(self.judge(record, self.long_call(record, number, every, gate, established)))
            self.long_calls.append(task)
        await asyncio.wait(up)
        self.event("long-calls-held", calls=calls, up=sum(f.result() for f in up))

    async def long_call(self, record, number, every, gate, established):
        try:
            async with gate:
                await self.establish(record)
        except StepFailed:
            established.set_result(False)
            raise
        established.set_result(True)
        turn = number
        pause = every * (0.5 + (number % 10) / 20)  # they do not all speak at once
        while not await self.told_to_end(pause):
            turn += 1
            await self.in_dialog(record, turn, near=turn % 2 == 0)
            pause = every
        await self.renew(record, near=number % 2 == 0)
        await self.hang_up(record, near=number % 4 < 2)

    async def told_to_end(self, seconds):
        try:
            await asyncio.wait_for(self.end_long.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        return self.end_long.is_set()

    async def renew(self, record, near):
        """re-INVITE from one end, ACK seen at the other."""
        record.step = "re-INVITE"
        call, other = (record.near, record.far) if near else (record.far, record.near)
        before = other.seen.count("INVITE")
        self.need(await call.reinvite(), "re-INVITE")
        if other.seen.count("INVITE") != before + 1:
            raise StepFailed("re-INVITE: 200, but the other end did not get it once", 200)
        record.step = "ACK of re-INVITE"
        await asyncio.wait([other.acked], timeout=SEEN_S)
        if not other.acked.done():
            raise StepFailed("ACK of re-INVITE: the other end did not get it", 200)

    async def end_long_calls(self):
        self.end_long.set()
        if self.long_calls:
            await asyncio.wait(self.long_calls, timeout=FINISH_S)
        self.event("long-calls-ended", calls=len(self.long_calls))

    # --- the end ---
    def mark(self, name):
        self.emit(self.ledger.mark(name))

    async def stop(self):
        """No new traffic; complete when all that is under way has ended. Long calls stay."""
        if self.schedules:
            self.ledger.end()
        for schedule in self.schedules:
            schedule.cancel()
        self.schedules = []
        waiting = [t for t in self.tasks if t not in self.long_calls]
        if waiting:
            await asyncio.wait(waiting, timeout=FINISH_S)
        self.event("traffic-stopped")

    def report(self):
        return {**self.ledger.report(), "users": len(self.agents), "reconnects": self.reconnects,
                "register_failures": self.register_failures,
                "generator_late_ms": round(self.late_s * 1000)}

    async def quit(self):
        await self.stop()
        await self.end_long_calls()
        self.ledger.unfinished()
        await asyncio.gather(*(agent.stop() for agent in self.agents.values()), return_exceptions=True)


def split_server(text):
    address, _, port = text.rpartition(":")
    return address, int(port)


class Program:
    """Commands from stdin, events to stdout."""

    def __init__(self):
        self.generator = Generator(self.emit)

    def emit(self, event):
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    async def obey(self, command):
        name, ident = command.pop("cmd", None), command.pop("id", None)
        started = time.monotonic()
        try:
            result = getattr(self.generator, self.COMMANDS[name])(**command)
            if asyncio.iscoroutine(result):
                result = await result
        except Exception as error:  # told to whoever drives us, who decides
            self.emit({"failed": name, "id": ident, "why": f"{type(error).__name__}: {error}"})
            return
        self.emit({"done": name, "id": ident, "seconds": round(time.monotonic() - started, 3), "result": result})

    COMMANDS = {"register": "register", "start": "start", "hold": "hold", "mark": "mark", "stop": "stop",
                "end-long-calls": "end_long_calls", "report": "report"}

    async def run(self):
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        running = set()
        while line := await reader.readline():
            command = json.loads(line)
            if command.get("cmd") == "quit":
                break
            task = loop.create_task(self.obey(command))
            running.add(task)
            task.add_done_callback(running.discard)
        await self.generator.quit()
        self.emit({"done": "quit", "result": self.generator.report()})


if __name__ == "__main__":
    asyncio.run(Program().run())
