"""Phone numbers, group ids and web addresses as they appear in requests and paths."""

import re
from typing import Final
from urllib.parse import urlsplit

import phonenumbers

# E.164 allows 15 digits. A missing plus is tolerated as the provider seems to do (docs/provider.md, 2.1.1).
_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{3,14})", re.ASCII)
_REMOTE_ID: Final = re.compile(r"[0-9]{3,20}@lid", re.ASCII)
_GROUP: Final = re.compile(r"(?:WAG|WGP)[0-9A-Za-z-]+", re.ASCII)


def normalized(text: str) -> str | None:
    """A phone number with its plus, or None when the text is not one."""
    match = _NUMBER.fullmatch(text)
    return f"+{match[1]}" if match else None


def is_remote_id(text: str) -> bool:
    """Whether the text is the id of a contact whose number is hidden (``<digits>@lid``)."""
    return _REMOTE_ID.fullmatch(text) is not None


def is_group(text: str) -> bool:
    """Whether the text is a group id (``WAG...``, or ``WGP...`` on older pages)."""
    return _GROUP.fullmatch(text) is not None


def remote(text: str) -> str | None:
    """The other side of a conversation, number or remote id, or None when the text is neither."""
    return text if is_remote_id(text) else normalized(text)


def is_web_address(text: str) -> bool:
    """Whether the text is an absolute http or https address with a host, in printable ASCII without blanks."""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a broken IPv6 address, or a port that is no number
        return False


def country_of(number: str) -> str:
    """The ISO code of the country that a number's prefix belongs to, whether the number can exist or not.

    Args:
        number: with its plus.
    """
    try:
        region = phonenumbers.region_code_for_country_code(phonenumbers.parse(number).country_code or 0)
    except phonenumbers.NumberParseException:
        return "ZZ"
    return region


def formatted(number: str) -> str:
    """A number in E.164 form, with blanks for people to read; unchanged when its country is unknown."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
