"""Suppression lists in memory."""

from collections.abc import Iterable, Iterator, Sequence

from paceline.suppression.lists import EVERY_ACCOUNT


class Lists:
    """What suppress.lua keeps, without a server."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, tuple[str, str]]] = {}

    def add(self, name: str, reason: str, numbers: Sequence[str], forms: Iterable[str], now_s: int) -> int:
        """Put numbers on a list; how many of `numbers` are new."""
        entries = self._entries.setdefault(name, {})
        new = sum(number not in entries for number in numbers)
        for number in (*numbers, *forms):
            entries.setdefault(number, (str(now_s), reason))
        return new

    def remove(self, name: str, numbers: Sequence[str], forms: Iterable[str]) -> int:
        """Take numbers off a list; how many of `numbers` were there."""
        entries = self._entries.get(name, {})
        there = sum(number in entries for number in numbers)
        for number in (*numbers, *forms):
            entries.pop(number, None)
        return there

    def entry(self, name: str, number: str) -> list[str]:
        """The entry that concerns an account: its list, since when, reason; empty when there is none."""
        for listed in (name, EVERY_ACCOUNT):
            if found := self._entries.get(listed, {}).get(number):
                return [listed, *found]
        return []

    def page(self, name: str) -> Iterator[list[str]]:
        """All entries of a list."""
        return ([number, *found] for number, found in self._entries.get(name, {}).items())

    def why(self, account: str, to: str, kind: str) -> str:
        """Why an operation must not be sent; '' when it may."""
        if not to.startswith("+") or kind == "number.check" or not (found := self.entry(account, to)):
            return ""
        listed, _, reason = found
        whose = "all accounts" if listed == EVERY_ACCOUNT else "the account"
        return f"its recipient is on the suppression list of {whose}: {reason}"
