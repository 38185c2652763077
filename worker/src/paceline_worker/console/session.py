"""Sessions of the console: opened by a token of the gateway, kept in state as a digest, ended by time or by hand."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from paceline.flows.steps import AsyncAsked
from paceline.gateway import tokens
from paceline.gateway.tokens import Scope, Token
from paceline.state import questions

COOKIE: Final = "paceline_session"
DEFAULT_LIFETIME: Final = timedelta(hours=8)
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# Digits of a phone number that stay to be seen: enough to tell two apart, too few to call.
_SHOWN_FIRST, _SHOWN_LAST = 4, 2
_NUMBER: Final = re.compile(r"\+?[0-9]{8,15}")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page.

    Args:
        token: what the viewer may do.
        form_key: proves that a form came from a page of this session.
    """

    token: Token
    form_key: str

    def may(self, scope: Scope) -> bool:
        """Whether the token has a scope."""
        return self.token.may(scope)

    def sees(self, account: str) -> bool:
        """Whether the token may know of an account."""
        return self.token.sees(account)

    @property
    def sees_all(self) -> bool:
        """Whether the token may know of every account."""
        return tokens.ANY_ACCOUNT in self.token.accounts

    def words(self, text: str | None) -> str:
        """A text as the viewer may read it: without the scope `numbers` the middle of each phone number is hidden.

        Args:
            text: a number, or words that may hold numbers.
        """
        if not text or self.may("numbers"):
            return text or ""
        return _NUMBER.sub(_masked, text)


def _masked(number: re.Match[str]) -> str:
    digits = number[0]
    hidden = len(digits) - _SHOWN_FIRST - _SHOWN_LAST
    return digits[:_SHOWN_FIRST] + "•" * hidden + digits[-_SHOWN_LAST:]


class Sessions:
    """The sessions in state.

    Args:
        state: where they are kept.
        lifetime: from signing in until the session ends.
    """

    def __init__(self, state: AsyncAsked, lifetime: timedelta = DEFAULT_LIFETIME) -> None:
        self._state = state
        self.lifetime = lifetime

    async def open(self, token: Token) -> tuple[str, timedelta]:
        """Open a session.

        Args:
            token: who signs in.

        Returns:
            The secret for the cookie, and how long the session lives: never longer than its token.
        """
        secret = secrets.token_urlsafe(32)
        lifetime = self.lifetime
        if token.expires_at is not None:
            lifetime = min(lifetime, token.expires_at - datetime.now(UTC))
        milliseconds = max(1, lifetime // timedelta(milliseconds=1))
        await self._state.ask(questions.enter(token.id, _digest(secret), milliseconds))
        return secret, lifetime

    async def viewer(self, secret: str) -> Viewer | None:
        """Who has this session; None when it has ended, or its token is revoked or expired.

        Args:
            secret: of the cookie.
        """
        if not _SECRET.fullmatch(secret):
            return None
        text = await self._state.ask(questions.session(_digest(secret)))
        token = tokens.read(text) if text else None
        if token is None or (token.expires_at is not None and datetime.now(UTC) >= token.expires_at):
            return None
        return Viewer(token, form_key(secret))

    async def close(self, secret: str) -> None:
        """End a session.

        Args:
            secret: of the cookie.
        """
        if _SECRET.fullmatch(secret):
            await self._state.ask(questions.leave(_digest(secret)))


def form_key(secret: str) -> str:
    """The key that forms of a session carry (against forged requests from other sites).

    Args:
        secret: of the session; it cannot be found from the key.
    """
    return hmac.new(secret.encode(), b"paceline console form", hashlib.sha256).hexdigest()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
