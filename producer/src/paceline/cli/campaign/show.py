"""``paceline campaign status`` and ``paceline campaign list``."""

from enum import StrEnum
from typing import Annotated

import typer

from paceline.campaigns.campaign import progress_of
from paceline.cli.campaign.options import Name
from paceline.cli.campaign.status import described, facts, numbers, read
from paceline.cli.campaign.watch import follow
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, listing, say, say_json
from paceline.cli.show.away import end_without, of_all_shards, rows_away
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline.times import instant


class ListedState(StrEnum):
    """See `paceline.literals.CampaignState`."""

    uploading = "uploading"
    running = "running"
    paused = "paused"
    cancelling = "cancelling"
    cancelled = "cancelled"
    complete = "complete"


def status(
    name: Name,
    *,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Watch until every operation is settled, as `campaign watch` does."),
    ] = False,
    json_output: Json = False,
) -> None:
    """Show how far a campaign is, why nothing leaves if so, and when its last operation is expected to leave.

    JSON: name, state (uploading, running, paused, cancelling, cancelled, complete), why (of a pause or a cancellation),
    approval (needed, given or null), approved_by, approved_at, account, sender, created_at, completed_at, valid_until,
    weight, rate, ramp, window, auto_pause (percent), uploaded, complete, total, settled, remaining, received, duplicates,
    refused, in_inbox, invalid, senders (number, waiting, failed; with a ramp also
    ramp: day, sent, most), outcomes (by name), receipts (sent,
    not_sent, delivered, read), forecast (starts_at, ends_at, remaining, why). With --watch, one document whenever a
    number or the state changed.
    """
    with opened_state() as state:
        if watch:
            follow(state, name, json_output=json_output)
        elif json_output:
            say_json(described(name, read(state, name)))
        else:
            console().print(facts(name, read(state, name)))


def list_(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Account whose campaigns are listed.")
    ] = None,
    state_: Annotated[
        list[ListedState] | None,
        typer.Option("--state", metavar="STATE", help=f"One of {', '.join(ListedState)}; repeatable. Default: all."),
    ] = None,
    json_output: Json = False,
) -> None:
    """List campaigns. Exit code 1 when the server of a shard does not answer.

    JSON: a list of what `campaign status --json` prints, without senders and forecast; for a shard that does not answer:
    shard, error.
    """
    with opened_state() as state:
        read, away = of_all_shards(state, _campaigns, lambda row: row[0])
        campaigns = dict(read)

    wanted = {str(one) for one in state_ or ListedState}
    campaigns = {
        name: campaign
        for name, campaign in campaigns.items()
        if account in (None, campaign.account) and progress_of(name, campaign).state in wanted
    }

    if json_output:
        say_json([*(numbers(name, campaign) for name, campaign in campaigns.items()), *rows_away(away)])
        end_without(away)
        return

    if not campaigns and not away:
        say("No campaigns.")
        return

    headers = ("campaign", "account", "state", "done", "total", "left", "rejected", "created")
    rows = []

    for name, campaign in campaigns.items():
        seen = progress_of(name, campaign)
        created = instant(campaign.created_at_us).astimezone().date().isoformat()
        word = "unapproved" if seen.approval == "needed" and seen.state == "paused" else seen.state
        done = f"{seen.settled / seen.total:.0%}" if seen.total else "-"
        rejected = seen.outcomes["rejected"] + seen.outcomes["dead"]
        rows.append((name, campaign.account, word, done, seen.total, seen.remaining, rejected, created))

    console().print(listing(headers, rows))
    end_without(away)


def _campaigns(state: State) -> list[tuple[str, CampaignSnapshot]]:
    return [(name, campaign) for name in state.campaigns() if (campaign := state.campaign(name))]
