"""Forks of the nursery are programs like any other: their own environment, log, session and end."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.nursery import makes
from tests.support.processes import Process, spawn

pytestmark = pytest.mark.system
PLENTY = timedelta(seconds=150)
# A module of the standard library that runs what a file says.
RUN = [sys.executable, "-m", "timeit", "-n", "1", "-r", "1", "-s"]


def program(code: str, folder: Path, **env: str) -> Process:
    return spawn([*RUN, code], env, folder / "log", forked=True)


def test_a_fork_has_its_own_surroundings(tmp_path: Path) -> None:
    """Variables, arguments, session and output."""
    code = (
        "import os, sys; print(os.environ['GIVEN'], os.environ.get('HOME'), sys.argv[1:3], os.getsid(0) == os.getpid())"
    )
    with program(code, tmp_path, GIVEN="words") as process:
        assert 0 == process.wait(PLENTY)
    assert f"words {os.environ.get('HOME')} ['-n', '1'] True" == process.log_text().splitlines()[0]


def test_two_forks_know_nothing_of_each_other(tmp_path: Path) -> None:
    """What a program changes in itself, it takes with it."""
    (tmp_path / "two").mkdir()
    with program("import os, celery; os.environ['LEFT'] = celery.left = 'here'", tmp_path) as first:
        assert 0 == first.wait(PLENTY)
    with program(
        "import os, celery; print(os.environ.get('LEFT'), hasattr(celery, 'left'))", tmp_path / "two"
    ) as second:
        assert 0 == second.wait(PLENTY)
    assert "None False" == second.log_text().splitlines()[0]


KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    ("args", "ended"),
    [([sys.executable, "-m", "json.tool", "/missing"], 2), ([*RUN, KILLED], -signal.SIGKILL)],
    ids=["exits", "is killed"],
)
def test_an_end_is_told_as_that_of_any_program(tmp_path: Path, args: list[str], ended: int) -> None:
    """Its own exit code, or the signal, as often as it is asked for."""
    with spawn(args, {}, tmp_path / "log", forked=True) as process:
        assert [ended, ended] == [process.wait(PLENTY), process.exit_code]


def test_an_exception_is_written_to_its_log(tmp_path: Path) -> None:
    """With a traceback, and the exit code of a failed interpreter."""
    with program("1 / 0", tmp_path) as process:
        assert 1 == process.wait(PLENTY)
    assert "ZeroDivisionError" in process.log_text()


def test_whoever_waits_too_briefly_is_told(tmp_path: Path) -> None:
    """And the program runs until it is stopped."""
    with program("import time; print('runs'); time.sleep(1000)", tmp_path) as process:
        process.wait_for_line("runs")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timedelta(milliseconds=10))
        assert process.exit_code is None
        assert -signal.SIGTERM == process.stop()


@pytest.mark.parametrize(
    ("args", "env", "forks"),
    [
        ([sys.executable, "-m", "celery"], {"PACELINE_CAPACITY": "20"}, True),
        ([sys.executable, "-m", "celery"], {"PYTHONPATH": "clocks"}, False),
        ([sys.executable, "-m", "celery"], {"LD_PRELOAD": "clock.so"}, False),
        ([sys.executable, "-c", "pass"], {}, False),
        (["redis-server"], {}, False),
    ],
)
def test_what_an_interpreter_must_read_first_is_no_fork(args: list[str], env: dict[str, str], *, forks: bool) -> None:
    """Such a program is started as a user would start it."""
    assert makes(args, env) is (forks and sys.platform == "linux")
