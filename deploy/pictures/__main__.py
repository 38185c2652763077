"""The command: `python -m deploy.pictures` records and draws, with `--recording FILE` it only draws."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from deploy.grafana.queries import committed
from deploy.pictures import recording
from deploy.pictures.errors import PicturesError
from paceline.errors import PacelineError
from paceline_sandbox.demo.interrupts import Interrupted, Interrupts

_ROOT: Final = Path(__file__).parents[2]
IMAGES: Final = _ROOT / "docs" / "images"
RECORDING: Final = _ROOT / "build" / "pictures" / "recording.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pictures.

    Args:
        arguments: without the program's name; the process's own unless given.

    Returns:
        The exit code: 0, 1 when it failed, or 128 and the signal that ended it.
    """
    options = _parser().parse_args(arguments)
    say = _teller()
    try:
        for name in ("matplotlib", "PIL"):
            if find_spec(name) is None:
                raise PicturesError("matplotlib is not installed; pip install -e '.[dev]' brings it")
        if options.recording:
            found = recording.read(options.recording)
        else:
            found = _record(say)
            recording.write(found, options.save)
            say(f"the recording is {options.save}")
        draw_all(found, options.images, say)
    except Interrupted as ended:
        say("stopped")
        return ended.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (PacelineError, OSError) as error:
        say(str(error))
        return 1
    return 0


def draw_all(found: recording.Recording, folder: Path, say: Callable[[str], None]) -> None:
    """Draw each committed dashboard.

    Args:
        found: what is shown.
        folder: of the pictures, one for each dashboard, with its name.
        say: told which, and what is missing on it.

    Raises:
        OSError: one cannot be written.
    """
    from deploy.pictures import page  # noqa: PLC0415 - imports what may have been missing

    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in committed():
        path = folder / f"{dashboard['uid'].removeprefix('paceline-')}.png"
        missing = page.draw(dashboard, found, path)
        words = f"; {len(missing)} not drawn: {', '.join(missing)}" if missing else ""
        say(f"{path}, {path.stat().st_size // 1000} kB{words}")


def _record(say: Callable[[str], None]) -> recording.Recording:
    """Record in a folder that is removed; after a failure its logs are left."""
    from deploy.pictures.record import record  # noqa: PLC0415 - starts slowly: --help and --recording do without

    folder = Path(tempfile.mkdtemp(prefix="paceline-pictures-"))
    try:
        with Interrupts() as interrupts:
            found = record(folder, interrupts, say)
    except PacelineError:
        if any(folder.iterdir()):
            say(f"the logs are in {folder}")
        else:
            folder.rmdir()
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.pictures",
        description="Draw the dashboards: a small fleet is started on this machine and troubled for four minutes, a real "
        "Prometheus looks at it and answers the dashboards' own queries, and of its answers pictures are made.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--recording", type=Path, metavar="FILE", help="start nothing: draw this recording again")
    source.add_argument(
        "--save", type=Path, metavar="FILE", default=RECORDING, help="where the recording is kept (build/pictures)"
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", default=IMAGES, help="where the pictures are put (docs/images)"
    )
    return parser


def _teller() -> Callable[[str], None]:
    """Sentences on stderr, each with the minutes and seconds that have gone by."""
    begun = time.monotonic()

    def say(sentence: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        sys.stderr.write(f"pictures {minutes}:{seconds:02d} {sentence}\n")

    return say


if __name__ == "__main__":
    sys.exit(main())
