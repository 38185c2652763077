"""The first screen of a dashboard as HTML, made of its committed JSON and of Prometheus' answers.

This is no Grafana: titles, places, queries, units, thresholds, words and colours are the dashboard's, the drawing is ours.
"""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from deploy.rehearsal.recording import Series
from deploy.rehearsal.troubles import Screen
from paceline.cli.render import duration

_UNIT_PX: Final = 38
_GAP_PX: Final = 8
_WIDTH_PX: Final = 1440
_LONG: Final = 7
_COLORS: Final[Mapping[str, str]] = {
    "green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "blue": "#5794f2", "purple": "#b877d9", "text": "#ccccdc",
    "dark-red": "#c4162a", "dark-green": "#37872d", "dark-blue": "#1f60c4",
}  # fmt: skip
_PALETTE: Final = ("#5794f2", "#73bf69", "#ff9830", "#b877d9", "#8ab8ff", "#ffcb7d", "#8e8e8e")
_STYLE: Final = """
body { margin: 0; padding: 12px; background: #111217; color: #ccccdc; font: 14px Inter, sans-serif; width: 1416px }
body { position: relative }
h1 { font-size: 18px; margin: 0 0 12px; font-weight: 500 }
h1 span, .v small, .none, th { color: #8e8e99; font-weight: 400; font-size: 13px }
.p { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #2a2d33; border-radius: 3px }
.p { padding: 6px 10px; overflow: hidden }
.r { position: absolute; font-size: 15px; font-weight: 600 }
.t { font-size: 13px; font-weight: 500; margin-bottom: 4px }
.v { font-size: 30px; font-weight: 600; text-align: center; line-height: 1.15 }
.words { font-size: 20px }
.none { font-size: 18px; text-align: center; padding-top: 12px }
table { width: 100%; border-collapse: collapse; font-size: 14px }
td, th { padding: 4px 6px; border-bottom: 1px solid #24272d; text-align: left }
td a { color: #6e9fff; text-decoration: underline }
.l { font-size: 12px; margin-top: 2px }
.l i { display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 10px }
"""


def page(dashboard: Mapping[str, Any], screen: Screen, rows: int) -> str:
    """A document with the panels of the upper part of a dashboard.

    Args:
        dashboard: as it is committed.
        screen: the answers.
        rows: units of Grafana's grid to draw, from the top.
    """
    drawn = [_panel(one, screen) for one in dashboard["panels"] if one["gridPos"]["y"] < rows]
    head = f"<h1>{html.escape(dashboard['title'])} <span>last minute</span></h1>"
    height = 48 + rows * _UNIT_PX
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}body{{height:{height}px}}</style><body>{head}{''.join(drawn)}"


def height_px(rows: int) -> int:
    """How high a picture of so many units is."""
    return 72 + rows * _UNIT_PX


def _panel(panel: Mapping[str, Any], screen: Screen) -> str:
    place, column = panel["gridPos"], (_WIDTH_PX - 24) / 24
    box = (
        f"left:{12 + place['x'] * column:.0f}px;top:{48 + place['y'] * _UNIT_PX}px;"
        f"width:{place['w'] * column - _GAP_PX:.0f}px;height:{place['h'] * _UNIT_PX - _GAP_PX}px"
    )
    title = html.escape(panel["title"])
    if panel["type"] == "row":
        return f'<div class=r style="{box}">{title}</div>'
    answers = [
        (target, screen.answers["instant" if target.get("instant") else "range", target["expr"]].series)
        for target in panel["targets"]
    ]
    draw = {"stat": _stat, "table": _table, "timeseries": _graph}[panel["type"]]
    body = draw(panel, answers, screen) if any(series for _, series in answers) else _nothing(panel)
    return f'<div class=p style="{box}"><div class=t>{title}</div>{body}</div>'


def _nothing(panel: Mapping[str, Any]) -> str:
    return f"<div class=none>{html.escape(panel['fieldConfig']['defaults'].get('noValue', 'No data'))}</div>"


def _stat(panel: Mapping[str, Any], answers: Sequence[tuple[Any, Sequence[Series]]], _: Screen) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    shown = []
    for target, series in answers:
        for one in series:
            text, color = _value(one.points[-1][1], defaults)
            label = target.get("legendFormat", "") if len(answers) > 1 else ""
            size = "words" if text[:1].isalpha() or len(text) > _LONG else ""
            shown.append(
                f'<span class="{size}" style="color:{color}">{html.escape(text)}</span> <small>{html.escape(label)}</small>'
            )
    return f"<div class=v>{' '.join(shown)}</div>"


def _value(value: float, defaults: Mapping[str, Any]) -> tuple[str, str]:
    for mapping in defaults.get("mappings") or ():
        word = (mapping.get("options") or {}).get(f"{value:g}")
        if word:
            return word["text"], _color(word.get("color", "text"))
    color = "text"
    for step in (defaults.get("thresholds") or {}).get("steps", ()):
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    return _number(value, defaults["unit"]), _color(color)


def _color(name: str) -> str:
    return _COLORS.get(name, name)


def _number(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "-"
    match unit:
        case "percentunit":
            return f"{value:.0%}"
        case "s" | "dtdurations":
            return duration(timedelta(seconds=value)) if value else "0 s"
        case "opm":
            return f"{value:,.0f} per minute"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"


def _table(panel: Mapping[str, Any], answers: Sequence[tuple[Any, Sequence[Series]]], _: Screen) -> str:
    names = next(one["options"] for one in panel["transformations"] if one["id"] == "organize")
    order = sorted(names["indexByName"], key=lambda label: names["indexByName"][label])
    headings = [names["renameByName"][label] for label in order]
    linked = {
        override["matcher"]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if any(part["id"] == "links" for part in override["properties"])
    }
    rows = sorted([one.labels.get(label, "") for label in order] for _, series in answers for one in series)
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    return f"<table><tr>{head}</tr>{''.join(_row(row, headings, linked) for row in rows)}</table>"


def _row(cells: Sequence[str], headings: Sequence[str], linked: set[str]) -> str:
    shown = [
        f"<a>{html.escape(cell)}</a>" if heading in linked and cell else html.escape(cell)
        for cell, heading in zip(cells, headings, strict=True)
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in shown)}</tr>"


def _graph(panel: Mapping[str, Any], answers: Sequence[tuple[Any, Sequence[Series]]], screen: Screen) -> str:
    lines = list(_lines(answers, panel))
    most = max((value for _, _, points in lines for _, value in points), default=0) or 1
    unit, width, height = panel["fieldConfig"]["defaults"]["unit"], 600, 150
    drawn = []
    for _, color, points in lines:
        places = " ".join(
            f"{(at - screen.start) / (screen.end - screen.start) * width:.0f},{height - value / most * (height - 10):.0f}"
            for at, value in points
        )
        drawn.append(f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"/>')
    legend = "".join(f'<i style="background:{color}"></i>{html.escape(label)}' for label, color, _ in lines)
    top = f'<text x="2" y="12" fill="#8e8e99" font-size="12">{_number(most, unit)}</text>'
    return (
        f'<svg width="100%" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none">{top}{"".join(drawn)}'
        f"</svg><div class=l>{legend}</div>"
    )


def _lines(
    answers: Sequence[tuple[Any, Sequence[Series]]], panel: Mapping[str, Any]
) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    place = 0
    for target, series in answers:
        for one in series:
            written = target.get("legendFormat") or "value"
            label = _named(written, one.labels)
            points = [(at, value) for at, value in one.points if math.isfinite(value)]
            if label == "none" or not points:
                continue
            yield label, _fixed(label, panel) or _PALETTE[place % len(_PALETTE)], points
            place += 1


def _named(written: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), written)


def _fixed(label: str, panel: Mapping[str, Any]) -> str:
    for override in panel["fieldConfig"]["overrides"]:
        pattern = override["matcher"]["options"]
        matches = isinstance(pattern, str) and re.fullmatch(pattern.strip("/^$"), label)
        for part in override["properties"] if matches else ():
            if part["id"] == "color":
                return _color(part["value"]["fixedColor"])
    return ""
