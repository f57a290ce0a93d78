"""python3 -m lab: both organisations run until Ctrl-C."""

import argparse
import signal

from .lab import Lab


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="python3 -m lab", description="Runs the lab until Ctrl-C.")
    parser.add_argument("--users", type=int, default=40, help="of each organisation (40)")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--keep", action="store_true", help="keep the folder at the end")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    with Lab(users=options.users, level=options.log_level, keep=options.keep) as lab:
        print(lab.describe(), flush=True)
        try:
            while True:
                signal.pause()
        except KeyboardInterrupt:
            pass
        print("stopping", flush=True)


if __name__ == "__main__":
    main()
