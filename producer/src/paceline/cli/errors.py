"""What goes wrong, in one sentence on stderr and an exit code; never a traceback."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from paceline import names
from paceline.cli.render import one_line
from paceline.errors import ConfigurationError, InvalidOperation, PacelineError

# As click says it.
_BAD_VALUE: Final = re.compile(
    r"Invalid value for '(?P<option>--[\w-]+)[^']*': (?:Value error, )?(?P<rest>.+)", re.DOTALL
)
_PLAIN: Final = {
    "Input should be a valid integer, .*": "is not a whole number",
    "Input should be a valid number, .*": "is not a number",
    r"Input should be greater than or equal to (\S+)": r"is less than \1",
    r"Input should be less than or equal to (\S+)": r"is more than \1",
}
_CHOICE: Final = re.compile(r"is not one of '.*'")
FAILURE: Final = 1
BAD_USAGE: Final = 2
INTERRUPTED: Final = 130
# As shells tell of a program that SIGPIPE ended: whoever read the output is gone.
BROKEN_PIPE: Final = 141


def complain(sentence: str) -> None:
    """Say it on stderr, in one line, as this program."""
    sys.stderr.write(f"paceline: {one_line(sentence)}\n")


def report(error: Exception) -> int:
    """Tell the user what went wrong.

    Args:
        error: anything a command raised.

    Returns:
        The exit code: 2 for bad usage, 1 for failure.
    """
    if isinstance(error, PacelineError):
        complain(str(error))
        return BAD_USAGE if isinstance(error, InvalidOperation | ConfigurationError) else FAILURE
    if _is_usage_error(error):
        complain(_usage_sentence(error))
        return BAD_USAGE
    if os.environ.get(names.ENV_DEBUG, "0") not in ("", "0"):
        sys.stderr.write("".join(traceback.format_exception(error)))
    complain(
        f"an unexpected {type(error).__name__}, which is a fault of this program: please report it with the output "
        f"of {names.ENV_DEBUG}=1"
    )
    return FAILURE


def _is_usage_error(error: Exception) -> bool:
    # By what it can do: typer's usage errors are click's classes in one release and a private copy of them in another.
    return getattr(error, "exit_code", None) == BAD_USAGE and hasattr(error, "format_message")


def _usage_sentence(error: Exception) -> str:
    words = str(error.format_message()).strip().rstrip(".")  # type: ignore[attr-defined]
    if words.startswith("Got unexpected extra argument"):
        words = "Unexpected extra argument"  # which may be an API key: it is not repeated
    if found := _BAD_VALUE.fullmatch(words):
        words = f"{found['option']}: {found['rest']}"
    for pattern, plain in _PLAIN.items():
        words = re.sub(pattern, plain, words)
    if found := _CHOICE.search(words):
        words = words[: found.start()] + found[0].replace("'", "")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "paceline"
    return f"{words[:1].lower()}{words[1:]} (try '{command} --help')"


@contextmanager
def named_as_options(**spelled: str) -> Iterator[None]:
    """Let an `InvalidOperation` name what the user typed instead of the model's field.

    Args:
        spelled: field name to option, where the option is not ``--field``.
    """
    try:
        yield
    except InvalidOperation as error:
        where, colon, words = str(error).partition(": ")
        fields = where.split(", ")
        if not colon or not all(field.partition(".")[0].isidentifier() for field in fields):
            raise
        options = ", ".join(_option(field, spelled) for field in fields)
        raise InvalidOperation(f"{options}: {words}") from error


def _option(field: str, spelled: dict[str, str]) -> str:
    first, _, rest = field.partition(".")
    option = spelled.get(first) or f"--{first.replace('_', '-')}"
    if rest.isdecimal() and first != "metadata":  # of a repeatable option without names; people count from one
        rest = f"number {int(rest) + 1}"
    return f"{option} ({rest})" if rest else option


class _Complaints(logging.Handler):
    """Log records as complaints; looks stderr up each time, because a progress bar puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


@contextmanager
def warnings_as_complaints() -> Iterator[None]:
    """Let the library's warnings (the broker is away) be one line each."""
    logger, handler = logging.getLogger("paceline"), _Complaints(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
