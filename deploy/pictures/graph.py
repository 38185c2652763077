"""Lines over time, with a table of names, last and largest values below."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.pictures.canvas import Box
from deploy.pictures.panel import Named, Panel
from deploy.pictures.plot import Plot, begin, draw_marks, widest
from deploy.pictures.scene import Scene, shortened, stretches
from deploy.pictures.theme import EDGE, LINK, PALETTE, QUIET, color
from deploy.pictures.units import formatted

_LEGEND_ROW: Final = 16
_LEGEND_SIZE: Final = 10.5
_LEGEND_SHARE: Final = 0.45  # of the panel, at most
_CALCULATED: Final = {"lastNotNull": "Last *", "max": "Max", "min": "Min", "mean": "Mean"}

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One series as it is drawn.

    Args:
        name: of the series.
        color: of the line.
        points: where it runs.
        below: where the series below it runs, of one that is stacked on it.
        numbers: what the legend calculates of it, in words.
        most: its largest value.
    """

    name: str
    color: str
    points: Points
    below: Mapping[float, float]
    numbers: tuple[str, ...]
    most: float


def draw(scene: Scene, panel: Panel, found: Sequence[Named], box: Box) -> None:
    """A panel of lines over time.

    Args:
        scene: what is drawn.
        panel: which panel.
        found: its series, one at least.
        box: where, below its title.
    """
    calculated = [name for name in panel.options.get("legend", {}).get("calcs", ()) if name in _CALCULATED]
    drawn = _drawn(panel, found, calculated)
    shown = _legend_rows(panel, box, len(drawn))
    height = (shown + 1) * _LEGEND_ROW + 4 if shown else 0
    bottom, top = _range(panel, drawn)
    plot = begin(scene, box.inner(0, 0, 0, height), bottom=bottom, top=top, unit=panel.unit)
    _draw_series(scene, panel, plot, drawn)
    _draw_limits(scene, panel, plot)
    draw_marks(scene, plot)
    if shown:
        _draw_legend(scene, drawn, calculated, Box(box.x, box.bottom - height, box.width, height), shown)


def _drawn(panel: Panel, found: Sequence[Named], calculated: Sequence[str]) -> list[Drawn]:
    drawn, below = [], dict[float, float]()
    for place, series in enumerate(found):
        special = panel.by_name.get(series.name, {})
        shade = special.get("color", {}).get("fixedColor", "")
        points, base = series.points, dict[float, float]()
        if panel.custom.get("stacking", {}).get("mode") == "normal":
            base = below
            points = [(at, value + base.get(at, 0.0)) for at, value in points]
            below = {**below, **dict(points)}
        values = [value for _, value in series.points if not math.isnan(value)]
        unit = special.get("unit", panel.unit)
        numbers = tuple(_number(name, values, unit) for name in calculated)
        stroke = color(shade) if shade else PALETTE[place % len(PALETTE)]
        drawn.append(Drawn(series.name, stroke, points, base, numbers, max(values, default=0.0)))
    return drawn


def _number(calculated: str, values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    found = {"lastNotNull": values[-1], "max": max(values), "min": min(values), "mean": sum(values) / len(values)}
    return formatted(found[calculated], unit)


def _range(panel: Panel, drawn: Sequence[Drawn]) -> tuple[float, float]:
    values = [value for series in drawn for _, value in series.points if math.isfinite(value)] or [0.0]
    least, most = panel.limits
    bottom = min(values) if least is None else least
    if most is not None:
        return bottom, most
    shown = [step for step, _ in panel.steps if _lines(panel) and math.isfinite(step) and step <= 3 * max(values)]
    top = max(*values, *shown, bottom)
    return bottom, top + (top - bottom) * 0.08 if top > bottom else bottom + 1.0


def _draw_series(scene: Scene, panel: Panel, plot: Plot, drawn: Sequence[Drawn]) -> None:
    opacity = panel.custom.get("fillOpacity", 0) / 100
    width = max(panel.custom.get("lineWidth", 1) * 1.4, 0.8)
    for series in drawn:
        for stretch in stretches(series.points, scene.recording.step):
            line = [(plot.x(at), plot.y(value)) for at, value in stretch]
            if len(line) == 1:
                line.append((line[0][0] + 1.5, line[0][1]))
            ground = [(plot.x(at), plot.y(series.below.get(at, plot.bottom))) for at, _ in reversed(stretch)]
            scene.canvas.area([*line, *ground], series.color, opacity, within=plot.field)
            scene.canvas.line(line, series.color, width=width, within=_grown(plot.field))


def _grown(field: Box) -> Box:
    """A line along the edge is not halved."""
    return field.inner(0, -2, 0, -2)


def _lines(panel: Panel) -> bool:
    style: Mapping[str, Any] = panel.custom.get("thresholdsStyle", {})
    return bool(style.get("mode", "off") != "off")


def _draw_limits(scene: Scene, panel: Panel, plot: Plot) -> None:
    if not _lines(panel):
        return
    for value, shade in panel.steps:
        if plot.bottom <= value <= plot.top:
            y = plot.y(value)
            scene.canvas.line([(plot.field.x, y), (plot.field.right, y)], shade, width=1.2, dashed=True)


def _legend_rows(panel: Panel, box: Box, series: int) -> int:
    asked: Mapping[str, Any] = panel.options.get("legend", {})
    if not asked.get("showLegend", True):
        return 0
    room = int(box.height * _LEGEND_SHARE / _LEGEND_ROW) - 1
    return max(1, min(series, room))


def _largest(drawn: Sequence[Drawn], number: int) -> list[Drawn]:
    """Where not all have room, those that rise highest are listed, in their order."""
    kept = sorted(range(len(drawn)), key=lambda place: -drawn[place].most)[:number]
    return [drawn[place] for place in sorted(kept)]


def _draw_legend(scene: Scene, drawn: Sequence[Drawn], calculated: Sequence[str], box: Box, shown: int) -> None:
    canvas = scene.canvas
    rights, right = [], box.right - 12
    for place, name in reversed(list(enumerate(calculated))):
        rights.append((place, right))
        numbers = [_CALCULATED[name], *(series.numbers[place] for series in drawn)]
        right -= max(widest(canvas, numbers, _LEGEND_SIZE) + 18, 52)
    y = box.y + _LEGEND_ROW / 2
    canvas.text(box.x + 10, y, "Name", size=_LEGEND_SIZE, fill=LINK)
    for place, at in rights:
        canvas.text(at, y, _CALCULATED[calculated[place]], size=_LEGEND_SIZE, fill=LINK, across="right")
    listed = drawn if len(drawn) <= shown else _largest(drawn, shown - 1)
    for series in listed:
        y += _LEGEND_ROW
        canvas.line([(box.x + 10, y - _LEGEND_ROW / 2), (box.right - 10, y - _LEGEND_ROW / 2)], EDGE, width=0.8)
        canvas.box(Box(box.x + 11, y - 1.5, 13, 3.5), series.color, radius=1.5)
        name = shortened(canvas, series.name, right - box.x - 36, _LEGEND_SIZE)
        canvas.text(box.x + 31, y, name, size=_LEGEND_SIZE)
        for place, at in rights:
            canvas.text(at, y, series.numbers[place], size=_LEGEND_SIZE, across="right")
    if len(listed) < len(drawn):
        canvas.text(box.x + 31, y + _LEGEND_ROW, f"and {len(drawn) - len(listed)} more", size=_LEGEND_SIZE, fill=QUIET)
