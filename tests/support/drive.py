"""One operation's way, step by step, on a moved clock: the scripts as the worker calls them, without processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import redis

from paceline import names
from paceline.errors import PacelineError
from paceline.ids import new_id
from paceline.inbox.record import operation_id, single
from paceline.operations import Operation, SendMessage
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.pictures import OperationPicture
from paceline.state.scripts import Script
from paceline.status.audit import Balance, balance_of
from paceline_worker.accounts.info import Info, catch_up_us, info_fields
from paceline_worker.integrity.seals import Seals
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Grants, Hint, InfoTurn
from paceline_worker.state.worker import GRANT_BUDGET_US, WorkerState
from paceline_worker.verdict.policy import Verdict
from tests.support.moved_clock import START_US

LEASE_US = 20_000_000
GRACE_US = 15_000_000
OWNER = "test"
SEALS = Seals(bytes(32))


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
        self.worker = WorkerState("redis://127.0.0.1:1", ServerClock(), retention_s=3600, grace_s=GRACE_US / 1e6)
        self.worker.client.close()
        self.worker.client = self.client
        self.worker.seals = SEALS
        self._begin = Script("paceline_worker", "begin")
        self._settle = Script("paceline_worker", "settle")
        self._account = Script("paceline_worker", "account")

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
        return self.submit(SendMessage(account=account, **values), accept=accept)

    def submit(self, operation: Operation, *, accept: bool = True) -> str:
        """Write any operation, and take it into its lane; returns its id."""
        op_id, rid = operation_id(operation), new_id()
        body = single(operation, op_id, self.now)
        reply = self.state.submit(rid, operation.account, operation.sender, 1, body)
        if reply != "written":
            raise PacelineError(reply)
        if accept:
            self.worker.accept([rid])
        return op_id

    def accept_all(self) -> None:
        while rids := self.worker.overdue(0.0, 100):
            self.worker.accept(rids)

    def grant(self, *, most: int = 100, capacity: int = 1000, budget_us: int = GRANT_BUDGET_US) -> Grants:
        self.worker.look_at_the_server()
        return self.worker.grant(most=most, fleet_capacity=capacity, budget_us=budget_us)

    def begin(
        self, hints: Sequence[Hint], owner: str = OWNER, *, question: int = 1, notice_us: int = 0
    ) -> list[dict[str, Any]]:
        """Ask for granted operations; `question` counts this owner's questions about each of them."""
        flat = [text for hint in hints for text in (hint.id, hint.token, question)]
        reply = self._begin.run(self.client, owner, LEASE_US, 5000, notice_us, "0", *flat)
        return [json.loads(text) for text in reply[2:]]

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_us / 1e6, UTC)

    def settle(self, hint: Hint, verdict: Verdict, elapsed_us: int = 1) -> str:
        return self.settle_all([(hint, verdict)], elapsed_us)[0]

    def settle_all(self, verdicts: Sequence[tuple[Hint, Verdict]], elapsed_us: int = 1) -> list[str]:
        """Several in one call of the script; returns what was done with each."""
        texts = [json.dumps(verdict.wire(hint.id, hint.token, elapsed_us)) for hint, verdict in verdicts]
        return [str(done) for done in self._settle.run(self.client, 3_600_000, GRACE_US, *texts)[2:]]

    def due_us(self, account: str = "acme") -> int | None:
        """When a dispatcher must look at an account: for a slot, or for a timer."""
        scores = [self.client.zscore(f"{names.STATE_ROOT}:{index}", account) for index in ("due", "timers")]
        return min((int(score) for score in scores if score is not None), default=None)

    def next_due_us(self) -> int | None:
        """When a dispatcher must look again, at whichever account or lease; not before the provider's breaker ends its pause."""
        heads: dict[str, int] = {}
        for index in ("due", "timers", "fl"):
            first: list[Any] = self.client.zrange(f"{names.STATE_ROOT}:{index}", 0, 0, withscores=True)
            if first:
                heads[index] = int(first[0][1])
        pause_end = self.client.hget(f"{names.STATE_ROOT}:meta", "pb_until")
        if "due" in heads and pause_end:
            heads["due"] = max(heads["due"], int(pause_end))
        return min(heads.values(), default=None)

    def go_to_next_due(self) -> None:
        due = self.next_due_us()
        assert due is not None, "nothing is due"
        self.set_time(max(self.now_us, due))

    def grant_next(self) -> Hint:
        """Move the clock until the next operation is granted; figures that are asked for on the way are not answered."""
        for _ in range(50):
            if hints := self.grant(most=1).hints:
                return hints[0]
            self.go_to_next_due()
        raise AssertionError("nothing was granted")

    def info_turn(self) -> InfoTurn:
        """Move the clock until an account's figures are asked for."""
        for _ in range(50):
            if infos := self.grant(most=0).infos:
                self.set_time(max(self.now_us, infos[0].slot_us))
                return infos[0]
            self.go_to_next_due()
        raise AssertionError("no figures were asked for")

    def learn(self, info: Info, account: str = "acme", *, again: timedelta = timedelta(minutes=15)) -> str:
        """What /info said, written down as the worker does it."""
        rate, told, _, interval, pacing, variation, *_, basis = self._account.run(self.client, "known", account)
        fields = info_fields(
            info,
            by_hand=rate or "",
            told_before=told or "",
            pacing=pacing,
            variation=timedelta(microseconds=int(variation)),
        )
        flat = [text for pair in fields.items() for text in pair]
        catch_up, may_send = catch_up_us(fields, int(interval)), "1" if info.may_send(self.now) else "0"
        again_us = again // timedelta(microseconds=1)
        return str(self._account.run(self.client, "info", account, basis, again_us, catch_up, may_send, *flat))

    def info_throttled(self, seconds: float, account: str = "acme") -> None:
        """/info was answered 429."""
        self._account.run(self.client, "throttled", account, int(seconds * 1e6))

    def info_later(self, account: str = "acme") -> None:
        """/info could not be asked for in time."""
        self._account.run(self.client, "info later", account)

    def begin_at_slot(self, hint: Hint, owner: str = OWNER) -> dict[str, Any]:
        self.set_time(max(self.now_us, hint.slot_us - 30_000))
        return self.begin([hint], owner)[0]

    def call(self, verdict: Verdict) -> Hint:
        """Grant, begin and settle the next operation; returns its grant."""
        hint = self.grant_next()
        assert self.begin_at_slot(hint)["s"] == "go"
        self.set_time(hint.slot_us)
        self.settle(hint, verdict)
        return hint

    def deliver(self, verdict: Verdict) -> str:
        """Grant, begin and settle the next operation; returns its id."""
        return self.call(verdict).id

    def deliver_sent(self, verdict: Verdict) -> str:
        """Send one message and deliver it with this verdict; returns its id."""
        self.send()
        return self.deliver(verdict)

    def picture(self, op_id: str) -> OperationPicture:
        picture = self.state.operation(op_id)
        assert picture is not None
        return picture

    def operation(self, op_id: str) -> dict[str, Any]:
        """The fields of an operation as they are stored, those of its campaign among them."""
        stored = cast("dict[str, Any]", self.client.hgetall(f"{names.STATE_ROOT}:o:{op_id}"))
        assert stored
        campaign = (
            cast("dict[str, Any]", self.client.hgetall(f"{names.STATE_ROOT}:c:{stored['c']}")) if "c" in stored else {}
        )
        return {code: text for code, text in campaign.items() if len(code) <= len("unk")} | stored

    def campaign(self, name: str = "spring") -> CampaignSnapshot:
        campaign = self.state.campaign(name)
        assert campaign is not None
        return campaign

    def balance(self, account: str = "acme") -> Balance:
        picture = self.state.account(account)
        assert picture is not None
        return balance_of(picture)


ACCEPTED = Verdict("finish", "accepted", code="202", uuid="MSG1")
REJECTED = Verdict("finish", "rejected", code="422", words="no such number")
OVERLOADED = Verdict("retry", delay_s=4.0, code="503", words="busy", reason="overloaded")
THROTTLED = Verdict("defer", scope="account", delay_s=60.0, code="429", words="too many", reason="throttled")
SENDER_BUSY = Verdict("defer", scope="sender", delay_s=3.0, code="486", words="busy", reason="sender_busy")
BAD_KEY = Verdict("defer", scope="suspend", code="401", words="bad_key (401): Invalid API Key", reason="bad_key")
UNKNOWN = Verdict("unknown", code="timeout", words="timeout: no answer", reason="unknown")
NOT_MADE = Verdict("defer", words="late", reason="missed")
DEAD = Verdict("finish", "dead", code="503", words="busy")
UNPAID = Verdict("defer", scope="suspend", code="402", words="unpaid (402): pay first", reason="unpaid")
UNSENDABLE = Verdict("finish", "rejected", code="unsendable", words="cannot be sent")
ABSENT = Verdict("looked", code="200", words="not found in the conversation", reason="lookup")
ABSENT_GROUP = Verdict("looked", "held", code="200", words="no such group", reason="lookup")
LOOK_UP_FAILED = Verdict("wait", delay_s=20.0, code="503", words="the look-up failed", reason="lookup")
NEW_GROUP = Verdict("wait", delay_s=10.0, code="404", words="the new group is not visible yet", reason="new_group")
