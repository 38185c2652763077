"""What the dashboards are made of, so that all four look and behave alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from deploy.grafana.sdk import Builder, Dataquery, PromQueryFormat, boards, common, dashboard, options
from deploy.grafana.sdk import heatmap as heatmaps
from deploy.grafana.sdk import stat as stats
from deploy.grafana.sdk import statetimeline as timelines
from deploy.grafana.sdk import table as tables
from deploy.grafana.sdk import timeseries as graphs

SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

# Grafana's names of units.
COUNT: Final = "locale"  # 12,345: an operator compares with what the command line says
PER_MINUTE: Final = "opm"  # as limits are written
SECONDS: Final = "s"
SPAN: Final = "dtdurations"
FROM_NOW: Final = "dateTimeFromNow"  # of milliseconds since 1970
SHARE: Final = "percentunit"
BYTES: Final = "bytes"
YES_NO: Final = "bool_yes_no"

# Series with a meaning of their own have the same colour on every panel: label of a legend to colours of its values.
_OUTCOMES: Final[Mapping[str, Sequence[str]]] = {
    "green": ("accepted",),
    "red": ("rejected",),
    "dark-red": ("dead",),
    "purple": ("expired",),
    "orange": ("held",),
    "dark-blue": ("suppressed",),
    "#8e8e8e": ("cancelled", "waiting"),
    "#c7c7c7": ("scheduled",),
}
COLORS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "outcome": _OUTCOMES,
    "state": {**_OUTCOMES, "green": ("accepted", "running"), "orange": ("held", "paused"), "blue": ("uploading",)},
    "code": {"green": ("2..",), "red": ("4..",), "orange": ("5..",), "dark-red": ("[a-z]+",)},
    "status": {"blue": ("sent",), "green": ("received", "delivered"), "dark-green": ("read",), "red": ("not_sent",)},
    "priority": {"blue": ("transactional",), "#8e8e8e": ("bulk",)},
}
# Stands for no series at all, so that a panel is not empty; nobody needs to see the name.
NO_SERIES: Final = "none"

# Names of colours, never values: Grafana picks the shade for its dark and its light theme.
NEUTRAL: Final = "text"
GOOD: Final = "green"
WARN: Final = "orange"
BAD: Final = "red"

Steps = tuple[tuple[float | None, str], ...]
CALM: Final[Steps] = ((None, NEUTRAL),)
WARN_FROM_1: Final[Steps] = ((None, GOOD), (1, WARN))
BAD_FROM_1: Final[Steps] = ((None, GOOD), (1, BAD))

Words = Mapping[int, tuple[str, str]]
BREAKER: Final[Words] = {0: ("closed", GOOD), 1: ("open", BAD)}
SUSPENDED: Final[Words] = {0: ("no", GOOD), 1: ("suspended", BAD)}
PAUSED: Final[Words] = {0: ("no", GOOD), 1: ("paused", WARN)}
UP: Final[Words] = {0: ("not reached", BAD), 1: ("reached", GOOD)}
ON: Final[Words] = {0: ("off", BAD), 1: ("on", GOOD)}
WRITTEN: Final[Words] = {0: ("failing", BAD), 1: ("good", GOOD)}

P = TypeVar("P", stats.Panel, graphs.Panel, tables.Panel, heatmaps.Panel, timelines.Panel)


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of a panel.

    Args:
        expr: in Prometheus' language.
        legend: what its series are called; labels as ``{{label}}``.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers in a table.

    Args:
        name: its heading.
        expr: what gives one value for each row.
        unit: Grafana's name of the unit.
        url: where a click on its values leads; nowhere when empty.
    """

    name: str
    expr: str
    unit: str = COUNT
    url: str = ""


def stat(
    title: str,
    description: str,
    *queries: Query | str,
    unit: str = COUNT,
    steps: Steps = CALM,
    words: Words | None = None,
    empty: str = "",
    width: int = 3,
    text: common.BigValueTextMode = common.BigValueTextMode.AUTO,
) -> stats.Panel:
    """One number, as it is now: an instant query, because a value of ten minutes ago is not what is asked for.

    Args:
        title: of the panel.
        description: what an operator should know.
        queries: what is shown, one value each.
        unit: Grafana's name of the unit.
        steps: colours by value.
        words: what is said in place of values.
        empty: what is said when there is no value; given where that is no fault.
        width: of 24.
        text: whether the value, its name or both are shown.
    """
    panel = _begin(stats.Panel(), title, description, unit, empty).span(width).height(4)
    for query in _targets(queries):
        panel.with_target(query.instant())
    panel.thresholds(_thresholds(steps)).reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.graph_mode(common.BigValueGraphMode.NONE).color_mode(common.BigValueColorMode.VALUE)
    panel.text_mode(text)
    if words:
        panel.mappings([_mapping(words)])
    return panel


def graph(
    title: str,
    description: str,
    *queries: Query,
    unit: str = COUNT,
    width: int = 12,
    stacked: bool = False,
    line: float | None = None,
    most: float | None = None,
    url: str = "",
    empty: str = "",
) -> graphs.Panel:
    """Lines over time.

    Args:
        title: of the panel.
        description: what an operator should know.
        queries: what is drawn.
        unit: Grafana's name of the unit.
        width: of 24.
        stacked: whether series are parts of a whole.
        line: a value that must not be passed, drawn dashed.
        most: top of the axis.
        url: where a click on a series leads.
        empty: what is said when there is nothing to draw; given where that is no fault.
    """
    panel = _begin(graphs.Panel(), title, description, unit, empty).span(width).height(8)
    for query in _targets(queries):
        panel.with_target(query.range())
    legend = options.VizLegendOptions().display_mode(common.LegendDisplayMode.TABLE)
    legend.placement(common.LegendPlacement.BOTTOM).show_legend(show_legend=True).calcs(["lastNotNull", "max"])
    panel.legend(legend)
    panel.tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    panel.min(0).fill_opacity(30 if stacked else 5).show_points(common.VisibilityMode.NEVER)
    if stacked:
        panel.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if line is not None:
        panel.thresholds(_thresholds(((None, NEUTRAL), (line, BAD))))
        panel.thresholds_style(options.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    if most is not None:
        panel.max(most)
    if url:
        panel.override_by_field_type("number", [_links(url)])
    for label in [label for label in COLORS if any(f"{{{{{label}}}}}" in query.legend for query in queries)]:
        for color, values in COLORS[label].items():
            panel.override_by_regexp(f"/^({'|'.join(values)})$/", [_fixed(color)])
    if any(f'"{NO_SERIES}"' in query.expr for query in queries):
        panel.override_by_name(NO_SERIES, [_hidden()])
    return panel


def timeline(
    title: str, description: str, *queries: Query, words: Words, width: int, empty: str = ""
) -> timelines.Panel:
    """Which of a few states something was in, over time."""
    panel = _begin(timelines.Panel(), title, description, YES_NO, empty).span(width).height(8)
    for query in _targets(queries):
        panel.with_target(query.range())
    return panel.mappings([_mapping(words)]).show_value(common.VisibilityMode.NEVER)


def heatmap(title: str, description: str, expr: str, *, unit: str, width: int = 12, empty: str = "") -> heatmaps.Panel:
    """A histogram over time, from its buckets."""
    panel = _begin(heatmaps.Panel(), title, description, COUNT, empty).span(width).height(8)
    (query,) = _targets((Query(expr, "{{le}}"),))
    panel.with_target(query.range().format(PromQueryFormat.HEATMAP))
    return panel.y_axis(heatmaps.YAxisConfig().unit(unit)).calculate(calculate=False)


def table(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    label: str,
    heading: str,
    url: str = "",
    width: int = 24,
    empty: str = "",
) -> tables.Panel:
    """One row for each value of a label, as it is now.

    Args:
        title: of the panel.
        description: what an operator should know.
        columns: the numbers; the first is what rows are sorted by.
        label: what rows are told apart by.
        heading: over that label's column.
        url: where a click on a row's name leads.
        width: of 24.
        empty: what is said when there are no rows; given where that is no fault.
    """
    panel = _begin(tables.Panel(), title, description, COUNT, empty).span(width).height(8)
    for query in _targets([Query(column.expr) for column in columns]):
        panel.with_target(query.instant().format(PromQueryFormat.TABLE))
    # Grafana calls the columns "Value #A", "Value #B", and a single column with values "Value".
    names = {"Value": columns[0].name}
    names.update({f"Value #{_letter(place)}": column.name for place, column in enumerate(columns)})
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {label: heading, **names}}
        )
    )
    if url:
        panel.override_by_name(heading, [_links(url)])
    for column in columns:
        panel.override_by_name(column.name, [dashboard.DynamicConfigValue(id_val="unit", value=column.unit)])
    return panel.sort_by([options.TableSortByFieldState().display_name(columns[0].name).desc(desc=True)])


def labels_table(
    title: str,
    description: str,
    expr: str,
    headings: Mapping[str, str],
    *,
    links: Mapping[str, str],
    width: int = 12,
    empty: str,
) -> tables.Panel:
    """One row for each series of an expression, as it is now: its labels, without its value.

    Args:
        title: Of the panel.
        description: Facts an operator should know.
        expr: Gives the series.
        headings: Label to the heading of its column, from left to right.
        links: Heading to the address to which a click leads.
        width: Of 24.
        empty: Words in place of rows.
    """
    panel = _begin(tables.Panel(), title, description, COUNT, empty).span(width).height(8)
    (query,) = _targets([Query(expr)])
    panel.with_target(query.instant().format(PromQueryFormat.TABLE))
    order = {label: place for place, label in enumerate(headings)}
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True, "Value": True},
                "renameByName": dict(headings),
                "indexByName": order,
            },
        )
    )
    for heading, url in links.items():
        panel.override_by_name(heading, [_links(url)])
    return panel.sort_by([options.TableSortByFieldState().display_name(next(iter(headings.values()))).desc(desc=False)])


def _begin(panel: P, title: str, description: str, unit: str, empty: str) -> P:
    panel.title(title).description(description).unit(unit).datasource(SOURCE)
    if empty:
        panel.no_value(empty)
    return panel


def _targets(queries: Sequence[Query | str]) -> list[Dataquery]:
    targets = []
    for place, query in enumerate(queries):
        asked = Query(query) if isinstance(query, str) else query
        target = Dataquery().datasource(SOURCE).ref_id(_letter(place)).expr(asked.expr)
        targets.append(target.legend_format(asked.legend) if asked.legend else target)
    return targets


def _letter(place: int) -> str:
    return chr(ord("A") + place)


def _thresholds(steps: Steps) -> Builder[dashboard.ThresholdsConfig]:
    made = [dashboard.Threshold(value=value, color=color) for value, color in steps]
    return boards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(made)


def _mapping(words: Words) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(value): dashboard.ValueMappingResult(text=text, color=color, index=place)
            for place, (value, (text, color)) in enumerate(words.items())
        }
    )


def _links(url: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val="links", value=[{"title": "Show its dashboard", "url": url}])


def _fixed(color: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def _hidden() -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val="custom.hideFrom", value={"legend": True, "tooltip": True, "viz": True})
