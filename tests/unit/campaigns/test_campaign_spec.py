"""The one list of a campaign's options."""

import inspect
from datetime import UTC, datetime
from typing import Any, cast, get_type_hints

import pytest

from paceline.campaigns.draft import draft
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.spec import CampaignSpec, changeable, reading
from paceline.gateway.shapes import CampaignIn
from paceline.testing import RecordingOutbox

GIVEN: dict[str, Any] = {"account": "acme", "sender": "+15550100001", "template": "Hi {name}"}
OPTIONS = get_type_hints(CampaignSpec)


def spec(**options: Any) -> CampaignSpec:
    return cast("CampaignSpec", GIVEN | options)


def test_every_changeable_option_can_be_given_at_the_start() -> None:
    """Whatever `Campaign.change` takes, an upload takes under the same name."""
    assert set() == CampaignOptions.model_fields.keys() - OPTIONS.keys()


def test_the_gateway_takes_every_changeable_option() -> None:
    """A caller over HTTP has the options that a program has."""
    assert set() == CampaignOptions.model_fields.keys() - CampaignIn.model_fields.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_described(name: str) -> None:
    """The list of options is the only place that describes them."""
    assert f"\n    {name}: " in inspect.cleandoc(str(CampaignSpec.__doc__))


@pytest.mark.parametrize(
    ("name", "value"),
    [("weight", 3), ("rate", "100/minute"), ("window", "09:00-18:00 Europe/Berlin"), ("auto_pause", 5)],
)
def test_a_changeable_option_reaches_state(name: str, value: Any) -> None:
    """The draft holds what a later change would hold, as text."""
    assert CampaignOptions(**{name: value}).texts().keys() == changeable(spec(**{name: value})).texts().keys()


def test_the_end_of_validity_is_no_change() -> None:
    """An upload keeps its end with its rows; only a later change moves the campaign's."""
    assert changeable(spec(valid_until=datetime.now(UTC))).valid_until is None


def test_how_columns_are_read_is_part_of_the_list() -> None:
    """The three options of the recipients make one reading."""
    found = reading(spec(to_column="Phone", ignore_columns=["Key "], default_country="de"))
    assert ("Phone", frozenset({"Key "}), "DE") == (found.to_column, found.ignored, found.country)


@pytest.mark.parametrize("method", ["start_campaign", "plan_campaign"])
def test_an_unknown_option_is_named(method: str) -> None:
    """A typing error is told as Python tells it, before anything is written."""
    outbox = RecordingOutbox()
    with pytest.raises(TypeError, match="a campaign has no option 'wieght'"):
        getattr(outbox, method)("spring", **GIVEN, recipients=[{"to": "+15550100002"}], wieght=3)
    assert {} == outbox.campaigns


def test_a_missing_option_is_named() -> None:
    """Account, sender and template have no defaults."""
    with pytest.raises(TypeError, match="a campaign needs 'account', 'sender'"):
        draft("spring", **cast("CampaignSpec", {"template": "Hi"}))
