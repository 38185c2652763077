"""What the gate counts, on a clock that the test moves."""

from datetime import UTC, datetime
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


class NoState:
    """Stands for a state that is not asked."""

    async def ask(self, question: Any) -> Any:
        raise AssertionError(question)


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
    gate = Gate(NoState(), rate, clock)
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
