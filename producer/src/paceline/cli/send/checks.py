"""`paceline number`: one check, the checks of a whole file, and who is on WhatsApp."""

import csv
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Final, Unpack

import typer

from paceline.campaigns.spec import CampaignSpec
from paceline.cli.campaign.options import (
    DefaultCountry,
    Delimiter,
    Encoding,
    IgnoreColumn,
    Rate,
    ToColumn,
    campaign_rate,
)
from paceline.cli.campaign.start import SPELLED, How, Source, carry_out
from paceline.cli.commands import example
from paceline.cli.errors import named_as_options
from paceline.cli.numbers import ShowNumbers, decide, shown_in
from paceline.cli.options import moment, opened_state
from paceline.cli.output import harmless, opened_output
from paceline.cli.panels import SendingCommand
from paceline.cli.render import counted, say
from paceline.cli.send.submit import Common, submits
from paceline.cli.show.outcomes import Form, last_of_each
from paceline.errors import InvalidOperation, NotFound
from paceline.operations import CheckNumber
from paceline.outcomes import OutcomeEntry, Outcomes

COLUMNS: Final = (
    "to",
    "on_whatsapp",
    "is_valid",
    "whatsapp_number",
    "country",
    "outcome",
    "words",
    "checked_at",
    "key",
)
_KIND: Final = "number.check"
_LONGEST_NAME: Final = 64
# Options of a single check that mean nothing for a file.
_SINGLE: Final = ("key", "metadata", "exempt", "wait", "until_settled", "quiet", "window")

numbers = typer.Typer(help="Number checks.")


@numbers.callback()
def _numbers() -> None:
    """Number checks."""


def _check(
    *,
    number: Annotated[str | None, typer.Argument(metavar="NUMBER", help="Number to check, E.164.")] = None,
    extra_information: Annotated[
        bool, typer.Option("--extra-information", help="Ask for carrier and region too. Costs a second credit.")
    ] = False,
    **common: Unpack[Common],
) -> CheckNumber:
    """Ask whether a number is on WhatsApp; the answer is shown by `paceline status`, and with --until-settled here.

    With --recipients, the account checks each number of a file at its pace. Such a check is a campaign in all but the
    message: `campaign status`, `pause` and `cancel` take its name, and `paceline number results` tells who is on WhatsApp.
    The same command again checks only the missing numbers; bad rows go whole into NAME.invalid.csv. JSON: as of `campaign
    start`.
    """
    if number is None:
        raise InvalidOperation("NUMBER, --recipients: give one of them")
    return CheckNumber(number=number, extra_information=extra_information, **common)


def _of_a_file(
    *,
    recipients: Annotated[
        Path | None,
        typer.Option(
            "--recipients", metavar="FILE", help="File of numbers, in any format that campaigns read; - is stdin."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the check. Default: check-FILE.")
    ] = None,
    to_column: ToColumn = None,
    ignore_column: IgnoreColumn = None,
    default_country: DefaultCountry = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    rate: Rate = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan (numbers, times, credits, faults) and write nothing.")
    ] = False,
) -> None:
    """The options of a file."""


def _command() -> Callable[..., None]:
    """Both in one: the options of a single check, and those of a file."""
    single = submits(number="NUMBER")(_check)
    shared = dict(inspect.signature(single).parameters)
    own = dict(inspect.signature(_of_a_file).parameters)

    def check(**values: Any) -> None:
        of_file = {option: values.pop(option) for option in own}
        if of_file["recipients"] is None:
            if given := [option for option, value in of_file.items() if value]:
                raise InvalidOperation(f"--{given[0].replace('_', '-')}: needs --recipients")
            single(**values)
        else:
            _start({option: values[option] for option in values}, shared, **of_file)

    parameters = {"number": shared.pop("number")} | own | shared
    check.__doc__ = single.__doc__
    check.__annotations__ = {option: parameter.annotation for option, parameter in parameters.items()}
    check.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    return check


def _start(
    values: dict[str, Any],
    known: dict[str, inspect.Parameter],
    *,
    recipients: Path,
    name: str | None,
    to_column: str | None,
    ignore_column: list[str] | None,
    default_country: str | None,
    delimiter: str | None,
    encoding: str | None,
    rate: str | None,
    dry_run: bool,
) -> None:
    """Upload the numbers of a file, or plan that."""
    if values["number"] is not None:
        raise InvalidOperation("NUMBER, --recipients: give one of them")
    for option in _SINGLE:
        if option in known and values[option] != known[option].default:
            raise InvalidOperation(f"--{option.replace('_', '-')}: is for a single number, not for --recipients")
    with named_as_options(**SPELLED):
        campaign = CampaignSpec(
            account=values["account"],
            sender=values["sender"],
            number_check=True,
            extra_information=values["extra_information"],
            to_column=to_column,
            ignore_columns=ignore_column or (),
            default_country=default_country,
            not_before=moment("--not-before", values["not_before"]),
            valid_until=moment("--valid-until", values["valid_until"]),
            on_unknown=values["on_unknown"].value,
            max_attempts=values["max_attempts"],
            rate=campaign_rate(rate),
        )
        source = Source(recipients, delimiter, encoding, None)
        carry_out(
            name or _named_after(recipients), source, campaign, How(dry_run=dry_run, json_output=values["json_output"])
        )


def _named_after(path: Path) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.partition(".")[0]).strip("-")
    if str(path) == "-" or not stem:
        raise InvalidOperation("--name: is missing; name the check of standard input")
    return f"check-{stem}"[:_LONGEST_NAME]


def results(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the check.")],
    *,
    form: Annotated[Form, typer.Option("--format", help="Format: JSON Lines, or CSV with a header.")] = Form.csv,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="File to write, replaced when complete.")
    ] = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """Print who is on WhatsApp, of the numbers of a file that were checked.

    CSV and JSON: to, on_whatsapp (true, false, or empty where there is no answer), is_valid, whatsapp_number (where WhatsApp
    has another form of the number), country, outcome, words, checked_at, key. The table is a list of recipients for
    `campaign start`. A file of --output holds whole numbers.
    """
    path = None if output is None or str(output) == "-" else output
    decide(show=show_numbers or path is not None)
    with opened_state() as state:
        campaign = state.campaign(name)
        if campaign is None or campaign.kind != _KIND:
            raise NotFound(
                f"no number check named {name!r}: `paceline number check --recipients FILE --name {name}` starts one"
            )
        reader = Outcomes(state.client)

        def read() -> Iterator[OutcomeEntry]:
            return (entry for entry in reader.each(name) if not entry.is_final)

        with opened_output(path, append=False) as file:
            write = _csv_writer(file) if form is Form.csv else _json_writer(file)
            told = 0
            for entry in last_of_each(read):
                write(_answer(entry))
                told += 1
    if path is not None:
        say(f"{counted(told, 'answer')} written to {path}.")


def _answer(entry: OutcomeEntry) -> dict[str, Any]:
    """What a check told of a number."""
    if "closed" in entry.result:
        raise InvalidOperation(
            "NAME: its answers are encrypted in state (docs/encryption.md), so the answers cannot be written as a table"
        )
    check = entry.result.get("check") or {}
    number, info = check.get("number") or {}, check.get("whatsapp_info") or {}
    digits = re.match(r"[0-9]+", str(info.get("number_id") or ""))
    known = f"+{digits[0]}" if digits else None
    return {
        "to": entry.to,
        "on_whatsapp": check.get("on_whatsapp", False if check.get("is_valid") is False else None),
        "is_valid": check.get("is_valid"),
        "whatsapp_number": known if known != entry.to else None,
        "country": number.get("iso_country_code"),
        "outcome": entry.outcome,
        "words": entry.words,
        "checked_at": entry.settled_at.isoformat(),
        "key": entry.key,
    }


def _csv_writer(file: IO[str]) -> Callable[[dict[str, Any]], object]:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(answer: dict[str, Any]) -> None:
        plain = shown_in(answer)
        writer.writerow([_cell(plain[column]) for column in COLUMNS])

    return write


def _json_writer(file: IO[str]) -> Callable[[dict[str, Any]], object]:
    return lambda answer: file.write(f"{json.dumps(shown_in(answer))}\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else harmless(" ".join(str(value).split()))


numbers.command(
    "check",
    cls=SendingCommand,
    epilog=example(
        "paceline number check +15550100002 --account acme --from +15550100001 --until-settled 30",
        "paceline number check --recipients people.csv --name spring-check --account acme --from +15550100001",
    ),
)(_command())
numbers.command("results", epilog=example("paceline number results spring-check --output who.csv"))(results)
