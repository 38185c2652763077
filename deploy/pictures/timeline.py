"""Which of a few states something was in, over time: a bar for each series."""

from collections.abc import Sequence
from typing import Final

from deploy.pictures.canvas import Box
from deploy.pictures.panel import Named, Panel
from deploy.pictures.plot import LABEL, draw_marks, framed
from deploy.pictures.scene import Scene, stretches
from deploy.pictures.theme import TEXT

_FILL: Final = 70


def spans(points: list[tuple[float, float]], step: float) -> list[tuple[float, float, float]]:
    """Stretches of one value each.

    Args:
        points: in order of time.
        step: how far neighbours are apart.

    Returns:
        Start, end and value of each; one that is followed without a gap lasts until the next begins.
    """
    found: list[tuple[float, float, float]] = []
    for stretch in stretches(points, step):
        found.append((stretch[0][0], stretch[0][0], stretch[0][1]))
        for at, value in stretch[1:]:
            start, _, before = found[-1]
            found[-1] = (start, at, before)
            if value != before:
                found.append((at, at, value))
    return found


def draw(scene: Scene, panel: Panel, found: Sequence[Named], box: Box) -> None:
    """A panel of states over time.

    Args:
        scene: what is drawn.
        panel: which panel.
        found: its series, one at least.
        box: where, below its title.
    """
    names = [series.name for series in found]
    plot = framed(scene, box.inner(0, 2, 0, 8), names, bottom=len(found), top=0)
    thick = panel.options.get("rowHeight", 0.9)
    opacity = panel.custom.get("fillOpacity", _FILL) / 100
    for place, series in enumerate(found):
        upper, lower = plot.y(place + 0.5 - thick / 2), plot.y(place + 0.5 + thick / 2)
        scene.canvas.text(plot.field.x - 6, (upper + lower) / 2, series.name, size=LABEL, fill=TEXT, across="right")
        for start, end, value in spans(series.points, scene.recording.step):
            left = plot.x(start)
            at = Box(left, upper, max(plot.x(end) - left, 1), lower - upper)
            scene.canvas.box(at, panel.color_of(value), opacity=opacity)
    draw_marks(scene, plot)
