"""The rehearsal of incidents: the dashboards' own queries are asked, and a panel that stays empty is reported."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from deploy.grafana.queries import expressions
from deploy.rehearsal import __main__ as command
from deploy.rehearsal import recording
from deploy.rehearsal.record import asked
from deploy.rehearsal.recording import Answer, Recording, Series
from deploy.rehearsal.review import findings

START, END, STEP = 1_800_000_000.0, 1_800_000_060.0, 5.0
VALUES = {
    "account": "acme",
    "campaign": "spring",
    "__interval": "5s",
    "__rate_interval": "20s",
    "__range": "60s",
}


def recorded(values: Callable[[str], list[float]]) -> Recording:
    """An answer to every query of the dashboards.

    Args:
        values: of the one series of a query; no series without values.
    """
    answers = [
        Answer(kind=kind, expr=expr, series=[Series(labels={}, points=[(END, n) for n in values(expr)])])
        for kind, expr in asked(VALUES)
    ]
    return Recording(start=START, end=END, step=STEP, values=VALUES, events=[], answers=answers)


def test_the_rehearsal_asks_the_queries_of_the_dashboards() -> None:
    """Each query is asked, and no other."""
    assert {expression.expr for expression in expressions(**VALUES)} == {expr for _, expr in asked(VALUES)}


def test_a_recording_with_numbers_everywhere_has_no_findings() -> None:
    """Zero is a number; one finite value among others is enough."""
    assert [] == list(findings(recorded(lambda _: [0.0]), expressions(**VALUES)))
    assert [] == list(findings(recorded(lambda _: [math.nan, 1.0]), expressions(**VALUES)))


@pytest.mark.parametrize(("values", "fault"), [([], "empty"), ([math.nan, math.inf], "no number")])
def test_a_panel_without_numbers_is_a_finding(values: list[float], fault: str) -> None:
    """The finding names the dashboard, the panel and the query."""
    backlog = next(one for one in expressions(**VALUES) if "paceline_backlog_operations" in one.expr and not one.empty)
    recording_ = recorded(lambda expr: values if expr == backlog.expr else [1.0])
    expected = f"{backlog.dashboard}, {backlog.panel}: {fault}: {backlog.expr}"
    assert expected in [str(finding) for finding in findings(recording_, expressions(**VALUES))]


def test_a_panel_that_says_what_nothing_means_may_be_empty() -> None:
    """Panels with a text for "no value", and annotations, are not reported."""
    calm = {expression.expr for expression in expressions(**VALUES) if expression.empty or expression.is_annotation}
    assert calm
    empty = recorded(lambda expr: [] if expr in calm else [1.0])
    assert [] == [finding for finding in findings(empty, expressions(**VALUES)) if finding.expr not in calm]


def test_a_query_that_was_not_asked_is_a_finding() -> None:
    """A panel that is newer than the recording does not pass unseen."""
    full = recorded(lambda _: [1.0])
    first = full.answers[0].expr
    older = full.model_copy(update={"answers": [answer for answer in full.answers if answer.expr != first]})
    assert {(first, "never asked")} == {(one.expr, one.fault) for one in findings(older, expressions(**VALUES))}


@pytest.mark.parametrize(("values", "code"), [([1.0], 0), ([], 1)])
def test_findings_decide_the_exit_code(values: list[float], code: int) -> None:
    """0 without findings, 1 with them; the last sentence counts."""
    said: list[str] = []
    assert code == command.review(recorded(lambda _: values), said.append)
    assert said[-1].endswith(" 0 findings") == (code == 0)
    assert len(said) > 1 or code == 0


def test_a_recording_is_json(tmp_path: Path) -> None:
    """Folders are created; NaN and infinity are words."""
    odd = recorded(lambda _: [math.nan, math.inf])
    recording.write(odd, tmp_path / "new" / "recording.json")
    read = json.loads((tmp_path / "new" / "recording.json").read_text(encoding="utf-8"))
    assert [[END, "NaN"], [END, "Infinity"]] == read["answers"][0]["series"][0]["points"]


@pytest.mark.parametrize("arguments", [["--save"], ["--paint"], ["a.json"]])
def test_bad_usage_is_told_apart(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert 2 == ended.value.code
    assert "usage: python -m deploy.rehearsal" in capsys.readouterr().err


def test_without_prometheus_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the package that brings Prometheus."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert 1 == command.main(["--save", str(tmp_path / "recording.json")])
    (line,) = capsys.readouterr().err.splitlines()
    assert "prometheus is not installed; Debian's package prometheus has it" in line
    assert [] == list(tmp_path.iterdir())
