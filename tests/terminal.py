"""A program on a terminal of its own, as an administrator types at it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from mounts import mounted
from tap import Failed

SECONDS = 60
TIOCGPTN, TIOCSPTLCK = 0x80045430, 0x40045431


def open_terminal():
    """Both ends of a terminal."""
    try:
        return pty.openpty()
    except OSError:
        folder = mounted("devpts", "newinstance,ptmxmode=0666")  # a bare root has no terminals to give
        near = os.open(f"{folder}/ptmx", os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(near, TIOCSPTLCK, struct.pack("i", 0))
        number = struct.unpack("i", fcntl.ioctl(near, TIOCGPTN, bytes(4)))[0]
        return near, os.open(f"{folder}/{number}", os.O_RDWR | os.O_NOCTTY)


def fork_on_terminal(size=(0, 0)):
    """Like pty.fork: 0 in the child, whose terminal it is; else its number and our end. size: lines, columns."""
    near, far = open_terminal()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    pid = os.fork()
    if pid:
        os.close(far)
        return pid, near
    os.close(near)
    os.setsid()
    fcntl.ioctl(far, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(far, fd)
    if far > 2:
        os.close(far)
    return 0, -1


class Terminal:
    """with Terminal(command, env) as t: t.expect("text"); t.type("y\\n"); code = t.end()"""

    def __init__(self, command, env=None, size=(0, 0)):
        self.seen, self.at = "", 0
        self.pid, self.fd = fork_on_terminal(size)
        if self.pid == 0:
            try:
                os.execvpe(command[0], [str(word) for word in command], env or os.environ)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds):
        """More of what it prints; False at its end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def expect(self, pattern, seconds=SECONDS):
        """Until the pattern appears behind what was expected before; the match."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen[self.at:])):
            if time.monotonic() > deadline or not self.read(0.2):
                found = re.search(pattern, self.seen[self.at:])
                if found:
                    break
                raise Failed(f"no {pattern!r} in: {self.seen[self.at:]!r}")
        self.at += found.end()
        return found

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, seconds=SECONDS):
        """Its exit code."""
        deadline = time.monotonic() + seconds
        while self.read(0.2):
            if time.monotonic() > deadline:
                raise Failed(f"it does not end: {self.seen[self.at:]!r}")
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return code
