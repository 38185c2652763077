"""What was recorded, by the query that was asked."""

from collections.abc import Mapping

from deploy.grafana.queries import substitute
from deploy.pictures.errors import NotRecorded
from deploy.pictures.recording import Kind, Recording, Series

Data = Mapping[tuple[Kind, str], list[Series]]


def by_query(recording: Recording) -> Data:
    """The answers of a recording by query."""
    return {(answer.kind, answer.expr): answer.series for answer in recording.answers}


def answered(data: Data, kind: Kind, expr: str) -> list[Series]:
    """What a query gave.

    Args:
        data: all answers.
        kind: how it was asked.
        expr: as Prometheus got it.

    Raises:
        NotRecorded: it was not asked.
    """
    try:
        return data[kind, expr]
    except KeyError as error:
        raise NotRecorded(f"{expr} was not recorded") from error


def filled(expr: str, values: Mapping[str, str]) -> str:
    """An expression with the values of its variables.

    Args:
        expr: as on the dashboard.
        values: by name.

    Raises:
        NotRecorded: a variable has no value.
    """
    try:
        return substitute(expr, values)
    except KeyError as error:
        raise NotRecorded(f"the variable {error} was not recorded") from error
