from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paceline.cli.errors import named_as_options
from paceline.cli.options import (
    Account,
    Json,
    MaxAttempts,
    OnUnknown,
    OnUnknownOption,
    Priority,
    Sender,
    Url,
    ValidUntil,
    moment,
)
from paceline.cli.render import expected, iso, say, say_json
from paceline.errors import InvalidOperation, Refusal
from paceline.operations import DEFAULT_MAX_ATTEMPTS, SendMessage
from paceline.outbox import Accepted, Duplicate, Outbox, Receipt, Refused


def send(
    *,
    account: Account,
    sender: Sender,
    to: Annotated[str | None, typer.Option("--to", metavar="+NUMBER", help="The recipient, E.164.")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="WAG...", help="Or a group, by its uuid.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="The words; with --url the caption.")] = None,
    url: Url = None,
    pin: Annotated[
        str | None, typer.Option("--pin", metavar="LAT,LON", help="A place, instead of text and url.")
    ] = None,
    priority: Annotated[
        Priority, typer.Option("--priority", help="Transactional goes first.")
    ] = Priority.transactional,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key on an account is one message.")
    ] = None,
    not_before: Annotated[
        str | None, typer.Option("--not-before", metavar="TIME", help="Not sent earlier; ISO 8601 with a zone.")
    ] = None,
    valid_until: ValidUntil = None,
    on_unknown: OnUnknownOption = OnUnknown.reconcile,
    max_attempts: MaxAttempts = DEFAULT_MAX_ATTEMPTS,
    wait: Annotated[
        float | None, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait until a worker has accepted it.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Put one message into the outbox; from then on it cannot be lost.

    Prints its id; with --wait also when it is expected to leave. JSON: id, result (written, accepted, duplicate or
    refused), expected_at, reason.
    """
    with named_as_options(sender="--from", idempotency_key="--key"):
        operation = SendMessage(
            account=account,
            sender=sender,
            to=to,
            group=group,
            text=text,
            url=url,
            pin=None if pin is None else _place(pin),
            priority=priority.value,
            idempotency_key=key,
            not_before=moment("--not-before", not_before),
            valid_until=moment("--valid-until", valid_until),
            on_unknown=on_unknown.value,
            max_attempts=max_attempts,
        )
    with Outbox() as outbox:
        receipt = outbox.send(operation)
        _tell(receipt, wait, json_output=json_output)


def _place(text: str) -> dict[str, float]:
    latitude, _, longitude = text.partition(",")
    try:
        return {"latitude": float(latitude), "longitude": float(longitude)}
    except ValueError as error:
        raise InvalidOperation("--pin: is not LAT,LON such as 52.5200,13.4050") from error


def _tell(receipt: Receipt, wait: float | None, *, json_output: bool) -> None:
    """Say what became of it; the id is said whatever happens."""
    told: dict[str, Any] = {"id": receipt.id, "result": "written", "expected_at": None, "reason": None}
    sentence = f"{receipt.id} is written."
    try:
        if wait is not None:
            answer = receipt.wait(wait)
            told["result"] = type(answer).__name__.lower()
            match answer:
                case Accepted(_, at):
                    told["expected_at"] = iso(at)
                    when = f"expected to leave {expected(at, datetime.now(UTC))}" if at else "held back for now"
                    sentence = f"{receipt.id} is accepted, {when}."
                case Duplicate():
                    sentence = f"{receipt.id} has this key since before; nothing was added."
                case Refused(reason):
                    told["reason"] = reason
                    raise Refusal(f"{receipt.id} is refused: {reason}")
    finally:
        if json_output:
            say_json(told)
        elif told["result"] != "refused":
            say(sentence)
