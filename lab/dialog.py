"""INVITE dialogs: route sets, sequence numbers, re-INVITE, INFO, BYE (RFC 3261 sections 12 to 15).

A Call is one dialog seen from one end. What the other end did is kept for the judge: `seen` lists the methods that
came in (ACK included), `bodies` their bodies.
"""

import asyncio

from .sipmsg import Message, NameAddr, new_branch, new_call_id, new_tag
from .siptxn import T1_S, T2_S, TIMEOUT_S, LocalFailure


class CallFailed(Exception):
    def __init__(self, where, response):
        super().__init__(f"{where}: {response.status} {response.reason}")
        self.where, self.response = where, response


def sdp(host, version):
    """An offer or an answer of one G.711 audio stream that nobody will send (RFC 4566, RFC 3264)."""
    return (f"v=0\r\no=lab 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n").encode()


class Call:
    def __init__(self, ua, call_id, flow):
        loop = asyncio.get_running_loop()
        self.ua, self.call_id, self.first_flow = ua, call_id, flow
        self.local_tag, self.remote_tag = new_tag(), None
        self.local_uri = self.remote_uri = self.target = None
        self.local_seq, self.remote_seq = 0, None
        self.routes = []
        self.sdp_version = 1
        self.caller = False
        self.request = self.transaction = None
        self.statuses = []  # of the INVITE, as the caller saw them
        self.seen, self.bodies = [], []
        self.ringing = asyncio.Event()
        self.answered = loop.create_future()
        self.answered.add_done_callback(lambda f: f.cancelled() or f.exception())
        self.acked = loop.create_future()
        self.ended = loop.create_future()  # "bye" (from there), "bye-sent", "failed"
        self.on_in_dialog = None           # (call, request) -> status or None (200)
        self.acks = {}                     # remote tag -> the ACK to repeat
        self.waiting_ack = None            # (CSeq number, timer, interval, bytes) of a 2xx of ours
        self.task = None

    @property
    def flow(self):
        return self.ua.flow or self.first_flow

    def register(self):
        self.ua.calls[self.call_id, self.local_tag] = self

    def end(self, why):
        if not self.ended.done():
            self.ended.set_result(why)
        self.stop_repeating()
        key = self.call_id, self.local_tag
        if self.ua.calls.get(key) is self:  # another branch of the same call has the same tag here
            del self.ua.calls[key]

    # --- caller ---
    @classmethod
    def outgoing(cls, ua, to, call_id, flow):
        call = cls(ua, call_id or new_call_id(), flow)
        call.caller = True
        call.local_uri, call.remote_uri, call.target = ua.uri, f"sip:{to}", f"sip:{to}"
        call.register()
        return call

    async def run_invite(self):
        response = await self.send_invite(self.on_provisional)
        self.statuses.append(response.status)
        if response.status >= 300:
            self.end("failed")
            self.answered.set_exception(CallFailed("INVITE", response))
            return
        self.establish(response)
        self.acknowledge(response)
        self.answered.set_result(response)

    async def send_invite(self, on_provisional=None):
        message = self.new_request("INVITE")
        message.add("Contact", self.ua.contact(self.flow))
        message.add("Content-Type", "application/sdp")
        message.body = sdp(self.flow.local[0], self.sdp_version)
        self.sdp_version += 1
        response = await self.ua.send(message, self.flow, on_provisional, self.on_repeated_2xx, self.invite_started)
        self.local_seq = response.cseq[0]
        return response

    def invite_started(self, transaction):
        self.transaction = transaction

    def on_provisional(self, response):
        self.statuses.append(response.status)
        if response.status == 180:
            self.ringing.set()

    def establish(self, response):
        """RFC 3261 12.1.2."""
        self.remote_tag = response.tag("To")
        self.routes = list(reversed(response.all("Record-Route")))
        self.take_target(response)

    def take_target(self, message):
        contact = message.all("Contact")
        if contact:
            self.target = NameAddr.parse(contact[0]).uri

    def acknowledge(self, response):
        ack = self.new_request("ACK", response.cseq[0])
        ack.set("To", response.get("To"))
        for name, value in self.transaction.request.headers:
            if name in ("Authorization", "Proxy-Authorization"):
                ack.add(name, value)
        self.send_ack(ack, response)

    def send_ack(self, ack, response):
        host, port = self.flow.local
        ack.headers.insert(0, ("Via", f"SIP/2.0/{self.flow.transport} {host}:{port};branch={new_branch()};rport"))
        data = ack.write()
        self.acks[response.cseq[0], response.tag("To")] = data
        self.flow.send(data)

    def on_repeated_2xx(self, response):
        """A 2xx that comes again gets the ACK again; one from another branch is accepted and ended (13.2.2.4)."""
        known = self.acks.get((response.cseq[0], response.tag("To")))
        if known:
            self.flow.send(known)
        elif not self.remote_tag:
            return  # the first one has not been looked at yet
        elif response.status < 300 and response.tag("To") != self.remote_tag:
            other = Call(self.ua, self.call_id, self.flow)
            other.local_tag, other.local_uri, other.remote_uri = self.local_tag, self.local_uri, self.remote_uri
            other.transaction, other.local_seq = self.transaction, self.local_seq
            other.establish(response)
            other.acknowledge(response)
            self.acks.update(other.acks)
            self.ua.note("forked-2xx", self.call_id)
            self.ua.spawn(other.bye())

    async def cancel(self):
        """CANCEL of an INVITE that is ringing (RFC 3261 9.1); the INVITE then ends in 487. Returns the response to
        the CANCEL."""
        invite = self.transaction.request
        message = Message(method="CANCEL", uri=invite.uri)
        for name, value in invite.headers:
            if name in ("From", "To", "Call-ID", "Max-Forwards", "Route"):
                message.add(name, value)
        message.add("CSeq", f"{invite.cseq[0]} CANCEL")
        return await self.ua.request(self.transaction.flow, message, branch=self.transaction.branch).done

    # --- callee ---
    @classmethod
    def incoming(cls, ua, request, transaction):
        """RFC 3261 12.1.1."""
        call = cls(ua, request.call_id, transaction.flow)
        call.request, call.transaction = request, transaction
        call.local_uri = NameAddr.parse(request.get("To")).uri
        call.remote_uri = NameAddr.parse(request.get("From")).uri
        call.remote_tag = request.tag("From")
        call.remote_seq = request.cseq[0]
        call.routes = request.all("Record-Route")
        call.take_target(request)
        call.seen.append("INVITE")
        call.bodies.append(request.body)
        transaction.on_cancel = call.on_cancel
        call.register()
        return call

    def ring(self):
        response = self.transaction.response(180, self.local_tag)
        response.add("Contact", self.ua.contact(self.transaction.flow))
        self.transaction.respond(response)

    def reject(self, status):
        self.transaction.respond(self.transaction.response(status, self.local_tag))
        self.end("failed")

    async def accept(self):
        """200 with an answer; waits until the ACK is there. False when none came in 32 s, or it was cancelled."""
        if self.ended.done():
            return False
        self.answer_invite(self.transaction)
        return await self.wait_ack()

    async def wait_ack(self):
        await asyncio.wait([self.acked], timeout=TIMEOUT_S)
        return self.acked.done()

    def answer_invite(self, transaction):
        response = transaction.response(200, self.local_tag)
        response.add("Contact", self.ua.contact(transaction.flow))
        response.add("Content-Type", "application/sdp")
        response.body = sdp(transaction.flow.local[0], self.sdp_version)
        self.sdp_version += 1
        transaction.respond(response)
        self.repeat_2xx(transaction, response.cseq[0], T1_S, 0.0)

    def repeat_2xx(self, transaction, number, interval, spent):
        """RFC 3261 13.3.1.4: until the ACK, on reliable transports too."""
        def again():
            if spent + interval >= TIMEOUT_S:
                self.waiting_ack = None
                self.ua.note("no-ack", self.call_id)
                return
            transaction.flow.send(transaction.last)
            self.repeat_2xx(transaction, number, min(interval * 2, T2_S), spent + interval)
        self.waiting_ack = (number, asyncio.get_running_loop().call_later(interval, again))

    def stop_repeating(self):
        if self.waiting_ack:
            self.waiting_ack[1].cancel()
            self.waiting_ack = None

    def on_cancel(self):
        self.seen.append("CANCEL")
        self.reject(487)

    # --- both ---
    def new_request(self, method, number=None):
        if number is None:
            self.local_seq += 1
            number = self.local_seq
        message = Message(method=method, uri=self.target)
        message.add("Max-Forwards", 70)
        for route in self.routes:
            message.add("Route", route)
        message.add("From", f"<{self.local_uri}>;tag={self.local_tag}")
        message.add("To", f"<{self.remote_uri}>" + (f";tag={self.remote_tag}" if self.remote_tag else ""))
        message.add("Call-ID", self.call_id)
        message.add("CSeq", f"{number} {method}")
        return message

    async def send(self, method, body=b"", content_type="text/plain"):
        """A request within the dialog; returns the final response."""
        message = self.new_request(method)
        if body:
            message.add("Content-Type", content_type)
            message.body = body
        response = await self.ua.send(message, self.flow)
        self.local_seq = max(self.local_seq, response.cseq[0])
        if response.status in (408, 481) and method != "BYE" and not isinstance(response, LocalFailure):
            self.end("failed")  # 12.2.1.2
        return response

    async def info(self, body):
        return await self.send("INFO", body)

    async def message(self, body):
        return await self.send("MESSAGE", body)

    async def bye(self):
        self.stop_repeating()
        response = await self.send("BYE")
        self.end("bye-sent")
        return response

    async def reinvite(self):
        """Returns the final response; a 2xx is acknowledged and its Contact taken (12.2.1.2)."""
        response = await self.send_invite()
        if response.status < 300:
            self.take_target(response)
            self.acknowledge(response)
        return response

    def on_request(self, request, transaction):
        number, method = request.cseq
        self.seen.append(method)
        self.bodies.append(request.body)
        if method == "ACK":
            self.on_ack(number)
            return
        if self.remote_seq is not None and number <= self.remote_seq:
            transaction.respond(transaction.response(500, self.local_tag, "CSeq out of order"))
            return
        self.remote_seq = number
        status = self.on_in_dialog(self, request) if self.on_in_dialog else None
        if status and status != 200:
            transaction.respond(transaction.response(status, self.local_tag))
        elif method == "INVITE":
            self.take_target(request)
            self.acked = asyncio.get_running_loop().create_future()
            self.answer_invite(transaction)
        else:
            transaction.respond(transaction.response(200, self.local_tag))
            if method == "BYE":
                self.end("bye")

    def on_ack(self, number):
        if self.waiting_ack and self.waiting_ack[0] == number:
            self.stop_repeating()
        if not self.acked.done():
            self.acked.set_result(number)
