import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from paceline.errors import InvalidOperation

Priority = Literal["transactional", "bulk"]
OnUnknown = Literal["reconcile", "resend", "hold"]

# A day: a message that could not leave by then is usually no longer wanted.
DEFAULT_VALIDITY: Final = timedelta(hours=24)
DEFAULT_MAX_ATTEMPTS: Final = 8

LONGEST_TEXT: Final = 4096

# State keeps times as doubles, which hold every microsecond of these years exactly.
_FIRST_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_INSTANT: Final = datetime(2255, 1, 1, tzinfo=UTC)

_GROUP: Final = re.compile(r"(WAG|WGP)[0-9A-Za-z-]{8,60}")
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
# Letters, digits and inner dashes only: what else Python takes for a host, a fetcher may read as another one.
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# A last label with a letter in it cannot be an IPv4 address in any spelling (0x7f.1, 2130706433, 127.1), but for 0x7f.
_LAST_LABEL: Final = re.compile(r"(?=.*[a-z])(?!0x[0-9a-f]*$).{2,}")
# Last labels that nobody delegates: reserved by RFC, used in homes and companies, used by Kubernetes and the like.
_RESERVED: Final = {"alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"}
_CUSTOMARY: Final = {"corp", "home", "intranet", "lan", "localdomain", "mail", "private"}
_CLUSTER: Final = {"cluster", "consul", "pod", "svc"}


def phone_number(value: str) -> str:
    """A number in E.164 form, as ``phonenumbers`` understands it.

    Args:
        value: ``+`` and digits.

    Returns:
        The same number.

    Raises:
        ValueError: not E.164, or of a length no such number has.
    """
    try:
        parsed = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("is not a phone number in E.164 form, such as +15550100001") from error
    normal = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # Not `is_possible_number`: it also takes lengths that can be dialled locally only.
    length = phonenumbers.is_possible_number_with_reason(parsed)
    if normal != value or length != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise ValueError("is not a phone number in E.164 form, such as +15550100001")
    return value


def group_uuid(value: str) -> str:
    """A group's handle at the provider, ``WAG...`` (older ones ``WGP...``)."""
    if not _GROUP.fullmatch(value):
        raise ValueError("is not a group uuid, such as WAG11111111-2222-4333-8444-555555555555")
    return value


def media_url(value: str) -> str:
    """An address the provider may fetch: https, a public host name, no user info.

    The provider fetches it, we never do; the rule keeps a campaign from probing inner networks through it.

    Raises:
        ValueError: says which part is not allowed.
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
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("must name a host in letters, digits, dashes and dots")
    if len(labels) < 2 or not _LAST_LABEL.fullmatch(labels[-1]) or labels[-1] in _RESERVED | _CUSTOMARY | _CLUSTER:
        raise ValueError("must name a public host, not an address")
    return value


def utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Args:
        value: a time with a zone.

    Returns:
        It, in UTC.

    Raises:
        ValueError: it has no zone, or lies outside the years that state can hold.
    """
    if value.tzinfo is None:
        raise ValueError("needs a time zone, such as 2026-01-31T09:00:00+01:00")
    if not _FIRST_INSTANT <= value <= _LAST_INSTANT:
        raise ValueError("must lie between the years 1970 and 2255")
    return value.astimezone(UTC)


PhoneNumber = Annotated[str, AfterValidator(phone_number)]
GroupUuid = Annotated[str, AfterValidator(group_uuid)]
MediaUrl = Annotated[str, StringConstraints(max_length=2048), AfterValidator(media_url)]
Instant = Annotated[datetime, AfterValidator(utc)]
Name = Annotated[str, StringConstraints(pattern=_NAME)]


class _Refusing(BaseModel):
    """A value whose refusals are `InvalidOperation` and do not repeat what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InvalidOperation(_first_words(error)) from error


class Pin(_Refusing):
    """A place on the map.

    Args:
        latitude: degrees north, -90 to 90.
        longitude: degrees east, -180 to 180.
        name: what the place is called.
        address: where it is, in words.
    """

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    name: str | None = Field(None, max_length=256)
    address: str | None = Field(None, max_length=512)

    def wire(self) -> dict[str, str]:
        """The provider's form: coordinates as strings (provider reference, send-message)."""
        optional = {"name": self.name, "address": self.address}
        return {"latitude": f"{self.latitude:.7f}", "longitude": f"{self.longitude:.7f}"} | {
            field: text for field, text in optional.items() if text
        }


class Operation(_Refusing):
    """What all operations have in common.

    Args:
        account: name of the 2Chat API key to send with.
        sender: the connected number that sends, E.164.
        priority: ``transactional`` goes before ``bulk`` in the lane of its sender.
        idempotency_key: the same key on the same account is one operation, however often it is sent.
        not_before: not sent earlier.
        valid_until: not sent later; by default 24 hours after it was made.
        on_unknown: when nobody can know whether the call took effect: look it up (``reconcile``), send again (``resend``,
            may double) or keep it for a person (``hold``, never doubles).
        max_attempts: calls that reached the provider and failed, before the operation is dead.
        metadata: short texts that come back with the outcome.
    """

    account: Name
    sender: PhoneNumber
    priority: Priority = "transactional"
    idempotency_key: str | None = Field(None, min_length=1, max_length=256)
    not_before: Instant | None = None
    valid_until: Instant | None = None
    on_unknown: OnUnknown = "reconcile"
    max_attempts: int = Field(DEFAULT_MAX_ATTEMPTS, ge=1, le=100)
    metadata: dict[str, Annotated[str, StringConstraints(max_length=512)]] = Field(default_factory=dict, max_length=16)

    @property
    def kind(self) -> str:
        """Which operation this is, such as ``message.to_number``."""
        raise NotImplementedError

    @property
    def target(self) -> str:
        """Whom it goes to; operations of one (sender, target) pair keep their order."""
        raise NotImplementedError

    def payload(self) -> dict[str, Any]:
        """What the provider gets besides sender and target."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.not_before and self.valid_until and self.valid_until <= self.not_before:
            raise ValueError("valid_until: must be later than not_before")
        return self


class SendMessage(Operation):
    """A WhatsApp message to one number or one group: text, a file by its address (with text as caption), or a pin.

    Provider reference: ``POST /whatsapp/send-message``.

    Args:
        to: the recipient's number, E.164; exactly one of ``to`` and ``group``.
        group: the group's uuid.
        text: the words; at least one of ``text``, ``url``, ``pin``.
        url: public https address of an attachment, at most 16 MB.
        pin: a place on the map; goes without text and file.
    """

    to: PhoneNumber | None = None
    group: GroupUuid | None = None
    text: str | None = Field(None, min_length=1, max_length=LONGEST_TEXT)
    url: MediaUrl | None = None
    pin: Pin | None = None

    @model_validator(mode="after")
    def _one_target_and_some_content(self) -> Self:
        if (self.to is None) == (self.group is None):
            raise ValueError("to, group: give exactly one of them")
        if not (self.text or self.url or self.pin):
            raise ValueError("text, url, pin: give at least one of them")
        if self.pin and (self.text or self.url):
            raise ValueError("pin: goes without text and url")
        return self

    @property
    def kind(self) -> str:
        """``message.to_number`` or ``message.to_group``."""
        return "message.to_number" if self.to else "message.to_group"

    @property
    def target(self) -> str:
        """The number or the group."""
        return self.to or self.group or ""

    def payload(self) -> dict[str, Any]:
        """Text, address and pin, as the provider wants them: a pin comes with an empty text."""
        if self.pin:
            return {"text": "", "pin": self.pin.wire()}
        content = {"text": self.text, "url": self.url}
        return {field: value for field, value in content.items() if value}


def _first_words(error: ValidationError) -> str:
    """The first problem as ``field: what is wrong``; that of a value within a value as ``field.inner: what is wrong``."""
    first = error.errors()[0]
    words = str(first["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        words = "is not a known field"
    within = isinstance(first.get("ctx", {}).get("error"), InvalidOperation)
    return f"{where}{'.' if within else ': '}{words}" if where else words
