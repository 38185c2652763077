"""Tables: one row for each set of labels, joined from several queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.pictures.canvas import Box
from deploy.pictures.panel import Named, Panel
from deploy.pictures.scene import Scene, shortened
from deploy.pictures.theme import EDGE, LINK, PAGE, QUIET, TEXT
from deploy.pictures.units import formatted

_ROW: Final = 25
_SIZE: Final = 11.5

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """What a table shows.

    Args:
        columns: their headings.
        rows: a cell for each column, None where a row has no value.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def joined(panel: Panel, found: Sequence[Named]) -> Table:
    """Rows with the same labels become one, as Grafana's transformations `merge` and `organize` make them.

    Args:
        panel: with its transformations, and by what it is sorted.
        found: one value for each row and column.
    """
    labels = sorted({name for series in found for name in series.labels if name != "__name__"})
    asked = [target.ref for target in panel.targets]
    refs = [ref for ref in asked if any(series.ref == ref for series in found)]
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for series in found:
        rows.setdefault(tuple(series.labels.get(name, "") for name in labels), {})[series.ref] = series.last
    names = [*labels, *(f"Value #{ref}" if len(asked) > 1 else "Value" for ref in refs)]
    cells = [(*key, *(values.get(ref) for ref in refs)) for key, values in rows.items()]
    table = _organized(panel.transformations, Table(tuple(names), tuple(cells)))
    return _sorted(panel.options.get("sortBy", ()), table)


def draw(scene: Scene, panel: Panel, found: Sequence[Named], box: Box) -> None:
    """A table.

    Args:
        scene: what is drawn.
        panel: which panel.
        found: its series, one at least.
        box: where, below its title.
    """
    table = joined(panel, found)
    inside = box.inner(8, 2, 8, 6)
    room = int(inside.height / _ROW) - 1
    rows = table.rows if len(table.rows) <= room else table.rows[: room - 1]
    width = inside.width / len(table.columns)
    scene.canvas.box(Box(inside.x, inside.y, inside.width, _ROW), PAGE, opacity=0.55)
    for place, name in enumerate(table.columns):
        at = Box(inside.x + place * width, inside.y, width, _ROW)
        _draw_cell(scene, at, name, LINK, right=_is_number(table, place))
    for line, row in enumerate(rows, 1):
        y = inside.y + line * _ROW
        scene.canvas.line([(inside.x, y + _ROW), (inside.right, y + _ROW)], EDGE, width=0.8)
        for place, cell in enumerate(row):
            text, shade = _cell(scene, panel, table.columns[place], cell)
            at = Box(inside.x + place * width, y, width, _ROW)
            _draw_cell(scene, at, text, shade, right=_is_number(table, place))
    if len(rows) < len(table.rows):
        words = f"and {len(table.rows) - len(rows)} more"
        _draw_cell(
            scene, Box(inside.x, inside.y + (len(rows) + 1) * _ROW, inside.width, _ROW), words, QUIET, right=False
        )


def _organized(transformations: Sequence[Mapping[str, Any]], table: Table) -> Table:
    options: Mapping[str, Any] = next((one["options"] for one in transformations if one["id"] == "organize"), {})
    hidden, names = options.get("excludeByName", {}), options.get("renameByName", {})
    kept = [place for place, name in enumerate(table.columns) if not hidden.get(name)]
    columns = tuple(names.get(table.columns[place], table.columns[place]) for place in kept)
    return Table(columns, tuple(tuple(row[place] for place in kept) for row in table.rows))


def _sorted(asked: Sequence[Mapping[str, Any]], table: Table) -> Table:
    rows = list(table.rows)
    for one in reversed(asked):
        if one["displayName"] in table.columns:
            place = table.columns.index(one["displayName"])
            rows.sort(key=lambda row: _rank(row[place]), reverse=one.get("desc", False))
    return Table(table.columns, tuple(rows))


def _rank(cell: Cell) -> tuple[int, float, str]:
    """Nothing comes first, words come last."""
    if cell is None:
        return 0, 0.0, ""
    return (2, 0.0, cell) if isinstance(cell, str) else (1, cell, "")


def _is_number(table: Table, place: int) -> bool:
    return not any(isinstance(row[place], str) for row in table.rows)


def _cell(scene: Scene, panel: Panel, column: str, cell: Cell) -> tuple[str, str]:
    special = panel.by_name.get(column, {})
    shade = LINK if "links" in special else TEXT
    if cell is None or isinstance(cell, str):
        return cell or "", shade
    word = panel.word(cell)
    if word:
        return word.text, word.color
    return formatted(cell, special.get("unit", panel.unit), scene.recording.end), shade


def _draw_cell(scene: Scene, at: Box, words: str, shade: str, *, right: bool) -> None:
    text = shortened(scene.canvas, words, at.width - 12, _SIZE)
    x = at.right - 8 if right else at.x + 8
    scene.canvas.text(x, at.y + at.height / 2, text, size=_SIZE, fill=shade, across="right" if right else "left")
