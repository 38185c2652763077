"""What a dry run tells: the numbers and times of a campaign's plan, and in sentences what stands in its way."""

from collections.abc import Iterator, Sequence

from paceline.campaigns.plan.plan import Plan
from paceline.cli.numbers import shown, shown_in
from paceline.cli.render import console, counted, details, duration, local, say, say_json
from paceline.errors import PacelineError


class PlanFails(PacelineError):
    """The campaign would fail, wholly or in part."""


def tell_plan(plan: Plan, *, as_json: bool, bad: Sequence[str] = ()) -> None:
    """Say what would become of a campaign.

    Args:
        plan: from `Outbox.plan_campaign` or `Campaign.plan`.
        as_json: one JSON document instead of a table and sentences.
        bad: the first bad rows, in sentences.

    Raises:
        PlanFails: it has problems; they were told.
    """
    if as_json:
        say_json(shown_in(plan.as_json()))
    else:
        console().print(details(_facts(plan)))
        for sample in plan.samples:
            say(f"To {shown(sample.to)}: {' '.join(part for part in (sample.text, sample.url) if part)}")
        for sentence in bad:
            say(f"Bad row: {sentence}")
        if plan.invalid > len(bad) > 0:
            say(f"{counted(plan.invalid - len(bad), 'more bad row')}: --invalid FILE writes all of them.")
        for sentence in plan.problems:
            say(f"Problem: {sentence}.")
        for sentence in plan.warnings:
            say(f"Warning: {sentence}.")
        if not plan.problems:
            say("Nothing was written.")
    if plan.problems:
        raise PlanFails(
            f"campaign {plan.name!r} has {counted(len(plan.problems), 'problem')} (above). Nothing was written"
        )


def _facts(plan: Plan) -> Iterator[tuple[str, object]]:
    yield from (
        ("campaign", plan.name),
        ("account", plan.account),
        ("from", plan.sender),
        ("recipients", plan.recipients),
        ("  duplicates", plan.duplicates or None),
        ("  known before", plan.known or None),
        ("  invalid", plan.invalid or None),
        ("  left out", _left_out(plan)),
        ("requests", plan.requests),
        ("credits", _credits(plan)),
        ("account ends", local(plan.account_expires_at) if plan.account_expires_at else None),
        ("window", plan.window),
        ("ramp", f"{plan.ramp} messages a day" if plan.ramp else None),
        ("starts", local(plan.starts_at) if plan.starts_at else "never"),
        ("ends", _end(plan)),
        ("valid until", local(plan.valid_until)),
        ("in time", _in_time(plan)),
    )


_WHY_LEFT_OUT = {
    "listed": "on a suppression list",
    "campaign": "in an excluded campaign",
    "recent": "had a message lately",
    "cap": "at their recipient cap",
}


def _left_out(plan: Plan) -> str | None:
    return ", ".join(f"{number:,} {_WHY_LEFT_OUT[code]}" for code, number in plan.left_out.items()) or None


def _credits(plan: Plan) -> str:
    left = "unknown" if plan.credits_left is None else f"{plan.credits_left:,}"
    return f"{plan.credits:,} needed, {left} left"


def _end(plan: Plan) -> str:
    if not plan.ends_at:
        return "never"
    lasts = f" (after {duration(plan.ends_at - plan.starts_at)})" if plan.starts_at and plan.recipients > 1 else ""
    return f"{local(plan.ends_at)}{lasts}"


def _in_time(plan: Plan) -> str:
    if plan.late_from is None:
        return "all" if plan.recipients else "none"
    return f"{plan.in_time:,} of {plan.recipients:,}, up to number {plan.late_from - 1:,}"
