from typing import Annotated

import typer

from paceline.cli.acts import remember
from paceline.cli.numbers import ShowNumbers, decide, forms_of, shown_in
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, listing, say, say_json
from paceline.cli.show.inspect import Id
from paceline.errors import InvalidOperation, NotFound
from paceline.flows.sending import cancelling, finding, keyed_id, looking_up, looking_up_row, of_key
from paceline.flows.steps import run
from paceline.state.calls import State
from paceline.status.view import Status


def find(
    to: Annotated[
        str | None, typer.Option("--to", metavar="NUMBER", help="Recipient: a number, group or remote id.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key; needs --account.")] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", help="Campaign of the row.")] = None,
    row: Annotated[str | None, typer.Option("--row", help="Key of the campaign's row, or its number.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Account name.")] = None,
    *,
    show_numbers: ShowNumbers = False,
    json_output: Json = False,
) -> None:
    """Find operations by recipient, by idempotency key, or by the row of a campaign.

    JSON: a list of what `paceline status --json` prints. Looking for a recipient looks at all operations that are kept.
    """
    decide(show=show_numbers)
    if sum(value is not None for value in (to, key, row)) != 1:
        raise InvalidOperation("--to, --key, --row: give exactly one of them")

    with opened_state() as state:
        if to is not None:
            found = _to(state, to, account or "")
        elif key is not None:
            if account is None:
                raise InvalidOperation("--account: is missing")
            found = [run(looking_up(keyed_id(account, key), of_key(key)), state)]
        else:
            if campaign is None:
                raise InvalidOperation("--campaign: is missing")
            found = [run(looking_up_row(campaign, row or ""), state)]

    if not found:
        raise NotFound(f"no operation to {to} is kept: never accepted, or deleted after its retention time")
    if json_output:
        return say_json(shown_in([status.as_json() for status in found]))

    rows = [(one.id, one.state, one.account, one.campaign or "") for one in found]
    console().print(listing(("operation", "state", "account", "campaign"), rows))
    return None


def cancel(
    op_id: Id,
    *,
    why: Annotated[str, typer.Option("--why", help="Reason to show with the outcome. Default: by hand.")] = "by hand",
) -> None:
    """Cancel one operation that has not begun. Its outcome, `cancelled`, follows."""
    with opened_state() as state:
        account = run(looking_up(op_id), state).account
        run(cancelling(op_id, why), state)
    remember("cancel", account=account, on=op_id, why=why)
    say(f"{op_id} is cancelled.")


def _to(state: State, to: str, account: str) -> list[Status]:
    """The newest first."""
    found: list[Status] = []
    for form in forms_of(to):
        cursor = "0"
        while True:
            cursor, some = run(finding(cursor, form, account), state)
            found += some
            if cursor == "0":
                break
    return sorted(found, key=lambda status: status.accepted_at, reverse=True)
