"""What Prometheus answered to the queries of the dashboards, in a file."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.pictures.errors import PicturesError

Kind = Literal["instant", "range"]


class _Part(BaseModel):
    # A quantile of nothing is NaN: a number for Prometheus, a word in JSON.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Series(_Part):
    """One series of an answer.

    Args:
        labels: what it is told apart by.
        points: seconds since 1970, and values; one point of an instant query.
    """

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Answer(_Part):
    """What one query gave.

    Args:
        kind: how it was asked.
        expr: as Prometheus got it.
        series: in Prometheus' order.
    """

    kind: Kind
    expr: str
    series: list[Series]


class Event(_Part):
    """Something that was done to the fleet while it was looked at.

    Args:
        at: seconds since 1970.
        text: what, in a few words.
    """

    at: float
    text: str


class Recording(_Part):
    """One fleet over some minutes.

    Args:
        version: of this form.
        start: the first moment that is shown, in seconds since 1970.
        end: the last one; instant queries are of this moment.
        step: seconds between two points of a range.
        values: of the dashboards' variables.
        events: what was done to the fleet, in order.
        answers: of all queries.
    """

    version: Literal[1] = 1
    start: float
    end: float
    step: float
    values: dict[str, str]
    events: list[Event]
    answers: list[Answer]


def write(recording: Recording, path: Path) -> None:
    """Write a recording.

    Args:
        recording: what.
        path: where to; folders are made.

    Raises:
        PicturesError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recording.model_dump_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise PicturesError(f"the recording cannot be written to {path}: {error.strerror}") from error


def read(path: Path) -> Recording:
    """Read what `write` wrote.

    Args:
        path: of the file.

    Raises:
        PicturesError: it cannot be read, or is none; the message names the first thing that is wrong.
    """
    try:
        recording = Recording.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PicturesError(f"the recording {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PicturesError(f"{path} is no recording: {f'{where}: ' if where else ''}{first['msg']}") from error
    if recording.end <= recording.start or recording.step <= 0:
        raise PicturesError(f"{path} is no recording: it has to end after its start, in steps above 0")
    return recording
