"""The scenario: everything the sandbox can be told to do, read from TOML or JSON and checked once."""

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, ValidationError, model_validator

from paceline_sandbox.console.tables import (
    Duration,
    Fault,
    KeyEntry,
    KeySettings,
    KeyText,
    NumberEntry,
    ParticipantEntry,
    PhoneNumber,
    ReceiptRules,
    Table,
    TemplateEntry,
)


class BadScenario(ValueError):
    """The scenario cannot be used; the message is one sentence that names the field."""


class Scenario(Table):
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
    delete_window_hours: Annotated[float, Field(ge=0, le=100_000)] = 60
    connected_numbers: tuple[PhoneNumber, ...] = ()
    accept_unknown_groups: bool = True
    group_lag_seconds: Duration = 0
    participant_lag_seconds: Duration = 0
    groups_per_day: NonNegativeInt = 30
    too_many_participants_status: Literal[400, 422] = 422
    add_refusals_in: Literal["top", "participants", "nowhere"] = "top"
    checks_used_up_status: Literal[402, 429] = 402
    closed_windows: tuple[KeyText, ...] = ()
    accept_unknown_templates: bool = True
    sms_id: Literal["message_id", "message_uuid"] = "message_id"
    magic: bool = True
    defaults: KeySettings = KeySettings()
    keys: tuple[KeyEntry, ...] = ()
    numbers: tuple[NumberEntry, ...] = ()
    faults: tuple[Fault, ...] = ()
    participants: tuple[ParticipantEntry, ...] = ()
    templates: tuple[TemplateEntry, ...] = ()
    receipts: ReceiptRules = ReceiptRules()

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
        raise BadScenario(f"The scenario is wrong at {place or 'its top level'}: {words}.") from error


def parse_toml(text: str) -> Scenario:
    """Reads a scenario from TOML.

    Args:
        text: the document.

    Raises:
        BadScenario: it is not TOML, or a field is wrong.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"The scenario is not TOML: {error}.") from error
    return _checked(values)


def parse_json(text: str) -> Scenario:
    """Reads a scenario from JSON.

    Args:
        text: the document, an object with the same names as in TOML.

    Raises:
        BadScenario: it is not JSON, or a field is wrong.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadScenario(f"The scenario is not JSON: {error}.") from error
    return _checked(values)


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file.

    Args:
        path: a TOML file.

    Raises:
        BadScenario: the file cannot be read or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"The scenario file {path} cannot be read: {error}.") from error
    return parse_toml(text)
