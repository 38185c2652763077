"""Options that commands of accounts share."""

from enum import StrEnum
from typing import Annotated

import typer


class PacingChoice(StrEnum):
    """See `paceline_worker.pacing.bucket.Pacing`."""

    spacing = "spacing"
    window = "window"


class Treat503Choice(StrEnum):
    """See `paceline_worker.accounts.account.Treat503`."""

    overloaded = "overloaded"
    unknown = "unknown"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
Limit = Annotated[
    str | None,
    typer.Option(
        "--limit",
        metavar="RATE",
        help="Ceiling of the provider's own limit: 10/minute, or '10/minute; 1000/day'.",
    ),
]
Budget = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="KIND=RATE",
        help="Budget of each sender for a kind of operation, or for any call (*): group.create=30/day, *=1/3seconds. Repeatable.",
    ),
]
TreatAs = Annotated[
    Treat503Choice | None,
    typer.Option("--treat-503-as", help="Handling of a 503: repeat the call, or look up first whether it took effect."),
]
Reserve = Annotated[
    int | None,
    typer.Option(
        "--reserve", metavar="PERCENT", help="Percentage of each limit reserved for transactional messages. Default: 0."
    ),
]
Pace = Annotated[
    PacingChoice,
    typer.Option("--pacing", help="Pacing: spacing is safe however the provider counts, window is a little faster."),
]
Variation = Annotated[
    str | None,
    typer.Option(
        "--variation",
        metavar="TIME",
        help="Variation of lateness plus transit: auto (measured) or a time such as 100ms. Default: auto.",
    ),
]
