"""``python -m paceline_sandbox``."""

import sys

from paceline_sandbox.cli import main

if __name__ == "__main__":
    sys.exit(main())
