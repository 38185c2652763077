"""What a worker's own heartbeat tells of a state server that came back."""

import pytest

from paceline_worker.state.forgotten import Memory

NOW = 1_000_000_000


@pytest.mark.parametrize(
    ("forgotten", "said", "found", "now"),
    [
        (None, None, None, NOW),
        (None, None, NOW, NOW),
        (None, NOW, NOW, NOW),
        (None, NOW, NOW + 400, NOW),
        (700, NOW, NOW - 700, NOW - 5000),
        (5000, NOW + 5000, None, NOW),
        (None, NOW - 1, None, NOW),
    ],
    ids=["first", "first of a name", "all there", "a reply was lost", "older", "gone before its time", "gone in time"],
)
def test_an_older_heartbeat_than_the_one_acknowledged_is_a_loss(
    forgotten: int | None, said: int | None, found: int | None, now: int
) -> None:
    """A heartbeat that was dropped because it was over proves nothing."""
    assert forgotten == Memory(said).forgotten_us(found, now)
