"""Other channels: SMS, and the check of a number."""

from typing import Annotated, Unpack

import typer

from paceline.cli.commands import example
from paceline.cli.send.submit import Common, submits
from paceline.operations import CheckNumber, SendSms

numbers = typer.Typer(help="What is known of a number.")


@submits()
def sms(
    *,
    to: Annotated[str, typer.Option("--to", metavar="+NUMBER", help="The recipient, E.164.")],
    text: Annotated[str, typer.Option("--text", help="The words; each 160 characters are billed apart.")],
    **common: Unpack[Common],
) -> SendSms:
    """Send an SMS from a number that can."""
    return SendSms(to=to, text=text, **common)


@numbers.callback()
def _numbers() -> None:
    """A callback keeps `number` a group although it has one command."""


@submits(number="NUMBER")
def check(
    *,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number asked about, E.164.")],
    extra_information: Annotated[
        bool, typer.Option("--extra-information", help="Ask for more, which costs a second credit.")
    ] = False,
    **common: Unpack[Common],
) -> CheckNumber:
    """Ask whether a number is on WhatsApp; the answer is shown by `paceline status`, and with --until-settled here."""
    return CheckNumber(number=number, extra_information=extra_information, **common)


numbers.command(
    epilog=example("paceline number check +15550100002 --account acme --from +15550100001 --until-settled 30")
)(check)
