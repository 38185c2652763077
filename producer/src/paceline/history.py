"""Who did what: every act of a person, in a stream that only grows until its bound."""

import getpass
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from paceline.flows.steps import Asked
from paceline.settings import Settings
from paceline.state.questions import Question
from paceline.times import microseconds

MOST_READ: Final = 500
# A reason is a sentence; what is longer is cut.
_LONGEST: Final = 300
_NUMBER: Final = re.compile(r"\+[0-9][0-9 ()-]{6,18}[0-9]")
_FIELDS: Final = ("what", "who", "door", "role", "account", "on", "why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of a person.

    Args:
        what: the command, such as ``campaign pause``.
        who: user and host of the command line, or name and id of a token.
        door: ``cli``, ``gateway`` or ``console``.
        role: user of the state server that it went through, or ''.
        account: the account that it concerns, or ''.
        on: campaign, operation, token or how many, or ''; never a number or a text.
        why: the reason that was given, or ''.
        at: when; None while it is not written down.
        entry_id: of the stream, or ''.
    """

    what: str
    who: str
    door: str
    role: str = ""
    account: str = ""
    on: str = ""
    why: str = ""
    at: datetime | None = None
    entry_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """As `paceline history --json` prints it."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return {"entry_id": self.entry_id, "at": self.at.isoformat() if self.at else None} | fields


def telling(act: Act, kept: int) -> Question[str]:
    """Write an act down.

    Args:
        act: what was done.
        kept: about so many acts are kept.
    """
    known = {name: getattr(act, name) for name in _FIELDS} | {"why": _NUMBER.sub("(a number)", act.why)}
    flat = [text for name, value in known.items() if value for text in (name, _clean(value))]
    return Question("trail", ("tell", kept, *flat), str, "tell_act", {"act": act, "kept": kept})


def reading(begin: str, most: int, *, newest_first: bool = False) -> Question[list[Act]]:
    """Some acts.

    Args:
        begin: ``-`` or ``+``, a time (ms), or ``(`` and the entry id before.
        most: at most so many.
        newest_first: read backwards.
    """
    order = "new" if newest_first else "old"
    given = {"begin": begin, "most": most, "newest_first": newest_first}
    return Question("trail", ("read", order, begin, most), _acts, "acts", given)


def each(
    state: Asked, *, since: datetime | None = None, account: str | None = None, limit: int | None = None
) -> Iterator[Act]:
    """Acts in the order in which they were done.

    Args:
        state: is asked, page by page.
        since: from this time on.
        account: of this account only.
        limit: only the last so many.
    """
    if limit is not None:
        last = _backwards(state, since, account, limit)
        yield from reversed(last)
        return
    begin = str(max(0, microseconds(since) // 1000)) if since else "-"
    while page := state.ask(reading(begin, MOST_READ)):
        yield from (act for act in page if account is None or act.account == account)
        begin = f"({page[-1].entry_id}"


def _backwards(state: Asked, since: datetime | None, account: str | None, limit: int) -> list[Act]:
    found: list[Act] = []
    begin = "+"
    while page := state.ask(reading(begin, MOST_READ, newest_first=True)):
        for act in page:
            if since and act.at and act.at < since:
                return found
            if account is None or act.account == account:
                found.append(act)
            if len(found) == limit:
                return found
        begin = f"({page[-1].entry_id}"
    return found


def person() -> str:
    """Whoever runs this process: ``user@host``, and who it was before ``sudo``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "a user without a name"
    before = os.environ.get("SUDO_USER")
    return f"{user}@{socket.gethostname()}" + (f" (sudo by {before})" if before else "")


def role_of(settings: Settings) -> str:
    """The user of the state server that the settings name, or ''."""
    return urlsplit(settings.state_url).username or ""


def _acts(text: str) -> list[Act]:
    return [_act(entry_id, dict(zip(flat[::2], flat[1::2], strict=True))) for entry_id, flat in json.loads(text)]


def _act(entry_id: str, fields: Mapping[str, str]) -> Act:
    known = {name: fields.get(name, "") for name in _FIELDS}
    at = datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC)
    return Act(**known, at=at, entry_id=entry_id)


def _clean(value: str) -> str:
    return "".join(c if c.isprintable() else " " for c in value)[:_LONGEST]
