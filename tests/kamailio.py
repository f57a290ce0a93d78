"""Kamailio as a peer that is not ours: registrar and proxy of any domain, or the Edge of a partner.

One TCP process only: with two or more its TLS crashes (Debian 12's 5.6.3).
"""

import os
import socket
import subprocess
import time
from pathlib import Path

START_S = 60.0
MODULES = "/usr/lib/x86_64-linux-gnu/kamailio/modules"

REGISTRAR = """
request_route {{
    if (is_method("ACK") && !has_totag()) {{ exit; }}
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not here"); exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0")) {{ www_challenge("$td", "1"); exit; }}
        save("location");
        exit;
    }}
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    t_relay();
}}
"""


# What comes in by TLS goes to the user agent inside; what the user agent sends goes to the other organisation's Edge.
PARTNER = """
request_route {{
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{
            if ($rd != "{inside}") {{ $du = "sip:{edge}:5061;transport=tls"; }}
            t_relay(); exit;
        }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not here"); exit;
    }}
    record_route();
    if ($rd == "{domain}") {{ $du = "sip:{inside}:{inside_port};transport=tcp"; }}
    else {{ $du = "sip:{edge}:5061;transport=tls"; }}
    t_relay();
}}
"""


def partner_route(domain, edge, inside):
    """For Kamailio(route=…): Edge of `domain`; edge: address of the Edge of the others; inside: (address, port)
    of the user agent behind it."""
    return PARTNER.format(domain=domain, edge=edge, inside=inside[0], inside_port=inside[1])


class Kamailio:
    """with Kamailio(folder, address, password="secret", certificate=pair): listens on UDP and TCP 5060, TLS 5061."""

    def __init__(self, folder, address, password="secret", certificate=None, algorithm="SHA-256", route=None,
                 trusted=None, server_name=None):
        """trusted: file of roots; then TLS is mutual in both directions. server_name: sent, and checked, when it
        connects."""
        self.folder, self.address, self.certificate, self.algorithm = Path(folder), address, certificate, algorithm
        self.route = route or REGISTRAR.format(password=password)
        self.trusted, self.server_name = trusted, server_name
        self.process = None

    def config(self):
        tls = self.certificate is not None
        lines = ["debug=1", "log_stderror=yes", "children=1", "tcp_children=1", "auto_aliases=no", "dns=no",
                 "rev_dns=no", "tcp_connection_lifetime=600", "tcp_max_connections=2048", "tcp_accept_no_cl=no",
                 f"listen=udp:{self.address}:5060", f"listen=tcp:{self.address}:5060",
                 f'mpath="{MODULES}"']
        if tls:
            lines += ["enable_tls=yes", f"listen=tls:{self.address}:5061"]
        names = ["tm", "sl", "rr", "pv", "maxfwd", "usrloc", "registrar", "textops", "siputils", "auth", "xlog",
                 "ctl"]
        lines += [f'loadmodule "{name}.so"' for name in names + (["tls"] if tls else [])]
        lines += [f'modparam("ctl", "binrpc", "unix:{self.folder}/ctl.sock")',
                  f'modparam("auth", "algorithm", "{self.algorithm}")', 'modparam("auth", "qop", "auth")',
                  'modparam("usrloc", "db_mode", 0)', 'modparam("usrloc", "use_domain", 1)',
                  'modparam("rr", "enable_full_lr", 1)']
        if tls:
            lines.append(f'modparam("tls", "config", "{self.folder}/tls.cfg")')
            lines.append('modparam("tls", "con_ct_wq_max", 1048576)')
        return "\n".join(lines) + "\n" + self.route

    def tls_config(self):
        common = f"method = TLSv1.2+\ncertificate = {self.certificate.cert}\nprivate_key = {self.certificate.key}\n"
        if self.trusted:
            common += f"verify_certificate = yes\nrequire_certificate = yes\nca_list = {self.trusted}\n"
        name = f"server_name = {self.server_name}\nserver_id = {self.server_name}\n" if self.server_name else ""
        return f"[server:default]\n{common}[client:default]\n{common}{name}"

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "kamailio.cfg"
        config.write_text(self.config())
        if self.certificate:
            (self.folder / "tls.cfg").write_text(self.tls_config())
        log = self.folder / "kamailio.log"
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                ["kamailio", "-DD", "-E", "-f", config, "-Y", self.folder, "-P", self.folder / "pid", "-x", "tlsf",
                 "-m", "128", "-M", "16"], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, "LC_ALL": "C"})
        deadline = time.monotonic() + START_S
        while not self.listening():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"kamailio does not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def listening(self):
        ports = (5060, 5061) if self.certificate else (5060,)
        for port in ports:
            with socket.socket() as probe:
                if probe.connect_ex((self.address, port)):
                    return False
        return True

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, 9)  # the session that this process leads
                self.process.wait()

    def __exit__(self, *_):
        self.stop()
