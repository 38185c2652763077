"""What a call for figures that failed does to its account: only one that may have reached the provider pushes what follows."""

import asyncio
import random
import socket

import pytest
from prometheus_client import CollectorRegistry

from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.delivery.info_reader import InfoReader
from paceline_worker.provider.client import Provider
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.telemetry.metrics import Metrics
from tests.conftest import SECRET
from tests.support.drive import Drive

INTERVAL_US = 1_000_000
SLOW_S = 3


@pytest.mark.parametrize("is_reached", [True, False])
def test_only_a_call_that_may_have_arrived_keeps_its_distance(drive: Drive, is_reached: bool) -> None:
    """A provider that hangs up may have counted the call as late as that; where nobody listens, nothing was counted."""
    Accounts(drive.client).remove("acme")
    Accounts(drive.client).add("acme", ApiKey("k"), ring=KeyRing(SECRET), rates="60/minute")
    drive.info_turn()
    drive.advance(SLOW_S)
    failed_us = drive.now_us
    asyncio.run(_read(drive, is_reached=is_reached))
    drive.send()
    waits_us = drive.grant_next().slot_us - failed_us
    assert is_reached == (waits_us > INTERVAL_US * 0.8), waits_us


async def _read(drive: Drive, *, is_reached: bool) -> None:
    """Ask for the figures of `acme` at a provider that hangs up, or where nobody listens."""
    at = drive.client.connection_pool.connection_kwargs
    url = f"redis://{at['host']}:{at['port']}"
    state = DeliveryState(
        url, ServerClock(), owner="w", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15
    )
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        serving = await asyncio.start_server(_hang_up, sock=bound) if is_reached else None
        provider = Provider(f"http://127.0.0.1:{bound.getsockname()[1]}", deadline_s=5, connections=1)
        try:
            await InfoReader(state, provider, Metrics(CollectorRegistry()), random.Random(1)).read(
                "acme", ApiKey("k"), 1
            )
        finally:
            await provider.close()
            await state.client.aclose()
            if serving:
                serving.close()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
