"""What models and settings refuse is told in our own words: short, without the value, the same whatever pydantic says."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from paceline import CampaignOptions, ConfigurationError, InvalidOperation, Settings
from paceline.operations import OPERATIONS, CreateGroup, Operation, SendMessage, SendTemplate
from tests.unit.samples import RECIPIENT, SENDER, make

CANARY = "canary-7f3e"
# Beginnings and endings of pydantic's sentences.
PYDANTIC = re.compile(r"\b(Input|String|Field|Value|Extra|Object|Tuple|List|Dictionary|Data)\b|should|errors\.pydantic")
BASE: dict[str, Any] = {"account": "acme", "sender": SENDER, "to": RECIPIENT, "text": "Hello"}


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        ("text: has more than 4,096 characters", {"text": "x" * 4097}),
        ("text: is empty", {"text": ""}),
        ("text: is not a text", {"text": 7}),
        ("metadata.n: is not a text", {"metadata": {"n": 7}}),
        ("metadata: a name has more than 512 characters", {"metadata": {"n" * 513: "x" * 513}}),
        ("metadata: a name is not a text", {"metadata": {7: "x"}}),
        ("metadata: a name is not a text", {"metadata": {"\ud800": "x"}}),
        ("metadata: is not a mapping of names to texts", {"metadata": "x"}),
        ("metadata: has more than 16 entries", {"metadata": {str(n): "x" for n in range(17)}}),
        ("account: letters, digits, dot, dash and underscore, at most 64", {"account": "ac me"}),
        ("priority: is not one of transactional, bulk", {"priority": "high"}),
        ("not_before: is not a time such as 2026-01-31T09:00:00+01:00", {"not_before": "soon"}),
        ("max_attempts: is less than 1", {"max_attempts": 0}),
        ("max_attempts: is more than 100", {"max_attempts": 101}),
        ("max_attempts: is not a whole number", {"max_attempts": 1.5}),
        ("max_attempts: is not a whole number", {"max_attempts": "many"}),
        ("pin.latitude: is more than 90", {"text": None, "pin": {"latitude": 100, "longitude": 0}}),
        ("pin: is not a Pin", {"text": None, "pin": 7}),
        ("sender: is missing", {"sender": ...}),
        ("height: is not a known field", {"height": 7}),
    ],
)
@pytest.mark.parametrize("construct", [lambda given: SendMessage(**given), SendMessage.model_validate])
def test_a_refusal_is_one_short_sentence(
    expected: str, fields: dict[str, Any], construct: Callable[[dict[str, Any]], SendMessage]
) -> None:
    """The field, then what is wrong with it; the same for a value that comes from a JSON document."""
    values = {name: value for name, value in (BASE | fields).items() if value is not ...}
    with pytest.raises(InvalidOperation) as refused:
        construct(values)
    assert expected == str(refused.value)


@pytest.mark.parametrize(
    ("expected", "construct"),
    [
        ("participants: is empty", lambda: make(CreateGroup, participants=[])),
        ("participants: is one text, not a list of texts", lambda: make(CreateGroup, participants=RECIPIENT)),
        ("participants: is not a list", lambda: make(CreateGroup, participants={RECIPIENT})),
        ("template: is not a template uuid, which begins with TMP", lambda: make(SendTemplate, template="7")),
        ("is not JSON", lambda: SendMessage.model_validate_json("{")),
        ("is not a SendMessage", lambda: SendMessage.model_validate(7)),
        ("weight: is more than 1,000", lambda: CampaignOptions(weight=1001)),
    ],
)
def test_other_values_are_refused_alike(expected: str, construct: Callable[[], object]) -> None:
    """Lists, templates, whole documents and the options of campaigns."""
    with pytest.raises(InvalidOperation) as refused:
        construct()
    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        ("PACELINE_CAPACITY: is not a whole number", {"capacity": "many"}),
        ("PACELINE_METRICS_PORT: is more than 65,535", {"metrics_port": 70_000}),
        ("PACELINE_LOG_FORMAT: is not one of console, json", {"log_format": "xml"}),
        ("PACELINE_ALLOW_VOLATILE: is neither true nor false", {"allow_volatile": "perhaps"}),
        ("PACELINE_HTTP_DEADLINE: is not a number", {"http_deadline_s": "soon"}),
    ],
)
def test_a_setting_is_refused_alike(expected: str, fields: dict[str, Any]) -> None:
    """By the name of its variable."""
    with pytest.raises(ConfigurationError) as refused:
        Settings(**fields)
    assert expected == str(refused.value)


WRONG = [None, 7, 1.5, True, "", CANARY, CANARY * 500, [], [CANARY], {}, {"n": 1}, b"x", object()]


@pytest.mark.parametrize("model", OPERATIONS)
def test_no_field_answers_in_other_words(model: type[Operation]) -> None:
    """Whatever is put into whichever field: our words, and never the value."""
    for name, wrong in product(model.model_fields, WRONG):
        try:
            make(model, **{name: wrong})
        except InvalidOperation as refused:
            words = str(refused)
            assert not PYDANTIC.search(words), words
            # A window is no secret, and a typing error in it is hard to see.
            assert name == "window" or CANARY not in words
