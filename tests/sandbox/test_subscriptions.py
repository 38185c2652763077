import re
from typing import Any

import pytest

from tests.sandbox.client import QUIET, SENDER, Client
from tests.sandbox.receiver import (
    scenario,
    subscribe,
    unsubscribe,
)

OTHER = "+15550100009"


def test_a_subscription_is_shown_as_documented(client: Client) -> None:
    """Subscribing answers the webhook object, and the lists show it."""
    response = subscribe(client, "whatsapp.message.sent", "https://example.test/hook")
    webhook = response.json()["data"]
    assert (response.status_code, response.json()["success"]) == (200, True)
    assert re.fullmatch(r"WHK[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", webhook["uuid"])
    assert re.fullmatch(r"WPN[0-9a-f-]{36}", webhook["channel_uuid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", webhook["created_at"])
    assert webhook["event_name"] == "whatsapp.message.sent"
    assert webhook["hook_url"] == "https://example.test/hook"
    assert webhook["hook_params"] == {"waweb_uuid": webhook["channel_uuid"]}
    assert client.get("/open/webhooks").json() == {"success": True, "webhooks": [webhook]}


def test_the_list_can_be_that_of_a_channel(client: Client) -> None:
    """A channel's list has the webhooks of its number alone."""
    mine = subscribe(client, "whatsapp.message.sent", "https://example.test/a").json()["data"]
    subscribe(client, "whatsapp.message.sent", "https://example.test/b", on_number=OTHER)
    assert client.get(f"/open/webhooks/channel/{mine['channel_uuid']}").json()["webhooks"] == [mine]
    assert client.get("/open/webhooks/channel/WPN0").json()["webhooks"] == []
    assert len(client.get("/open/webhooks").json()["webhooks"]) == 2


def test_a_deleted_webhook_is_gone(client: Client) -> None:
    """Deleting works once; then the webhook is unknown, and its event may be subscribed to again."""
    uuid = subscribe(client, "whatsapp.message.sent", "https://example.test/hook").json()["data"]["uuid"]
    assert unsubscribe(client, uuid).json() == {"success": True}
    assert unsubscribe(client, uuid).status_code == 404
    assert client.get("/open/webhooks").json()["webhooks"] == []
    assert subscribe(client, "whatsapp.message.sent", "https://example.test/hook").json()["data"]["uuid"] != uuid


def test_one_subscription_per_event_and_number(client: Client) -> None:
    """A repeated subscription is a 409; another event, another number or another channel is not."""
    assert subscribe(client, "whatsapp.message.sent", "https://example.test/a").status_code == 200
    repeated = subscribe(client, "whatsapp.message.sent", "https://example.test/b")
    assert (repeated.status_code, repeated.json()["success"]) == (409, False)
    assert subscribe(client, "whatsapp.message.new", "https://example.test/a").status_code == 200
    assert subscribe(client, "whatsapp.waba.message.sent", "https://example.test/a").status_code == 200
    assert subscribe(client, "whatsapp.message.sent", "https://example.test/a", on_number=OTHER).status_code == 200


def test_a_repeated_subscription_may_be_another_one(client: Client) -> None:
    """With repeated_subscription = "another" each call adds a webhook."""
    client.use(scenario('repeated_subscription = "another"'))
    uuids = {
        subscribe(client, "whatsapp.message.sent", "https://example.test/a").json()["data"]["uuid"] for _ in range(2)
    }
    assert len(uuids) == 2
    assert len(client.get("/open/webhooks").json()["webhooks"]) == 2


@pytest.mark.parametrize(
    ("event", "fields", "location"),
    [
        ("whatsapp.message.delivered", {}, ["path", "event_name"]),
        ("message.sent", {}, ["path", "event_name"]),
        ("whatsapp.message.sent", {"hook_url": None}, ["body", "hook_url"]),
        ("whatsapp.message.sent", {"hook_url": ""}, ["body", "hook_url"]),
        ("whatsapp.message.sent", {"hook_url": 5}, ["body", "hook_url"]),
        ("whatsapp.message.sent", {"hook_url": "example.test/hook"}, ["body", "hook_url"]),
        ("whatsapp.message.sent", {"on_number": None}, ["body", "on_number"]),
        ("whatsapp.message.sent", {"on_number": ["+1"]}, ["body", "on_number"]),
        ("whatsapp.conversation.new", {"time_period": "decade"}, ["body", "time_period"]),
        ("call.status.update", {}, ["body", "channel_uuid"]),
    ],
)
def test_a_bad_subscription_names_the_field(
    client: Client, event: str, fields: dict[str, Any], location: list[str]
) -> None:
    """Unknown events and missing or wrong fields are a 422 that says where."""
    response = subscribe(client, event, **{"hook_url": "https://example.test/hook", **fields})
    assert response.status_code == 422
    assert location == response.json()["detail"][0]["loc"]
    assert client.get("/open/webhooks").json()["webhooks"] == []


@pytest.mark.parametrize("fields", [{"on_number": "nobody"}, {"to_group_uuid": "nobody"}])
def test_ids_of_a_subscription_are_checked(client: Client, fields: dict[str, Any]) -> None:
    """What is no number or no group is a 422."""
    response = subscribe(client, "whatsapp.group.join", "https://example.test/hook", **fields)
    assert (response.status_code, response.json()["success"]) == (422, False)


@pytest.mark.parametrize("raw", [b"", b"{oops", b"[]"])
def test_a_subscription_is_a_json_object(client: Client, raw: bytes) -> None:
    """A body that is no JSON object is a 400."""
    path = "/open/webhooks/subscribe/whatsapp.message.sent"
    assert client.http.post(path, content=raw, headers={"X-User-API-Key": "key"}).status_code == 400


def test_options_become_parameters(client: Client) -> None:
    """Period, group and channel are kept where they belong; a number may lack its plus."""
    created = subscribe(
        client, "whatsapp.conversation.new", "https://example.test/a", time_period="day", to_group_uuid="WAG1"
    ).json()["data"]
    assert {"to_group_uuid": "WAG1", "time_period": "day"}.items() <= created["hook_params"].items()
    call = subscribe(client, "call.status.update", "https://example.test/a", on_number=None, channel_uuid="DID1")
    assert call.json()["data"]["channel_uuid"] == "DID1"
    bare = subscribe(client, "whatsapp.message.new", "https://example.test/a", on_number=SENDER.removeprefix("+"))
    assert bare.json()["data"]["channel_uuid"] == created["channel_uuid"]


def test_calls_about_webhooks_pass_the_same_door(client: Client) -> None:
    """They need a key, take from the limit, cost credits and are in the log."""
    client.use(QUIET + '[defaults]\nlimits = ["3/hour"]\ncredits = 2')
    assert subscribe(client, "whatsapp.message.sent", "https://example.test/a", key=None).status_code == 403
    assert subscribe(client, "whatsapp.message.sent", "https://example.test/a").status_code == 200
    assert client.get("/open/webhooks").status_code == 200
    assert [unsubscribe(client, "WHK1").status_code for _ in range(2)] == [402, 429]
    arrivals = client.sandbox.arrivals()
    assert [(arrival["status"], arrival["accepted"]) for arrival in arrivals] == [
        (403, False),
        (200, False),
        (200, False),
        (402, False),
        (429, False),
    ]


def test_webhooks_outlive_a_scenario_and_end_with_a_reset(client: Client) -> None:
    """A new scenario keeps subscriptions, a reset forgets them."""
    subscribe(client, "whatsapp.message.sent", "https://example.test/a")
    client.use(scenario())
    assert len(client.get("/open/webhooks").json()["webhooks"]) == 1
    client.sandbox.reset()
    assert client.get("/open/webhooks").json()["webhooks"] == []
