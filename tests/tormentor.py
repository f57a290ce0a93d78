"""What sends tortuous bytes and reads what comes back: over UDP, TCP and TLS, from an address of its own.

    link = Udp(("127.1.2.3", 5060), ("127.1.2.4", 5060)); link.send(b"…"); link.read(deadline)
    far = Far("127.1.2.5", 5060); far.got    # the messages of others, as they came; each answered

and the messages of the standards (tests/vectors), exact and with the hosts of a lab.
"""

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from pathlib import Path

VECTORS = Path(__file__).resolve().parent / "vectors"
ANSWER_S = 20
# Where answers to the messages of the standards go that have no rport: the ports of their Via values.
UDP_PORTS = (5060, 5050, 5070, 6050, 19823)
FAR_STATUS = {"INVITE": "480 Far away", "ACK": None}  # else 200
ROW = re.compile(rb"(?m)^([^\s:]+)[ \t]*:((?:[^\r]|\r\n[ \t])*)\r\n")
SHORT = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id", b"l": b"content-length", b"m": b"contact"}


# --- reading ---
def rows(head):
    """(name in lower case and long, the row as it came) of a header part."""
    return [(SHORT.get(m[1].lower(), m[1].lower()), m[0]) for m in ROW.finditer(head.split(b"\r\n", 1)[1])]


def value(head, name):
    """Of the first row with this name, on one line; b"" when there is none."""
    return next((re.sub(rb"\s+", b" ", row.split(b":", 1)[1]).strip() for n, row in rows(head) if n == name), b"")


def take_message(data):
    """(the first message in data or b"", the rest)."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return b"", data
    length = end + 4 + int(value(data[:end + 2], b"content-length") or 0)
    return (data[:length], data[length:]) if len(data) >= length else (b"", data)


# --- links ---
class Udp:
    """Its answers come to any of several ports."""
    transport, stream = "UDP", False

    def __init__(self, local, remote):
        self.local, self.remote = local, remote
        self.open()

    def open(self):
        ports = UDP_PORTS if self.local[1] else (0,)
        self.sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in ports]
        for s, port in zip(self.sockets, ports):
            s.bind((self.local[0], port))

    def send(self, data):
        self.sockets[0].sendto(data, self.remote)

    def read(self, deadline):
        """A message; b"" when the connection was closed. Raises TimeoutError."""
        ready = select.select(self.sockets, [], [], max(0.01, deadline - time.monotonic()))[0]
        if not ready:
            raise TimeoutError
        return ready[0].recv(65536)

    def close(self):
        for s in self.sockets:
            s.close()


class Tcp(Udp):
    transport, stream = "TCP", True

    def open(self):
        self.left = b""
        self.socket = self.connected()

    def connected(self):
        return socket.create_connection(self.remote, ANSWER_S, (self.local[0], 0))

    def send(self, data):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def read(self, deadline):
        while True:
            message, self.left = take_message(self.left)
            if message:
                return message
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            data = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                data = self.socket.recv(65536)
            if not data:
                return b""
            self.left += data

    def close(self):
        self.socket.close()


class Tls(Tcp):
    transport = "TLS"

    def __init__(self, local, remote, pair=None):
        """pair: (file of the certificate, file of the key)."""
        self.pair = pair
        super().__init__(local, remote)

    def connected(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.pair:
            context.load_cert_chain(*self.pair)
        return context.wrap_socket(super().connected())


# --- who is there at the far end ---
class Far:
    """Takes requests over TCP or, with a pair, TLS; keeps each and answers it."""

    def __init__(self, address, port, pair=None):
        self.got, self.context = [], None
        if pair:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*pair)
        self.listener = socket.create_server((address, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            left = b""
            while data := connection.recv(65536):
                message, left = take_message(left + data)
                while message:
                    self.got.append(message)
                    connection.sendall(self.answer(message))
                    message, left = take_message(left)

    @staticmethod
    def answer(message):
        status = FAR_STATUS.get(message.split(b" ", 1)[0].decode("latin-1"), "200 OK")
        if message.startswith(b"SIP/2.0 ") or not status:
            return b""
        kept = [row for name, row in rows(message.split(b"\r\n\r\n", 1)[0] + b"\r\n")
                if name in (b"via", b"from", b"to", b"call-id", b"cseq")]
        return f"SIP/2.0 {status}\r\n".encode() + b"".join(kept) + b"Content-Length: 0\r\n\r\n"

    def close(self):
        self.listener.close()


# --- the messages of the standards ---
HOSTS = rb"(?:[\w-]+\.)*(?:example\.(?:com|net|org|edu)|company\.com)"


def read_vector(name):
    return (VECTORS / f"{name}.sip").read_bytes()


def adapted(data, near, far, own, mark):
    """With the hosts of a lab: who sends is of `near`, whom it asks of `far`, Route values lead to `own`. The top
    branch and Call-ID get a mark, or some were one transaction; the tortuous INVITE of 4475 3.1.1.1 begins a dialog. Nothing
    else is changed; IPv6 hosts stay."""
    line, rest = data.split(b"\r\n", 1)
    head, body = rest.split(b"\r\n\r\n", 1) if b"\r\n\r\n" in rest else (rest.removesuffix(b"\r\n"), b"")
    out, vias = [], 0
    for name, row in rows(line + b"\r\n" + head + b"\r\n"):
        if name == b"to":
            row = re.sub(HOSTS, far, row).replace(b" ;   tag    = 1918181833n", b"")
        elif name in (b"from", b"contact"):
            row = re.sub(HOSTS, near, row)
        elif name == b"route":
            row = re.sub(rb"<sip:[^;>]*", b"<sip:" + own, row)
        elif name == b"via":
            vias += 1
            row = re.sub(HOSTS, near, row)
            row = re.sub(rb"(branch=z9hG4bK[^\s;]+)", rb"\1-" + mark, row) if vias == 1 else row
        elif name == b"call-id":
            row = row.removesuffix(b"\r\n") + b"-" + mark + b"\r\n"
        out.append(row)
    return re.sub(HOSTS, far, line) + b"\r\n" + b"".join(out) + b"\r\n" + body
