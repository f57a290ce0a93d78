"""Kamailio as a peer that is not ours: here as registrar and proxy of any domain, over UDP, TCP and TLS.

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


class Kamailio:
    """with Kamailio(folder, address, password="secret", certificate=pair): listens on UDP and TCP 5060, TLS 5061."""

    def __init__(self, folder, address, password="secret", certificate=None, algorithm="SHA-256", route=REGISTRAR):
        self.folder, self.address, self.certificate, self.algorithm = Path(folder), address, certificate, algorithm
        self.route = route.format(password=password)
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
            lines += ['modparam("tls", "tls_method", "TLSv1.2+")',
                      f'modparam("tls", "certificate", "{self.certificate.cert}")',
                      f'modparam("tls", "private_key", "{self.certificate.key}")']
        return "\n".join(lines) + "\n" + self.route

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "kamailio.cfg"
        config.write_text(self.config())
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
