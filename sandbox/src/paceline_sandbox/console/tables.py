"""The tables of a scenario: keys, numbers, faults, participants, templates and receipts, and what their fields may hold."""

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from paceline_sandbox.accounts.limits import Algorithm, Limit, parse_limit
from paceline_sandbox.accounts.phones import is_web_address, normalized
from paceline_sandbox.messages.operations import CallKind, OperationName

FaultKind = Literal["answer", "answer_after_accepting", "drop", "drop_after_accepting", "delay", "success_false"]

# Enough that nobody meets 402 by accident, small enough to read on a dashboard.
DEFAULT_CREDITS = 1_000_000


def _checked_limit(text: str) -> str:
    parse_limit(text)
    return text


def _checked_number(text: str) -> str:
    number = normalized(text)
    if number is None:
        raise ValueError(f"{text!r} is not a phone number in E.164 form")
    return number


def _checked_address(text: str) -> str:
    if not is_web_address(text):
        raise ValueError(f"{text!r} is not an http or https address")
    return text


def _as_compared(text: str) -> str:
    """A number with its plus, as requests are compared; other targets as they are."""
    return normalized(text) or text


LimitText = Annotated[str, AfterValidator(_checked_limit)]
PhoneNumber = Annotated[str, AfterValidator(_checked_number)]
TargetText = Annotated[str, AfterValidator(_as_compared)]
WebAddress = Annotated[str, AfterValidator(_checked_address)]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]+$")]
KeyText = Annotated[str, StringConstraints(min_length=1)]
# Thirty years in the smaller unit's number: beyond it the arithmetic of dates ends.
Duration = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Status = Annotated[int, Field(ge=200, le=599)]


class Table(BaseModel):
    """Fields that are checked once and never change; a field that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KeySettings(Table):
    """What one API key may do: the table ``[defaults]``, and field by field each ``[[keys]]``."""

    name: str = "Sandbox account"
    limits: tuple[LimitText, ...] = ("10/minute",)
    algorithm: Algorithm = Algorithm.SLIDING_LOG
    window_phase_ms: NonNegativeInt = 0
    credits: NonNegativeInt = DEFAULT_CREDITS
    number_checks: NonNegativeInt = DEFAULT_CREDITS
    check_limits: tuple[LimitText, ...] = ()
    on_trial: bool = True
    blocked: bool = False
    expires_at: AwareDatetime | None = None
    reported_per_minute: PositiveInt | None = None

    def parsed_limits(self) -> tuple[Limit, ...]:
        """The limits as values, in the order written."""
        return tuple(parse_limit(text) for text in self.limits)


class KeyEntry(KeySettings):
    """One ``[[keys]]`` table: a key and the settings in which it differs from ``[defaults]``."""

    key: KeyText


class NumberEntry(Table):
    """One ``[[numbers]]`` table: a connected number that is not simply ready.

    The state lasts from the number's request `from_request` to its request `until_request`, and from `after_seconds`
    for `for_seconds` after the scenario came into force; what is not given does not bound it.
    """

    number: PhoneNumber
    state: Literal["ready", "booting", "connecting", "busy", "missing", "unsupported", "banned"] = "ready"
    from_request: PositiveInt = 1
    until_request: PositiveInt | None = None
    after_seconds: Duration = 0
    for_seconds: Duration | None = None
    busy_seconds: Duration | None = None


class Fault(Table):
    """One ``[[faults]]`` table: what goes wrong, and for which requests. All conditions given must hold."""

    kind: FaultKind
    key: KeyText | None = None
    from_number: PhoneNumber | None = None
    to: TargetText | None = None
    on: CallKind | OperationName | Literal["any"] = "send"
    from_request: PositiveInt = 1
    count: PositiveInt | None = None
    probability: Share = 1
    after_seconds: Duration = 0
    for_seconds: Duration | None = None
    status: Status | None = None
    message: str | None = None
    retry_after: NonNegativeInt | str | None = None
    seconds: Duration | None = None
    before: bool = False
    body: str | None = None
    content_type: HeaderText = "application/json"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs_status = self.kind in {"answer", "answer_after_accepting"}
        if needs_status != (self.status is not None):
            raise ValueError(f"kind '{self.kind}' {'needs' if needs_status else 'takes no'} status")
        if (self.kind == "delay") != (self.seconds is not None):
            raise ValueError(f"kind '{self.kind}' {'needs' if self.kind == 'delay' else 'takes no'} seconds")
        if self.body is not None and not needs_status:
            raise ValueError("body belongs to the kinds that answer")
        if self.before and self.kind != "delay":
            raise ValueError("before belongs to kind 'delay'")
        if isinstance(self.retry_after, str) and not re.fullmatch(r"[\x20-\x7e]*", self.retry_after):
            raise ValueError("retry_after must be printable ASCII")
        return self


class ReceiptRules(Table):
    """The table ``[receipts]``: the fate of accepted messages, and what subscribers hear."""

    sent_ms: Duration = 50
    received_ms: Duration = 200
    read_ms: Duration = 1000
    not_sent: Share = 0
    lose: Share = 0
    duplicate: Share = 0
    reorder: Share = 0
    early: Share = 0
    forge: Annotated[float, Field(ge=0, le=100)] = 0
    full_names: bool = False
    body: Literal["flat", "message"] = "flat"
    hook_url: WebAddress | None = None
    timeout_ms: Annotated[float, Field(gt=0, le=600_000)] = 5000
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    repeated_subscription: Literal["conflict", "another"] = "conflict"


class ParticipantEntry(Table):
    """One ``[[participants]]`` table: numbers that groups refuse.

    `pattern` is held against the number with its plus, ``*`` and ``?`` standing for any digits. With status code 404 the
    number is not on WhatsApp at all. `invited` says whether it gets an invitation instead.
    """

    pattern: KeyText
    status_code: Annotated[int, Field(ge=100, le=599)] = 403
    invited: bool = False


class TemplateEntry(Table):
    """One ``[[templates]]`` table: a template of the official channel, its variables written ``{{1}}``, ``{{2}}``."""

    uuid: KeyText
    name: str = "template"
    content: str = ""
    status: Literal["APPROVED", "PENDING", "REJECTED", "FAILED"] = "APPROVED"
    category: str = "UTILITY"
