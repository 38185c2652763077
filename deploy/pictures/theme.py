"""Colours and sizes: Grafana's dark theme, in pixels of a screen 1,200 wide."""

from typing import Final

WIDTH: Final = 1200
MARGIN: Final = 14
GAP: Final = 8
# Height of one unit of a dashboard's grid, with the gap.
ROW: Final = 33

PAGE: Final = "#111217"
PANEL: Final = "#181b1f"
EDGE: Final = "#2a2d33"
GRID: Final = "#282b31"
TEXT: Final = "#d5d5e0"
QUIET: Final = "#9294a0"
LINK: Final = "#6e9fff"

# Series that have no colour of their own take these in turn.
PALETTE: Final = (
    "#73bf69",
    "#f2cc0c",
    "#8ab8ff",
    "#ff780a",
    "#f2495c",
    "#5794f2",
    "#b877d9",
    "#705da0",
    "#37872d",
    "#fade2a",
)
NAMED: Final = {
    "text": TEXT,
    "green": "#73bf69",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
}


def every_color() -> tuple[str, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys((PAGE, PANEL, EDGE, GRID, TEXT, QUIET, LINK, *PALETTE, *NAMED.values())))


def color(name: str) -> str:
    """The shade of a colour in this theme.

    Args:
        name: as dashboards name it, or a value such as ``#73bf69``.
    """
    return NAMED.get(name, name if name.startswith("#") else TEXT)
