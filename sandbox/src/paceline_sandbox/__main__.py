"""``python -m paceline_sandbox``."""

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if find_spec("aiohttp") is None:
        sys.exit("paceline: the sandbox needs its extra: pip install 'paceline[sandbox]'")
    from paceline_sandbox.cli import main

    sys.exit(main())
