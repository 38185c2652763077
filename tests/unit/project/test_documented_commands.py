"""Every `paceline` command that README.md and docs/*.md show exists, with its options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline.cli import main

ROOT = Path(__file__).parents[3]
GENERATED = ROOT / "docs" / "texts.md"  # `make texts` leaves it for a reader, and its sentences are no examples
DOCUMENTS = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {GENERATED})]
OPERATORS = frozenset("();<>|&")


def shown(text: str) -> Iterator[str]:
    """Lines of shell blocks, continued ones joined, and what stands as code within a sentence."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield from block.replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`(paceline [^`\n]+)`", prose)


def commands(line: str) -> Iterator[tuple[str, ...]]:
    """The arguments of each `paceline` in a line of shell: also behind a pipe, and within `$(...)`."""
    words: list[str] = []
    for token in [*shlex.shlex(line, posix=True, punctuation_chars=True), ";"]:
        if not OPERATORS.issuperset(token):
            words.append(token)
            continue
        if words[:1] == ["paceline"]:
            yield tuple(words[1:])
        words = []


FOUND = sorted(
    {
        (document.name, command)
        for document in DOCUMENTS
        for line in shown(document.read_text(encoding="utf-8"))
        for command in commands(line)
    }
)


@pytest.mark.parametrize(("document", "command"), FOUND, ids=[" ".join((name, *words)) for name, words in FOUND])
def test_the_command_exists(document: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for its help with all the options it is shown with, it gives help."""
    code = main([*command, "--help"])
    assert (0, "") == (code, capsys.readouterr().err), document


def test_commands_are_found_in_every_document_that_shows_some() -> None:
    """The reading of documents does not pass over any: these show commands."""
    assert {"README.md", "campaigns.md", "operating.md", "operations.md", "outcomes.md"} <= {name for name, _ in FOUND}


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ([("audit",)], "paceline audit   # proves it"),
        ([("accounts", "add", "acme")], "paceline accounts add acme < key.txt"),
        ([("secret", "generate")], "export PACELINE_SECRET_KEY=$(paceline secret generate)"),
        ([("outcomes", "--since", "2h")], "paceline outcomes --since 2h | jq -r .words | sort"),
        ([("audit",), ("status", "ID")], "paceline audit && paceline status ID"),
        ([("send", "--text", "Hello; you")], 'paceline send --text "Hello; you"'),
        ([], "celery -A paceline_worker worker --pool threads &"),
    ],
)
def test_commands_in_a_line_of_shell(expected: list[tuple[str, ...]], line: str) -> None:
    """Comments, redirections, pipes and substitutions are not taken for arguments."""
    assert expected == list(commands(line))


@pytest.mark.parametrize("command", [("accounts", "paint"), ("campaign", "start", "spring", "--colour", "red")])
def test_what_does_not_exist_is_noticed(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A command or an option that is not there has no help."""
    assert 2 == main([*command, "--help"])
    assert capsys.readouterr().err != ""
