"""Both organisations and the name server, as a context manager.

    with Lab() as lab:
        lab.contoso.machines["edge-old1"].kill9()
        agent = lab.contoso.user_agent(0)

Everything lies in one temporary folder, lab.folder; it is removed at the end unless something failed, and then its
place is printed. Certificates, logs (ORG/logs), topologies and the name server's files are in it.
"""

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .dns import Dns
from .machine import CommandFailed
from .net import Net
from .org import Organisation

TRACES_MAX = 20


class Lab:
    def __init__(self, organisations=("contoso", "fabrikam"), users=40, edges=True, adjust=None, workers=None,
                 level="info", ttl=10, keep=False):
        """edges=False: Front Ends only. adjust: {"contoso": function(topology document)} changes the topology
        before it is written. ttl: seconds, of all records."""
        self.folder = Path(tempfile.mkdtemp(prefix="entente-lab-"))
        self.keep = keep
        self.exit_codes = {}  # after the end: {"contoso": {"cms": 0, …}}
        self.net = Net()
        self.dns = Dns(self.folder / "dns", self.net.address("dns"), {}, ttl=ttl)
        self.organisations = {
            name: Organisation(name, self.net, self.dns, self.folder / name, users, edges, (adjust or {}).get(name),
                               workers, level) for name in organisations}
        self.dns.records = {org.domain: org.records() for org in self.organisations.values()}
        self.contoso = self.organisations.get("contoso")
        self.fabrikam = self.organisations.get("fabrikam")

    def __iter__(self):
        return iter(self.organisations.values())

    # --- life ---
    def start(self):
        self.dns.start()
        for org in self:
            org.folder.mkdir(exist_ok=True)
            org.make_certificates()
        self.each(lambda org: org.create())
        roots = [org.authority.cert for org in self]
        self.each(lambda org: org.configure([o.domain for o in self if o is not org], roots))
        self.each(lambda org: org.join())
        self.each(lambda org: org.add_users())

    def each(self, action):
        """The action for each organisation, at the same time; the first failure is raised when all have ended."""
        with ThreadPoolExecutor(len(self.organisations)) as pool:
            for result in [pool.submit(action, org) for org in self]:
                result.result()

    def stop(self, failed=False):
        try:
            if not failed:
                self.each(lambda org: self.exit_codes.update({org.name: org.stop()}))
        finally:
            for org in self:
                org.kill()
            self.dns.stop()
            self.net.close()
            if failed or self.keep:
                print(f"lab: kept in {self.folder}", file=sys.stderr)
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop(failed=True)
            raise
        return self

    def __exit__(self, kind, *_):
        self.stop(failed=kind is not None and kind is not KeyboardInterrupt)

    # --- helpers ---
    def generator_config(self, expires=600):
        return {"dns": self.dns.server, "expires": expires,
                "organisations": [org.generator_config() for org in self]}

    def collect_traces(self, losses):
        """What every machine knows of each lost Call-ID, in files below folder/traces."""
        traces = self.folder / "traces"
        traces.mkdir(exist_ok=True)
        for loss in losses[:TRACES_MAX]:
            text = f"{loss}\n"
            for org in self:
                for machine in org.machines.values():
                    try:
                        text += f"--- {machine.fqdn}\n{machine.trace(loss['call_id'], '--machine', machine.fqdn)}"
                    except CommandFailed as failed:
                        text += f"--- {machine.fqdn}: {failed}\n"
            (traces / loss["call_id"]).write_text(text)
        self.keep = True
        return traces

    def describe(self):
        """Where everything is, as text."""
        lines = [f"folder   {self.folder}", f"dns      {self.dns.server}"]
        for org in self:
            lines.append(f"{org.domain}: {len(org.users)} users, passwords in {org.folder}/passwords, "
                         f"clients trust {org.client_ca}")
            for name, machine in org.machines.items():
                where = org.net.roles.get(f"{org.name} {name}")
                outside = org.net.roles.get(f"{org.name} {name} external")
                lines.append(f"  {machine.fqdn:28} {where}" + (f", external {outside}" if outside else "") +
                             f"  --state {machine.folder}")
        return "\n".join(lines)
