"""python3 -m lab.demo: two organisations federate, and the federation route moves to a new Edge while they talk.

Stages: 1 one organisation registers and talks inside; 2 two organisations federate; 3 publishes under traffic; 4 the
transition, first as Entente does it, then in the order of the nine old procedures (--classic: only that).
Exit: 0 nothing was lost in the first move; 1 something was; 2 the move or the lab failed; 3 usage.
"""

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time

from .drive import GeneratorFailed, GeneratorProcess
from .lab import Lab
from .ledger import lost_anything, table
from .machine import CommandFailed, DaemonFailed, program

USERS, MESSAGES, CALLS, LONG_CALLS = 40, 50, 5, 50
INSIDE_MESSAGES, INSIDE_CALLS = 5, 1
CALL_SECONDS, INFO_EVERY_S = 1.0, 5.0
EXPIRES_S = 60              # short, so that registrations are refreshed under way
SAMPLE = 150               # deliveries of each direction that show that traffic flows
SAMPLE_S = 60.0
REGISTER_S, HOLD_S, MOVE_S, FINISH_S = 60.0, 60.0, 150.0, 140.0
PUBLISHES = 3              # of stage 3
LIMIT_S = 300
LOSSES_SHOWN = 10
FROM, TO = "edge-old.contoso.example", "edge-new.contoso.example"
LOST, FAILED, USAGE = 1, 2, 3
FAULTS = ("new-edge-port-closed",)


class TimeLimit(Exception):
    pass


class Screen:
    """One line a stage, with its time; colours on a terminal only."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.colour = out.isatty()
        self.began = time.monotonic()

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def say(self, text=""):
        print(text, file=self.out, flush=True)

    def title(self, text):
        self.say("\n" + self.paint(text, "1"))

    def step(self, text):
        self.say(f"  {time.monotonic() - self.began:6.1f} s      {text}")

    @contextlib.contextmanager
    def stage(self, text):
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(f"  {start - self.began:6.1f} s  {self.paint('--', '31')}  {text}: failed")
            raise
        self.say(f"  {start - self.began:6.1f} s  {self.paint('ok', '32')}  {text} "
                 f"({time.monotonic() - start:.1f} s)")


class Run:
    """One lab, one generator, one way through the stages. `report` and `duration` are its result."""

    def __init__(self, screen, stage=4, classic=False, fault=None, users=USERS, keep=False):
        self.screen, self.stage, self.classic, self.fault, self.users = screen, stage, classic, fault, users
        self.keep = keep
        self.duration = None
        self.failure = None
        self.report = None
        self.blocked = None

    def go(self):
        inside = self.stage == 1
        lab = Lab(organisations=("contoso",) if inside else ("contoso", "fabrikam"), users=self.users,
                  edges=not inside, keep=self.keep)
        if self.fault == "new-edge-port-closed":
            self.close_port(lab.contoso.address("edge-new1", external=True))
        with contextlib.ExitStack() as stack:
            with self.screen.stage("start " + ("one organisation" if inside else "two organisations")):
                stack.enter_context(lab)
            g = stack.enter_context(GeneratorProcess(log=lab.folder / "generator.log"))
            try:
                self.traffic(lab, g)
            finally:
                if self.blocked:
                    self.blocked.close()
            if lost_anything(self.report) or self.failure:
                traces = lab.collect_traces(self.report["losses"])
                self.screen.step(f"traces of what was lost: {traces}")
        self.check_ends(lab)
        return self

    def check_ends(self, lab):
        """A daemon that crashed, or did not end when told, is a failure whatever the counters say."""
        bad = [f"{org} {name}: {code}" for org, codes in lab.exit_codes.items() for name, code in codes.items()
               if code != 0]
        if bad:
            self.failure = self.failure or "daemons did not end well: " + ", ".join(bad)

    def close_port(self, address):
        """The fault: 5061 of the new Edge is taken by a socket that does not listen, so it refuses everybody."""
        self.blocked = socket.socket()
        self.blocked.bind((address, 5061))

    def traffic(self, lab, g):
        screen = self.screen
        count = self.users * len(lab.organisations)
        with screen.stage(f"register {count} users over TLS with digest"):
            g.do("register", REGISTER_S, config=lab.generator_config(EXPIRES_S))
        with screen.stage(f"set up {LONG_CALLS} long calls"):
            g.do("hold", HOLD_S, calls=LONG_CALLS, every=INFO_EVERY_S)
        with screen.stage(f"traffic: {MESSAGES} MESSAGE/s and {CALLS} calls/s in each direction"):
            if self.stage == 1:
                g.do("start", 10, inside_messages=MESSAGES, inside_calls=CALLS, call_seconds=CALL_SECONDS)
            else:
                g.do("start", 10, messages=MESSAGES, calls=CALLS, inside_messages=INSIDE_MESSAGES,
                     inside_calls=INSIDE_CALLS, call_seconds=CALL_SECONDS)
            self.sample(g)
        try:
            if self.stage >= 3 and not self.classic:
                self.publishes(lab, g)
            if self.stage >= 4:
                self.move(lab, g)
        except (CommandFailed, DaemonFailed, GeneratorFailed) as error:
            self.failure = str(error)
            screen.step(screen.paint(f"failed: {error}", "31"))
        self.finish(g)

    def sample(self, g, must=True):
        """Waits until each direction has delivered SAMPLE more messages. must=False: says so when it does not."""
        def delivered():
            return {n: d["messages"]["delivered"] for n, d in g.report()["directions"].items() if self.main(n)}
        before = delivered()
        deadline = time.monotonic() + SAMPLE_S
        while any(now - before.get(name, 0) < SAMPLE for name, now in delivered().items()):
            if time.monotonic() > deadline:
                if must:
                    raise GeneratorFailed(f"no {SAMPLE} deliveries in each direction within {SAMPLE_S:.0f} s")
                self.screen.step("messages do not come back")
                return
            time.sleep(0.1)  # between two looks at the counters

    def main(self, direction):
        """Whether a direction is one that carries the full rate."""
        sender, receiver = direction.split(" > ")
        return sender != receiver or self.stage == 1

    def publishes(self, lab, g):
        with self.screen.stage(f"{PUBLISHES} publishes under traffic"):
            for number in range(PUBLISHES):
                lab.contoso.central.entente("partner", "allow", f"partner{number}.example")
                lab.contoso.publish(f"partner {number}")
                g.do("mark", 10, name=f"publish {number + 1}")
            self.sample(g)

    # --- the move ---
    def move(self, lab, g):
        screen, central = self.screen, lab.contoso.central
        order = ["--classic"] if self.classic else []
        plan = central.entente("transition", "plan", "--from", FROM, "--to", TO, *order)
        (lab.folder / "plan.txt").write_text(plan)
        how = "in the old order" if self.classic else "make before break"
        g.do("mark", 10, name="move begins")
        started = time.monotonic()

        def line(text):
            screen.step(text)
            g.tell("mark", name=text)
        try:
            with screen.stage(f"move the federation route to {TO}, {how}"):
                stream(central, ["transition", "apply", "--from", FROM, "--to", TO, *order, "--wait"], line, MOVE_S)
        finally:
            self.duration = time.monotonic() - started
            g.do("mark", 10, name="move ends")
        with screen.stage("the legacy Access Edge is stopped, DNS names the new Edge"):
            self.check_moved(lab)
        with screen.stage(f"{SAMPLE} more messages in each direction"):
            self.sample(g, must=not self.classic)

    def check_moved(self, lab):
        old = lab.contoso.address("edge-old1", external=True)
        new = lab.contoso.address("edge-new1", external=True)
        with socket.socket() as probe:
            if probe.connect_ex((old, 5061)) == 0:
                raise DaemonFailed("the legacy Access Edge still answers")
        if lab.dns.query("sip.contoso.example", "A") != [new]:
            raise DaemonFailed("DNS does not name the new Edge")

    def finish(self, g):
        with self.screen.stage("long calls re-INVITE and end"):
            g.do("end-long-calls", FINISH_S)
        with self.screen.stage("traffic ends"):
            g.do("stop", FINISH_S)
            self.report = g.quit(FINISH_S)

    @property
    def lost(self):
        return lost_anything(self.report) if self.report else True


def stream(machine, arguments, on_line, seconds):
    """A command of the CLI whose lines are shown as they come. Raises CommandFailed."""
    command = [str(program("entente")), "--state", str(machine.folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            lines = []
            for text in process.stdout:
                lines.append(text)
                on_line(text.rstrip())
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
    if code:
        raise CommandFailed(arguments, code, "".join(lines[-3:]))


# --- results ---
def column(run):
    totals, report = run.report["totals"], run.report
    m, c, long = (totals.get(k, {}) for k in ("messages", "calls", "long_calls"))
    across = [d["longest_gap_ms"] for n, d in report["directions"].items() if run.main(n)]
    return [m.get("sent", 0), m.get("delivered", 0), m.get("lost", 0), m.get("duplicates", 0), c.get("made", 0),
            c.get("dropped", 0), long.get("made", 0), long.get("dropped", 0), f"{max(across, default=0)} ms",
            f"{run.duration:.1f} s" if run.duration else "-"]


ROWS = ("messages sent", "messages delivered", "messages lost", "duplicates", "calls made", "calls dropped",
        "of them long: made", "of them long: dropped", "longest gap", "duration of the move")


def show(screen, runs):
    heads = [name for name, _ in runs]
    columns = [column(run) for _, run in runs]
    width = max(20, *(len(h) + 2 for h in heads))
    screen.say(" " * 26 + "".join(h.rjust(width) for h in heads))
    for index, name in enumerate(ROWS):
        screen.say(f"  {name:24}" + "".join(str(c[index]).rjust(width) for c in columns))


def show_losses(screen, run):
    report = run.report
    for loss in report["losses"][:LOSSES_SHOWN]:
        screen.say(f"    {loss['time']} {loss['kind']} {loss['call_id']} {loss['from']} > {loss['to']}: "
                   f"{loss['status']}, {loss['where']}")
    if report["losses_total"] > LOSSES_SHOWN:
        screen.say(f"    and {report['losses_total'] - LOSSES_SHOWN} more")
    for step, count in report["lost_after"].items():
        screen.say(f"    {count:6} lost of what began after: {step}")
    if report["strange"]:
        screen.say(f"    {report['strange']} strange arrivals (wrong user, wrong body, or never sent)")
    if report["generator_late_ms"] > 1000:
        late = report["generator_late_ms"]
        screen.say(f"    the generator itself was late by {late} ms: this machine is overloaded")


def one(screen, options, classic):
    run = Run(screen, options.stage, classic, options.fault, options.users, options.keep)
    words = "the old procedure" if classic else "the move without loss"
    screen.title(f"Stage {options.stage}: " + (words if options.stage >= 4 else {
        1: "one organisation", 2: "two organisations federate", 3: "publishes under traffic"}[options.stage]))
    run.go()
    screen.say()
    screen.say("  " + table(run.report).replace("\n", "\n  "))
    if run.lost:
        show_losses(screen, run)
    if run.failure:
        screen.say("  " + screen.paint(run.failure, "31"))
    return run


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python3 -m lab.demo", description="Moves a live federation route.")
    parser.add_argument("--stage", type=int, choices=(1, 2, 3, 4), default=4, help="stop after this stage (4)")
    parser.add_argument("--classic", action="store_true", help="only the old procedure")
    parser.add_argument("--no-classic", action="store_true", help="only the move without loss")
    parser.add_argument("--fault", choices=FAULTS, help="inject a fault; the demo must then fail")
    parser.add_argument("--users", type=int, default=USERS, help=f"of each organisation ({USERS})")
    parser.add_argument("--json", metavar="FILE", help="write the reports there")
    parser.add_argument("--limit", type=int, default=LIMIT_S, help=f"seconds for everything ({LIMIT_S})")
    parser.add_argument("--keep", action="store_true", help="keep the labs' folders")
    return parser.parse_args(arguments)


def too_long(*_):
    raise TimeLimit


def main(arguments=None):
    try:
        options = parse(arguments)
    except SystemExit as stop:
        return USAGE if stop.code else 0
    screen = Screen()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(options.limit)
    runs = []
    try:
        if not options.classic:
            runs.append(("Entente", one(screen, options, False)))
        alone = options.stage < 4 or options.fault or options.no_classic or any(run.failure for _, run in runs)
        if options.classic or not alone:
            runs.append(("classic", one(screen, options, True)))
    except TimeLimit:
        screen.say(screen.paint(f"longer than {options.limit} s", "31"))
        return FAILED
    except (CommandFailed, DaemonFailed, GeneratorFailed, OSError, RuntimeError) as error:
        screen.say(screen.paint(str(error), "31"))
        return FAILED
    finally:
        signal.alarm(0)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as out:
                json.dump({name: run.report for name, run in runs}, out, indent=1)
    screen.title("Result")
    show(screen, runs)
    return verdict(screen, runs)


def verdict(screen, runs):
    first = runs[0][1]
    screen.say()
    if first.failure:
        screen.say(screen.paint(f"failed: {first.failure}", "31"))
        return FAILED
    if first.lost:
        screen.say(screen.paint("something was lost", "31"))
        return LOST
    screen.say(screen.paint("nothing was lost", "32") + f" ({time.monotonic() - screen.began:.0f} s in all)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
