"""The address that receipts of an account come to: its last part is an unguessable token, of which state knows the digest only."""

import hashlib
import hmac
import re
import secrets
from typing import Final
from urllib.parse import urlsplit

from paceline.errors import InvalidOperation

PATH: Final = "/receipts"
_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
# No digest is empty, and none is this.
_NO_DIGEST: Final = "-" * 64


def new_token() -> str:
    """A token that nobody guesses: 32 random bytes, fit for an address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> str:
    """The stored form of a token. A token has more entropy than any password, so a plain hash reveals nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def opens(token: str, digest: str) -> bool:
    """Whether a token is the one with this digest; takes as long when there is none.

    Args:
        token: as it came, anything.
        digest: of the account; '' when it has none, or when there is no such account.
    """
    given = digest_of(token) if _TOKEN.fullmatch(token) else ""
    return hmac.compare_digest(given.encode(), (digest or _NO_DIGEST).encode())


def address_of(base_url: str, account: str, token: str) -> str:
    """The address to give to the provider.

    Args:
        base_url: from `checked_base`.
        account: account name.
        token: the account's.
    """
    return f"{base_url}{PATH}/{account}/{token}"


def token_in(address: str, account: str) -> str:
    """The token of an account's address, whatever its base; '' in any other address."""
    token = address.rpartition("/")[2]
    return token if _TOKEN.fullmatch(token) and address.endswith(address_of("", account, token)) else ""


def checked_base(base_url: str) -> str:
    """An address that a path may follow, without a slash at its end.

    Raises:
        InvalidOperation: it is none.
    """
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # raises for what is no port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not base_url.isascii() or " " in base_url:
        raise InvalidOperation("--base-url: is not an address such as https://hooks.example.com")
    if parts.username is not None or parts.query or parts.fragment or base_url.endswith(("?", "#")):
        raise InvalidOperation("--base-url: has a user, a query or a fragment; leave them out")
    return base_url.rstrip("/")
