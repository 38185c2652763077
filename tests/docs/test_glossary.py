"""The glossary has the words of the code, one meaning each."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import paceline
import paceline_worker
from paceline.literals import OUTCOMES
from tests.docs.pages import ROOT

TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = [
    term
    for line in TEXT.splitlines()
    if line.startswith("- **")
    for term in re.findall(r"\*\*([^*]+)\*\*", line.partition(":")[0])
]
# Words that once had two meanings: the class that has each now, and the room it lives in.
ONE_MEANING = {
    "ticket": ("Ticket", "flows/tickets.py"),
    "queued": ("Queued", "flows/sending.py"),
    "progress": ("Progress", "campaigns/progress.py"),
    "plan": ("Plan", "campaigns/plan/words.py"),
    "receipt": ("DeliveryReceipt", "status/receipt.py"),
    "clock": ("ServerClock", "state/clock.py"),
    "deafness": ("DeafnessCheck", "dispatch/deafness.py"),
    "bucket": ("Bucket", "pacing/bucket.py"),
}


@cache
def classes() -> dict[str, list[str]]:
    """Every class of producer and worker, and the modules that declare one of its name."""
    found: dict[str, list[str]] = {}
    for package in (paceline, paceline_worker):
        home = Path(str(package.__file__)).parent
        for path in sorted(home.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, []).append(str(path.relative_to(home)))
    return found


def test_an_entry_stands_once() -> None:
    """Two entries would be two meanings."""
    assert [] == sorted({term for term in ENTRIES if ENTRIES.count(term) > 1})


def test_bold_words_have_entries() -> None:
    """What an explanation leans on is explained; plurals are the same word."""
    bold = {" ".join(term.split()) for term in re.findall(r"\*\*([^*]+)\*\*", TEXT)}
    known = {*ENTRIES, *(f"{term}s" for term in ENTRIES), *(f"{term}ers" for term in ENTRIES)}
    assert [] == sorted(term for term in bold if term.lower() not in {each.lower() for each in known})


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_an_entry(outcome: str) -> None:
    """Under the word that commands and events use."""
    assert outcome in ENTRIES


@pytest.mark.parametrize(("word", "home"), ONE_MEANING.items(), ids=str)
def test_a_word_that_had_two_meanings_has_one(word: str, home: tuple[str, str]) -> None:
    """The glossary says which, and one class in one module bears the name."""
    name, module = home
    assert word in ENTRIES
    assert [module] == classes()[name]
