#!/usr/bin/env python3
"""Certificates change while everything runs: listeners and outbound connections take the new one at once, connections
that there are go on, nothing is lost, nothing leaks. SOAK=1 for 1,000 changes."""

import asyncio
import base64
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import churn_test
from partner import EDGE_NAME, Partner, World, contoso, run_with
from mounts import proc
from tap import SANITIZED, check, check_equal

from lab import pki
from lab.machine import CommandFailed, program

SOAK = os.environ.get("SOAK") == "1"
CHANGES = 1000 if SOAK else 50
WARM_UP = CHANGES // 5     # changes before memory is measured: caches and pools fill
RENEWALS = 10              # every so many changes a machine also replaces its internal key
CURRENT_S = 60.0
GROWTH_KB = 16 * 1024      # of resident memory, while the load goes on
IN_USE_KB = 1024           # of what is allocated, once transactions of 32 s come and go
TRANSACTIONS_S = 36.0
QUIET = 300 if SOAK else 40  # changes without load
QUIET_KB = 100               # an SSL context that stays has 20 and more, at each change
FDS_MORE = 24              # connections come and go with the load
POOL = "edge-old.contoso.example"
PASSPHRASE = "a passphrase"

PARTNER = Partner("partner.example")
ALONE = World(lambda: contoso([PARTNER], users=1, ttl=2))


def serial_of(pair):
    return pki.openssl("x509", "-in", pair.cert, "-noout", "-serial").strip().partition("=")[2].lstrip("0")


def wait_current(central):
    """Until every machine runs the newest material."""
    deadline = time.monotonic() + CURRENT_S
    while not (status := central.json("replication", "status"))["current"]:
        check(time.monotonic() < deadline, f"not current within {CURRENT_S} s: {json.dumps(status)[:2000]}")
        time.sleep(0.05)


def shown(address, client, ca, port=5061):
    """Serial of the certificate that a listener presents to a new connection."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(client.cert, client.key)
    with socket.create_connection((address, port), 20) as raw:
        with context.wrap_socket(raw, server_hostname=EDGE_NAME) as tls:
            return tls.getpeercert()["serialNumber"].lstrip("0")


def fingerprint_of(cert):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(cert).read_text())).hexdigest()


def resident(machine):
    """(KiB resident, open descriptors) of a daemon."""
    folder = Path(proc()) / str(machine.process.pid)
    for line in (folder / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]), len(list((folder / "fd").iterdir()))
    raise AssertionError("no VmRSS")


def in_use(machine):
    """KiB that a daemon has allocated and not freed. Nothing under a sanitizer, which looks for leaks at the end."""
    return machine.json("status")["memory_in_use"] // 1024


# --- by hand, one after the other ---
def test_required():
    "what is needed is computed from the topology, and what is there is judged"
    central = ALONE.up().contoso.central
    required = central.json("cert", "required", POOL)["required"]
    access = required[0]
    check_equal([access["use"], access["names"], access["advised"]],
                ["access-external", ["sip.contoso.example"], ["contoso.example"]], "names")
    check_equal(access["state"], "warnings", "the lab's certificate has no domain name")
    text = central.entente("cert", "required")
    check("edge-old1.contoso.example" in text, "internal ones, too")
    check(f"\n{POOL}, access-external:\nwarning certificate." in text, "whose certificate it is stands above what is wrong")


def refused(*arguments):
    try:
        ALONE.lab.contoso.central.entente("cert", *arguments)
    except CommandFailed as failed:
        return failed.output
    check(False, f"cert {arguments} was not refused")


def test_wrong_files():
    "a certificate that is expired, of another name, of another key or not readable is refused by its id"
    org = ALONE.up().contoso
    ca, name = org.authority, "sip.contoso.example"
    good, other = org.certificates[POOL], ca.wrong_name(name)
    for pair, key, want in ((ca.expired(name), None, "certificate.expired"), (other, None, "certificate.name"),
                            (good, other.key, "certificate.other-key"),
                            (pki.Pair("/dev/null", good.key), None, "certificate.unreadable")):
        check(want in refused("import", POOL, pair.cert, key or pair.key), want)
    check("certificate.no-client-use" in json.dumps(org.central.json("cert", "import", POOL, *ca.server_only(name))),
          "a warning, not a refusal")
    org.central.entente("cert", "import", POOL, *good)


def is_served(context, session=None):
    """(whether the Edge answers a keep-alive on a new connection, the TLS session for the next one)"""
    with socket.create_connection((ALONE.lab.contoso.address("edge-old1", external=True), 5061), 20) as raw:
        with context.wrap_socket(raw, server_hostname=EDGE_NAME, session=session) as tls:
            try:
                tls.sendall(b"\r\n\r\n")
                return tls.recv(2) == b"\r\n", tls.session
            except (ssl.SSLError, ConnectionError):
                return False, None


def test_trust():
    "a root that was added by mistake is shown by its fingerprint and taken away again: at once, and for sessions, too"
    central, ca = ALONE.up().contoso.central, pki.Authority(ALONE.lab.folder / "mistaken", "Mistaken CA")
    before = central.json("cert", "trust", "list")["trust"]
    central.entente("cert", "trust", "add", ca.cert)
    mistaken = fingerprint_of(ca.cert)
    check(mistaken[:16] in central.entente("cert", "trust", "list"), "shown")
    wait_current(central)
    context = ssl.create_default_context(cafile=str(ALONE.lab.contoso.authority.cert))
    context.load_cert_chain(*ca.issue(PARTNER.domain, [PARTNER.host], file="forged"))
    served, session = is_served(context)
    check(served, "while its root is there")
    for which, want in ((mistaken[:4], "trust.fingerprint"), ("0" * 64, "trust.unknown")):
        check(want in (said := refused("trust", "remove", which)), f"{which}: {said}")
    check("Mistaken CA" in central.entente("cert", "trust", "remove", mistaken[:12]), "removed")
    check_equal(central.json("cert", "trust", "list")["trust"], before, "the others")
    wait_current(central)
    check_equal((is_served(context)[0], is_served(context, session)[0]), (False, False), "new, and resumed")
    check("trust.unknown" in refused("trust", "remove", mistaken), "once")


def wrong_inputs(folder, org):
    """What people give by mistake: (arguments, exit code, id, words that say what to do)."""
    ca, good, name = org.authority, org.certificates[POOL], "sip.contoso.example"

    def file(stem, content):
        path = folder / stem
        path.write_bytes(content)
        return path
    phrase, other, short = (file(f"phrase-{p[:5]}", p + b"\n") for p in (PASSPHRASE.encode(), b"wrong one", b"abc"))
    locked, weak, pfx = folder / "locked.key", pki.Pair(folder / "weak.crt", folder / "weak.key"), folder / "keyless.pfx"
    pki.openssl("pkey", "-in", good.key, "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", locked)
    pki.openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", weak.key, "-out", weak.cert, "-days", "9",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    pki.openssl("pkcs12", "-export", "-nokeys", "-in", good.cert, "-passout", f"pass:{PASSPHRASE}", "-out", pfx)
    junk, empty, weak_csr = file("junk", bytes(range(256))), file("empty", b""), folder / "weak.csr"
    pki.openssl("req", "-new", "-key", weak.key, "-subj", "/CN=x", "-out", weak_csr)
    later = ca.issue(name, [name], dates=("20300101000000Z", "20310101000000Z"), file="later")
    machine = ("--machine", "edge-old1.contoso.example")
    return [
        (("lst",), 1, "", "did you mean 'cert list'"),
        (("import", POOL), 1, "", "usage: entente cert import POOL CERT [KEY]"),
        (("import", "edge-od.contoso.example", *good), 2, "certificate.unknown-pool", f"Edge pools: {POOL}"),
        (("import", POOL, "/nowhere"), 2, "file.unreadable", "/nowhere"),
        (("import", POOL, good.key), 2, "certificate.unreadable", "stands before its key"),
        (("import", POOL, good.cert), 2, "certificate.no-key", "give the key's file"),
        (("import", POOL, good.cert, good.cert), 2, "certificate.key-unreadable", "no private key"),
        (("import", POOL, good.cert, junk), 2, "file.no-pem", "openssl pkey -inform DER"),
        (("import", POOL, empty), 2, "certificate.unreadable", "the file is empty"),
        (("import", POOL, junk), 2, "certificate.unreadable", "PKCS#12"),
        (("import", POOL, *ca.expired(name)), 2, "certificate.expired", "Import a new one"),
        (("import", POOL, *later), 2, "certificate.not-yet-valid", "Keep it under a name"),
        (("import", POOL, *ca.wrong_name(name)), 2, "certificate.name", "cert required"),
        (("import", POOL, *ca.issue(name, [name], usage="client", file="client")), 2, "certificate.no-server-use",
         "serverAuth"),
        (("import", POOL, *weak), 2, "certificate.key-weak", "RSA of 2048 bits or more"),
        (("import", POOL, good.cert, locked), 2, "certificate.passphrase", "--passphrase-file"),
        (("import", POOL, good.cert, locked, "--passphrase-file", other), 2, "certificate.passphrase", "is wrong"),
        (("import", POOL, pfx, "--passphrase-file", phrase), 2, "certificate.unreadable", "no private key"),
        (("import", POOL, *good, "--name", "a b"), 2, "certificate.bad-name", "letters"),
        (("import", POOL, *good, "--use", "conf"), 2, "certificate.unused", f"set edge_pools/{POOL}/conf_fqdn"),
        (("assign", POOL, "nothing"), 2, "certificate.unknown-name", "cert list"),
        (("remove", "nothing"), 2, "certificate.unknown-name", "cert list"),
        (("export", POOL, "-o", folder / "x", "--passphrase-file", short), 2, "certificate.passphrase-short", "8 bytes"),
        (("export", POOL, "-o", "/nowhere/x", "--passphrase-file", phrase), 2, "file.unwritable", "/nowhere/x"),
        (("export", POOL, "-o", folder / "x", "--name", "y"), 2, "certificate.which", "not both"),
        (("export", POOL, "-o", folder / "x"), 2, "secret.missing", "--passphrase-file FILE"),
        (("request", POOL, "--rsa", "1024"), 2, "certificate.key-kind", "--rsa 4096"),
        (("request", POOL, "--use", "internal"), 2, "machine.unknown", "machine list"),
        (("sign", weak_csr, *machine), 2, "machine.request", "2048 bits"),
        (("sign", junk, *machine), 2, "file.no-pem", "openssl req -inform DER"),
        (("sign", weak_csr, *machine, "--use", "access"), 2, "certificate.external-use", "cert request"),
        (("sign", weak_csr), 1, "", "--machine FQDN"),
        (("renew", POOL), 2, "machine.unknown", "machine list"),
        (("required", "nobody"), 2, "certificate.unknown-pool", "nobody"),
        (("check", "nowhere"), 2, "check.address", "HOST:PORT"),
        (("check", f"{org.address('fe1')}:5060"), 2, "check.tls", "does not speak TLS"),
        (("check", "127.0.0.1:1"), 2, "check.connect", "refused"),
        (("check", f"{org.address('edge-old1', external=True)}:5061", "--root", empty), 2, "check.roots", "PEM form"),
        (("trust", "add", junk), 2, "file.no-pem", "openssl x509 -inform DER"),
    ]


def answer(state, *arguments):
    done = subprocess.run([program("entente"), "--state", state, "cert", *map(str, arguments)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def test_answers():
    "wrong files, names, uses and places: what is wrong and what to do, in a line or two, with exit code, id and --json"
    org = ALONE.up().contoso
    folder = ALONE.lab.folder / "answers"
    folder.mkdir()
    before = org.central.json("cert", "list")["certificates"]
    for arguments, code, name, words in wrong_inputs(folder, org):
        got, out, err = answer(org.central.folder, *arguments)
        where = f"cert {' '.join(map(str, arguments))}: {got}, {out}{err}"
        check_equal(got, code, where)
        check(words in err and (not name or f"({name})" in err), where)
        check(len(err.strip().splitlines()) <= 2, where)
        if name.startswith(("certificate.", "machine.")):
            told = answer(org.central.folder, *arguments, "--json")[1]
            check(not told or json.loads(told)["id"] == name, f"{where}: {told}")
    check_equal(org.central.json("cert", "list")["certificates"], before, "nothing has changed")
    # comments between PEM objects are in any character set
    comment = "friendlyName: M\xfcnchen\n".encode("latin-1")
    (folder / "latin.pem").write_bytes(comment + org.certificates[POOL].cert.read_bytes() + comment)
    org.central.entente("cert", "import", POOL, folder / "latin.pem", org.certificates[POOL].key)
    where = answer(org.machines["edge-old1"].folder, "list")
    check(where[0] == 2 and "runs on cms.contoso.example, not here" in where[2], f"on another machine: {where}")
    where = answer("/nowhere", "list")
    check(where[0] == 3 and "--state" in where[2], f"no daemon: {where}")


def at_central(central, key):
    """Files of central's folder in which a key is, by a line of its PEM or a piece of its DER."""
    lines = key.read_text().split("-----")[2].split()
    inner = base64.b64decode("".join(lines))
    pieces = [lines[len(lines) // 2].encode(), inner[len(inner) // 2:len(inner) // 2 + 24]]
    check(all(piece in whole for piece, whole in zip(pieces, (key.read_bytes(), inner))), "the pieces are of the key")
    files = [file for file in central.folder.rglob("*") if file.is_file()]
    check(any(file.name == "central.db" for file in files), files)
    return [file.name for file in files if any(piece in file.read_bytes() for piece in pieces)]


def test_request():
    "a request's key is made on the Edge and is nowhere at central; out again as PKCS#12 that openssl reads"
    org = ALONE.up().contoso
    edge, folder = org.machines["edge-old1"], ALONE.lab.folder
    request, p12, phrase = folder / "edge.csr", folder / "edge.p12", folder / "phrase"
    said = org.central.entente("cert", "request", POOL, "-o", request, "--rsa", "2048")
    check(f"is on {edge.fqdn} and stays there" in said, said)
    edge.kill9()  # what is answered is on the disk
    check("certificate.machine-silent" in refused("request", POOL), "nobody to make a key")
    edge.start()
    [key] = (edge.folder / "keys").glob("*.key")
    check_equal(key.stat().st_mode & 0o777, 0o600, "mode")
    text = pki.openssl("req", "-in", request, "-noout", "-text", "-verify")
    check("DNS:sip.contoso.example" in text and "2048 bit" in text, text)
    issued = folder / "issued.crt"
    pki.openssl("x509", "-req", "-in", request, "-CA", org.authority.cert, "-CAkey", org.authority.key,
                "-CAcreateserial", "-copy_extensions", "copy", "-days", "60", "-out", issued)
    org.central.entente("cert", "import", POOL, issued)
    wait_current(org.central)
    client = ALONE.ca.issue(PARTNER.domain, [PARTNER.host], file="request")
    check_equal(shown(org.address("edge-old1", external=True), client, org.authority.cert),
                serial_of(pki.Pair(issued, key)), "on the wire")
    check_equal(at_central(org.central, key), [], "files of central's that hold the key")
    check_equal(org.central.json("cert", "list")["certificates"][0]["held_by"], [edge.fqdn], "where it is")
    phrase.write_text(PASSPHRASE + "\n")
    for more, legacy in (((), ()), (("--old-windows",), ("-legacy",))):
        org.central.entente("cert", "export", POOL, "-o", p12, "--passphrase-file", phrase, *more)
        check_equal(p12.stat().st_mode & 0o777, 0o600, "mode")
        out = pki.openssl("pkcs12", "-in", p12, "-passin", f"pass:{PASSPHRASE}", "-nodes", *legacy)
        check("BEGIN PRIVATE KEY" in out and "BEGIN CERTIFICATE" in out, out)
        (folder / "out.key").write_text(out)
        check_equal(pki.openssl("pkey", "-in", folder / "out.key", "-pubout"), pki.openssl("pkey", "-in", key, "-pubout"),
                    "the key that came out")
    edge.kill9()
    check("certificate.key-away" in refused("export", POOL, "-o", p12, "--passphrase-file", phrase), "its holder is down")
    edge.start()
    # as the old Windows wizard leaves it: RC2-40 and 3DES
    old = folder / "windows.pfx"
    pair = org.certificates[POOL]
    pki.openssl("pkcs12", "-export", "-legacy", "-in", pair.cert, "-inkey", pair.key, "-certfile", org.authority.cert,
                "-passout", f"pass:{PASSPHRASE}", "-out", old)
    check("certificate.passphrase" in refused("import", POOL, old), "no passphrase")
    org.central.entente("cert", "import", POOL, old, "--passphrase-file", phrase, "--name", "windows")
    org.central.entente("cert", "assign", POOL, "windows")
    check("certificate.in-use" in refused("remove", "windows"), "in use")
    listed = org.central.json("cert", "list")
    check_equal(listed["kept"][0]["in_use"], [f"{POOL} access-external"], "where it is in use")
    check(len(listed["machines"]) == 3, "internal ones, too")


def test_internal():
    "a machine replaces the internal key of its bundle by itself, and again when it is told to; a request is signed with the topology's names alone"
    org = ALONE.up().contoso
    edge = org.machines["edge-old1"]
    bundle = json.loads((org.folder / "edge-old1.bundle").read_text())
    before = (edge.folder / "internal.key").read_text()
    check(before != bundle["key"], "the key that was carried to it is not in use")
    days = (pki.openssl("x509", "-in", edge.folder / "internal.crt", "-noout", "-checkend", 300 * 86400),
            subprocess.run(["openssl", "x509", "-noout", "-checkend", str(31 * 86400)], input=bundle["certificate"],
                           text=True, capture_output=True).returncode)
    check_equal(days, ("Certificate will not expire\n", 1), "the bundle's certificate lives for 30 days, ours for a year")
    org.central.entente("cert", "renew", edge.fqdn, "--wait")
    check((edge.folder / "internal.key").read_text() != before, "a new key")
    wait_current(org.central)
    key, request, cert = (ALONE.lab.folder / f"sign.{x}" for x in ("key", "csr", "crt"))
    pki.new_key(key)
    pki.openssl("req", "-new", "-key", key, "-subj", "/CN=bank.example", "-out", request)
    org.central.entente("cert", "sign", request, "--machine", edge.fqdn, "-o", cert)
    text = pki.openssl("x509", "-in", cert, "-noout", "-text")
    check(f"DNS:{edge.fqdn}" in text and "bank.example" not in text, text)


def test_check():
    "cert check shows the chain on the wire and what is wrong with it"
    org = ALONE.up().contoso
    where = f"{org.address('edge-old1', external=True)}:5061"

    def look(name, root):
        done = subprocess.run([program("entente"), "cert", "check", where, "--name", name, "--root", root, "--json"],
                              capture_output=True, text=True)
        return done.returncode, [f["id"] for f in json.loads(done.stdout)["findings"]]
    org.central.entente("cert", "import", POOL, *org.certificates[POOL])
    wait_current(org.central)
    # the lab's certificates live as long as "soon" is
    check_equal(look(EDGE_NAME, org.authority.cert), (0, ["certificate.expires-soon"]), "good")
    code, found = look("other.example", ALONE.ca.cert)
    check_equal([code, "certificate.name" in found, "certificate.intermediate-missing" in found], [2, True, True],
                "wrong name, unknown root")


def test_nothing_stays():
    "40 changes of the external certificate without load (300 with SOAK=1): what is allocated does not grow"
    org = ALONE.up().contoso
    edge, pairs = org.machines["edge-old1"], [org.authority.issue(EDGE_NAME, [EDGE_NAME], file=f"quiet-{i}") for i in "ab"]

    def changes(number):
        for i in range(number):
            org.central.entente("cert", "import", POOL, *pairs[i % 2])
            wait_current(org.central)
        return in_use(edge)
    before, after = changes(QUIET // 2), changes(QUIET)
    print(f"# {QUIET} changes: {before} -> {after} KiB in use")
    check(before > 1000 or SANITIZED, "the allocator counts")
    check(after - before <= QUIET_KB, f"{after - before} KiB more in use")


def test_av_overlap():
    "A/V authentication changes over at a date: list says previous, current, next; times and uses as they are typed"
    org = ALONE.up().contoso
    entente = org.central.entente
    old, new = (org.authority.issue("av.contoso.example", ["av.contoso.example"], file=f"av-{i}") for i in (1, 2))
    entente("topology", "set", f"edge_pools/{POOL}/av_fqdn", "av.contoso.example")
    org.publish("av")
    entente("cert", "import", POOL, *old, "--use", "av-auth")
    said = entente("cert", "import", POOL, *new, "--use", "AudioVideoAuthentication", "--from", "+2d", "--overlap", "48")
    check("takes effect" in said and "verified until" in said, said)
    listed = [c for c in org.central.json("cert", "list")["certificates"] if c["use"] == "av-authentication"]
    check_equal([c["state"] for c in listed], ["next", "current"], "states")
    check_equal(listed[1]["until_ms"] - listed[0]["from_ms"], 48 * 3600000, "overlap")
    check("next, from" in entente("cert", "list"), "in words")
    entente("cert", "import", POOL, *old, "--use", "av-auth")  # at once, instead of the next one
    listed = [c for c in org.central.json("cert", "list")["certificates"] if c["use"] == "av-authentication"]
    check_equal([c["state"] for c in listed], ["current", "previous"], "states")
    for arguments, want in ((("--use", "av-auth", "--from", "tomorrow"), "certificate.time"),
                            (("--use", "av-auth", "--overlap", "long"), "certificate.overlap"),
                            (("--use", "av-auth", "--from", "+40d"), "certificate.ends-before-use"),
                            (("--from", "+2d"), "certificate.no-overlap"),
                            (("--use", "door"), "certificate.unknown-use"),
                            (("--use", "internal"), "certificate.internal-use")):
        check(want in (said := refused("import", POOL, *new, *arguments)), f"{arguments}: {said}")
    check_equal({r["external"] for r in org.central.json("cert", "required", "--use", "internal")["required"]}, {False},
                "--use of required")
    wait_current(org.central)


async def test_both_directions():
    "a change is seen by new connections at once, inbound and outbound; a connection that there is goes on"
    lab = await asyncio.get_running_loop().run_in_executor(None, ALONE.up)
    org, seen, attempts = lab.contoso, [], []
    client = ALONE.ca.issue(PARTNER.domain, [PARTNER.host], file="both-directions")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(org.authority.cert))
    context.load_cert_chain(client.cert, client.key)
    context.verify_mode = ssl.CERT_REQUIRED

    async def on_connection(reader, writer):
        seen.append(writer.get_extra_info("peercert")["serialNumber"].lstrip("0"))
        writer.close()
    server = await asyncio.start_server(on_connection, PARTNER.address, 5061, ssl=context)
    alice = org.user_agent(0)
    await alice.start()
    outside = org.address("edge-old1", external=True)
    inbound = ssl.create_default_context(cafile=str(org.authority.cert))
    inbound.load_cert_chain(client.cert, client.key)
    reader, writer = await asyncio.open_connection(outside, 5061, ssl=inbound, server_hostname=EDGE_NAME)
    for number in range(3):
        pair = org.authority.issue(EDGE_NAME, [EDGE_NAME], file=f"direction-{number}")
        await asyncio.to_thread(org.central.entente, "cert", "import", POOL, *pair)
        await asyncio.to_thread(wait_current, org.central)
        check_equal(await asyncio.to_thread(shown, outside, client, org.authority.cert), serial_of(pair), "inbound")
        before = len(seen)
        attempts.append(asyncio.create_task(alice.message(f"x@{PARTNER.domain}", b"hi")))  # the partner only closes
        deadline = time.monotonic() + CURRENT_S
        while len(seen) == before:
            check(time.monotonic() < deadline, "no outbound connection")
            await asyncio.sleep(0.02)
        check_equal(set(seen[before:]), {serial_of(pair)}, "outbound")
    writer.write(b"\r\n\r\n")  # RFC 5626: it answers CRLF
    check_equal(await asyncio.wait_for(reader.readexactly(2), 20), b"\r\n", "the connection of before")
    writer.close()
    for attempt in attempts:
        attempt.cancel()
    await asyncio.gather(*attempts, return_exceptions=True)
    await alice.stop()
    server.close()


# --- under load ---
def make_pairs(org):
    pairs = [org.authority.issue(EDGE_NAME, [EDGE_NAME], file=f"change-{i}") for i in range(4)]
    for number, pair in enumerate(pairs[2:]):
        org.central.entente("cert", "import", POOL, *pair, "--name", f"change-{number}")
    return pairs


def change(org, pairs, number):
    kind = number % 4
    if kind < 2:
        org.central.entente("cert", "import", POOL, *pairs[kind])
    else:
        org.central.entente("cert", "assign", POOL, f"change-{kind - 2}")
    if number % RENEWALS == 0:
        machines = list(org.machines.values())
        org.central.entente("cert", "renew", machines[number // RENEWALS % len(machines)].fqdn, "--wait")
    wait_current(org.central)
    return pairs[kind]


async def steady(machine):
    """What is in use under load when nothing changes: each transaction keeps the configuration that it began with,
    certificate and all, for up to 32 s (RFC 6026). With SOAK=1 alone; there is nothing else to wait for than time."""
    if SOAK:
        await asyncio.sleep(TRANSACTIONS_S)
    return await asyncio.to_thread(in_use, machine)


async def test_changes_under_load():
    "50 changes of the external certificate under load (1,000 with SOAK=1), internal keys too: nothing lost or leaked"
    async with churn_test.Load():
        lab = churn_test.WORLD.lab
        org, edge = lab.contoso, lab.contoso.machines["edge-old1"]
        client = lab.fabrikam.certificates["edge.fabrikam.example"]
        pairs = await asyncio.to_thread(make_pairs, org)
        allocated = [await steady(edge)]
        started, first = time.monotonic(), None
        for number in range(CHANGES):
            pair = await asyncio.to_thread(change, org, pairs, number)
            if number % 10 == 9:
                got = await asyncio.to_thread(shown, org.address("edge-old1", external=True), client,
                                              org.authority.cert)
                check_equal(got, serial_of(pair), f"change {number}")
            if number + 1 == WARM_UP:
                first = resident(edge)
        last, allocated[1:] = resident(edge), [await steady(edge)]
        print(f"# {CHANGES} changes in {time.monotonic() - started:.1f} s; Edge: {first} -> {last} (KiB, descriptors); "
              f"in use before and after: {allocated}")
        check(not SOAK or allocated[1] - allocated[0] <= IN_USE_KB, f"in use before and after: {allocated}")
        check(SANITIZED or last[0] - first[0] <= GROWTH_KB, f"memory grew from {first[0]} to {last[0]} KiB")
        check(last[1] - first[1] <= FDS_MORE, f"descriptors grew from {first[1]} to {last[1]}")


def test_the_end():
    "every daemon of both labs ends with 0"
    churn_test.WORLD.up()
    churn_test.WORLD.end()
    ALONE.up()
    ALONE.end()


if __name__ == "__main__":
    try:
        run_with(ALONE, globals())
    finally:
        churn_test.WORLD.end()
