"""JSON Lines have a null where CSV has an empty cell."""

from pathlib import Path

import pytest

from paceline.errors import InvalidRow
from paceline.recipients import encode, numbered, read_file

BUG = "_json_lines turns null into the text 'null'"


def encoded(path: Path, content: str, *needed: str) -> list[dict[str, str]]:
    file = path / "r.jsonl"
    file.write_text(content)
    return [encode("spring", row, frozenset(needed)) for row in numbered(read_file(file))]


@pytest.mark.xfail(
    strict=True, reason=f"{BUG}, so all rows with a null key share one id and all but the first are dropped"
)
def test_a_null_key_is_no_key(tmp_path: Path) -> None:
    """Two recipients without a key stay two recipients."""
    first, second = encoded(tmp_path, '{"to":"+15550100001","key":null}\n{"to":"+15550100002","key":null}\n')
    assert first["id"] != second["id"]


@pytest.mark.xfail(strict=True, reason=f"{BUG}, and the recipient reads 'Hi null'")
def test_a_null_value_is_a_missing_value(tmp_path: Path) -> None:
    """A template's column that is null is missing."""
    with pytest.raises(InvalidRow):
        encoded(tmp_path, '{"to":"+15550100001","name":null}\n', "name")


@pytest.mark.xfail(strict=True, reason=BUG, raises=InvalidRow)
def test_a_null_time_is_no_time(tmp_path: Path) -> None:
    """An optional time that is null was not given."""
    (row,) = encoded(tmp_path, '{"to":"+15550100001","not_before":null}\n')
    assert "nb" not in row
