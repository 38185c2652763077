"""For the unit tests of services that enqueue: an `Outbox` that needs no Redis and remembers what it was given.

::

    from paceline import Queued, Outbox, SendMessage
    from paceline.testing import RecordingOutbox

    def greet(outbox: Outbox, number: str) -> None:      # the code under test
        outbox.send(SendMessage(account="acme", sender="+15550100001", to=number, text="Welcome"))

    def test_a_new_customer_is_greeted() -> None:
        outbox = RecordingOutbox()
        greet(outbox, "+15550100002")
        assert outbox.sent == [
            SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Welcome"),
        ]
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from paceline.errors import PacelineError
from paceline.inbox.record import compact, microseconds
from paceline.operations import Operation
from paceline.operations.requests import merged
from paceline.outbox import Outbox, Queued, Ticket
from paceline.outcomes import OutcomeEntry
from paceline.settings import Settings
from paceline.state.calls import State

__all__ = ["CampaignMessage", "RecordedCampaign", "RecordingOutbox"]


class CampaignMessage(NamedTuple):
    """What one recipient of a campaign would get.

    Args:
        to: the number.
        text: the template filled with the recipient's columns.
    """

    to: str
    text: str


@dataclass(slots=True)
class RecordedCampaign:
    """A campaign as it was uploaded.

    Args:
        name: its name.
        account: account name.
        sender: E.164.
        template: the text with its placeholders.
        url: attachment for all, or None.
        messages: one per distinct recipient, in the order of the upload.
    """

    name: str
    account: str
    sender: str
    template: str
    url: str | None
    messages: list[CampaignMessage] = field(default_factory=list)


class RecordingOutbox(Outbox):
    """An `Outbox` for unit tests: the same methods, checks and errors, and no server.

    What is sent counts as accepted at once and then waits for ever; nothing leaves. A repeated idempotency key (or
    recipient of a campaign) is a duplicate, as it is for workers, and one that names an operation never sent here is
    refused. Every account is known unless it is refused. A plan takes it for granted that an account sends a million a second.

    Args:
        fail_with: raised by `send`, `campaign` and `plan_campaign` for as long as the attribute of that name is set, for example
            ``StateUnavailable("Redis is down")``; set it to None and the outbox works again.
        unknown_accounts: names that are refused with `UnknownAccount`; the attribute is a set that may be changed.
        clock: tells the time; the system's by default.

    Attributes:
        sent: operations in the order they were sent, duplicates and refused ones left out.
        campaigns: campaigns by name.
        closed: whether `close` was called.
    """

    def __init__(
        self,
        *,
        fail_with: PacelineError | None = None,
        unknown_accounts: Iterable[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # Not the base's: it reads the environment and builds clients of Redis and of the broker.
        self.settings = Settings()
        self.fail_with = fail_with
        self.unknown_accounts = set(unknown_accounts)
        self.sent: list[Operation] = []
        self.campaigns: dict[str, RecordedCampaign] = {}
        self.closed = False
        self.state = _MemoryState(self, clock)

    def send(self, operation: Operation) -> Ticket:
        """As `Outbox.send`; the operation is also put into `sent`."""
        receipt = super().send(operation)
        if isinstance(receipt.wait(timeout=0), Queued):
            self.sent.append(operation)
        return receipt

    def outcomes(
        self,
        campaign: str | None = None,
        after: str | None = None,  # noqa: ARG002 - there is nothing to be behind
        *,
        follow: bool = False,  # noqa: ARG002 - nothing comes either
    ) -> Iterator[OutcomeEntry]:
        """None: nothing leaves, so nothing has an outcome."""
        if campaign is not None:
            self.find_campaign(campaign)
        return iter(())

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _hint(self, rid: str) -> None:
        """Nobody listens."""


class _MemoryState(State):
    """What state answers an Outbox, from memory: a written record is accepted in the same moment."""

    def __init__(self, outbox: RecordingOutbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._now = clock
        self._created_by: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._operations: dict[str, dict[str, str]] = {}
        self._campaigns: dict[str, dict[str, str]] = {}

    def submit(
        self,
        rid: str,
        account: str,
        sender: str,  # noqa: ARG002 - the record says it too
        count: int,
        body: str,
        *,
        campaign: str = "",
    ) -> str:
        if self._refuses(account):
            return "unknown account"
        record: dict[str, Any] = json.loads(body)
        common: dict[str, str] = self._campaigns[campaign] | {"c": campaign} if campaign else record["common"]
        rows: list[dict[str, str]] = record["rows"]
        missing = [row["rf"] for row in rows if "rf" in row and row["rf"] not in self._operations]
        if missing:
            self._refusals[rid] = (
                f"operation {missing[0]}, which it follows, is not known, or was deleted after its retention time"
            )
            return "written"
        written = sum(self._write(rid, common | row | {"p": _content(common, row), "v": row["p"]}) for row in rows)
        if campaign:
            self._count(campaign, received=count, written=written, duplicate=count - written)
        return "written"

    def open_campaign(
        self,
        name: str,
        common: dict[str, str],
        digest: str,
        options: Mapping[str, str] | None = None,
        *,
        paused: bool = False,
    ) -> str:
        if self._refuses(common["a"]):
            return "unknown account"
        existing = self._campaigns.get(name)
        if existing and existing["digest"] == digest:
            return "continued"
        if existing and int(existing.get("received", 0)):
            return "different"
        self._campaigns[name] = common | dict(options or {}) | {"digest": digest, "sealed": "0"}
        if paused:
            self._campaigns[name] |= {"hold": "paused", "hold_why": "it was uploaded paused"}
        payload = json.loads(common["p"])
        self._outbox.campaigns[name] = RecordedCampaign(
            name, common["a"], common["f"], payload.get("text", ""), payload.get("url")
        )
        return "opened"

    def seal_campaign(self, name: str, offered: int, invalid: int) -> None:
        self._campaigns[name] |= {"sealed": "1", "offered": str(offered), "invalid": str(invalid)}

    def control_campaign(self, verb: str, name: str, argument: str = "") -> str:
        if name not in self._campaigns:
            return "unknown campaign"
        held = self._campaigns[name]
        if held.get("hold") == "cancelled":
            return "cancelled"
        if verb == "delete":
            del self._campaigns[name], self._outbox.campaigns[name]
            self._operations = {op_id: found for op_id, found in self._operations.items() if found.get("c") != name}
        elif verb == "change":
            held |= json.loads(argument)
        elif verb == "resume":
            held.pop("hold", None)
        else:
            held |= {"hold": {"pause": "paused", "cancel": "cancelled"}[verb], "hold_why": argument}
        return "done"

    def change_template(self, name: str, payload: str, digest: str) -> str:
        self._campaigns[name] |= {"p": payload, "digest": digest}
        recorded = self._outbox.campaigns[name]
        fields = json.loads(payload)
        recorded.template, recorded.url = fields.get("text", ""), fields.get("url")
        rows = [found for found in self._operations.values() if found.get("c") == name]
        recorded.messages[:] = [_message(found["to"], payload, found["v"]) for found in rows]
        return "done"

    def campaigns(self) -> list[str]:
        return sorted(self._campaigns)

    def campaign(self, name: str) -> dict[str, str]:
        return dict(self._campaigns.get(name, {}))

    def campaign_outlook(self, name: str) -> dict[str, Any] | None:
        found = self._campaigns.get(name)
        return None if found is None else (self.account(found["a"]) or {}) | {"campaign": dict(found)}

    def known(self, op_ids: Iterable[str]) -> int:
        return sum(op_id in self._operations for op_id in op_ids)

    def account(self, name: str) -> dict[str, Any] | None:
        if self._refuses(name):
            return None
        now = str(microseconds(self._now()))
        account = {"name": name, "next_slot": now, "interval_now": "1"}
        return {"account": account, "lanes": self._lanes(name), "counts": {}, "timed": 0, "now": now}

    def fleet(self) -> dict[str, Any]:
        return {"workers": 1}

    def operation(self, op_id: str) -> dict[str, Any] | None:
        found = self._operations.get(op_id)
        if found is None:
            return None
        now = str(microseconds(self._now()))
        return {
            "operation": found | {"id": op_id, "now": now},
            "account": {"name": found["a"], "next_slot": now, "interval_now": "1"},
            "lanes": [_lane_of(found)],
            "position": 0,
            "follows": found.get("rf"),
            "not_before": found["nb"] if int(found.get("nb", 0)) > int(now) else None,
        }

    def receipt(self, rid: str, op_id: str) -> dict[str, Any]:
        if rid in self._refusals:
            return {"waiting": False, "refused": self._refusals[rid]}
        return {"waiting": False, "created_here": self._created_by[op_id] == rid}

    def _write(self, rid: str, fields: dict[str, str]) -> bool:
        op_id = fields["id"]
        if op_id in self._operations:
            return False
        self._created_by[op_id] = rid
        self._operations[op_id] = fields | {"s": "w", "t": str(microseconds(self._now()))}
        if "c" in fields:
            message = _message(fields["to"], self._campaigns[fields["c"]]["p"], fields["v"])
            self._outbox.campaigns[fields["c"]].messages.append(message)
        return True

    def _lanes(self, account: str) -> list[dict[str, Any]]:
        lanes: dict[str, dict[str, Any]] = {}
        for found in self._operations.values():
            if found["a"] == account:
                lane = lanes.setdefault(
                    found["f"], {"sender": found["f"], "transactional": 0, "bulk": 0, "sources": {}}
                )
                _add_to(lane, found)
        return [lane | {"sources": list(lane["sources"].values())} for lane in lanes.values()]

    def _refuses(self, account: str) -> bool:
        if self._outbox.fail_with is not None:
            raise self._outbox.fail_with
        return account in self._outbox.unknown_accounts

    def _count(self, campaign: str, **more: int) -> None:
        counts = self._campaigns[campaign]
        for name, number in more.items():
            counts[name] = str(int(counts.get(name, 0)) + number)


def _message(to: str, template: str, values: str) -> CampaignMessage:
    return CampaignMessage(to, merged(json.loads(template), json.loads(values)).get("text", ""))


def _add_to(lane: dict[str, Any], found: Mapping[str, str]) -> None:
    if found["pr"] == "t":
        lane["transactional"] += 1
        return
    name = found.get("c", "-")
    lane["sources"].setdefault(name, {"name": name, "waiting": 0, "timed": 0})["waiting"] += 1
    lane["bulk"] += 1


def _lane_of(found: Mapping[str, str]) -> dict[str, Any]:
    """The lane of an operation that waits alone."""
    bulk = {"name": found.get("c", "-"), "waiting": 1, "timed": 0}
    is_bulk = found["pr"] == "b"
    return {"sender": found["f"], "transactional": int(not is_bulk), "sources": [bulk] if is_bulk else []}


def _content(common: dict[str, str], row: dict[str, str]) -> str:
    """The payload of a row: its own, or its campaign's with the row's values put in."""
    return compact(merged(json.loads(common["p"]), json.loads(row["p"]))) if "c" in common else row["p"]
