"""Where times and values lie on a graph, and the grid behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from deploy.pictures.canvas import Box, Canvas
from deploy.pictures.scene import Scene
from deploy.pictures.theme import GRID, QUIET
from deploy.pictures.units import on_axis

LABEL: Final = 10
BELOW: Final = 18  # pixels for the times
_TIME_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
_TIME_ROOM: Final = (64, 44)  # pixels for one time: with seconds, and without
_NAMED_FROM: Final = 400  # pixels: from this width on, events are called by their names
_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Plot:
    """A field of a graph.

    Args:
        field: where it is.
        start: first second, since 1970.
        end: last one.
        bottom: lowest value.
        top: highest one.
    """

    field: Box
    start: float
    end: float
    bottom: float
    top: float

    def x(self, at: float) -> float:
        """Where a time lies."""
        return self.field.x + (at - self.start) / (self.end - self.start) * self.field.width

    def y(self, value: float) -> float:
        """Where a value lies."""
        return self.field.bottom - (value - self.bottom) / (self.top - self.bottom) * self.field.height


def value_ticks(bottom: float, top: float, number: int, unit: str) -> list[float]:
    """Round values on an axis.

    Args:
        bottom: lowest value.
        top: highest one.
        number: about how many.
        unit: bytes are round in twos, times above a minute in minutes.
    """
    rough = (top - bottom) / max(number, 1)
    base = 1024.0 ** max(math.floor(math.log(rough, 1024)), 0) if unit == "bytes" else 1.0
    if unit in {"s", "dtdurations"} and rough > 30:
        step = next((size for size in _TIME_STEPS_S if size >= rough), 86_400.0)
    else:
        power = 10 ** math.floor(math.log10(rough / base))
        step = next(nice * power for nice in _NICE if nice * power >= rough / base * 0.999) * base
        # Of things that are counted there are no halves.
        step = max(step, 1.0) if unit == "locale" and top >= 1 else step
    first = math.ceil(bottom / step - 1e-9)
    return [place * step for place in range(first, math.floor(top / step + 1e-9) + 1)]


def time_ticks(start: float, end: float, room: float) -> list[tuple[float, str]]:
    """Round times on an axis, and how they are written.

    Args:
        start: seconds since 1970.
        end: likewise.
        room: pixels.
    """
    each = room / (end - start)
    step = next((size for size in _TIME_STEPS_S if size * each >= _TIME_ROOM[size >= 60]), 86_400)
    form = "%H:%M" if step >= 60 else "%H:%M:%S"
    first = math.ceil(start / step)
    return [
        (place * step, datetime.fromtimestamp(place * step, UTC).strftime(form))
        for place in range(first, math.floor(end / step) + 1)
    ]


def begin(scene: Scene, box: Box, *, bottom: float, top: float, unit: str) -> Plot:
    """A field with its axes and grid; the values' labels decide how wide it is.

    Args:
        scene: what is drawn.
        box: all the room there is.
        bottom: lowest value.
        top: highest one.
        unit: of values.
    """
    ticks = value_ticks(bottom, top, max(2, int((box.height - BELOW) / 34)), unit)
    labels = [on_axis(tick, unit) for tick in ticks]
    plot = framed(scene, box, labels, bottom=bottom, top=top)
    for tick, label in zip(ticks, labels, strict=True):
        y = plot.y(tick)
        scene.canvas.line([(plot.field.x, y), (plot.field.right, y)], GRID, width=1)
        scene.canvas.text(plot.field.x - 6, y, label, size=LABEL, fill=QUIET, across="right")
    return plot


def framed(scene: Scene, box: Box, labels: Sequence[str], *, bottom: float, top: float) -> Plot:
    """A field with the axis of time below and room for labels at its left.

    Args:
        scene: what is drawn.
        box: all the room there is.
        labels: that will stand at the left.
        bottom: lowest value.
        top: highest one.
    """
    left = widest(scene.canvas, labels, LABEL) + 12
    field = box.inner(left, 4, 10, BELOW)
    recording = scene.recording
    plot = Plot(field, recording.start, recording.end, bottom, top)
    for at, label in time_ticks(recording.start, recording.end, field.width):
        x = plot.x(at)
        scene.canvas.line([(x, field.y), (x, field.bottom)], GRID, width=1)
        half = scene.canvas.width_of(label, LABEL) / 2
        if field.x - left < x - half and x + half < box.right - 3:
            scene.canvas.text(x, field.bottom + 11, label, size=LABEL, fill=QUIET, across="center")
    return plot


def draw_marks(scene: Scene, plot: Plot) -> None:
    """Events as Grafana draws annotations: dashed lines where they begin and end, a bar below."""
    field = plot.field
    for mark in scene.marks:
        for start, end in mark.spans:
            left, right = plot.x(start), plot.x(end)
            scene.canvas.box(
                Box(left, field.y, max(right - left, 1), field.height), mark.color, opacity=0.07, within=field
            )
            for x in {left, right}:
                scene.canvas.line([(x, field.y), (x, field.bottom)], mark.color, width=0.8, dashed=True)
            scene.canvas.box(Box(left - 1, field.bottom, max(right - left, 1) + 2, 3), mark.color)
            if field.width > _NAMED_FROM:
                scene.canvas.text(left + 2, field.y + 3, mark.name, size=8.5, fill=mark.color, upwards=True)


def widest(canvas: Canvas, labels: Sequence[str], size: float) -> float:
    """Pixels that the longest of them takes."""
    return max((canvas.width_of(label, size) for label in labels), default=0.0)
