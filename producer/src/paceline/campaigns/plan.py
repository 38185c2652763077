"""The plan of a campaign: what an upload would add, what it costs, when it would leave, and why that would fail.

Nothing is written: state is only asked, and the recipients are read once (plan_rows.py).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from paceline.campaigns.draft import Draft, differences, key_conflict
from paceline.campaigns.inspection import Inspection, Sample
from paceline.campaigns.plan_parts import openings_by_id, parts_of, planned_sources
from paceline.campaigns.plan_rows import Part, Rows, foresee, foresee_parts, read
from paceline.campaigns.recipients import Row
from paceline.campaigns.upload import keys_of, peeked
from paceline.errors import CampaignConflict, UnknownAccount, UnknownSender
from paceline.forecast.backlog import Lane
from paceline.forecast.outlook import (
    cap_words,
    changed,
    clock,
    lanes_of,
    pace_of,
    pause_words,
    with_more,
    with_source,
)
from paceline.inbox.record import instant, microseconds
from paceline.operations import DEFAULT_VALIDITY, Operation, SendMessage
from paceline.state import questions
from paceline.state.calls import State

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
        recipients: distinct ones that would be added; of an existing campaign's own plan, what waits.
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
        problems: sentences: why it would fail, all or part of it.
        warnings: sentences: what else is worth knowing.
        samples: the first messages, filled.
        empty: of each column of the template, recipients for whom it is empty.
        twins: recipients whose number is likely another form of an earlier one's.
        left_out: recipients who would end as ``suppressed`` now, by reason: ``listed`` (a suppression list), ``campaign`` (in an
            excluded campaign), ``recent`` (had a bulk message lately), ``cap`` (the account's recipient cap). They are not among
            `recipients`.
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


def plan_campaign(
    state: State,
    described: Draft,
    recipients: Iterable[Mapping[str, object]],
    *,
    on_invalid: Callable[[Row, str], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Plan:
    """Plan the upload of a campaign; nothing is written.

    Args:
        state: where it would live; only asked.
        described: from `upload.draft`.
        recipients: any iterable, streamed.
        on_invalid: takes bad rows; they are counted all the same.
        on_progress: takes the number of rows read.

    Returns:
        The plan. Times are the state server's.

    Raises:
        UnknownAccount, UnknownSender: as an upload does.
        InvalidOperation: the recipients cannot be read.
        StateUnavailable: Redis did not answer.
    """
    found = _account(state, described.account, described.sender)
    now = instant(found["now"])
    existing = state.campaign(described.name)
    try:
        described, unfit = described.continuing(existing, now), None
    except CampaignConflict as error:
        described, unfit = described.continuing({}, now), str(error)
    first, recipients = peeked(described, recipients)
    keys = keys_of(described, first)
    described.exclusions.check(state, described.account, keys)
    conflict = _conflict(described, existing, keys) or unfit
    ends = described.valid_until or now + DEFAULT_VALIDITY
    rows = Rows(ends_us=microseconds(ends), now_us=microseconds(now))
    known = state.known if existing and not conflict else None
    not_within = described.options.texts(now).get("nw", "" if conflict else existing.get("nw", ""))
    inspection = read(
        rows,
        described,
        recipients,
        known=known,
        left_out=lambda some: state.ask(questions.left_out(described.account, not_within, some)),
        on_invalid=on_invalid,
        on_progress=on_progress,
    )
    found = _account(state, described.account, described.sender)  # reading may have taken minutes
    fields = changed({} if conflict else existing, described.options.texts(now))
    own = next((one for one in _sources(found) if one["name"] == described.name and not conflict), {"waiting": 0})
    before = int(own["waiting"]) + int(fields.get("inbox") or 0)
    plan = _planned(
        rows,
        _Campaign(
            name=described.name,
            account=described.account,
            sender=described.sender,
            template=described.template,
            ends=ends,
            fields=fields,
            before=before,
            others=_waiting(found),
            parts_before=parts_of(found, described.name) if not conflict else {},
            openings=described.hours.by_id() if described.hours else {},
        ),
        found,
        lanes=with_more(lanes_of(found), _not_accepted(state, found)),
        objections=[conflict] if conflict else [],
        workers=int(state.fleet().get("workers") or 0),
    )
    return replace(
        plan,
        samples=tuple(inspection.samples),
        empty=inspection.empty,
        twins=inspection.twins,
        left_out=dict(rows.left_out),
        warnings=(*plan.warnings, *_remarks(inspection, described.template)),
    )


def plan_rest(state: State, name: str, found: Mapping[str, Any]) -> Plan:
    """Plan what is left of a campaign; nothing is written.

    Args:
        state: where it lives; only asked.
        name: the campaign.
        found: look.lua's ``campaign`` reply.

    Returns:
        The plan of what waits. All of it is taken to be valid as long as the campaign is.

    Raises:
        UnknownAccount: its account was removed.
    """
    fields: Mapping[str, Any] = found["campaign"]
    if not found.get("account"):
        raise UnknownAccount(f"no account named {fields['a']!r}: add it with `paceline accounts add {fields['a']}`")
    own = next((one for one in _sources(found) if one["name"] == name), {"waiting": 0, "timed": 0})
    inbox = int(fields.get("inbox") or 0)
    waiting = int(own["waiting"]) + inbox
    rows = Rows(ends_us=int(fields["vu"]), now_us=int(found["now"]))
    first, last = (int(float(found.get(end) or 0)) for end in ("first_timed", "last_timed"))
    parts = parts_of(found, name)
    for part, number in parts.items():
        rows.take(number, part=part)
    # Nobody has looked at the zones of what is not accepted yet.
    most = max(parts, key=lambda part: parts[part], default=None)
    rows.take(waiting - sum(parts.values()), part=most)
    if timed := int(own["timed"]):
        rows.take(timed, begins_us=first, part=most)
        rows.last_begin_us = last
    return _planned(
        rows,
        _Campaign(
            name=name,
            account=fields["a"],
            sender=fields["f"],
            template=json.loads(fields["p"]),
            ends=instant(fields["vu"]),
            fields=fields,
            before=0,
            others=_waiting(found) - waiting,
            parts_before={},
            openings=openings_by_id(found, name),
        ),
        found,
        # All of one look: what waits in the inbox at one moment may be in its lane at the next, and would count twice.
        lanes=with_more(lanes_of(found), _not_accepted(state, found) | {name: inbox}),
        objections=["the campaign was cancelled, which is final"] if fields.get("hold") == "cancelled" else [],
        workers=int(state.fleet().get("workers") or 0),
    )


@dataclass(frozen=True, slots=True)
class _Campaign:
    """A campaign as it would be.

    Args:
        name: see `Plan`, and so the next two.
        account: see there.
        sender: see there.
        template: payload of its messages.
        ends: until when it is valid.
        fields: its hash, options included.
        before: operations of it that wait already and leave first.
        others: operations of the account that wait and are not planned here.
        parts_before: the same as `before`, for each sender and set of time zones.
        openings: of each set of time zones.
    """

    name: str
    account: str
    sender: str
    template: Mapping[str, str]
    ends: datetime
    fields: Mapping[str, Any]
    before: int
    others: int
    parts_before: Mapping[Part, int]
    openings: Mapping[str, tuple[tuple[int, int], ...]]


def _planned(
    rows: Rows,
    campaign: _Campaign,
    found: Mapping[str, Any],
    *,
    lanes: Sequence[Lane],
    objections: Sequence[str],
    workers: int,
) -> Plan:
    account: Mapping[str, Any] = found["account"]
    message = _sample(campaign)
    begins = rows.first_begin_us if rows.all_begin_later and not campaign.before else 0
    for sender, source in planned_sources(
        rows,
        name=campaign.name,
        sender=campaign.sender,
        fields=campaign.fields,
        before=campaign.parts_before or {(campaign.sender, ""): campaign.before},
        openings=campaign.openings,
    ):
        lanes = with_source(lanes, sender, replace(source, paused=False, free_at_us=max(source.free_at_us, begins)))
    pace = pace_of(account)
    if rows.parts:
        times = foresee_parts(lanes, pace, rows, name=campaign.name, before=campaign.parts_before)
    else:
        times = foresee(lanes, pace, rows, sender=campaign.sender, name=campaign.name, before=campaign.before)
    last = None if times.last_us is None else max(times.last_us, rows.last_begin_us)
    plan = Plan(
        name=campaign.name,
        account=campaign.account,
        sender=campaign.sender,
        offered=rows.offered,
        recipients=rows.recipients,
        duplicates=rows.duplicates,
        known=rows.known,
        invalid=rows.invalid,
        requests=rows.recipients * message.requests,
        credits=rows.recipients * message.credits,
        credits_left=int(account["credits_left"]) if account.get("credits_left") else None,
        account_expires_at=instant(account["expires_at"]) if account.get("expires_at") else None,
        valid_until=campaign.ends,
        window=campaign.fields.get("window") or None,
        starts_at=None if times.first_us is None else instant(times.first_us),
        ends_at=None if last is None else instant(last),
        in_time=times.in_time,
        late_from=times.late_from,
        problems=(),
        warnings=(),
    )
    return replace(
        plan,
        problems=(*objections, *_problems(plan, rows)),
        warnings=tuple(_warnings(plan, rows, campaign, found, workers)),
    )


def _problems(plan: Plan, rows: Rows) -> Iterator[str]:
    if not plan.recipients:
        yield "there is nothing to send"
    if plan.late_from is not None:
        ends = rows.ends()
        last = clock(ends[0]) if len(ends) == 1 else "the end of their validity"
        yield (
            f"{plan.in_time:,} of {plan.recipients:,} recipients leave in time: from number {plan.late_from:,} on "
            f"they expire, because their turn comes after {last}"
        )
    if plan.recipients and plan.ends_at is None:
        yield f"the window ({plan.window}) does not open often enough for all of it within a year"
    if plan.credits_left is not None and plan.credits > plan.credits_left:
        yield f"it needs {plan.credits:,} credits, and the account has {plan.credits_left:,} left"
    if (
        plan.recipients
        and plan.account_expires_at
        and (plan.ends_at is None or plan.account_expires_at <= plan.ends_at)
    ):
        yield f"the account expires at {clock(microseconds(plan.account_expires_at))}, before all of it has left"


def _warnings(plan: Plan, rows: Rows, campaign: _Campaign, found: Mapping[str, Any], workers: int) -> Iterator[str]:
    account, fields = found["account"], campaign.fields
    if account.get("suspended"):
        yield f"the account is suspended: {account['suspended']}; the times are those of one that is resumed now"
    if fields.get("hold") == "paused":
        yield (
            f"the campaign is paused: {fields.get('hold_why') or 'no words'}; the times are those of one that is "
            "resumed now"
        )
    if pause := pause_words(account, rows.now_us):
        yield pause
    if not workers:
        yield "no worker is running; the times are those of one that starts now"
    if plan.credits_left is None:
        yield "the account's figures were never read, so its credits are not known"
    elif plan.credits <= plan.credits_left < plan.credits + campaign.others:
        others = counted(campaign.others, "operation")
        yield f"the credits do not suffice for {others} of the account as well that wait already"
    if slow := cap_words(fields, int(account["interval_now"])):
        yield f"it leaves more slowly than its account could: {slow}"
    if rows.duplicates > _MANY * rows.offered:
        yield f"{rows.duplicates:,} of {rows.offered:,} rows are duplicates of earlier ones"
    if rows.last_begin_us > rows.first_begin_us or (rows.first_begin_us and rows.begun):
        yield "recipients have different times before which they are not to be sent, so the end may be later"
    if timed := _timed(found, campaign.name):
        yield f"{counted(timed, 'operation')} of the account wait for a time of their own and are not foreseen"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _account(state: State, name: str, sender: str) -> dict[str, Any]:
    """look.lua's ``account`` reply of one that may send from this number."""
    found = state.account(name)
    if found is None:
        raise UnknownAccount(f"no account named {name!r}: add it with `paceline accounts add {name}`")
    senders = str(found["account"].get("senders") or "").split()
    if senders and sender not in senders:
        raise UnknownSender(f"account {name!r} lists its senders, and {sender} is not among them")
    return found


def _remarks(inspection: Inspection, template: Mapping[str, str]) -> Iterator[str]:
    """What a reader of the messages might stumble over."""
    for column, number in sorted(inspection.empty.items()):
        yield f"{column} is empty for {counted(number, 'recipient')}: {{{column}|something}} would stand in for it"
    if inspection.twins:
        yield (
            f"{counted(inspection.twins, 'number')} may be another form of an earlier number (a 1, a 9 or 01 more), so one person "
            "would get the message twice"
        )
    if "\\n" in template.get("text", ""):
        yield "the template holds a backslash and an n, which are sent as they are: a line break is a line break of the template"


def _conflict(described: Draft, existing: Mapping[str, str], keys: str) -> str | None:
    """Why an upload of that name is refused, in words; None when it is not. The same rules as campaign.lua's."""
    if not existing:
        return None
    if existing["digest"] != described.digest:
        if existing.get("fresh") and not int(existing.get("received") or 0):
            return None
        return f"a campaign of this name exists with another {differences(described, existing)}"
    if existing.get("hold") == "cancelled":
        return "the campaign of this name was cancelled, which is final"
    if existing.get("forgets_at") and int(existing["forgets_at"]) <= int(existing["now"]):
        return (
            "outcomes of the campaign of this name are past their retention time, so nobody knows who had its message"
        )
    if conflict := key_conflict(existing, keys):
        return f"of the campaign of this name: {conflict}"
    return None


def _sample(campaign: _Campaign) -> Operation:
    """One message of it: what it takes, all of them take."""
    return SendMessage(
        account=campaign.account,
        sender=campaign.sender,
        to=campaign.sender,
        text=campaign.template.get("text"),
        url="https://example.com/x" if "url" in campaign.template else None,
    )


def _sources(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for lane in found.get("lanes") or () for one in lane["sources"]]


def _not_accepted(state: State, found: Mapping[str, Any]) -> dict[str, int]:
    """Of each campaign the operations that no worker has accepted so far."""
    if not int(found["counts"].get("inbox") or 0):
        return {}
    names = [str(one["name"]) for one in _sources(found) if "f" in one]
    return {name: int(state.campaign(name).get("inbox") or 0) for name in names}


def _waiting(found: Mapping[str, Any]) -> int:
    lists = sum(int(lane["transactional"]) + int(lane["bulk"]) for lane in found["lanes"])
    return lists + int(found["counts"].get("inbox") or 0)


def _timed(found: Mapping[str, Any], name: str) -> int:
    """Operations of others that wait for a time."""
    own = sum(int(one["timed"]) for one in _sources(found) if one["name"] == name)
    return max(0, int(found.get("timed") or 0) - own)
