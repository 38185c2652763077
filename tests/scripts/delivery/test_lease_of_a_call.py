"""The call of an operation ends within the lease that its worker has, wherever the worker stands still on the way to it."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import redis
from prometheus_client import CollectorRegistry

from paceline import names
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.delivery.courier import Courier
from paceline_worker.delivery.keys import Keys
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.sleepers import Sleepers
from paceline_worker.delivery.traces import Traces
from paceline_worker.integrity.tampering import Tampering
from paceline_worker.provider.client import Provider
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.outage import Outage
from paceline_worker.state.sleep import sleepless_s
from paceline_worker.state.values import LEASE_MARGIN_S, Hint
from paceline_worker.telemetry.metrics import Metrics
from paceline_worker.verdict.meaning import Answer, Meaning
from tests.conftest import SECRET, add_account
from tests.support.drive import SEALS, Drive
from tests.support.wait import wait_until

DEADLINE_S = 15.0


@dataclass
class Asked(Provider):
    """Makes no call, and notes when it was to end.

    Args:
        drive: of the state.
        hint: the operation.
    """

    drive: Drive
    hint: Hint
    ends_before_its_lease_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__("http://127.0.0.1:1", deadline_s=DEADLINE_S, connections=1)

    async def call(self, *_: Any, until_s: float = float("inf")) -> Answer:
        lease_us = self.drive.client.zscore(f"{names.STATE_ROOT}:fl", self.hint.id)
        assert lease_us is not None
        left_s = (int(lease_us) - _server_us(self.drive)) / 1e6
        self.ends_before_its_lease_s.append(left_s - (until_s - sleepless_s()))
        return Answer(Meaning.ACCEPTED, "200", uuid="MSG1")


def test_a_call_ends_before_its_lease_however_late_it_begins(client: redis.Redis) -> None:
    """The end counts from the question that gave the lease: a worker that stood still after it has that much less time."""
    drive = Drive(client)
    drive.set_time(int(time.time() * 1e6))
    add_account(client, "acme", "600/minute")
    drive.send()
    hints: list[Hint] = []

    def granted() -> bool:
        hints.extend(drive.grant(most=1).hints)
        return bool(hints)

    wait_until(granted, timedelta(seconds=30), "the grant")
    [found] = asyncio.run(_delivered(drive, hints[0]))
    assert 0 < found < LEASE_MARGIN_S
    client.delete(drive.clock_key)


def _server_us(drive: Drive) -> int:
    seconds, us = drive.client.time()
    return int(seconds) * 1_000_000 + int(us)


async def _delivered(drive: Drive, hint: Hint) -> list[float]:
    at = drive.client.connection_pool.connection_kwargs
    clock = ServerClock()
    clock.observe(time.monotonic(), _server_us(drive), time.monotonic())
    state = DeliveryState(
        f"redis://{at['host']}:{at['port']}",
        clock,
        owner="w",
        lease_s=DEADLINE_S + LEASE_MARGIN_S,
        tolerance_floor_s=0.005,
        retention_s=60,
        grace_s=15,
    )
    provider = Asked(drive, hint)
    courier = Courier(
        state=state,
        provider=provider,
        keys=Keys(state.keys, KeyRing(SECRET), SEALS, state.raise_floor),
        tampering=Tampering(SEALS),
        clock=clock,
        metrics=Metrics(CollectorRegistry()),
        traces=Traces(clock),
        way=Way(),
        sleepers=Sleepers(),
        spawn=lambda work: work.close(),
        on_due=lambda _: None,
        random=random.Random(1),
        outage=Outage(),
    )
    await courier.deliver(hint)
    await provider.close()
    await state.client.aclose()
    return provider.ends_before_its_lease_s
