#!/usr/bin/env python3
"""doc/procedures.md, line by line in a lab: its commands are run, and what it shows of their output must appear."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from tap import Failed, check, check_equal, run

from lab.lab import Lab
from lab.machine import CommandFailed, program

PAGE = Path(__file__).resolve().parent.parent / "doc/procedures.md"
MARK = "--- end of a command:"
SECONDS = 120


def steps(text):
    """[(line number, heading, command, [expected line])]; "> " goes on with a command."""
    out, heading, inside = [], "", False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") and not inside:
            heading = line.lstrip("# ")
        elif line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            out.append((number, heading, [line[2:]], []))
        elif inside and line.startswith("> "):
            out[-1][2].append(line[2:])
        elif inside:
            out[-1][3].append(line)
    return [(number, heading, "\n".join(command), wanted) for number, heading, command, wanted in out]


class Shell:
    """One bash, as somebody sits at it."""

    def __init__(self, **env):
        env = dict(os.environ, PATH=f"{program('entente').resolve().parent}:{os.environ['PATH']}", USER="administrator", **env)
        env.pop("SUDO_USER", None)
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=env)

    def run(self, command):
        """Output and exit code."""
        self.process.stdin.write(f"{command}\necho; echo '{MARK}' $?\n")
        self.process.stdin.flush()
        out, began = [], time.monotonic()
        for line in self.process.stdout:
            if line.startswith(MARK):
                return "".join(out).removesuffix("\n"), int(line[len(MARK):])
            out.append(line)
            if time.monotonic() > began + SECONDS:
                break
        raise Failed(f"{command}: the shell ended or took too long: {''.join(out)}")

    def expand(self, line):
        """$NAME in an expected line, as the shell has it."""
        return re.sub(r"\$([A-Z]+)", lambda found: self.run(f'echo "${found.group(1)}"')[0].strip(), line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(SECONDS)


def pattern(line):
    return r"\s*" + ".*".join(re.sub(r"(\\ )+", r"\\s+", re.escape(part.strip())) for part in line.split("…")) + r"\s*"


def check_output(where, output, wanted):
    """The wanted lines are among those of the output, in this order."""
    lines = iter(output.splitlines())
    for line in wanted:
        if not any(re.fullmatch(pattern(line), got) for got in lines):
            raise Failed(f"{where}: no line {line!r} (in this order) in:\n{output}")


def test_the_page():
    "doc/procedures.md: every command does what the page shows"
    all_steps = steps(PAGE.read_text())
    check_equal(len({heading[0] for _, heading, _, _ in all_steps if heading[0].isdigit()}), 9, "procedures")
    with Lab(users=1) as lab:
        shell = Shell(LAB=str(lab.folder))
        try:
            for number, heading, command, wanted in all_steps:
                output, code = shell.run(command)
                where = f"{PAGE.name}:{number} ({heading}): {command}"
                check(code == 0, f"{where}: exit {code}: {output}")
                check_output(where, output, [shell.expand(line) for line in wanted])
        finally:
            shell.end()
        edge = lab.contoso.machines["edge-new1"]
        try:
            edge.entente("topology", "show")
            raise Failed("an Edge answered for central management")
        except CommandFailed as failed:
            check("central management runs on cms.contoso.example, not here" in failed.output, failed)
        user = f"{lab.contoso.users[0][0]}@contoso.example"
        check_equal(lab.contoso.front_end.entente("complete", "--", "user", "remove", user[:3]), f"{user}\n", "users")
        try:
            lab.contoso.front_end.entente("user", "add", "carol@nowhere.example", stdin="a password\n")
            raise Failed("a user of a domain that is not ours was made")
        except CommandFailed as failed:
            check("of no SIP domain of ours" in failed.output and "user.no-such-domain" in failed.output, failed)
        new = lab.contoso.machines["edge-new1"].json("status")
        check_equal(new["revision"], lab.contoso.central.revision(), "the new Edge runs the newest revision")
        check_equal(lab.contoso.topology["edge_pools"][1]["machines"][0]["external_address"],
                    lab.dns.query("sip.contoso.example", "A")[0], "DNS leads to it")


def test_the_reader():
    "a page that shows what does not come is refused"
    check_equal(steps("# x\n```console\n$ a\n> b\nc …\n```\n```\n$ d\n```\n"), [(3, "x", "a\nb", ["c …"])], "steps")
    check_output("x", "one\n  two words  here\nthree\n", ["two … here", "thr…"])
    for wanted in (["three", "one"], ["tw"], ["four"]):
        try:
            check_output("x", "one\ntwo\nthree\n", wanted)
        except Failed:
            continue
        raise Failed(f"{wanted} was found")


if __name__ == "__main__":
    run(globals())
