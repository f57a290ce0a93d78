#!/usr/bin/env python3
"""doc/operations.md, "Backup": central management is copied, destroyed, restored, and goes on."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from procedures_test import Shell
from tap import check, check_equal, run, wait_until

from lab.lab import Lab

SECONDS = 60
PAGE = Path(__file__).resolve().parent.parent / "doc/operations.md"


def commands(number):
    """The lines of the page's section that begin with "$ ", of its number-th block."""
    section = re.search(r"\n## Backup\n(.*?)(\n## |\Z)", PAGE.read_text(), re.S).group(1)
    block = re.findall(r"```console\n(.*?)```", section, re.S)[number]
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def follow(shell, number):
    """What the page says, as somebody types it."""
    for command in commands(number):
        output, code = shell.run(command)
        check_equal(code, 0, f"{command}: {output}")


def states(central):
    return {m["fqdn"]: m for m in central.json("replication", "status")["machines"]}


def all_current(central, number):
    return lambda: all(m["revision"] == number and m["state"] == "current" for m in states(central).values())


def published(central):
    return central.json("topology", "history")["revisions"][0]["number"]


def set_timer(central, seconds):
    central.entente("topology", "set", "deployment/timer_c_s", str(seconds))


def destroy_and_restore(central, shell):
    central.kill9()
    shutil.rmtree(central.folder)
    follow(shell, 1)
    central.restart()


def test_copied_while_it_runs():
    "backup while it runs; destroyed, restored: drafts, keys and history are there, machines accept what is published"
    with Lab(organisations=("contoso",), users=1) as lab:
        central = lab.contoso.central
        shell = Shell(STATE=str(central.folder), BACKUP=str(lab.folder / "backup"))
        try:
            set_timer(central, 200)
            central.entente("publish", "-m", "before", "--yes", "--wait", seconds=90)
            number = published(central)
            set_timer(central, 210)
            authority = json.loads((central.folder / "machine.json").read_text())["internal_ca"]
            follow(shell, 0)
            check_equal((lab.folder / "backup").stat().st_mode & 0o777, 0o700, "mode of the copy")
            destroy_and_restore(central, shell)
            check_equal(published(central), number, "newest revision")
            check_equal(central.entente("topology", "show", "deployment/timer_c_s").strip(), "210", "the draft")
            check_equal(json.loads((central.folder / "machine.json").read_text())["internal_ca"], authority, "CA")
            central.entente("publish", "-m", "after", "--yes", "--wait", seconds=90)
            check_equal(published(central), number + 1, "numbers go on")
            wait_until(all_current(central, number + 1), SECONDS, "all machines run it")
            central.entente("cert", "renew", "fe1.contoso.example", "--wait")  # the CA's key works
        finally:
            shell.end()


def test_an_old_copy():
    "an old copy: machines that are ahead are named, and the next publish goes above them"
    with Lab(organisations=("contoso",), users=1) as lab:
        central, edge = lab.contoso.central, lab.contoso.machines["edge-old1"]
        shell = Shell(STATE=str(central.folder), BACKUP=str(lab.folder / "backup"))
        try:
            number = published(central)
            follow(shell, 0)
            for seconds in (200, 210, 220):
                set_timer(central, seconds)
                central.entente("publish", "-m", "lost", "--yes", "--wait", seconds=90)
            certificate = lab.contoso.certificates["edge-old.contoso.example"]
            central.entente("cert", "import", "edge-old.contoso.example", certificate.cert, certificate.key)
            wait_until(all_current(central, number + 3), SECONDS, "all run the lost ones")
            destroy_and_restore(central, shell)
            check_equal(published(central), number, "as it was copied")
            ahead = wait_until(lambda: states(central)[edge.fqdn].get("why", {}).get("id") == "ahead" and
                               states(central)[edge.fqdn], SECONDS, "the machine is ahead")
            check("publish again" in ahead["why"]["text"] and ahead["revision"] == number + 3, ahead)
            check_equal(edge.revision(), number + 3, "the machine keeps what it has")
            set_timer(central, 230)
            central.entente("publish", "-m", "after", "--yes", "--wait", seconds=90)
            check_equal(published(central), number + 4, "above all of them")
            wait_until(all_current(central, number + 4), SECONDS, "all machines run it")
            check_equal(edge.revision(), number + 4, "the machine's own word")
        finally:
            shell.end()


if __name__ == "__main__":
    run(globals())
