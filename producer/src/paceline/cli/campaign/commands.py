"""`paceline campaign`: the commands that command; those that upload and that show have modules of their own."""

import sys
import time
from collections.abc import Callable
from typing import Annotated, Final

import typer

from paceline.campaigns.campaign import Campaign, Progress, progress_of
from paceline.campaigns.options import CampaignOptions
from paceline.cli.acts import remember
from paceline.cli.campaign import export as campaign_export
from paceline.cli.campaign import recall as campaign_recall
from paceline.cli.campaign import show as campaign_show
from paceline.cli.campaign import start as campaign_start
from paceline.cli.campaign import status as campaign_status
from paceline.cli.campaign import watch as campaign_watch
from paceline.cli.campaign.expectation import expect, in_words, warn_of_late
from paceline.cli.campaign.options import (
    AutoPause,
    CampaignHours,
    FailingSender,
    LiteralBraces,
    Name,
    NotWithin,
    Ramp,
    Rate,
    Weight,
    campaign_hours,
    campaign_ramp,
    campaign_rate,
    campaign_span,
)
from paceline.cli.commands import example
from paceline.cli.errors import named_as_options
from paceline.cli.options import Json, moment, opened_state, to_come
from paceline.cli.render import counted, say, say_json
from paceline.errors import InvalidOperation, PacelineError
from paceline.state.calls import State

_BY_HAND: Final = "by hand"
_PATIENCE_S: Final = 10.0
_LOOK_S: Final = 0.05

Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, which `campaign status` and `explain` show.")]

app = typer.Typer(help="Campaigns: one template, many recipients.")
app.command(
    epilog=example(
        "paceline campaign start spring --account acme --from +15550100001 \\",
        '  --recipients people.csv --template "Hi {name}" \\',
        '  --window "Mon-Fri 09:00-18:00 Europe/Berlin"',
    )
)(campaign_start.start)
app.command("delete-messages", epilog=example("paceline campaign delete-messages spring --dry-run"))(
    campaign_recall.delete_messages
)
app.command("list", epilog=example("paceline campaign list --json"))(campaign_show.list_)
app.command(epilog=example("paceline campaign status spring --watch"))(campaign_show.status)
app.command(epilog=example("paceline campaign watch spring"))(campaign_watch.watch)
app.command(
    epilog=example(
        "paceline campaign export spring --output spring.csv",
        "paceline campaign export spring --outcome rejected --outcome dead --output again.csv",
    )
)(campaign_export.export)


class NotDeleted(PacelineError):
    """Workers have not deleted the campaign in time."""


class NotCancelled(PacelineError):
    """The user said no."""


@app.command(epilog=example('paceline campaign pause spring --why "the price was wrong"'))
def pause(name: Name, *, why: Why = _BY_HAND, json_output: Json = False) -> None:
    """Pause a campaign: no further operation begins, and calls under way finish.

    Pausing a paused campaign changes nothing. Exit code 1 when the campaign is cancelled or complete. JSON: the new

    status, as `campaign status --json` prints it.
    """
    _check(why)
    with opened_state() as state:
        Campaign(name, state).pause(why)
        remember("campaign pause", account=_account_of(state, name), on=name, why=why)
        _tell(state, name, json_output=json_output, sentence=_paused)


@app.command(epilog=example("paceline campaign resume spring"))
def resume(name: Name, *, json_output: Json = False) -> None:
    """Resume a paused campaign, whoever paused it.

    Resuming a running campaign changes nothing. Exit code 1 when the campaign is cancelled or complete. JSON: the

    new status, as `campaign status --json` prints it.
    """
    with opened_state() as state:
        Campaign(name, state).resume()
        remember("campaign resume", account=_account_of(state, name), on=name)
        _tell_ahead(state, name, json_output=json_output, verb="goes on")


@app.command(epilog=example('paceline campaign approve spring --by "Ada Lovelace"'))
def approve(
    name: Name,
    *,
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Name of the person who approves.")],
    json_output: Json = False,
) -> None:
    """Approve a campaign that was started with --needs-approval.

    Approving twice changes nothing. Exit code 1 when the campaign needs no approval, or is cancelled or complete.

    JSON: the new status, as `campaign status --json` prints it.
    """
    with opened_state() as state, named_as_options():
        Campaign(name, state).approve(by)
        remember("campaign approve", account=_account_of(state, name), on=name, why=f"by {by}")
        _tell_ahead(state, name, json_output=json_output, verb="is approved")


@app.command(
    epilog=example(
        "paceline campaign change spring --rate 100/minute --weight 3",
        "paceline campaign change spring --window none",
        'paceline campaign change spring --template "Hello {name}"',
    )
)
def change(
    name: Name,
    *,
    weight: Weight = None,
    rate: Rate = None,
    ramp: Ramp = None,
    window: CampaignHours = None,
    auto_pause: AutoPause = None,
    not_within: NotWithin = None,
    on_sender_failure: FailingSender = None,
    valid_until: Annotated[
        str | None,
        typer.Option(
            "--valid-until",
            metavar="TIME",
            help="Latest time to send, ISO 8601. Rows keep a `valid_until` of their own.",
        ),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", help="New text, while no message has left. The rows stay.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="New attachment, while no message has left; `none` removes the attachment."),
    ] = None,
    literal_braces: LiteralBraces = False,
    json_output: Json = False,
) -> None:
    """Change options of a campaign, for all operations that have not begun.

    Options that are not given stay. Exit code 1 when the campaign is cancelled or complete; with --template and

    --url, also when a message has left. JSON: the new status, as `campaign status --json` prints it.
    """
    with named_as_options():
        options = CampaignOptions(
            weight=weight,
            rate=campaign_rate(rate),
            ramp=campaign_ramp(ramp),
            window=campaign_hours(window),
            auto_pause=auto_pause,
            not_within=campaign_span(not_within),
            on_sender_failure=on_sender_failure.value if on_sender_failure else None,
            valid_until=to_come("--valid-until", moment("--valid-until", valid_until)),
        )
    says = template is not None or url is not None
    if options == CampaignOptions() and not says:
        raise InvalidOperation(
            "there is nothing to change: give --weight, --rate, --ramp, --window, --auto-pause, --not-within, "
            "--on-sender-failure, --valid-until, --template or --url"
        )
    with opened_state() as state, named_as_options():
        campaign = Campaign(name, state)
        if says:
            campaign.change_template(template, "" if url == "none" else url, literal_braces=literal_braces)
        if options != CampaignOptions():
            campaign.change(options)
        changed = [*(["template"] if says else []), *options.texts()]
        remember("campaign change", account=_account_of(state, name), on=f"{name}: {', '.join(changed)}")
        _tell_ahead(state, name, json_output=json_output, verb="is changed")


@app.command(epilog=example("paceline campaign cancel spring --yes"))
def cancel(
    name: Name,
    *,
    why: Why = _BY_HAND,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Cancel without asking.")] = False,
    json_output: Json = False,
) -> None:
    """Cancel a campaign for good; waiting operations are deleted and counted as cancelled.

    On a terminal the command asks first; in a script, where nobody could answer, the command does not ask.
    Cancelling a cancelled campaign changes nothing. Exit code 1 when the campaign is complete. JSON: the new status,
    as `campaign status --json` prints it.
    """
    _check(why)
    with opened_state() as state:
        campaign = Campaign(name, state)
        if not yes and sys.stdin.isatty():
            _ask(campaign.progress())
        campaign.cancel(why)
        remember("campaign cancel", account=_account_of(state, name), on=name, why=why)
        _tell(state, name, json_output=json_output, sentence=_cancelled)


@app.command(epilog=example("paceline campaign delete spring"))
def delete(
    name: Name,
    *,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Seconds to wait for the deletion.")
    ] = _PATIENCE_S,
    json_output: Json = False,
) -> None:
    """Delete a campaign that has sent no message, with all its rows; the name is free again.

    Exit code 1 when a message has left or has its outcome, or when no worker deleted the campaign in time; a worker
    then deletes the campaign later.

    JSON: name, deleted.
    """
    with opened_state() as state:
        account = _account_of(state, name)
        Campaign(name, state).delete()
        remember("campaign delete", account=account, on=name)
        until = time.monotonic() + wait
        while (campaign := state.campaign(name)) and time.monotonic() < until:
            time.sleep(_LOOK_S)
    if campaign:
        left = counted(_left(progress_of(name, campaign)), "operation")
        raise NotDeleted(
            f"campaign {name!r} is not deleted yet ({left} left): workers continue, and send none of its messages"
        )
    if json_output:
        say_json({"name": name, "deleted": True})
    else:
        say(f"Campaign {name} is deleted.")


def _account_of(state: State, name: str) -> str:
    campaign = state.campaign(name)
    return campaign.account if campaign else ""


def _ask(seen: Progress) -> None:
    if seen.hold == "cancelled" or seen.complete:
        return
    loss = f"{counted(_left(seen), 'operation')} without an outcome will not be sent. This is final"
    if not typer.confirm(f"Cancel campaign {seen.name}? {loss}.", err=True):
        raise NotCancelled(f"campaign {seen.name!r} is not cancelled")


def _check(why: str) -> None:
    if not why.strip():
        raise InvalidOperation("--why: is empty")


def _tell(state: State, name: str, *, json_output: bool, sentence: Callable[[Progress], str]) -> None:
    picture = campaign_status.read(state, name)
    if json_output:
        say_json(campaign_status.described(name, picture))
    else:
        say(sentence(progress_of(name, picture.campaign)))


def _tell_ahead(state: State, name: str, *, json_output: bool, verb: str) -> None:
    """Say the campaign's new expectation."""
    picture = campaign_status.read(state, name)
    seen = expect(state, name, picture)
    if json_output:
        say_json(campaign_status.described(name, picture))
    else:
        say(f"Campaign {name} {verb}; {in_words(seen.forecast)}.")
    warn_of_late(name, seen, f"`paceline campaign change {name} --valid-until TIME`")


def _paused(seen: Progress) -> str:
    return f"Campaign {seen.name} is paused ({seen.why}) with {counted(_left(seen), 'operation')} remaining."


def _cancelled(seen: Progress) -> str:
    left = f"; workers delete the rest: {counted(_left(seen), 'operation')}" if _left(seen) else ""
    return f"Campaign {seen.name} is cancelled ({seen.why}){left}."


def _left(seen: Progress) -> int:
    return seen.remaining + seen.in_inbox
