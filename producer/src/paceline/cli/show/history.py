import sys
import time
from typing import Annotated

import typer

from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, listing, local, say, say_json
from paceline.cli.show.outcomes import time_of
from paceline.status.history import Act, each, reading

_LOOK_S = 1.0


def history(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Account whose acts are shown.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Time of the first act: 30min, 2h, 7d (ago), or ISO 8601."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Number of latest acts to show. Default: 50; with --since, all."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Print new acts as they come, until Ctrl-C; JSON Lines with --json.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Show who did what: all acts at the command line and the gateway, oldest first.

    PACELINE_HISTORY_KEPT bounds how many acts are kept. To keep all, follow with --json and store the lines elsewhere.

    JSON: a list of entry_id, at, what, who, door (cli, gateway), role (user of the state server), account, on, why.
    """
    begin = time_of(since) if since is not None else None
    most = limit if limit is not None or since is not None else 50
    with opened_state() as state:
        acts = list(each(state, since=begin, account=account, limit=most))
        if not follow:
            _show(acts, json_output=json_output)
            return
        newest = acts[-1:] or state.ask(reading("+", 1, newest_first=True))
        place = newest[0].entry_id if newest else "0-0"
        while True:
            for act in acts:
                say_json(act.as_json()) if json_output else say(_line(act))

            sys.stdout.flush()
            time.sleep(_LOOK_S)
            page = state.ask(reading(f"({place}", 500))
            place = page[-1].entry_id if page else place
            acts = [act for act in page if account is None or act.account == account]


def _show(acts: list[Act], *, json_output: bool) -> None:
    if json_output:
        say_json([act.as_json() for act in acts])
    elif acts:
        rows = [(local(act.at) if act.at else "", act.who, act.what, act.account, act.on, act.why) for act in acts]
        console().print(listing(("when", "who", "what", "account", "on", "why"), rows))
    else:
        say("The history holds no acts.")


def _line(act: Act) -> str:
    when = local(act.at) if act.at else ""
    return "  ".join(part for part in (when, act.who, act.what, act.account, act.on, act.why) if part)
