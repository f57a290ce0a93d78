"""One managed machine of the lab: its state folder, its entented, and the CLI as its operator calls it.

Readiness and everything else that is waited for comes from the daemon's log (JSON lines), never from sleeping.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READY_S = 60.0
COMMAND_S = 60.0
DRAIN_S = 30.0
POLL_S, STATUS_POLL_S = 0.02, 0.1


def program(name):
    """Path of entented or entente: ENTENTE_BIN, or the release build."""
    return Path(os.environ.get("ENTENTE_BIN", ROOT / "build/release")) / name


class CommandFailed(Exception):
    def __init__(self, arguments, code, output):
        super().__init__(f"entente {' '.join(arguments)}: exit {code}: {output.strip()}")
        self.code, self.output = code, output


class DaemonFailed(Exception):
    pass


def entente(*arguments, state=None, stdin=None, seconds=COMMAND_S):
    """Runs the CLI; its standard output. Raises CommandFailed."""
    command = [str(program("entente"))] + (["--state", str(state)] if state else []) + [str(a) for a in arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(command[1:], None, f"longer than {seconds} s") from error
    if done.returncode:
        raise CommandFailed(command[1:], done.returncode, done.stderr + done.stdout)
    return done.stdout


class Machine:
    def __init__(self, fqdn, folder, log, workers=None, level="info"):
        self.fqdn, self.name = fqdn, fqdn.split(".")[0]
        self.folder, self.log = Path(folder), Path(log)
        self.workers, self.level = workers, level
        self.process = None
        self.mark = 0  # where in the log the present run begins

    # --- the daemon ---
    def start(self, wait=True):
        self.mark = self.log.stat().st_size if self.log.exists() else 0
        command = [str(program("entented")), "--state", str(self.folder), "--log", "json", "--log-level", self.level]
        if self.workers:
            command += ["--workers", str(self.workers)]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=READY_S):
        self.wait_event("daemon.ready", seconds)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def tell_to_end(self):
        """SIGTERM, without waiting."""
        if self.running:
            self.process.terminate()

    def terminate(self, seconds=DRAIN_S):
        """SIGTERM: drains and ends; the exit code. Killed, and None, when it takes longer."""
        self.tell_to_end()
        return self.wait_end(seconds)

    def wait_end(self, seconds=DRAIN_S):
        if not self.process:
            return None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill9()
            return None

    def kill9(self):
        if self.running:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def restart(self, wait=True):
        """After terminate() or kill9()."""
        self.start(wait)

    # --- its log ---
    def events(self, name=None, since=0):
        """Log lines as dicts: all, or those with this id; since: an offset from log_end(). What is not JSON (a
        sanitizer's report) is left out."""
        if not self.log.exists():
            return []
        with open(self.log, "rb") as text:
            text.seek(since)
            out = []
            for line in text:
                if line.startswith(b"{") and line.endswith(b"\n"):
                    try:
                        event = json.loads(line)
                    except ValueError:
                        continue
                    if name is None or event.get("id") == name:
                        out.append(event)
        return out

    def log_end(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def wait_event(self, name, seconds, since=None, **fields):
        """The first event with this id and these fields since the start (or an offset). Raises DaemonFailed."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.events(name, self.mark if since is None else since):
                if all(event.get(k) == v for k, v in fields.items()):
                    return event
            if not self.running:
                code = self.process.returncode if self.process else None
                raise DaemonFailed(f"{self.fqdn} ended with {code} before {name}: {self.tail()}")
            if time.monotonic() > deadline:
                raise DaemonFailed(f"{self.fqdn}: no {name} within {seconds} s: {self.tail()}")
            time.sleep(POLL_S)

    def tail(self, lines=8):
        if not self.log.exists():
            return "(no log)"
        return "\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # --- its operator ---
    def entente(self, *arguments, stdin=None, seconds=COMMAND_S):
        return entente(*arguments, state=self.folder, stdin=stdin, seconds=seconds)

    def json(self, *arguments, seconds=COMMAND_S):
        return json.loads(self.entente(*arguments, "--json", seconds=seconds))

    def revision(self):
        return self.json("status")["revision"]

    def published(self):
        """The newest revision that this machine, as central management, has published; it may not run it yet."""
        return self.json("replication", "status")["revision"]

    def wait_revision(self, number, seconds=READY_S):
        """Until the daemon runs this revision or a newer one."""
        deadline = time.monotonic() + seconds
        while (now := self.revision()) < number:
            if time.monotonic() > deadline:
                raise DaemonFailed(f"{self.fqdn} is at revision {now}, not {number}: {self.tail()}")
            time.sleep(STATUS_POLL_S)

    def wait_own_key(self, seconds=READY_S):
        """Until it has replaced the internal key that its bundle brought."""
        carried = json.loads((self.folder / "machine.json").read_text())["certificate"]
        deadline = time.monotonic() + seconds
        while (self.folder / "internal.crt").read_text() == carried:
            if time.monotonic() > deadline:
                raise DaemonFailed(f"{self.fqdn} still uses the key of its bundle: {self.tail()}")
            time.sleep(POLL_S)

    def counters(self):
        return self.json("status")["counters"]

    def trace(self, call_id, *options):
        """Text; of central management: of all machines."""
        return self.entente("trace", call_id, *options)
