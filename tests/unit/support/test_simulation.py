"""Two hundred fleets that exist on paper only: each is decided by its seed, which a failure names."""

import pytest

from tests.simulation.fleet import Fleet, Rules
from tests.simulation.judge import FEW, judged


def test_no_seed_breaks_a_promise() -> None:
    """Late, lost and sleeping workers, every way of counting, every answer, and a history that is late."""
    assert [] == list(judged(range(FEW)))


@pytest.mark.parametrize("missing", ["token", "fence", "grace", "variation"])
def test_a_simulation_sees_what_is_missing(missing: str) -> None:
    """Without one of its rules a promise breaks within as many seeds."""
    assert next(judged(range(FEW), Rules(**{missing: False})), None)


def test_a_seed_decides_everything() -> None:
    """The same calls at the same microseconds."""
    assert Fleet(7).run().provider.calls == Fleet(7).run().provider.calls
