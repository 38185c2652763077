"""Single numbers, large, in the colour that says whether they are good."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.pictures.canvas import Box
from deploy.pictures.panel import Named, Panel
from deploy.pictures.scene import Scene, fit
from deploy.pictures.theme import TEXT
from deploy.pictures.units import formatted


@dataclass(frozen=True, slots=True)
class Said:
    """What a number is shown as.

    Args:
        name: above the value; '' for none.
        value: the value in words, or the name alone.
        color: of the value.
    """

    name: str
    value: str
    color: str


def said(panel: Panel, series: Named, *, alone: bool, now: float) -> Said:
    """What is shown of one value.

    Args:
        panel: with its unit, thresholds and words.
        series: the value and its name.
        alone: whether the panel has no other; then its title says enough.
        now: seconds since 1970.
    """
    value = series.last
    word = panel.word(value)
    text, shade = word.text if word else formatted(value, panel.unit, now), panel.color_of(value)
    mode = panel.options.get("textMode", "auto")
    if mode == "name":
        return Said("", series.name, shade)
    if mode == "none":
        return Said("", "", shade)
    named = mode == "value_and_name" or (mode == "auto" and not alone)
    return Said(series.name if named else "", text, shade)


def draw(scene: Scene, panel: Panel, found: Sequence[Named], box: Box) -> None:
    """A panel of single numbers.

    Args:
        scene: what is drawn.
        panel: which panel.
        found: its series, one at least.
        box: where, below its title.
    """
    width = box.width / len(found)
    for place, series in enumerate(found):
        shown = said(panel, series, alone=len(found) == 1, now=scene.recording.end)
        _draw_one(scene, shown, Box(box.x + place * width, box.y, width, box.height))


def _draw_one(scene: Scene, shown: Said, box: Box) -> None:
    room = box.inner(10, 0, 10, 10)
    if shown.name:
        size, lines = fit(scene.canvas, shown.name, room.width, 13, 9)
        scene.lines(Box(room.x, room.y, room.width, 18), lines[:1], size, TEXT)
        room = room.inner(0, 16, 0, 0)
    size, lines = fit(scene.canvas, shown.value, room.width, 32, 15, bold=True)
    scene.lines(room, lines, size, shown.color, bold=True)
