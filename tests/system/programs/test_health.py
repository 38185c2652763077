"""What probes are told by the programs that run all the time, in trouble and after it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.support.celery_tools import ask
from tests.support.processes import Process, free_port, spawn
from tests.support.servers import start_server
from tests.support.shell import paceline
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

OPENER = build_opener(ProxyHandler({}))
PROGRAMS = {"exporter": "PACELINE_EXPORTER_PORT", "receiver": "PACELINE_RECEIPTS_PORT"}


def probe(port: int, path: str) -> tuple[int, str]:
    """Status and words; status 0 when nobody answers."""
    try:
        with OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode().strip()
    except HTTPError as error:
        return error.code, error.read().decode().strip()
    except (URLError, TimeoutError):
        return 0, ""


def is_ready(port: int) -> bool:
    return probe(port, "/readyz") == (200, "ok")


def says(port: int, words: str) -> bool:
    """Not ready, for this reason."""
    status, reason = probe(port, "/readyz")
    return status == 503 and words in reason


@contextmanager
def silent(pid: int) -> Iterator[None]:
    """A process that keeps its connections and says nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def programs(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Exporter and receiver of the stack, by their ports."""
    logs, ports = tmp_path_factory.mktemp("logs"), {}
    with ExitStack() as running:
        for name, variable in PROGRAMS.items():
            ports[name] = free_port()
            environment = stack.environment | {variable: str(ports[name])}
            program = spawn([sys.executable, "-m", "paceline.cli", name], environment, logs / name)
            running.callback(program.kill)
            program.wait_for_line("address=http")
        yield ports


def worker_with_port(stack: Stack, **environment: str) -> tuple[Process, int]:
    port = free_port()
    return stack.start_worker(PACELINE_METRICS_PORT=str(port), **environment), port


def test_a_silent_state_server_makes_nobody_ready_and_ends_nobody(stack: Stack, programs: dict[str, int]) -> None:
    """Worker, exporter and receiver say why they are not ready; a restart would not help, so they are alive all the time."""
    _, programs["worker"] = worker_with_port(stack)
    for port in programs.values():
        wait_until(partial(is_ready, port), PATIENCE, "a ready program")
        assert (200, "ok") == probe(port, "/healthz")
        assert 200 == probe(port, "/metrics")[0]
        assert 404 == probe(port, "/nonsense")[0]
    with silent(stack.server.pid):
        for port in programs.values():
            wait_until(partial(says, port, "does not answer"), PATIENCE, "a program that is not ready")
            assert (200, "ok") == probe(port, "/healthz")
    for port in programs.values():
        wait_until(partial(is_ready, port), PATIENCE, "a program that is ready again")


def test_the_command_says_what_a_probe_says(stack: Stack) -> None:
    """`paceline health` ends with 0 while the worker is ready, and with 1 and the reason while it is paused."""
    worker, port = worker_with_port(stack)
    environment = stack.environment | {"PACELINE_METRICS_PORT": str(port)}
    wait_until(lambda: paceline(environment, "health").code == 0, PATIENCE, "a ready worker")
    assert "The worker is ready." in paceline(environment, "health").out
    ask(stack, worker, "paceline_pause")
    wait_until(lambda: probe(port, "/readyz")[0] == 503, PATIENCE, "a paused worker")
    asked = paceline(environment, "health")
    assert (1, True) == (asked.code, "this worker is paused" in asked.err), asked
    assert 0 == paceline(environment, "health", "--live").code
    ask(stack, worker, "paceline_resume")
    wait_until(lambda: probe(port, "/readyz")[0] == 200, PATIENCE, "a worker that takes operations on again")


def test_a_worker_without_its_broker_is_not_ready(stack: Stack) -> None:
    """The state server answers and the broker is gone: the worker sends alone, and says that it hears nobody."""
    with start_server() as broker:
        _, port = worker_with_port(stack, PACELINE_BROKER_URL=broker.url, PACELINE_STATE_URL=stack.server.url)
        wait_until(partial(is_ready, port), PATIENCE, "a ready worker")
        with silent(broker.pid):
            wait_until(partial(says, port, "the broker does not answer"), PATIENCE, "a worker that is not ready")
            assert (200, "ok") == probe(port, "/healthz")
        wait_until(partial(is_ready, port), PATIENCE, "a ready worker")
