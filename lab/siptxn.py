"""Flows (UDP, TCP, TLS) and the four transactions of RFC 3261 section 17, on asyncio.

An Endpoint owns flows and transactions. A client transaction always ends: with a response, or with a LocalFailure
that says why there was none. The caller never waits longer than TIMEOUT_S for a first response.
"""

import asyncio
import socket

from .sipmsg import Framer, Message, SipError, new_branch, new_tag

T1_S, T2_S, T4_S = 0.5, 4.0, 5.0
TIMEOUT_S = 64 * T1_S
INVITE_LIMIT_S = 90.0  # a call that rings longer ends with a LocalFailure


class LocalFailure(Message):
    """Stands in for a response that never came; `reason` says why."""

    __slots__ = ()

    def __init__(self, status, reason, request):
        super().__init__(status=status, reason=reason)
        self.headers = [(n, v) for n, v in request.headers if n in ("Call-ID", "CSeq", "From", "To")]


class Flow:
    """One connection, or one UDP peer as seen from one socket."""

    def __init__(self, endpoint, transport):
        self.endpoint, self.transport = endpoint, transport
        self.local = self.peer = None
        self.closed = False

    @property
    def reliable(self):
        return self.transport != "UDP"


class StreamFlow(Flow, asyncio.Protocol):
    def __init__(self, endpoint, transport):
        super().__init__(endpoint, transport)
        self.stream = None
        self.framer = Framer()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, stream):
        self.stream = stream
        self.local = stream.get_extra_info("sockname")[:2]
        self.peer = stream.get_extra_info("peername")[:2]
        sock = stream.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.endpoint.flows.add(self)

    def data_received(self, data):
        try:
            messages = self.framer.feed(data)
        except (SipError, ValueError) as error:
            self.endpoint.note("flow-garbage", str(error))
            self.stream.abort()
            return
        for message in messages:
            if message is None:
                self.send(b"\r\n")
            else:
                self.endpoint.received(message, self)

    def connection_lost(self, error):
        self.closed = True
        self.endpoint.flows.discard(self)
        if not self.lost.done():
            self.lost.set_result(error)
        self.endpoint.flow_lost(self, error)

    def send(self, data):
        if self.closed or self.stream.is_closing():
            return False
        self.stream.write(data)
        return True

    def close(self):
        if self.stream is not None:
            self.stream.close()

    def peer_certificate(self):
        """As ssl.SSLSocket.getpeercert() has it; None without TLS or without a certificate."""
        return self.stream.get_extra_info("peercert")


class DatagramSocket(asyncio.DatagramProtocol):
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.datagrams = None
        self.peers = {}

    def connection_made(self, datagrams):
        self.datagrams = datagrams
        self.local = datagrams.get_extra_info("sockname")[:2]

    def datagram_received(self, data, peer):
        flow = self.flow(peer[:2])
        if not data.strip():  # keep-alive
            return
        try:
            self.endpoint.received(Message.parse(data), flow)
        except (SipError, ValueError) as error:
            self.endpoint.note("flow-garbage", str(error))

    def flow(self, peer):
        if peer not in self.peers:
            self.peers[peer] = DatagramFlow(self, peer)
        return self.peers[peer]


class DatagramFlow(Flow):
    def __init__(self, sock, peer):
        super().__init__(sock.endpoint, "UDP")
        self.sock, self.local, self.peer = sock, sock.local, peer

    def send(self, data):
        if self.closed:
            return False
        self.sock.datagrams.sendto(data, self.peer)
        return True

    def close(self):
        self.closed = True
        self.sock.datagrams.close()

    def peer_certificate(self):
        return None


class ClientTransaction:
    """RFC 3261 17.1. `done` brings the final response; provisional ones go to on_provisional."""

    def __init__(self, endpoint, flow, request, on_provisional=None, on_repeat=None):
        self.endpoint, self.flow, self.request = endpoint, flow, request
        self.on_provisional, self.on_repeat = on_provisional, on_repeat
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.branch = new_branch()
        self.invite = request.method == "INVITE"
        self.last_status = None
        self.interval = T1_S
        self.retransmit_timer = self.ack = None
        self.timeout_timer = None

    def start(self, branch=None):
        self.branch = branch or self.branch
        host, port = self.flow.local
        via = f"SIP/2.0/{self.flow.transport} {host}:{port};branch={self.branch}"
        self.request.headers.insert(0, ("Via", via + ";rport"))
        self.data = self.request.write()
        self.endpoint.clients[self.branch, self.request.method] = self
        if not self.flow.send(self.data):
            self.fail(503, "connection lost before sending")
            return self
        self.timeout_timer = self.loop.call_later(TIMEOUT_S, self.fail, 408, "no answer in 32 s")
        if not self.flow.reliable:
            self.retransmit_timer = self.loop.call_later(self.interval, self.retransmit)
        return self

    def retransmit(self):
        self.flow.send(self.data)
        self.interval = self.interval * 2 if self.invite else min(self.interval * 2, T2_S)
        self.retransmit_timer = self.loop.call_later(self.interval, self.retransmit)

    def stop_timers(self):
        for timer in (self.retransmit_timer, self.timeout_timer):
            if timer:
                timer.cancel()

    def forget(self):
        self.stop_timers()
        self.endpoint.clients.pop((self.branch, self.request.method), None)

    def fail(self, status, reason):
        self.forget()
        if not self.done.done():
            self.done.set_result(LocalFailure(status, reason, self.request))

    def received(self, response):
        self.last_status = response.status
        if response.status < 200:
            self.provisional(response)
        elif self.done.done():
            if self.ack:
                self.flow.send(self.ack)
            elif self.on_repeat:
                self.on_repeat(response)
        else:
            self.final(response)

    def provisional(self, response):
        if self.done.done():
            return
        if self.invite:
            self.stop_timers()
            self.timeout_timer = self.loop.call_later(INVITE_LIMIT_S, self.fail, 408, "rings too long")
        else:
            self.interval = T2_S
        if self.on_provisional:
            self.on_provisional(response)

    def final(self, response):
        self.stop_timers()
        if self.invite and response.status >= 300:
            self.ack = hop_ack(self.request, response).write()
            self.flow.send(self.ack)
        # the transaction stays to absorb what is repeated: INVITE 32 s (Timer D, RFC 6026 Timer M), others Timer K
        stay = TIMEOUT_S if self.invite else 0 if self.flow.reliable else T4_S
        if stay:
            self.timeout_timer = self.loop.call_later(stay, self.forget)
        else:
            self.forget()
        self.done.set_result(response)


def hop_ack(invite, response):
    """ACK for a final response that is not 2xx (RFC 3261 17.1.1.3)."""
    ack = Message(method="ACK", uri=invite.uri)
    ack.headers = [("Via", invite.get("Via"))]
    ack.headers += [(n, v) for n, v in invite.headers if n in ("From", "Call-ID", "Max-Forwards", "Route")]
    ack.add("To", response.get("To"))
    ack.add("CSeq", f"{invite.cseq[0]} ACK")
    return ack


class ServerTransaction:
    """RFC 3261 17.2. respond() sends; what is repeated by the peer is absorbed here."""

    def __init__(self, endpoint, flow, request, key):
        self.endpoint, self.flow, self.request, self.key = endpoint, flow, request, key
        self.loop = asyncio.get_running_loop()
        self.invite = request.method == "INVITE"
        self.last = None
        self.final_status = None
        self.timer = None
        self.interval = T1_S
        self.on_ack = self.on_cancel = None

    def response(self, status, to_tag=None, reason=None):
        """A response to the request, to be completed and given to respond()."""
        out = Message(status=status, reason=reason)
        for name, value in self.request.headers:
            if name in ("Via", "From", "Call-ID", "CSeq"):
                out.add(name, value)
            elif name == "Record-Route" and 100 < status < 300:
                out.add(name, value)
            elif name == "To":
                out.add(name, value if not to_tag or self.request.tag("To") else f"{value};tag={to_tag}")
        return out

    def respond(self, response):
        if self.final_status is not None and response.status != self.final_status:
            return
        self.last = response.write()
        self.flow.send(self.last)
        if response.status >= 200 and self.final_status is None:
            self.final_status = response.status
            self.finish()

    def finish(self):
        stay = TIMEOUT_S if self.invite or not self.flow.reliable else 0
        if not stay:
            self.forget()
            return
        self.loop.call_later(stay, self.forget)
        if self.invite and self.final_status >= 300 and not self.flow.reliable:
            self.timer = self.loop.call_later(self.interval, self.repeat)

    def repeat(self):
        self.flow.send(self.last)
        self.interval = min(self.interval * 2, T2_S)
        self.timer = self.loop.call_later(self.interval, self.repeat)

    def received_again(self, request):
        if request.method == "ACK":
            if self.timer:
                self.timer.cancel()
            if self.on_ack:
                self.on_ack(request)
        elif self.last:
            self.flow.send(self.last)

    def forget(self):
        if self.timer:
            self.timer.cancel()
        self.endpoint.servers.pop(self.key, None)


class Endpoint:
    """Flows and transactions of one user agent; subclasses answer on_request() and hear flow_lost(), note()."""

    def __init__(self):
        self.flows = set()
        self.clients, self.servers = {}, {}
        self.listeners = []

    # --- for subclasses ---
    def on_request(self, request, transaction):
        """A new request; transaction is None for an ACK that belongs to a 2xx."""
        raise NotImplementedError

    def on_flow_lost(self, flow, error):
        pass

    def note(self, event, text):
        pass

    # --- flows ---
    async def connect(self, transport, address, port, tls=None, server_name=None, local_address=None):
        """A new Flow. tls: an ssl.SSLContext for TLS. Raises OSError (ssl.SSLError is one)."""
        loop = asyncio.get_running_loop()
        local = (local_address, 0) if local_address else None
        if transport == "UDP":
            _, sock = await loop.create_datagram_endpoint(lambda: DatagramSocket(self),
                                                          local_addr=local or ("0.0.0.0", 0))
            if not local:  # the address that the peer will see
                probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                probe.connect((address, port))
                sock.local = (probe.getsockname()[0], sock.local[1])
                probe.close()
            self.listeners.append(sock.datagrams)
            return sock.flow((address, port))
        _, flow = await loop.create_connection(
            lambda: StreamFlow(self, transport), address, port, local_addr=local, ssl=tls,
            server_hostname=(server_name or address) if tls else None)
        return flow

    async def listen(self, transport, address, port=0, tls=None):
        """Opens a listening socket; returns (address, port)."""
        loop = asyncio.get_running_loop()
        if transport == "UDP":
            _, sock = await loop.create_datagram_endpoint(lambda: DatagramSocket(self), local_addr=(address, port))
            self.listeners.append(sock.datagrams)
            return sock.local
        server = await loop.create_server(lambda: StreamFlow(self, transport), address, port, ssl=tls)
        self.listeners.append(server)
        return server.sockets[0].getsockname()[:2]

    def close(self):
        for listener in self.listeners:
            listener.close()
        for flow in list(self.flows):
            flow.close()

    def flow_lost(self, flow, error):
        for transaction in [t for t in self.clients.values() if t.flow is flow]:
            if transaction.done.done():
                transaction.forget()
            else:
                transaction.fail(503, f"connection lost: {error or 'closed by the peer'}")
        self.on_flow_lost(flow, error)

    # --- transactions ---
    def received(self, message, flow):
        if not message.is_request:
            self.received_response(message)
            return
        via = message.top_via()
        sent_by = (via.host, via.port)
        method = "INVITE" if message.method == "ACK" else message.method
        key = (via.branch, sent_by, method)
        known = self.servers.get(key)
        if known:
            known.received_again(message)
        elif message.method == "ACK":
            self.on_request(message, None)
        elif message.method == "CANCEL":
            self.received_cancel(message, flow, self.servers.get((via.branch, sent_by, "INVITE")))
        else:
            if not flow.reliable and "rport" in via.params:
                note_source(message, flow)
            transaction = self.servers[key] = ServerTransaction(self, flow, message, key)
            self.on_request(message, transaction)

    def received_cancel(self, message, flow, invite):
        answer = ServerTransaction(self, flow, message, None)
        answer.respond(answer.response(200 if invite else 481, new_tag()))
        if invite and invite.final_status is None and invite.on_cancel:
            invite.on_cancel()

    def received_response(self, response):
        try:
            branch = response.top_via().branch
        except SipError as error:
            self.note("response-garbage", str(error))
            return
        transaction = self.clients.get((branch, response.cseq[1]))
        if transaction:
            transaction.received(response)
        else:
            self.note("response-stray", f"{response.status} {response.get('CSeq')} {response.call_id}")

    def request(self, flow, message, on_provisional=None, on_repeat=None, branch=None):
        """Starts a client transaction; await its .done."""
        return ClientTransaction(self, flow, message, on_provisional, on_repeat).start(branch)


def note_source(message, flow):
    """received and rport of the top Via (RFC 3581)."""
    values = message.all("Via")
    top = values[0].replace(";rport", f";rport={flow.peer[1]};received={flow.peer[0]}", 1)
    message.remove("Via")
    message.headers[:0] = [("Via", v) for v in [top, *values[1:]]]


__all__ = ["Endpoint", "Flow", "LocalFailure", "ClientTransaction", "ServerTransaction", "T1_S", "T2_S", "TIMEOUT_S"]
