"""Numbers of people, as the command line prints them: masked, unless a person asks for the whole numbers."""

import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from pkgutil import resolve_name
from typing import Annotated, Any, Final, Protocol

import typer

from paceline import names
from paceline.errors import PacelineError

# E.164, or the remote id of a chat. Digits alone are rather an order or a customer.
_NUMBER: Final = re.compile(r"(\+[0-9]{2}|[0-9]{2}(?=[0-9]+@))[0-9]{3,14}([0-9]{2})(@[\w.]+)?", re.ASCII)
# Numbers of your own, which are no secret.
_OURS: Final = frozenset({"sender", "senders", "from"})
_ON: Final = frozenset({"1", "true", "yes", "on"})

ShowNumbers = Annotated[
    bool,
    typer.Option(
        "--show-numbers",
        help=f"Print whole numbers of recipients. {names.ENV_SHOW_NUMBERS}=1 does so for all commands.",
    ),
]

_whole: ContextVar[bool] = ContextVar("whole_numbers", default=False)


class Opening(Protocol):
    """Numbers that state has encrypted (`paceline_worker.integrity.opening`)."""

    def opened(self, text: str) -> str:
        """A number in the clear, or the text as it is."""

    def closed(self, number: str) -> str:
        """A number as state has it."""


def begin() -> None:
    """Mask numbers from now on, unless the environment says otherwise."""
    _opening.cache_clear()
    _whole.set(os.environ.get(names.ENV_SHOW_NUMBERS, "").strip().lower() in _ON)


def decide(*, show: bool) -> None:
    """Print whole numbers when a command was asked for them.

    Args:
        show: value of ``--show-numbers``.
    """
    if show:
        _whole.set(True)


def shown(number: str) -> str:
    """A number as this command prints it: ``+15*******02``. Whatever is no number stays as it is."""
    number = _opened(number)
    match = None if _whole.get() else _NUMBER.fullmatch(number)
    return _masked(match) if match else number


def _masked(match: re.Match[str]) -> str:
    """The first two digits and the last two, with a star for each digit between them."""
    head, tail, domain = match.groups()
    hidden = len(match[0]) - len(head) - len(tail) - len(domain or "")
    return f"{head}{'*' * hidden}{tail}{domain or ''}"


def shown_in(value: Any) -> Any:
    """A JSON document with all numbers of people as this command prints them, names of fields included.

    Args:
        value: lists, mappings, texts; numbers of senders stay whole.
    """
    match value:
        case str():
            return shown(value)
        case Mapping():
            return {shown(name): item if name in _OURS else shown_in(item) for name, item in value.items()}
        case list() | tuple():
            return [shown_in(item) for item in value]
        case _:
            return value


def forms_of(number: str) -> list[str]:
    """How a number may stand in state: as it is, and encrypted where that is known."""
    opening = _opening()
    return list(dict.fromkeys([number, *([opening.closed(number)] if opening else [])]))


def _opened(text: str) -> str:
    if not text.startswith(names.SEALED_NUMBER):
        return text
    opening = _opening()
    return opening.opened(text) if opening else text


@cache
def _opening() -> Opening | None:
    """With the secret key, and the worker's package that knows what to do with it."""
    if not (os.environ.get(names.ENV_SECRET_KEY) or os.environ.get(f"{names.ENV_SECRET_KEY}_FILE")):
        return None
    try:
        found: Opening | None = resolve_name("paceline_worker.integrity.opening:opening")()
    except (ImportError, PacelineError, OSError):
        return None
    return found
