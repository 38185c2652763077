"""What a stored operation must still be when it leaves: whoever may write state could have changed it. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from paceline.errors import InvalidOperation
from paceline.operations.requests import Work
from paceline.operations.values import media_url

_SENDER: Final = re.compile(r"\+[0-9]{1,20}")
# A number, a group, a remote id, an operation's id, or what the provider called the message or group that is followed.
_TARGET: Final = re.compile(r"[0-9A-Za-z+][0-9A-Za-z@._+-]{0,127}")


def check(work: Work) -> None:
    """Refuse an operation that no producer of ours could have written.

    Args:
        work: as state holds it.

    Raises:
        InvalidOperation: sender or target has no form of theirs, or an address of media is none that a producer takes.
    """
    if not _SENDER.fullmatch(work.sender):
        raise InvalidOperation("sender: is not a phone number in E.164 form")
    if not _TARGET.fullmatch(work.recipient):
        raise InvalidOperation("to: is neither a number, a group, a remote id nor an operation")
    _check_addresses(work.payload)


def _check_addresses(value: Any, name: str = "") -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            _check_addresses(one, key)
    elif isinstance(value, list | tuple):
        for one in value:
            _check_addresses(one, name)
    elif isinstance(value, str) and (name == "url" or name.endswith("_url")):
        try:
            media_url(value)
        except ValueError as error:
            raise InvalidOperation(f"{name}: {error}") from error
