"""sipp as a peer that is not ours: clients and servers over UDP and TCP, from the scenarios in tests/sipp.

    with Sipp(folder, "answer", address, 5060, "udp") as server: … server.messages()
    client = Sipp(folder, "call", address, 0, "tcp", to=(fe, 5060), fields=[…]); client.run(30)

Debian's sipp 3.6.1 has no TLS and MD5 only.
"""

import itertools
import socket
import subprocess
import time
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parent / "sipp"
START_S, END_S = 20.0, 10.0
NUMBERS = itertools.count(1)
TRANSPORTS = {"udp": "u1", "tcp": "t1"}


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class SippFailed(Exception):
    pass


class Sipp:
    def __init__(self, folder, scenario, address, port=0, transport="udp", to=None, fields=None, domain=None, calls=1,
                 meanwhile=None):
        """to: (address, port) of whom it calls; a server without. fields: lines of its CSV. domain: of the digest's
        uri. meanwhile: the scenario for calls that come in at a client."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.address, self.port, self.transport = address, port or free_port(address), transport
        self.scenario, self.to, self.domain, self.calls, self.meanwhile = scenario, to, domain, calls, meanwhile
        self.name = f"{scenario}-{transport}-{next(NUMBERS)}"
        self.log = self.folder / f"{self.name}.msg"
        self.output = self.folder / f"{self.name}.out"
        self.csv = None
        if fields:
            self.csv = self.folder / f"{self.name}.csv"
            self.csv.touch(mode=0o600)
            self.csv.write_text("SEQUENTIAL\n" + "\n".join(fields) + "\n")
        self.process = None

    def command(self):
        out = ["sipp", "-sf", str(SCENARIOS / f"{self.scenario}.xml"), "-i", self.address, "-p", str(self.port),
               "-t", TRANSPORTS[self.transport], "-nostdin", "-trace_msg", "-message_file", str(self.log),
               "-message_overwrite", "false", "-trace_err", "-error_file", str(self.folder / f"{self.name}.err"),
               "-mp", str(free_port(self.address)), "-mi", self.address]
        if self.csv:
            out += ["-inf", str(self.csv)]
        if self.domain:
            out += ["-auth_uri", self.domain]
        if self.meanwhile:
            out += ["-oocsf", str(SCENARIOS / f"{self.meanwhile}.xml")]
        if self.to:
            out += ["-m", str(self.calls), "-l", "1", "-r", "20", "{}:{}".format(*self.to)]
        return out

    def start(self):
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(self.command(), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                            cwd=self.folder)

    def __enter__(self):
        self.start()
        deadline = time.monotonic() + START_S
        while not self.to and not self.listening():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SippFailed(f"sipp does not start: {self.text()[-1500:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.stop()

    def listening(self):
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        with socket.socket(type=kind) as probe:
            if self.transport == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has ended is not listening
            try:
                probe.bind((self.address, self.port))
            except OSError:
                return True
        return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def run(self, seconds):
        """A client to its end. Raises SippFailed when one of its calls failed."""
        self.start()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise SippFailed(f"{self.name}: longer than {seconds} s: {self.messages()[-3000:]}") from None
        if code:
            raise SippFailed(f"{self.name}: exit {code}: {self.errors()[-1500:]}\n{self.messages()[-3000:]}")

    def text(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def errors(self):
        file = self.folder / f"{self.name}.err"
        return file.read_text(errors="replace") if file.exists() else ""

    def messages(self):
        """All that it sent and received."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def received(self, start):
        """How many messages came in whose first line begins so."""
        return sum(part.lstrip().split("\n", 1)[-1].lstrip().startswith(start)
                   for part in self.messages().split(f"message received [")[1:])
