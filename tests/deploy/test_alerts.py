"""Alerts, their tests and their runbooks: each of the three has its counterparts, and all of them say what is true."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from deploy.grafana.queries import committed, panels
from ruamel.yaml import YAML

from paceline.cli import main
from tests.deploy.names import LABELS
from tests.support.promtool import promtool

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "alerts.yml"
ALERTMANAGER = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
RUNBOOKS = sorted((DEPLOY / "runbooks").glob("*.md"))
SECTIONS = ["Look", "Causes, likeliest first", "Do", "Be calm when"]
# These are about `up`, of targets that show nothing.
OF_NO_METRIC = {"MetricsMissing"}
OTHER_PROGRAMS = {"celery", "curl", "redis-cli"}

_LABELS = re.compile(r"(\w+): ([\w-]+)")
_METRIC = re.compile(r"(?<![\w:/-])(?:paceline|process)_[a-z0-9_]+(?![\w:.])")
_QUOTED = re.compile(r'"[^"]*"')
_SERIES = re.compile(r"[a-zA-Z_:][\w:]*")
_LEADS = re.compile(
    r"http://localhost:3000/d/(?P<uid>[\w-]+)\?(?:var-(?P<variable>\w+)=\{\{ \$labels\.\w+ \}\}&)?viewPanel=(?P<panel>\d+)"
)
_CAMEL_CASE = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")


@dataclass(frozen=True)
class Rule:
    """One alerting rule, as its block of the file has it (promtool proves that the file is YAML)."""

    name: str
    block: str

    @property
    def labels(self) -> dict[str, str]:
        found = re.search(r"^ +labels: \{(.*)\}$", self.block, re.MULTILINE)
        return dict(_LABELS.findall(found[1])) if found else {}

    def annotation(self, name: str) -> str:
        (found,) = re.findall(rf"^ +{name}: '?(.*?)'?$", self.block, re.MULTILINE)
        return str(found)

    @property
    def id(self) -> str:
        return "-".join((self.name, *self.labels.values()))


@dataclass(frozen=True)
class Check:
    """One expectation of a rule test: an alert, and the labels of each that fires."""

    alert: str
    firing: list[dict[str, str]]


def rules() -> list[Rule]:
    blocks = re.split(r"^ +- (?=alert:|record:)", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [Rule(block.split("\n", 1)[0].removeprefix("alert: "), block) for block in blocks if block[0] == "a"]


def metrics_of(rule: Rule) -> set[str]:
    """The metrics it looks at, also by way of recorded series."""
    text = RULES.read_text(encoding="utf-8")
    recorded = {
        name: set(_METRIC.findall(expr))
        for name, expr in re.findall(r"- record: (\S+)\n +expr: \|-\n(.*?)\n(?=\n| +- )", text, re.DOTALL)
    }
    return set(_METRIC.findall(rule.block)).union(*(found for name, found in recorded.items() if name in rule.block))


def checks() -> Iterator[Check]:
    for path in RULE_TESTS:
        for block in path.read_text(encoding="utf-8").split("- eval_time:")[1:]:
            (alert,) = re.findall(r"alertname: (\w+)", block)
            firing = [dict(_LABELS.findall(labels)) for labels in re.findall(r"exp_labels: \{(.*)\}", block)]
            assert firing or "exp_alerts: []" in block, f"{path.name}: {block}"
            yield Check(alert, firing)


def commands(page: str) -> Iterator[list[str]]:
    """Command lines of a page's shell blocks and, of ours, those within its text."""
    for block in re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        yield from (shlex.split(line, comments=True) for line in block.splitlines())
    yield from (shlex.split(line) for line in re.findall(r"(?<!`)`(paceline [^`]+)`", page))


def every_command() -> list[tuple[str, ...]]:
    """Each command of all pages with its options, without what differs from case to case."""
    found = set()
    for path in RUNBOOKS:
        for program, *arguments in commands(path.read_text(encoding="utf-8")):
            if program == "paceline":
                words = takewhile(lambda word: re.fullmatch(r"[a-z]+", word), arguments)
                found.add((*words, *sorted(word for word in arguments if word.startswith("--"))))
            else:
                assert program in OTHER_PROGRAMS, path.name
    return sorted(found)


def test_the_configuration_is_valid() -> None:
    """Prometheus would start with it, and reads the rules."""
    assert "1 rule files found" in promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_the_rules_are_valid() -> None:
    """So are the rules, and no two of one alert look alike."""
    promtool("check", "rules", str(RULES))


@cache
def parsed(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe").load(path)
    return read


def concerned(case: dict[str, Any]) -> dict[str, Any]:
    """The rules that a case can tell apart from any other: without those that it does not name and whose series it does not have.

    Prometheus would evaluate all of them each minute of each case, which takes ten times as long.
    """
    every = [rule for group in parsed(RULES)["groups"] for rule in group["rules"]]
    words = {id(rule): set(_SERIES.findall(_QUOTED.sub("", rule["expr"]))) for rule in every}
    named = {check["alertname"] for check in case["alert_rule_test"]}
    wanted = set().union(*(words[id(rule)] for rule in every if rule.get("alert") in named))
    known = {re.split("[{ ]", series["series"])[0] for series in case["input_series"]}
    kept: set[int] = set()
    for rule in [*every, *every]:  # also what is recorded of what is recorded
        if words[id(rule)] & known or rule.get("alert") in named or rule.get("record") in wanted:
            kept.add(id(rule))
            known |= {rule["record"]} if "record" in rule else set()
    groups = (
        {**group, "rules": [one for one in group["rules"] if id(one) in kept]} for group in parsed(RULES)["groups"]
    )
    return {"groups": [group for group in groups if group["rules"]]}


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_keep_silent_as_described(path: Path, tmp_path: Path) -> None:
    """Each case: these series, and then these alerts with these labels and these words."""
    described = parsed(path)
    assert [RULES.resolve()] == [(path.parent / file).resolve() for file in described["rule_files"]]
    asked = []
    for number, case in enumerate(described["tests"]):
        rule_file, test_file = tmp_path / f"rules-{number}.yml", tmp_path / f"test-{number}.yml"
        rule_file.write_text(json.dumps(concerned(case)), encoding="utf-8")  # JSON is YAML
        one = {**described, "rule_files": [rule_file.name], "tests": [case]}
        test_file.write_text(json.dumps(one), encoding="utf-8")
        asked.append(str(test_file))
    promtool("test", "rules", *asked)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_fires_in_one_case_and_its_alert_is_silent_in_another(rule: Rule) -> None:
    """Both are in the rule tests: one that never fires, and one that always does, would be noticed."""
    of_alert = [check.firing for check in checks() if check.alert == rule.name]
    assert [] in of_alert
    assert any(rule.labels.items() <= labels.items() for firing in of_alert for labels in firing)


def test_no_test_is_about_an_alert_that_does_not_exist() -> None:
    """What is expected to be silent has to be able to fire: a wrong name would be silent for ever."""
    assert {rule.name for rule in rules()} == {check.alert for check in checks()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_says_how_urgent_it_is_and_where_to_read_on(rule: Rule) -> None:
    """Two severities, a line and a sentence, its own runbook, and a panel that exists."""
    assert rule.labels["severity"] in {"page", "ticket"}
    assert not rule.annotation("summary").endswith(".")
    assert rule.annotation("description").endswith((".", ".{{ end }}"))
    assert rule.annotation("runbook_url") == f"https://paceline.example/deploy/runbooks/{rule.name}.md"
    leads = _LEADS.fullmatch(rule.annotation("dashboard"))
    assert leads
    page = {page["uid"]: page for page in committed()}[leads["uid"]]
    assert leads["variable"] is None or leads["variable"] in [one["name"] for one in page["templating"]["list"]]
    assert int(leads["panel"]) in [panel["id"] for panel in panels(page)]


@pytest.mark.parametrize("rule", [rule for rule in rules() if rule.name not in OF_NO_METRIC], ids=lambda rule: rule.id)
def test_an_alert_leads_to_a_panel_about_what_it_is_about(rule: Rule) -> None:
    """One of the metrics it looks at is shown there."""
    leads = _LEADS.fullmatch(rule.annotation("dashboard"))
    assert leads
    page = {page["uid"]: page for page in committed()}[leads["uid"]]
    (panel,) = (panel for panel in panels(page) if panel["id"] == int(leads["panel"]))
    shown = {metric for target in panel["targets"] for metric in _METRIC.findall(target["expr"])}
    assert shown & metrics_of(rule)


def test_metrics_of_the_rules_exist() -> None:
    """Each is one that workers or the exporter show."""
    used = set(_METRIC.findall(RULES.read_text(encoding="utf-8")))
    assert used
    assert used <= set(LABELS)


def test_metrics_of_the_rule_tests_exist() -> None:
    """With their labels: a test whose series could never come would prove nothing."""
    for path in RULE_TESTS:
        for name, labels in re.findall(r"- series: '(\w+)(?:\{(.*)\})?'", path.read_text(encoding="utf-8")):
            assert set(re.findall(r"(\w+)=", labels)) <= LABELS[name], f"{path.name}: {name}"


def test_metrics_of_the_runbooks_exist() -> None:
    """What a page tells to look at is there."""
    for path in RUNBOOKS:
        page = path.read_text(encoding="utf-8").replace("celery -A paceline_worker", "")
        assert set(_METRIC.findall(page)) <= set(LABELS), path.name


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    """Whoever is woken up finds a page."""
    assert sorted({rule.name for rule in rules()}) == [path.stem for path in RUNBOOKS]


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_answers_the_same_questions_in_the_same_order(path: Path) -> None:
    """What it means, what users feel, where to look, why, what to do, and when not to worry; on one screen or two."""
    page = path.read_text(encoding="utf-8")
    assert page.startswith(f"# {path.stem}\n\n")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS
    assert "\n**Users feel:** " in page
    assert page.count("\n") < 70
    assert set(_CAMEL_CASE.findall(page)) - {"WhatsApp"} <= {rule.name for rule in rules()}


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_commands_of_the_runbooks_exist(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Each with each of its options: nobody should find out at night that a page is out of date."""
    words = [word for word in command if not word.startswith("--")]
    assert 0 == main([*words, "--help"])
    described = capsys.readouterr().out
    assert f"Usage: paceline {' '.join(words)}" in described
    assert [option for option in command if option.startswith("--") and f"{option} " not in described] == []


def test_alertmanager_speaks_of_alerts_that_exist() -> None:
    """A name in an inhibition is an alert's, and a receiver that is told is declared."""
    named = re.findall(r'alertname=~?"([\w|]+)"', ALERTMANAGER)
    assert named
    assert {name for names in named for name in names.split("|")} <= {rule.name for rule in rules()}
    declared = set(re.findall(r"^  - name: (\w+)$", ALERTMANAGER, re.MULTILINE))
    assert {"page", "ticket"} == declared == set(re.findall(r"^ +receiver: (\w+)$", ALERTMANAGER, re.MULTILINE))
