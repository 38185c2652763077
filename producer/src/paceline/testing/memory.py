"""What state answers an outbox, from memory."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from paceline.inbox.record import compact
from paceline.literals import OUTCOMES, Outcome
from paceline.lua.fields import CAMPAIGN, OPERATION
from paceline.operations.requests import merged
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot, SourceSnapshot
from paceline.state.pictures import AccountPicture, CampaignPicture, FleetSnapshot, OperationPicture, RecordSnapshot
from paceline.state.questions import Question
from paceline.state.snapshots import AccountSnapshot, LaneSnapshot, OperationSnapshot
from paceline.status.receipt import ReceiptStatus
from paceline.testing.campaigns import control, hold_at_opening
from paceline.testing.listed import Lists
from paceline.testing.recorded import CampaignMessage, RecordedCampaign, Recorder
from paceline.testing.stream import Stream
from paceline.times import microseconds

_T = TypeVar("_T")
# What a campaign has for all its operations.
_SHARED: Final = (
    *("account", "sender", "priority", "kind", "max_attempts", "on_unknown", "unknown_letter", "valid_until"),
    "not_before",
)


class MemoryState(State):
    """What state answers an outbox, from memory: a written record is accepted in the same moment.

    Args:
        outbox: records, and says what is to fail.
        clock: tells the time.
    """

    def __init__(self, outbox: Recorder, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._now = clock
        self._created_by: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._operations: dict[str, dict[str, str]] = {}
        self._campaigns: dict[str, dict[str, str]] = {}
        self._stream = Stream()
        self._lists = Lists()
        self._zones: dict[str, dict[str, str]] = {}

    def ask(self, question: Question[_T]) -> _T:
        """The answer: that of the method of the question's name."""
        answer: _T = getattr(self, question.name)(**question.given)
        return answer

    def settle(self, op_id: str, outcome: Outcome, **detail: Any) -> None:
        """Give an operation its outcome, as a worker does; see `RecordingOutbox.settle`."""
        operation = self._operations[op_id]
        before, now = operation.get("outcome"), self._us()
        answer = {"code": detail.get("code", ""), "handle": detail.get("uuid", ""), "words": detail.get("words", "")}
        operation |= {"state": "d", "outcome": outcome, "settled_at": now, "slot": now, **answer}
        if detail.get("result"):
            operation["result"] = compact(detail["result"])

        if "campaign" in operation:
            self._count(operation["campaign"], **{outcome: 1}, **({before: -1} if before else {}))
        self._tell(op_id, "settled")
        self._complete(operation.get("campaign"))

    def note(self, op_id: str, statuses: Sequence[ReceiptStatus]) -> None:
        """Note what receipts tell of an operation; see `RecordingOutbox.deliver`."""
        operation = self._operations[op_id]
        for status in statuses:
            if f"{status}_at" in operation:
                continue
            operation[f"{status}_at"] = self._us()
            if "campaign" in operation:
                self._count(operation["campaign"], **{f"receipt_{status}": 1})
            self._tell(op_id, "delivered" if status == "received" else status)

    def outcomes(self, campaign: str, begin: str, most: int) -> list[Any]:
        """As outcomes.lua."""
        if campaign and campaign not in self._campaigns:
            return ["unknown campaign"]
        complete = campaign and "completed_at" in self._campaigns[campaign]
        return ["entries", "1" if complete else "0", self._stream.page(campaign, begin, most)]

    def suppress(self, name: str, reason: str, numbers: Sequence[str], forms: Sequence[str]) -> int | str:
        """As suppress.lua; waiting operations to these numbers has its outcome in the same moment."""
        if self._refuses(name):
            return "unknown account"
        new = self._lists.add(name, reason, numbers, forms, microseconds(self._now()) // 1_000_000)
        for op_id, found in self._operations.items():
            self._settle_suppressed(op_id, found)
        return new

    def unsuppress(self, name: str, numbers: Sequence[str], forms: Sequence[str]) -> int | str:
        """As suppress.lua."""
        return "unknown account" if self._refuses(name) else self._lists.remove(name, numbers, forms)

    def suppressed(self, name: str, numbers: Sequence[str]) -> list[list[str]] | str:
        """As suppress.lua."""
        return "unknown account" if self._refuses(name) else [self._lists.entry(name, number) for number in numbers]

    def suppressions(self, name: str, cursor: str, most: int) -> list[Any] | str:  # noqa: ARG002 - all at once
        """As suppress.lua."""
        return "unknown account" if self._refuses(name) else ["0", *self._lists.page(name)]

    def left_out(self, name: str, not_within_us: str, rows: Sequence[tuple[str, str]]) -> list[str]:  # noqa: ARG002 - nothing leaves
        """As suppress.lua."""
        return ["listed" if self._lists.entry(name, to) else "" for to, _ in rows]

    def _settle_suppressed(self, op_id: str, fields: Mapping[str, str]) -> None:
        if "exempt" in fields or fields["state"] == "d":
            return
        why = self._lists.why(fields["account"], fields["to"], fields["kind"])
        if why:
            self.settle(op_id, "suppressed", code="listed", words=why)

    def cancel(self, op_id: str, why: str) -> str:
        """As cancel.lua; the outcome follows in the same moment."""
        operation = self._operations.get(op_id)
        if operation is None:
            return "unknown"
        if operation["state"] == "d":
            outcome = operation["outcome"]
            return "cancelled" if outcome == "cancelled" else f"its outcome is {outcome}"
        self.settle(op_id, "cancelled", code="cancelled", words=f"cancelled: {why}")
        return "cancelled"

    def find(self, cursor: str, to: str, account: str, most: int) -> tuple[str, list[str]]:  # noqa: ARG002 - all at once
        """As look.lua."""
        operations = self._operations.items()
        return "0", [op_id for op_id, one in operations if one["to"] == to and account in ("", one["account"])]

    def submit(
        self,
        rid: str,
        account: str,
        sender: str,  # noqa: ARG002 - the record says it too
        count: int,
        body: str,
        *,
        campaign: str = "",
        op_id: str = "",
        digest: str = "",
    ) -> str:
        """As write_record.lua and accept.lua."""
        if self._refuses(account):
            return "unknown account"
        if self._operations.get(op_id, {}).get("content_digest", digest) != digest:
            return "other content"

        record: dict[str, Any] = json.loads(body)
        common = OPERATION.named(record.get("common") or {})

        if campaign:
            held = self._campaigns[campaign]
            common = {name: held[name] for name in _SHARED if name in held} | {"campaign": campaign}

        rows = [OPERATION.named(row) | {"id": row["id"]} for row in record["rows"]]
        missing = [row["follows"] for row in rows if "follows" in row and row["follows"] not in self._operations]

        if missing:
            self._refusals[rid] = (
                f"operation {missing[0]}, its predecessor, is unknown or was deleted after its retention time"
            )
            return "written"

        written = sum(self._write(rid, common | row) for row in rows)
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
        uploading: bool = False,
        needs_approval: bool = False,
    ) -> str:
        """As `State.open_campaign`."""
        described = CAMPAIGN.named(common)
        if self._refuses(described["account"]):
            return "unknown account"
        existing = self._campaigns.get(name)
        if existing and existing["digest"] == digest:
            return "continued"
        if existing and int(existing.get("received", 0)):
            return "different"
        begun = {"digest": digest, "sealed": "0", "created": self._us()}
        self._campaigns[name] = described | CAMPAIGN.named(options or {}) | begun
        self._campaigns[name] |= hold_at_opening(paused=paused, uploading=uploading, needs_approval=needs_approval)
        payload = json.loads(described["template"])
        self._outbox.campaigns[name] = RecordedCampaign(
            name, described["account"], described["sender"], payload.get("text", ""), payload.get("url")
        )
        return "opened"

    def seal_campaign(self, name: str, offered: int, invalid: int) -> None:
        """As `State.seal_campaign`."""
        self._campaigns[name] |= {"sealed": "1", "offered": str(offered), "invalid": str(invalid)}
        if self._campaigns[name].pop("uploading", None):
            del self._campaigns[name]["hold"], self._campaigns[name]["hold_why"]
        self._complete(name)

    def control_campaign(self, verb: str, name: str, argument: str = "") -> str:
        """As `State.control_campaign`."""
        if name not in self._campaigns:
            return "unknown campaign"
        reply = control(self._campaigns[name], verb, argument, self._us())
        if reply != "done":
            return reply

        if verb == "zones":
            words = {zones: window[0] for zones, window in json.loads(argument).items()}
            self._zones[name] = self._zones.get(name, {}) | words
        elif verb == "delete":
            del self._campaigns[name], self._outbox.campaigns[name]
            kept = {op_id: fields for op_id, fields in self._operations.items() if fields.get("campaign") != name}
            self._operations = kept
        return reply

    def change_template(self, name: str, payload: str, digest: str) -> str:
        """As `State.change_template`."""
        self._campaigns[name] |= {"template": payload, "digest": digest}
        recorded, fields = self._outbox.campaigns[name], json.loads(payload)
        recorded.template, recorded.url = fields.get("text", ""), fields.get("url")
        rows = [fields for fields in self._operations.values() if fields.get("campaign") == name]
        recorded.messages[:] = [_message(row["to"], payload, row["payload"]) for row in rows]
        return "done"

    def campaigns(self) -> list[str]:
        """As `State.campaigns`."""
        return sorted(self._campaigns)

    def campaign(self, name: str) -> CampaignSnapshot | None:
        """As `State.campaign`."""
        if name not in self._campaigns:
            return None
        return CampaignSnapshot.of(self._campaigns[name] | {"now": self._us()})

    def pools(self, account: str) -> dict[str, str]:  # noqa: ARG002 - it has none
        """As `State.pools`."""
        return {}

    def campaign_zones(self, name: str) -> dict[str, str]:
        """As `State.campaign_zones`."""
        return dict(self._zones.get(name, {}))

    def campaign_picture(self, name: str) -> CampaignPicture | None:
        """As `State.campaign_picture`."""
        campaign = self.campaign(name)
        if campaign is None:
            return None
        picture = self.account(campaign.account)
        return CampaignPicture(
            campaign,
            campaign.now_us,
            account=picture.account if picture else None,
            counts=picture.counts if picture else {},
            lanes=picture.lanes if picture else (),
        )

    def known(self, op_ids: Iterable[str]) -> int:
        """As `State.known`."""
        return sum(op_id in self._operations for op_id in op_ids)

    def account(self, name: str) -> AccountPicture | None:
        """As `State.account`."""
        if self._refuses(name):
            return None
        now_us = int(self._us())
        return AccountPicture(_account(name, now_us), now_us, lanes=self._lanes(name))

    def fleet(self) -> FleetSnapshot:
        """As `State.fleet`."""
        return FleetSnapshot(workers=1)

    def operation(self, op_id: str) -> OperationPicture | None:
        """As `State.operation`."""
        fields = self._operations.get(op_id)
        if fields is None:
            return None
        now_us, not_before_us = int(self._us()), int(fields.get("not_before", 0))
        operation = OperationSnapshot.of(op_id, now_us, fields)
        return OperationPicture(
            operation,
            account=_account(operation.account, now_us),
            lanes=(_lane(operation.sender, [fields]),),
            campaign=self.campaign(operation.campaign) if operation.campaign else None,
            position=0,
            follows=operation.follows if operation.where == "waiting" else None,
            not_before_us=not_before_us if not_before_us > now_us else None,
        )

    def record(self, rid: str, op_id: str) -> RecordSnapshot:
        """As `State.record`."""
        if rid in self._refusals:
            return RecordSnapshot(waiting=False, refused=self._refusals[rid], known=op_id in self._operations)
        return RecordSnapshot(waiting=False, known=True, created_here=self._created_by[op_id] == rid)

    def _write(self, rid: str, fields: dict[str, str]) -> bool:
        op_id = fields.pop("id")
        if op_id in self._operations:
            return False
        self._created_by[op_id] = rid
        self._operations[op_id] = fields | {"state": "w", "accepted_at": self._us()}
        if campaign := fields.get("campaign"):
            message = _message(fields["to"], self._campaigns[campaign]["template"], fields["payload"])
            self._outbox.campaigns[campaign].messages.append(message)
        self._settle_suppressed(op_id, self._operations[op_id])
        return True

    def _lanes(self, account: str) -> tuple[LaneSnapshot, ...]:
        by_sender: dict[str, list[Mapping[str, str]]] = {}
        for fields in self._operations.values():
            if fields["account"] == account and fields["state"] == "w":
                by_sender.setdefault(fields["sender"], []).append(fields)
        return tuple(_lane(sender, waiting) for sender, waiting in by_sender.items())

    def _us(self) -> str:
        return str(microseconds(self._now()))

    def _tell(self, op_id: str, event: str) -> None:
        operation = self._operations[op_id]
        given = {"to": "to", "idempotency_key": "idempotency_key", "row_key": "key", "metadata": "metadata"}
        fields = {
            "id": op_id,
            "account": operation["account"],
            "campaign": operation.get("campaign", ""),
            "kind": operation["kind"],
            "outcome": operation["outcome"],
            "code": operation["code"] if event == "settled" else "",
            "message_uuid": operation["handle"],
            "words": operation["words"] if event == "settled" else "",
            "accepted_at_us": operation["accepted_at"],
            "settled_at_us": self._us(),
            "v": "2",
        } | {name: operation[stored] for stored, name in given.items() if stored in operation}
        self._append(fields if event == "settled" else fields | {"event": event})

    def _append(self, fields: Mapping[str, str]) -> None:
        self._stream.append(fields, microseconds(self._now()) // 1000)

    def _complete(self, name: str | None) -> None:
        """A sealed campaign whose messages all have their outcome is complete."""
        campaign = self._campaigns.get(name or "")
        if campaign is None or campaign["sealed"] != "1" or "completed_at" in campaign:
            return
        written = int(campaign.get("written", 0))
        if sum(int(campaign.get(outcome, 0)) for outcome in OUTCOMES) < written:
            return
        campaign["completed_at"] = self._us()
        about = {
            "id": "",
            "account": campaign["account"],
            "campaign": str(name),
            "kind": "campaign",
            "outcome": "complete",
        }
        empty = {"code": "", "message_uuid": "", "words": ""}
        times = {"accepted_at_us": campaign["created"], "settled_at_us": campaign["completed_at"]}
        self._append(about | empty | times | {"v": "2", "count": str(written)})

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


def _account(name: str, now_us: int) -> AccountSnapshot:
    """An account that may always send."""
    return AccountSnapshot(name, interval_now_us=1, next_slot_us=now_us)


def _lane(sender: str, waiting: Sequence[Mapping[str, str]]) -> LaneSnapshot:
    """The lane of some operations of one sender."""
    bulk = Counter(fields.get("campaign", "-") for fields in waiting if fields["priority"] == "b")
    return LaneSnapshot(
        sender,
        transactional=len(waiting) - bulk.total(),
        bulk=bulk.total(),
        sources=tuple(SourceSnapshot(name, number) for name, number in bulk.items()),
    )
