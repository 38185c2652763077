"""An operation's status as people read it."""

from collections.abc import Iterator, Mapping
from typing import Any

from paceline.cli.numbers import shown, shown_in
from paceline.cli.render import console, details, listing, local
from paceline.status.receipt import DeliveryReceipt
from paceline.status.view import Status


def show_status(seen: Status, expected: str | None = None) -> None:
    """Print where an operation is, what its calls brought and what happened to it.

    Args:
        seen: the operation.
        expected: when it is expected to leave, in words.
    """
    screen = console()
    screen.print(details([*_facts(seen, expected), *_flat(shown_in(seen.result.get("check") or {}))]))
    if numbers := seen.result.get("numbers"):
        screen.print()
        screen.print(listing(("number", "result", "code", "words"), [_number(*one) for one in numbers.items()]))
    if seen.history:
        screen.print()
        rows = [(local(event.at), event.what, event.code or "", event.words or "") for event in seen.history]
        screen.print(listing(("when", "what", "code", "words"), rows))


def _facts(seen: Status, expected: str | None) -> Iterator[tuple[str, object]]:
    yield from (
        ("operation", seen.id),
        ("state", seen.state),
        ("account", seen.account),
        ("campaign", seen.campaign),
        ("kind", seen.kind),
        ("accepted", local(seen.accepted_at)),
        ("expected", expected),
        ("settled", local(seen.settled_at) if seen.settled_at else None),
        ("attempts", seen.attempts),
        ("calls answered", seen.result.get("calls")),
        ("group", seen.group_uuid),
        ("message", seen.message_uuid),
        ("last code", seen.code),
        ("last words", seen.words),
        ("why", seen.why),
        ("exempt", seen.exempt),
    )
    if seen.receipt:
        yield from _receipt(seen.receipt)


def _receipt(receipt: DeliveryReceipt) -> Iterator[tuple[str, object]]:
    """How far it has come by the provider's receipts, and when."""
    yield "receipt", receipt.status.replace("_", " ")
    times = (
        ("sent", receipt.sent_at),
        ("not sent", receipt.not_sent_at),
        ("received", receipt.received_at),
        ("read", receipt.read_at),
    )
    yield from ((f"  {name}", local(at) if at else None) for name, at in times)


def _flat(answer: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, object]]:
    """The facts of a number check's answer; one within another is named after both."""
    for name, value in answer.items():
        words = f"{within}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{words} ")
        else:
            yield words, ", ".join(map(str, value)) if isinstance(value, list) else value


def _number(number: str, one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    result = "accepted" if one.get("accepted") else "invited" if one.get("invited") else "refused"
    return shown(number), result, str(one.get("code") or ""), str(one.get("words") or "")
