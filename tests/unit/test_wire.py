from typing import Any

import pytest

from paceline import Pin
from paceline.errors import InvalidOperation
from paceline.wire import ProviderRequest, merged, request_for
from tests.unit.samples import GROUP, RECIPIENT, SENDER, message


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ({"to_number": RECIPIENT, "text": "Hello"}, {}),
        ({"to_group_uuid": GROUP, "text": "Hello"}, {"to": None, "group": GROUP}),
        ({"to_number": RECIPIENT, "url": "https://example.com/a"}, {"text": None, "url": "https://example.com/a"}),
        (
            {"to_number": RECIPIENT, "text": "Hello", "url": "https://example.com/a"},
            {"url": "https://example.com/a"},
        ),
        (
            {"to_number": RECIPIENT, "text": "", "pin": {"latitude": "0.0000001", "longitude": "-180.0000000"}},
            {"text": None, "pin": Pin(latitude=1e-7, longitude=-180)},
        ),
        (
            {
                "to_number": RECIPIENT,
                "text": "",
                "pin": {"latitude": "48.1374300", "longitude": "11.5754900", "name": "N", "address": "A 1"},
            },
            {"text": None, "pin": Pin(latitude=48.13743, longitude=11.57549, name="N", address="A 1")},
        ),
    ],
)
def test_a_message_is_one_post_of_the_providers_fields(body: dict[str, Any], given: dict[str, Any]) -> None:
    """Target, text, address and pin go where the provider reference (2.1.1) wants them; coordinates are texts."""
    operation = message(**given)
    path = "/whatsapp/send-message"
    expected = ProviderRequest("POST", path, {"from_number": SENDER} | body, path)
    assert expected == request_for(operation.kind, operation.sender, operation.target, operation.payload())


def test_an_unknown_kind_is_refused() -> None:
    """A record of a newer release is not sent as something else."""
    with pytest.raises(KeyError):
        request_for("message.poll", SENDER, RECIPIENT, {})


@pytest.mark.parametrize(
    ("expected", "template", "values"),
    [
        ({"text": "Hi Ada"}, {"text": "Hi {name}"}, {"name": "Ada"}),
        ({"text": "Hi {}"}, {"text": "Hi {{}}"}, {}),
        ({"text": "Hi {name}"}, {"text": "Hi {x}"}, {"x": "{name}"}),
        ({"text": "A", "url": "https://e.com/{x}"}, {"text": "{x}", "url": "https://e.com/{x}"}, {"x": "A"}),
        ({"url": "https://e.com/a"}, {"url": "https://e.com/a"}, {"x": "A"}),
    ],
)
def test_a_campaigns_text_takes_the_recipients_values(
    expected: dict[str, Any], template: dict[str, Any], values: dict[str, str]
) -> None:
    """The text is rendered, and nothing else is."""
    assert expected == merged(template, values)


def test_merging_leaves_the_template_alone() -> None:
    """One campaign's payload serves all its recipients."""
    template = {"text": "Hi {name}"}
    merged(template, {"name": "Ada"})
    assert template == {"text": "Hi {name}"}


def test_a_missing_value_is_named() -> None:
    """A stored row that lacks a value is refused by name rather than sent with a hole."""
    with pytest.raises(InvalidOperation, match="name"):
        merged({"text": "Hi {name}"}, {})
