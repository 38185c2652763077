"""Tokens of the gateway: made once, shown once, kept as a digest."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from paceline.errors import InvalidOperation
from paceline.refusals import NAME_PATTERN

Scope = Literal["send", "read", "campaigns", "suppress", "operate", "numbers", "history"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ANY_ACCOUNT: Final = "*"
_TOKEN: Final = re.compile(r"pcl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Token:
    """What a token may do.

    Args:
        id: public part.
        name: given by who made it.
        digest: SHA-256 of its secret part, which is random, so a slow hash would add nothing.
        scopes: ``send`` (operations), ``read`` (status, outcomes, lists), ``campaigns``, ``suppress`` (suppression lists),
            ``history`` (who did what); and in the console ``operate`` (accounts, held operations, dead letters) and ``numbers``
            (phone numbers are shown in full).
        accounts: names of accounts; ``*`` is all of them.
        created_at: when it was made.
        expires_at: from when on it is refused; None never.
    """

    id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    accounts: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope."""
        return scope in self.scopes

    def sees(self, account: str) -> bool:
        """Whether it may know of an account."""
        return ANY_ACCOUNT in self.accounts or account in self.accounts

    def fits(self, secret: str, now: datetime) -> bool:
        """Whether a secret is this token's, and it has not expired; takes as long whatever the secret."""
        return hmac.compare_digest(self.digest, digest_of(secret)) and self.lasts(now)

    def lasts(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    def as_json(self) -> dict[str, Any]:
        """The fields that may be shown: not the digest."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "accounts": sorted(self.accounts),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }


def make(
    name: str, scopes: Collection[str], accounts: Collection[str], expires_at: datetime | None, now: datetime
) -> tuple[Token, str]:
    """Make a token.

    Args:
        name: letters, digits, dot, dash, underscore.
        scopes: at least one of `SCOPES`.
        accounts: names, or ``*``.
        expires_at: from when on it is refused.
        now: the clock.

    Returns:
        What is kept, and the token itself, which is shown once.

    Raises:
        InvalidOperation: a name, scope or account that cannot be.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64")
    if not scopes or (wrong := set(scopes) - set(SCOPES)):
        raise InvalidOperation(
            f"scope: {', '.join(sorted(wrong)) if scopes else 'nothing'} is not one of {', '.join(SCOPES)}"
        )
    if not accounts:
        raise InvalidOperation("account: name at least one, or * for all accounts")
    for account in accounts:
        if account != ANY_ACCOUNT and not re.fullmatch(NAME_PATTERN, account):
            raise InvalidOperation(f"account: {account!r} is not the name of an account")
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    kept = [scope for scope in SCOPES if scope in scopes]
    token = Token(token_id, name, digest_of(secret), frozenset(kept), frozenset(accounts), now, expires_at)
    return token, f"pcl_{token_id}_{secret}"


def parts(text: str) -> tuple[str, str] | None:
    """The id and the secret of a token as it was given; None when it is none."""
    found = _TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def written(token: Token) -> str:
    """A token as state keeps it."""
    return json.dumps(token.as_json() | {"digest": token.digest}, sort_keys=True)


def read(text: str) -> Token:
    """A token as state kept it."""
    known = json.loads(text)
    return Token(
        id=known["id"],
        name=known["name"],
        digest=known["digest"],
        scopes=frozenset(known["scopes"]),
        accounts=frozenset(known["accounts"]),
        created_at=datetime.fromisoformat(known["created_at"]).astimezone(UTC),
        expires_at=datetime.fromisoformat(known["expires_at"]).astimezone(UTC) if known["expires_at"] else None,
    )
