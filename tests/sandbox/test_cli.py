import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from paceline_sandbox.cli import main
from tests.sandbox.client import body

COMMAND = [sys.executable, "-m", "paceline_sandbox"]
SOURCES = Path(__file__).parents[2] / "sandbox" / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCES)}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=200, env=ENVIRONMENT
    )


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A sandbox process and its root address; whoever leaves the block has stopped it, or it is killed."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("paceline-sandbox listening on http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()


def send(root: str, **fields: object) -> int:
    headers = {"X-User-API-Key": "key"}
    address = f"{root}/open/whatsapp/send-message"
    # Without the certificates of all authorities, which take longer to read than the call lasts.
    return httpx.post(address, json=body(**fields), headers=headers, trust_env=False, verify=False).status_code


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """--help explains the options and how to point a client at the sandbox."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in ("--host", "--port", "--scenario", "--seed", "--log-file", "PACELINE_API_BASE"):
        assert word in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(number: signal.Signals) -> None:
    """The sandbox says one line when ready, serves, and leaves with 0 and without a word on a signal."""
    with started() as (process, root):
        assert send(root) == 202
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=200)
    assert (process.returncode, stdout, stderr) == (0, "", "")


def test_a_signal_does_not_wait_for_calls_in_work(tmp_path: Path) -> None:
    """Neither a dropped call nor one that would be answered in ten minutes holds up the end or leaves a word."""
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('[[faults]]\nkind = "drop"\ncount = 1\n[[faults]]\nkind = "delay"\nseconds = 600\n')
    with started("--scenario", str(scenario)) as (process, root):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            send(root)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{root}/open/whatsapp/send-message",
                json=body(),
                headers={"X-User-API-Key": "key"},
                trust_env=False,
                verify=False,
                timeout=httpx.Timeout(5, read=0.2),
            )
        process.terminate()
        assert process.communicate(timeout=200) == ("", "")
    assert process.returncode == 0


def test_the_seed_decides_the_faults(tmp_path: Path) -> None:
    """Two runs with one seed fail at the same requests."""
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        'latency_ms = 0\n[defaults]\nlimits = []\n[[faults]]\nkind = "answer"\nstatus = 503\nprobability = 0.5\n'
    )
    runs = []
    for seed in ("7", "7", "8"):
        with started("--scenario", str(scenario), "--seed", seed) as (_, root):
            runs.append([send(root) for _ in range(40)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_log_file_has_a_line_per_answer(tmp_path: Path) -> None:
    """--log-file appends each answered request, readable at once."""
    log = tmp_path / "log.jsonl"
    for _ in range(2):
        with started("--log-file", str(log)) as (_, root):
            assert send(root, text="Hi") == 202
            # The answer goes out a moment before or after the line; the report waits its turn behind both.
            httpx.get(f"{root}/sandbox/report", trust_env=False, verify=False)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["body"]["text"], line["status"]) for line in lines] == [("Hi", 202), ("Hi", 202)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("speed = 1", "speed"),
        ('[[faults]]\nkind = "answer"\nstatus = "high"', "faults[0].status"),
        ("=", "TOML"),
    ],
)
def test_a_bad_scenario_is_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, place: str
) -> None:
    """A bad scenario file ends the program with 2 and one sentence that names the field."""
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(text)
    assert main(["--scenario", str(scenario)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert place in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "x"], ["--nonsense"]])
def test_bad_usage_is_exit_2(arguments: list[str]) -> None:
    """Wrong arguments end the program with 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_the_code_is_that_of_the_program() -> None:
    """What a scenario file that is not there makes of a process: 2 and no traceback."""
    result = run("--scenario", "no.toml")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_exit_1() -> None:
    """A port in use is one sentence on stderr and exit 1."""
    with started() as (_, root):
        result = run("--port", root.rpartition(":")[2])
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_a_log_file_that_cannot_be_written_is_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log file in a folder that does not exist is one sentence that names it, and exit 1."""
    assert main(["--port", "0", "--log-file", str(tmp_path / "nowhere" / "log.jsonl")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "nowhere" in said.err
    assert len(said.err.splitlines()) == 1


def arrivals(root: str) -> httpx.Response:
    return httpx.get(f"{root}/sandbox/arrivals", trust_env=False, verify=False)


def test_a_caller_who_leaves_in_the_middle_is_recorded_in_silence() -> None:
    """A connection that ends before its body has arrived is an arrival without a status, and no error."""
    with started() as (process, root):
        host, port = root.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /open/whatsapp/send-message HTTP/1.1\r\nHost: x\r\nX-User-API-Key: key\r\n"
                b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
            )
            while not arrivals(root).text:
                time.sleep(0.01)
        while (arrival := arrivals(root).json())["finished_us"] is None:
            time.sleep(0.01)
        assert (arrival["status"], arrival["accepted"]) == (None, False)
        process.terminate()
        assert process.communicate(timeout=200) == ("", "")
