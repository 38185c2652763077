"""A canary key, number and text: in no log, no traceback, no metric, no span, no broker key, no process list, on no terminal."""

import json
import re
import urllib.request
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import psutil
import pytest

from paceline import names
from paceline.state import connect
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from tests.support.collector import collecting
from tests.support.processes import free_port
from tests.support.promtool import promtool
from tests.support.servers import start_server
from tests.support.shell import paceline
from tests.support.stack import SECRET, Stack
from tests.support.stored import contents

pytestmark = [pytest.mark.system]

KEY, NUMBER, TEXT = "UAKcanary-7f3e", "+15559998877", "canary text 5c1a"
FAULTS = [
    {
        "kind": "answer",
        "status": 422,
        "from_request": 1,
        "count": 1,
        "message": f"number {NUMBER} is bad, and so is '{TEXT}', says {KEY[2:12]}...\r\n\x1b[31mred",
    },
    {"kind": "answer", "status": 503, "from_request": 2, "count": 1},
    {"kind": "drop", "from_request": 3, "count": 1},
    {"kind": "answer_after_accepting", "status": 500, "from_request": 4, "count": 1},
    {"kind": "answer", "status": 486, "from_request": 5, "count": 1},
    {"kind": "answer", "status": 429, "from_request": 6, "count": 1, "retry_after": 1},
    {
        "kind": "answer",
        "status": 401,
        "from_request": 7,
        "count": 1,
        "message": f"Invalid API key '{KEY}' for {NUMBER[1:]}",
    },
]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_canary_leaves_no_trace(stack: Stack, log_format: str) -> None:
    """Seven kinds of failure later, neither key nor number nor text is anywhere but in state and on the wire."""
    stack.scenario(faults=FAULTS)
    Accounts(stack.client).add(
        stack.name, ApiKey(KEY), ring=KeyRing(SECRET), rates="6000/minute", pacing="window", info_every=timedelta(0)
    )
    port = free_port()
    with start_server() as broker, collecting() as collector:
        stack.forked = False  # the worker's command line is read
        worker = stack.start_worker(
            PACELINE_METRICS_PORT=str(port),
            PACELINE_LOG_FORMAT=log_format,
            PACELINE_BROKER_URL=broker.url,
            PACELINE_STATE_URL=stack.server.url,
            options=["--loglevel", "DEBUG"],
            **collector.environment,
        )
        stack.outbox.close()
        for number in range(8):
            stack.send(number, to=NUMBER, text=TEXT, sender=f"+1555010000{number}")
        stack.wait_for(lambda books: books.outcomes["rejected"] == 1 and suspended(stack), "the faults have struck")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=200) as answer:
            metrics = answer.read().decode()
        command_line = " ".join(psutil.Process(worker.pid).cmdline())
        broken = broker_dump(broker.url)
        worker.stop()
        everything = {"log": worker.log_text(), "metrics": metrics, "ps": command_line, "broker": broken}
        everything["spans"] = "\n".join(map(str, collector.spans()))
        assert "paceline" in everything["spans"]
    everything |= on_terminals(stack)
    everything["history"] = str(stack.client.xrange(f"{names.STATE_ROOT}:trail"))
    for place, text in everything.items():
        for canary in (KEY, NUMBER, NUMBER[1:], TEXT, SECRET):
            assert canary not in text, f"{canary} in {place}"
    assert_no_key(stack)
    assert re.search(r"^paceline_operations_settled_total\{.*outcome=\"rejected\"\} 1\.0$", metrics, re.MULTILINE)


def on_terminals(stack: Stack) -> dict[str, str]:
    """What commands print of operations to the number, errors and tracebacks of the program's own included."""
    entries: Any = stack.client.xrange(f"{names.STATE_ROOT}:outcomes")
    ids = sorted({entry["id"] for _, entry in entries})
    assert ids
    commands = [("status", op_id, *form) for op_id in ids for form in ((), ("--json",))]
    commands += [("explain", ids[0]), ("dead", "list", "--json"), ("held", "list"), ("history",), ("outcomes",)]
    told = {" ".join(command): (ended := paceline(stack.environment, *command)).out + ended.err for command in commands}
    nobody = {**stack.environment, "PACELINE_BROKER_URL": f"redis://127.0.0.1:{free_port()}", "PACELINE_DEBUG": "1"}
    arguments = ("--account", stack.name, "--from", "+15550100001", "--to", NUMBER, "--text", TEXT)
    unreachable = paceline(nobody, "send", *arguments)
    assert 1 == unreachable.code
    told["an unreachable server"] = unreachable.out + unreachable.err
    with patch("paceline.cli.send.submit.Outbox.send", side_effect=ZeroDivisionError):
        broken = paceline({**stack.environment, "PACELINE_DEBUG": "1"}, "send", *arguments)
    assert "Traceback" in broken.err
    told["a fault of the program"] = broken.out + broken.err
    return told


def assert_no_key(stack: Stack) -> None:
    """Neither the key nor eight characters of it in state or on a terminal; no number or text in the words."""
    everywhere = {"state": broker_dump(stack.server.url)}
    for command in (("accounts", "show", stack.name), ("dead", "list"), ("outcomes",), ("outcomes", "--format", "csv")):
        ended = paceline(stack.environment, *command)
        assert 0 == ended.code, ended.err
        everywhere[" ".join(command)] = ended.out
    for place, text in everywhere.items():
        assert [] == [part for start in range(len(KEY) - 7) if (part := KEY[start : start + 8]) in text], place
    entries: Any = stack.client.xrange(f"{names.STATE_ROOT}:outcomes")
    told = json.dumps([entry.get("words") for _, entry in entries])
    assert "[removed] is bad, and so is" in told
    for canary in (NUMBER[1:], TEXT):
        assert canary not in told + everywhere["accounts show " + stack.name]


def test_promtool_has_nothing_to_say_of_a_worker(stack: Stack) -> None:
    """After failures of several kinds, its metrics have names, types and help texts as Prometheus wants them."""
    stack.scenario(faults=FAULTS[:2])
    stack.add_account()
    port = free_port()
    stack.start_worker(PACELINE_METRICS_PORT=str(port))
    for number in range(3):
        stack.send(number)
    stack.settled(3)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=200) as answer:
        assert "" == promtool("check", "metrics", stdin=answer.read().decode())


def suspended(stack: Stack) -> bool:
    picture = stack.state.account(stack.name)
    return bool(picture and picture.account.suspended)


def broker_dump(url: str) -> str:
    """Every key and value of the broker as text."""
    client = connect(url)
    parts = [f"{key}: {text}" for key, text in contents(client)]
    client.close()
    return "\n".join(parts)
