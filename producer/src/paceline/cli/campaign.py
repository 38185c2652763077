import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.live import Live

from paceline.campaign import Progress, progress_of
from paceline.cli.errors import INTERRUPTED, complain, named_as_options
from paceline.cli.options import (
    Account,
    Json,
    MaxAttempts,
    OnUnknown,
    OnUnknownOption,
    Sender,
    Url,
    ValidUntil,
    example,
    moment,
    opened_state,
)
from paceline.cli.render import console, counted, details, iso, listing, local, say, say_json
from paceline.cli.upload import BadRows, rows_of, with_bar
from paceline.errors import NotFound, PacelineError, StateUnavailable
from paceline.operations import DEFAULT_MAX_ATTEMPTS
from paceline.outbox import Outbox
from paceline.record import instant
from paceline.state import State
from paceline.upload import UploadReport

# Often enough to look alive, seldom enough to cost nothing.
_WATCH_S: Final = 0.5

Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")]

app = typer.Typer(help="Campaigns: one template, many recipients.")


class NothingToSendError(PacelineError):
    """No row of the recipients file can be sent."""


@app.command(
    epilog=example(
        "paceline campaign start spring --account acme --from +15550100001 \\",
        '  --recipients people.csv --template "Hi {name}"',
    )
)
def start(
    name: Name,
    *,
    account: Account,
    sender: Sender,
    recipients: Annotated[
        Path, typer.Option("--recipients", metavar="FILE", help="CSV with a header, or JSON Lines (.jsonl, .ndjson).")
    ],
    template: Annotated[str, typer.Option("--template", help="The text; {column} is filled in, {{ and }} are braces.")],
    url: Url = None,
    valid_until: ValidUntil = None,
    on_unknown: OnUnknownOption = OnUnknown.reconcile,
    max_attempts: MaxAttempts = DEFAULT_MAX_ATTEMPTS,
    invalid: Annotated[
        Path | None,
        typer.Option("--invalid", metavar="FILE.csv", help="Where bad rows go. Default: NAME.invalid.csv beside FILE."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Upload a campaign, or continue an interrupted upload: the same command again adds only what is missing.

    FILE has a column `to` and those the template names; optional are `key` (what tells recipients apart, else `to`),
    `not_before` and `valid_until`.

    JSON: name, offered, written, invalid, invalid_file.
    """
    written = 0

    def note(rows: int) -> None:
        nonlocal written
        written = rows

    try:
        with named_as_options(name="NAME", sender="--from"):
            bad = BadRows(invalid or recipients.parent / f"{name}.invalid.csv", recipients)
            rows = with_bar(rows_of(recipients), recipients, console(stderr=True))
            with Outbox() as outbox, closing(bad), closing(rows):
                campaign = outbox.campaign(
                    name,
                    account=account,
                    sender=sender,
                    template=template,
                    recipients=rows,
                    url=url,
                    valid_until=moment("--valid-until", valid_until),
                    on_unknown=on_unknown.value,
                    max_attempts=max_attempts,
                    on_invalid=bad.add,
                    on_progress=note,
                )
    except KeyboardInterrupt:
        complain(f"interrupted with {counted(written, 'row')} written; the same command continues campaign {name!r}")
        raise typer.Exit(INTERRUPTED) from None
    except StateUnavailable as error:
        if not written:
            raise
        raise StateUnavailable(
            f"{error} (with {counted(written, 'row')} written; the same command continues campaign {name!r})"
        ) from error
    if campaign.report:
        _tell(name, campaign.report, bad.path, json_output=json_output)


def _tell(name: str, report: UploadReport, bad_rows: Path, *, json_output: bool) -> None:
    left_out = f"{counted(report.invalid, 'bad row')} left out: see {bad_rows}"
    if json_output:
        numbers = {"offered": report.offered, "written": report.written, "invalid": report.invalid}
        say_json({"name": name, **numbers, "invalid_file": str(bad_rows) if report.invalid else None})
    elif report.written:
        say(
            f"Campaign {name}: {counted(report.written, 'row')} written" + (f", {left_out}." if report.invalid else ".")
        )
    if not report.written:
        raise NothingToSendError(f"campaign {name!r} has nothing to send: {left_out}")


@app.command(epilog=example("paceline campaign status spring --watch"))
def status(
    name: Name,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it until all is settled.")] = False,
    json_output: Json = False,
) -> None:
    """Show how far a campaign is.

    JSON: name, account, sender, created_at, uploaded, complete, total, settled, remaining, received, duplicates,
    refused, in_inbox, invalid, outcomes (by name). With --watch, one document whenever a number changed.
    """
    with opened_state() as state:
        if watch:
            _watch(state, name, json_output=json_output)
        elif json_output:
            say_json(_described(name, _found(state, name)))
        else:
            console().print(_facts(name, _found(state, name)))


@app.command("list", epilog=example("paceline campaign list --json"))
def list_(*, json_output: Json = False) -> None:
    """List all campaigns.

    JSON: a list of what `campaign status --json` prints.
    """
    with opened_state() as state:
        found = {name: fields for name in state.campaigns() if (fields := state.campaign(name))}
    if json_output:
        say_json([_described(name, fields) for name, fields in found.items()])
        return
    if not found:
        say("No campaigns.")
        return
    headers = ("campaign", "account", "state", "total", "settled", "remaining", "created")
    rows = []
    for name, fields in found.items():
        seen, created = progress_of(name, fields), local(instant(fields["created"]))
        rows.append((name, fields["a"], _state(seen), seen.total, seen.settled, seen.remaining, created))
    console().print(listing(headers, rows))


def _found(state: State, name: str) -> dict[str, str]:
    found = state.campaign(name)
    if not found:
        raise NotFound(f"no campaign named {name!r}")
    return found


def _described(name: str, found: Mapping[str, str]) -> dict[str, Any]:
    seen = progress_of(name, found)
    return {
        "name": name,
        "account": found["a"],
        "sender": found["f"],
        "created_at": iso(instant(found["created"])),
        "uploaded": seen.uploaded,
        "complete": seen.complete,
        "total": seen.total,
        "settled": seen.settled,
        "remaining": seen.remaining,
        "received": seen.received,
        "duplicates": seen.duplicates,
        "refused": seen.refused,
        "in_inbox": seen.in_inbox,
        "invalid": int(found.get("invalid", 0)),
        "outcomes": dict(seen.outcomes),
    }


def _state(seen: Progress) -> str:
    if not seen.uploaded:
        return "uploading"
    return "complete" if seen.complete else "running"


def _share(seen: Progress) -> str:
    return f"{seen.settled:,} of {seen.total:,}" + (f" ({seen.settled / seen.total:.1%})" if seen.total else "")


def _facts(name: str, found: Mapping[str, str]) -> Any:
    seen = progress_of(name, found)
    return details(
        [
            ("campaign", name),
            ("state", _state(seen)),
            ("account", found["a"]),
            ("from", found["f"]),
            ("created", local(instant(found["created"]))),
            ("settled", _share(seen)),
            *((f"  {outcome}", number) for outcome, number in seen.outcomes.items() if number),
            ("remaining", seen.remaining),
            ("to be accepted", seen.in_inbox or None),
            ("duplicates", seen.duplicates or None),
            ("refused", seen.refused or None),
            ("left out", int(found.get("invalid", 0)) or None),
        ]
    )


def _watch(state: State, name: str, *, json_output: bool) -> None:
    screen = console()
    if screen.is_terminal and not json_output:
        found = _found(state, name)
        with Live(_facts(name, found), console=screen, auto_refresh=False) as live:
            while not progress_of(name, found).complete:
                time.sleep(_WATCH_S)
                found = _found(state, name)
                live.update(_facts(name, found), refresh=True)
        return
    last = None
    while True:
        found = _found(state, name)
        seen = progress_of(name, found)
        if seen != last:
            if json_output:
                say_json(_described(name, found))
            else:
                say(f"{name}: {_share(seen)} settled, {seen.remaining:,} remaining")
            screen.file.flush()
            last = seen
        if seen.complete:
            return
        time.sleep(_WATCH_S)
