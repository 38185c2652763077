"""What a receiver does with requests, on a state that only remembers what it was asked."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from paceline.errors import StateUnavailable
from paceline_worker.receipts.address import digest_of
from paceline_worker.receipts.intake import Intake
from paceline_worker.receipts.metrics import ReceiptMetrics, Result
from paceline_worker.receipts.reading import Told, Wrote
from paceline_worker.receipts.words import Change

TOKEN = "t" * 43
DIGEST = digest_of(TOKEN)


class State:
    """Answers for one account."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.taken: list[tuple[str, list[str]]] = []
        self.digests = {"acme": DIGEST, "other": DIGEST}
        self.most_at_once = self.at_once = 0

    async def digest(self, account: str) -> str:
        self.asked.append(account)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.digests.get(account, "")

    async def take(self, account: str, digest: str, receipts: Sequence[Told]) -> list[str] | None:
        if account not in self.digests:
            raise StateUnavailable("away")
        await asyncio.sleep(0)
        if self.digests[account] != digest:
            return None
        self.taken.append((account, [told.uuid for told in receipts]))
        return ["moved"] * len(receipts)

    async def wrote(self, account: str, digest: str, wrote: Wrote, change: Change) -> str:
        if self.digests[account] != digest:
            return "forbidden"
        self.taken.append((account, [wrote.number, change.way, change.word]))
        return f"opted_{change.way}"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def body(uuid: str = "MSG1", event: str = "message.read") -> bytes:
    return json.dumps({"event": event, "message_uuid": uuid}).encode()


def made(state: State, clock: Clock | None = None) -> tuple[Intake, CollectorRegistry]:
    registry = CollectorRegistry()
    duck: Any = state
    return Intake(duck, ReceiptMetrics(registry), clock=clock or Clock()), registry


def test_who_tries_tokens_costs_one_look_a_second() -> None:
    """For each name, also one that is not there; a name that no account has costs none."""
    state, clock = State(), Clock()

    async def scene() -> None:
        intake, _ = made(state, clock)
        for _ in range(50):
            assert await intake.key("acme", TOKEN) == DIGEST
            assert await intake.key("acme", "x") is None
            assert await intake.key("nobody", TOKEN) is None
            for name in ("", "a b", "a:b", "ä", "x" * 65, "{0}"):
                assert await intake.key(name, TOKEN) is None
        assert ["acme", "nobody"] == state.asked
        clock.now += 1
        await intake.key("acme", "x")
        assert ["acme", "nobody", "acme"] == state.asked

    asyncio.run(scene())


def test_strangers_at_once_take_few_connections() -> None:
    """Eight, and those who ask for the same name share one look."""
    state = State()

    async def scene() -> None:
        intake, _ = made(state)
        await asyncio.gather(*(intake.key(f"a{number % 100}", TOKEN) for number in range(1000)))
        assert len(state.asked) <= 200
        assert state.most_at_once <= 8

    asyncio.run(scene())


def test_receipts_of_one_moment_are_one_call_for_each_account() -> None:
    """In the order they came; each is counted for its own account."""
    state = State()

    async def scene() -> CollectorRegistry:
        intake, registry = made(state)
        names = ["acme", "other", "acme", "other", "acme"]
        results = await asyncio.gather(
            *(intake.take(name, DIGEST, body(f"MSG{number}")) for number, name in enumerate(names))
        )
        assert [Result.MOVED] * 5 == results
        return registry

    registry = asyncio.run(scene())
    assert [("acme", ["MSG0", "MSG2", "MSG4"]), ("other", ["MSG1", "MSG3"])] == state.taken
    found = [
        registry.get_sample_value("paceline_receipts_total", {"account": name, "status": "read"})
        for name in ("acme", "other")
    ]
    assert [3, 2] == found


def test_what_tells_nothing_is_not_passed_on() -> None:
    """Neither other events nor nonsense reach state."""
    state = State()

    async def scene() -> None:
        intake, _ = made(state)
        assert await intake.take("acme", DIGEST, body(event="whatsapp.group.join")) is Result.IGNORED
        assert await intake.take("acme", DIGEST, b"{") is Result.MALFORMED

    asyncio.run(scene())
    assert [] == state.taken


def test_a_token_that_was_replaced_in_this_second_is_refused() -> None:
    """State has the last word, and the new one is asked for at once; others of the moment are not concerned."""
    state = State()

    async def scene() -> None:
        intake, _ = made(state)
        key = await intake.key("acme", TOKEN)
        assert key == DIGEST
        state.digests["acme"] = "new"
        results = await asyncio.gather(intake.take("acme", key, body()), intake.take("other", DIGEST, body()))
        assert [Result.FORBIDDEN, Result.MOVED] == list(results)
        assert await intake.key("acme", TOKEN) is None

    asyncio.run(scene())


def test_a_state_that_is_away_is_told() -> None:
    """So that the provider is asked to repeat."""

    async def scene() -> None:
        intake, _ = made(State())
        with pytest.raises(StateUnavailable):
            await intake.take("gone", DIGEST, body())

    asyncio.run(scene())


def inbound(text: str) -> bytes:
    message = {"message": {"text": text}, "remote_phone_number": "+15550100002", "sent_by": "user"}
    return json.dumps(message | {"event": "whatsapp.message.received"}).encode()


def test_an_opt_out_word_is_passed_on_and_other_messages_are_not() -> None:
    """What people write beyond these words is nobody's business here."""
    state = State()

    async def scene() -> list[Result]:
        intake, _ = made(state)
        found = [await intake.take("acme", DIGEST, inbound(text)) for text in ("Stop!", "Hello", "start")]
        return [*found, await intake.take("acme", "old", inbound("STOP"))]

    assert [Result.OPTED_OUT, Result.IGNORED, Result.OPTED_IN, Result.FORBIDDEN] == asyncio.run(scene())
    assert [["+15550100002", "out", "STOP"], ["+15550100002", "in", "START"]] == [words for _, words in state.taken]
