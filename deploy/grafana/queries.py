"""Every expression of the committed dashboards, as Prometheus gets it. Needs nothing but the files."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent / "dashboards"
_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>[a-zA-Z_]\w*)(?::\w+)?\}|(?P<plain>[a-zA-Z_]\w*))")

# What Grafana fills in for an hour seen on a screen, scraped every 15 s.
GRAFANA_VALUES: Final[Mapping[str, str]] = {
    "__interval": "15s",
    "__rate_interval": "1m",
    "__range": "1h",
    "account": "acme",
    "campaign": "spring",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """One query.

    Args:
        dashboard: uid.
        panel: title of the panel, or `annotation: ` and the name of the annotation.
        expr: without Grafana's variables.
        empty: what is shown instead of nothing; '' when having nothing to show is a fault.
    """

    dashboard: str
    panel: str
    expr: str
    empty: str

    @property
    def is_annotation(self) -> bool:
        """Whether it marks events, of which there may be none."""
        return self.panel.startswith("annotation: ")


def expressions(**values: str) -> tuple[Expression, ...]:
    """All of them, in the order in which they are shown.

    Args:
        values: of variables by name, such as `account`; GRAFANA_VALUES has the others.

    Raises:
        KeyError: a variable has no value.
    """
    known = {**GRAFANA_VALUES, **values}
    return tuple(
        Expression(found["uid"], panel, substitute(expr, known), empty)
        for found in committed()
        for panel, expr, empty in _of(found)
    )


def committed() -> list[dict[str, Any]]:
    """The dashboards as Grafana reads them."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.json"))]


def panels(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard without its rows."""
    return (panel for panel in found["panels"] if panel["type"] != "row")


def substitute(expr: str, values: Mapping[str, str]) -> str:
    """An expression with the values of its variables.

    Args:
        expr: with `$name`, `${name}` or `${name:format}`.
        values: by name.

    Raises:
        KeyError: a variable has no value.
    """
    return _VARIABLE.sub(lambda match: values[match["braced"] or match["plain"]], expr)


def _of(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for panel in panels(found):
        for target in panel["targets"]:
            yield panel["title"], target["expr"], panel["fieldConfig"]["defaults"].get("noValue", "")
    for annotation in found["annotations"]["list"]:
        yield f"annotation: {annotation['name']}", annotation["expr"], ""
