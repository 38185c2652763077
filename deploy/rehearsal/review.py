"""The review of a recording: panels that stayed empty or showed no numbers while things went wrong."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from deploy.grafana.queries import Expression
from deploy.rehearsal.recording import Answer, Recording

Fault = Literal["never asked", "empty", "no number"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One panel that does not do its work.

    Args:
        dashboard: uid.
        panel: title.
        expr: the query as Prometheus got it.
        fault: of the answer.
    """

    dashboard: str
    panel: str
    expr: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.dashboard}, {self.panel}: {self.fault}: {self.expr}"


def findings(recording: Recording, expressions: Iterable[Expression]) -> Iterator[Finding]:
    """The panels whose query was not asked, has no series, or has not one finite value.

    Args:
        recording: the answers.
        expressions: all queries of the dashboards, with the recording's values.
    """
    answers: dict[str, list[Answer]] = {}
    for answer in recording.answers:
        answers.setdefault(answer.expr, []).append(answer)

    for expression in expressions:
        fault = _fault(
            answers.get(expression.expr, []), may_be_empty=bool(expression.empty) or expression.is_annotation
        )
        if fault:
            yield Finding(expression.dashboard, expression.panel, expression.expr, fault)


def _fault(answers: list[Answer], *, may_be_empty: bool) -> Fault | None:
    if not answers:
        return "never asked"

    values = [value for answer in answers for series in answer.series for _, value in series.points]
    if not values:
        return None if may_be_empty else "empty"
    return None if any(map(math.isfinite, values)) else "no number"
