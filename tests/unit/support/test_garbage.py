"""The collector of cycles during a run of the tests."""

import gc

import pytest


def test_what_was_collected_is_not_looked_at(request: pytest.FixtureRequest) -> None:
    """The collector runs, and the tests of this process are not among what it looks through."""
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(looked_at is request.node for looked_at in gc.get_objects())
