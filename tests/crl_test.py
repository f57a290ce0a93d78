#!/usr/bin/env python3
"""Certificates of partners that their authority took back: the lists that they name are fetched over http from a
server of this test, in the background; what comes of a list that cannot be had is a setting."""

import contextlib
import http.server
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, check_refused, contoso, run_with
from tap import check, check_equal, wait_until

from lab import pki

LISTED, LOST, SLOW, PLAIN = (Partner(f"{name}.example") for name in ("listed", "lost", "slow", "plain"))
PARTNERS = (LISTED, LOST, SLOW, PLAIN)
HUGE_BYTES = 64 << 20
REFRESH_S = 30


class Lists(http.server.ThreadingHTTPServer):
    """What is at each path: bytes, None (not found), or a function that answers by itself."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.at, self.asked, self.ends = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}.crl"

    def times(self, name):
        return self.asked.count(f"/{name}.crl")

    def handle_error(self, request, address):
        pass  # whoever asked went away: that is what is tested

    def end(self):
        self.ends.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        what = self.server.at.get(self.path.strip("/").removesuffix(".crl"))
        self.server.asked.append(self.path)
        if callable(what):
            what(self)
            return
        self.send_response(200 if what else 404)
        self.send_header("Content-Length", str(len(what or b"")))
        self.end_headers()
        self.wfile.write(what or b"")

    def log_message(self, *_):
        pass


def stalls(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"\x30")
    handler.wfile.flush()
    handler.server.ends.wait(60)


def endless(handler):
    """Says nothing of its length, and is longer than any list may be."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(HUGE_BYTES >> 16):
        handler.wfile.write(b"0" * 65536)


class Revoker:
    """Lists of an authority of lab.pki."""

    def __init__(self, ca):
        self.ca, self.revoked, self.number = ca, [], 0

    def make(self, seconds):
        """DER: good for so long; newer than all before."""
        self.number += 1
        folder = self.ca.folder
        day = time.strftime("%y%m%d%H%M%SZ", time.gmtime())
        (folder / "revoked.txt").write_text("".join(
            f"R\t301122000000Z\t{day},keyCompromise\t{serial}\tunknown\t/CN=x\n" for serial in self.revoked))
        (folder / "crlnumber").write_text(f"{self.number:04x}\n")
        (folder / "list.cnf").write_text(f"[lab]\ndatabase={folder / 'revoked.txt'}\ncrlnumber={folder / 'crlnumber'}\n"
                                         "default_md=sha256\n")
        pki.openssl("ca", "-config", folder / "list.cnf", "-name", "lab", "-gencrl", "-crlsec", seconds, "-keyfile",
                    self.ca.key, "-cert", self.ca.cert, "-out", folder / "list.pem")
        pki.openssl("crl", "-in", folder / "list.pem", "-outform", "DER", "-out", folder / "list.der")
        return (folder / "list.der").read_bytes()

    def revoke(self, pair):
        self.revoked.append(pki.openssl("x509", "-in", pair.cert, "-noout", "-serial").strip().split("=")[1])


def issue(ca, partner, url):
    """A certificate that names its list."""
    before = pki.leaf
    pki.leaf = lambda sans, usage: before(sans, usage) + [f"crlDistributionPoints=URI:{url}"]
    try:
        partner.pair = ca.issue(partner.domain, partner.names, file=f"edge-{partner.domain}")
    finally:
        pki.leaf = before


@contextlib.contextmanager
def lab_with_lists():
    lists = Lists()
    try:
        with contoso(PARTNERS, workers=2) as (lab, ca):
            lab.lists, lab.revoker = lists, Revoker(ca)
            for partner in (LISTED, LOST, SLOW):
                issue(ca, partner, lists.url(partner.domain))
            yield lab, ca
    finally:
        lists.end()


WORLD = World(lab_with_lists)


@contextlib.asynccontextmanager
async def talking(*partners):
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0, on_message=lambda *_: None)
    await alice.start()
    for partner in partners:
        await partner.open(lab, WORLD.ca)
    try:
        yield alice
    finally:
        for agent in [alice] + [p.agent for p in partners]:
            await agent.stop()


async def says(partner, alice):
    return await partner.agent.message(alice.aor, b"hi")


def events(name, partner, since=0):
    url = WORLD.lab.lists.url(partner.domain)
    return [e for e in WORLD.edge().events(name, since) if e["url"] == url]


def arrives(name, partner, since):
    url = WORLD.lab.lists.url(partner.domain)
    return WORLD.edge().wait_event(name, EVENT_S, since, url=url)


async def test_revoked_while_connected():
    "a list is fetched behind the first request; who is revoked is refused on the connection that stands, and by no new one"
    lab = WORLD.up()
    lists, revoker, edge = lab.lists, lab.revoker, WORLD.edge()
    lists.at[LISTED.domain] = revoker.make(4)
    async with talking(LISTED, PLAIN) as alice:
        since = edge.log_end()
        check_equal((await says(LISTED, alice)).status, 200, "before any list is here")
        arrives("edge.crl-fetched", LISTED, since)
        check_equal((await says(LISTED, alice)).status, 200, "with a list that does not name it")
        check_equal((await alice.message(LISTED.agent.aor, b"hi")).status, 200, "outwards")

        revoker.revoke(LISTED.pair)
        good = revoker.make(2000)
        forger = Revoker(pki.Authority(lab.folder / "forger", WORLD.ca.name))
        forger.number = 1000
        since = edge.log_end()
        lists.at[LISTED.domain] = forger.make(2000)
        arrives("edge.crl-unreachable", LISTED, since)
        check_equal((await says(LISTED, alice)).status, 200, "a list that somebody else signed says nothing")
        since = edge.log_end()
        lists.at[LISTED.domain] = good
        arrives("edge.crl-fetched", LISTED, since)
        since = edge.log_end()
        check_refused(await says(LISTED, alice), 403, "edge.certificate-revoked", edge, since)
        LISTED.got.clear()
        outwards = await alice.message(LISTED.agent.aor, b"hi")
        check(outwards.status >= 400 and not LISTED.got, f"outwards: {outwards.status}")
        check_equal((await says(PLAIN, alice)).status, 200, "a partner whose certificate names no list")


async def test_a_restart_is_not_blind():
    "after a restart with the server gone, who was revoked stays out from the first handshake"
    lab = WORLD.up()
    lab.lists.at[LISTED.domain] = None
    edge = WORLD.edge()
    edge.terminate()
    edge.start()
    asked = lab.lists.times(LISTED.domain)
    since = edge.log_end()
    with contextlib.suppress(OSError, EOFError):
        async with talking(LISTED) as alice:
            response = await says(LISTED, alice)
            check(response.status != 200, "a revoked partner gets through")
    wait_until(lambda: any("revoked by its issuer" in str(e) for e in edge.events(since=since)), EVENT_S,
               "the handshake is refused for that")
    check_equal(lab.lists.times(LISTED.domain), asked, "by what was kept")


async def test_a_list_that_cannot_be_had():
    "by default its partner passes, with one warning; with `refuse` it does not, until the list is there"
    lab = WORLD.up()
    edge, central = WORLD.edge(), lab.contoso.central
    async with talking(LOST, PLAIN) as alice:
        since = edge.log_end()
        check_equal((await says(LOST, alice)).status, 200, "allowed")
        event = arrives("edge.crl-unreachable", LOST, since)
        check("404" in event["error"], event)
        check_equal((await says(LOST, alice)).status, 200, "still")
        wait_until(lambda: lab.lists.times(LOST.domain) > 1, REFRESH_S, "it is asked for again")
        check_equal(len(events("edge.crl-unreachable", LOST, since)), 1, "warnings")
        check(edge.counters().get("edge.crl-failed", 0) > 0, "counted")
        central.entente("topology", "set", "access_edge/crl_unreachable", "refuse")
        lab.contoso.publish("unknown is refused")
        since = edge.log_end()
        check_refused(await says(LOST, alice), 503, "edge.revocation-unknown", edge, since)
        check_equal((await says(PLAIN, alice)).status, 200, "who names no list")
        since = edge.log_end()
        lab.lists.at[LOST.domain] = lab.revoker.make(2000)
        arrives("edge.crl-fetched", LOST, since)
        check_equal((await says(LOST, alice)).status, 200, "the list is there")
        central.entente("topology", "set", "access_edge/crl_unreachable", "allow")
        lab.contoso.publish("unknown is allowed")


async def test_slow_and_huge_lists_harm_nobody():
    "while a server stalls, and while another sends without end, messages pass and other lists come"
    lab = WORLD.up()
    edge = WORLD.edge()
    lab.lists.at[SLOW.domain] = stalls
    async with talking(SLOW, PLAIN) as alice:
        check_equal((await says(SLOW, alice)).status, 200, "allowed")
        wait_until(lambda: lab.lists.times(SLOW.domain), EVENT_S, "asked for")
        began = time.monotonic()
        for _ in range(20):
            check_equal((await says(PLAIN, alice)).status, 200, "beside it")
        check(time.monotonic() - began < 10, "messages wait for a list")
        since = edge.log_end()
        lab.lists.at[SLOW.domain] = endless
        lab.lists.ends.set()  # the one that stalls breaks off
        wait_until(lambda: lab.lists.times(SLOW.domain) > 1, REFRESH_S, "asked for again")
        check_equal((await says(SLOW, alice)).status, 200, "a list without end")
        check_equal(events("edge.crl-fetched", SLOW, since), [], "that was taken")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
