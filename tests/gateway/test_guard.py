"""What the gate counts and whom it lets go on, on a clock that the test moves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paceline.gateway import tokens
from paceline.gateway.guard import Gate, RequestRefused

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


class Clock:
    """Tells the seconds that it was given."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Kept:
    """Stands for a state that keeps a token, or none.

    Args:
        token: as it is written there.
    """

    def __init__(self, token: str | None = None) -> None:
        self.token = token

    async def ask(self, question: Any) -> Any:
        assert "tokens" == question.script
        return self.token


@pytest.mark.parametrize(
    ("rate", "let_in", "retry_after", "policy"),
    [
        (0.1, 1, 10, '"token";q=1;w=10'),
        (0.5, 1, 2, '"token";q=1;w=2'),
        (0.99, 1, 2, '"token";q=1;w=2'),
        (1.0, 1, 1, '"token";q=1;w=1'),
        (5.0, 5, 1, '"token";q=5;w=1'),
    ],
)
def test_a_token_may_ask_again_after_the_time_that_it_was_told(
    rate: float, let_in: int, retry_after: int, policy: str
) -> None:
    """Whatever the rate, also less than one request a second."""
    clock = Clock()
    gate = Gate(Kept(), rate, clock)
    token, _ = tokens.make("shop", ["read"], ["acme"], None, NOW)

    for _ in range(3):
        for _ in range(let_in):
            gate.count(token)
        with pytest.raises(RequestRefused) as refused:
            gate.count(token)
        assert (str(retry_after), policy) == (
            refused.value.headers["Retry-After"],
            refused.value.headers["RateLimit-Policy"],
        )
        clock.seconds += max(1.0, retry_after)


def test_a_token_goes_on_until_it_is_revoked_or_has_expired() -> None:
    """A revocation is noticed within a second, and state is asked once a second."""
    now = datetime.now(UTC)
    clock = Clock()

    def still(expires_at: datetime | None) -> None:
        token, _ = tokens.make("shop", ["read"], ["acme"], expires_at, now)
        state = Kept(tokens.written(token))
        gate = Gate(state, 1.0, clock)
        asyncio.run(gate.still(token))
        state.token = None
        asyncio.run(gate.still(token))
        clock.seconds += 1.0
        with pytest.raises(RequestRefused, match="unknown or has expired"):
            asyncio.run(gate.still(token))

    still(None)
    still(now + timedelta(days=1))
    with pytest.raises(RequestRefused, match="unknown or has expired"):
        still(now - timedelta(seconds=1))
