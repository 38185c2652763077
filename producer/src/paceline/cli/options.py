"""Arguments that several commands share, and texts turned into values."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from paceline.errors import InvalidOperation
from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.calls import State
from paceline.state.envelopes import envelopes_of
from paceline.window import Window

# Classes in place of the library's Literals: typer takes those only in its latest releases.


class Priority(StrEnum):
    """See `paceline.operations.Priority`."""

    transactional = "transactional"
    bulk = "bulk"


class OnUnknown(StrEnum):
    """See `paceline.operations.OnUnknown`."""

    reconcile = "reconcile"
    resend = "resend"
    hold = "hold"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document on one line.")]
Account = Annotated[
    str, typer.Option("--account", metavar="NAME", envvar="PACELINE_ACCOUNT", help="Account that sends.")
]
Sender = Annotated[
    str,
    typer.Option("--from", metavar="+NUMBER", envvar="PACELINE_SENDER", help="Connected number that sends, E.164."),
]
Url = Annotated[str | None, typer.Option("--url", help="Public https address of an attachment.")]
Size = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="BYTES",
        help="Size of the attachment in bytes, if known; too large an attachment is refused at once.",
    ),
]
ValidUntil = Annotated[
    str | None,
    typer.Option("--valid-until", metavar="TIME", help="Latest time to send, ISO 8601. Default: 24 hours from now."),
]
SendingHours = Annotated[
    str | None,
    typer.Option("--window", metavar="HOURS", help='Local hours of sending: "Mon-Fri 09:00-18:00 Europe/Berlin".'),
]
OnUnknownOption = Annotated[
    OnUnknown,
    typer.Option(
        "--on-unknown",
        help="Policy for calls of unknown effect: look up, send again (may double), or hold.",
    ),
]
MaxAttempts = Annotated[int, typer.Option("--max-attempts", help="Failed calls before an operation is dead, 1 to 100.")]


def moment(option: str, text: str | None) -> datetime | None:
    """A time of the command line.

    Args:
        option: whose value it is.
        text: ISO 8601; None stays None.

    Returns:
        The time; whether it has a zone is the operation's to check.

    Raises:
        InvalidOperation: it is no time.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidOperation(f"{option}: is not a time such as 2026-01-31T09:00:00+01:00") from error


def hours(text: str | None) -> str | None:
    """A window of the command line in its canonical form; None stays None.

    Raises:
        InvalidOperation: it is none.
    """
    return None if text is None else Window.parse(text).text


@contextmanager
def opened_state() -> Iterator[State]:
    """The state that the environment names.

    Raises:
        ConfigurationError: a variable is malformed.
    """
    settings = Settings.from_environment()
    state = State(connect_to(settings, repeat=True), envelopes_of(settings))
    try:
        yield state
    finally:
        state.client.close()


def to_come(option: str, at: datetime | None) -> datetime | None:
    """A time that has not passed; one without a zone is refused by the operation."""
    if at is not None and at.tzinfo is not None and at <= datetime.now(UTC):
        raise InvalidOperation(f"{option}: {at.isoformat()} has passed, so nothing would be sent")
    return at
