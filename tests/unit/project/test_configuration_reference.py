"""docs/configuration.md says what the settings object says, and no document names a variable that does not exist."""

import re
from pathlib import Path

import pytest
from docs.generate_configuration import PAGE, called, limits, page, rows, text_of
from pydantic import Field, SecretStr

from paceline import names
from paceline.settings import _ENVIRONMENT, FROM_FILES, Settings

ROOT = PAGE.parent.parent
VARIABLES = {value for name, value in vars(names).items() if name.startswith("ENV_")}
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])


def test_the_page_is_up_to_date() -> None:
    """The committed page is what the settings give: run `make docs` after changing one."""
    assert page() == PAGE.read_text(encoding="utf-8")
    assert "<!--" not in page()


def test_every_variable_has_its_place() -> None:
    """None is left out: a setting has its row, and one that is no setting is told in a note."""
    told = [row[0].strip("`") for row in rows()]
    assert len(told) == len(set(told)) == len(Settings.model_fields)
    assert [variable for variable in sorted(VARIABLES) if f"`{variable}" not in page()] == []


def test_every_row_has_words_and_cells() -> None:
    """Each setting has a meaning, and every table as many cells in each line."""
    assert [row for row in rows() if len(row[-1]) < 10 or "Raises" in row[-1]] == []
    for table in re.findall(r"(?:^\|.*\n)+", page(), re.MULTILINE):
        assert 1 == len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}), table


def test_what_the_table_calls_the_default_is_the_default() -> None:
    """The default, put into the environment as the table writes it, changes nothing."""
    shown = {row[0].strip("`"): row[3].strip("`") for row in rows()}
    written = {variable: text for variable, text in shown.items() if text not in ("none", "the broker's")}
    assert len(written) == len(shown) - 6
    assert Settings.from_environment({}) == Settings.from_environment(written)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_variable_that_is_named_exists(document: Path) -> None:
    """README.md and the documents name no variable that nobody reads."""
    named = set(re.findall(r"PACELINE_[A-Z_]*[A-Z]", document.read_text(encoding="utf-8")))
    files = {f"{_ENVIRONMENT[field]}_FILE" for field in FROM_FILES}
    assert set() == named - VARIABLES - files


@pytest.mark.parametrize(
    ("expected", "field"),
    [
        ("0 to 5", Field(ge=0, le=5)),
        ("above 0, at most 5", Field(gt=0, le=5)),
        ("at least 60", Field(ge=60)),
        ("below 3", Field(lt=3)),
        ("", Field()),
    ],
)
def test_limits_in_words(expected: str, field: object) -> None:
    """What a number must be, as people say it; a bound that is excluded is not given as a number that is allowed."""
    assert expected == limits(field.metadata)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("expected", "default"), [("`false`", False), ("`0`", 0), ("`15`", 15.0), ("none", SecretStr("")), ("none", "")]
)
def test_defaults_as_they_are_written(expected: str, default: object) -> None:
    """A default is shown as one would write it; what is empty is none."""
    assert expected == text_of(default)


def test_a_secret_is_called_one() -> None:
    """The reader learns that a value is a secret."""
    assert "text, never shown" == called(SecretStr)
