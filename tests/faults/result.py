"""What one fault did to the messages, and the report of all of them. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

COLUMNS: Final = (
    "fault",
    "what",
    "size",
    "messages",
    "lost",
    "doubled",
    "own 429s",
    "unresolved",
    "recovery",
    "figures",
    "load",
    "verdict",
)


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the report.

    Args:
        fault: as in the specification, such as ``F1``.
        what: the fault in words.
        size: how much of it, in words.
        messages: operations whose ``send()`` returned.
        lost: operations that were accepted and never arrived, or have no outcome.
        doubled: operations that arrived more often than their policy allows.
        violations: 429s of our own making, and calls against the pace, as the provider counts them.
        unresolved: operations that wait for a person.
        recovery_s: the longest time from the end of a fault until the next arrival; None where nothing was interrupted.
        took_s: seconds that the run took.
        load: the highest load of the machine (average of a minute) while it ran.
        figures: further numbers, by name.
        failures: what was not as promised, a sentence each; empty: it passed.
    """

    fault: str
    what: str
    size: str
    messages: int = 0
    lost: int = 0
    doubled: int = 0
    violations: int = 0
    unresolved: int = 0
    recovery_s: float | None = None
    took_s: float = 0.0
    load: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was as promised."""
        return not self.failures

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        recovery = "-" if self.recovery_s is None else f"{self.recovery_s:.1f} s"
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in self.figures.items())
        verdict = "pass" if self.passed else "**FAIL**: " + "; ".join(self.failures)
        counts = (self.messages, self.lost, self.doubled, self.violations, self.unresolved)
        return (self.fault, self.what, self.size, *map(str, counts), recovery, figures, f"{self.load:.0f}", verdict)


def merged(parts: Mapping[int, Result], of: int) -> Result:
    """The row of a fault that was run in parts.

    Counts are added up; of times, and of figures that are no whole numbers, the largest is told.

    Args:
        parts: those that were run, each with its number from 0.
        of: how many there are.
    """
    every = list(parts.values())
    first = every[0]
    if of == 1:
        return first
    figures: dict[str, Any] = {}
    for part in every:
        for name, value in part.figures.items():
            known = figures.get(name, value)
            is_count = isinstance(value, int) and name in figures
            figures[name] = known + value if is_count else max(known, value)
    recoveries = [part.recovery_s for part in every if part.recovery_s is not None]
    runs = f"{of} runs" if len(every) == of else f"{len(every)} of {of} runs"
    return replace(
        first,
        size=f"{runs} of {first.size}",
        messages=sum(part.messages for part in every),
        lost=sum(part.lost for part in every),
        doubled=sum(part.doubled for part in every),
        violations=sum(part.violations for part in every),
        unresolved=sum(part.unresolved for part in every),
        recovery_s=max(recoveries, default=None),
        took_s=round(sum(part.took_s for part in every), 1),
        load=max(part.load for part in every),
        figures=figures,
        failures=tuple(f"run {number + 1}: {words}" for number, part in parts.items() for words in part.failures),
    )


def _shown(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def as_markdown(results: Iterable[Result], *, about: str) -> str:
    """A page with a table.

    Args:
        results: the rows.
        about: what was run, one line.
    """
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(result.cells() for result in results)]
    return f"# Fault suite\n\n{about}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def as_json(results: Iterable[Result], *, about: str) -> str:
    """The same for programs."""
    return json.dumps({"about": about, "results": [asdict(result) for result in results]}, indent=2) + "\n"


def from_dict(found: Mapping[str, Any]) -> Result:
    """A result that was kept."""
    return Result(**{**found, "failures": tuple(found["failures"])})
