"""Boxes, words and lines on one picture, in pixels from its upper left corner. All that is known of matplotlib is here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Final

from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from PIL import Image

from deploy.pictures.theme import PAGE, TEXT, every_color

_DPI: Final = 100
_SCALE: Final = 1.5  # finer than a screen 1,200 wide, so that words stay sharp on a better one
_FAMILY: Final = "DejaVu Sans"  # matplotlib brings it along, so pictures are alike everywhere
_COLORS: Final = 256  # a palette makes a third of the file

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle.

    Args:
        x: of its left side.
        y: of its upper side.
        width: to the right.
        height: downwards.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Of its lower side."""
        return self.y + self.height

    def inner(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """What is left when so much is taken from each side."""
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


class Canvas:
    """An empty picture.

    Args:
        width: in pixels.
        height: likewise.
    """

    def __init__(self, width: float, height: float) -> None:
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI * _SCALE, facecolor=PAGE)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.set_axis_off()
        self._order = count(1)  # what comes later lies above

    def box(
        self,
        at: Box,
        fill: str,
        *,
        edge: str = "none",
        radius: float = 0,
        opacity: float = 1,
        within: Box | None = None,
    ) -> None:
        """A filled rectangle."""
        patch: Rectangle | FancyBboxPatch
        if radius:
            style = f"round,pad=0,rounding_size={radius}"
            patch = FancyBboxPatch((at.x, at.y), at.width, at.height, boxstyle=style)
        else:
            patch = Rectangle((at.x, at.y), at.width, at.height)
        patch.set(facecolor=fill, edgecolor=edge, linewidth=_points(1), alpha=opacity, zorder=next(self._order))
        self._axes.add_artist(patch)
        if within:
            patch.set_clip_path(self._clip(within))

    def boxes(self, found: Iterable[tuple[Box, str]]) -> None:
        """Many of them side by side, without seams."""
        corners, fills = [], []
        for at, fill in found:
            corners.append([(at.x, at.y), (at.right, at.y), (at.right, at.bottom), (at.x, at.bottom)])
            fills.append(fill)
        made = PolyCollection(corners, facecolors=fills, edgecolors="none", antialiaseds=False)
        made.set_zorder(next(self._order))
        self._axes.add_artist(made)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12,
        fill: str = TEXT,
        bold: bool = False,
        across: str = "left",
        upwards: bool = False,
    ) -> None:
        """Words in the middle of a line; `across` tells which part of them is at the point, `upwards` turns them."""
        text = Text(x, y, words, color=fill, fontproperties=_font(size, bold=bold), parse_math=False)
        text.set(ha=across, va="center" if not upwards else "top", rotation=90 if upwards else 0)
        text.set_zorder(next(self._order))
        self._axes.add_artist(text)

    def width_of(self, words: str, size: float, *, bold: bool = False) -> float:
        """How wide words are."""
        width, _, _ = text_to_path.get_text_width_height_descent(words, _font(size, bold=bold), ismath=False)
        return width * _DPI / 72

    def line(
        self,
        points: Sequence[Point],
        stroke: str,
        *,
        width: float = 1.4,
        dashed: bool = False,
        within: Box | None = None,
    ) -> None:
        """A line through points."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        line = Line2D(xs, ys, color=stroke, linewidth=_points(width), solid_joinstyle="round", zorder=next(self._order))
        if dashed:
            line.set_linestyle((0, (4, 3)))
        self._axes.add_artist(line)
        if within:
            line.set_clip_path(self._clip(within))

    def area(self, points: Sequence[Point], fill: str, opacity: float, *, within: Box | None = None) -> None:
        """A filled shape."""
        order = next(self._order)
        shape = Polygon(list(points), closed=True, facecolor=fill, edgecolor="none", alpha=opacity, zorder=order)
        self._axes.add_artist(shape)
        if within:
            shape.set_clip_path(self._clip(within))

    def save(self, path: Path) -> None:
        """Write it as PNG."""
        drawn = BytesIO()
        self._figure.savefig(drawn, format="png", dpi=_DPI * _SCALE, facecolor=PAGE, pil_kwargs={"compress_level": 1})
        picture = Image.open(drawn).convert("RGB")
        picture.quantize(palette=_palette(picture), dither=Image.Dither.NONE).save(path, "PNG", optimize=True)

    def _clip(self, box: Box) -> Rectangle:
        return Rectangle((box.x, box.y), box.width, box.height, transform=self._axes.transData)


def shades(name: str, number: int) -> list[str]:
    """A scale of colours, dark ones first.

    Args:
        name: of the scale: Grafana and matplotlib took theirs from the same place.
        number: how many.
    """
    scale = colormaps.get_cmap(f"{name}_r") if f"{name}_r" in colormaps else colormaps.get_cmap("Oranges_r")
    return [to_hex(scale(place / max(number - 1, 1))) for place in range(number)]


def _palette(picture: Image.Image) -> Image.Image:
    """The theme's colours as they are, or a thin line would get the shade of its neighbour; the rest as the picture needs it."""
    kept = [int(shade[place : place + 2], 16) for shade in every_color() for place in (1, 3, 5)]
    found = picture.quantize(_COLORS - len(every_color()), method=Image.Quantize.MEDIANCUT)
    made = Image.new("P", (1, 1))
    made.putpalette(kept + (found.getpalette() or [])[: _COLORS * 3 - len(kept)])
    return made


def _points(pixels: float) -> float:
    return pixels * 72 / _DPI


def _font(size: float, *, bold: bool) -> FontProperties:
    return FontProperties(family=_FAMILY, size=_points(size), weight="bold" if bold else "normal")
