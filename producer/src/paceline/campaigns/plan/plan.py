"""The plan of a campaign: what an upload would add, what it costs, when it would leave, and why that would fail.

Nothing is written: state is only asked, and the recipients are read once (rows.py). words.py tells problems and warnings.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from paceline.campaigns.content import credits_of
from paceline.campaigns.draft import Draft, conflict_words, foreseen_conflict, key_conflict
from paceline.campaigns.plan.parts import openings_by_id, parts_of, planned_sources
from paceline.campaigns.plan.rows import Rows, foresee, foresee_parts, read
from paceline.campaigns.plan.words import Plan, Subject, counted, problems, remarks, too_few_checks, warnings
from paceline.campaigns.recipients import Row
from paceline.campaigns.upload import keys_of, peeked
from paceline.errors import CampaignConflict, UnknownAccount, UnknownSender
from paceline.forecast.backlog import Lane
from paceline.forecast.outlook import lanes_of, pace_of, with_budget, with_more, with_source
from paceline.inbox.record import compact
from paceline.operations import DEFAULT_VALIDITY
from paceline.state import questions
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot, SourceSnapshot
from paceline.state.pictures import AccountPicture, CampaignPicture
from paceline.state.snapshots import AccountSnapshot
from paceline.times import instant, microseconds

__all__ = ["Plan", "counted", "plan_campaign", "plan_rest"]


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
        described: from `draft`.
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
    # Long, because state is asked in the order in which an upload would be refused, and each answer is needed below.
    now = instant(_account(state, described.account, described.sender).now_us)
    existing = state.campaign(described.name)
    try:
        described, unfit = described.continuing(existing, now), None
    except CampaignConflict as error:
        described, unfit = described.continuing(None, now), str(error)
    first, recipients = peeked(described, recipients)
    keys = keys_of(described, first)
    described.exclusions.check(state, described.account, keys)
    conflict = _conflict(described, existing, keys) if existing else None
    conflict = conflict or unfit
    ends = described.valid_until or now + DEFAULT_VALIDITY

    rows = Rows(ends_us=microseconds(ends), now_us=microseconds(now))
    known = state.known if existing and not conflict else None
    base = existing if existing and not conflict else CampaignSnapshot()
    silence = str(base.changed(described.options.texts(now)).silence_us or "")
    inspection = read(
        rows,
        described,
        recipients,
        known=known,
        left_out=lambda some: state.ask(questions.left_out(described.account, silence, some)),
        on_invalid=on_invalid,
        on_progress=on_progress,
    )

    picture = _account(state, described.account, described.sender)  # reading may have taken minutes
    campaign = replace(
        base.changed(described.options.texts(now)),
        account=described.account,
        sender=described.sender,
        kind=described.kind,
        template=compact(dict(described.template)),
    )
    own = next((source for source in picture.sources if source.name == described.name and not conflict), None)
    plan = _planned(
        rows,
        Subject(
            name=described.name,
            campaign=campaign,
            ends=ends,
            before=(own.waiting if own else 0) + campaign.inbox,
            others=_waiting(picture),
            parts_before=parts_of(picture.lanes, described.name) if not conflict else {},
            openings=described.hours.by_id() if described.hours else {},
        ),
        picture,
        picture.account,
        lanes=with_more(lanes_of(picture.lanes), _not_accepted(state, picture)),
        objections=[conflict] if conflict else [],
        workers=state.fleet().workers,
    )
    return replace(
        plan,
        samples=tuple(inspection.samples),
        empty=inspection.empty,
        twins=inspection.twins,
        left_out=dict(rows.left_out),
        warnings=(*plan.warnings, *remarks(inspection, described.template)),
    )


def plan_rest(state: State, name: str, picture: CampaignPicture) -> Plan:
    """Plan what is left of a campaign; nothing is written.

    Args:
        state: where it lives; only asked.
        name: the campaign.
        picture: the campaign with all that waits beside it.

    Returns:
        The plan of waiting operations, all taken to be valid as long as the campaign is.

    Raises:
        UnknownAccount: its account was removed.
    """
    campaign, account = picture.campaign, picture.account
    if account is None:
        raise UnknownAccount(
            f"no account named {campaign.account!r}: add it with `paceline accounts add {campaign.account}`"
        )
    own = next((source for source in picture.sources if source.name == name), SourceSnapshot(name, 0))
    waiting = own.waiting + campaign.inbox

    rows = Rows(ends_us=campaign.valid_until_us, now_us=picture.now_us)
    parts = parts_of(picture.lanes, name)
    for part, number in parts.items():
        rows.take(number, part=part)
    # Nobody has looked at the zones of what is not accepted yet.
    most = max(parts, key=lambda part: parts[part], default=None)
    rows.take(waiting - sum(parts.values()), part=most)
    if own.timed:
        rows.take(own.timed, begins_us=picture.first_timed_us, part=most)
        rows.last_begin_us = picture.last_timed_us

    return _planned(
        rows,
        Subject(
            name=name,
            campaign=campaign,
            ends=instant(campaign.valid_until_us),
            before=0,
            others=_waiting(picture) - waiting,
            openings=openings_by_id(picture.lanes, name),
        ),
        picture,
        account,
        # All of one look: waiting operations in the inbox at one moment may be in its lane at the next, and would count twice.
        lanes=with_more(lanes_of(picture.lanes), _not_accepted(state, picture) | {name: campaign.inbox}),
        objections=["the campaign was cancelled, which is final"] if campaign.hold == "cancelled" else [],
        workers=state.fleet().workers,
    )


def _planned(
    rows: Rows,
    subject: Subject,
    picture: AccountPicture | CampaignPicture,
    account: AccountSnapshot,
    *,
    lanes: Sequence[Lane],
    objections: Sequence[str],
    workers: int,
) -> Plan:
    campaign = subject.campaign
    begins = rows.first_begin_us if rows.all_begin_later and not subject.before else 0
    for sender, source in planned_sources(
        rows,
        name=subject.name,
        campaign=campaign,
        before=subject.parts_before or {(campaign.sender, ""): subject.before},
        openings=subject.openings,
    ):
        free_at_us = max(source.free_at_us, begins)
        own = with_budget(source, campaign.kind, account.budgets)
        lanes = with_source(lanes, sender, replace(own, paused=False, free_at_us=free_at_us))

    pace = pace_of(account)
    if rows.parts:
        times = foresee_parts(lanes, pace, rows, name=subject.name, before=subject.parts_before)
    else:
        times = foresee(lanes, pace, rows, sender=campaign.sender, name=subject.name, before=subject.before)
    last = None if times.last_us is None else max(times.last_us, rows.last_begin_us)

    plan = Plan(
        name=subject.name,
        account=campaign.account,
        sender=campaign.sender,
        offered=rows.offered,
        recipients=rows.recipients,
        duplicates=rows.duplicates,
        known=rows.known,
        invalid=rows.invalid,
        requests=rows.recipients,
        credits=rows.recipients * credits_of(campaign.template),
        credits_left=account.credits_left,
        account_expires_at=instant(account.expires_at_us) if account.expires_at_us else None,
        valid_until=subject.ends,
        window=campaign.window or None,
        ramp=campaign.ramp or None,
        starts_at=None if times.first_us is None else instant(times.first_us),
        ends_at=None if last is None else instant(last),
        in_time=times.in_time,
        late_from=times.late_from,
        problems=(),
        warnings=(),
    )
    return replace(
        plan,
        problems=(*objections, *problems(plan, rows), *too_few_checks(plan, campaign.kind, account)),
        warnings=tuple(warnings(plan, rows, subject, picture=picture, account=account, workers=workers)),
    )


def _account(state: State, name: str, sender: str) -> AccountPicture:
    """An account that may send from this number."""
    picture = state.account(name)
    if picture is None:
        raise UnknownAccount(f"no account named {name!r}: add it with `paceline accounts add {name}`")
    senders = picture.account.senders.split()
    if senders and sender not in senders:
        raise UnknownSender(
            f"account {name!r} lists its senders, and {sender} is not among them: see `paceline accounts show {name}`"
        )
    return picture


def _conflict(described: Draft, existing: CampaignSnapshot, keys: str) -> str | None:
    """Why an upload of that name is refused, in words; None when it is not."""
    if reply := foreseen_conflict(described, existing):
        return conflict_words(reply, described, existing)
    if conflict := key_conflict(existing, keys):
        return f"campaign {described.name!r}: {conflict}"
    return None


def _not_accepted(state: State, picture: AccountPicture | CampaignPicture) -> dict[str, int]:
    """Of each campaign the operations that no worker has accepted."""
    if not picture.counts.get("inbox"):
        return {}
    read = {source.name: state.campaign(source.name) for source in picture.sources if source.is_campaign}
    return {name: campaign.inbox for name, campaign in read.items() if campaign}


def _waiting(picture: AccountPicture | CampaignPicture) -> int:
    lists = sum(lane.transactional + lane.bulk for lane in picture.lanes)
    return lists + picture.counts.get("inbox", 0)
