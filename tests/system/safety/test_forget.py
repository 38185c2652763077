"""`paceline forget` under load: no trace of the number, all other work goes on, the books balance."""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from paceline import Ticket
from tests.scripts.review.test_forget import traces
from tests.support.processes import Sandbox
from tests.support.servers import start_server
from tests.support.shell import paceline
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

NUMBER = "+491510000077"


def files_with(number: str, stack: Stack) -> list[str]:
    """Files of the append-only log that hold it."""
    folder = Path(str(stack.client.config_get("dir")["dir"]))
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and "aof" in path.name and number[1:].encode() in path.read_bytes()
    ]


def test_a_person_is_forgotten_under_load(sandbox: Sandbox) -> None:
    """Messages to the person before and while it happens, and to a hundred others all the time."""
    with start_server() as server, Stack(server, sandbox) as stack:
        stack.client.config_set("rdbcompression", "no")  # so that a file shows what is in it
        stack.sandbox.reset()
        stack.scenario()
        stack.add_account("2400/minute")
        stack.start_worker()
        for number in range(20):
            stack.send(number, to=NUMBER)
        stack.settled(10)
        stop = threading.Event()
        sent: list[Ticket] = []

        def go_on() -> None:
            while not stop.wait(0.02):
                sent.append(stack.send(100 + len(sent)))

        load = threading.Thread(target=go_on)
        load.start()
        try:
            assert stack.wait_for(lambda _: len(sent) > 20, "load", timedelta(seconds=30))
            done = paceline(stack.environment, "forget", "--number", NUMBER, "--yes", "--wait", "60", "--json")
        finally:
            stop.set()
            load.join()
        assert 0 == done.code, done
        told = json.loads(done.out)
        assert told["rewritten"]
        assert 20 == told["operations"] + told["cancelled"]
        stack.settled(20 + len(sent))
        assert [] == list(traces(stack.client))
        assert [] == files_with(NUMBER, stack)
        assert 0 == stack.balance().unaccounted
        texts = stack.texts_accepted()
        assert all(texts[f"message {100 + place}"] == 1 for place in range(len(sent)))
        assert NUMBER[1:] not in paceline(stack.environment, "history", "--json").out
