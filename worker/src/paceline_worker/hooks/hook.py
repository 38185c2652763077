"""One hook: where events go, and which. Pure."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from paceline.errors import InvalidOperation
from paceline.refusals import NAME_PATTERN
from paceline_worker.hooks.addresses import ODD, is_odd, is_public

EventType = Literal["settled", "sent", "delivered", "read", "not_sent", "campaign.completed"]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)
ANY_ACCOUNT: Final = "*"
_LONGEST_URL: Final = 2048


@dataclass(frozen=True, slots=True)
class Hook:
    """Where events go, and which.

    Args:
        url: takes POST requests.
        accounts: names; ``*`` is all of them.
        events: types of events.
        with_recipients: whether bodies hold the recipient.
    """

    url: str
    accounts: frozenset[str]
    events: frozenset[str]
    with_recipients: bool = False

    def wants(self, event: str, account: str) -> bool:
        """Whether it is told of an event of an account."""
        return event in self.events and (ANY_ACCOUNT in self.accounts or account in self.accounts)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "url": self.url,
            "accounts": sorted(self.accounts),
            "events": [event for event in EVENT_TYPES if event in self.events],
            "with_recipients": self.with_recipients,
        }

    def text(self) -> str:
        """As state keeps it."""
        return json.dumps(self.as_json(), sort_keys=True)


def make(
    url: str, accounts: Collection[str], events: Collection[str], *, with_recipients: bool, allow_private: bool
) -> Hook:
    """Make a hook of what a person gave.

    Args:
        url: an https address.
        accounts: names, or ``*``.
        events: some of `EVENT_TYPES`.
        with_recipients: whether bodies hold the recipient.
        allow_private: take http and addresses of private networks as well.

    Raises:
        InvalidOperation: something cannot be; names the option.
    """
    wrong = set(events) - set(EVENT_TYPES)
    if wrong or not events:
        raise InvalidOperation(
            f"--events: {', '.join(sorted(wrong)) or 'nothing'} is not one of {', '.join(EVENT_TYPES)}"
        )
    for account in accounts:
        if account != ANY_ACCOUNT and not re.fullmatch(NAME_PATTERN, account):
            raise InvalidOperation(f"--account: {account!r} is not the name of an account")
    if not accounts:
        raise InvalidOperation("--account: name at least one, or * for all accounts")
    return Hook(checked_url(url, allow_private=allow_private), frozenset(accounts), frozenset(events), with_recipients)


def read(text: str) -> Hook:
    """A hook as state keeps it."""
    stored = json.loads(text)
    return Hook(
        stored["url"], frozenset(stored["accounts"]), frozenset(stored["events"]), bool(stored["with_recipients"])
    )


def changed(hook: Hook, **fields: Any) -> Hook:
    """A hook with other values; those that are None stay."""
    return replace(hook, **{name: value for name, value in fields.items() if value is not None})


def checked_url(url: str, *, allow_private: bool) -> str:
    """An address that events may be posted to, as far as the address itself says.

    Raises:
        InvalidOperation: it is none.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no port
    except ValueError:
        parts = urlsplit("")

    if not parts.hostname or parts.scheme not in ("http", "https") or not url.isascii() or re.search(r"\s", url):
        raise InvalidOperation("URL: is not an address such as https://example.com/paceline")
    if len(url) > _LONGEST_URL:
        raise InvalidOperation(f"URL: has more than {_LONGEST_URL:,} characters")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidOperation("URL: has a user or a fragment; the signature proves who posts")
    if allow_private:
        return url
    if parts.scheme != "https":
        raise InvalidOperation("URL: is not https; --allow-private takes http, for test set-ups")

    try:
        literal = ip_address(parts.hostname)
    except ValueError:
        if is_odd(parts.hostname):
            raise InvalidOperation(f"URL: {parts.hostname} {ODD}") from None
        return url

    if not is_public(literal):
        raise InvalidOperation(
            f"URL: {literal} is not a public address; --allow-private takes such addresses, for test set-ups"
        )

    return url
