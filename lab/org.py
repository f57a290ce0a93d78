"""One organisation: its topology, its machines, its certificates, its users.

Contoso has central management on a machine of its own, a Front End, a legacy Edge and a new, dormant Edge. Fabrikam
has central management on its Front End's machine, and one Edge.
"""

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import pki
from .machine import Machine, entente
from .sip import FrontEnd, UserAgent

SIP_PORT, CLIENT_PORT = 5061, 5060
PUBLISH_S = 60
USERS_AT_ONCE = 4


def yaml(value, indent=0):
    """Enough YAML for a topology: mappings, lists of mappings, lists of scalars, scalars."""
    pad = "  " * indent
    if isinstance(value, dict):
        out = ""
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                out += f"{pad}{key}:\n{yaml(item, indent + isinstance(item, dict))}"
            else:
                out += f"{pad}{key}: {scalar(item)}\n"
        return out
    out = ""
    for item in value:
        if isinstance(item, dict):
            out += pad + "- " + yaml(item, indent + 1).lstrip(" ")
        else:
            out += f"{pad}- {scalar(item)}\n"
    return out


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[]"
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z0-9_][\w.-]*", text) else json.dumps(text)


def contoso_topology(net, dns, edges=True):
    d = "contoso.example"
    doc = {
        "schema": 1,
        "deployment": {"name": "contoso", "default_domain": d, "dns_servers": [dns.server]},
        "central": {"machine": f"cms.{d}", "internal_address": net.address("contoso cms")},
        "sites": [{"name": "hq"}],
        "front_end_pools": [front_end_pool(net, "contoso", d, f"edge-old.{d}" if edges else None)],
    }
    if edges:
        doc["sites"][0]["federation_route"] = f"edge-old.{d}"
        doc["edge_pools"] = [edge_pool(net, "contoso", d, "edge-old", f"sip.{d}", True),
                             edge_pool(net, "contoso", d, "edge-new", f"sip-new.{d}", False)]
    return doc


def fabrikam_topology(net, dns, edges=True):
    d = "fabrikam.example"
    doc = {
        "schema": 1,
        "deployment": {"name": "fabrikam", "default_domain": d, "dns_servers": [dns.server]},
        "central": {"machine": f"fe1.{d}"},
        "sites": [{"name": "main"}],
        "front_end_pools": [front_end_pool(net, "fabrikam", d, f"edge.{d}" if edges else None)],
    }
    if edges:
        doc["sites"][0]["federation_route"] = f"edge.{d}"
        doc["edge_pools"] = [edge_pool(net, "fabrikam", d, "edge", f"sip.{d}", True)]
    return doc


def front_end_pool(net, org, domain, media_edge):
    pool = {"fqdn": f"fe.{domain}", "site": "hq" if org == "contoso" else "main"}
    if media_edge:
        pool["media_edge"] = media_edge
    pool.update(client_tcp_port=CLIENT_PORT, client_udp_port=CLIENT_PORT,
                machines=[{"fqdn": f"fe1.{domain}", "internal_address": net.address(f"{org} fe1")}])
    return pool


def edge_pool(net, org, domain, name, external, federating):
    """One machine, NAME1. A dormant pool has federation off and no next hop."""
    pool = {"fqdn": f"{name}.{domain}", "site": "hq" if org == "contoso" else "main", "federation": federating,
            "external_fqdn": external}
    if federating:
        pool["next_hop"] = f"fe.{domain}"
    pool["machines"] = [{"fqdn": f"{name}1.{domain}", "internal_address": net.address(f"{org} {name}1"),
                         "external_address": net.address(f"{org} {name}1 external")}]
    return pool


TOPOLOGIES = {"contoso": contoso_topology, "fabrikam": fabrikam_topology}


class Organisation:
    """machines: by short name ("cms", "fe1", "edge-old1", …). central, front_end: two of them."""

    def __init__(self, name, net, dns, folder, users=40, edges=True, adjust=None, workers=None, level="info"):
        self.name, self.domain, self.net, self.dns = name, f"{name}.example", net, dns
        self.folder = Path(folder)
        self.logs = self.folder / "logs"
        self.topology = TOPOLOGIES[name](net, dns, edges)
        if adjust:
            adjust(self.topology)
        self.edge_pools = self.topology.get("edge_pools", [])
        self.users = [(f"u{i:02}", secrets.token_hex(8)) for i in range(1, users + 1)]
        self.machines = {}
        central = self.topology["central"]["machine"]
        fqdns = [central] + [m["fqdn"] for key in ("front_end_pools", "edge_pools")
                             for pool in self.topology.get(key, []) for m in pool["machines"]]
        self.options = (workers, level)
        for fqdn in dict.fromkeys(fqdns):
            self.add_machine(fqdn)
        self.central = self.machines[central.split(".")[0]]
        self.front_end = self.machines["fe1"]
        self.authority = None
        self.certificates = {}

    def add_machine(self, fqdn):
        """One that a test puts into the topology before the lab starts."""
        short = fqdn.split(".")[0]
        self.machines[short] = Machine(fqdn, self.folder / short, self.logs / f"{short}.log", *self.options)

    def address(self, short, external=False):
        return self.net.address(f"{self.name} {short}" + (" external" if external else ""))

    def records(self):
        """The zone's content: what clients and partners need, as administrators publish it."""
        d = self.domain
        out = [(f"fe1.{d}", "A", self.address("fe1")),
               (f"_sips._tcp.{d}", "SRV", f"0 0 {SIP_PORT} fe1.{d}.")]
        for pool in self.edge_pools:
            for machine in pool["machines"]:
                out.append((pool["external_fqdn"], "A", machine["external_address"]))
        if self.edge_pools:
            out.append((f"_sipfederationtls._tcp.{d}", "SRV", f"0 0 {SIP_PORT} sip.{d}."))
        return out

    # --- certificates of the outside ---
    def make_certificates(self):
        """A public CA, and for each Edge pool a certificate of its external name (as Lync has it: no domain name)."""
        self.authority = pki.Authority(self.folder / "public-ca", f"{self.name} public CA")
        for pool in self.edge_pools:
            self.certificates[pool["fqdn"]] = self.authority.issue(pool["external_fqdn"], [pool["external_fqdn"]])

    # --- life ---
    def create(self):
        """Central management with its first topology, running."""
        self.logs.mkdir(parents=True, exist_ok=True)
        document = self.folder / "topology.yaml"
        document.write_text(yaml(self.topology))
        address = self.topology["central"].get("internal_address") or self.address(self.central.name)
        entente("init", "--state", self.central.folder, "--machine", self.central.fqdn, "--address", address,
                "--name", self.name, "--domain", self.domain, "--topology", document)
        self.central.start()

    def configure(self, partners, trusted):
        """Certificates, trust, DNS updates, partners; published. The machines do not run yet."""
        for pool, pair in self.certificates.items():
            self.central.entente("cert", "import", pool, pair.cert, pair.key)
        for root in trusted:
            self.central.entente("cert", "trust", "add", root)
        self.central.entente("dns", "server", self.dns.server, self.domain, "--key-file", self.dns.key_file)
        for partner in partners:
            self.central.entente("partner", "allow", partner)
        if partners:
            self.central.entente("publish", "-m", "the lab begins", "--yes")

    def join(self, wait=True):
        """Every other machine gets its bundle and starts; complete when all run the newest revision."""
        for machine in self.machines.values():
            if machine is not self.central:
                self.join_machine(machine)
                machine.start(wait=False)
        if wait:
            for machine in self.machines.values():
                machine.wait_ready()
                machine.wait_revision(self.central.published())
                machine.wait_own_key()

    def join_machine(self, machine):
        bundle = self.folder / f"{machine.name}.bundle"
        self.central.entente("machine", "bundle", machine.fqdn, "-o", bundle)
        entente("machine", "join", "--state", machine.folder, bundle)

    def publish(self, comment="lab", seconds=PUBLISH_S):
        """Publishes the draft and waits until all machines have acknowledged it."""
        return self.central.entente("publish", "-m", comment, "--yes", "--wait", seconds, seconds=seconds + 30)

    def add_users(self):
        passwords = self.folder / "passwords"
        passwords.mkdir(mode=0o700, exist_ok=True)

        def add(user, password):
            file = passwords / user
            file.touch(mode=0o600)
            file.write_text(password + "\n")
            self.front_end.entente("user", "add", f"{user}@{self.domain}", "--password-file", file)
        with ThreadPoolExecutor(USERS_AT_ONCE) as pool:
            for result in [pool.submit(add, *user) for user in self.users]:
                result.result()

    def stop(self):
        """SIGTERM to all at once; {short name: exit code}, None for what had to be killed."""
        for machine in self.machines.values():
            machine.tell_to_end()
        return {name: machine.wait_end() for name, machine in self.machines.items()}

    def kill(self):
        for machine in self.machines.values():
            machine.kill9()

    # --- for clients ---
    @property
    def client_ca(self):
        """The root that the organisation's own clients trust: that of its internal CA (a file)."""
        path = self.folder / "client-ca.crt"
        if not path.exists():
            path.write_text(json.loads((self.front_end.folder / "machine.json").read_text())["internal_ca"])
        return path

    def client(self, transport="TLS"):
        """A FrontEnd for this organisation's user agents."""
        return FrontEnd(transport, self.address("fe1"), SIP_PORT if transport == "TLS" else CLIENT_PORT,
                        f"fe1.{self.domain}", self.client_ca if transport == "TLS" else None,
                        self.address("clients"))

    def user_agent(self, index=0, transport="TLS", **options):
        """A UserAgent of a user of this organisation (options: see UserAgent)."""
        user, password = self.users[index]
        return UserAgent(f"{user}@{self.domain}", password, self.client(transport), **options)

    def generator_config(self):
        """What the generator is told: a domain, a root, users. The Front End is for it to find."""
        return {"domain": self.domain, "ca": str(self.client_ca), "users": self.users,
                "local_address": self.address("clients")}
