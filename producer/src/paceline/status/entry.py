"""One entry of a stream of outcomes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, cast

from paceline.literals import EntryEvent, KindName, Outcome
from paceline.times import instant

# The kind of a campaign's final entry, which is about no single operation.
FINAL_KIND: Final = "campaign"
# Fields of few entries: they are in the JSON of those.
_WHERE_GIVEN: Final = ("sender", "result")


@dataclass(frozen=True, slots=True)
class OutcomeEntry:
    """What became of one operation; when several entries have the same ``id``, the last one counts.

    Args:
        entry_id: its place in the stream; a consumer resumes after the last one it handled.
        id: the operation; empty in a campaign's final entry.
        account: account name.
        campaign: campaign name, or None.
        kind: such as ``message.to_number``; ``campaign`` in a campaign's final entry.
        outcome: accepted, rejected, expired, cancelled, dead, held or suppressed; in a final entry ``complete`` or ``cancelled``.
        code: the provider's status code, or a word where there was none.
        message_uuid: the provider's handle of the message, or of the new group.
        words: the provider's words, or ours.
        accepted_at: when a worker took the operation into its lane; in a final entry, when the campaign was created.
        settled_at: when it got this outcome.
        to: the recipient, or the group or other target; None in a final entry.
        count: in a final entry: operations of the campaign, or how many were cancelled.
        event: ``settled`` (it got this outcome), or what a receipt told of an accepted message at ``settled_at``: ``sent``,
            ``delivered``, ``read`` or ``not_sent``.
        idempotency_key: as it was given.
        key: of the campaign's row, as it was given.
        metadata: as it was given.
        version: of the entry's form (docs/outcomes.md).
        first: in a final entry: whether the campaign is complete for the first time.
        sender: the number that sent it, of a campaign with several.
        result: of a number check: ``check`` with the provider's answer.
    """

    entry_id: str
    id: str
    account: str
    campaign: str | None
    kind: KindName | Literal["campaign"]
    outcome: Outcome | Literal["complete"]
    code: str | None
    message_uuid: str | None
    words: str | None
    accepted_at: datetime
    settled_at: datetime
    to: str | None = None
    count: int | None = None
    event: EntryEvent = "settled"
    idempotency_key: str | None = None
    key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    version: int = 1
    first: bool = False
    sender: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_final(self) -> bool:
        """Whether it says that a campaign is over, and not what became of an operation."""
        return self.kind == FINAL_KIND

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
            if name not in _WHERE_GIVEN
        } | {"metadata": dict(self.metadata)}
        return plain | {name: value for name in _WHERE_GIVEN if (value := getattr(self, name))}


def entry_of(entry_id: str, found: Mapping[str, str]) -> OutcomeEntry:
    """Read one entry of a stream.

    Args:
        entry_id: of the entry in its stream.
        found: its fields; those of a later release are ignored.

    Returns:
        The entry; what is empty there is None here.
    """
    return OutcomeEntry(
        entry_id=entry_id,
        id=found["id"],
        account=found["account"],
        campaign=found["campaign"] or None,
        kind=cast("KindName", found["kind"]),
        outcome=cast("Outcome", found["outcome"]),
        code=found["code"] or None,
        message_uuid=found["message_uuid"] or None,
        words=found["words"] or None,
        accepted_at=instant(found["accepted_at_us"]),
        settled_at=instant(found["settled_at_us"]),
        to=found.get("to") or None,
        count=int(found["count"]) if "count" in found else None,
        event=cast("EntryEvent", found.get("event", "settled")),
        idempotency_key=found.get("idempotency_key") or None,
        key=found.get("key") or None,
        metadata=texts_in(found.get("metadata")),
        version=int(found.get("v", 1)),
        first=found.get("first") == "1",
        sender=found.get("sender") or None,
        result=object_in(found.get("result")),
    )


def object_in(text: str | None) -> dict[str, Any]:
    """The JSON object in a text; an empty one where the text is something else, so that no reader stops at it."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def texts_in(text: str | None) -> dict[str, str]:
    """Likewise, without values that are no texts."""
    return {name: value for name, value in object_in(text).items() if isinstance(value, str)}


def entries_of(entry_id: str, found: Mapping[str, str]) -> list[OutcomeEntry]:
    """Read one entry of a stream; an entry about many unreached recipients becomes an entry for each.

    Args:
        entry_id: of the entry in its stream.
        found: its fields in Redis.

    Returns:
        The entries; none of an entry that no script of ours wrote: who may write to the stream must not stop its readers.
    """
    try:
        entry = entry_of(entry_id, found)
        if "recipients" not in found:
            return [entry]
        return [replace(entry, id=op_id, to=to, key=key or None) for op_id, to, key in json.loads(found["recipients"])]
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
        return []
