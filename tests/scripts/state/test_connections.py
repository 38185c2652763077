"""What a new connection to state costs."""

import pytest
import redis.utils

from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer


def test_a_connection_reads_no_metadata_of_packages(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that servers list was found for an earlier one."""
    with connect(server.url) as first:
        first.ping()

    def reads() -> str:
        raise AssertionError("the metadata of redis-py was read once more")

    monkeypatch.setattr(redis.utils, "get_lib_version", reads)
    with connect(server.url) as second:
        assert second.ping()
