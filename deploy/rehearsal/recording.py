"""Prometheus' answers to the queries of the dashboards, in a file."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from deploy.rehearsal.errors import RehearsalError

Kind = Literal["instant", "range"]


class _Part(BaseModel):
    # A quantile of nothing is NaN: a number for Prometheus, a word in JSON.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Series(_Part):
    """One series of an answer.

    Args:
        labels: the labels that distinguish the series.
        points: seconds since 1970, and values; one point for an instant query.
    """

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Answer(_Part):
    """The answer to one query.

    Args:
        kind: the way of asking.
        expr: the query as Prometheus got it.
        series: in Prometheus' order.
    """

    kind: Kind
    expr: str
    series: list[Series]


class Event(_Part):
    """An incident, or an operator's reaction to one.

    Args:
        at: seconds since 1970.
        text: a description in a few words.
    """

    at: float
    text: str


class Recording(_Part):
    """One fleet over some minutes.

    Args:
        start: the first moment, in seconds since 1970.
        end: the last moment; instant queries are asked for this moment.
        step: seconds between two points of a range.
        values: of the dashboards' variables.
        events: incidents and reactions, in order.
        answers: of all queries.
    """

    start: float
    end: float
    step: float
    values: dict[str, str]
    events: list[Event]
    answers: list[Answer]


def write(recording: Recording, path: Path) -> None:
    """Write a recording as JSON.

    Args:
        recording: to write.
        path: of the file; missing folders are created.

    Raises:
        RehearsalError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recording.model_dump_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise RehearsalError(f"the recording cannot be written to {path}: {error.strerror}") from error
