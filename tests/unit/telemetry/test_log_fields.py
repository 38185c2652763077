"""The fields of a log are a contract: what our calls log and what docs/operating.md lists are the same, and never private."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import structlog

from paceline_worker.telemetry.logs import configure

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*(ROOT / "producer" / "src").rglob("*.py"), *(ROOT / "worker" / "src").rglob("*.py")])
ALWAYS = ["timestamp", "level", "logger", "event"]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "warn", "log", "msg"}
# Of the logging library itself; none of them reaches a line under its own name.
OPTIONS = {"exc_info", "stack_info", "stacklevel"}
PRIVATE = {"to", "sender", "number", "recipient", "text", "words", "body", "payload", "key", "secret", "url"}


@dataclass(frozen=True)
class Logged:
    """One call of a logger."""

    where: str
    level: str
    event: ast.expr | None
    fields: tuple[str | None, ...]


def calls(source: str, where: str = "") -> Iterator[Logged]:
    """Every call of a logger in a module, and what binds fields to one."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        loggers = isinstance(call.func.value, ast.Name) and call.func.value.id in ("log", "logger")
        if (loggers and call.func.attr in LEVELS | {"bind", "new"}) or call.func.attr == "bind_contextvars":
            fields = tuple(each.arg for each in call.keywords if each.arg not in OPTIONS)
            event = call.args[0] if call.args else None
            yield Logged(f"{where}:{call.lineno}", call.func.attr, event, fields)


@cache
def found() -> list[Logged]:
    """All calls of the sources. Not read before a test asks: every process of a run collects this module."""
    return [each for path in SOURCES for each in calls(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))]


def used() -> set[str | None]:
    """All fields."""
    return {field for each in found() for field in each.fields}


def documented() -> list[tuple[list[str], str]]:
    """The rows of the table of fields: names, and when they are there."""
    operating = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    (rows,) = re.findall(r"^\| field \| there \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", operating, re.MULTILINE)
    cells = [row.split("|")[1:3] for row in rows.splitlines()]
    return [(re.findall(r"`(\w+)`", names), there.strip()) for names, there in cells]


def test_what_is_logged_is_documented_and_nothing_else() -> None:
    """A new name, or one that nobody logs any more, changes the table too."""
    listed = [name for names, _ in documented() for name in names]
    assert sorted({*ALWAYS, "exception"} | {str(field) for field in used()}) == sorted(listed)


def test_the_same_four_are_always_there() -> None:
    """The table says so of these four and of no other."""
    assert ALWAYS == [name for names, there in documented() for name in names if there == "always"]


def test_no_field_is_named_after_what_is_private() -> None:
    """Ids and account names only; and no fields unpacked from somewhere, which nobody could list."""
    assert set() == used() & (PRIVATE | {None})


def test_events_can_be_searched_for() -> None:
    """An event is a fixed sentence; what varies is in fields (or in arguments, of the standard module)."""
    assert [] == [each.where for each in found() if each.level in LEVELS and not isinstance(each.event, ast.Constant)]


def test_the_reading_of_sources_finds_calls() -> None:
    """It does not pass over the modules that log."""
    files = {Path(each.where.partition(":")[0]).name for each in found()}
    assert {"hints.py", "dispatcher.py", "engine.py", "runtime.py", "__main__.py"} <= files


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        (("account", "code"), 'log.error("account suspended", account=name, code=code)'),
        ((), 'log.exception("stumbled")'),
        ((), 'logger.warning("lost %s", it, exc_info=True)'),
        (("extra",), 'logger.warning("lost", extra={"number": it})'),
        ((None,), 'log.info("sent", **fields)'),
        (("operation",), "log.bind(operation=id)"),
        (("operation",), "structlog.contextvars.bind_contextvars(operation=id)"),
    ],
)
def test_the_fields_of_a_call(fields: tuple[str | None, ...], source: str) -> None:
    """Keywords are fields; what is bound counts too."""
    (call,) = calls(source)
    assert fields == call.fields


def test_a_log_file_has_the_same_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--logfile`: all lines go there, and none to stderr."""
    root, path = logging.getLogger(), tmp_path / "worker.log"
    before = (root.handlers[:], root.level)
    try:
        configure("json", path=str(path))
        structlog.get_logger("paceline_worker.delivery.engine").warning("sent", operation="01op")
        logging.getLogger("celery").error("lost %s", "it")
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [("sent", "paceline_worker.delivery.engine"), ("lost it", "celery")] == [
            (line["event"], line["logger"]) for line in lines
        ]
        assert [{*ALWAYS, "operation"}, {*ALWAYS}] == [set(line) for line in lines]
        assert "" == capsys.readouterr().err
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:], level = before
        root.setLevel(level)
        structlog.reset_defaults()
