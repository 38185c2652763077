"""What was to be sent when the machine fell asleep does not leave when it wakes up."""

import time

import pytest

from paceline_worker.state.sleep import asleep_s, may_leave


@pytest.mark.parametrize(
    ("leaves", "lateness_s", "tolerance_s", "held_s", "slept_s"),
    [
        (True, 0.0, 0.05, 0.03, 0.0),
        (True, 0.04, 0.05, 0.03, 0.0),
        (False, 0.06, 0.05, 0.03, 0.0),
        (False, 0.0, 0.05, 0.03, 30.0),
        (False, 0.03, 0.05, 0.03, 0.03),
        (True, 4.0, 5.0, 3.9, 0.0),
        (False, 4.0, 5.0, 4.1, 0.0),
        (False, 4.0, 5.0, 3.9, 0.2),
    ],
    ids=["in time", "just", "late", "slept", "both", "slow", "beyond the lease", "asleep beyond it"],
)
def test_an_operation_leaves_in_time_and_within_its_lease(
    leaves: bool, lateness_s: float, tolerance_s: float, held_s: float, slept_s: float
) -> None:
    """Time asleep counts as time, whatever the monotonic clock says."""
    args = {"lateness_s": lateness_s, "tolerance_s": tolerance_s, "held_s": held_s, "slept_s": slept_s}
    assert leaves is may_leave(**args, fence_s=4.0)


def test_a_machine_that_is_awake_sleeps_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clocks go on together; when the monotonic one stands still, the difference grows by as much."""
    before = asleep_s()
    assert abs(asleep_s() - before) < 1
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() - 30)
    assert 29 < asleep_s() - before < 31
