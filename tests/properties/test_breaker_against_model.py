"""The Lua breaker of an account against the pure model, call by call, on a clock that only the test moves."""

from collections.abc import Sequence
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline_worker.verdict.breaker import Breaker
from paceline_worker.verdict.policy import Verdict
from tests.conftest import add_account
from tests.support import profiles
from tests.support.drive import ACCEPTED, Drive
from tests.support.moved_clock import moved_scripts

GOOD = ACCEPTED.of_health("good")
BAD = Verdict("retry", delay_s=0.001, code="503", words="busy", reason="overloaded").of_health("bad")
# Runs of good and of bad calls; of bad ones long enough to open it from any state.
RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 7)), min_size=1, max_size=8)


def of_lua(client: redis.Redis) -> Breaker:
    names = ("breaker", "bad_run", "bad_window", "opened", "ramp", "ramp_left", "paused_until")
    found: Any = client.hmget("paceline:{0}:a:acme", *names)
    state, run, window, opened, ramp, left, paused = found
    numbers = (int(opened or 0), int(ramp or 1), int(left or 0), int(paused or 0))
    return Breaker(state or "closed", int(run or 0), window or "", *numbers)


@settings(max_examples=profiles.of_a_machine(30), suppress_health_check=list(HealthCheck))
@given(runs=RUNS)
def test_both_say_the_same_after_each_call(
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    runs: Sequence[tuple[bool, int]],
) -> None:
    """State, window, stage of the way back and end of the pause, to the microsecond."""
    with moved_scripts(monkeypatch):
        client.flushall()
        drive = Drive(client)
        add_account(client, "acme", "60/minute")
        model = Breaker()
        for good, calls in runs:
            for _ in range(calls):
                drive.send("acme", sender=f"+155501{drive.now_us % 100_000:05d}", max_attempts=100)
                drive.call(GOOD if good else BAD)
                model.note(drive.now_us, good=good)
                assert model == of_lua(client)
        client.flushall()
