"""Certificates, made with the openssl command: authorities, good certificates, and deliberately bad ones."""

import subprocess
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


class Authority:
    """One root. Files lie in `folder`: ca.crt, ca.key, and NAME.crt, NAME.key for what was issued."""

    def __init__(self, folder, name="Lab public CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.cert, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", DAYS, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, sans, usage="both", common_name=None, dates=None, file=None):
        """A Pair. usage: both, server, client, none (no extension). dates: ("20200101000000Z", "20200102000000Z")."""
        stem = file or name.replace("*", "any")
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        config = self.folder / f"{stem}.cnf"
        new_key(pair.key)
        config.write_text(self._config(sans, usage))
        request = self.folder / f"{stem}.csr"
        openssl("req", "-new", "-key", pair.key, "-subj", f"/CN={common_name or name}", "-out", request)
        dates = ["-startdate", dates[0], "-enddate", dates[1]] if dates else ["-days", str(DAYS)]
        (self.folder / "index.txt").write_text("")
        openssl("ca", "-batch", "-notext", "-config", config, "-name", "lab", "-in", request, "-out", pair.cert,
                "-rand_serial", *dates)
        return pair

    def _config(self, sans, usage):
        lines = ["[lab]", f"database={self.folder / 'index.txt'}", f"new_certs_dir={self.folder}",
                 f"serial={self.folder / 'serial'}", f"certificate={self.cert}", f"private_key={self.key}",
                 "default_md=sha256", "policy=any",
                 "unique_subject=no", "x509_extensions=leaf", "[any]", "commonName=supplied", "[leaf]",
                 "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                 "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"]
        if sans:
            lines.append(f"subjectAltName={san_line(sans)}")
        if USAGE[usage]:
            lines.append(f"extendedKeyUsage={USAGE[usage]}")
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

    def self_signed(self, name):
        pair = Pair(self.folder / f"{name}-self.crt", self.folder / f"{name}-self.key")
        new_key(pair.key)
        openssl("req", "-x509", "-new", "-key", pair.key, "-out", pair.cert, "-days", DAYS, "-subj", f"/CN={name}",
                "-addext", f"subjectAltName=DNS:{name}")
        return pair


def bundle(path, *certs):
    """One file with several roots."""
    Path(path).write_text("".join(Path(c).read_text() for c in certs))
    return Path(path)
