"""`make troubles`: five troubles on real fleets, and a picture of the Overview's first screen in each, in docs/images.

    python -m deploy.pictures.troubles [--only NAME] [--to FOLDER]

The picture holds no word that the dashboard does not have: whoever sees it should be able to name the trouble.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.browser import browser, chromium

from deploy.grafana.pages import OVERVIEW
from deploy.grafana.queries import committed
from deploy.pictures.screen import height_px, page
from deploy.rehearsal.troubles import TROUBLES, Screen, rehearse
from paceline.errors import PacelineError
from paceline_sandbox.demo.interrupts import Interrupted, Interrupts

_IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_ROWS: Final = 27
_SIZE: Final = (1440, height_px(_ROWS))


def main() -> int:
    """Stage the troubles; returns 1 when one of them does not show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=[trouble.name for trouble in TROUBLES], help="One trouble. Default: all five."
    )
    parser.add_argument("--to", type=Path, default=_IMAGES, help="Folder of the pictures. Default: docs/images.")
    given = parser.parse_args()
    if chromium() is None:
        _say("there is no chromium; deploy/chromium/fetch.sh installs it where it can")
        return 1
    given.to.mkdir(parents=True, exist_ok=True)
    try:
        with Interrupts() as interrupts:
            for trouble in TROUBLES:
                if given.only not in (None, trouble.name):
                    continue
                folder = Path(tempfile.mkdtemp(prefix="paceline-trouble-"))
                take(rehearse(trouble, folder, interrupts, _say), given.to / f"trouble-{trouble.name}.png")
                shutil.rmtree(folder, ignore_errors=True)
    except Interrupted as ended:
        return ended.exit_code
    except (PacelineError, OSError) as error:
        _say(str(error))
        return 1
    return 0


def take(screen: Screen, path: Path) -> None:
    """Draw the first screen into a file.

    Args:
        screen: what the Overview shows.
        path: of the picture.
    """
    [overview] = [found for found in committed() if found["uid"] == OVERVIEW]
    width, height = _SIZE
    with browser() as opened:
        shown = opened.new_page(viewport={"width": width, "height": height})
        shown.set_content(page(overview, screen, _ROWS))
        shown.screenshot(path=path)
        shown.close()
    _say(str(path))


def _say(sentence: str) -> None:
    sys.stderr.write(f"troubles: {sentence}\n")


if __name__ == "__main__":
    raise SystemExit(main())
