"""What a bare root lacks and a test needs: a file system of the kernel's, mounted for as long as the test runs (needs root)."""

import atexit
import ctypes
import os
import tempfile

MNT_DETACH = 2
_mounted = {}  # type -> folder


def mounted(kind, options=""):
    """The folder where it is mounted, made at the first call."""
    if kind not in _mounted:
        folder = tempfile.mkdtemp(prefix=f"entente-{kind}-")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(kind.encode(), folder.encode(), kind.encode(), 0, options.encode()):
            os.rmdir(folder)
            raise OSError(ctypes.get_errno(), f"{kind} is not there, and cannot be mounted")
        _mounted[kind] = folder
        atexit.register(lambda: (libc.umount2(folder.encode(), MNT_DETACH), os.rmdir(folder)))
    return _mounted[kind]


def proc():
    """/proc, or one of our own where a bare root has none."""
    return "/proc" if os.path.isdir("/proc/self") else mounted("proc")
