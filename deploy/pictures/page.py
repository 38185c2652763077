"""One dashboard as one picture: its head, what was done meanwhile, and its panels where they stand in Grafana."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.pictures import graph, heatmap, stat, table, timeline
from deploy.pictures.answers import Data, by_query
from deploy.pictures.canvas import Box, Canvas
from deploy.pictures.errors import NotRecorded
from deploy.pictures.panel import Named, Panel
from deploy.pictures.recording import Event, Recording
from deploy.pictures.scene import Mark, Scene, fit, mark, shortened
from deploy.pictures.theme import EDGE, GAP, MARGIN, PANEL, QUIET, ROW, TEXT, WIDTH

Drawing = Callable[[Scene, Panel, Sequence[Named], Box], None]

DRAWINGS: Final[Mapping[str, Drawing]] = {
    "heatmap": heatmap.draw,
    "stat": stat.draw,
    "state-timeline": timeline.draw,
    "table": table.draw,
    "timeseries": graph.draw,
}

# Rows of dashboards, by uid and title, that pictures leave out: another picture shows the same in detail.
LEFT_OUT: Final[Mapping[str, tuple[str, ...]]] = {}

_COLUMNS: Final = 24
_TITLE: Final = 26  # pixels of a panel for its title
_HEAD: Final = 66
_EVENT: Final = 17
_EVENT_COLUMNS: Final = 3
_NOT_RECORDED: Final = "Not in the recording: record again"
_NO_DRAWING: Final = "Panels of this type cannot be drawn"


@dataclass(frozen=True, slots=True)
class Section:
    """A row of a dashboard and the panels below it.

    Args:
        title: of the row.
        panels: their JSON.
        top: first unit of the grid that its panels take.
        height: units of the grid.
    """

    title: str
    panels: tuple[Mapping[str, Any], ...]
    top: int
    height: int


def sections(found: Mapping[str, Any]) -> list[Section]:
    """The rows of a dashboard that its picture shows.

    Args:
        found: the dashboard's JSON.
    """
    groups: list[tuple[str, list[Mapping[str, Any]]]] = []
    for panel in sorted(found["panels"], key=lambda one: (one["gridPos"]["y"], one["gridPos"]["x"])):
        if panel["type"] == "row":
            groups.append((panel["title"], []))
        else:
            groups = groups or [("", [])]
            groups[-1][1].append(panel)
    hidden = LEFT_OUT.get(found["uid"], ())
    return [_section(title, inside) for title, inside in groups if inside and title not in hidden]


def draw(found: Mapping[str, Any], recording: Recording, path: Path) -> list[str]:
    """Draw one dashboard.

    Args:
        found: its JSON.
        recording: what is shown.
        path: of the PNG that is written.

    Returns:
        What could not be drawn: titles of panels, whose places say so, and `annotation: ` with a name.
    """
    shown, data = sections(found), by_query(recording)
    known, missing = _marks(found, data, recording)
    events = -(-len(recording.events) // _EVENT_COLUMNS)
    above = _HEAD + (events * _EVENT + 34 if events else 0)
    canvas = Canvas(WIDTH, above + sum((section.height + 1) * ROW for section in shown) + MARGIN)
    scene = Scene(canvas, recording, data, known)
    _draw_head(scene, found)
    if events:
        _draw_events(scene, Box(MARGIN, _HEAD, WIDTH - 2 * MARGIN, above - _HEAD - 8))
    y = float(above)
    for section in shown:
        canvas.text(MARGIN + 4, y + ROW / 2 - 2, f"▾  {section.title}", size=13.5, bold=True)
        y += ROW
        for one in section.panels:
            if not _draw_panel(scene, one, _place(one["gridPos"], y - section.top * ROW)):
                missing.append(one["title"])
        y += section.height * ROW
    canvas.save(path)
    return missing


def _section(title: str, inside: Sequence[Mapping[str, Any]]) -> Section:
    places = [panel["gridPos"] for panel in inside]
    top = min(place["y"] for place in places)
    return Section(title, tuple(inside), top, max(place["y"] + place["h"] for place in places) - top)


def _place(grid: Mapping[str, int], above: float) -> Box:
    cell = (WIDTH - 2 * MARGIN + GAP) / _COLUMNS
    return Box(MARGIN + grid["x"] * cell, above + grid["y"] * ROW, grid["w"] * cell - GAP, grid["h"] * ROW - GAP)


def _draw_panel(scene: Scene, found: Mapping[str, Any], box: Box) -> bool:
    """Whether it could be drawn."""
    scene.canvas.box(box, PANEL, edge=EDGE, radius=3)
    size, lines = fit(scene.canvas, found["title"], box.width - 18, 12, 8, bold=True)
    scene.canvas.text(box.x + 10, box.y + _TITLE / 2 + 2, lines[0], size=size, bold=True)
    inside = box.inner(0, _TITLE, 0, 4)
    drawing = DRAWINGS.get(found["type"])
    if drawing is None:
        scene.nothing(inside, _NO_DRAWING)
        return False
    try:
        panel = Panel.read(found, scene.recording.values)
        series = panel.series(scene.data)
    except NotRecorded:
        scene.nothing(inside, _NOT_RECORDED)
        return False
    if series:
        drawing(scene, panel, series, inside)
    else:
        scene.nothing(inside, panel.empty)
    return True


def _marks(found: Mapping[str, Any], data: Data, recording: Recording) -> tuple[list[Mark], list[str]]:
    """The events of a dashboard, and which kinds of them were not recorded."""
    known: list[Mark] = []
    missing: list[str] = []
    for one in found["annotations"]["list"]:
        try:
            known.append(mark(one, data, recording))
        except NotRecorded:
            missing.append(f"annotation: {one['name']}")
    return known, missing


def _draw_head(scene: Scene, found: Mapping[str, Any]) -> None:
    """Title and variables at the left, the time at the right; below, what the coloured lines in graphs mean."""
    canvas, recording = scene.canvas, scene.recording
    canvas.text(MARGIN + 4, 22, found["title"], size=17, bold=True)
    x = MARGIN + 4 + canvas.width_of(found["title"], 17, bold=True) + 18
    for variable in found["templating"]["list"]:
        if variable["type"] == "query":
            words = f"{variable['label']}  {recording.values.get(variable['name'], 'not recorded')}"
            width = canvas.width_of(words, 12) + 20
            canvas.box(Box(x, 11, width, 22), PANEL, edge=EDGE, radius=3)
            canvas.text(x + 10, 22, words, size=12)
            x += width + 8
    start, end = (datetime.fromtimestamp(at, UTC) for at in (recording.start, recording.end))
    time = f"{start:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC"
    canvas.text(WIDTH - MARGIN - 4, 22, time, size=12, fill=QUIET, across="right")
    x = MARGIN + 4
    for kind in scene.marks:
        canvas.box(Box(x, 46, 10, 10), kind.color, radius=2, opacity=1 if kind.spans else 0.35)
        canvas.text(x + 16, 51, kind.name, size=11, fill=TEXT if kind.spans else QUIET)
        x += canvas.width_of(kind.name, 11) + 38


def _draw_events(scene: Scene, box: Box) -> None:
    scene.canvas.box(box, PANEL, edge=EDGE, radius=3)
    scene.canvas.text(box.x + 10, box.y + 13, "What was done to this fleet meanwhile", size=11.5, bold=True)
    rows = -(-len(scene.recording.events) // _EVENT_COLUMNS)
    width = (box.width - 12) / _EVENT_COLUMNS
    for place, event in enumerate(scene.recording.events):
        x, y = box.x + 10 + place // rows * width, box.y + 30 + place % rows * _EVENT
        _draw_event(scene, event, x, y, width)


def _draw_event(scene: Scene, event: Event, x: float, y: float, width: float) -> None:
    at = datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S")
    scene.canvas.text(x, y, at, size=10.5, fill=QUIET)
    scene.canvas.text(x + 62, y, shortened(scene.canvas, event.text, width - 84, 10.5), size=10.5)
