"""One operation's way, step by step, on a moved clock: the scripts as the worker calls them, without processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from paceline import names
from paceline.audit import Balance, balance_of
from paceline.errors import PacelineError
from paceline.ids import new_id
from paceline.operations import SendMessage
from paceline.record import operation_id, single
from paceline.scripts import Script
from paceline.state import State
from paceline_worker.clock import ServerClock
from paceline_worker.policy import Verdict
from paceline_worker.state import Grants, Hint, WorkerState
from tests.support.moved_clock import START_US

LEASE_US = 20_000_000
OWNER = "test"


@dataclass
class Drive:
    """Typed steps over one state server.

    Args:
        client: a server whose scripts are moved (`moved_scripts`).
    """

    client: redis.Redis

    def __post_init__(self) -> None:
        self.clock_key = f"{names.STATE_ROOT}:test-clock"
        self.now_us = START_US
        self.set_time(START_US)
        self.state = State(self.client)
        self.worker = WorkerState("redis://127.0.0.1:1", ServerClock(), retention_s=3600)
        self.worker.client.close()
        self.worker.client = self.client
        self._begin = Script("paceline_worker", "begin")
        self._settle = Script("paceline_worker", "settle")

    def set_time(self, us: int) -> None:
        self.now_us = us
        with self.client.pipeline() as pipe:
            pipe.delete(self.clock_key)
            pipe.rpush(self.clock_key, us // 1_000_000, us % 1_000_000)
            pipe.execute()

    def advance(self, seconds: float) -> None:
        self.set_time(self.now_us + round(seconds * 1e6))

    def send(self, account: str = "acme", *, accept: bool = True, **fields: Any) -> str:
        """Write one message, and take it into its lane; returns its id."""
        values = {"sender": "+15550100001", "to": "+15550100002", "text": "Hello", **fields}
        message = SendMessage(account=account, **values)
        op_id, rid = operation_id(message), new_id()
        body = single(message, op_id, datetime.fromtimestamp(self.now_us / 1e6, UTC))
        reply = self.state.submit(rid, account, message.sender, 1, body)
        if reply != "written":
            raise PacelineError(reply)
        if accept:
            self.worker.accept([rid])
        return op_id

    def accept_all(self) -> None:
        while rids := self.worker.overdue(0.0, 100):
            self.worker.accept(rids)

    def grant(self, *, most: int = 100, capacity: int = 1000) -> Grants:
        return self.worker.grant(most=most, fleet_capacity=capacity, most_accounts=100)

    def begin(self, hints: Sequence[Hint], owner: str = OWNER) -> list[dict[str, Any]]:
        flat = [text for hint in hints for text in (hint.id, hint.token)]
        reply = self._begin.run(self.client, owner, LEASE_US, 5000, 3_600_000, *flat)
        return [json.loads(text) for text in reply[1:]]

    def settle(self, hint: Hint, verdict: Verdict, elapsed_us: int = 1) -> str:
        reply = self._settle.run(self.client, 3_600_000, json.dumps(verdict.wire(hint.id, hint.token, elapsed_us)))
        return str(reply[2])

    def due_us(self, account: str = "acme") -> int | None:
        score = self.client.zscore(f"{names.STATE_ROOT}:due", account)
        return None if score is None else int(score)

    def go_to_next_due(self) -> None:
        due = self.due_us()
        assert due is not None, "nothing is due"
        self.set_time(max(self.now_us, due))

    def grant_next(self) -> Hint:
        """Move the clock until the next operation is granted."""
        for _ in range(50):
            if hints := self.grant(most=1).hints:
                return hints[0]
            self.go_to_next_due()
        raise AssertionError("nothing was granted")

    def begin_at_slot(self, hint: Hint, owner: str = OWNER) -> dict[str, Any]:
        self.set_time(max(self.now_us, hint.slot_us - 30_000))
        return self.begin([hint], owner)[0]

    def deliver(self, verdict: Verdict) -> str:
        """Grant, begin and settle the next operation; returns its id."""
        hint = self.grant_next()
        assert self.begin_at_slot(hint)["s"] == "go"
        self.set_time(hint.slot_us)
        self.settle(hint, verdict)
        return hint.id

    def deliver_sent(self, verdict: Verdict) -> str:
        """Send one message and deliver it with this verdict; returns its id."""
        self.send()
        return self.deliver(verdict)

    def operation(self, op_id: str) -> dict[str, Any]:
        found = self.state.operation(op_id)
        assert found is not None
        fields: dict[str, Any] = found["operation"]
        return fields

    def balance(self, account: str = "acme") -> Balance:
        found = self.state.account(account)
        assert found is not None
        return balance_of(found)


ACCEPTED = Verdict("finish", "accepted", code="202", uuid="MSG1")
REJECTED = Verdict("finish", "rejected", code="422", words="no such number")
OVERLOADED = Verdict("retry", delay_s=4.0, code="503", words="busy", reason="overloaded")
THROTTLED = Verdict("defer", scope="account", delay_s=60.0, code="429", words="too many", reason="throttled")
SENDER_BUSY = Verdict("defer", scope="sender", delay_s=3.0, code="486", words="busy", reason="sender_busy")
BAD_KEY = Verdict("defer", scope="suspend", code="401", words="bad_key (401): Invalid API Key", reason="bad_key")
UNKNOWN = Verdict("unknown", code="timeout", words="timeout: no answer", reason="unknown")
NOT_MADE = Verdict("defer", words="late", reason="missed")
