"""Certificates, made with the openssl command: authorities, good certificates, and deliberately bad ones."""

import subprocess
import time
from pathlib import Path

DAYS = 30
USAGE = {"both": "serverAuth,clientAuth", "server": "serverAuth", "client": "clientAuth", "none": None}


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.strip()}")
    return done.stdout


class Pair:
    """A certificate and its key, as files."""

    def __init__(self, cert, key):
        self.cert, self.key = Path(cert), Path(key)

    def __iter__(self):
        return iter((self.cert, self.key))


def new_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    Path(path).chmod(0o600)


def san_line(sans):
    """sans: "DNS:name", "URI:sip:domain", "IP:address"; a bare name is a DNS name."""
    return ",".join(s if s.split(":")[0] in ("DNS", "URI", "IP") else f"DNS:{s}" for s in sans)


ROOT = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash"]


def leaf(sans, usage):
    """Extensions of an end's certificate."""
    lines = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "subjectKeyIdentifier=hash",
             "authorityKeyIdentifier=keyid"]
    if sans:
        lines.append(f"subjectAltName={san_line(sans)}")
    if USAGE[usage]:
        lines.append(f"extendedKeyUsage={USAGE[usage]}")
    return lines


def usual_dates():
    """From yesterday: what public authorities issue is hardly ever used within the minute."""
    now = time.time()
    return [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + days * 86400)) for days in (-1, DAYS)]


class Authority:
    """One root. Files lie in `folder`: ca.crt, ca.key, and NAME.crt, NAME.key for what was issued."""

    def __init__(self, folder, name="Lab public CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.cert, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        new_key(self.key)
        (self.folder / "ca.cnf").write_text(self._config(ROOT))
        self._sign("ca", name, self.key, self.cert, usual_dates(), "-selfsign")

    def issue(self, name, sans, usage="both", common_name=None, dates=None, file=None):
        """A Pair. usage: both, server, client, none (no extension). dates: ("20200101000000Z", "20200102000000Z")."""
        stem = file or name.replace("*", "any")
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        new_key(pair.key)
        (self.folder / f"{stem}.cnf").write_text(self._config(leaf(sans, usage)))
        self._sign(stem, common_name or name, pair.key, pair.cert, dates or usual_dates())
        return pair

    def _sign(self, stem, name, key, cert, dates, *more):
        request = self.folder / f"{stem}.csr"
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        (self.folder / "index.txt").write_text("")
        openssl("ca", "-batch", "-notext", "-config", self.folder / f"{stem}.cnf", "-name", "lab", "-in", request,
                "-out", cert, "-rand_serial", "-startdate", dates[0], "-enddate", dates[1], *more)

    def _config(self, extensions):
        lines = ["[lab]", f"database={self.folder / 'index.txt'}", f"new_certs_dir={self.folder}",
                 f"serial={self.folder / 'serial'}", f"certificate={self.cert}", f"private_key={self.key}",
                 "default_md=sha256", "policy=any",
                 "unique_subject=no", "x509_extensions=made", "[any]", "commonName=supplied", "[made]",
                 *extensions]
        return "\n".join(lines) + "\n"

    # --- wrong ones, each for `name` ---
    def expired(self, name):
        return self.issue(name, [name], dates=("20200101000000Z", "20200201000000Z"), file=f"{name}-expired")

    def wrong_name(self, name):
        return self.issue(name, ["wrong.invalid"], common_name="wrong.invalid", file=f"{name}-wrong-name")

    def server_only(self, name):
        return self.issue(name, [name], usage="server", file=f"{name}-server-only")

    def other_authority(self, name):
        """Right in everything, but from an authority that nobody trusts."""
        return Authority(self.folder / "other", "Somebody else's CA").issue(name, [name])

    def self_signed(self, name, *others):
        pair = Pair(self.folder / f"{name}-self.crt", self.folder / f"{name}-self.key")
        new_key(pair.key)
        openssl("req", "-x509", "-new", "-key", pair.key, "-out", pair.cert, "-days", DAYS, "-subj", f"/CN={name}",
                "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in (name, *others)))
        return pair


def bundle(path, *certs):
    """One file with several roots."""
    Path(path).write_text("".join(Path(c).read_text() for c in certs))
    return Path(path)
