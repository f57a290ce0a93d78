"""baresip as a client that is not ours: headless, driven through its ctrl_tcp module.

    with Baresip(folder, "u01@contoso.example", "secret", front_end_address) as a:
        a.registered()
        a.do("dial", "sip:u01@fabrikam.example")
        a.wait("CALL_ESTABLISHED", 20)

Its limits: MD5 only; it verifies no server; outgoing TLS leaves from 127.0.0.1; what it receives as MESSAGE stands
on its output only.
"""

import json
import math
import os
import re
import socket
import subprocess
import threading
import time
import wave
from pathlib import Path

START_S, ANSWER_S, END_S = 30.0, 20.0, 10.0
MODULES = ("stdio", "g711", "aubridge", "aufile", "ctrl_tcp")
RATE = 8000
APPLICATIONS = ("account", "contact", "menu")
NOISE = re.compile(r"\r?\[\d+:\d+:\d+\] audio=[^\n\r]*\r?|\r")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def tone(path):
    """A minute of 440 Hz, for its microphone."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        second = b"".join(int(8000 * math.sin(2 * math.pi * 440 * i / RATE)).to_bytes(2, "little", signed=True)
                          for i in range(RATE))
        out.writeframes(second * 60)


class Baresip:
    def __init__(self, folder, aor, password, front_end, address="127.0.0.1", transport="tls", port=5061,
                 expires=600, contact=None, dns=None):
        """front_end: its address. address: where RTP and, for UDP and TCP, SIP leave from. contact: the one to
        whom `message` goes. dns: "address:port" of the name server, for names in Record-Route."""
        self.folder, self.aor, self.password = Path(folder), aor, password
        self.front_end, self.address, self.transport, self.port = front_end, address, transport, port
        self.expires, self.contact, self.dns = expires, contact, dns
        self.events = []
        self.answers = {}
        self.changed = threading.Condition()
        self.process = self.control = None

    # --- files ---
    def config(self):
        self.control_port = free_port(self.address)
        lines = ["poll_method epoll", f"net_interface {self.address}", f"sip_listen {self.address}:0",
                 "audio_player aubridge,pseudo", f"audio_source aufile,{self.folder}/tone.wav",
                 "audio_alert aubridge,alert",
                 "audio_channels 1-1", "audio_srate 8000-8000", "rtp_timeout 0",
                 "module_path /usr/lib/baresip/modules",
                 f"ctrl_tcp_listen {self.address}:{self.control_port}", "call_max_calls 4", "rtcp_mux no",
                 "jitter_buffer_delay 1-5"]
        lines += [f"dns_server {self.dns}"] if self.dns else []
        lines += [f"module {name}.so" for name in MODULES] + [f"module_app {name}.so" for name in APPLICATIONS]
        return "\n".join(lines) + "\n"

    def account(self):
        user = self.aor.split("@")[0]
        return (f"<sip:{self.aor};transport={self.transport}>;auth_user={user};auth_pass={self.password}"
                f';outbound="sip:{self.front_end}:{self.port};transport={self.transport}";regint={self.expires}'
                ";answermode=auto;audio_codecs=pcmu;ptime=20\n")

    # --- life ---
    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config").write_text(self.config())
        tone(self.folder / "tone.wav")
        (self.folder / "accounts").write_text(self.account())
        (self.folder / "contacts").write_text(f'"other" <sip:{self.contact}>\n' if self.contact else "")
        self.output = self.folder / "output"
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(["baresip", "-4", "-v", "-f", str(self.folder)], stdout=out, stderr=out,
                                            stdin=subprocess.PIPE, env={**os.environ, "HOME": str(self.folder)})
        try:
            self.connect()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()

    def connect(self):
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.control = socket.create_connection((self.address, self.control_port))
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"baresip does not start: {self.text()[-2000:]}") from None
                time.sleep(0.05)
        threading.Thread(target=self.read, daemon=True).start()

    def kill(self):
        """It hangs on SIGTERM while its registrar is gone, so a polite end is given some time only."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.control:
            self.control.close()

    # --- its control ---
    def read(self):
        data = b""
        while True:
            try:
                got = self.control.recv(65536)
            except OSError:
                return
            if not got:
                return
            data += got
            while b":" in data:
                length, _, rest = data.partition(b":")
                size = int(length)
                if len(rest) < size + 1:
                    break
                self.take(json.loads(rest[:size]))
                data = rest[size + 1:]

    def take(self, item):
        with self.changed:
            if item.get("event"):
                self.events.append(item)
            else:
                self.answers[item.get("token")] = item
            self.changed.notify_all()

    def do(self, command, params=""):
        """A command of its menu; what it prints, without colours."""
        token = f"t{time.monotonic_ns()}"
        body = json.dumps({"command": command, "params": params, "token": token}).encode()
        self.control.sendall(f"{len(body)}:".encode() + body + b",")
        with self.changed:
            if not self.changed.wait_for(lambda: token in self.answers, ANSWER_S):
                raise RuntimeError(f"baresip does not answer to {command}: {self.text()[-1000:]}")
            return COLOUR.sub("", self.answers.pop(token).get("data", ""))

    def mark(self):
        """For wait(since=…)."""
        with self.changed:
            return len(self.events)

    def wait(self, kind, seconds, since=0):
        """The first event of this type; raises RuntimeError."""
        def find():
            return next((e for e in self.events[since:] if e.get("type") == kind), None)
        with self.changed:
            if not self.changed.wait_for(find, seconds):
                seen = [f"{e.get('type')} {e.get('param', '')}" for e in self.events[since:]]
                raise RuntimeError(f"{self.aor}: no {kind} within {seconds} s, but {seen}: {self.text()[-1500:]}")
            return find()

    def registered(self, seconds=30.0):
        """Until it is registered: the output is looked at, since its control may come up later than the answer."""
        self.printed(rf"{re.escape(self.aor)}: .* 200 OK .*binding", seconds)

    def printed(self, pattern, seconds):
        """Until its output has this; the match. Raises RuntimeError."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text())):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{self.aor}: no {pattern!r} within {seconds} s: {self.text()[-1500:]}")
            time.sleep(0.05)
        return found

    def message(self, text):
        """A MESSAGE to the contact."""
        self.do("contact_next")
        return self.do("message", text)

    def packets(self):
        """(sent, received) RTP packets of the call that is up."""
        status = self.do("audio_debug")
        sent = re.search(r"TX: packets=(\d+)", status)
        received = re.search(r"rcvd=(\d+)", status)
        return int(sent.group(1)) if sent else 0, int(received.group(1)) if received else 0

    # --- its output ---
    def text(self):
        """Without its colours and its line of bit rates."""
        text = self.output.read_text(errors="replace") if self.output.exists() else ""
        return NOISE.sub("", COLOUR.sub("", text))
