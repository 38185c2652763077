from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.servers import SERVER_KINDS, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline_sandbox.embedded import EmbeddedServer, Source


@pytest.fixture(params=SERVER_KINDS)
def kind(request: pytest.FixtureRequest) -> Source:
    chosen: Source = request.param
    return chosen


@pytest.fixture
def server(kind: Source) -> Iterator[EmbeddedServer]:
    with start_server(kind) as running:
        yield running
