"""The kinds of values an operation's fields hold: numbers, groups, addresses, times. Each refuses in words without the value."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from paceline.ids import is_id
from paceline.recipients.numbers import phone_number
from paceline.refusals import NAME_PATTERN, NO_TIME
from paceline.times import utc

LONGEST_TEXT: Final = 4096
LONGEST_ADDRESS: Final = 2048
LARGEST_MEDIA: Final = 16 * 1024 * 1024

_GROUP: Final = re.compile(r"(WAG|WGP)[0-9A-Za-z-]{8,60}")
_MESSAGE: Final = re.compile(r"MSG[0-9A-Za-z-]{8,60}")
_REMOTE_ID: Final = re.compile(r"[0-9]{5,20}@lid")
# Letters, digits and inner dashes only: what else Python takes for a host, a fetcher may read as another one.
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# A last label with a letter in it cannot be an IPv4 address in any spelling (0x7f.1, 2130706433, 127.1), but for 0x7f.
_LAST_LABEL: Final = re.compile(r"(?=.*[a-z])(?!0x[0-9a-f]*$).{2,}")
# Last labels that nobody delegates: reserved by RFC, used in homes and companies, used by Kubernetes and the like.
_RESERVED: Final = {"alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"}
_CUSTOMARY: Final = {"corp", "home", "intranet", "lan", "localdomain", "mail", "private"}
_CLUSTER: Final = {"cluster", "consul", "pod", "svc"}


def group_uuid(value: str) -> str:
    """A group's handle at the provider, ``WAG...`` (older ones ``WGP...``)."""
    if not _GROUP.fullmatch(value):
        raise ValueError("is not a group uuid, such as WAG11111111-2222-4333-8444-555555555555")
    return value


def group_reference(value: str) -> str:
    """A group's uuid, or the id of the `CreateGroup` operation that makes it."""
    if not _GROUP.fullmatch(value) and not is_id(value):
        raise ValueError(
            "is neither a group uuid, such as WAG11111111-2222-4333-8444-555555555555, nor an operation's id"
        )
    return value


def message_reference(value: str) -> str:
    """A message's uuid, or the id of the operation that sent it."""
    if not _MESSAGE.fullmatch(value) and not is_id(value):
        raise ValueError(
            "is neither a message uuid, such as MSG11111111-2222-4333-8444-555555555555, nor an operation's id"
        )
    return value


def remote_id(value: str) -> str:
    """A contact hidden behind a user name: digits and ``@lid`` (docs/provider.md, 2.1.1)."""
    if not _REMOTE_ID.fullmatch(value):
        raise ValueError("is not a remote id, such as 123456789012345@lid")
    return value


# The usual form: nothing in front of a lower-case host and no port behind it, then visible ASCII without a backslash.
_USUAL = re.compile(r"https://([a-z0-9.-]{1,254})(?:[/?#][!-\[\]-~]*)?")


def media_url(value: str) -> str:
    """An address the provider may fetch: https, a public host name, no user info.

    The provider fetches it, we never do; the rule keeps a campaign from probing inner networks through it.

    Raises:
        ValueError: says which part is not allowed.
    """
    usual = _USUAL.fullmatch(value)
    wrong = _wrong_host(usual[1] if usual else host_of(value))
    if wrong:
        raise ValueError(wrong)
    return value


def host_of(value: str) -> str:
    """The host of an address of media, whatever its form.

    Raises:
        ValueError: says which part of the address is not allowed.
    """
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").removesuffix(".")
        port = parts.port
    except ValueError as error:
        raise ValueError("is not a well-formed address") from error
    if parts.scheme != "https":
        raise ValueError("must start with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password")
    if any(ord(character) <= 32 or ord(character) == 127 for character in value) or "\\" in value:
        raise ValueError("must not contain spaces, control characters or backslashes")
    if port not in (None, 443):
        raise ValueError("must use the standard port")
    return host


# A worker looks at each address once more before its call, and a campaign has one host: parsing took longer than all other checks.
@lru_cache(maxsize=1024)
def _wrong_host(host: str) -> str | None:
    labels = host.removesuffix(".").split(".")
    if sum(map(len, labels)) + len(labels) > 254 or not all(map(_LABEL.fullmatch, labels)):
        return "must name a host in letters, digits, dashes and dots"
    if len(labels) < 2 or not _LAST_LABEL.fullmatch(labels[-1]) or labels[-1] in _RESERVED | _CUSTOMARY | _CLUSTER:
        return "must name a public host, not an address"
    return None


def fetchable_size(value: int) -> int:
    """The size of an attachment in bytes; the provider fetches at most 16 MB (docs/provider.md, 4)."""
    if value > LARGEST_MEDIA:
        raise ValueError("is more than the 16 MB that the provider fetches")
    return value


def no_number(value: Any) -> Any:
    """A time, or its text. Of a number pydantic guesses what it counts, and takes the last second of 9999 for one of 1978."""
    try:
        float(value)
    except OverflowError:
        pass
    except (TypeError, ValueError):
        return value
    raise ValueError(NO_TIME)


PhoneNumber = Annotated[str, AfterValidator(phone_number)]
GroupUuid = Annotated[str, AfterValidator(group_uuid)]
GroupReference = Annotated[str, AfterValidator(group_reference)]
MessageReference = Annotated[str, AfterValidator(message_reference)]
RemoteId = Annotated[str, AfterValidator(remote_id)]
MediaUrl = Annotated[str, StringConstraints(max_length=LONGEST_ADDRESS), AfterValidator(media_url)]
Instant = Annotated[datetime, BeforeValidator(no_number), AfterValidator(utc)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
MediaBytes = Annotated[int, Field(gt=0), AfterValidator(fetchable_size)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
