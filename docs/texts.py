"""Every text that a user meets, read from the sources: help, errors, metric help, log sentences and other sentences."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("producer/src", "worker/src", "sandbox/src")

Room = Literal["help", "error", "metric", "log", "output", "other", "lua"]

_LOG_METHODS: Final = {"debug", "info", "warning", "error", "critical", "exception"}
_OUTPUT: Final = {"echo", "complain", "say", "print", "secho", "note", "warn", "write"}
_METRICS: Final = {"Counter", "Gauge", "Histogram", "Family", "GaugeMetricFamily", "CounterMetricFamily"}
_HELP_ARGUMENTS: Final = {"help", "description", "epilog", "words", "short_help"}
_COMMAND: Final = {"command", "callback"}
_SENTENCE: Final = re.compile(r"\S+ \S+ \S+")
_LUA_TEXT: Final = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")


@dataclass(frozen=True, slots=True)
class Text:
    """One text.

    Args:
        room: the place where users meet the text.
        path: of the source, from the root of the project.
        line: of the source.
        words: the text; an expression of an f-string stands in braces.
    """

    room: Room
    path: str
    line: int
    words: str

    @property
    def where(self) -> str:
        """The place in the source."""
        return f"{self.path}:{self.line}"


def texts() -> Iterator[Text]:
    """All texts of the three packages, in the order of files and lines."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            name = str(path.relative_to(ROOT))
            if path.suffix == ".py":
                yield from _of_python(name, path.read_text(encoding="utf-8"))
            elif path.suffix == ".lua":
                yield from _of_lua(name, path.read_text(encoding="utf-8"))


def _of_lua(name: str, source: str) -> Iterator[Text]:
    for number, line in enumerate(source.splitlines(), start=1):
        for match in _LUA_TEXT.finditer(line.partition("-- ")[0]):
            words = match[1] or match[2] or ""
            if _SENTENCE.search(words):
                yield Text("lua", name, number, words)


def _of_python(name: str, source: str) -> Iterator[Text]:
    tree = ast.parse(source)
    found: dict[tuple[int, int], Text] = {}
    _visit(tree, "other", name, found)
    yield from sorted(found.values(), key=lambda text: text.line)


def _visit(node: ast.AST, room: Room, name: str, found: dict[tuple[int, int], Text]) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_command, node.decorator_list)):
        _add(ast.get_docstring(node) or "", "help", node, name, found)
    if isinstance(node, ast.Constant | ast.JoinedStr):
        words = _words(node)
        if room == "help" or _SENTENCE.search(words):
            _add(words, room, node, name, found)
        return
    if isinstance(node, ast.Dict) and room == "other":
        for key, value in zip(node.keys, node.values, strict=True):
            named = isinstance(key, ast.Constant) and str(key.value).startswith("paceline_")
            _visit(value, "metric" if named else room, name, found)
        return
    for child in _children(node):
        _visit(child, _room(node, child, room), name, found)


def _add(words: str, room: Room, node: ast.AST, name: str, found: dict[tuple[int, int], Text]) -> None:
    line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    if words.strip():
        found.setdefault((line, column), Text(room, name, line, " ".join(words.split())))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node without its docstring."""
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not (documented and is_text):
            yield child


def _room(parent: ast.AST, child: ast.AST, room: Room) -> Room:
    """The room of a child: a text within a `raise` is an error, whatever stands between."""
    if isinstance(parent, ast.Raise):
        return "error"
    if isinstance(parent, ast.keyword) and parent.arg in _HELP_ARGUMENTS:
        return "help"
    if isinstance(parent, ast.keyword) and parent.arg == "panel":
        return "other"
    if isinstance(parent, ast.Call) and room == "other":
        called = _called(parent)
        if called in _METRICS:
            return "metric"
        if called in {"Command", "example"}:
            return "help"
        if called in _LOG_METHODS and child is not parent.func:
            return "log"
        if called in _OUTPUT:
            return "output"
        if called.endswith(("Error", "Refusal", "refuse", "refused", "BadParameter", "InvalidOperation")):
            return "error"
    return room


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_command(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and _called(decorator) in _COMMAND


def _words(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    parts = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        elif isinstance(value, ast.FormattedValue):
            parts.append("{" + ast.unparse(value.value) + "}")
    return "".join(parts)
