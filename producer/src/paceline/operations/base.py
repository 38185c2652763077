from typing import Annotated, Any, ClassVar, Literal, Self

from phonenumbers import NumberParseException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from paceline.defaults import DEFAULT_MAX_ATTEMPTS
from paceline.errors import InvalidOperation
from paceline.ids import is_id
from paceline.operations.values import Instant, Name, PhoneNumber
from paceline.recipients.zones import zones_of_number
from paceline.refusals import first_problem
from paceline.window import RECIPIENT, Window

Priority = Literal["transactional", "bulk"]


def canonical_window(window: str) -> str:
    """A window as it is written everywhere.

    Raises:
        ValueError: it is none; without the field's name, which pydantic adds.
    """
    try:
        return Window.parse(window).text
    except InvalidOperation as error:
        raise ValueError(str(error).removeprefix("window: ")) from error


# Kept as text: a model is frozen, compared and written as JSON.
SendingHours = Annotated[str, AfterValidator(canonical_window)]
OnUnknown = Literal["reconcile", "resend", "hold"]
# Names of metadata as well as values: all of them together have their place in a record (record.lua).
ShortText = Annotated[str, StringConstraints(max_length=512)]


class Refusing(BaseModel):
    """A value whose refusals are `InvalidOperation` and do not repeat what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InvalidOperation(first_problem(error)) from error

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> Self:
        """As pydantic's, but refuses with `InvalidOperation`."""
        try:
            return super().model_validate(obj, **how)
        except ValidationError as error:
            raise InvalidOperation(first_problem(error)) from error

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **how: Any) -> Self:
        """As pydantic's, but refuses with `InvalidOperation`."""
        try:
            return super().model_validate_json(json_data, **how)
        except ValidationError as error:
            raise InvalidOperation(first_problem(error)) from error


class Operation(Refusing):
    """What all operations have in common.

    Args:
        account: name of the 2Chat API key to send with.
        sender: the connected number that sends, E.164.
        priority: ``transactional`` goes before ``bulk`` in the lane of its sender.
        idempotency_key: the same key on the same account is one operation, however often it is sent.
        not_before: not sent earlier.
        valid_until: not sent later; by default 24 hours after it was made, or may first be sent.
        window: local hours with a zone in which it may be sent, such as ``Mon-Fri 09:00-18:00 Europe/Berlin``. The zone
            ``recipient`` stands for the zones that the recipient's number tells.
        on_unknown: when nobody can know whether the call took effect: look it up (``reconcile``), send again (``resend``,
            may double) or keep it for a person (``hold``, never doubles).
        max_attempts: calls that reached the provider and failed, before the operation is dead.
        metadata: short texts that come back with the outcome.
        exempt: why it leaves although its recipient is on a suppression list, such as ``password reset requested``;
            transactional operations only.
    """

    # Every operation a user can make, for the reference of operations; bases without a kind are not in it.
    kinds: ClassVar[tuple[str, ...]] = ()

    account: Name
    sender: PhoneNumber
    priority: Priority = "transactional"
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=256)
    not_before: Instant | None = None
    valid_until: Instant | None = None
    window: SendingHours | None = None
    on_unknown: OnUnknown = "reconcile"
    max_attempts: int = Field(default=DEFAULT_MAX_ATTEMPTS, ge=1, le=100)
    metadata: dict[ShortText, ShortText] = Field(default_factory=dict, max_length=16)

    exempt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None

    @property
    def kind(self) -> str:
        """Which operation this is, such as ``message.to_number``; one of `kinds`."""
        return self.kinds[0]

    @property
    def target(self) -> str:
        """Whom or what it is about; operations of one (sender, target) pair keep their order. '' is the operation itself."""
        raise NotImplementedError

    @property
    def follows(self) -> str | None:
        """The id of the operation whose result this one needs, and therefore waits for."""
        return self.target if is_id(self.target) else None

    @property
    def requests(self) -> int:
        """How many calls of the provider it takes when nothing goes wrong; each takes a slot of the account."""
        return 1

    @property
    def credits(self) -> int:
        """How many credits those calls cost (docs/provider.md, 1.5)."""
        return self.requests

    def payload(self) -> dict[str, Any]:
        """What the provider gets besides sender and target."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _tells_the_zones_of_its_window(self) -> Self:
        if self.window and self.window.endswith(f" {RECIPIENT}"):
            try:
                zones_of_number(self.target)
            except (ValueError, NumberParseException):
                raise ValueError(
                    "window: the recipient's time zone is unknown: name a zone instead of `recipient`"
                ) from None
        return self

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.not_before and self.valid_until and self.valid_until <= self.not_before:
            raise ValueError("valid_until: must be later than not_before")
        return self

    @model_validator(mode="after")
    def _exempt_when_transactional(self) -> Self:
        if self.exempt and self.priority != "transactional":
            raise ValueError("exempt: is for transactional operations only, and this one is bulk")
        return self


def given(**fields: Any) -> dict[str, Any]:
    """Those fields that have a value."""
    return {name: value for name, value in fields.items() if value}


def exactly_one(**fields: Any) -> None:
    """Refuse none or several of some fields.

    Raises:
        ValueError: names them all.
    """
    if sum(value is not None for value in fields.values()) != 1:
        raise ValueError(f"{', '.join(fields)}: give exactly one of them")
