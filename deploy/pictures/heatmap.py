"""A histogram over time: the more was counted in a bucket, the brighter."""

from collections.abc import Sequence
from typing import Final

from deploy.pictures.canvas import Box, shades
from deploy.pictures.panel import Named, Panel
from deploy.pictures.plot import LABEL, draw_marks, framed
from deploy.pictures.scene import Scene
from deploy.pictures.theme import QUIET
from deploy.pictures.units import formatted, on_axis

_SCALE_HEIGHT: Final = 26
_SCALE_WIDTH: Final = 260


def buckets(found: Sequence[Named]) -> list[tuple[float, list[tuple[float, float]]]]:
    """What was counted in each bucket alone: Prometheus counts what is below a bound, so the next smaller is taken off.

    Args:
        found: one series for each upper bound.

    Returns:
        Upper bounds in order, each with its points.
    """
    ordered = sorted((float(series.labels["le"]), dict(series.points)) for series in found)
    alone, below = [], dict[float, float]()
    for bound, points in ordered:
        alone.append((bound, [(at, max(value - below.get(at, 0.0), 0.0)) for at, value in sorted(points.items())]))
        below = points
    return alone


def draw(scene: Scene, panel: Panel, found: Sequence[Named], box: Box) -> None:
    """A panel with a histogram over time.

    Args:
        scene: what is drawn.
        panel: which panel.
        found: its series, one at least.
        box: where, below its title.
    """
    least = panel.options.get("filterValues", {}).get("le", 0.0)
    counted = buckets([series for series in found if "le" in series.labels])
    most = max((value for _, points in counted for _, value in points), default=0.0)
    if most <= least:
        scene.nothing(box, panel.empty)
        return
    unit = panel.options.get("yAxis", {}).get("unit", panel.unit)
    labels = [on_axis(bound, unit) for bound, _ in counted]
    plot = framed(scene, box.inner(0, 0, 0, _SCALE_HEIGHT), labels, bottom=0, top=len(counted))
    asked = panel.options.get("color", {})
    scale = shades(asked.get("scheme", "Oranges"), asked.get("steps", 64))
    gap, width = min(panel.options.get("cellGap", 0) / 2, 0.5), plot.x(scene.recording.step) - plot.x(0)
    cells = []
    for place, (_, points) in enumerate(counted):
        top, bottom = plot.y(place + 1), plot.y(place)
        for at, value in points:
            if value > least:
                shade = scale[min(int(value / most * len(scale)), len(scale) - 1)]
                left = max(plot.x(at) - width, plot.field.x)
                cells.append((Box(left, top + gap, plot.x(at) - left, bottom - top - 2 * gap), shade))
        if len(counted) * LABEL < plot.field.height or place % 2:
            scene.canvas.text(plot.field.x - 6, top, labels[place], size=LABEL, fill=QUIET, across="right")
    scene.canvas.boxes(cells)
    draw_marks(scene, plot)
    _draw_scale(scene, scale, most, box)


def _draw_scale(scene: Scene, scale: Sequence[str], most: float, box: Box) -> None:
    left, y = box.x + 30, box.bottom - 16
    width = min(_SCALE_WIDTH, box.width - 80) / len(scale)
    scene.canvas.boxes((Box(left + place * width, y - 5, width, 8), shade) for place, shade in enumerate(scale))
    scene.canvas.text(left - 6, y - 1, "0", size=LABEL, fill=QUIET, across="right")
    scene.canvas.text(left + width * len(scale) + 6, y - 1, formatted(most, "locale"), size=LABEL, fill=QUIET)
