"""What the demo needs of a keeper beyond what the embedded server's tests show."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from paceline_sandbox.keeper import KILL, Keeper
from tests.embedded.observe import PLENTY, alive
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SLEEP = "import os, time; print(os.environ.get('GIVEN'), os.environ.get('PATH'), flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


def kept(program: str, log: Path, **env: str) -> Keeper:
    with log.open("ab") as file:
        return Keeper([sys.executable, "-c", program], file, env=env)


def test_the_child_has_the_environment_given_and_no_other(tmp_path: Path) -> None:
    """Nothing of the owner's."""
    log = tmp_path / "log"
    keeper = kept(SLEEP, log, GIVEN="yes")
    wait_until(lambda: log.read_text() == "yes None\n", PLENTY, "the child to write")
    keeper.end()
    assert not alive(keeper.child_pid)


def test_several_are_ended_side_by_side(tmp_path: Path) -> None:
    """Asked first and waited for afterwards, all are over when the slowest is."""
    keepers = [kept(SLEEP, tmp_path / "log") for _ in range(3)]
    for keeper in keepers:
        keeper.begin_end()
    wait_until(lambda: not any(alive(keeper.child_pid) for keeper in keepers), PLENTY, "all to end")
    for keeper in keepers:
        keeper.end()


def test_a_kill_waits_for_nothing(tmp_path: Path) -> None:
    """Not even for a child that does not listen."""
    log = tmp_path / "log"
    keeper = kept(STUBBORN, log)
    wait_until(lambda: log.read_text() == "deaf\n", PLENTY, "the child to write")
    started_s = time.monotonic()
    keeper.end(KILL)
    assert not alive(keeper.child_pid)
    assert time.monotonic() - started_s < 5
