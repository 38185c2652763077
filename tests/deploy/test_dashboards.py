"""The dashboards: what is committed is what the code says, and Prometheus understands and answers every query of them."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from deploy.grafana import build, pages
from deploy.grafana.queries import Expression, committed, expressions, panels, substitute

from tests.deploy import fleets
from tests.deploy.names import LABELS
from tests.support.promtool import promtool, run

GRAFANA = Path(build.__file__).parent

_TEXT = re.compile(r'"[^"]*"')
_BRACES = re.compile(r"(\w+)\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\([^)]*\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_NAME = re.compile(r"\b[a-zA-Z_]\w*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "bool", "sum", "max", "count", "on", "by"}


def every_panel() -> list[Any]:
    return [
        pytest.param(panel, id=f"{found['uid']}: {panel['title']}") for found in committed() for panel in panels(found)
    ]


def metrics_of(expr: str) -> set[str]:
    """Names in an expression that are neither functions nor labels nor words of the language."""
    bare = _BRACES.sub(r"\1", _TEXT.sub("", expr))
    return set(_NAME.findall(_RANGE.sub("", _GROUPING.sub("", bare)))) - _WORDS


def selected_labels(expr: str) -> Iterator[tuple[str, str]]:
    """Each metric with each label it is selected by."""
    for metric, matchers in _BRACES.findall(_TEXT.sub("", expr)):
        for label in re.findall(r"(\w+)\s*[!=]", matchers):
            yield metric, label


def urls(found: Any) -> Iterator[str]:
    """All addresses in a dashboard, however deep."""
    if isinstance(found, dict):
        if isinstance(found.get("url"), str):
            yield found["url"]
        found = list(found.values())
    if isinstance(found, list):
        for inner in found:
            yield from urls(inner)


def test_committed_dashboards_are_what_the_code_says() -> None:
    """Whoever changes a module of deploy/grafana writes the dashboards again."""
    assert build.drift() == []


def test_check_tells_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` names each file that is missing, changed or left over, and fails; after writing it is content."""
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    (tmp_path / "overview.json").write_text("{}", encoding="utf-8")
    (tmp_path / "account.json").unlink()
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert build.main(["--check"]) == 1
    said = [line.split(" ", 1)[0] for line in capsys.readouterr().err.splitlines()]
    assert said == ["account.json", "old.json", "overview.json"]


def test_each_dashboard_has_an_address_of_its_own() -> None:
    """Uids are in addresses that people keep: there are these four."""
    assert sorted(found["uid"] for found in committed()) == sorted(pages.TITLES)


def test_dashboards_carry_nothing_of_one_grafana() -> None:
    """No ids or versions that a Grafana gave, so that any can load them, and a diff shows what was changed."""
    for found in committed():
        assert {"id", "version", "iteration", "gnetId"} & found.keys() == set()


def test_panels_have_ids_that_follow_from_their_titles() -> None:
    """Alerts lead to them, wherever a panel is moved; no two of a dashboard are alike."""
    for found in committed():
        ids = [panel["id"] for panel in found["panels"]]
        assert len(set(ids)) == len(ids)
        assert [pages.panel_id(panel["title"]) for panel in panels(found)] == [panel["id"] for panel in panels(found)]


def test_dashboards_keep_themselves_up_to_date() -> None:
    """They refresh every 10 s, in the time zone of whoever looks."""
    assert [("10s", "browser")] * 4 == [(found["refresh"], found["timezone"]) for found in committed()]


def test_dashboards_let_their_subject_be_chosen() -> None:
    """Each lets the data source be chosen; two have a subject."""
    chosen = {found["uid"]: [one["name"] for one in found["templating"]["list"]] for found in committed()}
    expected = {
        pages.OVERVIEW: ["datasource"],
        pages.ACCOUNT: ["datasource", "account"],
        pages.CAMPAIGN: ["datasource", "campaign"],
        pages.WORKERS: ["datasource"],
    }
    assert expected == chosen


@pytest.mark.parametrize("panel", every_panel())
def test_each_panel_explains_itself(panel: dict[str, Any]) -> None:
    """A panel has a title, says in a sentence what it means, and shows numbers in a unit."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("panel", every_panel())
def test_each_panel_asks_the_chosen_data_source(panel: dict[str, Any]) -> None:
    """A panel has queries, all to the data source that is chosen above."""
    assert panel["targets"]
    assert {"${datasource}"} == {target["datasource"]["uid"] for target in panel["targets"]}


def test_panels_of_a_dashboard_have_different_titles() -> None:
    """So that a person can name one."""
    for found in committed():
        titles = [panel["title"] for panel in panels(found)]
        assert sorted(set(titles)) == sorted(titles)


def test_panels_fill_their_rows_without_overlap() -> None:
    """Panels lie within the 24 columns, and none on another."""
    for found in committed():
        taken: set[tuple[int, int]] = set()
        for panel in found["panels"]:
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert taken & cells == set()
            assert place["x"] + place["w"] <= 24
            taken |= cells


@pytest.mark.parametrize("asked", expressions(), ids=lambda asked: f"{asked.dashboard}: {asked.panel}")
def test_queries_ask_for_metrics_that_exist(asked: Expression) -> None:
    """Names and labels are those of the workers and the exporter."""
    found = metrics_of(asked.expr)
    assert found
    assert found - LABELS.keys() == set()
    assert [] == [pair for pair in selected_labels(asked.expr) if pair[1] not in LABELS[pair[0]]]


def test_links_lead_to_dashboards_that_exist() -> None:
    """Every link within Grafana ends at one of the four; the others lead to runbooks."""
    for found in committed():
        inner = [url for url in urls(found) if url != pages.RUNBOOK_OF_ROW]
        targets = [re.split(r"[?#]", url.removeprefix("/d/"))[0] for url in inner]
        assert targets
        assert set(targets) - pages.TITLES.keys() == set()


def test_the_overview_leads_everywhere() -> None:
    """From the overview's panels one gets to all other dashboards, and from rows of its tables to the account or campaign."""
    (overview,) = (found for found in committed() if found["uid"] == pages.OVERVIEW)
    followed = {url for panel in panels(overview) for url in urls(panel)}
    assert {f"/d/{uid}" for uid in pages.TITLES if uid != pages.OVERVIEW} <= followed
    assert {pages.ACCOUNT_OF_ROW, pages.ACCOUNT_OF_SERIES, pages.CAMPAIGN_OF_ROW} <= followed


def test_events_are_drawn() -> None:
    """Pauses, suspensions, releases, held and released operations are annotations of the overview."""
    asked = {one.panel: one.expr for one in expressions() if one.dashboard == pages.OVERVIEW and one.is_annotation}
    expected = {
        "Paused by the provider": "paceline_account_paused",
        "Suspended": "paceline_account_suspended",
        "Campaign paused": "paceline_campaign_state",
        "Held": "paceline_held_operations",
        "Released": "paceline_held_operations",
        "Provider's breaker open": "paceline_breaker_open",
        "New release": "paceline_build_info",
    }
    assert expected == {name.removeprefix("annotation: "): metrics_of(expr).pop() for name, expr in asked.items()}


def test_provisioning_names_the_data_source_that_dashboards_choose() -> None:
    """The uid of the provisioned data source is the one dashboards choose first, and the folder is where they are mounted."""
    source = (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    provider = (GRAFANA / "provisioning" / "dashboards" / "paceline.yml").read_text(encoding="utf-8")
    assert f"uid: {pages.DATASOURCE_UID}\n" in source
    assert "url: http://prometheus:9090\n" in source
    assert "path: /etc/grafana/dashboards\n" in provider
    for found in committed():
        assert pages.DATASOURCE_UID == found["templating"]["list"][0]["current"]["value"]


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ('x{account="$account"}', 'x{account="acme"}'),
        ('x{account="${account}"}', 'x{account="acme"}'),
        ('x{account="${account:regex}"}', 'x{account="acme"}'),
        ("rate(x[$__rate_interval])", "rate(x[2m])"),
        ("x", "x"),
    ],
)
def test_variables_get_their_values(expr: str, expected: str) -> None:
    """An expression is given to tests as Prometheus would get it."""
    assert expected == substitute(expr, {"account": "acme", "__rate_interval": "2m"})


def test_an_unknown_variable_is_an_error() -> None:
    """A misspelt variable would reach Prometheus as it is."""
    with pytest.raises(KeyError, match="acount"):
        substitute('x{account="$acount"}', {"account": "acme"})


def evaluated(folder: Path, series: Iterable[fleets.Series], cases: Iterable[tuple[str, float | None]]) -> str:
    """What promtool has to complain of: each case is an expression and its only value, None for no value at all."""
    tests = [
        {
            "expr": expr,
            "eval_time": fleets.LAST,
            "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
        }
        for expr, value in cases
    ]
    given = [asdict(one) for one in series]
    suite = {
        "rule_files": [],
        "evaluation_interval": fleets.INTERVAL,
        "tests": [{"interval": fleets.INTERVAL, "input_series": given, "promql_expr_test": tests}],
    }
    # JSON is YAML.
    file = folder / "suite.yml"
    file.write_text(json.dumps(suite), encoding="utf-8")
    done = run("test", "rules", str(file))
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    """As recording rules, all of them pass Prometheus' own parser and type check."""
    rules = [{"record": f"query:{place}", "expr": asked.expr} for place, asked in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", str(file))


@pytest.mark.parametrize("fleet", [fleets.untouched, fleets.idle, fleets.busy], ids=lambda fleet: fleet.__name__)
def test_no_panel_shows_nan(fleet: Any, tmp_path: Path) -> None:
    """Neither before anything happened nor at rest nor at work is a value not a number."""
    # Only NaN differs from itself.
    cases = [(f"count(({one.expr}) != ({one.expr}))", None) for one in expressions()]
    assert evaluated(tmp_path, fleet(), cases) == ""


def test_every_panel_shows_something_of_a_fleet_at_work(tmp_path: Path) -> None:
    """Where everything happens, every query has an answer."""
    # In this evaluation no rule runs, so that no alert fires; tests of the rules look at alerts.
    asked = [one for one in expressions() if not one.is_annotation and "ALERTS{" not in one.expr]
    cases = [(f"count({one.expr}) > bool 0", 1.0) for one in asked]
    assert evaluated(tmp_path, fleets.busy(), cases) == ""


def test_a_panel_without_data_says_so(tmp_path: Path) -> None:
    """In a state that holds nothing yet, a query has an answer or its panel words for having none."""
    asked = [one for one in expressions() if not one.is_annotation and not one.empty]
    cases = [(f"count({one.expr}) > bool 0", 1.0) for one in asked]
    assert evaluated(tmp_path, fleets.untouched(), cases) == ""


def test_a_second_exporter_doubles_nothing(tmp_path: Path) -> None:
    """While one exporter replaces another both are seen, and sums stay what they were."""
    # Asked for no value at all, promtool tells what each query gave.
    cases = [(one.expr, None) for one in expressions()]
    single = evaluated(tmp_path, fleets.busy(), cases)
    assert "got:" in single
    assert single == evaluated(tmp_path, fleets.busy(exporters=2), cases)


def test_an_unreachable_state_is_not_shown_as_nothing_to_do(tmp_path: Path) -> None:
    """While the exporter cannot read the state, no zero is shown in place of what is not known."""
    down = [
        fleets.Series(one.series, one.values.replace("1+0x", "0+0x"))
        for one in fleets.untouched()
        if one.series.startswith("paceline_state_up")
    ]
    names = {"Unaccounted", "Held", "Backlog", "Too late", "Inbox", "Suspended accounts", "Accounts"}
    asked = [one for one in expressions() if one.dashboard == pages.OVERVIEW and one.panel in names]
    assert len(names) == len(asked)
    assert evaluated(tmp_path, down, [(f"count({one.expr})", None) for one in asked]) == ""
