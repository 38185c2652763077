"""Options of campaigns that `start` and `change` share."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from paceline.cli.options import hours

_NONE: Final = ("", "none")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the campaign.")]
Weight = Annotated[
    int | None,
    typer.Option("--weight", help="Share of the sender's turns against other campaigns, 1 to 1000. Default: 1."),
]
Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="RATE", help="Highest rate of the campaign, such as 100/minute; `none` removes it."),
]
Ramp = Annotated[
    str | None,
    typer.Option(
        "--ramp",
        metavar="N,N,...",
        help="Most messages of each number on its first days, such as 20,40,80; `none` removes the ramp.",
    ),
]
CampaignHours = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="HOURS",
        help='Local hours of sending, "Mon-Fri 09:00-18:00 Europe/Berlin"; `none` removes them.',
    ),
]
AutoPause = Annotated[
    int | None,
    typer.Option(
        "--auto-pause",
        metavar="PERCENT",
        help="Pause the campaign above this number of rejections in its last 100 answers; 0: never. Default: 20.",
    ),
]
NotWithin = Annotated[
    str | None,
    typer.Option(
        "--not-within",
        metavar="SPAN",
        help="Leave out recipients who had a bulk message within this span, such as 7d; `none` removes it.",
    ),
]
ExcludeCampaign = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-campaign",
        metavar="NAME",
        help="Campaign whose recipients are left out: those it reached or may still reach; repeatable.",
    ),
]


Sms = Annotated[bool, typer.Option("--sms", help="Send the text as an SMS, at most 1,600 characters.")]
WabaTemplate = Annotated[
    str | None,
    typer.Option(
        "--waba-template", metavar="TEMPLATE", help="Uuid of an approved template, TMP..., instead of --template."
    ),
]
Body = Annotated[
    list[str] | None,
    typer.Option(
        "--body",
        metavar="VALUE",
        help='Value of {{1}}, then of {{2}} ... of the approved template, such as "{name}"; repeatable.',
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="VALUE", help="Value of the variable in the template's header, with placeholders."
    ),
]
Button = Annotated[
    list[str] | None,
    typer.Option(
        "--button",
        metavar="VALUE",
        help="Value of the variable in a button of the template, with placeholders; repeatable.",
    ),
]
HeaderMediaUrl = Annotated[
    str | None,
    typer.Option(
        "--header-media-url", metavar="URL", help="Address of the file in the template's header, with placeholders."
    ),
]
HeaderMediaFilename = Annotated[
    str | None,
    typer.Option(
        "--header-media-filename", metavar="NAME", help="Name of the file in the template's header, with placeholders."
    ),
]
Content = Annotated[
    str | None,
    typer.Option(
        "--content", metavar="WORDS", help="Text of the approved template; a missing --body is then refused at once."
    ),
]


class SenderFailure(StrEnum):
    """What becomes of the recipients of a sender that fails."""

    hand_over = "hand-over"
    stop = "stop"


FailingSender = Annotated[
    SenderFailure | None,
    typer.Option(
        "--on-sender-failure",
        help="Handling of recipients whose sender fails: hand over to another sender, or stop. Default: hand-over.",
    ),
]
ToColumn = Annotated[
    str | None, typer.Option("--to-column", metavar="COLUMN", help="Column with the numbers. Default: to.")
]
IgnoreColumn = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-column",
        metavar="COLUMN",
        help="Column to ignore, although its name looks special; repeatable.",
    ),
]
DefaultCountry = Annotated[
    str | None,
    typer.Option(
        "--default-country",
        metavar="XX",
        help="Country of numbers without a country code; also allows blanks and dashes.",
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter", metavar="MARK", help="Separator of cells: comma, semicolon, tab or bar. Default: detected."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding", metavar="NAME", help="Encoding of a file that is neither UTF-8 nor UTF-16: windows-1252."
    ),
]
LiteralBraces = Annotated[
    bool, typer.Option("--literal-braces", help="Send {{word}} as {word} instead of refusing it as a mistake.")
]


def campaign_rate(text: str | None) -> str | None:
    """A rate as `CampaignOptions` takes it: '' takes it away, None lets it be."""
    return "" if _taken_away(text) else text


def campaign_ramp(text: str | None) -> str | None:
    """A ramp as `CampaignOptions` takes it: '' takes it away, None lets it be."""
    return "" if _taken_away(text) else text


def campaign_hours(text: str | None) -> str | None:
    """A window as `CampaignOptions` takes it: '' takes it away, None lets it be.

    Raises:
        InvalidOperation: it is none.
    """
    return "" if _taken_away(text) else hours(text)


def campaign_span(text: str | None) -> str | None:
    """A span as `CampaignOptions` takes it: '' takes it away, None lets it be."""
    return "" if _taken_away(text) else text


def _taken_away(text: str | None) -> bool:
    return text is not None and text.strip().lower() in _NONE
