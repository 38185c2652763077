"""The pictures of the Overview in trouble: rules whose times are shorter, and a first screen that says what the dashboard says."""

import pytest
from deploy.grafana.pages import OVERVIEW
from deploy.grafana.queries import committed, panels
from deploy.pictures.screen import page
from deploy.rehearsal.prometheus import RULES
from deploy.rehearsal.recording import Answer, Series
from deploy.rehearsal.troubles import TROUBLES, Screen, accelerated

[BOARD] = [found for found in committed() if found["uid"] == OVERVIEW]


def screen(*series: Series, of: str = "") -> Screen:
    """A screen on which one query has an answer, and all others have none."""
    answers = {}
    for panel in panels(BOARD):
        for target in panel["targets"]:
            kind = "instant" if target.get("instant") else "range"
            found = list(series) if panel["title"] == of else []
            answers[kind, target["expr"]] = Answer(kind=kind, expr=target["expr"], series=found)
    return Screen(0.0, 60.0, answers)


@pytest.mark.parametrize(
    ("rule", "faster"),
    [
        ("for: 10m", "for: 10s"),
        ("for: 1m", "for: 5s"),
        ("increase(x[1h])", "increase(x[60s])"),
        ("max_over_time(x[2m])", "max_over_time(x[20s])"),
        ("x offset 1h", "x offset 60s"),
        ("x > 300", "x > 300"),
    ],
)
def test_a_minute_of_the_rules_takes_a_second(rule: str, faster: str) -> None:
    """No time is shorter than some looks of Prometheus."""
    assert faster == accelerated(rule)


def test_every_trouble_has_an_alert() -> None:
    """Of its name, in the rules that are used in earnest."""
    rules = (RULES / "alerts.yml").read_text(encoding="utf-8")
    assert [] == [trouble.alert for trouble in TROUBLES if f"- alert: {trouble.alert}\n" not in rules]


def test_a_screen_without_answers_says_what_that_means() -> None:
    """The dashboard's own words for nothing."""
    drawn = page(BOARD, screen(), 27)
    for words in ("No alert fires", "No account is in trouble", "What is wrong?", "Is all well?"):
        assert words in drawn


def test_an_alert_is_a_row_with_its_account() -> None:
    """Labels under the dashboard's headings; what others wrote is text."""
    labels = {"alertname": "HeldGrowing", "severity": "ticket", "account": "<b>acme</b>"}
    drawn = page(BOARD, screen(Series(labels=labels, points=[(60.0, 1.0)]), of="Alerts that fire"), 27)
    assert "<td><a>HeldGrowing</a></td><td>ticket</td><td><a>&lt;b&gt;acme&lt;/b&gt;</a></td>" in drawn
    assert "No alert fires" not in drawn


@pytest.mark.parametrize(
    ("panel", "value", "shown"),
    [
        ("Suspended accounts", 1.0, "#f2495c"),
        ("Suspended accounts", 0.0, "#73bf69"),
        ("Backlog", 12345.0, "12,345"),
        ("Oldest", 98.0, "1 min 38 s"),
        ("Provider's breaker", 1.0, ">open<"),
    ],
)
def test_a_tile_has_the_dashboards_colour_word_and_unit(panel: str, value: float, shown: str) -> None:
    """By its thresholds, its words and its unit."""
    assert shown in page(BOARD, screen(Series(labels={}, points=[(60.0, value)]), of=panel), 27)


def test_a_graph_has_a_line_for_each_series() -> None:
    """Named by its legend."""
    series = [Series(labels={"account": name}, points=[(0.0, 0.5), (60.0, 1.0)]) for name in ("acme", "globex")]
    drawn = page(BOARD, screen(*series, of="Rate used, top 10"), 27)
    assert 2 == drawn.count("<polyline")
    assert ">100%</text>" in drawn
    for name in ("acme", "globex"):
        assert f"</i>{name}" in drawn
