"""The time zones of recipients: of a number by its prefix, or as a row says."""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from paceline.errors import InvalidOperation
from paceline.window import zone_named

Zones = tuple[str, ...]

_DIGEST_BYTES: Final = 4
_MOST_PREFIXES: Final = 200_000
# The longest prefix in the tables of libphonenumber; a test holds the two together.
LONGEST_PREFIX: Final = 9
# Of +1 no more than three digits behind the area code tell a zone.
_NORTH_AMERICAN: Final = 7
_by_prefix: dict[tuple[str, int], Zones] = {}


def zones_of_number(number: str) -> Zones:
    """The zones that a number may be in, by the tables of libphonenumber.

    Args:
        number: E.164.

    Returns:
        IANA names in order: of a country with several zones all those that the number's prefix leaves open.

    Raises:
        ValueError: the number tells no zone.
    """
    known = (_prefix(number), len(number))
    zones = _by_prefix.get(known)
    if zones is None:
        if len(_by_prefix) >= _MOST_PREFIXES:
            _by_prefix.clear()
        zones = _by_prefix[known] = _looked_up(number)
    if not zones:
        raise ValueError("the number does not reveal a time zone")
    return zones


def zones_named(text: str) -> Zones:
    """The zones that a text names: one IANA name, or several with blanks or commas between them.

    Raises:
        ValueError: it names none, or one of them is no zone of this machine's time zone data.
    """
    names = tuple(sorted(set(text.replace(",", " ").split())))
    if not names:
        raise ValueError("names no zone")
    for name in names:
        _zone(name)
    return names


def zone_infos(zones: Sequence[str]) -> list[ZoneInfo]:
    """The same zones, to reckon with."""
    return [_zone(name) for name in zones]


@cache
def zone_id(zones: Zones) -> str:
    """What a set of zones is called in state: 8 characters."""
    return blake2b(" ".join(zones).encode(), digest_size=_DIGEST_BYTES).hexdigest()


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return zone_named(name)
    except InvalidOperation:
        raise ValueError(f"{name!r:.40} is not a zone in the time zone data of this machine") from None


def _prefix(number: str) -> str:
    """The part of a number that can tell its zones. Without it a million numbers would be a million long look-ups."""
    return number[: 1 + (_NORTH_AMERICAN if number.startswith("+1") else LONGEST_PREFIX)]


def _looked_up(number: str) -> Zones:
    # The tables take long to load, and only windows in the recipients' hours need them.
    import phonenumbers  # noqa: PLC0415
    from phonenumbers import timezone  # noqa: PLC0415

    zones = tuple(sorted(timezone.time_zones_for_number(phonenumbers.parse(number))))
    return () if timezone.UNKNOWN_TIMEZONE in zones else zones
