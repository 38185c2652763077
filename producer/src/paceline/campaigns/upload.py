"""Uploading a campaign: opened once, its rows streamed into the inbox, sealed; again, what is missing is added."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final

from paceline import names
from paceline.campaigns.draft import Draft, conflict_words, key_conflict, noted
from paceline.campaigns.hours import RecipientHours
from paceline.campaigns.recipients import ROW_KEY, Row, numbered
from paceline.campaigns.senders import as_field
from paceline.errors import CampaignConflict, InvalidRow, UnknownAccount, UnknownSender
from paceline.inbox.record import chunk, common_fields, compact
from paceline.lua.fields import CAMPAIGN
from paceline.state.calls import State

# Rows that are looked at before anything is written: whether they have keys.
SAMPLE: Final = names.CHUNK_ROWS


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What one upload did.

    Args:
        offered: rows read.
        written: rows written to the inbox (state counts which of them were duplicates).
        invalid: rows left out.
    """

    offered: int
    written: int
    invalid: int


def peeked(
    described: Draft, recipients: Iterable[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], Iterator[Mapping[str, Any]]]:
    """Look at the first rows, before anything is written.

    Args:
        described: from `draft`.
        recipients: any iterable.

    Returns:
        The first rows, and all rows.

    Raises:
        InvalidOperation: there are none, they cannot be read, or their columns cannot be meant so.
    """
    rows = iter(recipients)
    first = list(islice(rows, SAMPLE))
    if first:
        described.encoder().check(first[0])
    return first, chain(first, rows)


def keys_of(described: Draft, rows: Sequence[Mapping[str, Any]]) -> str:
    """Whether rows have keys: ``all``, ``some`` or ``none`` of those that are not left out; '' when all of them are."""
    encoder, keyed = described.encoder(), set[bool]()
    for row in numbered(rows):
        with suppress(InvalidRow):
            keyed.add(ROW_KEY in encoder(row))
    if not keyed:
        return ""
    return "some" if len(keyed) > 1 else "all" if True in keyed else "none"


def open_campaign(
    state: State,
    described: Draft,
    *,
    paused: bool = False,
    uploading: bool = False,
    needs_approval: bool = False,
    traced: str = "",
    keys: str = "",
) -> None:
    """Create the campaign, or find it again with the same content.

    Args:
        state: where it lives.
        described: from `draft`.
        paused: a new one begins paused.
        uploading: a new one is held until its upload is whole.
        needs_approval: it is held until somebody approves it.
        traced: from `tracing.sending`; the calls of a new one refer to it.
        keys: from `keys_of` of the first rows; '' when that is not known.

    Raises:
        UnknownAccount, CampaignConflict, NotFound: nothing was written.
    """
    name, account = described.name, described.account
    described.exclusions.check(state, account, keys)
    existing = state.campaign(name)
    if existing and (conflict := key_conflict(existing, keys)):
        raise CampaignConflict(f"campaign {name!r}: {conflict}")

    common = common_fields(
        account=account,
        sender=described.sender,
        priority="bulk",
        kind=described.kind,
        max_attempts=described.max_attempts,
        on_unknown=described.on_unknown,
        valid_until=described.valid_until,
        now=datetime.now(UTC),
    ) | CAMPAIGN.coded(template=compact(dict(described.template)), **({"trace": traced} if traced else {}))
    if described.senders:
        _check_senders(state, described)
        common |= CAMPAIGN.coded(weighted_senders=as_field(described.senders), identity=described.identity)

    options = described.options.texts() | noted(described.compiled, existing, keys)
    how = {"paused": paused, "uploading": uploading, "needs_approval": needs_approval}
    reply = state.open_campaign(name, common, described.digest, options, **how)

    if reply == "continued" and existing and existing.zoned and described.options.window is not None:
        hours = RecipientHours(described.options.window)
        state.control_campaign("zones", name, hours.again(state.campaign_zones(name)))

    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")

    if reply not in ("opened", "continued"):
        raise CampaignConflict(conflict_words(reply, described, state.campaign(name)))


def _check_senders(state: State, described: Draft) -> None:
    """Refuse a number that the account does not list, before anything is written."""
    found = state.account(described.account)
    listed = found.account.senders.split() if found else []
    for sender in described.senders if listed else ():
        if sender.number not in listed:
            account = described.account
            raise UnknownSender(
                f"account {account!r} lists its senders, and {sender.number} is not among them: "
                f"see `paceline accounts show {account}`"
            )


def upload(
    described: Draft,
    recipients: Iterable[Mapping[str, object]],
    *,
    state: State,
    submit: Callable[[str, str, str, int, str], None],
    on_invalid: Callable[[Row, str], None] | None,
    on_progress: Callable[[int], None] | None,
) -> UploadReport:
    """Stream rows into the inbox in chunks, then seal the campaign.

    Args:
        described: the campaign, open.
        recipients: any iterable.
        state: where it lives.
        submit: writes one chunk: campaign, account, sender, number of rows, record.
        on_invalid: takes bad rows; None raises at the first one.
        on_progress: takes the number of rows written.

    Returns:
        What the upload did.
    """
    offered = written = invalid = 0
    rows: list[dict[str, str]] = []

    def flush() -> None:
        nonlocal written
        if not rows:
            return
        if described.hours and (zones := described.hours.untold()):
            state.control_campaign("zones", described.name, zones)
        body = chunk(
            campaign=described.name, account=described.account, sender=described.sender, priority="bulk", rows=rows
        )
        submit(described.name, described.account, described.sender, len(rows), body)
        written += len(rows)
        rows.clear()
        if on_progress:
            on_progress(written)

    encoded = described.encoder()
    for row in numbered(recipients):
        offered += 1
        try:
            fields = encoded(row)
            rows.append(fields | described.exclusions.of(fields))
        except InvalidRow as error:
            if on_invalid is None:
                flush()
                raise
            invalid += 1
            on_invalid(row, error.reason)
        if len(rows) == names.CHUNK_ROWS:
            flush()
    flush()
    state.seal_campaign(described.name, offered, invalid)
    return UploadReport(offered, written, invalid)
