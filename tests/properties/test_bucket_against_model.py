"""The Lua bucket against the pure model, in lockstep, on a clock that only the test moves."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from paceline.state.scripts import Script
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import DEFAULT_VARIATION, Bucket, Pacing, Quota, Variation, pace_of
from tests.conftest import SECRET
from tests.support.drive import ACCEPTED, Drive
from tests.support.machines import run

RATES = st.sampled_from(
    ["10/minute", "80/minute", "7/second", "10/minute; 20/day", "60/minute; 5/day; 9/month", "3/hour"]
)
VARIATIONS: st.SearchStrategy[Variation] = st.one_of(
    st.just("auto"), st.integers(0, 500).map(lambda ms: timedelta(milliseconds=ms))
)
# begin.lua keeps nothing that would wait longer for its slot.
FAR_US = 2_000_000
ANSWERED = replace(ACCEPTED, health="good")
PACINGS: st.SearchStrategy[Pacing] = st.sampled_from(["spacing", "window"])


class BucketMachine(RuleBasedStateMachine):
    """Every step is done to both; they must agree to the microsecond."""

    client: redis.Redis

    @initialize(rates=RATES, pacing=PACINGS, variation=VARIATIONS)
    def add(self, rates: str, pacing: Pacing, variation: Variation) -> None:
        self.client.flushall()
        self.drive = Drive(self.client)
        self.take_script = Script("paceline_worker", "take")
        self.account_script = Script("paceline_worker", "account")
        self.taken: list[int] = []
        self.measures = variation == "auto" and pacing == "spacing"
        self.pacing, self.variation = pacing, DEFAULT_VARIATION if variation == "auto" else variation
        Accounts(self.client).add(
            "acme",
            ApiKey("k"),
            ring=KeyRing(SECRET),
            rates=rates,
            pacing=pacing,
            variation=variation,
            info_every=timedelta(0),
        )
        self.model = Bucket.empty(pace_of(rates, pacing, self.variation), self.drive.now_us)
        self.paused_until_us = 0

    @rule(seconds=st.one_of(st.floats(0, 30), st.floats(3600, 90_000), st.sampled_from([0.000001, 6.0, 6.01, 6.1])))
    def wait(self, seconds: float) -> None:
        self.drive.advance(seconds)

    @rule()
    def wait_until_the_slot(self) -> None:
        self.drive.set_time(max(self.drive.now_us, self._model_slot()))

    @rule(cost=st.integers(1, 3), horizon_us=st.sampled_from([0, 1, 250_000, 60_000_000]), test=st.booleans())
    def take(self, cost: int, horizon_us: int, test: bool) -> None:
        now = self.drive.now_us
        expected = self._model_slot()
        free = expected <= now + horizon_us
        reply = self.take_script.run(self.client, "acme", cost, horizon_us, "test" if test else "take")
        assert ["1" if free else "0", str(now), str(expected)] == reply
        if free and not test:
            slot = expected
            for _ in range(cost):
                slot = self.model.peek(slot)
                self.model.take(slot)
                self.taken.append(slot)

    @rule(data=st.data())
    def use_for_an_operation(self, data: st.DataObject) -> None:
        """A slot taken for an operation: not used, it goes back; its answer says how far away the next one is."""
        self.drive.send(valid_until=datetime(2100, 1, 1, tzinfo=UTC))
        self.drive.set_time(max(self.drive.now_us, self._model_slot() - self._lead_us()))
        slot = self.model.peek(max(self.drive.now_us + 40_000, self.paused_until_us))
        hints = self.drive.grant(most=1).hints
        assert [slot] == [hint.slot_us for hint in hints]
        self.model.take(slot)
        elapsed_us = data.draw(st.sampled_from([0, 1_000, 4_000, 25_000, 90_000, 180_000, 3_000_000]))
        if elapsed_us and self.drive.begin_at_slot(hints[0])["s"] == "go":
            self.drive.settle(hints[0], ANSWERED, elapsed_us=elapsed_us)
            if self.measures:
                self.model.answer(slot, elapsed_us)
            else:
                self.model.push(slot, elapsed_us)
        else:
            self.drive.worker.give_back(hints, "not needed")
            self.model.give_back(slot)

    @rule(
        late_us=st.sampled_from([0, 20_000, 51_000, 300_000, 1_500_000]),
        notice_us=st.sampled_from([0, 10_000, 400_000]),
    )
    def begin_late(self, late_us: int, notice_us: int) -> None:
        """A worker that is late for its slot sends all the same, at a slot of the same bucket."""
        self.drive.send(valid_until=datetime(2100, 1, 1, tzinfo=UTC))
        self.drive.set_time(max(self.drive.now_us, self._model_slot() - self._lead_us()))
        hints = self.drive.grant(most=1).hints
        slot = hints[0].slot_us
        self.model.take(slot)
        self.drive.set_time(max(self.drive.now_us, slot + late_us))
        answer = self.drive.begin(hints, notice_us=notice_us)[0]
        if answer["s"] == "no":
            self._moved_too_far(slot, notice_us, answer)
            return
        expected = slot
        if late_us + notice_us > max(self.model.pace.variation_us / 2, 5000) / 2:
            expected = self.model.move(slot, max(self.drive.now_us + notice_us, self.paused_until_us))
        assert expected == int(answer["slot"])
        if answer["s"] == "go":
            self.drive.settle(hints[0], ACCEPTED, elapsed_us=0)
        else:
            self.drive.worker.give_back(hints, "not needed")
            self.model.give_back(expected)

    def _moved_too_far(self, slot: int, notice_us: int, answer: dict[str, Any]) -> None:
        """Its next slot was too far ahead, or the account pauses: it is back in its lane, and the slot in the bucket."""
        if answer["why"] == "far":
            later = self.model.move(slot, max(self.drive.now_us + notice_us, self.paused_until_us))
            assert later > self.drive.now_us + FAR_US
            self.model.give_back(later)
        else:
            self.model.give_back(slot)

    @rule(rates=st.sampled_from(["10/minute", "600/minute"]))
    @precondition(lambda self: not self.model.pace.quotas)
    def change_the_rate(self, rates: str) -> None:
        """A changed limit keeps the bucket's time."""
        new = pace_of(rates, self.pacing, self.variation)
        basis = self.account_script.run(self.client, "known", "acme")[-1]
        fields = ("interval", new.interval_us, "quotas", "", "variation", new.variation_us)
        assert "done" == self.account_script.run(self.client, "limits", "acme", basis, *fields)
        self.model.pace = new
        self.taken.clear()

    @rule(seconds=st.integers(1, 600))
    def pause(self, seconds: int) -> None:
        """A pause is made longer, never shorter: so do the scripts, and the due index relies on it."""
        self.paused_until_us = max(self.paused_until_us, self.drive.now_us + seconds * 1_000_000)
        self.client.hset("paceline:{0}:a:acme", "paused_until", self.paused_until_us)

    @rule()
    @precondition(lambda self: not self.model.pace.quotas)
    def lose_the_bucket(self) -> None:
        """A lost bucket starts empty."""
        self.client.hdel("paceline:{0}:a:acme", "next")
        empty = Bucket.empty(self.model.pace, self.drive.now_us)
        self.model = replace(
            empty, least_us=self.model.least_us, excess_us=self.model.excess_us, heard=self.model.heard
        )
        assert "0" == self.take_script.run(self.client, "acme", 1, 0, "test")[0]

    @invariant()
    def no_quota_is_broken(self) -> None:
        if hasattr(self, "model"):
            for quota in self.model.pace.quotas:
                self._check(quota)

    def _check(self, quota: Quota) -> None:
        for i in range(len(self.taken) - quota.n):
            assert self.taken[i + quota.n] - self.taken[i] >= quota.window_us

    def _lead_us(self) -> int:
        """How far ahead of a slot an operation is granted: while J is measured, not before the last call's answer is overdue."""
        return 80_000 if self.measures else 250_000

    def _model_slot(self) -> int:
        return self.model.peek(max(self.drive.now_us, self.paused_until_us))


@pytest.mark.timeout(400)
def test_lua_and_model_agree(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """For any sequence of takes, waits, pauses, changed rates and losses, Lua and the model give the same slots."""
    run(BucketMachine, server, monkeypatch, examples=40, steps=30)


def test_the_models_log_keeps_only_what_the_quota_needs() -> None:
    """The log of a quota holds at most n slots."""
    bucket = Bucket.empty(pace_of("10/minute; 3/day"), 0)
    for _ in range(10):
        bucket.take(bucket.peek(0))
    assert [deque] == [type(log) for log in bucket.logs]
    assert 3 == len(bucket.logs[0])
