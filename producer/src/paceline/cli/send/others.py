"""Other channels: SMS, and the check of a number."""

from typing import Annotated, Unpack

import typer

from paceline.cli.commands import example
from paceline.cli.send.submit import Common, submits
from paceline.operations import CheckNumber, SendSms

numbers = typer.Typer(help="Number checks.")


@submits()
def sms(
    *,
    to: Annotated[str, typer.Option("--to", metavar="+NUMBER", help="Recipient, E.164.")],
    text: Annotated[str, typer.Option("--text", help="Text of the SMS. The provider bills each 160 characters.")],
    **common: Unpack[Common],
) -> SendSms:
    """Send an SMS from a number that supports SMS."""
    return SendSms(to=to, text=text, **common)


@numbers.callback()
def _numbers() -> None:
    """Number checks."""


@submits(number="NUMBER")
def check(
    *,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number to check, E.164.")],
    extra_information: Annotated[
        bool, typer.Option("--extra-information", help="Ask for carrier and region too. Costs a second credit.")
    ] = False,
    **common: Unpack[Common],
) -> CheckNumber:
    """Ask whether a number is on WhatsApp; the answer is shown by `paceline status`, and with --until-settled here."""
    return CheckNumber(number=number, extra_information=extra_information, **common)


numbers.command(
    epilog=example("paceline number check +15550100002 --account acme --from +15550100001 --until-settled 30")
)(check)
