import ast
import inspect
import re
from pathlib import Path

import pytest

import paceline
import paceline_sandbox
import paceline_worker
from paceline import errors

TREE = {
    "PacelineError": {"Exception"},
    "ConfigurationError": {"PacelineError"},
    "InvalidOperation": {"PacelineError", "ValueError"},
    "InvalidRow": {"InvalidOperation"},
    "StateUnavailable": {"PacelineError"},
    "Refusal": {"PacelineError"},
    "UnknownAccount": {"Refusal"},
    "UnknownSender": {"Refusal"},
    "CampaignConflict": {"Refusal"},
    "Conflict": {"Refusal"},
    "AlreadyBegun": {"Refusal"},
    "NotFound": {"PacelineError"},
    "NotYetAccepted": {"PacelineError", "TimeoutError"},
    "NotYetSettled": {"PacelineError", "TimeoutError"},
    "OutcomesTrimmed": {"PacelineError"},
}
CLASSES: dict[str, type[Exception]] = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)
}


def test_the_tree_is_pinned() -> None:
    """Callers catch these classes, so their names and bases do not change."""
    assert {name: {base.__name__ for base in kind.__bases__} for name, kind in CLASSES.items()} == TREE


def test_the_tree_is_drawn_at_the_top() -> None:
    """The picture in the module's docstring has every class."""
    picture, _, _ = (errors.__doc__ or "").partition("::")[2].partition("Errors of single rooms")
    assert set(TREE) == set(re.findall(r"^[ │├└─]*([A-Z]\w+)", picture, re.MULTILINE))


def declared() -> dict[str, str]:
    """Errors of all packages outside errors.py that a caller of Paceline catches as one of ours: name and base."""
    found = {}
    for package in (paceline, paceline_worker, paceline_sandbox):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            if path == Path(errors.__file__):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in TREE]
                    if bases and not node.name.startswith("_"):
                        found[node.name] = bases[0]
    return found


def test_errors_of_single_rooms_are_listed_too() -> None:
    """One page shows the whole tree, wherever a class is declared."""
    _, _, picture = (errors.__doc__ or "").partition("Errors of single rooms")
    listed, base = {}, ""
    for line in picture.splitlines():
        if match := re.match(r"    (?P<branch>[├└]── )?(?P<name>[A-Z]\w+)", line):
            if match["branch"]:
                listed[match["name"]] = base
            else:
                base = match["name"]
    assert listed == declared()


def test_only_a_family_of_errors_ends_in_error() -> None:
    """All others are named after the fact they state."""
    names = {*TREE, *declared()}
    assert {"PacelineError", "ConfigurationError"} == {name for name in names if name.endswith("Error")}


@pytest.mark.parametrize("name", sorted(TREE))
def test_every_error_says_what_it_means(name: str) -> None:
    """The docstring of an error is what a user reads: one sentence."""
    first = (inspect.getdoc(CLASSES[name]) or "").partition("\n")[0]
    assert first.endswith(".")


def test_a_bad_row_says_its_line() -> None:
    """The message of a bad row is its line and the reason, and both can be read apart."""
    error = errors.InvalidRow(7, "to: is missing")
    assert ("line 7: to: is missing", 7, "to: is missing") == (str(error), error.line, error.reason)


def test_every_error_can_be_raised_with_a_sentence() -> None:
    """Apart from those that are made of facts, an error takes one sentence."""
    for name, kind in CLASSES.items():
        if name not in ("Conflict", "InvalidRow", "OutcomesTrimmed"):
            assert str(kind("One sentence.")) == "One sentence."
