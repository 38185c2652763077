"""Numbers in words, as Grafana writes them: three figures, and the unit that suits."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_SPANS: Final = (
    ("year", 365 * _DAY),
    ("month", 30 * _DAY),
    ("week", 7 * _DAY),
    ("day", _DAY),
    ("hour", _HOUR),
    ("minute", _MINUTE),
    ("second", 1.0),
)
# From which size on a time is told in which unit.
_TIMES: Final = ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "mins"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_COUNTS: Final = ("", "K", "M", "B", "T")
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_ZEROS: Final = re.compile(r"(\.\d*?)0+(?=\D|$)")


def formatted(value: float, unit: str, now: float = 0.0) -> str:
    """A value in its unit.

    Args:
        value: the number.
        unit: Grafana's name of it.
        now: seconds since 1970, for what is told from now.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit == "dateTimeFromNow":
        return _from_now(value / 1000 - now)
    return _WRITERS.get(unit, _figures)(value)


def on_axis(value: float, unit: str) -> str:
    """The same for the label of an axis: without zeros that say nothing.

    Args:
        value: the number.
        unit: Grafana's name of it.
    """
    text = "0" if value == 0 and unit == "locale" else formatted(value, unit)
    return _ZEROS.sub(lambda found: found[1] if found[1] != "." else "", text)


def known() -> frozenset[str]:
    """The units that are written as Grafana does; of others the number alone is."""
    return frozenset({*_WRITERS, "dateTimeFromNow"})


def _figures(value: float) -> str:
    """Three figures, whole numbers as they are."""
    if value == 0 or value == math.floor(value):
        return f"{value:.0f}"
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(places, 0)}f}"


def _locale(value: float) -> str:
    text = f"{value:,.3f}"
    return text.rstrip("0").rstrip(".")


def _share(value: float) -> str:
    return f"{_figures(value * 100)}%"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    for size, name in _TIMES:
        if abs(value) >= size:
            return f"{_figures(value / size)} {name}"
    return f"{_figures(value * 1e9)} ns"


def _span(value: float) -> str:
    """The largest unit alone, as whole ones: 2 minutes."""
    if value < 0:
        return f"{_span(-value)} ago"
    for name, size in _SPANS:
        if value >= size:
            number = math.floor(value / size)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "0 seconds" if value == 0 else f"{_figures(value * 1000)} milliseconds"


def _from_now(seconds: float) -> str:
    words = _words(abs(seconds))
    return f"in {words}" if seconds >= 0 else f"{words} ago"


def _words(seconds: float) -> str:
    """As people say it; the limits are those of moment.js, which Grafana uses."""
    for below, size, one, many in _SAID:
        if seconds / size < below - 0.5:
            number = round(seconds / size)
            return f"{number} {many}" if many and number > 1 else one
    return f"{round(seconds / (365 * _DAY))} years"


_SAID: Final = (
    (45, 1.0, "a few seconds", ""),
    (45, _MINUTE, "a minute", "minutes"),
    (22, _HOUR, "an hour", "hours"),
    (26, _DAY, "a day", "days"),
    (11, 30.4 * _DAY, "a month", "months"),
)


def _scaled(value: float, steps: tuple[str, ...], factor: int) -> tuple[str, str]:
    place = 0
    while abs(value) >= factor and place < len(steps) - 1:
        value /= factor
        place += 1
    return _figures(value), steps[place]


def _per_second(value: float) -> str:
    figures, step = _scaled(value, _COUNTS, 1000)
    return f"{figures}{step} ops/s"


def _bytes(value: float) -> str:
    figures, step = _scaled(value, _BYTES, 1024)
    return f"{figures} {step}"


def _yes_no(value: float) -> str:
    return "Yes" if value else "No"


_WRITERS: Final[Mapping[str, Callable[[float], str]]] = {
    "locale": _locale,
    "ops": _per_second,
    "s": _seconds,
    "dtdurations": _span,
    "percentunit": _share,
    "bytes": _bytes,
    "bool_yes_no": _yes_no,
    "none": _figures,
    "short": lambda value: "".join(_scaled(value, _COUNTS, 1000)),
}
