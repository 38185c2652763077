"""docs/operations.md says what the models say, and its examples run."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from docs.generate_operations import PAGE, page, words_of
from docs.operation_examples import CREDITS, EXAMPLES, REQUESTS

import paceline
from paceline.cli import main
from paceline.kinds import KINDS
from paceline.operations import OPERATIONS, Operation
from paceline.testing import RecordingOutbox
from tests.unit.samples import make


def blocks(language: str) -> list[str]:
    """The page's code of a language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingOutbox]:
    """What examples get that make an `Outbox`."""
    recorder = RecordingOutbox()
    monkeypatch.setattr(paceline, "Outbox", lambda: recorder)
    monkeypatch.setattr("paceline.cli.send.submit.Outbox", lambda: recorder)
    yield recorder
    assert recorder.sent


def test_the_page_is_up_to_date() -> None:
    """The committed page is what the models give: run `make docs` after changing one."""
    assert page() == PAGE.read_text(encoding="utf-8")


def test_every_operation_has_its_example_and_every_kind_its_place() -> None:
    """None is left out, and nothing of the template was left unfilled."""
    assert list(EXAMPLES) == list(OPERATIONS)
    text = page()
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []
    assert "<!--" not in text


def test_links_lead_to_headings() -> None:
    """Every link within the page has its heading."""
    text = page()
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_every_line_of_a_table_has_as_many_cells() -> None:
    """A bar in a docstring or a pattern does not tear its row."""
    for table in re.findall(r"(?:^\|.*\n)+", page(), re.MULTILINE):
        assert 1 == len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}), table


def test_the_python_examples_run_one_after_the_other(outbox: RecordingOutbox) -> None:
    """Read from top to bottom, as a user would type them; each operation is among what was sent."""
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, names)
    assert {type(operation) for operation in outbox.sent} == set(OPERATIONS)


@pytest.mark.parametrize("model", OPERATIONS)
def test_the_shell_example_sends_the_python_example(
    model: type[Operation], outbox: RecordingOutbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command and the first lines of Python make the same operation."""
    example = EXAMPLES[model]
    command = shlex.split(example.command().replace("\\\n", " "))
    assert ("paceline", 0) == (command[0], main(command[1:]))
    exec(example.python(model), {"outbox": outbox, "SendMessage": paceline.SendMessage})
    by_command, by_python = outbox.sent[:2]
    assert by_command == by_python
    assert isinstance(by_command, model)
    assert "is written" in capsys.readouterr().out


@pytest.mark.parametrize("model", OPERATIONS)
def test_what_is_not_said_otherwise_is_one(model: type[Operation]) -> None:
    """Requests and credits without words of their own are those of the model: one."""
    operation = make(model)
    assert model in REQUESTS or (operation.requests, type(operation).requests) == (1, Operation.requests)
    assert (
        model in REQUESTS or model in CREDITS or (operation.credits, type(operation).credits) == (1, Operation.credits)
    )


@pytest.mark.parametrize("model", OPERATIONS)
def test_every_field_has_words(model: type[Operation]) -> None:
    """Each field of each operation has a type in words and a meaning."""
    section = page().partition(f"\n### {model.__name__}\n")[2].partition("\n### ")[0]
    for name, field in model.model_fields.items():
        if name not in Operation.model_fields:
            (row,) = re.findall(rf"^\| `{name}` \| (.+)$", section.partition("####")[0], re.MULTILINE)
            assert row.startswith(words_of(field.annotation, field.metadata)[0])
            assert len(row.rstrip(" |").rpartition(" | ")[2]) > 5
