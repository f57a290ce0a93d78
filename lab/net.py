"""Loopback addresses: a 127.x.y prefix of our own, so that several labs run side by side without privileges."""

import fcntl
import os
import random
import socket
import tempfile
import threading
from pathlib import Path

TRIES = 200
PROBE_PORTS = (5061, 4443, 5300)


class Net:
    """Picks a free prefix and holds it by a lock that ends with the process. address(role) is stable per role."""

    FIRST_HOST, LAST_HOST = 10, 250

    def __init__(self, prefix=None):
        self.locks = Path(tempfile.gettempdir()) / f"entente-lab-{os.getuid()}"
        self.locks.mkdir(mode=0o700, exist_ok=True)
        self.lock = None
        self.roles = {}
        self.guard = threading.Lock()
        tries = [prefix] if prefix else (f"127.{random.randint(1, 250)}.{random.randint(1, 250)}"
                                         for _ in range(TRIES))
        for candidate in tries:
            if self._take(candidate):
                self.prefix = candidate
                return
        raise OSError("no free 127.x.y prefix")

    def _take(self, prefix):
        lock = open(self.locks / f"{prefix}.lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for port in PROBE_PORTS:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((f"{prefix}.{self.FIRST_HOST}", port))
        except OSError:
            lock.close()
            return False
        self.lock = lock
        return True

    def address(self, role):
        with self.guard:
            if role not in self.roles:
                host = self.FIRST_HOST + len(self.roles)
                if host > self.LAST_HOST:
                    raise OSError("the prefix has no addresses left")
                self.roles[role] = f"{self.prefix}.{host}"
            return self.roles[role]

    def close(self):
        if self.lock:
            self.lock.close()
            self.lock = None
