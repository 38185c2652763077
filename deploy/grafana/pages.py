"""What surrounds the panels of a dashboard: uids, links, variables, annotations, rows."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deploy.grafana.panels import BAD, SOURCE, WARN
from deploy.grafana.promql import ANNOTATION_STEP, NAMED, begins, each, holds, select, total
from deploy.grafana.sdk import Builder, boards, common, dashboard

# In addresses that people keep: never change one.
OVERVIEW: Final = "paceline-overview"
ACCOUNT: Final = "paceline-account"
CAMPAIGN: Final = "paceline-campaign"
WORKERS: Final = "paceline-workers"
TITLES: Final = {OVERVIEW: "Overview", ACCOUNT: "Account", CAMPAIGN: "Campaign", WORKERS: "Workers"}

DATASOURCE_UID: Final = "paceline-prometheus"

# The series of a graph, and the row of a table, lead to the dashboard of the account or campaign they are of.
_KEPT: Final = "${datasource:queryparam}&${__url_time_range}"
ACCOUNT_OF_SERIES: Final = f"/d/{ACCOUNT}?var-account=${{__field.labels.account}}&{_KEPT}"
ACCOUNT_OF_ROW: Final = f"/d/{ACCOUNT}?var-account=${{__data.fields.Account}}&{_KEPT}"
CAMPAIGN_OF_ROW: Final = f"/d/{CAMPAIGN}?var-campaign=${{__data.fields.Campaign}}&{_KEPT}"

# Accounts come from both sides: the exporter names those with the largest backlog, workers those they have sent for.
ACCOUNTS: Final = (
    'label_values({__name__=~"paceline_rate_limit_per_second|paceline_provider_requests_total", '
    + NAMED
    + "}, account)"
)
CAMPAIGNS: Final = "label_values(paceline_campaign_state, campaign)"


# Prometheus' alerts carry the address of their runbook; a table of alerts has their names only.
RUNBOOKS: Final = "https://paceline.example/deploy/runbooks"
RUNBOOK_OF_ROW: Final = f"{RUNBOOKS}/${{__data.fields.Alert}}.md"


@dataclass(frozen=True, slots=True)
class Section:
    """A row of the dashboard with the panels under it.

    Args:
        title: of the row.
        panels: from left to right, 24 wide.
        leads_to: uid of the dashboard with the details, to which each of its panels has a link.
    """

    title: str
    panels: Sequence[Builder[dashboard.Panel]]
    leads_to: str = ""


def page(
    uid: str,
    description: str,
    sections: Sequence[Section],
    *,
    variables: Sequence[boards.QueryVariable] = (),
    annotations: Sequence[boards.AnnotationQuery] = (),
    since: str = "now-1h",
) -> dashboard.Dashboard:
    """A whole dashboard.

    Args:
        uid: one of those above.
        description: whom it is for.
        sections: what it shows.
        variables: what can be chosen, beside the data source.
        annotations: events drawn into all graphs.
        since: the first moment shown.
    """
    built = boards.Dashboard(f"Paceline: {TITLES[uid]}").uid(uid).description(description).tags(["paceline"])
    built.timezone(common.TimeZoneBrowser).refresh("10s").time(since, "now").readonly()
    built.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    for other in TITLES:
        if other != uid:
            built.link(_link(other))
    built.with_variable(_data_source())
    for variable in variables:
        built.with_variable(variable)
    for annotation in annotations:
        built.annotation(annotation)
    for section in sections:
        built.with_row(boards.Row(section.title))
        for panel in section.panels:
            if section.leads_to:
                panel.build().links = [_link(section.leads_to).build()]
            built.with_panel(panel)
    return built.build()


def panel_id(title: str) -> int:
    """The id of a panel on its dashboard, by which alerts lead to it: the same wherever the panel is moved.

    Args:
        title: of the panel.
    """
    return zlib.crc32(title.encode()) % 1_000_000 + 1


def choice(name: str, label: str, description: str, query: str) -> boards.QueryVariable:
    """A variable with one value, chosen from those of a label.

    Args:
        name: of the variable.
        label: what operators see.
        description: of the dashboard.
        query: ``label_values(selector, label)``.
    """
    variable = boards.QueryVariable(name).label(label).description(description).datasource(SOURCE)
    variable.query({"query": query, "refId": name, "qryType": 5}).definition(query)
    variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.NATURAL_ASC)
    return variable.multi(multi=False).include_all(include_all=False)


def pauses(where: str = "") -> boards.AnnotationQuery:
    """When the provider's 429 begins to keep accounts, or the one chosen, waiting."""
    paused = f"max_over_time({select('paceline_account_paused', where)}[$__rate_interval]"
    return _annotation(
        "Paused by the provider",
        begins(lambda offset: f"max({paused}{offset}))"),
        WARN,
        "The provider answered 429: nothing of the account leaves until the time it named.",
    )


def suspensions(where: str = "") -> boards.AnnotationQuery:
    """When accounts, or the one chosen, are suspended, by reason."""
    return _annotation(
        "Suspended",
        begins(lambda offset: each("paceline_account_suspended", "reason", where=where, offset=offset)),
        BAD,
        "An account is suspended ({{reason}}): its backlog stays, nothing leaves.",
    )


def campaign_pauses(where: str) -> boards.AnnotationQuery:
    """When campaigns, or the one chosen, are paused."""
    return _annotation(
        "Campaign paused",
        begins(lambda offset: each("paceline_campaign_state", "campaign", where=where, offset=offset)),
        WARN,
        "Campaign {{campaign}} is paused: by hand, or automatically after too many rejections.",
    )


def held_and_released(
    metric: str, *labels: str, where: str = ""
) -> tuple[boards.AnnotationQuery, boards.AnnotationQuery]:
    """When operations of unknown outcome were put before a person, and when a person decided.

    Args:
        metric: what counts the held ones.
        labels: all labels it has.
        where: matchers.
    """
    now = total(metric, *labels, where=where)
    before = f"sum (max by ({', '.join(labels)}) ({select(metric, where)} offset {ANNOTATION_STEP}))"
    return (
        _annotation("Held", holds(f"({now} - {before})"), WARN, "Outcomes nobody can know: a person has to decide."),
        _annotation("Released", holds(f"({before} - {now})"), "blue", "Held operations were released or dropped."),
    )


def breaker() -> boards.AnnotationQuery:
    """When the provider's breaker opens."""
    return _annotation(
        "Provider's breaker open",
        begins(lambda offset: each("paceline_breaker_open", where='scope="provider"', offset=offset)),
        BAD,
        "The provider does not work: nothing leaves but a probe from time to time.",
    )


def new_release() -> boards.AnnotationQuery:
    """When workers of another release than before came."""
    versions = "count by (version) (paceline_build_info)"
    return _annotation(
        "New release",
        # A worker that was away for a moment is not new.
        f"{versions} unless count by (version) (last_over_time(paceline_build_info[1h] offset $__rate_interval))",
        "purple",
        "The first workers of {{version}} run.",
    )


def _annotation(name: str, expr: str, color: str, text: str) -> boards.AnnotationQuery:
    asked = boards.AnnotationQuery().name(name).datasource(SOURCE).enable(enable=True).icon_color(color).expr(expr)
    return asked.step(ANNOTATION_STEP).title_format(name).text_format(text)


def _data_source() -> boards.DatasourceVariable:
    variable = boards.DatasourceVariable("datasource").label("Data source").type("prometheus")
    return variable.current(dashboard.VariableOption(selected=True, text="Paceline", value=DATASOURCE_UID))


def _link(uid: str) -> boards.DashboardLink:
    link = boards.DashboardLink(TITLES[uid]).type(dashboard.DashboardLinkType.LINK).url(f"/d/{uid}")
    return link.tooltip(f"Paceline: {TITLES[uid]}").keep_time(keep_time=True).include_vars(include_vars=True)
