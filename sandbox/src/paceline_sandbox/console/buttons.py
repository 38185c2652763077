"""What the buttons of the page do: each makes another scenario of the one in force."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from paceline_sandbox.console.tables import Fault, NumberEntry
from paceline_sandbox.faults.scenario import BadScenario, Scenario, parse_json

_NEXT: Final = 10
_OUTAGE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Button:
    """One button.

    Args:
        name: what it does, in words.
        press: the scenario after it, from the one in force and what was typed beside the button.
    """

    name: str
    press: Callable[[Scenario, str], Scenario]


def _answer(status: int) -> Callable[[Scenario, str], Scenario]:
    def press(scenario: Scenario, _: str) -> Scenario:
        fault = Fault(kind="answer", status=status, count=_NEXT)
        return scenario.model_copy(update={"faults": (fault, *scenario.faults)})

    return press


def _outage(scenario: Scenario, _: str) -> Scenario:
    fault = Fault(kind="drop", on="any", for_seconds=_OUTAGE_S)
    return scenario.model_copy(update={"faults": (fault, *scenario.faults)})


def _latency(scenario: Scenario, typed: str) -> Scenario:
    if not typed.isascii() or not typed.isdecimal() or len(typed) > 6:
        raise BadScenario(f"The latency {typed!r} is not a whole number of milliseconds.")
    return _checked(scenario.model_copy(update={"latency_ms": int(typed)}))


def _ban(scenario: Scenario, typed: str) -> Scenario:
    others = [entry for entry in scenario.numbers if entry.number != typed.strip()]
    try:
        entry = NumberEntry(number=typed.strip(), state="missing")
    except ValueError:
        raise BadScenario(f"{typed!r} is not a number with plus and country code.") from None
    return scenario.model_copy(update={"numbers": (entry, *others)})


def _calm(scenario: Scenario, _: str) -> Scenario:
    return scenario.model_copy(update={"faults": (), "numbers": (), "latency_ms": Scenario().latency_ms})


def _checked(scenario: Scenario) -> Scenario:
    """What a copy does not check, its JSON does."""
    return parse_json(scenario.model_dump_json())


BUTTONS: Final[Mapping[str, Button]] = {
    "429": Button(f"429 to the next {_NEXT}", _answer(429)),
    "503": Button(f"503 to the next {_NEXT}", _answer(503)),
    "422": Button(f"422 to the next {_NEXT}", _answer(422)),
    "outage": Button(f"Outage for {_OUTAGE_S} s", _outage),
    "latency": Button("Set latency", _latency),
    "ban": Button("Ban the number", _ban),
    "calm": Button("Calm again", _calm),
}


def pressed(scenario: Scenario, name: str, typed: str) -> Scenario:
    """The scenario after a button was pressed.

    Args:
        scenario: in force.
        name: of the button.
        typed: beside it.

    Raises:
        BadScenario: there is no such button, or what was typed cannot be.
    """
    if name not in BUTTONS:
        raise BadScenario(f"There is no button {name!r}.")
    return BUTTONS[name].press(scenario, typed)
