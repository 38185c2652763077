"""The metadata of a campaign's row, which comes back with its events."""

import json
from collections.abc import Mapping
from typing import Any, Final

from paceline.errors import InvalidRow
from paceline.inbox.record import compact
from paceline.lua.fields import OPERATION
from paceline.recipients.cells import is_blank, is_given

METADATA: Final = "metadata"
MOST_METADATA: Final = 16
LONGEST_METADATA: Final = 512


def given_back(line: int, values: Mapping[str, Any]) -> dict[str, str]:
    """The field of a row that holds its metadata.

    Args:
        line: where the row stands.
        values: its columns; ``metadata`` is a mapping of names to texts, or a JSON object of texts.

    Returns:
        The field, where there is any.

    Raises:
        InvalidRow: metadata that is no such mapping, or too large, or has no text.
    """
    given = values.get(METADATA)
    if not is_given(given) or (isinstance(given, str) and is_blank(given)):
        return {}
    metadata = _metadata(line, given)
    if not metadata:
        return {}
    text = compact(metadata)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        raise InvalidRow(line, "metadata: cannot be written as text") from None
    return OPERATION.coded(metadata=text)


def _metadata(line: int, given: object) -> dict[str, str]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = None
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for pair in given.items() for one in pair):
        raise InvalidRow(
            line,
            "metadata: is not a mapping of names to texts, in a file a JSON object of texts; if the column means something "
            "else, rename it, or ignore it with --ignore-column metadata (ignore_columns)",
        )
    if len(given) > MOST_METADATA:
        raise InvalidRow(line, f"metadata: has more than {MOST_METADATA} entries")
    for what, texts in (("name", given.keys()), ("text", given.values())):
        if any(len(text) > LONGEST_METADATA for text in texts):
            raise InvalidRow(line, f"metadata: a {what} has more than {LONGEST_METADATA} characters")
    return dict(given)
