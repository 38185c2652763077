"""The pictures of the dashboards: what is drawn is what was recorded, in the words that Grafana would use."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy.grafana.queries import committed, expressions, panels
from deploy.pictures import __main__ as command
from deploy.pictures import heatmap, page, recording, stat, table, timeline, units
from deploy.pictures.panel import Named, Panel, Target, legend
from deploy.pictures.record import asked
from deploy.pictures.recording import Answer, Event, Recording, Series
from deploy.pictures.scene import stretches
from deploy.pictures.theme import NAMED, TEXT

ROOT = Path(__file__).parents[2]
NAMES = ("overview", "account", "campaign", "workers")
PNG = b"\x89PNG\r\n\x1a\n"
START, END, STEP = 1_800_000_000.0, 1_800_000_060.0, 5.0
VALUES = {
    "account": "acme",
    "campaign": "spring",
    "__interval": "5s",
    "__rate_interval": "20s",
    "__range": "60s",
}
LABELS = {"account": "acme", "campaign": "spring", "state": "running", "priority": "bulk", "reason": "manual"}


def answers(growth: float = 1.0) -> Iterator[Answer]:
    """Something for every query: of a range two series that grow, of a moment one."""
    times = [START + place * STEP for place in range(13)]
    for kind, expr in asked(VALUES):
        if kind == "instant":
            yield Answer(kind=kind, expr=expr, series=[Series(labels=LABELS, points=[(END, growth)])])
        else:
            grown = [
                Series(labels={**LABELS, "le": le}, points=[(at, factor * growth * (at - START)) for at in times])
                for factor, le in ((1, "0.01"), (2, "+Inf"))
            ]
            yield Answer(kind=kind, expr=expr, series=grown)


def made(found: Iterator[Answer] | None = None) -> Recording:
    shown = list(answers() if found is None else found)
    events = [Event(at=START + 10, text="the provider answers 503")]
    return Recording(start=START, end=END, step=STEP, values=VALUES, events=events, answers=shown)


def panel(**fields: Any) -> Panel:
    """A panel with nothing special but what is given."""
    plain: dict[str, Any] = {
        "type": "stat",
        "title": "Held",
        "gridPos": {"x": 0, "y": 0, "w": 3, "h": 4},
        "targets": [],
        "fieldConfig": {"defaults": {}, "overrides": []},
    }
    return Panel.read({**plain, **fields}, VALUES)


def named(value: float, name: str = "", ref: str = "A", **labels: str) -> Named:
    return Named(ref, name, labels, [(END, value)])


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12345, "locale", "12,345"),
        (0, "locale", "0"),
        (0.05612, "locale", "0.056"),
        (9.9756, "ops", "9.98 ops/s"),
        (0.164, "ops", "0.164 ops/s"),
        (2_500, "ops", "2.50K ops/s"),
        (0, "ops", "0 ops/s"),
        (0, "s", "0 s"),
        (0.000_004_2, "s", "4.20 µs"),
        (0.0421, "s", "42.1 ms"),
        (1.5, "s", "1.50 s"),
        (90, "s", "1.50 mins"),
        (7_200, "s", "2 hours"),
        (86_400 * 3, "s", "3 days"),
        (0, "dtdurations", "0 seconds"),
        (1, "dtdurations", "1 second"),
        (150, "dtdurations", "2 minutes"),
        (3_600, "dtdurations", "1 hour"),
        (-150, "dtdurations", "2 minutes ago"),
        (6 * 86_400, "dtdurations", "6 days"),
        (0.984, "percentunit", "98.4%"),
        (1, "percentunit", "100%"),
        (0.0025, "percentunit", "0.250%"),
        (0, "bytes", "0 B"),
        (1_536, "bytes", "1.50 KiB"),
        (104_857_600, "bytes", "100 MiB"),
        (1, "bool_yes_no", "Yes"),
        (3.14159, "a unit of which nobody has heard", "3.14"),
        (math.nan, "ops", "NaN"),
        (math.inf, "s", "∞"),
    ],
)
def test_numbers_are_written_as_grafana_does(value: float, unit: str, expected: str) -> None:
    """Three figures, the unit that suits, thousands with a comma where things are counted."""
    assert expected == units.formatted(value, unit)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (5, "in a few seconds"),
        (60, "in a minute"),
        (230, "in 4 minutes"),
        (3_600, "in an hour"),
        (5 * 3_600, "in 5 hours"),
        (26 * 3_600, "in a day"),
        (9 * 86_400, "in 9 days"),
        (-230, "4 minutes ago"),
    ],
)
def test_moments_are_told_from_now(seconds: float, expected: str) -> None:
    """The moment of the recording's end is now, so a picture says the same whenever it is drawn."""
    assert expected == units.formatted((END + seconds) * 1000, "dateTimeFromNow", END)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (10, "ops", "10 ops/s"),
        (2.5, "ops", "2.5 ops/s"),
        (0.2, "percentunit", "20%"),
        (0.025, "s", "25 ms"),
        (2_000, "locale", "2,000"),
        (0.06, "locale", "0.06"),
        (0, "locale", "0"),
        (50 * 1024 * 1024, "bytes", "50 MiB"),
    ],
)
def test_axes_leave_out_what_says_nothing(value: float, unit: str, expected: str) -> None:
    """Zeros after the point are for values that change, not for round ones beside a grid."""
    assert expected == units.on_axis(value, unit)


def test_every_unit_of_the_dashboards_is_known() -> None:
    """A unit that is new on a dashboard would be left out of its picture."""
    used = {value for found in committed() for one in panels(found) for value in units_of(one)}
    assert used
    assert used - units.known() == set()


def units_of(found: dict[str, Any]) -> Iterator[str]:
    yield found["fieldConfig"]["defaults"]["unit"]
    for override in found["fieldConfig"]["overrides"]:
        yield from (one["value"] for one in override["properties"] if one["id"] == "unit")
    if "unit" in found["options"].get("yAxis", {}):
        yield found["options"]["yAxis"]["unit"]


@pytest.mark.parametrize(
    ("form", "labels", "expected"),
    [
        ("alive", {}, "alive"),
        ("{{account}}", {"account": "acme"}, "acme"),
        ("{{ account }}", {"account": "acme"}, "acme"),
        ("{{priority}}, p95", {"priority": "bulk"}, "bulk, p95"),
        ("retry: {{reason}}", {"reason": "overloaded"}, "retry: overloaded"),
        ("{{reason}}", {}, ""),
        ("", {"__name__": "up", "job": "worker", "instance": "w1"}, 'up{instance="w1", job="worker"}'),
        ("", {"__name__": "up"}, "up"),
        ("", {}, "max(up)"),
    ],
)
def test_legends_name_series(form: str, labels: dict[str, str], expected: str) -> None:
    """Labels stand in place of their names; a series without words of its own is called as Prometheus writes it."""
    assert expected == legend(Target("A", "range", "max(up)", form), labels)


def test_every_type_of_panel_has_a_drawing() -> None:
    """A dashboard that begins to use another type is noticed here, not by whoever looks at the picture."""
    used = {one["type"] for found in committed() for one in panels(found)}
    assert used - page.DRAWINGS.keys() == set()


def test_rows_that_are_left_out_exist() -> None:
    """Whoever renames a row of a dashboard, of which pictures show nothing, is told."""
    rows = {found["uid"]: {one["title"] for one in found["panels"] if one["type"] == "row"} for found in committed()}
    assert [] == [(uid, title) for uid, titles in page.LEFT_OUT.items() for title in titles if title not in rows[uid]]


def test_what_is_recorded_is_what_the_dashboards_ask() -> None:
    """Each of their expressions, and none besides."""
    found = [expr for _, expr in asked(VALUES)]
    assert {one.expr for one in expressions(**VALUES)} == set(found)


@pytest.mark.parametrize(
    ("value", "mode", "alone", "expected"),
    [
        (0, "auto", True, ("", "closed", NAMED["green"])),
        (1, "auto", True, ("", "open", NAMED["red"])),
        (2, "auto", True, ("", "2", TEXT)),
        (5, "auto", True, ("", "5", NAMED["orange"])),
        (2, "auto", False, ("acme", "2", TEXT)),
        (2, "value_and_name", True, ("acme", "2", TEXT)),
        (2, "name", True, ("", "acme", TEXT)),
        (2, "value", False, ("", "2", TEXT)),
    ],
)
def test_single_numbers_have_words_and_colours(
    value: float, mode: str, *, alone: bool, expected: tuple[str, str, str]
) -> None:
    """Words in place of a value come before thresholds; names are said where the title does not say enough."""
    words = {"0": {"text": "closed", "color": "green"}, "1": {"text": "open", "color": "red"}}
    defaults = {
        "unit": "locale",
        "mappings": [{"type": "value", "options": words}],
        "thresholds": {"steps": [{"value": None, "color": "text"}, {"value": 5, "color": "orange"}]},
    }
    shown = panel(fieldConfig={"defaults": defaults, "overrides": []}, options={"textMode": mode})
    assert stat.Said(*expected) == stat.said(shown, named(value, "acme"), alone=alone, now=END)


def test_rows_of_tables_are_joined_by_their_labels() -> None:
    """As Grafana's transformations do it: a row for each account, columns renamed, the largest first, gaps left empty."""
    names = {"account": "Account", "Value #A": "Backlog", "Value #B": "Allowed"}
    organize = {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}}
    shown = panel(
        targets=[{"refId": ref, "expr": ref, "instant": True} for ref in "AB"],
        transformations=[{"id": "merge", "options": {}}, organize],
        options={"sortBy": [{"displayName": "Backlog", "desc": True}]},
    )
    found = [named(3, account="acme"), named(7, account="globex"), named(0.16, ref="B", account="acme")]
    expected = table.Table(("Account", "Backlog", "Allowed"), (("globex", 7, None), ("acme", 3, 0.16)))
    assert expected == table.joined(shown, found)


def test_buckets_of_histograms_are_taken_apart() -> None:
    """Prometheus counts what is below a bound; what lies between two of them is the difference."""
    found = [named(9, le="+Inf"), named(4, le="0.1"), named(3, le="0.01")]
    expected = [(0.01, [(END, 3)]), (0.1, [(END, 1)]), (math.inf, [(END, 5)])]
    assert expected == heatmap.buckets(found)


def test_lines_are_broken_where_nothing_was_recorded() -> None:
    """A gap, or a value that is no number, is not drawn over."""
    points = [(0.0, 1.0), (1.0, 2.0), (5.0, 3.0), (6.0, math.nan), (7.0, 4.0)]
    assert [[(0, 1), (1, 2)], [(5, 3)], [(7, 4)]] == list(stretches(points, 1.0))


def test_states_last_until_the_next_one() -> None:
    """Of a state that is seen at each step nothing but its first and last moment matters."""
    points = [(0.0, 0.0), (1.0, 0.0), (2.0, 1.0), (3.0, 1.0), (9.0, 0.0)]
    assert [(0, 2, 0), (2, 3, 1), (9, 9, 0)] == timeline.spans(points, 1.0)


def test_a_recording_is_drawn_without_recording_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--recording FILE` makes one picture of each dashboard, with all its panels, small enough to be looked at on the web."""
    recording.write(made(), tmp_path / "recording.json")
    assert 0 == command.main(["--recording", str(tmp_path / "recording.json"), "--images", str(tmp_path / "images")])
    assert sorted(f"{name}.png" for name in NAMES) == sorted(path.name for path in (tmp_path / "images").iterdir())
    for path in (tmp_path / "images").iterdir():
        assert path.read_bytes().startswith(PNG)
        assert path.stat().st_size < 300_000
    said = capsys.readouterr().err
    assert len(NAMES) == len(said.splitlines())
    assert "not drawn" not in said


def test_pictures_are_of_what_was_recorded(tmp_path: Path) -> None:
    """The same recording gives the same picture, another one another."""
    (campaign,) = (found for found in committed() if found["uid"] == "paceline-campaign")
    for name, growth in (("one", 1.0), ("same", 1.0), ("other", 2.0)):
        assert [] == page.draw(campaign, made(answers(growth)), tmp_path / name)
    one, same, other = ((tmp_path / name).read_bytes() for name in ("one", "same", "other"))
    assert one == same
    assert one != other


def test_what_cannot_be_drawn_is_counted_and_named(tmp_path: Path) -> None:
    """A type without a drawing, and panels and events that a recording is too old for, are told, and the rest is drawn."""
    strange = {
        "type": "geomap",
        "title": "Where",
        "gridPos": {"x": 0, "y": 5, "w": 3, "h": 4},
        "targets": [{"expr": "up"}],
        "fieldConfig": {"defaults": {}, "overrides": []},
    }
    unknown = {**strange, "type": "stat", "title": "Unheard of", "targets": [{"expr": "up{x='$nobody'}"}]}
    (workers,) = (found for found in committed() if found["uid"] == "paceline-workers")
    older = {**workers, "panels": [*workers["panels"], strange, unknown]}
    known = [one for one in answers() if "paceline_build_info" not in one.expr]
    expected = ["annotation: New release", "Where", "Unheard of", "Workers by release"]
    assert sorted(expected) == sorted(page.draw(older, made(iter(known)), tmp_path / "workers.png"))


def test_the_command_tells_how_much_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, for each picture."""
    recording.write(made(iter(())), tmp_path / "recording.json")
    assert 0 == command.main(["--recording", str(tmp_path / "recording.json"), "--images", str(tmp_path)])
    lines = capsys.readouterr().err.splitlines()
    assert len(NAMES) == len([line for line in lines if " not drawn: " in line])


def test_numbers_that_are_none_survive_the_file(tmp_path: Path) -> None:
    """A recording read back is the one that was written, NaN and infinity included."""
    odd = Answer(
        kind="range", expr="up", series=[Series(labels={}, points=[(1, math.nan), (2, math.inf), (3, -math.inf)])]
    )
    recording.write(made(iter([odd])), tmp_path / "recording.json")
    ((found,),) = (one.series for one in recording.read(tmp_path / "recording.json").answers)
    assert ["nan", "inf", "-inf"] == [str(value) for _, value in found.points]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is no recording: Invalid JSON"),
        ("{", "is no recording: Invalid JSON"),
        ("[]", "is no recording: "),
        ("{}", "is no recording: start: Field required"),
        ('{"version": 2}', "is no recording: version: "),
        (made(iter(())).model_dump_json().replace('"step":5.0', '"step":0'), "is no recording: it has to end after"),
        (made(iter(())).model_dump_json().replace("1800000060", "1700000000"), "is no recording: it has to end after"),
        (made().model_dump_json().replace('"kind":"instant"', '"kind":"seldom"'), "is no recording: answers."),
    ],
)
def test_a_malformed_recording_is_one_sentence(
    text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the file's name, and the first thing that is wrong."""
    (tmp_path / "recording.json").write_text(text, encoding="utf-8")
    assert 1 == command.main(["--recording", str(tmp_path / "recording.json"), "--images", str(tmp_path / "images")])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"recording.json {expected}" in line
    assert not (tmp_path / "images").exists()


def test_a_missing_recording_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1."""
    assert 1 == command.main(["--recording", str(tmp_path / "none.json"), "--images", str(tmp_path)])
    assert "none.json cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--recording"], ["--paint"], ["--recording", "a.json", "--save", "b.json"], ["a.json"]]
)
def test_bad_usage_is_told_apart(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert 2 == ended.value.code
    assert "usage: python -m deploy.pictures" in capsys.readouterr().err


def test_without_prometheus_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is looked for first; the message says where it can be had."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert 1 == command.main(["--save", str(tmp_path / "recording.json"), "--images", str(tmp_path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert "prometheus is not installed; Debian's package prometheus has it" in line
    assert [] == list(tmp_path.iterdir())


def test_without_matplotlib_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording of four minutes that cannot be drawn would be a pity."""
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "matplotlib" else name)
    assert 1 == command.main([])
    (line,) = capsys.readouterr().err.splitlines()
    assert "matplotlib is not installed" in line


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_shows_each_dashboard(name: str) -> None:
    """README.md links a picture of each, which is there and is one."""
    assert f"docs/images/{name}.png" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "images" / f"{name}.png").read_bytes().startswith(PNG)


def test_each_dashboard_has_its_picture() -> None:
    """Pictures are named after the dashboards' uids; none is left over."""
    expected = sorted(f"{found['uid'].removeprefix('paceline-')}.png" for found in committed())
    assert expected == sorted(path.name for path in (ROOT / "docs" / "images").iterdir())
