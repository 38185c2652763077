"""Messages of the WhatsApp Web channel: send, delete."""

from typing import Annotated, Unpack

import typer

from paceline.cli.options import Size, Url
from paceline.cli.send.submit import Common, submits
from paceline.errors import InvalidOperation
from paceline.operations import DeleteMessage, SendMessage

To = Annotated[str | None, typer.Option("--to", metavar="+NUMBER", help="Recipient, E.164.")]
RemoteId = Annotated[
    str | None,
    typer.Option("--remote-id", metavar="DIGITS@lid", help="Contact hidden behind a user name, instead of a number."),
]


@submits(media_bytes="--size")
def send(
    *,
    to: To = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="WAG...",
            help="Group instead of a number: its uuid, or the id of `paceline group create`.",
        ),
    ] = None,
    remote_id: RemoteId = None,
    text: Annotated[str | None, typer.Option("--text", help="Text of the message; with --url, the caption.")] = None,
    url: Url = None,
    size: Size = None,
    pin: Annotated[
        str | None, typer.Option("--pin", metavar="LAT,LON", help="Map pin, instead of text and url.")
    ] = None,
    **common: Unpack[Common],
) -> SendMessage:
    """Send one message; once this command returns, the message cannot be lost."""
    return SendMessage(
        to=to,
        group=group,
        remote_id=remote_id,
        text=text,
        url=url,
        media_bytes=size,
        pin=None if pin is None else _place(pin),
        **common,
    )


@submits(message="MESSAGE")
def delete(
    *,
    message: Annotated[
        str,
        typer.Argument(metavar="MESSAGE", help="Message: its uuid MSG..., or the id of the operation that sent it."),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="+NUMBER",
            help="Recipient of the message, E.164. Required when the message is given by its uuid.",
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="WAG...", help="Group of the message, instead of a recipient.")
    ] = None,
    remote_id: RemoteId = None,
    **common: Unpack[Common],
) -> DeleteMessage:
    """Delete a sent message for everybody, up to 60 hours after it was sent.

    The id of an operation is enough: it is waited for, and says itself where the message went.
    """
    return DeleteMessage(message=message, to=to, group=group, remote_id=remote_id, **common)


def _place(text: str) -> dict[str, float]:
    latitude, _, longitude = text.partition(",")
    try:
        return {"latitude": float(latitude), "longitude": float(longitude)}
    except ValueError as error:
        raise InvalidOperation("--pin: is not LAT,LON such as 52.5200,13.4050") from error
