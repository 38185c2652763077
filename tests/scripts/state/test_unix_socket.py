"""PACELINE_STATE_URL=unix://... is accepted by Settings: both clients must be able to use it."""

import asyncio
from pathlib import Path

from paceline.state import connect
from paceline.state.calls import State
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.values import Answered
from tests.support.servers import start_server


def test_deliveries_begin_over_a_unix_socket(tmp_path: Path) -> None:
    """The blocking client leaves out what a Unix socket does not take; the asyncio client must do so too."""
    path = Path("/tmp") / f"paceline-review-{tmp_path.name[-12:]}.sock"
    with start_server(extra=("--unixsocket", str(path))):
        url = f"unix://{path}"
        client = connect(url)
        assert 0 == State(client).fleet().workers
        client.close()

        async def begin() -> list[Answered]:
            state = DeliveryState(
                url, ServerClock(), owner="x", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15
            )
            try:
                return await state.begin([("no-such-operation", "1", 1)], 0)
            finally:
                await state.client.aclose()

        assert [{"s": "no", "why": "stale"}] == [found.answer for found in asyncio.run(begin())]
