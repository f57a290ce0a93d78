"""SIP messages, URIs in headers, digest answers: text in, text out. Nothing here opens a socket.

RFC 3261 sections 7, 20 and 25; RFC 7616 for digest (MD5 as RFC 2617 has it).
"""

import hashlib
import re
import secrets

MAX_HEAD = 65536
MAX_BODY = 65536

COMPACT = {
    "i": "Call-ID", "m": "Contact", "e": "Content-Encoding", "l": "Content-Length", "c": "Content-Type",
    "f": "From", "s": "Subject", "k": "Supported", "t": "To", "v": "Via", "o": "Event", "u": "Allow-Events",
    "r": "Refer-To",
}
CANONICAL = {n.lower(): n for n in (
    "Call-ID", "Contact", "Content-Length", "Content-Type", "CSeq", "From", "To", "Via", "Route", "Record-Route",
    "Max-Forwards", "WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Proxy-Authorization", "Expires",
    "Allow", "Supported", "Require", "User-Agent", "Reason", "Warning", "Retry-After")}
REASONS = {
    100: "Trying", 180: "Ringing", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
    405: "Method Not Allowed", 407: "Proxy Authentication Required", 408: "Request Timeout",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 500: "Server Internal Error", 503: "Service Unavailable",
    603: "Decline",
}


class SipError(Exception):
    """What a peer sent is not SIP as we can read it."""


def canonical(name):
    low = name.lower()
    return COMPACT.get(low) or CANONICAL.get(low) or name


class Message:
    """A request (method, uri) or a response (status, reason): headers in order, body as bytes."""

    __slots__ = ("method", "uri", "status", "reason", "headers", "body")

    def __init__(self, method=None, uri=None, status=None, reason=None, headers=None, body=b""):
        self.method, self.uri, self.status, self.reason = method, uri, status, reason
        self.headers = headers if headers is not None else []
        self.body = body

    @property
    def is_request(self):
        return self.status is None

    def get(self, name, default=None):
        for n, v in self.headers:
            if n == name:
                return v
        return default

    def all(self, name):
        """Every value of a header, repeated and comma-joined alike."""
        return [part for n, v in self.headers if n == name for part in split_commas(v)]

    def add(self, name, value):
        self.headers.append((name, str(value)))

    def set(self, name, value):
        """Replaces the first of the name, removes the others; appends when there was none."""
        done, out = False, []
        for n, v in self.headers:
            if n != name:
                out.append((n, v))
            elif not done:
                out.append((n, str(value)))
                done = True
        if not done:
            out.append((name, str(value)))
        self.headers = out

    def remove(self, name):
        self.headers = [(n, v) for n, v in self.headers if n != name]

    @property
    def call_id(self):
        return self.get("Call-ID", "")

    @property
    def cseq(self):
        number, _, method = self.get("CSeq", "0 ?").partition(" ")
        return int(number), method.strip()

    def tag(self, name):
        return NameAddr.parse(self.get(name, "")).params.get("tag")

    def top_via(self):
        values = self.all("Via")
        if not values:
            raise SipError("no Via")
        return Via.parse(values[0])

    def write(self):
        if self.is_request:
            lines = [f"{self.method} {self.uri} SIP/2.0"]
        else:
            lines = [f"SIP/2.0 {self.status} {self.reason or REASONS.get(self.status, 'Unknown')}"]
        lines += [f"{n}: {v}" for n, v in self.headers if n != "Content-Length"]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    @classmethod
    def parse_head(cls, head):
        """The start line and the headers, without the empty line; the body is for the caller to add."""
        text = head.decode("utf-8", "surrogateescape")
        lines = re.sub(r"\r\n[ \t]+", " ", text).split("\r\n")
        msg = cls()
        start = lines[0].split(" ", 2)
        if len(start) != 3:
            raise SipError(f"start line {lines[0][:80]!r}")
        if start[0] == "SIP/2.0":
            msg.status, msg.reason = int(start[1]), start[2]
        elif start[2] == "SIP/2.0":
            msg.method, msg.uri = start[0], start[1]
        else:
            raise SipError(f"start line {lines[0][:80]!r}")
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise SipError(f"header line {line[:80]!r}")
            msg.headers.append((canonical(name.strip()), value.strip()))
        return msg

    @classmethod
    def parse(cls, data):
        """A whole datagram."""
        head, sep, rest = data.partition(b"\r\n\r\n")
        if not sep:
            raise SipError("no empty line")
        msg = cls.parse_head(head)
        length = int(msg.get("Content-Length", len(rest)))
        msg.body = rest[:length]
        return msg


class Framer:
    """Cuts a stream into messages. feed() returns messages, and None for each keep-alive ping that wants a pong."""

    def __init__(self):
        self.buffer = bytearray()
        self.head = None
        self.need = 0

    def feed(self, data):
        self.buffer += data
        out = []
        while True:
            if self.head is None:
                if not self._head(out):
                    return out
            if len(self.buffer) < self.need:
                return out
            self.head.body = bytes(self.buffer[:self.need])
            del self.buffer[:self.need]
            out.append(self.head)
            self.head = None

    def _head(self, out):
        while self.buffer[:4] == b"\r\n\r\n":  # RFC 5626 section 3.5.1: ping
            out.append(None)
            del self.buffer[:4]
        if self.buffer[:2] == b"\r\n":  # pong, or the first half of a ping
            if len(self.buffer) < 4:
                if len(self.buffer) == 2:
                    self.buffer.clear()
                return False
            del self.buffer[:2]
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > MAX_HEAD:
                raise SipError("head too long")
            return False
        self.head = Message.parse_head(bytes(self.buffer[:end]))
        del self.buffer[:end + 4]
        self.need = int(self.head.get("Content-Length", 0))
        if not 0 <= self.need <= MAX_BODY:
            raise SipError("body too long")
        return True


def split_commas(text):
    """At commas that stand outside quotes and angle brackets."""
    if "," not in text:
        return [text] if text else []
    parts, depth, quoted, start, i = [], 0, False, 0, 0
    while i < len(text):
        c = text[i]
        if quoted:
            if c == "\\":
                i += 1
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c == "<":
            depth += 1
        elif c == ">":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
        i += 1
    parts.append(text[start:].strip())
    return [p for p in parts if p]


def parse_params(text):
    params = {}
    for part in text.split(";"):
        name, eq, value = part.strip().partition("=")
        if name:
            params[name.strip().lower()] = value.strip().strip('"') if eq else None
    return params


class NameAddr:
    """From, To, Contact, Route, Record-Route."""

    __slots__ = ("uri", "params")

    def __init__(self, uri, params):
        self.uri, self.params = uri, params

    @classmethod
    def parse(cls, text):
        left = text.find("<")
        if left >= 0:
            right = text.find(">", left)
            if right < 0:
                raise SipError(f"address {text[:80]!r}")
            return cls(text[left + 1:right], parse_params(text[right + 1:]))
        uri, _, params = text.partition(";")
        return cls(uri.strip(), parse_params(params))


class Via:
    __slots__ = ("transport", "host", "port", "params")

    def __init__(self, transport, host, port, params):
        self.transport, self.host, self.port, self.params = transport, host, port, params

    @classmethod
    def parse(cls, text):
        match = re.match(r"SIP\s*/\s*2\.0\s*/\s*(\w+)\s+(\[[^\]]*\]|[^\s:;]+)(?:\s*:\s*(\d+))?\s*(.*)$", text, re.S)
        if not match:
            raise SipError(f"Via {text[:80]!r}")
        transport, host, port, rest = match.groups()
        return cls(transport.upper(), host, int(port) if port else None, parse_params(rest.lstrip(";")))

    @property
    def branch(self):
        return self.params.get("branch") or ""


def uri_aor(uri):
    """user@host of a SIP URI, host in lower case: no scheme, port or parameters."""
    rest = uri.partition(":")[2].split(";")[0].split("?")[0]
    user, at, host = rest.rpartition("@")
    host = re.sub(r":\d+$", "", host).lower()
    return f"{user.partition(':')[0]}@{host}" if at else host


def new_tag():
    return secrets.token_hex(5)


def new_branch():
    return "z9hG4bK" + secrets.token_hex(8)


def new_call_id():
    return secrets.token_hex(12)


# --- digest (RFC 7616) ---

DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def parse_challenge(text):
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "digest":
        return None
    pairs = re.findall(r'([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]+)', rest)
    return {k.lower(): re.sub(r"\\(.)", r"\1", v[1:-1]) if v.startswith('"') else v for k, v in pairs}


class Credentials:
    """One user's answers: keeps the last challenge, so that the next request need not be refused first."""

    def __init__(self, user, password):
        self.user, self.password = user, password
        self.challenge = None
        self.header = None
        self.count = 0

    def take(self, response, algorithms=None):
        """Remembers the first challenge that we can answer (RFC 7616 section 3.7). False: there is none."""
        name, header = (("WWW-Authenticate", "Authorization") if response.status == 401
                        else ("Proxy-Authenticate", "Proxy-Authorization"))
        for n, value in response.headers:
            challenge = parse_challenge(value) if n == name else None
            if not challenge:
                continue
            algorithm = challenge.get("algorithm", "MD5").upper()
            if algorithm in (algorithms or DIGESTS):
                challenge["algorithm"] = algorithm
                self.challenge, self.header, self.count = challenge, header, 0
                return True
        return False

    def answer(self, method, uri, cnonce=None):
        """The value of Authorization or Proxy-Authorization for the remembered challenge."""
        c = self.challenge
        self.count += 1
        realm, nonce, algorithm = c["realm"], c["nonce"], c["algorithm"]

        def digest(text):
            return DIGESTS[algorithm](text.encode()).hexdigest()

        ha1 = digest(f"{self.user}:{realm}:{self.password}")
        ha2 = digest(f"{method}:{uri}")
        out = (f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
               f'algorithm={algorithm}')
        if "auth" in [q.strip() for q in c.get("qop", "").split(",")]:
            cnonce, nc = cnonce or secrets.token_hex(8), f"{self.count:08x}"
            response = digest(f"{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")
            out += f', qop=auth, nc={nc}, cnonce="{cnonce}"'
        else:
            response = digest(f"{ha1}:{nonce}:{ha2}")
        out += f', response="{response}"'
        if "opaque" in c:
            out += ', opaque="' + c["opaque"] + '"'
        return out
