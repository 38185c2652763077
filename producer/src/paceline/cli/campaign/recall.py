"""`paceline campaign delete-messages`: take back what a campaign sent."""

import sys
from typing import Annotated

import typer

from paceline.campaigns.recall import Recall
from paceline.cli.acts import remember
from paceline.cli.campaign import status as campaign_status
from paceline.cli.campaign.expectation import expect, in_words
from paceline.cli.campaign.options import Name
from paceline.cli.errors import named_as_options
from paceline.cli.options import Json
from paceline.cli.render import counted, say, say_json
from paceline.errors import PacelineError
from paceline.outbox import Outbox


class NothingDeleted(PacelineError):
    """No message can be deleted, or the user said no."""


def delete_messages(
    name: Name,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the messages, and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    json_output: Json = False,
) -> None:
    """Delete the messages that a campaign sent in the last 60 hours, for their recipients too.

    WhatsApp deletes no older message. The deletions leave at the account's pace. They are a campaign NAME.deletion:
    `campaign status`, `pause` and `cancel` take this name. The same command again adds only the missing deletions. Pause or
    cancel a campaign that goes on sending first. On a terminal the command asks. Exit code 1 when no message can be deleted.

    JSON: name (of the deletions), campaign, sent, deletable, too_old, unknown, asked_before, written.
    """
    with Outbox() as outbox, named_as_options(campaign="NAME"):
        plan = outbox.delete_messages(name, dry_run=True)
        if not plan.deletable:
            raise NothingDeleted(f"no message of campaign {name!r} can be deleted: {_facts(plan)}")
        if not dry_run and not yes and sys.stdin.isatty():
            _ask(plan)
        done = plan if dry_run else outbox.delete_messages(name)
        if done.written:
            account = campaign_status.read(outbox.state, name).campaign.account
            remember("campaign delete-messages", account=account, on=f"{name}: {counted(done.written, 'message')}")
        if json_output:
            say_json(done.as_json())
            return
        if dry_run:
            say(f"Campaign {name}: {_facts(plan)}. Nothing was written.")
            return
        say(f"Campaign {name}: {_facts(done)}; {counted(done.written, 'deletion')} written.")
        if done.written:
            seen = expect(outbox.state, done.name, campaign_status.read(outbox.state, done.name))
            say(f"Campaign {done.name} deletes them; {in_words(seen.forecast)}.")


def _facts(plan: Recall) -> str:
    facts = [f"{plan.deletable:,} of {counted(plan.sent, 'message')} sent can be deleted"]
    if plan.too_old:
        facts.append(f"{plan.too_old:,} left more than 60 hours ago")
    if plan.unknown:
        facts.append(f"{plan.unknown:,} have no uuid")
    if plan.asked_before:
        facts.append(f"{plan.asked_before:,} were asked for before")
    return ", ".join(facts)


def _ask(plan: Recall) -> None:
    question = (
        f"Delete {counted(plan.deletable - plan.asked_before, 'message')} of campaign {plan.campaign}? This is final."
    )
    if not typer.confirm(question, err=True):
        raise NothingDeleted(f"no message of campaign {plan.campaign!r} is deleted")
