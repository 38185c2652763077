from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from paceline import names
from paceline.errors import CampaignConflict, InvalidOperation, InvalidRow, NotFound, UnknownAccount
from paceline.operations import DEFAULT_MAX_ATTEMPTS, OnUnknown, Priority, SendMessage
from paceline.recipients import Row, encode, numbered
from paceline.record import chunk, common_fields, compact
from paceline.state import State
from paceline.template import placeholders

# For checking the options of a campaign with the model of a single message.
_ANY_RECIPIENT = "+15550100000"

OUTCOMES = ("accepted", "rejected", "expired", "cancelled", "dead", "held")


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign in numbers, all counted by state in the same atomic steps that move operations.

    Args:
        name: the campaign.
        received: rows written by uploads, duplicates among them.
        duplicates: rows that were there already.
        refused: rows of records that no worker could read.
        in_inbox: written and not yet in a lane.
        outcomes: outcome to number of operations.
        remaining: in a lane, waiting for a time, or in flight.
        uploaded: whether the upload was completed.
    """

    name: str
    received: int
    duplicates: int
    refused: int
    in_inbox: int
    outcomes: Mapping[str, int]
    remaining: int
    uploaded: bool

    @property
    def settled(self) -> int:
        """Operations that have their outcome."""
        return sum(self.outcomes.values())

    @property
    def total(self) -> int:
        """Distinct recipients."""
        return self.received - self.duplicates - self.refused

    @property
    def complete(self) -> bool:
        """Whether everything uploaded has its outcome."""
        return self.uploaded and self.settled == self.total


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


class Campaign:
    """A named set of operations with one template.

    Args:
        name: its name.
        state: where it lives.
        report: what the upload did, when this object comes from one.
    """

    def __init__(self, name: str, state: State, report: UploadReport | None = None) -> None:
        self.name = name
        self.report = report
        self._state = state

    def __repr__(self) -> str:
        return f"Campaign({self.name!r})"

    def progress(self) -> Progress:
        """The campaign's numbers now, at a cost that does not depend on its size.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        found = self._state.campaign(self.name)
        if not found:
            raise NotFound(f"no campaign named {self.name!r}")
        return progress_of(self.name, found)


def progress_of(name: str, found: Mapping[str, str]) -> Progress:
    """Read a campaign's hash.

    Args:
        name: the campaign.
        found: its fields.

    Returns:
        The numbers.
    """
    number = {field: int(found.get(field, 0)) for field in ("received", "duplicate", "refused", "inbox", "written")}
    outcomes = {outcome: int(found.get(outcome, 0)) for outcome in OUTCOMES}
    return Progress(
        name=name,
        received=number["received"],
        duplicates=number["duplicate"],
        refused=number["refused"],
        in_inbox=number["inbox"],
        outcomes=outcomes,
        remaining=number["written"] - sum(outcomes.values()),
        uploaded=found.get("sealed") == "1",
    )


@dataclass(frozen=True, slots=True)
class OpenCampaign:
    """A campaign that takes rows.

    Args:
        name: its name.
        account: account name.
        sender: E.164.
        priority: class in the lane.
        needed: the template's placeholders.
        template: the payload they stand in.
        ends: until when all rows are valid, when that was said.
        state: where it lives.
    """

    name: str
    account: str
    sender: str
    priority: Priority
    needed: frozenset[str]
    template: Mapping[str, str]
    ends: datetime | None
    state: State


def open_campaign(
    state: State,
    name: str,
    *,
    account: str,
    sender: str,
    template: str,
    url: str | None,
    priority: Priority,
    valid_until: datetime | None,
    on_unknown: OnUnknown,
    max_attempts: int | None,
) -> OpenCampaign:
    """Create the campaign, or find it again with the same content; arguments as for `Outbox.campaign`."""
    needed = placeholders(template)
    # The model of one message checks every option; `account` has the same grammar as a campaign's name.
    sample = SendMessage(
        account=account,
        sender=sender,
        to=_ANY_RECIPIENT,
        text=template,
        url=url,
        priority=priority,
        valid_until=valid_until,
        on_unknown=on_unknown,
        max_attempts=max_attempts or DEFAULT_MAX_ATTEMPTS,
    )
    try:
        SendMessage(account=name, sender=sender, to=_ANY_RECIPIENT, text="x")
    except InvalidOperation:
        raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64") from None
    common = common_fields(
        account=account,
        sender=sender,
        priority=priority,
        kind=sample.kind,
        max_attempts=sample.max_attempts,
        on_unknown=on_unknown,
        valid_until=sample.valid_until,
        now=datetime.now(UTC),
    ) | {"p": compact(sample.payload())}
    identity = compact([common[field] for field in ("a", "f", "k", "p", "pr", "mx", "unk")])
    reply = state.open_campaign(name, common, blake2b(identity.encode(), digest_size=16).hexdigest())
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")
    if reply == "different":
        raise CampaignConflict(f"a campaign named {name!r} exists with another account, sender, template or options")
    return OpenCampaign(name, account, sender, priority, needed, sample.payload(), sample.valid_until, state)


def upload(
    campaign: OpenCampaign,
    recipients: Iterable[Mapping[str, str]],
    *,
    submit: Callable[[str, str, str, int, str], None],
    on_invalid: Callable[[Row, str], None] | None,
    on_progress: Callable[[int], None] | None,
) -> Campaign:
    """Stream rows into the inbox in chunks, then seal the campaign.

    Args:
        campaign: where to.
        recipients: any iterable.
        submit: writes one chunk: campaign, account, sender, number of rows, record.
        on_invalid: takes bad rows; None raises at the first one.
        on_progress: takes the number of rows written.

    Returns:
        The campaign with its report.
    """
    offered = written = invalid = 0
    rows: list[dict[str, str]] = []

    def flush() -> None:
        nonlocal written
        if not rows:
            return
        body = chunk(
            campaign=campaign.name,
            account=campaign.account,
            sender=campaign.sender,
            priority=campaign.priority,
            rows=rows,
        )
        submit(campaign.name, campaign.account, campaign.sender, len(rows), body)
        written += len(rows)
        rows.clear()
        if on_progress:
            on_progress(written)

    for row in numbered(recipients):
        offered += 1
        try:
            rows.append(encode(campaign.name, row, campaign.needed, template=campaign.template, ends=campaign.ends))
        except InvalidRow as error:
            if on_invalid is None:
                flush()
                raise
            invalid += 1
            on_invalid(row, error.reason)
        if len(rows) == names.CHUNK_ROWS:
            flush()
    flush()
    campaign.state.seal_campaign(campaign.name, offered, invalid)
    return Campaign(campaign.name, campaign.state, UploadReport(offered, written, invalid))
