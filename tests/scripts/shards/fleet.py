"""State of several shards on one server, and what a worker does on each of them, without processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from paceline.ids import new_id
from paceline.inbox.record import operation_id, single
from paceline.operations import SendMessage
from paceline.state.calls import State
from paceline.state.scripts import Script, root_of
from paceline.state.shards import create, each_shard
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Hint
from paceline_worker.state.worker import WorkerState
from tests.conftest import SECRET, SENDER
from tests.support.drive import SEALS

SHARDS = 5
# Where the hash of their names puts them.
PLACES = {"acme": 0, "globex": 0, "other": 3, "beta": 2, "zoe": 2}


class Shards:
    """A client of the whole state, and workers of its shards."""

    def __init__(self, client: redis.Redis, url: str) -> None:
        create(client, SHARDS)
        self.client = client
        self.state = State(client)
        first = WorkerState(url, ServerClock(), retention_s=3600, grace_s=15)
        self.workers = [first, *(first.beside(shard, ServerClock()) for shard in range(1, SHARDS))]
        for worker in self.workers:
            worker.seals = SEALS
        self._begin, self._settle = Script("paceline_worker", "begin"), Script("paceline_worker", "settle")

    def add(self, *accounts: str, key: str = "") -> None:
        """Accounts that may send at once."""
        for account in accounts:
            Accounts(self.client).add(
                account,
                ApiKey(key or f"KEY-{account}"),
                ring=KeyRing(SECRET),
                rates="100/second",
                variation=timedelta(0),
                info_every=timedelta(0),
            )

    def send(self, account: str, *, accept: bool = True, **fields: Any) -> str:
        values = {"sender": SENDER, "to": "+15550100002", "text": "Hello", **fields}
        operation = SendMessage(account=account, **values)
        op_id, rid = operation_id(operation), new_id()
        assert "written" == self.state.submit(rid, account, SENDER, 1, single(operation, op_id, datetime.now(UTC)))
        if accept:
            self.accept_all()
        return op_id

    def accept_all(self) -> None:
        for worker in self.workers:
            worker.accept(worker.overdue(0.0, 100))

    def deliver(self, **verdict: Any) -> list[str]:
        """Grant whatever is due on all shards, begin, and settle; returns the ids."""
        ids = []
        for worker in self.workers:
            for hint in worker.grant(most=100, fleet_capacity=100, budget_us=1_000_000).hints:
                self._end(worker.client, hint, {"verb": "finish", "outcome": "accepted", "words": "", **verdict})
                ids.append(hint.id)
        return ids

    def _end(self, client: redis.Redis, hint: Hint, verdict: dict[str, Any]) -> None:
        patient_us = 60_000_000
        self._begin.run(client, "test", patient_us, patient_us, 0, "0", hint.id, hint.token, 1)
        wire = json.dumps({"id": hint.id, "token": hint.token, "elapsed": "1", **verdict})
        self._settle.run(client, 3_600_000, 15_000_000, wire)

    def on(self, account: str) -> list[int]:
        """The shards that have an account."""
        return [
            shard
            for shard, own in enumerate(each_shard(self.client))
            if own.sismember(f"{root_of(own)}:accounts", account)
        ]


@contextmanager
def shards_on(client: redis.Redis, url: str) -> Iterator[Shards]:
    fleet = Shards(client, url)
    yield fleet
    fleet.workers[0].client.close()
