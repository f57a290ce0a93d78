#!/usr/bin/env python3
"""The main job: the demo loses nothing, fails when it must; and the move of the route goes on after kill -9 of central
management, and can be undone in the middle, without loss. SOAK=1: ten demos in a row."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from partner import KEEP, check_ended
from tap import Failed, check, check_equal, diag, run, wait_until

from lab.lab import Lab
from lab.demo import FROM, TO
from lab.drive import GeneratorProcess
from lab.ledger import lost_anything
from lab.machine import program

SOAK = os.environ.get("SOAK") == "1"
DEMO_S = 300
MOVE_S = 150
USERS, MESSAGES, CALLS, LONG_CALLS = 10, 10, 1, 10
KILL_AFTER = ("publish 1", "publish 2", "DNS", "drain")
BACK_AFTER = "publish 2"


def demo(*arguments):
    """(exit code, output) of the demo, within its limit."""
    with subprocess.Popen([sys.executable, "-m", "lab.demo", *arguments], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        timer = threading.Timer(DEMO_S + 30, process.send_signal, (signal.SIGINT,))
        timer.start()
        try:
            output = process.stdout.read()
            return process.wait(), output
        finally:
            timer.cancel()


def test_demo():
    "the demo (40 users each, 50 MESSAGE/s, 5 calls/s, 50 long calls): the route moves and nothing is lost"
    for _ in range(10 if SOAK else 1):
        code, output = demo("--no-classic", "--limit", str(DEMO_S))
        if code:
            diag(output)
        check_equal(code, 0, "exit code")
        check("nothing was lost" in output, output[-2000:])


def test_demo_fault():
    "the demo with a fault (5061 of the new Edge is closed) fails"
    code, output = demo("--no-classic", "--fault", "new-edge-port-closed", "--limit", str(DEMO_S), "--users",
                        str(USERS))
    check(code != 0, f"exit code 0: {output[-2000:]}")
    check("nothing was lost" not in output, output[-2000:])


# --- the move, driven here ---
class Apply:
    """entente transition apply --wait, read line by line."""

    def __init__(self, central, *arguments):
        command = [str(program("entente")), "--state", str(central.folder), "transition", *arguments, "--wait"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip())
                self.changed.notify_all()

    def wait_line(self, part, seconds):
        with self.changed:
            found = self.changed.wait_for(lambda: any(part in line for line in self.lines), seconds)
        check(found, f"no {part!r} within {seconds} s, but {self.lines}")

    def end(self, seconds):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(f"longer than {seconds} s: {self.lines}") from None
        return code


@contextlib.contextmanager
def talking():
    """Both organisations, with traffic that is judged at the end."""
    with Lab(users=USERS, keep=KEEP, ttl=2) as lab, GeneratorProcess(log=lab.folder / "generator.log") as g:
        g.do("register", 60, config=lab.generator_config())
        g.do("hold", 60, calls=LONG_CALLS, every=1.0)
        g.do("start", 10, messages=MESSAGES, calls=CALLS, inside_messages=2, inside_calls=0, call_seconds=0.5)
        wait_until(lambda: g.report()["totals"]["messages"]["delivered"] >= 50, 60, "traffic flows")
        yield lab, g
        more = g.report()["totals"]["messages"]["delivered"] + 100
        wait_until(lambda: g.report()["totals"]["messages"]["delivered"] >= more, 60, "traffic flows at the end")
        g.do("end-long-calls", 140)
        report = g.quit()
        if lost_anything(report):
            lab.collect_traces(report["losses"])
            check(False, f"lost something (traces in {lab.folder}): " +
                  json.dumps([report["lost_after"], report["losses"][:5]]))
        check_equal(report["totals"]["long_calls"]["good"], LONG_CALLS, "long calls")
    check_ended(lab)


def state(central):
    return central.json("transition", "status")["state"]


def test_kill_in_transition():
    "kill -9 of central management after each step of the transition: it resumes, ends well, nothing is lost"
    with talking() as (lab, g):
        central = lab.contoso.central
        central.entente("transition", "plan", "--from", FROM, "--to", TO)
        apply = Apply(central, "apply")
        for step in KILL_AFTER:
            apply.wait_line(step, MOVE_S)
            g.do("mark", 10, name=f"central dies after: {step}")
            central.kill9()
            central.restart()
        check_equal(apply.end(MOVE_S), 0, f"transition: {apply.lines}")
        check_equal(state(central), "applied", "state")
        check_equal(lab.dns.query("sip.contoso.example", "A"), [lab.contoso.address("edge-new1", external=True)], "DNS")
        g.do("mark", 10, name="moved")


def test_rollback():
    "a transition that is undone in the middle: everything is as before, nothing is lost; then it can be applied"
    with talking() as (lab, g):
        central = lab.contoso.central
        before = central.entente("topology", "show", "--format", "json")
        central.entente("transition", "plan", "--from", FROM, "--to", TO)
        apply = Apply(central, "apply")
        apply.wait_line(BACK_AFTER, MOVE_S)
        g.do("mark", 10, name="rollback begins")
        back = Apply(central, "rollback")
        check_equal(back.end(MOVE_S), 0, f"rollback: {back.lines}")
        apply.end(30)
        check_equal(state(central), "rolled-back", "state")
        g.do("mark", 10, name="rolled back")
        check_equal(central.entente("topology", "show", "--format", "json"), before, "the topology")
        check_equal(lab.dns.query("sip.contoso.example", "A"), [lab.contoso.address("edge-old1", external=True)], "DNS")
        again = Apply(central, "apply", "--from", FROM, "--to", TO)
        check_equal(again.end(MOVE_S), 0, f"applied after all: {again.lines}")
        g.do("mark", 10, name="moved")


if __name__ == "__main__":
    run(globals())
