"""The house stays one to live in: rooms that one sees at a glance, files and functions that fit into one reading."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import paceline
import paceline_sandbox
import paceline_worker

HOMES = [Path(str(package.__file__)).parent for package in (paceline, paceline_worker, paceline_sandbox)]
MODULES = [path for home in HOMES for path in sorted(home.rglob("*.py"))]
MOST_MODULES = 15
MOST_LINES = 400
MOST_OF_A_FUNCTION = 50
# A function may be longer for a reason, which stands above it or opens its body.
REASON = "# Long, because "


def place(path: Path) -> str:
    """A path from its package on."""
    return str(path.relative_to(next(home for home in HOMES if path.is_relative_to(home)).parent))


def functions(path: Path) -> Iterator[tuple[str, int, str]]:
    """Each function of a module: its name, the lines of its body without its docstring, and its text with the line above it."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                assert node.end_lineno
                yield (
                    node.name,
                    node.end_lineno - body[0].lineno + 1,
                    "\n".join(lines[node.lineno - 2 : node.end_lineno]),
                )


def test_no_folder_has_more_modules_than_one_sees_at_a_glance() -> None:
    """Beside the file that makes the folder a package."""
    folders = Counter(place(path.parent) for path in MODULES if path.name != "__init__.py")
    assert {} == {folder: number for folder, number in folders.items() if number > MOST_MODULES}


def test_no_module_is_longer_than_one_sitting() -> None:
    """What grows beyond it becomes two rooms."""
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {} == {name: lines for name, lines in lengths.items() if lines > MOST_LINES}


def test_a_long_function_says_why() -> None:
    """Beyond a screen of lines, its docstring not counted."""
    assert [] == [
        f"{place(path)}: {name} has {lines} lines"
        for path in MODULES
        for name, lines, text in functions(path)
        if lines > MOST_OF_A_FUNCTION and REASON not in text
    ]
