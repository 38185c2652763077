"""One handler for our logs and for those of libraries; a line of a log is one line."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from paceline_worker.telemetry.logs import configure

Logs = Callable[..., list[str]]
CORPUS = ["a\r\nforged", "a\nforged", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\x00b"]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Logs]:
    """Configures logs in one style, lets something be logged, and gives the lines of stderr."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    chatty = [logging.getLogger(name) for name in ("celery.worker.strategy", "celery.app.trace")]

    def lines(style: Literal["console", "json"], write: Callable[[], Any], **options: Any) -> list[str]:
        configure(style, **options)
        write()
        return capsys.readouterr().err.removesuffix("\n").split("\n")

    yield lines
    root.handlers[:], level = before
    root.setLevel(level)
    for logger in chatty:
        logger.setLevel(logging.NOTSET)
    structlog.reset_defaults()


def ours(event: str = "sent", **fields: Any) -> Callable[[], Any]:
    return lambda: structlog.get_logger("paceline_worker.delivery.engine").warning(event, **fields)


def test_json_is_one_object_a_line(written: Logs) -> None:
    """Level, logger and UTC time come with every event."""
    (line,) = written("json", ours(operation="01op"))
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "event": "sent",
        "level": "warning",
        "logger": "paceline_worker.delivery.engine",
        "operation": "01op",
    }


def test_logs_of_libraries_have_the_same_form(written: Logs) -> None:
    """What a library logs with the standard module goes through the same handler."""
    (line,) = written("json", lambda: logging.getLogger("celery").error("lost %s", "it"))
    found = json.loads(line)
    assert ("lost it", "error", "celery") == (found["event"], found["level"], found["logger"])


def test_an_exception_in_json_is_one_line(written: Logs) -> None:
    """A traceback does not break the form."""

    def fail() -> None:
        try:
            int("why")
        except ValueError:
            structlog.get_logger("x").exception("stumbled")

    (line,) = written("json", fail)
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_the_level_is_respected(written: Logs) -> None:
    """What is below the level is not written."""
    assert written("json", lambda: structlog.get_logger("x").info("quiet"), level="ERROR") == [""]


def test_one_line_per_task_is_too_many(written: Logs) -> None:
    """Celery's two lines for every task are left out."""
    assert written("json", lambda: logging.getLogger("celery.app.trace").info("Task succeeded")) == [""]


@pytest.mark.parametrize("text", CORPUS)
def test_json_escapes_control_characters(text: str, written: Logs) -> None:
    """A value cannot forge a line, nor reach a terminal."""
    (line,) = written("json", ours(text, error=text))
    found = json.loads(line)
    assert (text, text) == (found["event"], found["error"])
    assert line.isprintable() or not any(ord(c) < 32 for c in line)


class Shown:
    """Shows itself as a text, as many a library's objects do."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize("text", CORPUS)
def test_a_field_does_not_reach_the_terminal(text: str, written: Logs) -> None:
    """On the console, line breaks, escape sequences and other control characters in a field are escaped."""
    for value in (text, [text], Shown(text)):
        (line,) = written("console", ours(error=value))
        assert line.isprintable()


@pytest.mark.parametrize("text", CORPUS)
def test_an_event_does_not_reach_the_terminal(text: str, written: Logs) -> None:
    """On the console, what we or a library log cannot forge another line, nor colour the terminal."""
    for write in (ours(text), lambda: logging.getLogger("celery").warning("refused: %s", text)):
        (line,) = written("console", write)
        assert line.isprintable()


@pytest.mark.parametrize("text", CORPUS)
@pytest.mark.parametrize("logger", [structlog.get_logger("x"), logging.getLogger("celery")])
def test_a_traceback_cannot_forge_a_line(text: str, logger: Any, written: Logs) -> None:
    """On the console a traceback has lines of its own, each indented and without other control characters."""
    nothing: dict[Shown, str] = {}

    def fail() -> None:
        try:
            nothing[Shown(f"{text}\nforged")]
        except KeyError:
            logger.exception("stumbled")

    event, *trace = written("console", fail)
    assert "stumbled" in event
    assert any(line.startswith("  KeyError: ") for line in trace)
    assert "  forged" in trace
    assert [] == [line for line in (event, *trace) if not line.isprintable()]
    assert [] == [line for line in trace if not line.startswith("  ")]


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_shows_no_local_variables(style: Literal["console", "json"], written: Logs) -> None:
    """Locals are people's numbers and texts: no traceback has them, whatever libraries are installed."""

    def fail() -> None:
        number = "".join(["+1555", "0100002"])
        try:
            int(number[:1])
        except ValueError:
            structlog.get_logger("x").exception("stumbled")

    assert "+15550100002" not in "".join(written(style, fail))


def test_a_terminal_gets_colours(written: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The renderer's own colours stay; those of a value do not."""

    def write() -> None:
        structlog.get_logger("x").warning("sent", error="\x1b[2J")

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    (line,) = written("console", write)
    assert "\x1b[" in line
    assert "\x1b[2J" not in line
    assert "\\x1b[2J" in line
