#!/usr/bin/env python3
"""entented started as root with --user: what it keeps, what it gave up, and that a listener on a low port, published later,
still opens."""

import os
import pwd
import re
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import shutil
import socket
import subprocess
import tempfile

from tap import check, check_equal, diag, run, wait_until

from lab.machine import Machine, entente, program
from lab.net import Net

USER = "nobody"
LOW_PORT = 1000
PORTS_CAPABILITY = 1 << 10
TOPOLOGY = """schema: 1
deployment: {{name: home, default_domain: home.example}}
central: {{machine: fe1.home.example}}
sites: [{{name: hq}}]
front_end_pools:
- fqdn: fe.home.example
  site: hq
  machines: [{{fqdn: fe1.home.example, internal_address: {address}}}]
"""
IS_ROOT = os.geteuid() == 0


def status(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def check_gone(pid, what):
    fields = status(pid)
    uid = pwd.getpwnam(USER)
    check_equal(set(fields["Uid"].split()), {str(uid.pw_uid)}, f"{what}: user")
    check_equal(set(fields["Gid"].split()), {str(uid.pw_gid)}, f"{what}: group")
    check_equal(fields["Groups"].split(), [], f"{what}: further groups")
    check_equal(fields["NoNewPrivs"].strip(), "1", f"{what}: no new privileges")
    for name in ("CapPrm", "CapEff", "CapBnd"):
        check_equal(int(fields[name], 16) & ~PORTS_CAPABILITY, 0, f"{what}: {name}")
    for name in ("CapInh", "CapAmb"):
        check_equal(int(fields[name], 16), 0, f"{what}: {name}")
    return fields


def start(machine):
    """As Machine.start, with --user."""
    machine.mark = machine.log.stat().st_size if machine.log.exists() else 0
    log = open(machine.log, "ab")
    machine.process = subprocess.Popen([program("entented"), "--state", machine.folder, "--log", "json", "--user", USER],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    log.close()
    machine.wait_ready()


def test_root_becomes_user():
    "root becomes the user with the right to low ports and nothing else; a low port published later opens"
    if not IS_ROOT:
        diag("not root: only what everybody gives up is looked at")
        return
    net, folder = Net(), Path(tempfile.mkdtemp(prefix="entente-privileges-"))
    try:
        os.chmod(folder, 0o755)
        address = net.address("fe")
        (folder / "t.yaml").write_text(TOPOLOGY.format(address=address))
        entente("init", "--state", folder / "state", "--machine", "fe1.home.example", "--address", address, "--domain",
                "home.example", "--topology", folder / "t.yaml")
        check_equal(os.stat(folder / "state").st_uid, 0, "made by root")
        (folder / "theirs").write_text("x")
        (folder / "state" / "link").symlink_to(folder / "theirs")
        machine = Machine("fe1.home.example", folder / "state", folder / "log")
        start(machine)
        pid = machine.process.pid
        fields = check_gone(pid, "process")
        check_equal(int(fields["CapEff"], 16), PORTS_CAPABILITY, "low ports")
        if "ENTENTE_BIN" not in os.environ:
            check_equal(fields["Seccomp"].strip(), "2", "system calls are filtered")
        for task in Path(f"/proc/{pid}/task").iterdir():
            check_gone(f"{pid}/task/{task.name}", f"thread {task.name}")
        uid = pwd.getpwnam(USER).pw_uid
        check_equal({p.lstat().st_uid for p in (folder / "state").iterdir() if not p.is_symlink()}, {uid}, "its files")
        check_equal(os.stat(folder / "theirs").st_uid, 0, "links are not followed")
        machine.entente("topology", "set", "front_end_pools/fe.home.example/client_tcp_port", str(LOW_PORT))
        machine.entente("publish", "--yes", "-m", "a low port", "--wait")
        wait_until(lambda: connects(address, LOW_PORT), 20, "the low port answers")
        check_equal(machine.terminate(), 0, "exit code")
        start(machine)  # again, with files that are its own
        check_gone(machine.process.pid, "second start")
        check_equal(machine.terminate(), 0, "exit code")
    finally:
        net.close()
        shutil.rmtree(folder, ignore_errors=True)


def connects(address, port):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


def test_wrong_users():
    "a user that is not there, and root itself, are refused before anything is done"
    if not IS_ROOT:
        diag("not root: nothing to try")
        return
    with tempfile.TemporaryDirectory() as folder:
        for user, words in (("no-such-user", "there is no user"), ("root", "nothing would be given up")):
            done = subprocess.run([program("entented"), "--state", folder, "--user", user], capture_output=True, text=True,
                                  timeout=60)
            check_equal(done.returncode, 2, user)
            check(re.search(words, done.stderr), f"{user}: {done.stderr}")
            check_equal(os.stat(folder).st_uid, 0, "the folder")


if __name__ == "__main__":
    run(globals())
