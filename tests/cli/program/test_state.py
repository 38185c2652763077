"""`paceline state migrate`."""

import json

from tests.cli.conftest import Cli


def test_state_of_this_release_needs_no_conversion(cli: Cli) -> None:
    """It says so; run again it says the same."""
    for _ in range(2):
        done = cli("state", "migrate")
        assert (0, "") == (done.code, done.err)
        assert "The state has the schema of this release" in done.out
    assert {"accounts": 0, "operations": 0, "sealed": 0} == json.loads(cli("state", "migrate", "--json").out)
