"""Other channels: SMS."""

from typing import Annotated, Unpack

import typer

from paceline.cli.send.submit import Common, submits
from paceline.operations import SendSms


@submits()
def sms(
    *,
    to: Annotated[str, typer.Option("--to", metavar="+NUMBER", help="Recipient, E.164.")],
    text: Annotated[str, typer.Option("--text", help="Text of the SMS. The provider bills each 160 characters.")],
    **common: Unpack[Common],
) -> SendSms:
    """Send an SMS from a number that supports SMS."""
    return SendSms(to=to, text=text, **common)
