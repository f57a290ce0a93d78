#!/usr/bin/env python3
"""What a machine tells of what it does: the access log, metrics."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import prometheus
from partner import EDGE_NAME, Partner, World, clock, contoso, refusal_id, run_with
from tap import check, check_equal, wait_until

from lab.machine import CommandFailed, program
from lab.sipmsg import new_branch

METRICS_PORT = 9091
ALERTS = Path(__file__).resolve().parent.parent / "doc/prometheus-alerts.yaml"
SECONDS = 20
LISTED = Partner("partner.example")
UNKNOWN = Partner("unknown.example", names=["unknown.example"], allow=False)


def adjust(topology):
    topology["monitoring"] = {"access_log": True, "users": "whole", "metrics_port": METRICS_PORT}


@contextlib.contextmanager
def lab_with_partners():
    with contoso((LISTED, UNKNOWN), adjust=adjust) as (lab, ca):
        yield lab, ca


WORLD = World(lab_with_partners)


def log_path(machine):
    return machine.folder / "access.log"


def lines(machine, path=None):
    path = path or log_path(machine)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def line_of(machine, call_id, method, path=None):
    """The access log's line of this transaction, once it is written."""
    def find():
        found = [x for x in lines(machine, path) if x.get("call_id") == call_id and x["method"] == method]
        return found
    found = wait_until(find, SECONDS, f"no line of {method} {call_id}")
    check_equal(len(found), 1, f"lines of {method} {call_id}")
    return found[0]


@contextlib.asynccontextmanager
async def talking(on_call=None):
    lab = WORLD.up()
    alice = lab.contoso.user_agent(0, on_message=lambda ua, r: None, on_call=on_call or accept)
    await alice.start()
    for partner in (LISTED, UNKNOWN):
        await partner.open(lab, WORLD.ca)
    try:
        yield alice
    finally:
        for agent in (alice, LISTED.agent, UNKNOWN.agent):
            await agent.stop()


async def accept(call):
    call.ring()
    await call.accept()


def fields(line, **want):
    for name, value in want.items():
        check_equal(line.get(name), value, f"{name} of {line}")


# --- the access log ---
async def test_access_log_of_a_message():
    "a message from a partner: every field of its line, at the Edge and at the Front End"
    async with talking() as alice:
        response = await LISTED.agent.message(alice.aor, b"one two three")
        check_equal(response.status, 200, "status")
        edge = WORLD.edge()
        line = line_of(edge, response.call_id, "MESSAGE")
        fields(line, machine=edge.fqdn, direction="in", side="external", transport="TLS", from_domain=LISTED.domain,
               from_user=LISTED.user, to_domain="contoso.example", to_user=alice.aor.split("@")[0], dialog=False,
               partner=LISTED.domain, rule="c", pool="fe.contoso.example", status=200, attempts=1, tls="TLSv1.3",
               revision=edge.revision())
        check(line["peer"].startswith(LISTED.address), f"peer: {line}")
        check(line["target"].endswith(":5061"), f"target: {line}")
        check(line["cipher"].startswith("TLS_"), f"cipher: {line}")
        check(0 < line["upstream_ms"] <= line["final_ms"] < 60000, f"durations: {line}")
        check(line["bytes_in"] > 200 and line["bytes_out"] > 200, f"bytes: {line}")
        check(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), f"time: {line}")
        check("refusal" not in line, f"refusal: {line}")
        inner = line_of(WORLD.lab.contoso.machines["fe1"], response.call_id, "MESSAGE")
        fields(inner, direction="inside", side="internal", status=200)


async def test_access_log_of_a_call():
    "a call: INVITE has the time of its first provisional answer; BYE is in a dialog; both directions"
    async with talking() as alice:
        call = await LISTED.agent.invite(alice.aor)
        call_id = call.call_id
        await call.bye()
        edge = WORLD.edge()
        invite, bye = line_of(edge, call_id, "INVITE"), line_of(edge, call_id, "BYE")
        fields(invite, dialog=False, status=200, direction="in")
        check(0 < invite["provisional_ms"] <= invite["final_ms"], f"durations: {invite}")
        fields(bye, dialog=True, status=200, direction="in", partner=LISTED.domain)
        check(not [x for x in lines(edge) if x.get("method") == "ACK"], "an ACK is no transaction of its own")
        response = await alice.message(f"{LISTED.user}@{LISTED.domain}", b"out")
        fields(line_of(edge, response.call_id, "MESSAGE"), direction="out", side="internal", partner=LISTED.domain,
               pool="fe.contoso.example", status=200)


async def test_access_log_of_a_refusal():
    "a request that is refused has the refusal's id"
    async with talking() as alice:
        response = await UNKNOWN.agent.message(alice.aor, b"no")
        check_equal(refusal_id(response), "edge.partner-unknown", "id")
        fields(line_of(WORLD.edge(), response.call_id, "MESSAGE"), status=403, refusal="edge.partner-unknown",
               partner=UNKNOWN.domain, attempts=0)


class Raw:
    """A partner's TLS connection on which anything is written; what comes back is read as it is."""

    def __init__(self, partner):
        context = ssl.create_default_context(cafile=WORLD.lab.contoso.authority.cert)
        context.load_cert_chain(partner.pair.cert, partner.pair.key)
        plain = socket.create_connection((WORLD.lab.contoso.address("edge-old1", external=True), 5061), SECONDS,
                                         (partner.address, 0))
        self.tls = context.wrap_socket(plain, server_hostname=EDGE_NAME)
        self.partner, self.unread, self.sent = partner, b"", []

    def send(self, method, call_id, more="", uri="sip:u01@contoso.example", branch=None, cseq=None):
        """More: header rows. Every request but ACK is remembered as (method, Call-ID)."""
        tag = ";tag=none" if method in ("BYE", "INFO") else ""
        self.tls.sendall((f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {self.partner.host};branch={branch or new_branch()}\r\n"
                          f"Max-Forwards: 70\r\nFrom: <sip:eve@{self.partner.domain}>;tag=r\r\nTo: <{uri}>{tag}\r\n"
                          f"Call-ID: {call_id}\r\nCSeq: 1 {cseq or method}\r\nContact: <sip:eve@{self.partner.host}>\r\n"
                          f"{more}Content-Length: 0\r\n\r\n").encode())
        if method != "ACK":
            self.sent.append((method, call_id))

    def final(self):
        """(status, method, Call-ID) of the next final response; None when the connection has ended."""
        while True:
            head, end, rest = self.unread.partition(b"\r\n\r\n")
            if end:
                text = head.decode()
                self.unread = rest[int(re.search(r"Content-Length: (\d+)", text).group(1)):]
                if not text.startswith("SIP/2.0 1"):
                    return (int(text.split()[1]), re.search(r"CSeq: \d+ (\S+)", text).group(1),
                            re.search(r"Call-ID: (\S+)", text).group(1))
                continue
            got = self.tls.recv(65536)
            if not got:
                return None
            self.unread += got


def send_all_kinds(listed, unknown, count):
    """Requests of all fates on two connections; everything is answered that will be."""
    for i in range(count):
        listed.send("MESSAGE", f"good-{i}")
        listed.send("MESSAGE", f"nobody-{i}", uri="sip:nobody@contoso.example")
        listed.send("OPTIONS", f"hops-{i}", "Max-Forwards: 0\r\n")  # twice in one message: malformed
        unknown.send("MESSAGE", f"unknown-{i}")
        listed.send("BYE", f"stray-{i}")
        listed.send("MESSAGE", f"scheme-{i}", uri="mailto:u01@contoso.example")
        listed.send("CANCEL", f"no-invite-{i}")
        listed.send("MESSAGE", f"other-method-{i}", cseq="INFO")
        branch = new_branch()
        listed.send("INVITE", f"cancelled-{i}", branch=branch)
        listed.send("CANCEL", f"cancelled-{i}", branch=branch)
    for connection in (listed, unknown):
        answered = [connection.final() for _ in connection.sent]
        check(None not in answered, f"the connection ended: {answered[:3]}")
    for i in range(count):
        listed.send("ACK", f"cancelled-{i}")


async def test_every_request_has_its_line():
    "a mixed run: each request has one line, refused before it is read whole or cancelled as well; jq reads them all"
    async with talking(ring_only):
        edge, loop = WORLD.edge(), asyncio.get_running_loop()
        listed, unknown = Raw(LISTED), Raw(UNKNOWN)
        await loop.run_in_executor(None, send_all_kinds, listed, unknown, 40)
        sent = sorted(listed.sent + unknown.sent)
        names = {name for _, name in sent}

        def mine():
            return [x for x in lines(edge) if x.get("call_id") in names]
        wait_until(lambda: len(mine()) >= len(sent), SECONDS, f"{len(mine())} lines, {len(sent)} requests")
        found = sorted((x["method"], x["call_id"]) for x in mine())
        check_equal(found, sent, "lines")
        outcomes = {}
        for x in mine():
            outcomes.setdefault((x["method"], x["call_id"].rpartition("-")[0]), set()).add((x["status"], x.get("refusal")))
        for key, want in {("MESSAGE", "good"): {(200, None)}, ("MESSAGE", "nobody"): {(404, None)},
                          ("OPTIONS", "hops"): {(400, "element.malformed")},
                          ("MESSAGE", "unknown"): {(403, "edge.partner-unknown")},
                          ("MESSAGE", "scheme"): {(416, "element.scheme")},
                          ("CANCEL", "no-invite"): {(481, "element.no-transaction")},
                          ("MESSAGE", "other-method"): {(400, "element.malformed")},
                          ("INVITE", "cancelled"): {(487, None)}, ("CANCEL", "cancelled"): {(200, None)}}.items():
            check_equal(outcomes[key], want, str(key))
        if shutil.which("jq"):
            done = subprocess.run(["jq", "-r", 'select(.refusal == "edge.partner-unknown") | .call_id', log_path(edge)],
                                  capture_output=True, text=True, check=True)
            call_id = [x for x in done.stdout.split() if x in names][0]
            check("edge.partner-unknown" in WORLD.lab.contoso.central.trace(call_id), f"trace of {call_id}")


async def ring_only(call):
    call.ring()


async def test_users_are_hashed_or_left_out():
    "monitoring/users: hashed gives each user the same word and never the name; none gives no word"
    async with talking() as alice:
        central, edge = WORLD.lab.contoso.central, WORLD.edge()
        words = set()
        for users in ("hashed", "none"):
            central.entente("topology", "set", "monitoring/users", users)
            WORLD.lab.contoso.publish(f"users {users}")
            for _ in range(2):
                response = await LISTED.agent.message(alice.aor, b"who")
                line = line_of(edge, response.call_id, "MESSAGE")
                check(alice.aor.split("@")[0] not in json.dumps(line), f"the name is there: {line}")
                if users == "hashed":
                    check(re.fullmatch("[0-9a-f]{16}", line["to_user"]), f"{line}")
                    words.add(line["to_user"])
                else:
                    check("to_user" not in line and "from_user" not in line, f"{line}")
                    fields(line, to_domain="contoso.example")
        check_equal(len(words), 1, f"one word for one user: {words}")
        central.entente("topology", "set", "monitoring/users", "whole")
        WORLD.lab.contoso.publish("users whole")


async def test_sighup_begins_new_files():
    "SIGHUP: a moved access log is begun anew, nothing is written twice or lost"
    async with talking() as alice:
        edge = WORLD.edge()
        before = await LISTED.agent.message(alice.aor, b"before")
        line_of(edge, before.call_id, "MESSAGE")
        moved = log_path(edge).with_suffix(".moved")
        log_path(edge).rename(moved)
        mark = edge.log_end()
        edge.process.send_signal(signal.SIGHUP)
        edge.wait_event("log.reopened", SECONDS, mark)
        wait_until(log_path(edge).exists, SECONDS, "no new file")
        after = await LISTED.agent.message(alice.aor, b"after")
        line_of(edge, after.call_id, "MESSAGE")
        check(not [x for x in lines(edge, moved) if x.get("call_id") == after.call_id], "it is in the old file")
        check(not [x for x in lines(edge) if x.get("call_id") == before.call_id], "it is in the new file")


# --- trace over all machines ---
def steps(trace):
    return [(e["machine"].split(".")[0], e["event"], e.get("status")) for e in trace["events"]
            if e["method"] == "MESSAGE"]


def in_order(trace, *wanted):
    found = steps(trace)
    at = [found.index(w) if w in found else -1 for w in wanted]
    check(-1 not in at and at == sorted(at), f"{wanted} in this order: {found}")


WAY = (("edge-old1", "request in", None), ("edge-old1", "request out", None), ("fe1", "request in", None),
       ("fe1", "request out", None), ("fe1", "response in", 200), ("fe1", "response out", 200),
       ("edge-old1", "response in", 200), ("edge-old1", "response out", 200))


async def test_trace_over_all_machines():
    "asked at central: one timeline of all machines; one machine alone; a machine itself"
    async with talking() as alice:
        call_id = (await LISTED.agent.message(alice.aor, b"where")).call_id
        central, edge = WORLD.lab.contoso.central, WORLD.edge()
        trace = central.json("trace", call_id)
        check_equal({m["fqdn"].split(".")[0]: m["answered"] for m in trace["machines"]},
                    {"cms": True, "fe1": True, "edge-old1": True}, "machines")
        in_order(trace, *WAY)
        times = [e["time_us"] for e in trace["events"]]
        check_equal(times, sorted(times), "order")
        one = central.json("trace", call_id, "--machine", edge.fqdn)
        check_equal({s[0] for s in steps(one)}, {"edge-old1"}, "one machine")
        check_equal([e["event"] for e in edge.json("trace", call_id)["events"]], [e["event"] for e in one["events"]],
                    "asked on the machine")
        check(re.search(r"\d\d:\d\d:\d\d\.\d{6}  edge-old1    request in      MESSAGE  ", central.trace(call_id)), "text")
        for machine, arguments in ((edge, ("--machine", "fe1.contoso.example")), (central, ("--machine", "no.example"))):
            try:
                machine.trace(call_id, *arguments)
                check(False, f"{arguments} was taken")
            except CommandFailed as failed:
                check(failed.code == 2, str(failed))


async def test_trace_with_a_clock_that_is_apart():
    "a machine whose clock is two minutes ahead: its events stand where they happened, and the offset is told"
    async with talking() as alice:
        edge, central = WORLD.edge(), WORLD.lab.contoso.central
        edge.terminate()
        with clock(WORLD.lab.folder, 120):
            edge.restart()
        await LISTED.agent.stop()
        await LISTED.open(WORLD.lab, WORLD.ca)
        call_id = (await LISTED.agent.message(alice.aor, b"when")).call_id
        trace = central.json("trace", call_id)
        ahead = {m["fqdn"].split(".")[0]: m["clock_ahead_ms"] for m in trace["machines"]}
        check(abs(ahead["edge-old1"] - 120000) < 5000 and ahead["fe1"] == 0, f"offsets: {ahead}")
        check(max(e["time_us"] for e in trace["events"]) - min(e["time_us"] for e in trace["events"]) < 10e6,
              f"times: {trace['events']}")


async def test_trace_names_who_is_silent():
    "a machine that does not answer is named, and the others are shown"
    async with talking() as alice:
        edge, central = WORLD.edge(), WORLD.lab.contoso.central
        call_id = (await LISTED.agent.message(alice.aor, b"who")).call_id
        edge.terminate()
        trace = central.json("trace", call_id)
        silent = [m for m in trace["machines"] if not m["answered"]]
        check_equal([(m["fqdn"], m["id"]) for m in silent], [(edge.fqdn, "route")], "silent")
        check_equal({s[0] for s in steps(trace)}, {"fe1"}, "others")
        done = subprocess.run([program("entente"), "--state", central.folder, "trace", call_id], capture_output=True,
                              text=True)
        check(done.returncode == 0 and f"{edge.fqdn} does not answer: route: " in done.stderr, done.stderr)
        edge.restart()


# --- metrics ---
def scrape(machine):
    return prometheus.read(machine.entente("status", "--metrics"))


def test_the_reader_is_strict():
    "the reader of these tests refuses what is not the format"
    good = '# HELP a_total x\n# TYPE a_total counter\na_total{b="c\\"\\\\\\n}"} 1\n'
    check_equal(prometheus.read(good)["a_total"].samples, {(("b", 'c"\\\n}'),): 1.0}, "good")
    for bad in (good[:-1], good + good, good.replace("# TYPE a_total counter\n", ""), good.replace("counter", "gauge"),
                good.replace('\\"', '"'), good.replace(" 1\n", " x\n"), good.replace(" 1\n", " 1 \n"), good + "b 1\n",
                good.replace('{b="', '{1b="'), good + 'a_total{b="c\\"\\\\\\n}"} 2\n', good.replace(" 1\n", " -1\n"),
                good.replace("# HELP a_total x\n", ""), good.replace("\\n", "\\t"), "\n" + good,
                good.replace("counter", "histogram")):
        try:
            prometheus.read(bad)
        except prometheus.Malformed:
            continue
        check(False, f"it takes {bad!r}")


async def test_metrics_of_partners_and_pools():
    "metrics are well-formed; a partner's and a pool's requests, refusals and durations are counted"
    async with talking() as alice:
        edge = WORLD.edge()
        before = scrape(edge)
        for _ in range(5):
            check_equal((await LISTED.agent.message(alice.aor, b"count")).status, 200, "status")
        check_equal((await alice.message(f"{LISTED.user}@{LISTED.domain}", b"out")).status, 200, "status")
        await UNKNOWN.agent.message(alice.aor, b"no")
        call = await LISTED.agent.invite(alice.aor)
        during = scrape(edge)
        await call.bye()
        after = scrape(edge)

        def grown(name, until=after, **labels):
            empty = prometheus.Family(name, "")
            return until.get(name, empty).value(**labels) - before.get(name, empty).value(**labels)
        partner = {"partner": LISTED.domain}
        check_equal(grown("entente_partner_requests_total", **partner, direction="in", **{"class": "2xx"}), 7, "in")
        check_equal(grown("entente_partner_requests_total", **partner, direction="out"), 1, "out")
        check_equal(grown("entente_partner_requests_total", partner="other", **{"class": "4xx"}), 1, "not proven")
        check(not [k for f in after.values() for k in f.samples if ("partner", UNKNOWN.domain) in k],
              "a name that anybody may claim has series")
        check_equal(grown("entente_partner_refusals_total", partner="other"), 1, "refusals")
        check_equal(grown("entente_refusals_total", id="edge.partner-unknown"), 1, "by id")
        check_equal(grown("entente_pool_requests_total", pool="fe.contoso.example"), 8, "pool")
        check_equal(grown("entente_requests_total", method="INVITE"), 1, "INVITE")
        count = "entente_partner_request_seconds_count"
        check_equal(grown("entente_partner_request_seconds", **partner, __name__=count), 8, "durations")
        check(grown("entente_partner_upstream_seconds", **partner,
                    __name__="entente_partner_upstream_seconds_sum") > 0, "upstream")
        check(grown("entente_partner_bytes_total", **partner, of="requests") > 8 * 200, "bytes")
        check_equal(grown("entente_dialogs_estimate", during), 1, "dialogs during the call")
        check_equal(grown("entente_dialogs_estimate"), 0, "dialogs after it")
        check(after["entente_connections"].value(side="external", opened="by_peer") >= 2, "connections")
        check(after["entente_handshakes_total"].value(result="ok", side="external") >= 2, "handshakes")
        check_equal(after["entente_revision"].value(), edge.revision(), "revision")
        expiry = after["entente_certificate_expires_seconds"]
        for use in ("internal", "external"):
            check(0 < expiry.value(use=use) < 11 * 366 * 86400, f"{use} certificate: {expiry.samples}")
        wait_until(lambda: scrape(edge)["entente_worker_lag_seconds"].count() > 0, SECONDS, "lag")
        wait_until(lambda: scrape(edge)["entente_control_lag_seconds"].count() > 0, SECONDS, "lag of the control loop")
        check(after["entente_dns_asked_total"].value() > 0, "dns")
        check(after["entente_dns_seconds"].count() >= after["entente_dns_asked_total"].value() -
              after["entente_dns_cached_total"].value() > 0, "DNS durations")
        check(0 <= after["entente_worker_silent_seconds"].value() < SECONDS, "a worker hangs")
        check_equal(after["entente_workers"].value(), after["entente_workers_overloaded"].value() + workers_cores(), "workers")
        wait_until(lambda: scrape(edge)["entente_memory_bytes"].value() > 0, SECONDS, "memory of connections that stand")
        check(after["entente_memory_limit_bytes"].value() >= 1 << 20, "limit of memory")
        check(after["process_resident_memory_bytes"].value() > 1e6 and after["process_cpu_seconds_total"].value() > 0, "process")
        check(after["entente_mailbox_messages"].count(loop="control") > 0, "mailboxes")
        check_equal(after["entente_helper_jobs"].value(pool="disk"), 0, "jobs of helpers")
        check_equal(grown("entente_partner_dialogs_begun_total", **partner), 1, "begun with the partner")
        check_equal(grown("entente_partner_dialogs_ended_total", during, **partner), 0, "ended with the partner, during")
        check_equal(grown("entente_partner_dialogs_ended_total", **partner), 1, "ended with the partner")
        check_equal(grown("entente_pool_dialogs_begun_total", pool="fe.contoso.example"), 1, "begun with the pool")
        front = scrape(WORLD.lab.contoso.machines["fe1"])
        check_equal((front["entente_users"].value(), front["entente_bindings"].value()), (2, 1), "users and bindings")
        check_equal(promtool("check", "metrics", stdin=edge.entente("status", "--metrics")), "", "promtool")


def workers_cores():
    return len(os.sched_getaffinity(0))


def promtool(*arguments, stdin=None):
    """What it says against it; empty where it is not installed."""
    if not shutil.which("promtool"):
        return ""
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True)
    return (done.stderr + (done.stdout if done.returncode else "")).strip()


def test_promtool_takes_the_alert_rules():
    "doc/prometheus-alerts.yaml is a file of rules (checked where promtool is installed; its names by metrics_test)"
    check_equal(promtool("check", "rules", str(ALERTS)), "", "promtool")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_metrics_on_the_internal_address():
    "HTTP on the internal address: /metrics and nothing else, for those who may; the port goes when it is set to 0"
    edge = WORLD.edge()
    org = WORLD.lab.contoso
    base = f"http://{org.address('edge-old1')}:{METRICS_PORT}"
    status, headers, text = get(f"{base}/metrics")
    check_equal((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"), "answer")
    check_equal(prometheus.read(text)["entente_info"].value(machine=edge.fqdn, service="access_edge"), 1, "info")
    check_equal(get(f"{base}/v1/status")[0], 404, "the API")
    for name in ("cms", "fe1"):
        prometheus.read(get(f"http://{org.address(name)}:{METRICS_PORT}/metrics")[2])
    org.central.entente("topology", "set", "monitoring/metrics_from", "192.0.2.9")
    org.publish("only 192.0.2.9 reads metrics")
    check_equal(get(f"{base}/metrics")[0], 403, "somebody else")
    org.central.entente("topology", "set", "monitoring/metrics_port", "0")
    org.publish("no metrics")
    try:
        get(f"{base}/metrics")
        check(False, "the port is open")
    except urllib.error.URLError as error:
        check(isinstance(error.reason, ConnectionRefusedError), str(error))


async def test_access_log_ends():
    "monitoring/access_log off: nothing more is written"
    async with talking() as alice:
        org, edge = WORLD.lab.contoso, WORLD.edge()
        org.central.entente("topology", "set", "monitoring/access_log", "false")
        org.publish("no access log")
        response = await LISTED.agent.message(alice.aor, b"unseen")
        check_equal(response.status, 200, "status")
        check(not [x for x in lines(edge) if x.get("call_id") == response.call_id], "it was written")


async def test_monitored_partner():
    "a monitored partner: lines though there is no access log, for it alone; its connections' ends are told"
    async with talking() as alice:
        org, edge = WORLD.lab.contoso, WORLD.edge()
        org.central.entente("topology", "set", f"partners/{LISTED.domain}/monitored", "true")
        org.publish("monitored")
        response = await LISTED.agent.message(alice.aor, b"seen")
        fields(line_of(edge, response.call_id, "MESSAGE"), partner=LISTED.domain, monitored=True, status=200)
        outwards = await alice.message(f"{LISTED.user}@{LISTED.domain}", b"out")
        fields(line_of(edge, outwards.call_id, "MESSAGE"), direction="out", monitored=True)
        refused = await UNKNOWN.agent.message(alice.aor, b"no")
        check_equal(refusal_id(refused), "edge.partner-unknown", "id")
        last = await LISTED.agent.message(alice.aor, b"seen again")
        line_of(edge, last.call_id, "MESSAGE")  # lines come in order
        check(not [x for x in lines(edge) if x.get("call_id") == refused.call_id], "the other has a line")
        mark = edge.log_end()
        await LISTED.agent.stop()
        told = edge.wait_event("edge.monitored-connection-ended", SECONDS, mark)
        check_equal(told["domain"], LISTED.domain, f"domain of {told}")
        org.central.entente("topology", "set", f"partners/{LISTED.domain}/monitored", "false")
        org.publish("not monitored")
        await LISTED.open(WORLD.lab, WORLD.ca)
        unseen = await LISTED.agent.message(alice.aor, b"unseen")
        check_equal(unseen.status, 200, "status")
        check(not [x for x in lines(edge) if x.get("call_id") == unseen.call_id], "it was written")


def test_the_end():
    "every daemon ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
