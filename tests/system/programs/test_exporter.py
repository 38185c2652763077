"""The exporter as a process, scraped as Prometheus does it."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from paceline import names
from paceline.state.scripts import Script
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.exporter.__main__ import main
from tests.conftest import SECRET
from tests.support.processes import Process, free_port, spawn
from tests.support.promtool import promtool
from tests.support.shell import Ended, logging_as_before
from tests.support.stack import PATIENCE, Stack, canary_environment
from tests.support.wait import wait_until

pytestmark = pytest.mark.system
MODULE = [sys.executable, "-m", "paceline_worker.exporter"]
NOWHERE = "redis://127.0.0.1:1/0"
PLENTY = timedelta(seconds=150)
WITHOUT_PROXY = build_opener(ProxyHandler({}))


@contextmanager
def exporter(state_url: str, log_path: Path, *options: str) -> Iterator[tuple[Process, str]]:
    """A running one, and its address."""
    port = free_port()
    environment = {"PACELINE_BROKER_URL": state_url, "PACELINE_LOG_FORMAT": "json"}
    with spawn([*MODULE, "--port", str(port), *options], environment, log_path, forked=True) as process:
        process.wait_for_line("/metrics")
        yield process, f"http://127.0.0.1:{port}"


def fetch(address: str) -> str:
    with WITHOUT_PROXY.open(address, timeout=200) as reply:
        text: str = reply.read().decode()
        return text


def values(text: str) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def once(*options: str, **environment: str) -> Ended:
    """One look, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict("os.environ", {**canary_environment(), **environment}, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
        logging_as_before(),
    ):
        code = main(["--once", *options])
    return Ended(code, out.getvalue(), err.getvalue())


def program(**environment: str) -> subprocess.CompletedProcess[str]:
    """The same as a process."""
    return subprocess.run(
        [*MODULE, "--once"],
        env={**canary_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_it_shows_the_state_and_workers_show_themselves(stack: Stack, tmp_path: Path) -> None:
    """A backlog, the fleet and the books in one place; a worker has its own load and capacity, and none of the state."""
    stack.add_account("10/minute")
    port = free_port()
    stack.start_worker(PACELINE_METRICS_PORT=str(port), PACELINE_CAPACITY="7")
    for number in range(5):
        stack.send(number)
    stack.wait_for(lambda books: books.inbox == 0, "the inbox is empty")
    with exporter(stack.server.url, tmp_path / "log") as (_, address):
        text = fetch(f"{address}/metrics")
        of_worker = fetch(f"http://127.0.0.1:{port}/metrics")
    found = values(text)
    assert 1 == found["paceline_state_up",]
    assert (1, 7, 1) == tuple(
        found[f"paceline_{name}",] for name in ("workers", "fleet_capacity_operations", "workers_wanted")
    )
    assert 0 == found["paceline_unaccounted_operations",]
    assert 1 <= sum(value for key, value in found.items() if key[0] == "paceline_backlog_operations") <= 5
    assert "process_resident_memory_bytes" in text
    shown = values(of_worker)
    assert 7 == shown["paceline_worker_capacity_operations",]
    assert ("process_resident_memory_bytes",) in shown
    assert {key[0] for key in shown if key[0].startswith("paceline_")}.isdisjoint(key[0] for key in found)


def test_promtool_has_nothing_to_say(stack: Stack, tmp_path: Path) -> None:
    """Names, types and help texts are as Prometheus wants them."""
    stack.add_account()
    with exporter(stack.server.url, tmp_path / "log") as (_, address):
        text = fetch(f"{address}/metrics")
    assert "" == promtool("check", "metrics", stdin=text)


def test_a_state_server_that_goes_away_is_down_and_back_up(server: EmbeddedServer, tmp_path: Path) -> None:
    """Each scrape is answered: with 0 alone while it is away, with everything once it is back."""
    with exporter(server.url, tmp_path / "log") as (_, address):
        assert 1 == values(fetch(f"{address}/metrics"))["paceline_state_up",]
        psutil.Process(server.pid).suspend()
        try:
            wait_until(lambda: values(fetch(f"{address}/metrics"))["paceline_state_up",] == 0, PATIENCE, "down")
            shown = {key[0] for key in values(fetch(f"{address}/metrics")) if key[0].startswith("paceline_")}
            assert {"paceline_state_up", "paceline_exporter_scrape_seconds"} == shown
            assert "ok\n" == fetch(f"{address}/-/healthy")
        finally:
            psutil.Process(server.pid).resume()
        wait_until(lambda: values(fetch(f"{address}/metrics"))["paceline_state_up",] == 1, PATIENCE, "up again")


def test_it_starts_without_a_state_server(tmp_path: Path) -> None:
    """So that somebody is told that it is away; its log says so once."""
    with exporter(NOWHERE, tmp_path / "log") as (process, address):
        for _ in range(3):
            assert 0 == values(fetch(f"{address}/metrics"))["paceline_state_up",]
        assert 1 == process.log_text().count("does not answer")
        assert "Traceback" not in process.log_text()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_told_to(end: signal.Signals, server: EmbeddedServer, tmp_path: Path) -> None:
    """Exit code 0, no word, and nobody listens any more; also while the state server hangs in the middle of a scrape."""
    with exporter(server.url, tmp_path / "log") as (process, address):
        before = process.log_text()
        psutil.Process(process.pid).send_signal(end)
        assert 0 == process.wait(PLENTY)
        assert before == process.log_text()
        with pytest.raises(URLError):
            fetch(f"{address}/metrics")


def test_once_prints_and_ends(stack: Stack) -> None:
    """For a look by hand: the same text on stdout; exit code 1 when the state server does not answer."""
    stack.add_account()
    done = program(PACELINE_BROKER_URL=stack.server.url)
    assert ("", 0) == (done.stderr, done.returncode)
    assert 0 == values(done.stdout)["paceline_backlog_operations", stack.name, "bulk"]
    away = once(PACELINE_BROKER_URL=NOWHERE)
    assert 1 == away.code
    assert 0 == values(away.out)["paceline_state_up",]


@pytest.mark.parametrize(
    ("words", "options", "environment"),
    [
        ("PACELINE_EXPORTER_PORT", ["--port", "many"], {}),
        ("PACELINE_EXPORTER_PORT", [], {"PACELINE_EXPORTER_PORT": "0"}),
        ("PACELINE_BROKER_URL: names no host with a port", [], {"PACELINE_BROKER_URL": "redis://h:port/0"}),
    ],
)
def test_what_is_malformed_is_told_in_one_sentence(words: str, options: list[str], environment: dict[str, str]) -> None:
    """No traceback."""
    done = once(*options, **environment)
    assert 1 == done.code
    assert words in done.err
    assert 1 == len(done.err.splitlines())


def test_a_taken_port_is_told_in_one_sentence(server: EmbeddedServer, tmp_path: Path) -> None:
    """Two exporters on one port."""
    with exporter(server.url, tmp_path / "log") as (_, address):
        port = address.rpartition(":")[2]
        second = spawn([*MODULE, "--port", port], {"PACELINE_BROKER_URL": server.url}, tmp_path / "second", forked=True)
        assert 1 == second.wait(PLENTY)
        assert second.log_text().startswith("paceline: nothing can be served at 127.0.0.1:")
        assert 1 == len(second.log_text().splitlines())


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a state server."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert 0 == ended.value.code
    said = capsys.readouterr().out
    assert [] == [option for option in ("--port", "--address", "--once", "PACELINE_STATE_URL") if option not in said]


def test_ten_thousand_accounts_make_no_more_series_than_a_hundred(stack: Stack) -> None:
    """50 by name and `other`, and every account is counted."""
    add = Script("paceline_worker", "account")
    fields = ("interval", 6_100_000, "variation", 100_000, "quotas", "", "info_every", 0, "credits_left")
    for first in range(0, 10_000, 500):
        accounts = range(first, first + 500)
        add.run_many(stack.client, [("add", f"a{number:05}", "", "", *fields, number + 1) for number in accounts])
    done = once(PACELINE_BROKER_URL=stack.server.url)
    found = values(done.out)
    assert 10_000 == found["paceline_accounts",]
    shown = {key[1] for key in found if key[0] == "paceline_backlog_operations"}
    assert 51 == len(shown)
    assert "other" in shown
    assert pytest.approx(9_950 / 6.1) == found["paceline_rate_limit_per_second", "other"]
    assert len(found) < 1000
    stack.client.flushall()


def test_nothing_private_is_shown(stack: Stack) -> None:
    """Neither a phone number nor a text nor a key, encrypted or not."""
    stack.add_account("10/minute")
    stack.send(1, text="canary-text")
    encrypted = str(stack.client.hget(f"{names.STATE_ROOT}:secret:{stack.name}", "key"))
    done = once(PACELINE_BROKER_URL=stack.server.url, PACELINE_SECRET_KEY=SECRET)
    assert len(encrypted) > 40
    for secret in (encrypted, SECRET, "canary-text", "+1555"):
        assert secret not in done.out + done.err
