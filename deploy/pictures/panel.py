"""Panels of the committed dashboards, as far as pictures need them, with what was recorded for them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from deploy.pictures.answers import Data, answered, filled
from deploy.pictures.recording import Kind
from deploy.pictures.theme import TEXT, color

_LABEL: Final = re.compile(r"\{\{\s*(.+?)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel.

    Args:
        ref: its letter.
        kind: how it is asked.
        expr: as Prometheus got it.
        legend: how its series are called.
    """

    ref: str
    kind: Kind
    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Named:
    """One series under the name that is shown.

    Args:
        ref: letter of its query.
        name: what the legend says.
        labels: of the series.
        points: seconds since 1970, and values.
    """

    ref: str
    name: str
    labels: Mapping[str, str]
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The value that is shown alone."""
        return self.points[-1][1]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What is said in place of a value.

    Args:
        text: the words.
        color: their colour.
    """

    text: str
    color: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Args:
        kind: Grafana's name of the type.
        title: above it.
        unit: Grafana's name of the unit.
        empty: what is said instead of nothing.
        targets: its queries.
        steps: from which value on which colour.
        words: what is said in place of values.
        custom: how the type is to look.
        options: likewise.
        limits: lowest and highest value shown, where they are given.
        by_name: what differs for one field, by its name and property.
        transformations: what becomes of answers before they are shown.
    """

    kind: str
    title: str
    unit: str
    empty: str
    targets: tuple[Target, ...]
    steps: tuple[tuple[float, str], ...]
    words: Mapping[str, Mapped]
    custom: Mapping[str, Any]
    options: Mapping[str, Any]
    limits: tuple[float | None, float | None]
    by_name: Mapping[str, Mapping[str, Any]]
    transformations: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, found: Mapping[str, Any], values: Mapping[str, str]) -> Self:
        """A panel of a committed dashboard.

        Args:
            found: its JSON.
            values: of variables by name.

        Raises:
            NotRecorded: a variable has no value.
        """
        defaults = found["fieldConfig"]["defaults"]
        return cls(
            kind=found["type"],
            title=found["title"],
            unit=defaults.get("unit", "none"),
            empty=defaults.get("noValue", "No data"),
            targets=tuple(_target(target, values) for target in found["targets"]),
            steps=tuple(_steps(defaults.get("thresholds", {}).get("steps", ()))),
            words=dict(_words(defaults.get("mappings", ()))),
            custom=defaults.get("custom", {}),
            options=found.get("options", {}),
            limits=(defaults.get("min"), defaults.get("max")),
            by_name={
                override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
                for override in found["fieldConfig"]["overrides"]
                if override["matcher"]["id"] == "byName"
            },
            transformations=tuple(found.get("transformations", ())),
        )

    def series(self, data: Data) -> list[Named]:
        """What was recorded for it, in order.

        Args:
            data: all answers.

        Raises:
            NotRecorded: one of its queries has no answer, not even an empty one.
        """
        return [
            Named(target.ref, legend(target, series.labels), series.labels, series.points)
            for target in self.targets
            for series in answered(data, target.kind, target.expr)
            if series.points
        ]

    def word(self, value: float) -> Mapped | None:
        """What is said in place of a value, if anything is."""
        return self.words.get(f"{value:g}")

    def color_of(self, value: float) -> str:
        """Of a number, by the words for it, else by thresholds."""
        said = self.word(value)
        if said:
            return said.color
        reached = [shade for least, shade in self.steps if value >= least]
        return reached[-1] if reached else TEXT


def legend(target: Target, labels: Mapping[str, str]) -> str:
    """What a series is called.

    Args:
        target: its query; its ``{{label}}`` are replaced. Without words of its own, the series is called as Prometheus writes it.
        labels: of the series.
    """
    if target.legend:
        return _LABEL.sub(lambda found: labels.get(found[1], ""), target.legend)
    inside = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}" if inside else labels.get("__name__", target.expr)


def _target(found: Mapping[str, Any], values: Mapping[str, str]) -> Target:
    kind: Kind = "instant" if found.get("instant") else "range"
    return Target(found.get("refId", "A"), kind, filled(found["expr"], values), found.get("legendFormat", ""))


def _steps(found: Iterable[Mapping[str, Any]]) -> Iterable[tuple[float, str]]:
    for step in found:
        yield float("-inf") if step["value"] is None else step["value"], color(step["color"])


def _words(found: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Mapped]]:
    for mapping in found:
        if mapping["type"] == "value":
            for value, result in mapping["options"].items():
                yield value, Mapped(result["text"], color(result.get("color", "text")))
