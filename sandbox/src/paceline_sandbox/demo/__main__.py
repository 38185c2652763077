"""``python -m paceline_sandbox.demo`` is ``paceline demo``."""

import os
import signal
import sys

# A Ctrl-C while Python still loads finds nothing to stop; the command puts its own handler in place.
signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from paceline.cli import main  # noqa: E402 - after the handler

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
