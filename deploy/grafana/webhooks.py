"""The section about webhooks out, where `paceline hooks run` runs."""

from deploy.grafana.pages import Section
from deploy.grafana.panels import PER_MINUTE, SECONDS, SPAN, Column, Query, graph, table
from deploy.grafana.promql import each, or_none, quantile, rate, top

_NONE = "No hook is served"
_WAITING = top(20, each("paceline_hook_events_waiting", "hook"))


def section() -> Section:
    """Panels of hooks."""
    return Section(
        "Webhooks out",
        [
            graph(
                "Events posted per minute",
                "By how each request ended. Receivers that answer anything but 2xx get the event again; 410 disables the hook.",
                Query(rate("paceline_hook_requests_total", "result"), "{{result}}"),
                unit=PER_MINUTE,
                width=8,
                stacked=True,
            ),
            graph(
                "Oldest event by hook, top 10",
                "Age of the oldest event that is not delivered. It grows while a receiver fails.",
                Query(top(10, each("paceline_hook_oldest_age_seconds", "hook")), "{{hook}}"),
                unit=SECONDS,
                width=8,
                empty=_NONE,
            ),
            graph(
                "Receivers' answers",
                "Time from the look-up of the address to the end of the answer, of all hooks together.",
                Query(quantile(0.5, "paceline_hook_request_duration_seconds"), "p50"),
                Query(quantile(0.95, "paceline_hook_request_duration_seconds"), "p95"),
                unit=SECONDS,
                width=8,
                empty=_NONE,
            ),
            table(
                "Hooks with most to tell",
                "The 20 hooks for which most events wait, and how each is doing. `paceline hooks show` says more.",
                [
                    Column("Waiting", _WAITING),
                    Column("Oldest", _of_largest("paceline_hook_oldest_age_seconds"), SPAN),
                    Column("Given up", _of_largest("paceline_hook_dead_events")),
                    Column("Breaker open", _of_largest("paceline_hook_breaker_open")),
                    Column("Disabled", _of_largest("paceline_hook_disabled")),
                    Column("Gaps", _of_largest("paceline_hook_gaps")),
                ],
                label="hook",
                heading="Hook",
                width=16,
                empty=_NONE,
            ),
            graph(
                "Events given up",
                "Events of which the last try failed. `paceline hooks replay --dead` posts them again.",
                Query(or_none("sum by (hook) (increase(paceline_hook_events_dead_total[1h]))", "hook"), "{{hook}}"),
                width=8,
            ),
        ],
    )


def _of_largest(metric: str) -> str:
    return f"{each(metric, 'hook')} and on (hook) {_WAITING}"
