"""A name server of the lab's own: Knot, without privileges, on a loopback address; zones and TSIG updates."""

import base64
import secrets
import socket
import subprocess
import time
from pathlib import Path

PORT = 5300
TTL_S = 10
START_S = 30.0  # a loaded machine takes its time
POLL_S = 0.02
KEY_NAME = "lab-update"


class Dns:
    """records: {zone: [(name, type, data[, ttl])]}; names are relative to nothing: full, without the last dot."""

    def __init__(self, folder, address, records, port=PORT, ttl=TTL_S):
        self.folder, self.address, self.port, self.ttl = Path(folder), address, port, ttl
        self.records = records
        self.secret = base64.b64encode(secrets.token_bytes(32)).decode()
        self.key_line = f"hmac-sha256:{KEY_NAME}:{self.secret}"
        self.process = None

    @property
    def server(self):
        return f"{self.address}:{self.port}"

    @property
    def key_file(self):
        return self.folder / "update.key"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "run").mkdir(exist_ok=True)
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(self.key_line + "\n")
        for zone, records in self.records.items():
            (self.folder / f"{zone}.zone").write_text(self.zone_text(zone, records))
        config = self.folder / "knot.conf"
        config.write_text(self.config())
        log = open(self.folder / "knot.log", "ab")
        self.process = subprocess.Popen(["knotd", "-c", config], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.wait()

    def zone_text(self, zone, records):
        lines = [f"$ORIGIN {zone}.", f"$TTL {self.ttl}",
                 f"@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 {self.ttl}", f"@ NS ns.{zone}.",
                 f"ns.{zone}. A {self.address}"]
        for name, rtype, data, *ttl in records:
            lines.append(f"{name}. {ttl[0] if ttl else self.ttl} {rtype} {data}")
        return "\n".join(lines) + "\n"

    def config(self):
        zones = "".join(f"  - domain: {zone}\n    template: lab\n" for zone in self.records)
        return (f"server:\n    rundir: {self.folder}/run\n    listen: {self.address}@{self.port}\n"
                f"    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n"
                f"control:\n    listen: {self.folder}/run/knot.sock\n"
                f"database:\n    storage: {self.folder}\n"
                f"log:\n  - target: stderr\n    any: info\n"
                f"key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {self.secret}\n"
                f"acl:\n  - id: update\n    key: {KEY_NAME}\n    action: update\n"
                f"template:\n  - id: lab\n    storage: {self.folder}\n    file: \"%s.zone\"\n    acl: update\n"
                f"    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    journal-content: all\n"
                f"zone:\n{zones}")

    def wait(self):
        """Until every zone is answered for."""
        deadline = time.monotonic() + START_S
        while not self.listening() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for zone in self.records:
            while not self.query(zone, "SOA"):
                if self.process.poll() is not None:
                    raise RuntimeError(f"knotd ended: {(self.folder / 'knot.log').read_text()[-2000:]}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"knotd does not answer for {zone}")
                time.sleep(POLL_S)

    def listening(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    def query(self, name, rtype):
        """Lines of data, as kdig prints them; empty when there is no answer."""
        done = subprocess.run(["kdig", "+short", "+timeout=1", "+retry=0", f"@{self.address}", "-p", str(self.port),
                               name, rtype], capture_output=True, text=True)
        return [] if done.returncode else done.stdout.split("\n")[:-1]

    def update(self, zone, *commands, signed=True):
        """RFC 2136. commands: "add sip.contoso.example 10 A 127.0.0.1", "del sip.contoso.example A". Raises
        RuntimeError when it is refused."""
        lines = [f"server {self.address} {self.port}", f"zone {zone}."]
        lines += [c if c.startswith("prereq") else f"update {c}" for c in commands] + ["send", "answer"]
        key = ["-y", self.key_line] if signed else []
        done = subprocess.run(["knsupdate", *key], input="\n".join(lines) + "\n", capture_output=True, text=True)
        if done.returncode or "NOERROR" not in done.stdout:
            raise RuntimeError(f"update of {zone}: {done.stdout.strip()} {done.stderr.strip()}")

    def replace(self, name, rtype, data, ttl=None):
        zone = next(z for z in self.records if name == z or name.endswith("." + z))
        self.update(zone, f"del {name}. {rtype}", f"add {name}. {ttl or self.ttl} {rtype} {data}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
