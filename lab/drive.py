"""The other end of lab/generator.py: starts it as a process of its own, gives commands, hears events."""

import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUIT_S = 280.0


class GeneratorFailed(Exception):
    pass


class GeneratorProcess:
    """with GeneratorProcess() as g: g.do("register", 60, config=…); g.do("start", 10, messages=50, calls=5)"""

    def __init__(self, on_event=None, log=None):
        self.on_event = on_event or (lambda event: None)
        stderr = open(log, "ab") if log else None
        self.process = subprocess.Popen([sys.executable, "-m", "lab.generator"], cwd=ROOT, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=stderr, text=True)
        if stderr:
            stderr.close()
        self.answers = {}
        self.numbers = itertools.count(1)
        self.events = []
        self.changed = threading.Condition()
        self.ended = False
        self.last_report = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.changed:
                if "done" in event or "failed" in event:
                    self.answers[event.get("id")] = event
                else:
                    self.events.append(event)
                self.changed.notify_all()
            if "event" in event:
                self.on_event(event)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def tell(self, command, **arguments):
        """Gives a command without waiting; returns its number for wait()."""
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"cmd": command, "id": number, **arguments}) + "\n")
        self.process.stdin.flush()
        return number

    def wait(self, number, seconds):
        """The result of a command. Raises GeneratorFailed."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while number not in self.answers:
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    raise GeneratorFailed("the generator ended" if self.ended else f"no answer in {seconds} s")
                self.changed.wait(left)
            answer = self.answers.pop(number)
        if "failed" in answer:
            raise GeneratorFailed(f"{answer['failed']}: {answer['why']}")
        return answer["result"]

    def do(self, command, seconds, **arguments):
        return self.wait(self.tell(command, **arguments), seconds)

    def report(self, seconds=10.0):
        return self.do("report", seconds)

    def quit(self, seconds=QUIT_S):
        """Ends all traffic and calls, unregisters; the final report."""
        self.process.stdin.write('{"cmd": "quit"}\n')
        self.process.stdin.flush()
        report = self.wait(None, seconds)
        self.process.stdin.close()
        self.process.wait(10)
        return report

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


__all__ = ["GeneratorProcess", "GeneratorFailed"]
