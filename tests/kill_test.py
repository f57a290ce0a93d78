#!/usr/bin/env python3
"""kill -9 at random moments of a publish, of an import and an assignment of a certificate, and of the renewal of an
internal key: of central management, of a managed machine, of all at once. What was begun has happened whole or not at
all, the store is whole, and all machines agree afterwards. 20 kills; 200 with SOAK=1. KILL_SEED=N repeats a run."""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EDGE_NAME, Partner, World, contoso, run_with
from tap import check, check_equal, wait_until

from lab import pki
from lab.machine import program

SOAK = os.environ.get("SOAK") == "1"
KILLS = 200 if SOAK else 20
SEED = int(os.environ.get("KILL_SEED") or random.randrange(10 ** 9))
SETTLE_S, SPAN_MORE = 60.0, 1.1
POOL, MACHINE = "edge-old.contoso.example", "edge-old1.contoso.example"
VICTIMS = (("cms",), ("edge-old1",), ("cms", "edge-old1"), ("fe1",), ("cms", "edge-old1", "fe1"))

WORLD = World(lambda: contoso([Partner("partner.example")], users=1))
TIMERS = itertools.count(200)
CHANCE = random.Random(SEED)


# --- what there is ---
def org():
    return WORLD.up().contoso


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def assigned():
    """Fingerprint of the certificate that central says the Edge presents."""
    [found] = [c for c in org().central.json("cert", "list")["certificates"] if c["use"] == "access-external"]
    return found["fingerprint"]


def served():
    """Fingerprint of what it presents on the wire."""
    context = ssl.create_default_context(cafile=str(org().authority.cert))
    context.load_cert_chain(*WORLD.client)
    with socket.create_connection((org().address("edge-old1", external=True), 5061), 20) as raw:
        with context.wrap_socket(raw, server_hostname=EDGE_NAME) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()


def settle():
    """Until every machine runs the newest revision and material."""
    wait_until(lambda: org().central.json("replication", "status")["current"], SETTLE_S, "all machines current")


# --- the operations: begin() gives the command, judge() says whether it happened, whole ---
class Operation:
    def settled(self):
        """Every machine has it."""
        settle()


class Publish(Operation):
    def begin(self):
        central = org().central
        self.before, self.value = central.published(), next(TIMERS)
        central.entente("topology", "set", "deployment/timer_c_s", self.value)
        return "publish", "-m", f"timer {self.value}", "--yes"

    def judge(self):
        central = org().central
        history = central.json("topology", "history")["revisions"]
        happened = history[0]["number"] == self.before + 1
        check(happened or history[0]["number"] == self.before, f"{self.before} became {history[0]['number']}")
        check_equal(history[0]["comment"] == f"timer {self.value}", happened, "its comment")
        changes = central.json("topology", "diff")["changes"]
        check_equal(len(changes), 0 if happened else 1, f"the draft is gone when it was published: {changes}")
        shown = json.loads(central.entente("topology", "show", "--format", "json"))["deployment"]["timer_c_s"]
        check_equal(shown, self.value, "what was drafted is there in any case")
        return happened


class Certificate(Operation):
    """Import or assignment: the certificate of before is in use, or the new one."""
    named = False

    def begin(self):
        self.before = assigned()
        names = [n for n, f in WORLD.pairs.items() if f[1] != self.before]
        self.name = CHANCE.choice(names)
        pair, self.after = WORLD.pairs[self.name]
        return ("cert", "assign", POOL, self.name) if self.named else ("cert", "import", POOL, *pair)

    def judge(self):
        now = assigned()
        check(now in (self.before, self.after), "neither the old nor the new certificate")
        return now == self.after


class Assign(Certificate):
    named = True


class Keep(Operation):
    """A certificate that is kept by a name: there with its key, or not there."""

    def begin(self):
        self.name = f"kept-{next(TIMERS)}"
        pair, self.fingerprint = WORLD.pairs["a"]
        return "cert", "import", POOL, *pair, "--name", self.name

    def judge(self):
        kept = {k["name"]: k["fingerprint"] for k in org().central.json("cert", "list")["kept"]}
        if self.name not in kept:
            return False
        check_equal(kept[self.name], self.fingerprint, "what is kept")
        out, phrase = WORLD.lab.folder / "kept.p12", WORLD.lab.folder / "phrase"
        phrase.write_text("a passphrase\n")
        org().central.entente("cert", "export", "--name", self.name, "-o", out, "--passphrase-file", phrase)
        if self.fingerprint != assigned():
            org().central.entente("cert", "remove", self.name)
        return True


class Renew(Operation):
    """The machine's internal key: whole either way, and it belongs to its certificate."""

    def begin(self):
        self.folder = org().machines["edge-old1"].folder
        self.before = (self.folder / "internal.crt").read_text()
        return "cert", "renew", MACHINE

    def pair_fits(self):
        public = pki.openssl("pkey", "-in", self.folder / "internal.key", "-pubout")
        return pki.openssl("x509", "-in", self.folder / "internal.crt", "-noout", "-pubkey") == public

    def settled(self):
        settle()
        wait_until(lambda: (self.folder / "internal.crt").read_text() != self.before, SETTLE_S, "a new certificate")
        settle()

    def judge(self):
        settle()
        wait_until(self.pair_fits, SETTLE_S, "the key belongs to the certificate")  # it may be changing just now
        return None  # central only asks; the machine does it, and may have begun


OPERATIONS = (Publish, Certificate, Assign, Keep, Renew)


# --- killing ---
def command(arguments):
    return [str(program("entente")), "--state", str(org().central.folder), *map(str, arguments)]


def spans_of(operation):
    """How long it takes until the command has ended, and until every machine has it."""
    made = operation()
    arguments, started = made.begin(), time.monotonic()
    subprocess.run(command(arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    told = time.monotonic() - started
    made.settled()
    return told, time.monotonic() - started


def moment(spans):
    """Half of them while the command runs, which is when central writes; half until the machines have it."""
    return CHANCE.uniform(0, CHANCE.choice(spans) * SPAN_MORE)


def kill_in(operation, victims, delay):
    """The command's exit code; the victims are dead."""
    arguments = operation.begin()
    with subprocess.Popen(command(arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(delay)  # the moment of the kill is what is varied here
        for name in CHANCE.sample(victims, len(victims)):
            org().machines[name].kill9()
        return process.wait(30)


def restart(victims):
    """They come back from what is on their disks, and none of it is damaged."""
    machines = [org().machines[name] for name in victims]
    for machine in machines:
        machine.restart(wait=False)
    for machine in machines:
        machine.wait_ready()
        check_equal(machine.events("replica.damaged", machine.mark), [], f"what {machine.name} found on its disk")


# --- the store, looked at from outside ---
class Store:
    """What was verified once does not change; only what is new is verified."""

    def __init__(self):
        self.seen, self.folder = {}, WORLD.up().folder / "store"
        identity = json.loads((org().central.folder / "machine.json").read_text())
        self.folder.mkdir()
        (self.folder / "signer.crt").write_text(identity["signer"])
        key = pki.openssl("x509", "-in", self.folder / "signer.crt", "-noout", "-pubkey")
        (self.folder / "signer.pub").write_text(key)

    def check(self):
        """On a copy, so that nothing is mended for the daemon."""
        for suffix in ("", "-wal"):
            copy = self.folder / f"central.db{suffix}"
            copy.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(org().central.folder / copy.name, copy)
        (self.folder / "central.db-shm").unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(self.folder / "central.db")) as db:
            check_equal(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity_check")
            rows = db.execute("SELECT number, hash, text FROM revision ORDER BY number").fetchall()
        check_equal([n for n, _, _ in rows], list(range(1, len(rows) + 1)), "the history's numbers")
        for number, stated, text in rows:
            if number in self.seen:
                check_equal(text, self.seen[number], f"revision {number} does not change")
            else:
                self.verify(number, stated, json.loads(text))
                self.seen[number] = text
        check(set(self.seen) <= {n for n, _, _ in rows}, "nothing that was there is gone")

    def verify(self, number, stated, revision):
        content = revision["content"].encode()
        check_equal((revision["number"], revision["hash"], stated),
                    (number, hashlib.sha256(content).hexdigest(), revision["hash"]), f"revision {number}")
        fields = [str(number), stated, revision["author"], str(revision["time"]), revision["comment"]]
        signed = b"entente revision\n" + b"".join(len(f.encode()).to_bytes(8, "big") + f.encode() for f in fields)
        (self.folder / "text").write_bytes(signed)
        (self.folder / "signature").write_bytes(base64.b64decode(revision["signature"]))
        pki.openssl("dgst", "-sha256", "-verify", self.folder / "signer.pub", "-signature", self.folder / "signature",
                    self.folder / "text")


# --- agreement ---
def agree():
    """After one more publish all machines run what central has published, have it on disk, and serve its certificate."""
    central = org().central
    central.entente("topology", "set", "deployment/timer_c_s", next(TIMERS))
    org().publish("agreed?")
    settle()
    number, hashes = central.published(), set()
    for machine in org().machines.values():
        file = machine.folder / "revision.json"
        wait_until(lambda file=file: json.loads(file.read_text())["number"] == number, SETTLE_S, f"{file} at {number}")
        check_equal(machine.revision(), number, machine.name)
        hashes.add(json.loads(file.read_text())["hash"])
    check_equal(len(hashes), 1, "contents")
    check_equal(served(), assigned(), "the certificate on the wire")


def rounds():
    """Every operation with every victim in turn, in an order of chance."""
    while True:
        pairs = list(itertools.product(OPERATIONS, VICTIMS))
        CHANCE.shuffle(pairs)
        yield from pairs


def prepare():
    authority = org().authority
    WORLD.client = authority.issue("killer.example", ["killer.example"])
    WORLD.pairs = {}
    for name in "abc":
        pair = authority.issue(EDGE_NAME, [EDGE_NAME], file=f"pair-{name}")
        WORLD.pairs[name] = (pair, fingerprint(pair.cert.read_text()))
        org().central.entente("cert", "import", POOL, *pair, "--name", name)
    settle()


def test_kill_at_any_moment():
    "kill -9 in publish, import, assign, renew, 20 times (200 with SOAK=1): whole or not at all, and all agree"
    print(f"# KILL_SEED={SEED}")
    prepare()
    store, seen = Store(), {}
    spans = {o: max(spans_of(o) for _ in range(2)) for o in OPERATIONS}
    print("# spans: " + ", ".join(f"{o.__name__} {t * 1000:.0f}, {s * 1000:.0f} ms" for o, (t, s) in spans.items()))
    for number, (kind, victims) in zip(range(KILLS), rounds()):
        operation, delay = kind(), moment(spans[kind])
        where = f"kill {number}: {kind.__name__}, {'+'.join(victims)} after {delay * 1000:.1f} ms, KILL_SEED={SEED}"
        try:
            code = kill_in(operation, victims, delay)
            if "cms" in victims:
                store.check()
            restart(victims)
            happened = operation.judge()
            check(code != 0 or happened is not False, "it said that it was done, and it was not")
            agree()
        except BaseException:
            print(f"# {where}")
            raise
        seen.setdefault(kind.__name__, set()).add((code, happened))
    org().central.terminate()
    store.check()
    org().central.restart()
    print(f"# outcomes (exit code, happened): {seen}")
    for kind in (Publish, Certificate, Assign):
        check({h for _, h in seen[kind.__name__]} - {None}, f"no outcome of {kind.__name__}")


def test_the_end():
    "every daemon ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
