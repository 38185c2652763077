"""Which numbers are taken, at every door alike: single sends, campaigns, groups, senders, number checks.

A number is taken when a country has its code and its numbers have that many digits, by the metadata of ``phonenumbers``. A few
countries changed their numbers while WhatsApp kept the old ones for who had an account: those are taken in both forms, exactly as
they are written (docs/campaigns.md, decision 39). Whether anybody has the number is not asked: `CheckNumber` does that.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonemetadata import PhoneMetadata

_SHAPE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_WORDS: Final = "is not a phone number in E.164 form, such as +15550100001"

# Country code -> what a number began with, and its digits after the country code, before the numbers changed.
_FORMER: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "52": (("1", 11),),  # Mexico, 2019: mobile numbers had a 1
    "225": (("", 8),),  # Ivory Coast, 2021: two digits more
    "229": (("", 8),),  # Benin, 2024: 01 in front
    "241": (("0", 8),),  # Gabon, 2019: the zero was dialled from abroad too
}
# A number in one form, and what its other form has in front of the rest, or between two parts.
_OTHER_FORMS: Final = (
    (re.compile(r"\+521([0-9]{10})"), "+52"),
    (re.compile(r"\+52([2-9][0-9]{9})"), "+521"),
    (re.compile(r"\+549([0-9]{10})"), "+54"),
    (re.compile(r"\+54([1-8][0-9]{9})"), "+549"),
    (re.compile(r"(\+55[1-9][0-9])9([6-9][0-9]{7})"), ""),
    (re.compile(r"(\+55[1-9][0-9])([6-9][0-9]{7})"), "9"),
    (re.compile(r"\+22901([0-9]{8})"), "+229"),
    (re.compile(r"\+229([1-9][0-9]{7})"), "+22901"),
)
# What may stand between the digits of a number that people wrote down.
_WRITTEN: Final = re.compile(r"[+0-9 \-./()]+")
_FORMS: Final = re.compile(r"(?:tel:|whatsapp:)", re.IGNORECASE)


def phone_number(value: str) -> str:
    """A number in E.164 form that WhatsApp may know.

    Args:
        value: ``+``, the country code and the rest, digits only.

    Returns:
        The same number.

    Raises:
        ValueError: it is none; says why without the number.
    """
    if not _SHAPE.fullmatch(value):
        raise ValueError(f"{_WORDS}: {_shape_objection(value)}")
    objection = _objection(value)
    if objection:
        raise ValueError(f"{_WORDS}: {objection}")
    return value


def is_phone_number(value: str) -> bool:
    """Whether `phone_number` takes it; a microsecond or two, for a million of them."""
    return _SHAPE.fullmatch(value) is not None and not _objection(value)


def visible(value: str) -> str:
    """A cell without blanks around it and without the invisible marks that messengers and web pages put into numbers."""
    text = value.strip()
    if text.isascii():
        return text
    return "".join(character for character in text if unicodedata.category(character) != "Cf").strip()


def written(value: str) -> str:
    """A cell without what is not of the number: invisible marks, an apostrophe, ``tel:``; its blanks and dashes are ASCII."""
    text = _FORMS.sub("", unicodedata.normalize("NFKC", visible(value)).removeprefix("'"), count=1).strip()
    return re.sub(r"[\u2010-\u2015\u2212]", "-", text)


def cleaned(value: str, country: str) -> str:
    """A number as people write it, in E.164 form.

    Args:
        value: such as ``(11) 98765-4321`` or ``0049 151 ...``; blanks, dashes, dots, slashes and brackets are left out.
        country: two letters, the country of numbers without a country code.

    Returns:
        The number in E.164 form.

    Raises:
        ValueError: it cannot be read in one way only.
    """
    text = written(value)
    if is_phone_number(text):
        return text
    if not _WRITTEN.fullmatch(text) or text.count("+") > 1 or "+" in text[1:]:
        raise ValueError(f"{_WORDS}: {_shape_objection(text)}")

    digits = re.sub(r"[^0-9]", "", text)
    if text.startswith(("+", "00")):
        text = "+" + digits.removeprefix("00")
        if is_phone_number(text):
            return text

    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        raise ValueError(f"{_WORDS}, nor a number of {country}") from None

    normal = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # A number that is put together in another way than by leaving something out in front may be somebody else's.
    national = normal.removeprefix(f"+{parsed.country_code}")
    if not is_phone_number(normal) or not digits.endswith(national):
        raise ValueError(f"{_WORDS}, nor a number of {country}")

    return normal


def checked_country(value: str) -> str:
    """The two letters of a country.

    Raises:
        ValueError: ``phonenumbers`` knows no such country.
    """
    country = value.strip().upper()
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is not a country in two letters, such as BR")
    return country


def twins(value: str) -> str:
    """One text for all the forms in which one person's number is commonly written, to find likely twins.

    Args:
        value: in E.164 form.

    Returns:
        The number without what changed: the 1 of Mexico, the 9 of Argentina and of Brazil, a zero after the country code.
    """
    for code, rest in (("+521", 10), ("+549", 10)):
        if value.startswith(code) and len(value) == len(code) + rest:
            return value[:3] + value[4:]
    if value.startswith("+55") and len(value) == 14 and value[5] == "9":
        return value[:5] + value[6:]
    if value.startswith("+22901") and len(value) == 14:
        return "+229" + value[6:]
    return value


def forms_of(value: str) -> tuple[str, ...]:
    """All forms in which one person's number is written: WhatsApp keeps some numbers as they were before their country changed.

    Args:
        value: in E.164 form.

    Returns:
        The number, and its other form: with or without the 1 of Mexico, the 9 of Argentina and Brazil, the 01 of Benin.
    """
    for pattern, other in _OTHER_FORMS:
        if found := pattern.fullmatch(value):
            return value, other + found[1] if found.lastindex == 1 else found[1] + other + found[2]
    return (value,)


def _shape_objection(value: str) -> str:
    if not value:
        return "the cell is empty"
    if not value.startswith("+"):
        return "the plus sign and the country code are missing"
    if not value[1:].isdecimal() or not value.isascii():
        return "only a plus sign and digits are allowed"
    if value.startswith("+0"):
        return "no country code begins with 0"
    return f"{len(value) - 1} digits are too {'few' if len(value) < 8 else 'many'}"


def _objection(value: str) -> str:
    """Why a number of the right shape is not taken; '' when it is."""
    code = _code(value[1:4])
    if not code:
        return "no country has this code"
    rest = value[1 + len(code) :]
    if any(rest.startswith(first) and len(rest) == length for first, length in _FORMER.get(code, ())):
        return ""
    lengths = _lengths(code)
    if rest[0] == "0" and (words := _zero_objection(value)):
        return f"{words} +{code}"
    if len(rest) not in lengths:
        wanted = " or ".join(map(str, sorted(lengths))) if len(lengths) < 4 else f"{min(lengths)} to {max(lengths)}"
        return f"after +{code} come {wanted} digits, not {len(rest)}"
    return ""


def _zero_objection(value: str) -> str:
    """Numbers of a few countries begin with a zero; in others it is dialled at home only."""
    parsed = phonenumbers.parse(value, None)
    same = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == value
    return "" if same else "leave out the 0 after"


@lru_cache(maxsize=1000)
def _code(digits: str) -> str:
    """The country code that three digits begin with; '' when none does."""
    return next((digits[:length] for length in (1, 2, 3) if int(digits[:length]) in COUNTRY_CODE_TO_REGION_CODE), "")


@lru_cache(maxsize=1000)
def _lengths(code: str) -> frozenset[int]:
    """How many digits may follow a country code."""
    region = COUNTRY_CODE_TO_REGION_CODE[int(code)][0]
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    described = metadata.general_desc if metadata is not None else None
    return frozenset(described.possible_length if described is not None else ())
