from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from paceline.campaigns.campaign import Campaign, progress_of
from paceline.campaigns.spec import CampaignSpec
from paceline.campaigns.upload import UploadReport
from paceline.cli.acts import remember
from paceline.cli.campaign import status as campaign_status
from paceline.cli.campaign.expectation import Expectation, expect, in_words, warn_of_late
from paceline.cli.campaign.options import (
    AutoPause,
    Body,
    Button,
    CampaignHours,
    Content,
    DefaultCountry,
    Delimiter,
    Encoding,
    ExcludeCampaign,
    FailingSender,
    Header,
    HeaderMediaFilename,
    HeaderMediaUrl,
    IgnoreColumn,
    LiteralBraces,
    Name,
    NotWithin,
    Ramp,
    Rate,
    Sms,
    ToColumn,
    WabaTemplate,
    Weight,
    campaign_hours,
    campaign_ramp,
    campaign_rate,
    campaign_span,
)
from paceline.cli.campaign.plan import tell_plan
from paceline.cli.campaign.upload import BadRows, place_of_bad_rows, rows_of, with_bar
from paceline.cli.errors import INTERRUPTED, complain, named_as_options
from paceline.cli.options import (
    Account,
    Json,
    MaxAttempts,
    OnUnknown,
    OnUnknownOption,
    Url,
    ValidUntil,
    moment,
    to_come,
)
from paceline.cli.render import console, counted, say, say_json
from paceline.cli.send.tell import Asked, tell
from paceline.errors import InvalidOperation, NotFound, PacelineError, StateUnavailable
from paceline.operations import DEFAULT_MAX_ATTEMPTS
from paceline.outbox import Outbox
from paceline.recipients.columns import reading_of
from paceline.recipients.rows import Row

# Option of a campaign to what the user types, where that is not --option.
SPELLED: Final = {
    "name": "NAME",
    "sender": "--from",
    "exclude_campaigns": "--exclude-campaign",
    "buttons": "--button",
    "number_check": "number check",
}


class NothingToSend(PacelineError):
    """No row of the recipients file can be sent."""


# Long, because every option of the command is passed on by its name.
def start(
    name: Name,
    *,
    account: Account,
    sender: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="+NUMBER[=WEIGHT]",
            help="Number that sends, E.164; repeatable: several numbers share the campaign.",
        ),
    ] = None,
    pool: Annotated[
        str | None, typer.Option("--pool", metavar="POOL", help="Pool whose numbers send, instead of --from.")
    ] = None,
    on_sender_failure: FailingSender = None,
    recipients: Annotated[
        Path,
        typer.Option(
            "--recipients",
            metavar="FILE",
            help="File of recipients: CSV, JSON Lines, JSON or .xlsx, also as .gz; - is stdin.",
        ),
    ],
    template: Annotated[
        str | None,
        typer.Option(
            "--template", help="Text of the messages; {column} and {column|default} are filled in, {{ is a brace."
        ),
    ] = None,
    url: Url = None,
    sms: Sms = False,
    waba_template: WabaTemplate = None,
    body: Body = None,
    header: Header = None,
    button: Button = None,
    header_media_url: HeaderMediaUrl = None,
    header_media_filename: HeaderMediaFilename = None,
    content: Content = None,
    to_column: ToColumn = None,
    ignore_column: IgnoreColumn = None,
    default_country: DefaultCountry = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    literal_braces: LiteralBraces = False,
    not_before: Annotated[
        str | None,
        typer.Option("--not-before", "--start-at", metavar="TIME", help="Earliest time to send, ISO 8601 with a zone."),
    ] = None,
    valid_until: ValidUntil = None,
    window: CampaignHours = None,
    rate: Rate = None,
    ramp: Ramp = None,
    weight: Weight = None,
    auto_pause: AutoPause = None,
    not_within: NotWithin = None,
    exclude_campaign: ExcludeCampaign = None,
    paused: Annotated[
        bool, typer.Option("--paused", help="Start the campaign paused: nothing leaves before `campaign resume`.")
    ] = False,
    needs_approval: Annotated[
        bool,
        typer.Option("--needs-approval", help="Hold the campaign until `campaign approve NAME --by WHO`."),
    ] = False,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="NUMBER", help="Send the first message to this number, and start nothing."),
    ] = None,
    check_numbers: Annotated[bool, typer.Option("--check-numbers", hidden=True)] = False,  # noqa: ARG001 - of earlier releases
    on_unknown: OnUnknownOption = OnUnknown.reconcile,
    max_attempts: MaxAttempts = DEFAULT_MAX_ATTEMPTS,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan (recipients, times, cost, faults) and write nothing."),
    ] = False,
    invalid: Annotated[
        Path | None,
        typer.Option("--invalid", metavar="FILE.csv", help="File for bad rows. Default: NAME.invalid.csv beside FILE."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Upload a campaign, or continue an interrupted upload: the same command again adds only what is missing.

    The text is --template, as a WhatsApp message or, with --sms, as an SMS; or --waba-template sends an approved template of
    the Business API, whose variables --body, --header and --button fill.

    FILE has a column `to` and those the template names; optional are `key` (what tells recipients apart, else `to`),
    `not_before` and `valid_until`, in any case and spacing. Of a campaign that is continued, the window, rate, ramp, weight
    and auto-pause given change. Bad rows go whole into NAME.invalid.csv, to be corrected and uploaded.

    JSON: name, offered, written, invalid, invalid_file, forecast (starts_at, ends_at, remaining, why; null when nothing
    was written).

    With --test, nothing is uploaded. JSON: what `send --json` prints.

    With --dry-run, exit code 1 when there is a problem; bad rows go into a file only if --invalid names one. JSON: name,
    account, sender, offered, recipients, duplicates, known, invalid, requests, credits, credits_left, account_expires_at,
    valid_until, window, starts_at, ends_at, in_time, late_from, problems, warnings,
    samples, empty, twins, left_out, ramp.
    """
    if not sender and not pool:
        raise InvalidOperation("--from: is missing; give the number that sends, or --pool")
    if template is None and waba_template is None:
        raise InvalidOperation("--template: is missing; give the text, or --waba-template")
    with named_as_options(**SPELLED):
        campaign = CampaignSpec(
            account=account,
            sender=sender or (),
            pool=pool,
            on_sender_failure=on_sender_failure.value if on_sender_failure else None,
            template=template or "",
            url=url,
            sms=sms,
            waba_template=waba_template,
            body=body or (),
            header=header or (),
            buttons=button or (),
            header_media_url=header_media_url,
            header_media_filename=header_media_filename,
            content=content,
            to_column=to_column,
            ignore_columns=ignore_column or (),
            default_country=default_country,
            literal_braces=literal_braces,
            not_before=moment("--not-before", not_before),
            valid_until=to_come("--valid-until", moment("--valid-until", valid_until)),
            on_unknown=on_unknown.value,
            max_attempts=max_attempts,
            weight=weight,
            rate=campaign_rate(rate),
            ramp=campaign_ramp(ramp),
            window=campaign_hours(window),
            auto_pause=auto_pause,
            not_within=campaign_span(not_within),
            exclude_campaigns=exclude_campaign or (),
        )
        source = Source(recipients, delimiter, encoding, invalid)
        how = How(dry_run=dry_run, paused=paused, needs_approval=needs_approval, test=test, json_output=json_output)
        carry_out(name, source, campaign, how)


@dataclass(frozen=True, slots=True)
class Source:
    """The file of recipients, as a command names it.

    Args:
        path: the file.
        delimiter: of its cells; None: it is detected.
        encoding: likewise.
        invalid: where bad rows go; None: beside the file.
    """

    path: Path
    delimiter: str | None
    encoding: str | None
    invalid: Path | None


@dataclass(frozen=True, slots=True)
class How:
    """What becomes of an upload, and how it is told.

    Args:
        dry_run: nothing is written.
        paused: see `Outbox.start_campaign`.
        needs_approval: likewise.
        test: the first message goes to this number, and nothing else is written.
        json_output: one JSON document.
    """

    dry_run: bool = False
    paused: bool = False
    needs_approval: bool = False
    test: str | None = None
    json_output: bool = False


def carry_out(name: str, source: Source, campaign: CampaignSpec, how: How) -> None:
    """Plan, test or upload a campaign, and say what became of it.

    Args:
        name: of the campaign.
        source: its recipients.
        campaign: its options.
        how: what is to be done.
    """
    reading = reading_of(
        campaign.get("to_column"),
        campaign.get("ignore_columns", ()),
        campaign.get("default_country"),
        delimiter=source.delimiter,
        encoding=source.encoding,
    )
    place = source.invalid or place_of_bad_rows(name, source.path)
    bad = BadRows(place, source.path, is_wanted=(not how.dry_run and how.test is None) or source.invalid is not None)
    what = "reading" if how.dry_run else "uploading"
    rows = with_bar(rows_of(source.path, reading), source.path, console(stderr=True), what=what)
    with Outbox() as outbox, closing(bad), closing(rows):
        if how.test is not None:
            with named_as_options(to="--test"):
                ticket = outbox.test_campaign(name, to=how.test, recipients=rows, **campaign)
            tell(outbox, ticket, Asked(None, None, how.json_output))
            return
        if how.dry_run:
            taker = bad.add if source.invalid else None
            first = _FirstBadRows(taker)
            plan = outbox.plan_campaign(name, recipients=rows, on_invalid=first.add, **campaign)
            tell_plan(plan, as_json=how.json_output, bad=first.sentences)
            return
        with _interruptible(name) as written:
            started = outbox.start_campaign(
                name,
                recipients=rows,
                paused=how.paused,
                needs_approval=how.needs_approval,
                on_invalid=bad.add,
                on_progress=written.note,
                **campaign,
            )
        ahead = _look_ahead(outbox, started)
    if started.report:
        remember("campaign start", account=campaign["account"], on=f"{name}: {counted(started.report.written, 'row')}")
        _tell(name, started.report, bad.path, ahead, json_output=how.json_output)


class _FirstBadRows:
    """The first bad rows of a dry run, in sentences.

    Args:
        taker: takes all of them; None: nobody wants more.
    """

    _MOST: Final = 5

    def __init__(self, taker: Callable[[Row, str], object] | None) -> None:
        self.sentences: list[str] = []
        self._taker = taker

    def add(self, row: Row, reason: str) -> None:
        if len(self.sentences) < self._MOST:
            self.sentences.append(f"line {row.line}: {reason}")
        if self._taker:
            self._taker(row, reason)


class _Written:
    """How many rows an upload has written."""

    rows = 0

    def note(self, rows: int) -> None:
        self.rows = rows

    def further(self, name: str) -> str:
        words = f"with {counted(self.rows, 'row')} written; repeat the command to continue campaign {name!r}"
        leave = f". Written rows leave unless it is paused: `paceline campaign pause {name}`"
        return words + leave if self.rows else words


@contextmanager
def _interruptible(name: str) -> Iterator[_Written]:
    """Say of an upload that breaks off how far it came and that the same command continues it."""
    written = _Written()
    try:
        yield written
    except KeyboardInterrupt:
        complain(f"interrupted {written.further(name)}")
        raise typer.Exit(INTERRUPTED) from None
    except (StateUnavailable, InvalidOperation) as error:
        if not written.rows:
            raise
        raise type(error)(f"{error} ({written.further(name)})") from error


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What is expected of an uploaded campaign.

    Args:
        seen: the expectation. It counts rows that no worker has compared with what was there.
        continued: whether there was an earlier upload.
    """

    seen: Expectation
    continued: bool


def _look_ahead(outbox: Outbox, campaign: Campaign) -> _Ahead | None:
    """None when nothing was written, or state went away after the upload, which is complete."""
    if campaign.report and campaign.report.written:
        with suppress(StateUnavailable, NotFound):
            picture = campaign_status.read(outbox.state, campaign.name)
            received = progress_of(campaign.name, picture.campaign).received
            return _Ahead(expect(outbox.state, campaign.name, picture), received > campaign.report.written)
    return None


def _tell(name: str, report: UploadReport, bad_rows: Path, ahead: _Ahead | None, *, json_output: bool) -> None:
    left_out = f"{counted(report.invalid, 'bad row')} left out: see {bad_rows}"
    if json_output:
        told: dict[str, Any] = {"offered": report.offered, "written": report.written, "invalid": report.invalid}
        told["invalid_file"] = str(bad_rows) if report.invalid else None
        say_json({"name": name, **told, "forecast": ahead.seen.forecast.as_json() if ahead else None})
    elif report.written:
        say(
            f"Campaign {name}: {counted(report.written, 'row')} written" + (f", {left_out}." if report.invalid else ".")
        )
        if ahead:
            words = in_words(ahead.seen.forecast)
            say(f"{words[:1].upper()}{words[1:]}.")
        if ahead and ahead.continued:
            say("Rows that the campaign had already are not sent again, so the end may be earlier.")
    if not report.written:
        raise NothingToSend(f"campaign {name!r} has no rows to send: {left_out}")
    if ahead:
        warn_of_late(name, ahead.seen, "raise --valid-until", at_most=ahead.continued)
