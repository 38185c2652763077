"""What a plan says, as values and in sentences: problems, warnings, remarks on the messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from paceline.campaigns.plan.inspection import Inspection, Sample
from paceline.campaigns.plan.parts import Openings
from paceline.campaigns.plan.rows import Part, Rows
from paceline.forecast.outlook import cap_words, clock, pause_words
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.pictures import AccountPicture, CampaignPicture
from paceline.state.snapshots import AccountSnapshot
from paceline.times import microseconds

# From this part of the rows on, duplicates are worth a word.
_MANY: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of a campaign if it were uploaded now, as things stand.

    Args:
        name: the campaign.
        account: account name.
        sender: E.164.
        offered: rows read.
        recipients: distinct ones that would be added; of an existing campaign's own plan, waiting operations.
        duplicates: rows of a recipient that an earlier row has.
        known: recipients that an earlier upload of the same name brought.
        invalid: rows that cannot be sent.
        requests: calls of the provider.
        credits: what those calls cost.
        credits_left: what the account had left when its figures were read last; None: they never were, or it is not told.
        account_expires_at: when the account ends; None likewise.
        valid_until: until when the campaign is valid; rows may have an end of their own.
        window: the hours in which it sends, or None.
        starts_at: when the first one leaves; None when none will.
        ends_at: when the last one leaves, if it is valid that long; None when not all ever leave.
        in_time: recipients that leave while they are valid.
        late_from: the first of the recipients (from 1) that would expire; None when all are in time.
        problems: sentences: why the campaign would fail, wholly or in part.
        warnings: sentences: what else is worth knowing.
        samples: the first messages, filled.
        empty: of each column of the template, recipients for whom it is empty.
        twins: recipients whose number is likely another form of an earlier one's.
        left_out: recipients who would end as ``suppressed`` now, by reason: ``listed`` (a suppression list), ``campaign`` (in an
            excluded campaign), ``recent`` (had a bulk message lately), ``cap`` (the account's recipient cap). They are not among
            `recipients`.
        ramp: most messages of each of its numbers on its first days, or None.
    """

    name: str
    account: str
    sender: str
    offered: int
    recipients: int
    duplicates: int
    known: int
    invalid: int
    requests: int
    credits: int
    credits_left: int | None
    account_expires_at: datetime | None
    valid_until: datetime
    window: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    in_time: int
    late_from: int | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    samples: tuple[Sample, ...] = ()
    empty: Mapping[str, int] = field(default_factory=dict)
    twins: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    ramp: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }
        samples = [sample.as_json() for sample in self.samples]
        return plain | {
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "samples": samples,
            "empty": dict(self.empty),
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True, slots=True)
class Subject:
    """A campaign as it would be.

    Args:
        name: its name.
        campaign: account, sender, template and options.
        ends: until when it is valid.
        before: its operations that wait already and leave first.
        others: operations of the account that wait and are not planned here.
        parts_before: the same as `before`, for each sender and set of time zones.
        openings: of each set of time zones.
    """

    name: str
    campaign: CampaignSnapshot
    ends: datetime
    before: int
    others: int
    parts_before: Mapping[Part, int] = field(default_factory=dict)
    openings: Mapping[str, Openings] = field(default_factory=dict)


def problems(plan: Plan, rows: Rows) -> Iterator[str]:
    """Why a campaign would fail, all or part of it, in sentences.

    Args:
        plan: without its problems and warnings.
        rows: as they were counted.
    """
    if not plan.recipients:
        yield "there is nothing to send"
    if plan.late_from is not None:
        ends = rows.ends()
        last = clock(ends[0]) if len(ends) == 1 else "the end of their validity"
        yield (
            f"{plan.in_time:,} of {plan.recipients:,} recipients leave in time: from number {plan.late_from:,} on, "
            f"rows expire before their turn, which comes after {last}"
        )
    if plan.recipients and plan.ends_at is None:
        what = f"the window ({plan.window}) does not open often enough" if plan.window else "the ramp is too slow"
        yield f"{what} to send all rows within a year"
    if plan.credits_left is not None and plan.credits > plan.credits_left:
        yield f"the campaign needs {plan.credits:,} credits, and the account has {plan.credits_left:,} left"
    if (
        plan.recipients
        and plan.account_expires_at
        and (plan.ends_at is None or plan.account_expires_at <= plan.ends_at)
    ):
        yield f"the account expires at {clock(microseconds(plan.account_expires_at))}, before all messages have left"


def too_few_checks(plan: Plan, kind: str, account: AccountSnapshot) -> Iterator[str]:
    """Why a check of numbers would stand still: the account's pool of checks is too small.

    Args:
        plan: without its problems and warnings.
        kind: of the campaign's operations.
        account: its account.
    """
    left = account.checks_left
    if kind == "number.check" and left is not None and plan.recipients > left:
        yield f"the campaign needs {counted(plan.recipients, 'number check')}, and the account has {left:,} left"


def warnings(
    plan: Plan,
    rows: Rows,
    subject: Subject,
    *,
    picture: AccountPicture | CampaignPicture,
    account: AccountSnapshot,
    workers: int,
) -> Iterator[str]:
    """What else is worth knowing, in sentences.

    Args:
        plan: without its problems and warnings.
        rows: as they were counted.
        subject: the campaign.
        picture: what else waits on the account.
        account: the account.
        workers: how many live.
    """
    campaign = subject.campaign
    if account.suspended:
        yield f"the account is suspended: {account.suspended}; the times assume that it is resumed now"
    if campaign.hold == "paused":
        yield (
            f"the campaign is paused: {campaign.hold_why or 'no reason given'}; the times assume that it is resumed now"
        )
    if pause := pause_words(account, rows.now_us):
        yield pause
    if not workers:
        yield "no worker is running; the times assume that one starts now"

    if plan.credits_left is None:
        yield "the account's /info was never read, so its credits are unknown"
    elif plan.credits <= plan.credits_left < plan.credits + subject.others:
        others = counted(subject.others, "operation")
        yield f"the remaining credits do not also cover {others} already waiting on this account"

    if campaign.ramp:
        yield f"the ramp lets each number send {campaign.ramp.replace(',', ', ')} messages a day"
    if slow := cap_words(campaign, account.interval_now_us):
        yield f"the campaign is slower than its account allows: {slow}"
    if rows.duplicates > _MANY * rows.offered:
        yield f"{rows.duplicates:,} of {rows.offered:,} rows are duplicates of earlier ones"
    if rows.last_begin_us > rows.first_begin_us or (rows.first_begin_us and rows.begun):
        yield "recipients have different `not_before` times, so the end may be later"
    if timed := _timed(picture, subject.name):
        yield f"{counted(timed, 'operation')} of the account wait for a time of their own; the forecast leaves them out"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def remarks(inspection: Inspection, template: Mapping[str, str]) -> Iterator[str]:
    """What a reader of the messages might stumble over."""
    for column, number in sorted(inspection.empty.items()):
        yield f"{column} is empty for {counted(number, 'recipient')}: {{{column}|something}} would replace it"
    if inspection.twins:
        yield (
            f"{counted(inspection.twins, 'number')} may be another form of an earlier number (with an extra 1, 9 or "
            f"01), so one person would get the message twice"
        )
    if "\\n" in template.get("text", ""):
        yield "the template holds a backslash and an n, which are sent unchanged: write a real line break instead"


def _timed(picture: AccountPicture | CampaignPicture, name: str) -> int:
    """Operations of others that wait for a time."""
    own = sum(source.timed for source in picture.sources if source.name == name)
    return max(0, picture.timed - own)
