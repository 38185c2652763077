"""Taking back what a campaign sent: deletions of its messages, a campaign of their own beside it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from paceline import names
from paceline.campaigns.draft import Draft
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.senders import from_field
from paceline.campaigns.upload import open_campaign
from paceline.defaults import DEFAULT_MAX_ATTEMPTS
from paceline.errors import CampaignConflict, InvalidOperation, NotFound
from paceline.ids import derived_id, derived_ids
from paceline.inbox.record import chunk, compact
from paceline.lua.fields import OPERATION
from paceline.outcomes import Outcomes
from paceline.recipients.columns import Reading
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline.status.entry import OutcomeEntry
from paceline.template import Template
from paceline.times import instant, microseconds

KIND: Final = "message.delete"
# WhatsApp lets a message be deleted for so long (docs/provider.md, 4).
DELETABLE: Final = timedelta(hours=60)
_SUFFIX: Final = ".deletion"
_LONGEST_NAME: Final = 64
_DIGEST: Final = 8
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Recall:
    """What a deletion of a campaign's messages does, or would do.

    Args:
        name: of the campaign of deletions, which is paused, watched and cancelled like any other.
        campaign: whose messages are deleted.
        sent: messages that the provider accepted.
        deletable: of those, the ones that can be deleted now.
        too_old: of those, the ones sent more than 60 hours ago.
        unknown: of those, the ones whose uuid the provider did not tell.
        asked_before: of the deletable ones, those for which an earlier call asked already.
        written: deletions that this call wrote.
    """

    name: str
    campaign: str
    sent: int = 0
    deletable: int = 0
    too_old: int = 0
    unknown: int = 0
    asked_before: int = 0
    written: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def deletion_of(campaign: str) -> str:
    """The name of the campaign that deletes the messages of a campaign; a part of a long name becomes a digest of the whole."""
    room = _LONGEST_NAME - len(_SUFFIX)
    if len(campaign) <= room:
        return f"{campaign}{_SUFFIX}"
    digest = derived_id("deletion", campaign)[-_DIGEST:]
    return f"{campaign[: room - _DIGEST - 1]}-{digest}{_SUFFIX}"


def recall(state: State, campaign: str, *, submit: Callable[[str, str, str, int, str], None] | None) -> Recall:
    """Write a deletion for each message of a campaign that can still be deleted; again, only the missing ones.

    Args:
        state: where the campaign lives.
        campaign: its name.
        submit: writes one chunk: campaign, account, sender, number of rows, record. None: nothing is written.

    Returns:
        What was done, or would be.

    Raises:
        NotFound: there is no such campaign.
        InvalidOperation: what it sent cannot be deleted.
        CampaignConflict: it goes on sending.
    """
    snapshot = _checked(campaign, state.campaign(campaign), writes=submit is not None)
    told = {"sent": 0, "deletable": 0, "too_old": 0, "unknown": 0, "asked_before": 0, "written": 0}
    name = deletion_of(campaign)
    rows: list[dict[str, str]] = []
    opened = False

    def flush() -> None:
        nonlocal opened
        known = state.known([row["id"] for row in rows]) if rows else 0
        told["asked_before"] += known
        if not rows or not submit or known == len(rows):
            rows.clear()
            return
        if not opened:
            open_campaign(state, _described(name, campaign, snapshot), keys="all")
            opened = True
        for start in range(0, len(rows), names.CHUNK_ROWS):
            part = rows[start : start + names.CHUNK_ROWS]
            body = chunk(campaign=name, account=snapshot.account, sender=snapshot.sender, priority="bulk", rows=part)
            submit(name, snapshot.account, snapshot.sender, len(part), body)
        told["written"] += len(rows) - known
        rows.clear()

    now, by_operation = instant(snapshot.now_us), derived_ids("campaign", name)
    for entry in _sent(state, campaign):
        told["sent"] += 1
        if not entry.message_uuid or not entry.to:
            told["unknown"] += 1
        elif entry.settled_at + DELETABLE <= now:
            told["too_old"] += 1
        else:
            told["deletable"] += 1
            rows.append(_row(entry, by_operation(entry.id), snapshot))
        if len(rows) == _AT_ONCE:
            flush()
    flush()
    if opened:
        state.seal_campaign(name, told["deletable"], 0)
    return Recall(name, campaign, **told)


def _checked(name: str, campaign: CampaignSnapshot | None, *, writes: bool) -> CampaignSnapshot:
    if campaign is None:
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    if campaign.kind != "message.to_number":
        raise InvalidOperation(
            f"campaign: {name!r} sent operations of kind {campaign.kind}; only WhatsApp messages can be deleted"
        )
    if writes and campaign.hold is None and campaign.completed_at_us is None:
        raise CampaignConflict(
            f"campaign {name!r} is still sending: `paceline campaign pause {name}` (or `cancel`) first, then delete its messages"
        )
    return campaign


def _described(name: str, campaign: str, of: CampaignSnapshot) -> Draft:
    several = from_field(of.weighted_senders)
    return Draft(
        name=name,
        account=of.account,
        sender=of.sender,
        compiled=Template({}),
        not_before=None,
        valid_until=instant(of.now_us) + DELETABLE,
        on_unknown="reconcile",
        max_attempts=DEFAULT_MAX_ATTEMPTS,
        # What a number does not find, another one does not find either.
        options=CampaignOptions(on_sender_failure="stop" if several else None, auto_pause=0),
        kind=KIND,
        reading=Reading(),
        senders=several,
        pool=f"of {campaign}" if several else None,
    )


def _row(entry: OutcomeEntry, op_id: str, campaign: CampaignSnapshot) -> dict[str, str]:
    end: datetime = entry.settled_at + DELETABLE
    fields = OPERATION.coded(
        payload=compact({"message_uuid": entry.message_uuid}), row_key=entry.id, valid_until=str(microseconds(end))
    )
    own = OPERATION.coded(sender=entry.sender) if campaign.weighted_senders and entry.sender else {}
    return {"id": op_id, "to": str(entry.to)} | fields | own


def _sent(state: State, campaign: str) -> Iterator[OutcomeEntry]:
    """Messages of a campaign that the provider accepted; that outcome is an operation's last one."""
    return (entry for entry in Outcomes(state=state).each(campaign) if entry.outcome == "accepted")
