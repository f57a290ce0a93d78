"""A SIP user agent: registers over one connection (outbound), keeps it, sends and answers requests, holds dialogs.

Written for the lab and independent of the C code. All of it runs in one asyncio loop.

    ua = UserAgent("alice@contoso.example", "secret", FrontEnd("TLS", "127.1.2.3", 5061, "fe1.contoso.example", ca))
    await ua.start()                                  # connects and registers
    response = await ua.message("bob@contoso.example", b"hello")
    call = await ua.invite("bob@contoso.example")     # CallFailed when it is not answered
    await call.info(b"x"); await call.reinvite(); await call.bye()

A UserAgent without a front end listens: `await ua.listen("TCP", "127.0.0.1")`.
"""

import asyncio
import contextlib
import ssl

from .dialog import Call, CallFailed
from .sipmsg import Credentials, Message, NameAddr, new_call_id, new_tag, uri_aor
from .siptxn import TIMEOUT_S, Endpoint, Flow, LocalFailure

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO"
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.1, 4.0
KEEP_ALIVE_S = 30.0
AUTH_TRIES = 3  # a challenge, a stale nonce, and one more


class RegisterFailed(Exception):
    def __init__(self, response):
        super().__init__(f"REGISTER: {response.status} {response.reason}")
        self.response = response


class FrontEnd:
    """Where a client connects. ca: file of the roots for TLS; name: what the certificate must name."""

    def __init__(self, transport, address, port, name=None, ca=None, local_address=None, certificate=None):
        self.transport, self.address, self.port = transport, address, port
        self.name, self.local_address = name, local_address
        self.tls = client_tls(ca, certificate) if transport == "TLS" else None


def client_tls(ca, certificate=None):
    """Context of a client that verifies. certificate: (cert file, key file) for mutual TLS."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    return context


def server_tls(certificate, ca=None):
    """Context of a server; with ca it asks for a certificate and verifies it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    if ca:
        context.load_verify_locations(str(ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def find_front_end(domain, dns, ca, local_address=None):
    """By SRV _sips._tcp.DOMAIN, as a client does that knows only its domain (RFC 3263)."""
    host, address, port = (await dns.targets(f"_sips._tcp.{domain}"))[0]
    return FrontEnd("TLS", address, port, host, ca, local_address)


class UserAgent(Endpoint):
    def __init__(self, aor, password=None, front_end=None, *, expires=600, algorithms=None, on_message=None,
                 on_call=None, on_note=None, on_other=None):
        """on_message(ua, request) -> status or None (200); on_call(call): a coroutine function that answers;
        on_other(ua, request) -> status: any other method outside a dialog (without it: 405)."""
        super().__init__()
        self.aor, self.front_end, self.expires, self.algorithms = aor, front_end, expires, algorithms
        self.user, self.domain = aor.split("@")
        self.uri = f"sip:{aor}"
        self.credentials = {kind: Credentials(self.user, password) for kind in ("REGISTER", "others")}
        self.on_message, self.on_call, self.on_note, self.on_other = on_message, on_call, on_note, on_other
        self.flow = None
        self.listening = None
        self.calls = {}
        self.tasks = set()
        self.keeper = None
        self.register_call_id, self.register_cseq = new_call_id(), 0
        self.ready = asyncio.Event()
        self.reconnects = 0
        self.closing = False

    # --- life ---
    async def start(self):
        """Connects and registers; raises OSError or RegisterFailed. From then on the registration is kept."""
        await self.attach()
        granted = await self.register(self.expires)
        self.keeper = self.spawn(self.keep(granted))

    async def attach(self):
        """Connects without registering."""
        fe = self.front_end
        self.flow = await self.connect(fe.transport, fe.address, fe.port, fe.tls, fe.name, fe.local_address)

    async def listen(self, transport, address, port=0, tls=None):
        self.listening = (transport, *await super().listen(transport, address, port, tls))
        return self.listening[1:]

    async def stop(self, unregister=True):
        self.closing = True
        if self.keeper:
            self.keeper.cancel()
        if unregister and self.keeper and self.flow and not self.flow.closed:
            with contextlib.suppress(RegisterFailed):
                await self.register(0)
        for task in list(self.tasks):
            task.cancel()
        self.close()

    def spawn(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.task_done)
        return task

    def task_done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.note("task-failed", repr(task.exception()))

    def note(self, event, text):
        if self.on_note:
            self.on_note(self, event, text)

    def on_flow_lost(self, flow, error):
        if flow is self.flow:
            self.ready.clear()
            if not self.closing:
                self.note("connection-lost", str(error or "closed by the peer"))

    async def keep(self, granted):
        """Refreshes, sends keep-alives, and comes back after the loss of the connection."""
        loop = asyncio.get_running_loop()
        refresh_at = loop.time() + granted * 0.8
        while True:
            wait = min(KEEP_ALIVE_S, max(0.0, refresh_at - loop.time()))
            if self.flow.reliable:
                await asyncio.wait([self.flow.lost], timeout=wait)
            else:
                await asyncio.sleep(wait)
            try:
                if self.flow.closed:
                    await self.reconnect()
                    refresh_at = loop.time() + self.granted * 0.8
                elif loop.time() >= refresh_at:
                    refresh_at = loop.time() + await self.register(self.expires) * 0.8
                elif self.flow.reliable:
                    self.flow.send(b"\r\n\r\n")
            except RegisterFailed as error:
                self.note("register-failed", str(error))
                refresh_at = loop.time() + RECONNECT_MAX_S

    async def reconnect(self):
        pause = RECONNECT_FIRST_S
        while True:
            try:
                await self.attach()
                await self.register(self.expires)
                self.reconnects += 1
                self.note("reconnected", f"number {self.reconnects}")
                return
            except (OSError, RegisterFailed) as error:
                self.note("reconnect-failed", str(error))
                if self.flow and not self.flow.closed:
                    self.flow.close()
            await asyncio.sleep(pause)
            pause = min(pause * 2, RECONNECT_MAX_S)

    # --- requests ---
    def contact(self, flow=None):
        flow = flow or self.flow
        if flow is None:
            transport, host, port = self.listening
        else:
            transport, (host, port) = flow.transport, flow.local
            if self.listening and self.listening[0] == transport:
                host, port = self.listening[1:]
        return f"<sip:{self.user}@{host}:{port};transport={transport.lower()}>"

    def new_request(self, method, uri, to=None, call_id=None, cseq=1):
        message = Message(method=method, uri=uri)
        message.add("Max-Forwards", 70)
        message.add("From", f"<{self.uri}>;tag={new_tag()}")
        message.add("To", f"<{to or uri}>")
        message.add("Call-ID", call_id or new_call_id())
        message.add("CSeq", f"{cseq} {method}")
        message.add("Allow", ALLOW)
        return message

    async def send(self, message, flow=None, on_provisional=None, on_repeat=None, started=None):
        """Sends and waits for the final response; answers challenges. Returns a Message (or LocalFailure).
        started(transaction) is called for every attempt."""
        flow = flow or self.flow
        credentials = self.credentials["REGISTER" if message.method == "REGISTER" else "others"]
        request = message
        for attempt in range(AUTH_TRIES + 1):
            if credentials.challenge:
                request.set(credentials.header, credentials.answer(request.method, request.uri))
            transaction = self.request(flow, request, on_provisional, on_repeat)
            if started:
                started(transaction)
            response = await transaction.done
            if response.status not in (401, 407) or attempt == AUTH_TRIES or not credentials.password:
                return response
            if not credentials.take(response, self.algorithms):
                return response
            if attempt and credentials.challenge.get("stale", "").lower() != "true":
                return response  # it was our answer that was refused
            request = self.again(request)
        return response

    @staticmethod
    def again(message):
        """The same request for another try: next CSeq, no Via, no answer to an old challenge."""
        again = Message(method=message.method, uri=message.uri, body=message.body)
        number, method = message.cseq
        for name, value in message.headers[1:]:
            if name in ("Authorization", "Proxy-Authorization"):
                continue
            again.add(name, f"{number + 1} {method}" if name == "CSeq" else value)
        return again

    async def register(self, expires):
        """Returns the granted seconds. expires 0 removes the binding."""
        uri = f"sip:{self.domain}"
        self.register_cseq += 1
        message = self.new_request("REGISTER", uri, self.uri, self.register_call_id, self.register_cseq)
        message.add("Contact", f"{self.contact()};expires={expires}")
        message.add("Expires", expires)
        response = await self.send(message)
        if response.status == 423 and response.get("Min-Expires"):
            self.register_cseq = response.cseq[0]
            self.expires = int(response.get("Min-Expires"))
            return await self.register(self.expires)
        self.register_cseq = response.cseq[0]
        if response.status != 200:
            raise RegisterFailed(response)
        ours = NameAddr.parse(self.contact()).uri
        self.granted = int(response.get("Expires", expires))
        for value in response.all("Contact"):
            contact = NameAddr.parse(value)
            if contact.uri == ours and contact.params.get("expires"):
                self.granted = int(contact.params["expires"])
        if expires:
            self.ready.set()
        return self.granted

    async def message(self, to, body, call_id=None, content_type="text/plain"):
        request = self.new_request("MESSAGE", f"sip:{to}", call_id=call_id)
        request.add("Content-Type", content_type)
        request.body = body
        return await self.send(request)

    async def options(self, to):
        return await self.other("OPTIONS", to)

    async def other(self, method, to, headers=(), body=b""):
        """Any request outside a dialog: SUBSCRIBE, NOTIFY, REFER, PUBLISH, … headers: (name, value) pairs."""
        request = self.new_request(method, f"sip:{to}")
        if method in ("SUBSCRIBE", "NOTIFY", "REFER"):
            request.add("Contact", self.contact())
        for name, value in headers:
            request.add(name, value)
        request.body = body
        return await self.send(request)

    def start_call(self, to, call_id=None, flow=None):
        """A Call that has sent its INVITE: see Call.ringing, Call.answered, Call.cancel()."""
        call = Call.outgoing(self, to, call_id, flow or self.flow)
        call.task = self.spawn(call.run_invite())
        return call

    async def invite(self, to, call_id=None):
        """A Call that is answered and acknowledged; raises CallFailed."""
        call = self.start_call(to, call_id)
        await call.answered
        return call

    # --- answers ---
    def on_request(self, request, transaction):
        tag = request.tag("To")
        call = self.calls.get((request.call_id, tag)) if tag else None
        if call:
            call.on_request(request, transaction)
        elif transaction is None:
            self.note("ack-stray", request.call_id)
        elif tag:
            transaction.respond(transaction.response(481))
        elif request.method == "INVITE":
            self.on_invite(request, transaction)
        elif request.method == "MESSAGE":
            status = self.on_message(self, request) if self.on_message else None
            transaction.respond(transaction.response(status or 200, new_tag()))
        elif request.method == "OPTIONS":
            response = transaction.response(200, new_tag())
            response.add("Allow", ALLOW)
            transaction.respond(response)
        elif self.on_other:
            response = transaction.response(self.on_other(self, request), new_tag())
            response.add("Contact", self.contact(transaction.flow))
            transaction.respond(response)
        else:
            response = transaction.response(405, new_tag())
            response.add("Allow", ALLOW)
            transaction.respond(response)

    def on_invite(self, request, transaction):
        if not self.on_call:
            transaction.respond(transaction.response(486, new_tag()))
            return
        call = Call.incoming(self, request, transaction)
        call.task = self.spawn(self.on_call(call))


__all__ = ["UserAgent", "FrontEnd", "Call", "CallFailed", "RegisterFailed", "LocalFailure", "Flow", "TIMEOUT_S",
           "find_front_end", "client_tls", "server_tls", "uri_aor"]
