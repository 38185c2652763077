"""Commands on state of seven shards: what tests of other folders say of one shard holds here, too.

`TEST_SHARDS=7 pytest tests/cli` runs all of these folders on such a state.
"""

import pytest

from paceline.shards.layout import proposed
from paceline.state import connect
from paceline.state.shards import create
from paceline_sandbox.embedded import EmbeddedServer

pytestmark = pytest.mark.usefixtures("acme")

SHARDS = 7


@pytest.fixture
def server(server: EmbeddedServer) -> EmbeddedServer:
    """Neither account is on shard 0, and they are on two shards."""
    assert 3 == len({0, proposed("acme", SHARDS), proposed("quick", SHARDS)})
    client = connect(server.url)
    client.flushall()
    create(client, SHARDS)
    client.close()
    return server
