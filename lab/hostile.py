"""A name server that means no good. What it says depends on the last two labels of the name; everything else it asks of
a real name server and hands on.

    with Hostile("127.1.2.3", 5301, ("127.1.2.3", 5300)) as server: …

    blackhole.example   no answer              wrongid.example  wrong ids, another question
    loop.example        two CNAMEs in a ring   endless.example  CNAMEs without end
    many.example        1,000 SRV records      refused.example  truncated, and TCP is closed at once
    drip.example        truncated, and TCP brings a byte now and then
    garbage.example     half packets, counts that lie, pointers in circles
    poison.example      beside its own answer, records of others
    servfail.example    SERVFAIL
"""

import random
import socket
import struct
import threading
import time

CLASS_IN, CNAME, A, SRV = 1, 5, 1, 33
FLAGS, TRUNCATED, SERVFAIL = 0x8580, 0x0200, 2
DRIP_S, FORWARD_S = 0.3, 2.0
MANY = 1000


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def record(name, rtype, data, ttl=5):
    return name_bytes(name) + struct.pack("!HHIH", rtype, CLASS_IN, ttl, len(data)) + data


def question_of(packet):
    labels, i = [], 12
    while packet[i]:
        labels.append(packet[i + 1:i + 1 + packet[i]].decode("latin-1").lower())
        i += packet[i] + 1
    return ".".join(labels), struct.unpack("!H", packet[i + 1:i + 3])[0], packet[12:i + 5]


def answer(packet, records, flags=FLAGS, ident=None, extra=()):
    question = question_of(packet)[2]
    head = struct.pack("!HHHHHH", struct.unpack("!H", packet[:2])[0] if ident is None else ident, flags, 1,
                       len(records), 0, len(extra))
    return head + question + b"".join(records) + b"".join(extra)


def srv(name, target, port=5061, priority=0):
    return record(name, SRV, struct.pack("!HHH", priority, 0, port) + name_bytes(target))


class Hostile:
    def __init__(self, address, port, real, victims=()):
        """victims: (name, address) pairs that poison.example lies about."""
        self.address, self.port, self.real, self.victims = address, port, real, victims
        self.asked = {}
        self.ended = threading.Event()

    def __enter__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((self.address, self.port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((self.address, self.port))
        self.tcp.listen(64)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()

    # --- over UDP ---
    def serve_udp(self):
        while not self.ended.is_set():
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if len(packet) > 16:
                threading.Thread(target=self.one_udp, args=(packet, peer), daemon=True).start()

    def one_udp(self, packet, peer):
        name, rtype, _ = question_of(packet)
        domain = ".".join(name.split(".")[-2:])
        self.asked[domain] = self.asked.get(domain, 0) + 1
        play = getattr(self, "udp_" + domain.split(".")[0], None) if domain.endswith(".example") else None
        for reply in play(packet, name, rtype) if play else self.ask_real(packet):
            try:
                self.udp.sendto(reply, peer)
            except OSError:
                return

    def ask_real(self, packet):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.settimeout(FORWARD_S)
            try:
                other.sendto(packet, self.real)
                yield other.recv(4096)
            except OSError:
                pass

    def udp_blackhole(self, packet, name, rtype):
        return ()

    def udp_servfail(self, packet, name, rtype):
        yield answer(packet, [], FLAGS | SERVFAIL)

    def udp_wrongid(self, packet, name, rtype):
        for _ in range(50):
            yield answer(packet, [srv(name, "evil.poison.example")], ident=random.randrange(65536) ^ 1)
        other = bytearray(packet)
        other[13] ^= 1  # the right id, another question
        yield answer(bytes(other), [srv(name, "evil.poison.example")])

    def udp_loop(self, packet, name, rtype):
        other = f"other.{name}" if not name.startswith("other.") else name[len("other."):]
        yield answer(packet, [record(name, CNAME, name_bytes(other)), record(other, CNAME, name_bytes(name))])

    def udp_endless(self, packet, name, rtype):
        yield answer(packet, [record(name, CNAME, name_bytes(f"n{random.randrange(10**9)}.endless.example"))])

    def udp_many(self, packet, name, rtype):
        yield answer(packet, [], FLAGS | TRUNCATED)

    udp_drip = udp_refused = udp_many

    def udp_garbage(self, packet, name, rtype):
        good = answer(packet, [srv(name, "x.garbage.example")])
        yield packet[:2] + b"\x85\x80"                                      # the header is cut
        yield good[:-3]                                                     # the record is cut
        yield good[:6] + b"\xff\xff" + good[8:]                             # 65,535 answers
        yield good[:12] + b"\xc0\x0c" + good[14:]                           # a name that points to itself
        yield answer(packet, [b"\xc0\x0c" + struct.pack("!HHIH", SRV, 1, 5, 65535) + b"x"])

    def udp_poison(self, packet, name, rtype):
        lies = [record(victim, A, socket.inet_aton(address), 86400) for victim, address in self.victims]
        lies += [srv(f"_sipfederationtls._tcp.{v.split('.', 1)[-1]}", "evil.poison.example") for v, _ in self.victims]
        own = [srv(name, "gone.poison.example")] if rtype == SRV else []
        yield answer(packet, own + lies, extra=lies)

    # --- over TCP ---
    def serve_tcp(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.one_tcp, args=(connection,), daemon=True).start()

    def one_tcp(self, connection):
        with connection:
            try:
                connection.settimeout(FORWARD_S)
                size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
                packet = connection.recv(size, socket.MSG_WAITALL)
                name = question_of(packet)[0]
                domain = ".".join(name.split(".")[-2:])
                if domain == "many.example":
                    records = [srv(name, f"t{i}.many.example", priority=i) for i in range(MANY)]
                    reply = answer(packet, records)
                    connection.sendall(struct.pack("!H", len(reply)) + reply)
                elif domain == "drip.example":
                    reply = answer(packet, [srv(name, "x.drip.example")])
                    for byte in struct.pack("!H", len(reply)) + reply:
                        connection.sendall(bytes([byte]))
                        if self.ended.wait(DRIP_S):
                            return
            except (OSError, struct.error, IndexError):
                pass
