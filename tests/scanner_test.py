#!/usr/bin/env python3
"""sipvicious (svmap, svwar, svcrack) at a Front End, and probes of our own over UDP, TCP and TLS: who exists cannot be told from who
does not, neither by answers nor by time, and nothing says what runs here."""

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import run_with
from tap import check, check_equal, diag
from torture_test import ANSWER_S, WORLD, Edge, Message, Tcp, Tls, Udp, call_id_of

from lab.sipmsg import new_tag

NOBODY = "nosuchuser"
TOOL_S = 60
TIMES = 60


def somebody():
    return WORLD.up().contoso.users[0][0]


# --- sipvicious ---
def tool(name, *arguments):
    done = subprocess.run([name, *arguments], capture_output=True, text=True, timeout=TOOL_S, cwd=WORLD.lab.folder,
                          env={"HOME": str(WORLD.lab.folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"})
    return done.stdout + done.stderr


def test_svmap():
    "svmap finds a SIP server and not what it is"
    address = WORLD.up().contoso.address("fe1")
    out = tool("svmap", "-p", "5060", address)
    check(address in out, f"it answers: {out}")
    check("entente" not in out.lower(), out)
    row = next(line for line in out.splitlines() if address in line)
    check("unknown" in row, f"no banner: {row}")


def test_svwar():
    "svwar does not find who exists, with REGISTER, INVITE or OPTIONS"
    address, user = WORLD.up().contoso.address("fe1"), somebody()
    names = WORLD.lab.folder / "names"
    names.write_text("\n".join([NOBODY, user, "admin", "100", "alice"]) + "\n")
    for method in ("REGISTER", "INVITE", "OPTIONS"):
        out = tool("svwar", "--force", "-m", method, "-d", str(names), "-p", "5060", address)
        found = {name: re.search(rf"\|\s*{name}\s*\|\s*(\w+)", out) for name in (user, NOBODY)}
        check_equal(*({n: m and m.group(1) for n, m in found.items()}[n] for n in (user, NOBODY)), f"{method}: {out}")


def test_svcrack():
    "svcrack gets the same for who exists and who does not"
    address, user = WORLD.up().contoso.address("fe1"), somebody()
    words = WORLD.lab.folder / "words"
    words.write_text("secret\nletmein\npassword\n")
    outs = [tool("svcrack", "-u", name, "-d", str(words), "-p", "5060", "--domain", "contoso.example", address)
            for name in (user, NOBODY)]
    ends = []
    for name, out in zip((user, NOBODY), outs):
        check(not re.search(r"\|\s*(secret|letmein|password)\s*\|", out), out)
        out = re.sub(r"(?m)^WARNING.*could not bind.*\n", "", out).replace(name, "NAME")
        ends.append(re.sub(r"\d+", "N", out))
    check_equal(ends[0], ends[1], "the same")


# --- probes ---
def probes(transport, user):
    """Requests that try whether the user exists."""
    aor = f"{user}@contoso.example"
    register = Message(transport, "REGISTER", aor)
    register.line = "REGISTER sip:contoso.example SIP/2.0"
    register.set("From", f"<sip:{aor}>;tag={new_tag()}")
    cracked = Message(transport, "REGISTER", aor)
    cracked.line = register.line
    cracked.set("From", f"<sip:{aor}>;tag={new_tag()}")
    cracked.add("Authorization", f'Digest username="{user}", realm="contoso.example", nonce="{"0" * 64}", '
                f'uri="sip:contoso.example", response="{"0" * 32}", algorithm=MD5')
    own = Message(transport, "MESSAGE", aor)
    own.set("From", f"<sip:{aor}>;tag={new_tag()}")
    return {"REGISTER": register, "REGISTER with a wrong password": cracked, "MESSAGE as the user": own,
            **{f"{method} to the user": Message(transport, method, aor) for method in ("OPTIONS", "INVITE", "MESSAGE")}}


def ask(client, message):
    began = time.monotonic()
    client.send(message.bytes())
    while True:
        head = client.read(began + ANSWER_S)
        check(head, "closed")
        if call_id_of(head) == message.call_id and head.split()[1][:1] != b"1":
            return head, time.monotonic() - began


def shape(head, user):
    """The answer without what differs from one request to the next."""
    text = head.decode().replace(user, "USER")
    text = re.sub(r'(nonce|tag|branch|received|rport|opaque)="?[^";,\r\n]*"?', r"\1", text)
    return sorted(re.sub(r"^(Call-ID|Content-Length): .*", r"\1", row) for row in text.split("\r\n"))


def compare(client):
    user = somebody()
    for what in probes(client.transport, user):
        times, seen = {user: [], NOBODY: []}, {}
        for i in range(TIMES):
            for name in (user, NOBODY) if i % 2 else (NOBODY, user):
                head, took = ask(client, probes(client.transport, name)[what])
                times[name].append(took)
                seen[name] = shape(head, name)
        check_equal(seen[user], seen[NOBODY], f"{what}: answers")
        check(not any(re.match(r"(?i)(server|user-agent):", row) for row in seen[user]), f"{what}: {seen[user]}")
        mine, other = (statistics.median(times[n]) for n in (user, NOBODY))
        diag(f"{client.transport}, {what}: median {mine * 1e6:.0f} µs, {other * 1e6:.0f} µs for nobody")
        check(max(mine, other) < 3 * min(mine, other) + 0.0005, f"{what}: time tells: {mine}, {other}")
    client.close()


def test_probes_udp():
    "over UDP at the Front End"
    WORLD.up()
    compare(Udp())


def test_probes_tcp():
    "over TCP at the Front End"
    WORLD.up()
    compare(Tcp())


def test_probes_tls():
    "over TLS at the Front End"
    WORLD.up()
    compare(Tls())


def test_stranger_at_the_edge():
    "a stranger at the Edge gets the same refusal whoever it asks for, and without a certificate nothing at all"
    user = somebody()
    stranger = Edge(WORLD.lab.net.address("stranger"))
    answers = []
    for name in (user, NOBODY):
        message = Message("TLS", "MESSAGE", f"{name}@contoso.example")
        message.set("From", f"<sip:eve@stranger.example>;tag={new_tag()}")
        answers.append(shape(ask(stranger, message)[0], name))
    stranger.close()
    check_equal(answers[0], answers[1], "answers")
    check(answers[0] and any("403" in row for row in answers[0]), str(answers[0]))


if __name__ == "__main__":
    run_with(WORLD, globals())
