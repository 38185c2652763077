"""What every drawing gets: the picture, the data, the moments it shows, and the events of the dashboard."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.pictures.answers import Data, answered, filled
from deploy.pictures.canvas import Box, Canvas
from deploy.pictures.recording import Recording
from deploy.pictures.theme import QUIET, color


@dataclass(frozen=True, slots=True)
class Mark:
    """Events of one kind, as Grafana's annotations show them.

    Args:
        name: of the annotation.
        color: of its lines.
        spans: first and last second of each, since 1970.
    """

    name: str
    color: str
    spans: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """One dashboard while it is drawn.

    Args:
        canvas: the picture.
        recording: what is shown.
        data: its answers by query.
        marks: events that all graphs show.
    """

    canvas: Canvas
    recording: Recording
    data: Data
    marks: Sequence[Mark]

    def nothing(self, box: Box, words: str) -> None:
        """Say what is said where there is no value."""
        size, lines = fit(self.canvas, words, box.width - 12, 13, 9)
        self.lines(box, lines, size, QUIET)

    def lines(self, box: Box, lines: Sequence[str], size: float, fill: str, *, bold: bool = False) -> None:
        """Lines of words in the middle of a box."""
        middle = box.x + box.width / 2
        for place, line in enumerate(lines):
            y = box.y + box.height / 2 + (place - (len(lines) - 1) / 2) * size * 1.3
            self.canvas.text(middle, y, line, size=size, fill=fill, bold=bold, across="center")


def mark(found: Mapping[str, Any], data: Data, recording: Recording) -> Mark:
    """An annotation of a dashboard.

    Args:
        found: its JSON.
        data: answers by query.
        recording: whose step tells which points are neighbours.

    Raises:
        NotRecorded: it was not asked for.
    """
    spans = tuple(
        (stretch[0][0], stretch[-1][0])
        for series in answered(data, "range", filled(found["expr"], recording.values))
        for stretch in stretches([point for point in series.points if point[1]], recording.step)
    )
    return Mark(found["name"], color(found.get("iconColor", "blue")), spans)


def stretches(points: Iterable[tuple[float, float]], step: float) -> Iterator[list[tuple[float, float]]]:
    """Points that follow one another without a gap.

    Args:
        points: in order of time; one that is not a number is a gap.
        step: how far neighbours are apart.
    """
    current: list[tuple[float, float]] = []
    for at, value in points:
        known = value == value  # noqa: PLR0124 - only NaN differs from itself
        if current and (not known or at - current[-1][0] > 1.5 * step):
            yield current
            current = []
        if known:
            current.append((at, value))
    if current:
        yield current


def fit(
    canvas: Canvas, words: str, width: float, largest: float, smallest: float, *, bold: bool = False
) -> tuple[float, list[str]]:
    """The size, and the lines, in which words have room.

    Args:
        canvas: measures them.
        words: what is said.
        width: in pixels.
        largest: size that is tried first.
        smallest: size below which lines are broken instead.
        bold: whether they are.
    """
    wide = canvas.width_of(words, largest, bold=bold)
    size = min(largest, largest * width / max(wide, 1))
    if size >= smallest:
        return size, [words]
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and canvas.width_of(longer, smallest, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return smallest, [shortened(canvas, line, width, smallest) for line in lines]


def shortened(canvas: Canvas, words: str, width: float, size: float) -> str:
    """Words with their end left out where they have no room."""
    if canvas.width_of(words, size) <= width:
        return words
    while words and canvas.width_of(f"{words}…", size) > width:
        words = words[:-1]
    return f"{words.rstrip()}…"
