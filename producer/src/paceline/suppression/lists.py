"""What is on a suppression list, and the steps of reading and changing one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final

from paceline.errors import InvalidOperation, UnknownAccount
from paceline.flows.steps import Flow
from paceline.recipients.numbers import forms_of, phone_number
from paceline.state import questions

EVERY_ACCOUNT: Final = "*"
BY_HAND: Final = "by hand"
LONGEST_REASON: Final = 200
# One run of a script: about a millisecond of the server.
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry of a suppression list.

    Args:
        number: whom nobody may write to, E.164.
        account: whose list it is; None is the list of all accounts.
        since: when the number was put on the list.
        reason: why, as it was given.
    """

    number: str
    account: str | None
    since: datetime
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        return {
            "number": self.number,
            "account": self.account,
            "since": self.since.isoformat(),
            "reason": self.reason,
        }


def named_list(account: str | None, *, all_accounts: bool) -> str:
    """The list that a caller means.

    Args:
        account: the list of this account.
        all_accounts: or the list of all accounts.

    Raises:
        InvalidOperation: none of the two is given, or both.
    """
    if (account is None) != all_accounts:
        raise InvalidOperation("account, all_accounts: give exactly one of them")
    return EVERY_ACCOUNT if account is None else account


def checked(numbers: str | Iterable[str]) -> Iterator[str]:
    """Numbers in E.164 form.

    Args:
        numbers: one or many.

    Raises:
        InvalidOperation: one is none; the message names its place.
    """
    several = (numbers,) if isinstance(numbers, str) else numbers
    for place, number in enumerate(several, 1):
        try:
            yield phone_number(number)
        except (TypeError, ValueError) as error:
            raise InvalidOperation(f"numbers.{place}: {error}") from None


def checked_reason(reason: str) -> str:
    """A reason that fits into one line.

    Raises:
        InvalidOperation: it is empty, too long, or not one line of text.
    """
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise InvalidOperation(f"reason: is not one line of 1 to {LONGEST_REASON} characters")
    return text


def adding(
    name: str, numbers: Iterable[str], reason: str, on_progress: Callable[[int], None] | None = None
) -> Flow[int]:
    """Put numbers on a list, in chunks; a number is listed in every form in which its owner's number is written.

    Args:
        name: from `named_list`.
        numbers: from `checked`.
        reason: why.
        on_progress: takes the number of entries written.

    Returns:
        How many of the numbers are new.

    Raises:
        InvalidOperation: a number or the reason is wrong. Earlier chunks are written, which does no harm.
        UnknownAccount: there is no such account.
    """
    reason, new, written = checked_reason(reason), 0, 0
    for chunk in _chunks(numbers):
        new += _known((yield questions.suppress(name, reason, *_with_forms(chunk))), name)
        written += len(chunk)
        if on_progress:
            on_progress(written)
    return new


def removing(name: str, numbers: Iterable[str]) -> Flow[int]:
    """Take numbers off a list, in all their forms.

    Args:
        name: from `named_list`.
        numbers: from `checked`.

    Returns:
        How many of the numbers were there.

    Raises:
        InvalidOperation, UnknownAccount: as for `adding`.
    """
    removed = 0
    for chunk in _chunks(numbers):
        removed += _known((yield questions.unsuppress(name, *_with_forms(chunk))), name)
    return removed


def checking(name: str, number: str) -> Flow[Suppression | None]:
    """The entry that keeps an account from writing to a number, or None.

    Args:
        name: from `named_list`; of an account, the list of all accounts holds as well.
        number: E.164.

    Raises:
        UnknownAccount: there is no such account.
    """
    found = yield questions.suppressed(name, [number])
    entry = _listed(found, name)[0]
    return entry_of(number, entry) if entry else None


def paging(name: str, cursor: str, most: int = CHUNK) -> Flow[tuple[str, list[Suppression]]]:
    """Some entries of a list, in no order.

    Args:
        name: from `named_list`.
        cursor: "0" at first.
        most: about so many entries.

    Returns:
        The next cursor ("0": that was all), and entries.

    Raises:
        UnknownAccount: there is no such account.
    """
    following, *entries = _listed((yield questions.suppressions(name, cursor, most)), name)
    return following, [entry_of(number, (name, since, reason)) for number, since, reason in entries]


def entry_of(number: str, found: Iterable[str]) -> Suppression:
    """An entry as suppress.lua tells it.

    Args:
        number: E.164.
        found: list, since when (s), reason.
    """
    name, since, reason = found
    at = datetime.fromtimestamp(int(since), UTC)
    return Suppression(number, None if name == EVERY_ACCOUNT else name, at, reason)


def _chunks(numbers: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(numbers)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _with_forms(chunk: Iterable[str]) -> tuple[list[str], list[str]]:
    """Numbers, and the other forms in which they are written."""
    numbers = list(dict.fromkeys(chunk))
    return numbers, sorted(set(chain.from_iterable(map(forms_of, numbers))) - set(numbers))


def _known(reply: Any, name: str) -> int:
    return int(_listed(reply, name))


def _listed(reply: Any, name: str) -> Any:
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {name!r}: add it with `paceline accounts add {name}`")
    return reply
