"""TAP for integration tests: functions whose names begin with test_, in the order of the file.

    from tap import check, diag, run
    def test_something():
        "What it shows, for the reader of the report."
        check(1 + 1 == 2, "arithmetic")
    if __name__ == "__main__":
        run(globals())

A check that fails marks the test as failed and raises, so that what depends on it is not tried. `run` prints plan
and results, exits 1 when a test failed; names as arguments run only those. Coroutine functions run in their own loop.
"""

import asyncio
import inspect
import os
import signal
import sys
import time
import traceback

LIMIT_S = 7200 if os.environ.get("SOAK") == "1" else 600  # of one test: a hang is a failure, not a wait


# Then the memory of a daemon tells nothing: what is freed is kept for a while, and what is used has a shadow.
SANITIZED = "san" in os.path.basename(os.environ.get("ENTENTE_BIN", ""))


class Failed(Exception):
    pass


class TooLong(Exception):
    pass


def diag(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def check(condition, text):
    if not condition:
        raise Failed(text)


def check_equal(got, want, text):
    if got != want:
        raise Failed(f"{text}: got {got!r}, want {want!r}")


def wait_until(condition, seconds, text):
    """Polls until condition() is true; its value. For what gives no event."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {text}")
        time.sleep(0.02)


def _alarm(*_):
    raise TooLong(f"longer than {LIMIT_S} s")


def _run_one(function):
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(LIMIT_S)
    try:
        result = function()
        if inspect.iscoroutine(result):
            asyncio.run(result)
        return True
    except Failed as failed:
        diag(failed)
        frames = traceback.extract_tb(failed.__traceback__)
        diag("; ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in frames[1:]))
    except Exception:
        diag(traceback.format_exc())
    finally:
        signal.alarm(0)
    return False


def run(names):
    tests = [f for n, f in names.items() if n.startswith("test_") and callable(f)]
    wanted = sys.argv[1:]
    tests = [t for t in tests if not wanted or t.__name__ in wanted]
    print(f"1..{len(tests)}", flush=True)
    bad = 0
    for number, test in enumerate(tests, 1):
        started = time.monotonic()
        good = _run_one(test)
        bad += not good
        words = (test.__doc__ or test.__name__[5:].replace("_", " ")).strip().splitlines()[0].rstrip(".")
        print(f"{'ok' if good else 'not ok'} {number} - {words} ({time.monotonic() - started:.1f} s)", flush=True)
    sys.exit(bool(bad))
