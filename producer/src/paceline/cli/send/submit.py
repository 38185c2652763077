"""What all commands that send have in common: their options, and the way from them into the outbox."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypedDict

import typer

from paceline import operations
from paceline.cli.errors import named_as_options
from paceline.cli.options import (
    Account,
    Json,
    MaxAttempts,
    OnUnknown,
    OnUnknownOption,
    Priority,
    Sender,
    SendingHours,
    ValidUntil,
    hours,
    moment,
    to_come,
)
from paceline.cli.panels import SendingCommand
from paceline.cli.send.tell import Asked, tell
from paceline.errors import InvalidOperation
from paceline.operations import DEFAULT_MAX_ATTEMPTS, Operation
from paceline.outbox import Outbox

_TELLS: Final = """\
Prints the id; with --wait also the expected departure; with --until-settled also the outcome, and exit code 1
unless that is `accepted`. JSON: id, result (written, accepted, duplicate or refused), expected_at, reason; with
--until-settled the JSON of `paceline status`."""


class Common(TypedDict):
    """What every command gives to the operation it makes; see `paceline.operations.Operation`."""

    account: str
    sender: str
    priority: operations.Priority
    idempotency_key: str | None
    not_before: datetime | None
    valid_until: datetime | None
    window: str | None
    on_unknown: operations.OnUnknown
    max_attempts: int
    metadata: dict[str, str]
    exempt: str | None


def submits(**spelled: str) -> Callable[[Callable[..., Operation]], Callable[..., None]]:
    """Make a command of a function that makes an operation.

    The command has the function's own parameters and those that all share. The function gets the shared ones ready as
    ``**common``, see `Common`; what becomes of its operation is told as the user asked.

    Args:
        spelled: field of the operation to what the user types, where that is not ``--field``.

    Returns:
        A decorator; the command's help is the function's docstring and what all commands tell.
    """
    spelled = {"sender": "--from", "idempotency_key": "--key"} | spelled
    shared, asked = _parameters(_common), _parameters(_asked)

    def decorate(make: Callable[..., Operation]) -> Callable[..., None]:
        own = _parameters(make)

        def command(**values: Any) -> None:
            wanted = _asked(**_of(asked, values))
            with named_as_options(**spelled):
                operation = make(**_of(own, values), **_common(**_of(shared, values)))
            with Outbox() as outbox:
                with named_as_options(**spelled):  # whether its window opens in time depends on when it is written
                    ticket = outbox.send(operation)
                tell(outbox, ticket, wanted)

        # In the order of the help.
        parameters = {name: shared[name] for name in ("account", "sender")} | own | shared | asked
        command.__name__ = make.__name__
        command.__doc__ = f"{inspect.getdoc(make)}\n\n{_TELLS}"
        command.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        command.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        command.command_class = SendingCommand  # type: ignore[attr-defined]
        return command

    return decorate


def _common(
    *,
    account: Account,
    sender: Sender,
    priority: Annotated[
        Priority, typer.Option("--priority", help="Priority in the sender's lane; transactional goes first.")
    ] = Priority.transactional,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key on an account is one operation.")
    ] = None,
    not_before: Annotated[
        str | None, typer.Option("--not-before", metavar="TIME", help="Earliest time to send, ISO 8601 with a zone.")
    ] = None,
    valid_until: ValidUntil = None,
    window: SendingHours = None,
    on_unknown: OnUnknownOption = OnUnknown.reconcile,
    max_attempts: MaxAttempts = DEFAULT_MAX_ATTEMPTS,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="NAME=VALUE", help="Short text to return with the outcome; repeatable."),
    ] = None,
    exempt: Annotated[
        str | None,
        typer.Option(
            "--exempt",
            metavar="REASON",
            help='Reason for sending even to a suppressed number, such as "password reset requested". Not with --priority bulk.',
        ),
    ] = None,
) -> Common:
    """The options behind `Common`."""
    return {
        "account": account,
        "sender": sender,
        "priority": priority.value,
        "idempotency_key": key,
        "not_before": moment("--not-before", not_before),
        "valid_until": to_come("--valid-until", moment("--valid-until", valid_until)),
        "window": hours(window),
        "on_unknown": on_unknown.value,
        "max_attempts": max_attempts,
        "metadata": _pairs(metadata or ()),
        "exempt": exempt,
    }


def _asked(
    *,
    wait: Annotated[
        float | None,
        typer.Option("--wait", metavar="SECONDS", min=0, help="Seconds to wait until the operation is queued."),
    ] = None,
    until_settled: Annotated[
        float | None,
        typer.Option("--until-settled", metavar="SECONDS", min=0, help="Seconds to wait for the outcome."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the id and nothing else.")] = False,
    json_output: Json = False,
) -> Asked:
    """The options behind `Asked`."""
    for option, seconds in (("--wait", wait), ("--until-settled", until_settled)):
        if seconds is not None and math.isnan(seconds):
            raise InvalidOperation(f"{option}: is not a number of seconds")
    if quiet and (json_output or until_settled is not None):
        raise InvalidOperation("--quiet: prints the id only; leave out --json and --until-settled")
    return Asked(wait, until_settled, json_output, quiet)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """All but ``**common``; by name only, so that they can be put in any order."""
    return {
        name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def _of(parameters: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in parameters}


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InvalidOperation("--metadata: is not NAME=VALUE")
        if name in pairs:
            raise InvalidOperation(f"--metadata: names {name!r} twice")
        pairs[name] = value
    return pairs
