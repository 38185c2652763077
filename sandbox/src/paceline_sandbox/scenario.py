"""The scenario: everything the sandbox can be told to do, read from TOML or JSON and checked once."""

import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path
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
    ValidationError,
    model_validator,
)

from paceline_sandbox.limits import Algorithm, Limit, parse_limit
from paceline_sandbox.phones import normalized

FaultKind = Literal["answer", "answer_after_accepting", "drop", "drop_after_accepting", "delay", "success_false"]
CallKind = Literal["send", "history", "info", "other"]

# Enough that nobody meets 402 by accident, small enough to read on a dashboard.
DEFAULT_CREDITS = 1_000_000


class ScenarioError(ValueError):
    """The scenario cannot be used; the message is one sentence that names the field."""


def _checked_limit(text: str) -> str:
    parse_limit(text)
    return text


def _checked_number(text: str) -> str:
    number = normalized(text)
    if number is None:
        raise ValueError(f"{text!r} is not a phone number in E.164 form")
    return number


def _as_compared(text: str) -> str:
    """A number with its plus, as requests are compared; other targets as they are."""
    return normalized(text) or text


LimitText = Annotated[str, AfterValidator(_checked_limit)]
PhoneNumber = Annotated[str, AfterValidator(_checked_number)]
TargetText = Annotated[str, AfterValidator(_as_compared)]
KeyText = Annotated[str, StringConstraints(min_length=1)]
# Thirty years in the smaller unit's number: beyond it the arithmetic of dates ends.
Duration = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Status = Annotated[int, Field(ge=200, le=599)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeySettings(_Table):
    """What one API key may do: the table ``[defaults]``, and field by field each ``[[keys]]``."""

    name: str = "Sandbox account"
    limits: tuple[LimitText, ...] = ("10/minute",)
    algorithm: Algorithm = Algorithm.SLIDING_LOG
    window_phase_ms: NonNegativeInt = 0
    credits: NonNegativeInt = DEFAULT_CREDITS
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


class NumberEntry(_Table):
    """One ``[[numbers]]`` table: a connected number that is not simply ready.

    The state lasts from the number's request `from_request` to its request `until_request`, and from `after_seconds`
    for `for_seconds` after the scenario came into force; what is not given does not bound it.
    """

    number: PhoneNumber
    state: Literal["ready", "booting", "connecting", "busy", "missing", "unsupported"] = "ready"
    from_request: PositiveInt = 1
    until_request: PositiveInt | None = None
    after_seconds: Duration = 0
    for_seconds: Duration | None = None
    busy_seconds: Duration | None = None


class Fault(_Table):
    """One ``[[faults]]`` table: what goes wrong, and for which requests. All conditions given must hold."""

    kind: FaultKind
    key: KeyText | None = None
    from_number: PhoneNumber | None = None
    to: TargetText | None = None
    on: CallKind | Literal["any"] = "send"
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

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs_status = self.kind in {"answer", "answer_after_accepting"}
        if needs_status != (self.status is not None):
            raise ValueError(f"kind '{self.kind}' {'needs' if needs_status else 'takes no'} status")
        if (self.kind == "delay") != (self.seconds is not None):
            raise ValueError(f"kind '{self.kind}' {'needs' if self.kind == 'delay' else 'takes no'} seconds")
        if self.before and self.kind != "delay":
            raise ValueError("before belongs to kind 'delay'")
        if isinstance(self.retry_after, str) and not re.fullmatch(r"[\x20-\x7e]*", self.retry_after):
            raise ValueError("retry_after must be printable ASCII")
        return self


class Scenario(_Table):
    """The whole behaviour of the sandbox; every field has a default that a first try is happy with."""

    accept_unknown_keys: bool = True
    missing_key_status: Literal[401, 403] = 403
    enforce: bool = True
    count_refused: bool = False
    count_info: bool = True
    retry_after: Literal["none", "seconds", "date"] = "none"
    send_status: Literal[200, 202] = 202
    latency_ms: Duration = 20
    latency_jitter_ms: Duration = 0
    transit_ms: Duration = 0
    transit_jitter_ms: Duration = 0
    serial_senders: bool = True
    busy_seconds: Duration = 0
    history_lag_seconds: Duration = 0
    defaults: KeySettings = KeySettings()
    keys: tuple[KeyEntry, ...] = ()
    numbers: tuple[NumberEntry, ...] = ()
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        if len({entry.key for entry in self.keys}) < len(self.keys):
            raise ValueError("keys names the same key twice")
        return self

    def declared_keys(self) -> dict[str, KeySettings]:
        """The settings of each declared key, completed from ``[defaults]``."""
        settings: dict[str, KeySettings] = {}
        for entry in self.keys:
            changed = {name: getattr(entry, name) for name in entry.model_fields_set - {"key"}}
            settings[entry.key] = self.defaults.model_copy(update=changed)
        return settings


def microseconds(value: float, unit: Literal["seconds", "milliseconds"]) -> int:
    """A duration of the scenario in whole microseconds.

    Args:
        value: the number in the scenario.
        unit: its unit.
    """
    return timedelta(**{unit: value}) // timedelta(microseconds=1)


def _checked(values: object) -> Scenario:
    try:
        return Scenario.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        words = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            words = "there is no such field"
        raise ScenarioError(f"The scenario is wrong at {place or 'its top level'}: {words}.") from error


def parse_toml(text: str) -> Scenario:
    """Reads a scenario from TOML.

    Args:
        text: the document.

    Raises:
        ScenarioError: it is not TOML, or a field is wrong.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"The scenario is not TOML: {error}.") from error
    return _checked(values)


def parse_json(text: str) -> Scenario:
    """Reads a scenario from JSON.

    Args:
        text: the document, an object with the same names as in TOML.

    Raises:
        ScenarioError: it is not JSON, or a field is wrong.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"The scenario is not JSON: {error}.") from error
    return _checked(values)


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file.

    Args:
        path: a TOML file.

    Raises:
        ScenarioError: the file cannot be read or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"The scenario file {path} cannot be read: {error}.") from error
    return parse_toml(text)
