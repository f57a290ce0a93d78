"""A stub resolver: SRV and A answers with their TTLs, from one name server over UDP (TCP when truncated).

RFC 1035 section 4, RFC 2782. Answers are kept as long as their TTL says, never longer.
"""

import asyncio
import random
import secrets
import struct
import time

A, CNAME, SRV = 1, 5, 33
TRY_S = 1.0
TRIES = 4
MAX_JUMPS = 32  # compression pointers in one name


class DnsError(Exception):
    """No answer: `rcode` is 3 for a name that does not exist, 0 for no such record, None when nobody answered."""

    def __init__(self, text, rcode=None):
        super().__init__(text)
        self.rcode = rcode


class Record:
    __slots__ = ("name", "type", "ttl", "data")

    def __init__(self, name, rtype, ttl, data):
        self.name, self.type, self.ttl, self.data = name, rtype, ttl, data


def write_name(name):
    out = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label)
    return out + b"\0"


def read_name(packet, at):
    labels, jumps, after = [], 0, None
    while True:
        length = packet[at]
        if length & 0xC0 == 0xC0:
            after = after if after is not None else at + 2
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
            jumps += 1
            if jumps > MAX_JUMPS:
                raise DnsError("compression loop")
            continue
        at += 1
        if length == 0:
            break
        labels.append(packet[at:at + length].decode("ascii", "replace"))
        at += length
    return ".".join(labels).lower(), after if after is not None else at


def write_query(ident, name, rtype):
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + write_name(name) + struct.pack("!HH", rtype, 1)


def read_answer(packet):
    """(ident, truncated, rcode, records of the answer section)."""
    ident, flags, questions, answers = struct.unpack_from("!HHHH", packet, 0)
    at = 12
    for _ in range(questions):
        at = read_name(packet, at)[1] + 4
    records = []
    for _ in range(answers):
        name, at = read_name(packet, at)
        rtype, _, ttl, length = struct.unpack_from("!HHIH", packet, at)
        at += 10
        if rtype == A:
            data = ".".join(str(b) for b in packet[at:at + 4])
        elif rtype == SRV:
            priority, weight, port = struct.unpack_from("!HHH", packet, at)
            data = (priority, weight, port, read_name(packet, at + 6)[0])
        elif rtype == CNAME:
            data = read_name(packet, at)[0]
        else:
            data = packet[at:at + length]
        records.append(Record(name, rtype, ttl, data))
        at += length
    return ident, bool(flags & 0x0200), flags & 15, records


class _Ask(asyncio.DatagramProtocol):
    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, peer):
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error):
        if not self.answer.done():
            self.answer.set_exception(error)


class DnsClient:
    def __init__(self, address, port):
        self.address, self.port = address, port
        self.cache = {}

    async def query(self, name, rtype):
        """Records of the answer, from the cache while their TTL lasts. Raises DnsError."""
        key = (name.lower(), rtype)
        records, until = self.cache.get(key, (None, 0))
        if records is not None and time.monotonic() < until:
            return records
        ident = secrets.randbits(16)
        query = write_query(ident, name, rtype)
        rcode, records = await self._exchange(ident, query)
        if rcode or not records:
            raise DnsError(f"{name}: " + ("no such name" if rcode == 3 else f"no record, rcode {rcode}"), rcode)
        self.cache[key] = (records, time.monotonic() + min(r.ttl for r in records))
        return records

    async def _exchange(self, ident, query):
        loop = asyncio.get_running_loop()
        for _ in range(TRIES):
            transport, ask = await loop.create_datagram_endpoint(_Ask, remote_addr=(self.address, self.port))
            try:
                transport.sendto(query)
                packet = await asyncio.wait_for(ask.answer, TRY_S)
                got, truncated, rcode, records = read_answer(packet)
                if got != ident:
                    continue
                if truncated:
                    got, _, rcode, records = read_answer(await self._tcp(query))
                return rcode, records
            except (asyncio.TimeoutError, OSError, struct.error, IndexError):
                continue
            finally:
                transport.close()
        raise DnsError(f"{self.address}:{self.port} does not answer")

    async def _tcp(self, query):
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            writer.write(struct.pack("!H", len(query)) + query)
            length = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), TRY_S))[0]
            return await asyncio.wait_for(reader.readexactly(length), TRY_S)
        finally:
            writer.close()

    async def a(self, name):
        """[(address, ttl)]"""
        return [(r.data, r.ttl) for r in await self.query(name, A) if r.type == A]

    async def srv(self, name):
        """[(host, port, ttl)] in the order to be tried (RFC 2782: priority, then weighted at random)."""
        records = [r for r in await self.query(name, SRV) if r.type == SRV]
        records.sort(key=lambda r: (r.data[0], -random.random() * (r.data[1] + 0.01)))
        return [(r.data[3], r.data[2], r.ttl) for r in records]

    async def targets(self, service):
        """[(host, address, port)] of an SRV name: every address of every target, in order."""
        out = []
        for host, port, _ in await self.srv(service):
            out += [(host, address, port) for address, _ in await self.a(host)]
        return out
