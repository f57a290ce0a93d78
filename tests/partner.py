"""Contoso alone in the lab, and partners' Edges that are made of the lab's user agent: honest or forged.

    with contoso({"partner.example": Partner("partner.example")}) as (lab, partners):
        p = partners["partner.example"]
        await p.open(lab)                       # listens, and connects to contoso's Edge
        response = await p.agent.message(…)

Each partner's zone is served by the lab's name server; its certificate is from an authority that contoso trusts.
"""

import contextlib
import os
import re
import subprocess
from pathlib import Path

from tap import check, check_equal, run

from lab import pki
from lab.lab import Lab
from lab.sip import FrontEnd, UserAgent, server_tls

EDGE_NAME = "sip.contoso.example"
EVENT_S = 20
KEEP = bool(os.environ.get("LAB_KEEP"))  # for people: the lab's folder stays


class Partner:
    """names: of the certificate (default: the Edge's host name); host: the target of its SRV record; before: a host
    name with an address role that its SRV record prefers to it."""

    def __init__(self, domain, names=None, host=None, allow=True, pinned=None, user="eve", srv=True, before=None):
        self.domain, self.host = domain, host or f"sip.{domain}"
        self.names = names or [self.host]
        self.allow, self.pinned, self.user, self.srv, self.before = allow, pinned, user, srv, before
        self.address = self.pair = self.agent = None
        self.got = []

    def records(self, net):
        out = [(self.host, "A", self.address)] if self.host.endswith(self.domain) else []
        if self.srv:
            out.append((f"_sipfederationtls._tcp.{self.domain}", "SRV", f"10 0 5061 {self.host}."))
        if self.before:
            out += [(f"_sipfederationtls._tcp.{self.domain}", "SRV", f"0 0 5061 {self.before}."),
                    (self.before, "A", net.address(self.before))]
        return out

    async def open(self, lab, ca, on_call=None):
        """The agent, listening for contoso's Edge and connected to it; ca: the partners' authority."""
        self.pair = self.pair or ca.issue(self.domain, self.names, file=f"edge-{self.domain}")
        edge = FrontEnd("TLS", lab.contoso.address("edge-old1", external=True), 5061, EDGE_NAME,
                        lab.contoso.authority.cert, self.address, self.pair)
        self.agent = UserAgent(f"{self.user}@{self.domain}", None, edge, on_message=self.on_message, on_call=on_call,
                               on_note=self.on_note)
        self.notes = []
        await self.agent.listen("TLS", self.address, 5061, server_tls(self.pair, lab.contoso.authority.cert))
        await self.agent.attach()
        return self.agent

    def on_message(self, agent, request):
        self.got.append(request)

    def on_note(self, agent, event, text):
        self.notes.append((event, text))


def one_edge(topology):
    """Contoso without its dormant Edge: one daemon less."""
    topology["edge_pools"] = topology["edge_pools"][:1]


@contextlib.contextmanager
def contoso(partners, users=2, adjust=None, **options):
    """(lab, authority of the partners): contoso with these Partner objects in DNS and, where they say so, allowed."""
    def change(topology):
        one_edge(topology)
        if adjust:
            adjust(topology)
    lab = Lab(organisations=("contoso",), users=users, adjust={"contoso": change}, keep=KEEP, **options)
    for partner in partners:
        partner.address = lab.net.address(partner.domain)
        lab.dns.records[partner.domain] = partner.records(lab.net)
    ca = pki.Authority(lab.folder / "partners-ca", "partners' public CA")
    with lab:
        central = lab.contoso.central
        central.entente("cert", "trust", "add", ca.cert)
        for partner in partners:
            if partner.allow:
                pinned = ["--edge", partner.pinned] if partner.pinned else []
                central.entente("partner", "allow", partner.domain, *pinned)
        lab.contoso.publish("partners")
        yield lab, ca
    check_ended(lab)


def check_ended(lab):
    """Every daemon that ran at the end drained and ended with 0 when told."""
    for org, codes in lab.exit_codes.items():
        check_equal({n: c for n, c in codes.items() if c}, {}, f"exit codes of {org}")


class World:
    """One lab for all tests of a file: made by the first that asks, ended by end(). make: a context manager of
    (lab, authority of the partners), such as contoso(…)."""

    def __init__(self, make):
        self.make = make
        self.stack = contextlib.ExitStack()
        self.lab = self.ca = None
        self.tried = False

    def up(self):
        check(self.lab or not self.tried, "the lab did not start")
        if self.lab is None:
            self.tried = True
            self.lab, self.ca = self.stack.enter_context(self.make())
        return self.lab

    def edge(self):
        return self.up().contoso.machines["edge-old1"]

    def end(self):
        """Everything is stopped; fails when a daemon did not end with 0."""
        lab, self.lab = self.lab, None
        if lab:
            self.stack.close()


def run_with(world, names):
    """tap.run(), and the lab ends whatever happens."""
    try:
        run(names)
    finally:
        world.end()


# --- clocks ---
@contextlib.contextmanager
def clock(folder, seconds):
    """Daemons that start within have their wall clock apart by so much. folder: where to build what does it."""
    library = folder / "clock_shift.so"
    if not library.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library),
                        str(Path(__file__).resolve().parent / "clock_shift.c"), "-ldl"], check=True)
    change = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(seconds), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    os.environ.update(change)
    try:
        yield
    finally:
        for name in change:
            del os.environ[name]


# --- refusals ---
def refusal_id(response):
    """The stable id in Reason, which must be the one of ms-diagnostics."""
    values = {name.lower(): value for name, value in response.headers}
    reason = re.search(r'text="([^"]+)"', values.get("reason", ""))
    diagnostics = re.search(r'entente="([^"]+)"', values.get("ms-diagnostics", ""))
    if reason and diagnostics:
        check_equal(reason.group(1), diagnostics.group(1), "Reason and ms-diagnostics")
    found = reason or diagnostics
    return found.group(1) if found else None


def check_refused(response, status, name, machine, since):
    """The answer has status and id, and the machine's log has the id with this Call-ID; the event."""
    check_equal((response.status, refusal_id(response)), (status, name), f"{response.reason}: {response.headers}")
    return machine.wait_event(name, EVENT_S, since, call_id=response.call_id)
