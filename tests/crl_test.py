#!/usr/bin/env python3
"""Certificates of partners that their authority took back: the lists that they name are fetched over http from a
server of this test, in the background, or given by hand; what comes of a list that cannot be had is a setting."""

import asyncio
import contextlib
import http.server
import json
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import EVENT_S, Partner, World, check_refused, contoso, run_with
from tap import check, check_equal, wait_until

from lab import pki
from lab.machine import CommandFailed

LISTED, LOST, SLOW, PLAIN, SECOND = (Partner(f"{name}.example")
                                     for name in ("listed", "lost", "slow", "plain", "second"))
STALLED = Partner("stalled.example")
# What comes in place of a list, and words of what is said of it. https, ldap and indirect lists are not asked for.
ODD = {"truncated": "revocation list cannot be read", "html": "revocation list cannot be read",
       "expired": "revocation list has expired", "forged": "is not signed by the issuer", "loop": "more than 3 redirects",
       "away": "only http is asked", "delta": "names only changes", "closed": "127.0.0.1",
       "nowhere": "there is no address for", "ldap": "name no http address"}
ODDS = {name: Partner(f"{name}.example") for name in ODD}
PARTNERS = (LISTED, LOST, SLOW, STALLED, PLAIN, SECOND, *ODDS.values())
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


def leads_to(url):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return answer


def utc(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


class Revoker:
    """Lists of an authority of lab.pki."""

    def __init__(self, ca):
        self.ca, self.revoked, self.number = ca, [], 0

    def make(self, seconds, since=0, more=""):
        """DER: good for so long; newer than all before. more: a line with an extension."""
        self.number += 1
        folder = self.ca.folder
        day = time.strftime("%y%m%d%H%M%SZ", time.gmtime())
        (folder / "revoked.txt").write_text("".join(
            f"R\t301122000000Z\t{day},keyCompromise\t{serial}\tunknown\t/CN=x\n" for serial in self.revoked))
        (folder / "crlnumber").write_text(f"{self.number:04x}\n")
        (folder / "list.cnf").write_text(f"[lab]\ndatabase={folder / 'revoked.txt'}\ncrlnumber={folder / 'crlnumber'}\n"
                                         f"default_md=sha256\ncrl_extensions=more\n[more]\n{more}\n")
        pki.openssl("ca", "-config", folder / "list.cnf", "-name", "lab", "-gencrl", "-crl_lastupdate", utc(since),
                    "-crl_nextupdate", utc(seconds), "-keyfile", self.ca.key, "-cert", self.ca.cert, "-out",
                    folder / "list.pem")
        pki.openssl("crl", "-in", folder / "list.pem", "-outform", "DER", "-out", folder / "list.der")
        return (folder / "list.der").read_bytes()

    def revoke(self, pair):
        self.revoked.append(pki.openssl("x509", "-in", pair.cert, "-noout", "-serial").strip().split("=")[1])


def issue(ca, partner, *urls):
    """A certificate that names its list."""
    before, names = pki.leaf, ",".join(f"URI:{url}" for url in urls)
    pki.leaf = lambda sans, usage: before(sans, usage) + [f"crlDistributionPoints={names}"]
    try:
        partner.pair = ca.issue(partner.domain, partner.names, file=f"edge-{partner.domain}")
    finally:
        pki.leaf = before


def odd_lists(lab, ca):
    """At the address of each of ODD, what its name says."""
    lists, good = lab.lists, lab.revoker.make(2000)
    forger = Revoker(pki.Authority(lab.folder / "forger", ca.name))
    lists.at.update({
        "truncated.example": good[:-40], "html.example": b"<html>It works!</html>",
        "expired.example": lab.revoker.make(-86400, since=-2 * 86400), "forged.example": forger.make(2000),
        "delta.example": lab.revoker.make(2000, more="deltaCRL=critical,ASN1:INTEGER:1"),
        "loop.example": leads_to(lists.url("loop.example")), "away.example": leads_to("https://127.0.0.1/x.crl")})
    urls = {name: lists.url(f"{name}.example") for name in ODD}
    urls.update(closed="http://127.0.0.1:1/x.crl", nowhere="http://nowhere.second.example/x.crl",
                ldap="ldap://127.0.0.1/cn=x")
    for name, partner in ODDS.items():
        issue(ca, partner, urls[name])
    lab.odd_urls = urls


@contextlib.contextmanager
def lab_with_lists():
    lists = Lists()
    try:
        with contoso(PARTNERS, workers=2) as (lab, ca):
            lab.dns.update(SECOND.domain, "add crl.second.example. 5 A 127.0.0.1")
            lab.lists, lab.revoker = lists, Revoker(ca)
            for partner in (LISTED, LOST, SLOW, STALLED):
                issue(ca, partner, lists.url(partner.domain))
            odd_lists(lab, ca)
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
        for agent in [alice] + [p.agent for p in partners if p.agent]:
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


def publish(value, why):
    WORLD.lab.contoso.central.entente("topology", "set", "access_edge/crl_unreachable", value)
    WORLD.lab.contoso.publish(why)


def lists_of(machine):
    return json.loads(machine.entente("cert", "crl", "list", "--json"))


def row_of(machine, url):
    rows = [row for row in lists_of(machine)["lists"] if url in row["urls"]]
    check_equal(len(rows), 1, f"rows of {url}")
    return rows[0]


async def test_what_is_no_list():
    "truncated, forged, expired, redirected in circles, nobody there: each is told with its reason, everywhere"
    lab = WORLD.up()
    edge, central = WORLD.edge(), lab.contoso.central
    since = edge.log_end()
    lab.lists.at[STALLED.domain] = stalls  # until its time is over: test_slow_and_huge_lists_harm_nobody
    async with talking(STALLED, *ODDS.values()) as alice:
        for response in await asyncio.gather(*[says(partner, alice) for partner in (STALLED, *ODDS.values())]):
            check_equal(response.status, 200, "allowed")
        for name, words in ODD.items():
            url = lab.odd_urls[name]
            if name != "ldap":  # which nobody asks for: there is no event
                event = edge.wait_event("edge.crl-unreachable", EVENT_S, since, url=url)
                check(words in event["error"], f"{name}: {event['error']}")
            row = row_of(edge, url)
            check_equal(row["state"], "expired" if name == "expired" else "missing", f"state of {name}")
            check(words in row["error"], f"{name}: {row}")
        check_equal(lab.lists.times(ODDS["loop"].domain), 4, "one question, three redirects")
        check_equal(lab.lists.times(ODDS["truncated"].domain), 1, "asked")
        table = central.entente("cert", "crl", "list")
        for words in (*ODD.values(), "edge-old1", "no list was given by hand"):
            check(words in table, f"{words}: {table}")
        status = edge.entente("status")
        check("1 expired, 10 missing (entente cert crl list)" in status, status)


async def test_all_addresses_by_our_resolver():
    "the addresses of a certificate are asked in its order, their names by the Edge's own name servers, through redirects"
    lab = WORLD.up()
    lists, edge = lab.lists, WORLD.edge()
    there = f"http://crl.second.example:{lists.server_port}/moved.crl"
    issue(WORLD.ca, SECOND, "http://nowhere.second.example/a.crl", lists.url("gone"), there, lists.url("unasked"))
    lists.at.update({"moved": leads_to(lists.url("here")), "here": lab.revoker.make(2000)})
    async with talking(SECOND) as alice:
        since = edge.log_end()
        check_equal((await says(SECOND, alice)).status, 200, "before any list is here")
        edge.wait_event("edge.crl-fetched", EVENT_S, since, url=lists.url("here"))
        check_equal([lists.times(name) for name in ("gone", "moved", "here", "unasked")], [1, 1, 1, 0], "asked")
        row = row_of(edge, there)
        check_equal((row["state"], row["from"], row["error"], row["failures"]), ("current", lists.url("here"), "", 0),
                    str(row))
        check(0 <= time.time() * 1000 - row["this_update_ms"] < 600000 and row["next_update_ms"] > time.time() * 1000,
              str(row))


async def test_a_list_that_cannot_be_had():
    "by default its partner passes, with one warning; with `refuse` it does not, until the list is there"
    lab = WORLD.up()
    edge = WORLD.edge()
    async with talking(LOST, PLAIN, SECOND, *ODDS.values()) as alice:
        since = edge.log_end()
        check_equal((await says(LOST, alice)).status, 200, "allowed")
        event = arrives("edge.crl-unreachable", LOST, since)
        check("404" in event["error"], event)
        check_equal((await says(LOST, alice)).status, 200, "still")
        wait_until(lambda: lab.lists.times(LOST.domain) > 1, REFRESH_S, "it is asked for again")
        check_equal(len(events("edge.crl-unreachable", LOST, since)), 1, "warnings")
        check(edge.counters().get("edge.crl-failed", 0) > 0, "counted")
        publish("refuse", "unknown is refused")
        since = edge.log_end()
        for partner in (LOST, *ODDS.values()):
            check_refused(await says(partner, alice), 503, "edge.revocation-unknown", edge, since)
            partner.got.clear()
            outwards = await alice.message(partner.agent.aor, b"hi")
            check(outwards.status >= 400 and not partner.got, f"to {partner.domain}: {outwards.status}")
        check_equal((await says(PLAIN, alice)).status, 200, "who names no list")
        check_equal((await says(SECOND, alice)).status, 200, "whose list is there")
        since = edge.log_end()
        lab.lists.at[LOST.domain] = lab.revoker.make(2000)
        arrives("edge.crl-fetched", LOST, since)
        check_equal((await says(LOST, alice)).status, 200, "the list is there")
        publish("allow", "unknown is allowed")
        for partner in ODDS.values():
            check_equal((await says(partner, alice)).status, 200, partner.domain)


async def becomes(partner, alice, status):
    """The answer, once it is this one: material travels by itself."""
    end = time.monotonic() + EVENT_S
    while (response := await says(partner, alice)).status != status and time.monotonic() < end:
        await asyncio.sleep(0.05)
    check_equal(response.status, status, f"{partner.domain}: {response.headers}")
    return response


def refused(machine, *arguments):
    """What the command line says when it is refused."""
    try:
        machine.entente(*arguments)
    except CommandFailed as error:
        return error.output
    check(False, f"{arguments} was not refused")


async def test_given_by_hand():
    "a list that an administrator gives revokes whoever it names, also where a certificate names none; gone, it is over"
    lab = WORLD.up()
    edge, central = WORLD.edge(), lab.contoso.central
    path, ca_pem = lab.folder / "given.crl", WORLD.ca.cert
    async with talking(PLAIN, SECOND) as alice:
        check_equal((await says(PLAIN, alice)).status, 200, "who names no list")
        since = edge.log_end()
        lab.revoker.revoke(PLAIN.pair)
        path.write_bytes(lab.revoker.make(2000))
        check("which names 2" in central.entente("cert", "crl", "add", path), "how many it names")
        check("there already" in central.entente("cert", "crl", "add", path), "once is enough")
        response = await becomes(PLAIN, alice, 403)
        check_refused(response, 403, "edge.certificate-revoked", edge, since)
        check_equal((await says(SECOND, alice)).status, 200, "whom it does not name")
        given = lists_of(central)["given"]
        check_equal([(g["issuer"], g["revoked"]) for g in given], [(WORLD.ca.name, 2)], str(given))
        rows = [r for r in lists_of(central)["lists"] if r["from"] == "given by hand" and not r["urls"]]
        check_equal([(r["state"], r["revoked"], r["issuer"]) for r in rows], [("current", 2, WORLD.ca.name)], str(rows))
        check(given[0]["fingerprint"][:16] in central.entente("cert", "crl", "list"), "in the table")
        check(central.entente("cert", "crl", "remove", given[0]["fingerprint"][:8]).startswith(
            given[0]["fingerprint"][:16]), "what went")
        await becomes(PLAIN, alice, 200)
    forger = Revoker(pki.Authority(lab.folder / "forger2", WORLD.ca.name))
    for what, words in ((forger.make(2000), "did not sign"), (ca_pem.read_bytes(), "cannot be read"),
                        (lab.revoker.make(2000, more="deltaCRL=critical,ASN1:INTEGER:1"), "delta")):
        path.write_bytes(what)
        check(words in refused(central, "cert", "crl", "add", path), words)
    check("No list that was given" in refused(central, "cert", "crl", "remove", "00000000"), "unknown")
    check_equal(lists_of(central)["given"], [], "lists given")


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
        event = arrives("edge.crl-unreachable", STALLED, 0)
        check("timed out" in event["error"] and "with 1 bytes" in event["error"], str(event))
        since = edge.log_end()
        lab.lists.at[SLOW.domain] = endless
        lab.lists.ends.set()  # the one that stalls breaks off
        wait_until(lambda: lab.lists.times(SLOW.domain) > 1, REFRESH_S, "asked for again")
        wait_until(lambda: row_of(edge, lab.lists.url(SLOW.domain))["failures"] > 1, REFRESH_S, "it is told")
        check("larger than 8388608 bytes" in row_of(edge, lab.lists.url(SLOW.domain))["error"], str(row_of(edge, lab.lists.url(SLOW.domain))))
        check_equal((await says(SLOW, alice)).status, 200, "a list without end")
        check_equal(events("edge.crl-fetched", SLOW, since), [], "that was taken")


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
