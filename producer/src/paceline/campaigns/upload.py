"""Uploading a campaign: opened once, its rows streamed into the inbox, sealed; again, what is missing is added."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from paceline import names
from paceline.campaigns.given import given_back
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.recipients import Encoder, Row, numbered
from paceline.errors import CampaignConflict, InvalidOperation, InvalidRow, UnknownAccount
from paceline.fields import phone_number
from paceline.inbox.record import chunk, common_fields, compact
from paceline.operations import DEFAULT_MAX_ATTEMPTS, OnUnknown, SendMessage
from paceline.state.calls import State
from paceline.template import placeholders

# For checking the options of a campaign with the model of a single message.
_ANY_RECIPIENT = "+15550100000"


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


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign as it is described, checked, before anything is written.

    Args:
        name: its name.
        account: account name.
        sender: E.164.
        template: the payload all its messages are made of.
        needed: the template's placeholders.
        valid_until: until when all rows are valid, when that was said.
        on_unknown: policy for calls of unknown outcome.
        max_attempts: calls before an operation is dead.
        options: what may be changed later.
        kind: operation kind.
    """

    name: str
    account: str
    sender: str
    template: Mapping[str, str]
    needed: frozenset[str]
    valid_until: datetime | None
    on_unknown: OnUnknown
    max_attempts: int
    options: CampaignOptions
    kind: str

    @property
    def digest(self) -> str:
        """What must stay the same under one name: account, sender, kind, template and policies."""
        identity = (
            self.account,
            self.sender,
            self.kind,
            compact(self.template),
            "b",
            str(self.max_attempts),
            self.on_unknown,
        )
        return blake2b(compact(list(identity)).encode(), digest_size=16).hexdigest()


def draft(
    name: str,
    *,
    account: str,
    sender: str,
    template: str,
    url: str | None = None,
    valid_until: datetime | None = None,
    on_unknown: OnUnknown = "reconcile",
    max_attempts: int | None = None,
    options: CampaignOptions | None = None,
) -> Draft:
    """Check a campaign's description; arguments as for `Outbox.campaign`.

    Raises:
        InvalidOperation: the message names what is wrong.
    """
    needed = placeholders(template)
    # The model of one message checks every option; `account` has the same grammar as a campaign's name.
    sample = SendMessage(
        account=account,
        sender=sender,
        to=_ANY_RECIPIENT,
        text=template,
        url=url,
        priority="bulk",
        valid_until=valid_until,
        on_unknown=on_unknown,
        max_attempts=max_attempts or DEFAULT_MAX_ATTEMPTS,
    )
    try:
        SendMessage(account=name, sender=sender, to=_ANY_RECIPIENT, text="x")
    except InvalidOperation:
        raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64") from None
    return Draft(
        name=name,
        account=account,
        sender=sender,
        template=sample.payload(),
        needed=needed,
        valid_until=sample.valid_until,
        on_unknown=on_unknown,
        max_attempts=sample.max_attempts,
        options=options or CampaignOptions(),
        kind=sample.kind,
    )


def open_campaign(
    state: State, described: Draft, *, paused: bool = False, uploading: bool = False, traced: str = ""
) -> None:
    """Create the campaign, or find it again with the same content.

    Args:
        state: where it lives.
        described: from `draft`.
        paused: a new one begins paused.
        uploading: a new one is held until its upload is whole.
        traced: from `spans.sending`; the calls of a new one refer to it.

    Raises:
        UnknownAccount, CampaignConflict: nothing was written.
    """
    name, account = described.name, described.account
    common = common_fields(
        account=account,
        sender=described.sender,
        priority="bulk",
        kind=described.kind,
        max_attempts=described.max_attempts,
        on_unknown=described.on_unknown,
        valid_until=described.valid_until,
        now=datetime.now(UTC),
    ) | {"p": compact(described.template), **({"tp": traced} if traced else {})}
    reply = state.open_campaign(
        name, common, described.digest, described.options.texts(), paused=paused, uploading=uploading
    )
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")
    if reply not in ("opened", "continued"):
        raise CampaignConflict(_CONFLICTS[reply].format(name=name))


_CONFLICTS = {
    "different": "a campaign named {name!r} exists with another account, sender, template or options",
    "cancelled": "campaign {name!r} was cancelled, which is final: upload under another name",
    "forgotten": "the first outcomes of campaign {name!r} are past their retention time, so it cannot be told who had its "
    "message: upload the rest under another name",
}


def check_number(row: Row) -> None:
    """Ask more of a recipient than its shape: whether its country has numbers of that length, some 20 us a row.

    Raises:
        InvalidRow: no phone has this number.
    """
    try:
        phone_number(str(row.values["to"]).strip())
    except ValueError:
        raise InvalidRow(row.line, "to: is no possible phone number") from None


def upload(
    described: Draft,
    recipients: Iterable[Mapping[str, object]],
    *,
    state: State,
    submit: Callable[[str, str, str, int, str], None],
    check: Callable[[Row], None] | None = None,
    on_invalid: Callable[[Row, str], None] | None,
    on_progress: Callable[[int], None] | None,
) -> UploadReport:
    """Stream rows into the inbox in chunks, then seal the campaign.

    Args:
        described: the campaign, open.
        recipients: any iterable.
        state: where it lives.
        submit: writes one chunk: campaign, account, sender, number of rows, record.
        check: asks more of a row that is right otherwise, such as `check_number`; raises `InvalidRow`.
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
        body = chunk(
            campaign=described.name, account=described.account, sender=described.sender, priority="bulk", rows=rows
        )
        submit(described.name, described.account, described.sender, len(rows), body)
        written += len(rows)
        rows.clear()
        if on_progress:
            on_progress(written)

    encoded = Encoder(described.name, described.needed, template=described.template, ends=described.valid_until)
    for row in numbered(recipients):
        offered += 1
        try:
            fields = encoded(row)
            if check:
                check(row)
            rows.append(fields | given_back(row.line, row.values))
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
