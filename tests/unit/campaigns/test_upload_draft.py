"""What makes two uploads under one name the same campaign."""

from datetime import UTC, datetime
from typing import Any

import pytest

from paceline.campaigns.draft import Draft, draft

SENDER = "+15550100001"


def described(**changed: Any) -> Draft:
    fields: dict[str, Any] = {"account": "acme", "sender": SENDER, "template": "Hi {name}"}
    return draft(changed.pop("name", "spring"), **fields | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"account": "other"},
        {"sender": "+15550100009"},
        {"template": "Bye {name}"},
        {"url": "https://example.com/a.png"},
        {"on_unknown": "hold"},
        {"max_attempts": 3},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_content_is_another_campaign(changed: dict[str, Any]) -> None:
    """Account, sender, template and policies: rows under one name must all be sent alike."""
    assert described().digest != described(**changed).digest


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"name": "summer"},
        {"valid_until": datetime(2036, 1, 1, tzinfo=UTC)},
        {"weight": 7},
        {"max_attempts": 8},
    ],
    ids=lambda changed: next(iter(changed), "nothing"),
)
def test_what_may_change_does_not_make_another_campaign(changed: dict[str, Any]) -> None:
    """A second upload may come with another validity and other options; a default may be written out."""
    assert described().digest == described(**changed).digest
