"""`paceline demo`, for real: what it reports, and that it leaves nothing behind."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest
import typer

from paceline_sandbox.demo import command
from tests.embedded.observe import alive
from tests.support.processes import Process, spawn
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEMO = (sys.executable, "-m", "paceline_sandbox.demo", "--fast")
PLENTY = timedelta(seconds=150)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the demo keeps its directory."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def start(scratch: Path, *options: str) -> Process:
    # PACELINE_STATE_URL: a setting of the caller's installation, which the demo must not reach.
    environment = {"TMPDIR": str(scratch), "PACELINE_STATE_URL": "redis://127.0.0.1:1/0"}
    return spawn([*DEMO, *options], environment, scratch.parent / "demo.log")


def everything_of(demo: Process) -> list[int]:
    return [child.pid for child in psutil.Process(demo.pid).children(recursive=True)]


@dataclass(frozen=True)
class Running:
    """Two whole demos side by side: each takes its time, and neither needs much of the machine."""

    reporting: Process
    reports_in: Path
    kept: Process
    keeps_in: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    first, second = (tmp_path_factory.mktemp("demo") / "scratch" for _ in range(2))
    first.mkdir()
    second.mkdir()
    with start(first, "--json", "--seed", "3") as reporting, start(second, "--keep") as kept:
        yield Running(reporting, first, kept, second)


@pytest.mark.system
@pytest.mark.timeout(400)
def test_nothing_is_lost_nothing_doubled_and_no_limit_broken(running: Running) -> None:
    """The provider saw each message once, through an outage, a 429 and a killed worker."""
    assert running.reporting.wait(PLENTY) == 0, running.reporting.log_text()
    log = running.reporting.log_text()
    assert list(running.reports_in.iterdir()) == []
    assert "killing worker w1 with SIGKILL" in log
    assert "starting worker w3 in its place" in log  # on a busy machine all is sent before that worker is ready
    assert "growth: the provider answers 429" in log
    assert "scale: the provider answers 503" in log
    report = json.loads(log.splitlines()[-1])
    assert (report["ok"], report["problems"], report["seed"], report["audit"]["ok"]) == (True, [], 3, True)
    assert {one["account"]: one["to_send"] for one in report["accounts"]} == {"trial": 2, "growth": 10, "scale": 36}
    for one in report["accounts"]:
        assert tuple(one[name] for name in ("lost", "doubled", "unsent", "violations")) == (0, 0, 0, 0)
        assert one["accepted"] == one["to_send"] - one["held"] + one["held_accepted"]
        assert 0 < one["share_used"] <= 1
    assert {one["account"]: one["arrived"] - one["accepted"] for one in report["accounts"]} == {
        "trial": 0,
        "growth": 1,
        "scale": 4,
    }


@pytest.mark.system
@pytest.mark.timeout(400)
def test_everything_can_be_kept_running_until_ctrl_c(running: Running) -> None:
    """The metrics answer, and Ctrl-C is the ordinary end."""
    demo = running.kept
    demo.wait_for_line("Everything keeps running", PLENTY)
    metrics = demo.wait_for_line(r"metrics of w3 +(http://\S+)")[1]
    with build_opener(ProxyHandler({})).open(metrics) as answer:
        assert "paceline_worker_capacity_operations " in answer.read().decode()
    children = everything_of(demo)
    psutil.Process(demo.pid).send_signal(signal.SIGINT)
    assert demo.wait(PLENTY) == 0
    assert [pid for pid in children if alive(pid)] == []
    assert list(running.keeps_in.iterdir()) == []


@pytest.mark.system
@pytest.mark.parametrize("moment", ["starting a state server", "starting workers", "worker w1 is ready", "killing"])
def test_ctrl_c_ends_everything_at_any_time(scratch: Path, moment: str) -> None:
    """Exit code 130, no process, no directory, no traceback."""
    with start(scratch) as demo:
        demo.wait_for_line(moment)
        children = everything_of(demo)
        assert children
        psutil.Process(demo.pid).send_signal(signal.SIGINT)
        assert demo.wait(PLENTY) == 130
        assert [pid for pid in children if alive(pid)] == []
        assert "Traceback" not in demo.log_text()
        assert "paceline: stopped" in demo.log_text()
    assert list(scratch.iterdir()) == []


@pytest.mark.system
def test_a_killed_demo_leaves_no_process_either(scratch: Path) -> None:
    """Its keepers end what it started."""
    with start(scratch) as demo:
        demo.wait_for_line("worker w1 is ready")
        children = everything_of(demo)
        demo.kill()
        wait_until(lambda: not any(map(alive, children)), PLENTY, "all its processes to end")


@pytest.mark.system
def test_a_process_that_ends_by_itself_is_named_and_the_logs_are_kept(scratch: Path) -> None:
    """One sentence, and where to look."""
    with start(scratch) as demo:
        demo.wait_for_line("worker w2 is ready")
        worker = next(pid for pid in everything_of(demo) if "w2@%h" in psutil.Process(pid).cmdline()[-3:])
        psutil.Process(worker).kill()
        assert demo.wait(PLENTY) == 1
        assert "paceline: worker w2 ended unexpectedly: " in demo.log_text()
        (kept,) = scratch.iterdir()
        assert f"paceline: the logs of this run are in {kept}" in demo.log_text()
        assert (kept / "w2.log").exists()


def test_a_missing_extra_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scratch: Path
) -> None:
    """Which package is missing and what to install."""
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "httpx" else object())
    with pytest.raises(typer.Exit) as ended:
        command.demo()
    assert ended.value.exit_code == 1
    expected = "paceline: the demo needs 'httpx', which is not installed: pip install 'paceline["
    assert capsys.readouterr().err.startswith(expected)
    assert list(scratch.iterdir()) == []
