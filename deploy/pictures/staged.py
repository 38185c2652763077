"""A day in state: accounts in several moods, campaigns at several points, held operations, dead letters, outcomes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from tests.conftest import add_account
from tests.console.hooked import add_hook, event, give_up
from tests.doors.exam import Worker

from paceline import Outbox, SendMessage
from paceline.gateway import tokens
from paceline.literals import Outcome
from paceline.state import questions
from paceline_worker.accounts.accounts import Accounts

_ACCOUNTS: Final = {"acme": "240/minute", "globex": "80/minute", "initech": "10/minute", "umbrella": "10/minute"}
_SALE: Final = "Hi {name}, our spring sale starts today. Everything is 20 % off until Sunday."
_STORY: Final[tuple[tuple[Outcome, str, str], ...]] = (
    ("accepted", "202", ""),
    ("rejected", "422", "The number is not on WhatsApp"),
    ("accepted", "202", ""),
    ("held", "unknown", "the connection was lost after the request was sent"),
    ("dead", "503", "Service Unavailable"),
    ("accepted", "202", ""),
    ("held", "unknown", "no answer within 15 s"),
    ("rejected", "413", "The media file is too large"),
)


def stage(url: str, worker: Worker) -> str:
    """Put it into an empty state; returns a token.

    Args:
        url: the state server.
        worker: plays worker and provider.
    """
    for name, limit in _ACCOUNTS.items():
        add_account(worker.state.client, name, limit, "window", 5)
    with Outbox(url) as outbox:
        for name, account, number, paused in (
            ("spring-sale", "acme", 400, False),
            ("winter-news", "globex", 1200, True),
            ("survey", "globex", 60, False),
        ):
            rows = [{"to": f"+1555020{row:04d}", "name": "Ada"} for row in range(number)]
            outbox.start_campaign(
                name, account=account, sender=f"+1555010{len(name):04d}", template=_SALE, recipients=rows, paused=paused
            )
        ids = [
            outbox.send(
                SendMessage(
                    account="initech", sender=f"+155501001{number:02d}", to=f"+1555030{number:04d}", text="Order"
                )
            ).id
            for number in range(len(_STORY))
        ]
        worker.accept()
        outbox.suppress(["+15550200091", "+15550200092"], account="acme", reason="answered STOP")
    Accounts(worker.state.client).change("initech", rates="1000/second")
    for op_id, (outcome, code, words) in zip(ids, _STORY, strict=True):
        worker.settle(op_id, outcome, code=code, words=words)
    Accounts(worker.state.client).change("initech", rates="10/minute")
    Accounts(worker.state.client).suspend("umbrella", "the provider refused the key (401)")
    add_hook(worker.state.client, "hook-3f2a91bc", "acme", url="https://shop.example.com/paceline")
    add_hook(worker.state.client, "hook-91d04c7e", url="https://warehouse.example.com/events")
    give_up(url, worker.state.client, "hook-3f2a91bc", [event(number) for number in range(3)], "HTTP 500")
    kept, token = tokens.make("anna", tokens.SCOPES, ["*"], None, datetime.now(UTC))
    worker.plain.ask(questions.add_token(kept.id, tokens.written(kept)))
    return token


@contextmanager
def going_on(worker: Worker) -> Iterator[None]:
    """Messages leave at pace while the context is entered, one in nine refused; a worker seems to be there."""
    ended = threading.Event()

    def play() -> None:
        number = 0
        while not ended.wait(0.25):
            worker.attend()
            for op_id in list(worker.granted)[:20]:
                number += 1
                refused = number % 9 == 0
                words = "The number is not on WhatsApp" if refused else ""
                worker.settle(
                    op_id, "rejected" if refused else "accepted", code="422" if refused else "202", words=words
                )
            expires = int(time.time() * 1e6) + 20_000_000
            worker.state.client.hset("paceline:{0}:workers", "w1", f"200|{expires}|50000|100|200|0|0|0")

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
