import json
import re
from itertools import pairwise
from typing import Any

import httpx
import pytest

from paceline_sandbox.groups.groups import DAY_US, Group, GroupBook
from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

A, B, C = RECIPIENT, "+15550100003", "+15550100004"
FREE = QUIET + UNLIMITED
UNKNOWN = "WAG11111111-2222-4333-8444-555555555555"
CHANGES = ("add", "remove", "promote", "demote")


def created(client: Client, *participants: str, **fields: object) -> dict[str, Any]:
    response = client.write(
        "/whatsapp/group/create", {"group": {"name": "Team", "participants": participants, **fields}}
    )
    assert response.status_code == 200, response.text
    group: dict[str, Any] = response.json()["group"]
    return group


def change(client: Client, uuid: str, verb: str, *participants: str, key: str = "key") -> httpx.Response:
    return client.write(f"/whatsapp/group/{uuid}/{verb}-participant", {"participants": participants}, key=key)


def shown(client: Client, uuid: str) -> dict[str, Any]:
    response = client.get(f"/open/whatsapp/group/{uuid}")
    assert response.status_code == 200, response.text
    group: dict[str, Any] = response.json()["data"]
    return group


def members(client: Client, uuid: str) -> list[str]:
    return [one["phone_number"] for one in shown(client, uuid)["participants"]]


def admins(client: Client, uuid: str) -> list[str]:
    return [one["phone_number"] for one in shown(client, uuid)["participants"] if one["wa_is_admin"]]


def test_a_group_is_made_with_its_creator_and_participants(client: Client) -> None:
    """The answer maps each number to its outcome, and lists who was accepted."""
    group = created(client, A, B)
    assert re.fullmatch(r"WAG[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", group["uuid"])
    assert re.fullmatch(r"1203630\d{11}@g\.us", group["wa_group_id"])
    assert group["name"] == "Team"
    assert list(group["participants"]) == [SENDER, A, B]
    first, second, _ = group["participants"].values()
    words = "The participant was added to the group"
    assert first == {"statusCode": 200, "message": words, "isGroupCreator": True, "isInviteV4Sent": False}
    assert second == {"statusCode": 200, "message": words, "isGroupCreator": False, "isInviteV4Sent": False}
    assert (group["accepted_numbers"], group["unaccepted_numbers"]) == ([A, B], [])


def test_a_name_may_be_no_proper_text(client: Client) -> None:
    """Half a surrogate pair, or a participant of absurd length, harms neither the answers nor the page."""
    body = {"from_number": SENDER, "group": {"name": "\ud83d", "participants": [A, "9" * 10_000]}}
    headers = {"X-User-API-Key": "key"}
    response = client.http.post("/open/whatsapp/group/create", content=json.dumps(body), headers=headers)
    assert response.json()["group"]["name"] == "\ud83d"
    assert client.get("/", key=None).status_code == 200
    assert client.get(f"/open/whatsapp/groups/{SENDER}").status_code == 200


def test_a_number_that_is_none_is_not_accepted_and_nothing_else_happens_to_it(client: Client) -> None:
    """A malformed participant does not spoil the call: it ends among the unaccepted, once."""
    group = created(client, "nobody", A[1:], "nobody", A, SENDER)
    assert (group["accepted_numbers"], group["unaccepted_numbers"]) == ([A], ["nobody"])
    assert list(group["participants"]) == [SENDER, A]


def test_a_group_is_shown_as_documented(client: Client) -> None:
    """A single group has the documented fields and its participants with theirs."""
    uuid = created(client, A, description="About us")["uuid"]
    group = shown(client, uuid)
    documented = """uuid channel_uuid wa_group_id wa_group_name wa_subject wa_owner_id wa_created_at profile_pic_url size
        is_muted is_read_only channel_is_owner created_at updated_at owner_contact owner_data participants"""
    assert set(documented.split()) <= set(group)
    assert (group["uuid"], group["size"], group["description"]) == (uuid, 2, "About us")
    assert group["wa_owner_id"] == "15550100001@c.us"
    assert group["channel_uuid"].startswith("WPN")
    assert group["owner_data"] == {
        "phone_number": SENDER,
        "formatted_phone_number": "+1 555-010-0001",
        "iso_country_code": "US",
    }
    creator, other = group["participants"]
    assert (creator["wa_is_super_admin"], creator["wa_is_admin"]) == (True, True)
    assert (other["wa_is_super_admin"], other["wa_is_admin"]) == (False, False)
    assert (other["wa_participant_id"], other["phone_number"]) == ("15550100002@c.us", A)


def test_a_number_lists_the_groups_it_is_in(client: Client) -> None:
    """The list holds the groups of a number, made by it or joined, without their participants."""
    mine, other = created(client, A)["uuid"], created(client, B)["uuid"]
    listed = client.get(f"/open/whatsapp/groups/{SENDER}").json()
    assert listed["success"] is True
    assert [group["uuid"] for group in listed["data"]] == [mine, other]
    assert "participants" not in listed["data"][0]
    assert [group["uuid"] for group in client.get(f"/open/whatsapp/groups/{A}").json()["data"]] == [mine]
    assert client.get("/open/whatsapp/groups/nobody").status_code == 422


def test_participants_are_added(client: Client) -> None:
    """Adding answers each number by itself, without the creator's mark and without a list when all went well."""
    uuid = created(client, A)["uuid"]
    body = change(client, uuid, "add", B).json()
    words = "The participant was added to the group"
    added = {"statusCode": 200, "message": words, "isInviteV4Sent": False}
    assert body == {"success": True, "participants": {B: added}}
    assert members(client, uuid) == [SENDER, A, B]


def test_whoever_is_there_already_is_not_added_again(client: Client) -> None:
    """A present member is answered 409 and is among the unaccepted."""
    uuid = created(client, A)["uuid"]
    body = change(client, uuid, "add", A, B).json()
    assert [one["statusCode"] for one in body["participants"].values()] == [409, 200]
    assert body["unaccepted_numbers"] == [A]


@pytest.mark.parametrize(("where", "top", "inside"), [("top", 1, 0), ("participants", 0, 1), ("nowhere", 0, 0)])
def test_the_place_of_refusals_in_the_answer_can_be_chosen(client: Client, where: str, top: int, inside: int) -> None:
    """add_refusals_in puts the list where no source agrees it is."""
    client.use(f'add_refusals_in = "{where}"\n{FREE}')
    body = change(client, created(client, A)["uuid"], "add", A).json()
    assert (top, inside) == (body.get("unaccepted_numbers") == [A], "unaccepted_numbers" in body["participants"])


def test_participants_are_removed(client: Client) -> None:
    """Removing answers with a time in seconds and two lists; who is no member is not accepted, nor is the creator."""
    uuid = created(client, A, B)["uuid"]
    body = change(client, uuid, "remove", A, C, SENDER, "nobody").json()
    assert body["success"] is True
    assert set(body["participants"]) == {"timestamp", "accepted_numbers", "unaccepted_numbers"}
    assert 1_600_000_000 < body["participants"]["timestamp"] < 100_000_000_000
    assert body["participants"]["accepted_numbers"] == [A]
    assert body["participants"]["unaccepted_numbers"] == [C, SENDER, "nobody"]
    assert members(client, uuid) == [SENDER, B]
    assert change(client, uuid, "remove", A).json()["participants"]["unaccepted_numbers"] == [A]


def test_participants_become_admins_and_ordinary_again(client: Client) -> None:
    """Promoting and demoting may be repeated; outsiders are not accepted and the creator stays what it is."""
    uuid = created(client, A, B)["uuid"]
    for _ in range(2):
        body = change(client, uuid, "promote", A, C).json()["participants"]
        assert (body["accepted_numbers"], body["unaccepted_numbers"]) == ([A], [C])
    assert admins(client, uuid) == [SENDER, A]
    for _ in range(2):
        body = change(client, uuid, "demote", A, SENDER).json()["participants"]
        assert (body["accepted_numbers"], body["unaccepted_numbers"]) == ([A], [SENDER])
    assert admins(client, uuid) == [SENDER]


def test_description_and_picture_are_set(client: Client) -> None:
    """Both answer success alone and show in the group; a description may be emptied."""
    uuid = created(client, A)["uuid"]
    for path, body in (
        ("set-description", {"description": "New"}),
        ("set-picture", {"url": "https://example.test/a.png"}),
    ):
        assert client.write(f"/whatsapp/group/{uuid}/{path}", body).json() == {"success": True}
    group = shown(client, uuid)
    assert (group["description"], group["profile_pic_url"]) == ("New", "https://example.test/a.png")
    client.write(f"/whatsapp/group/{uuid}/set-description", {"description": ""})
    assert shown(client, uuid)["description"] == ""


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, "group"),
        ({"group": "Team"}, "group"),
        ({"group": {"participants": [A]}}, "group.name"),
        ({"group": {"name": 5, "participants": [A]}}, "group.name"),
        ({"group": {"name": "Team"}}, "group.participants"),
        ({"group": {"name": "Team", "participants": A}}, "group.participants"),
        ({"group": {"name": "Team", "participants": []}}, "group.participants"),
        ({"group": {"name": "Team", "participants": [5]}}, "group.participants"),
        (
            {"group": {"name": "Team", "participants": [f"+1555010{number:04}" for number in range(11)]}},
            "group.participants",
        ),
        ({"from_number": None, "group": {"name": "Team", "participants": [A]}}, "from_number"),
    ],
)
def test_a_group_that_is_described_badly_is_a_422(client: Client, body: dict[str, object], location: str) -> None:
    """What is missing, mistyped or too much is named in a list."""
    response = client.write("/whatsapp/group/create", body)
    assert response.status_code == 422
    assert ["body", location] == response.json()["detail"][0]["loc"]
    assert client.get(f"/open/whatsapp/groups/{SENDER}").json()["data"] == []


@pytest.mark.parametrize("verb", CHANGES)
def test_at_most_ten_participants_a_call(client: Client, verb: str) -> None:
    """Ten participants pass, eleven are a 422, or a 400 where the scenario says so."""
    uuid = created(client, A)["uuid"]
    many = [f"+1555010{number:04}" for number in range(100, 111)]
    assert change(client, uuid, verb, *many[:10]).status_code == 200
    response = change(client, uuid, verb, *many)
    assert (422, "participants") == (response.status_code, response.json()["detail"][0]["loc"][1])
    client.use("too_many_participants_status = 400\n" + FREE)
    response = change(client, uuid, verb, *many)
    assert (400, False) == (response.status_code, response.json()["success"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{UNKNOWN}/add-participant", {}),
        (f"{UNKNOWN}/add-participant", {"participants": "x"}),
        (f"{UNKNOWN}/set-description", {}),
        (f"{UNKNOWN}/set-description", {"description": 5}),
        (f"{UNKNOWN}/set-picture", {}),
        (f"{UNKNOWN}/set-picture", {"url": "ftp://example.test/a.png"}),
        ("nothing/set-picture", {"url": "https://example.test/a.png"}),
        ("nothing/add-participant", {"participants": [A]}),
    ],
)
def test_a_malformed_change_is_a_422(client: Client, path: str, body: dict[str, object]) -> None:
    """Bad bodies and ids that are none are answered 422 and change nothing."""
    assert client.write(f"/whatsapp/group/{path}", body).status_code == 422
    assert client.sandbox.arrivals()[-1]["accepted"] is False


def test_a_group_made_elsewhere_can_be_worked_with(client: Client) -> None:
    """Any group id is taken by default: everybody counts as a member there until removed."""
    assert client.send(to_number=None, to_group_uuid=UNKNOWN).status_code == 202
    assert client.get(f"/open/whatsapp/group/{UNKNOWN}").status_code == 404
    body = change(client, UNKNOWN, "promote", A).json()["participants"]
    assert body["accepted_numbers"] == [A]
    assert change(client, UNKNOWN, "remove", A, B).json()["participants"]["accepted_numbers"] == [A, B]
    assert change(client, UNKNOWN, "remove", A).json()["participants"]["unaccepted_numbers"] == [A]
    assert change(client, UNKNOWN, "add", C).json()["participants"][C]["statusCode"] == 200
    assert members(client, UNKNOWN) == [SENDER, C]


@pytest.mark.parametrize("verb", CHANGES)
def test_groups_made_elsewhere_may_be_unknown(client: Client, verb: str) -> None:
    """With accept_unknown_groups off every call naming one is a 404."""
    client.use("accept_unknown_groups = false\n" + FREE)
    assert change(client, UNKNOWN, verb, A).status_code == 404
    assert client.write(f"/whatsapp/group/{UNKNOWN}/set-description", {"description": "x"}).status_code == 404
    assert client.write(f"/whatsapp/group/{UNKNOWN}/set-picture", {"url": "https://a.test/b"}).status_code == 404
    assert client.send(to_number=None, to_group_uuid=UNKNOWN).status_code == 404
    assert client.get(f"/open/whatsapp/groups/messages/{UNKNOWN}").status_code == 404
    known = created(client, A)["uuid"]
    assert client.send(to_number=None, to_group_uuid=known).status_code == 202


def codes_naming(client: Client, uuid: str) -> list[int]:
    """What each call that names a group is answered."""
    writes: tuple[tuple[str, Any], ...] = (
        *((f"{verb}-participant", {"participants": [B]}) for verb in CHANGES),
        ("set-description", {"description": "x"}),
        ("set-picture", {"url": "https://example.test/a.png"}),
    )
    return [
        client.get(f"/open/whatsapp/group/{uuid}").status_code,
        client.get(f"/open/whatsapp/groups/messages/{uuid}").status_code,
        client.send(to_number=None, to_group_uuid=uuid).status_code,
        *(client.write(f"/whatsapp/group/{uuid}/{path}", body).status_code for path, body in writes),
    ]


def test_a_fresh_group_may_be_invisible_for_a_time(client: Client) -> None:
    """group_lag_seconds: the group exists, and every call naming it is a 404; afterwards each works."""
    client.use("group_lag_seconds = 600\n" + FREE)
    uuid = created(client, A)["uuid"]
    assert set(codes_naming(client, uuid)) == {404}
    assert client.get(f"/open/whatsapp/groups/{SENDER}").json()["data"] == []
    client.use(FREE)
    assert codes_naming(client, uuid) == [200, 200, 202, 200, 200, 200, 200, 200, 200]
    assert len(client.get(f"/open/whatsapp/groups/{SENDER}").json()["data"]) == 1


def test_changes_of_participants_may_show_late(client: Client) -> None:
    """participant_lag_seconds: a change is in force at once and seen later."""
    client.use("participant_lag_seconds = 600\n" + FREE)
    uuid = created(client, A)["uuid"]
    change(client, uuid, "add", B)
    assert change(client, uuid, "add", B).json()["participants"][B]["statusCode"] == 409
    assert members(client, uuid) == [SENDER, A]


def test_what_shows_late_shows_in_order() -> None:
    """Each change shows from the instant its own lag is over."""
    group = Group("WAG1", "1@g.us", "Team", SENDER, 0)
    for now_us, number in ((10, A), (20, B)):
        group.add(number, now_us)
        group.publish(now_us, lag_us=100)
    seen = [list(group.shown_members(now_us)) for now_us in (50, 110, 119, 120)]
    assert seen == [[SENDER], [SENDER, A], [SENDER, A], [SENDER, A, B]]
    assert all(len(earlier) <= len(later) for earlier, later in pairwise(seen))


def test_a_number_makes_only_so_many_groups_a_day(client: Client) -> None:
    """Beyond groups_per_day creation is refused in words; another number is free, and 0 means no such limit."""
    client.use("groups_per_day = 2\n" + FREE)
    body = {"group": {"name": "Team", "participants": [A]}}
    codes = [client.write("/whatsapp/group/create", body).status_code for _ in range(3)]
    assert codes == [200, 200, 400]
    response = client.write("/whatsapp/group/create", body)
    assert (response.json()["success"], response.json()["error"]) == (False, True)
    assert "2 groups a day" in response.json()["error_message"]
    assert client.write("/whatsapp/group/create", {**body, "from_number": B}).status_code == 200
    client.use("groups_per_day = 0\n" + FREE)
    assert client.write("/whatsapp/group/create", body).status_code == 200


def test_the_day_of_a_number_is_the_last_24_hours() -> None:
    """A group counts for a day and no longer; one made elsewhere does not count."""
    book = GroupBook()
    book.add(Group("WAG1", "1@g.us", "Team", SENDER, 0))
    book.add(Group("WAG2", "2@g.us", "Team", SENDER, 10))
    book.add(Group("WAG3", "3@g.us", "Team", SENDER, 10, assumed=True))
    assert [book.made_today(SENDER, now_us) for now_us in (10, DAY_US - 1, DAY_US, DAY_US + 10)] == [2, 2, 1, 0]
    assert book.made_today(A, 10) == 0


REFUSING = (
    FREE + '[[participants]]\npattern = "+15550200*"\nstatus_code = 408\n'
    '[[participants]]\npattern = "+1555020?00?"\nstatus_code = 403\ninvited = true\n'
)


def test_numbers_may_be_refused_by_pattern(client: Client) -> None:
    """The first pattern that fits decides; refused numbers are in the map, and among the unaccepted."""
    client.use(REFUSING)
    late, private = "+15550200001", "+15550201001"
    group = created(client, A, late, private)
    assert [one["statusCode"] for one in group["participants"].values()] == [200, 200, 408, 403]
    assert [one["isInviteV4Sent"] for one in group["participants"].values()] == [False, False, False, True]
    assert (group["accepted_numbers"], group["unaccepted_numbers"]) == ([A], [late, private])
    body = change(client, group["uuid"], "add", private, B).json()
    assert body["participants"][private]["statusCode"] == 403
    assert body["unaccepted_numbers"] == [private]
    assert members(client, group["uuid"]) == [SENDER, A, B]
    assert change(client, UNKNOWN, "remove", private).json()["participants"]["unaccepted_numbers"] == [private]


def test_a_repeated_state_is_a_repeat_and_another_call_a_duplicate(client: Client) -> None:
    """Setting the same state twice does no harm; making or adding twice is a duplicate."""
    uuid = created(client, A)["uuid"]
    for verb in ("promote", "demote", "promote", "add", "add"):
        change(client, uuid, verb, A)
    created(client, A)
    report = client.sandbox.report()["keys"]["key"]
    assert (report["repeats"], report["duplicates"]) == (1, 2)
    assert report["operations"] == {"group.add": 2, "group.create": 2, "group.demote": 1, "group.promote": 2}


def test_the_log_names_the_operation(client: Client) -> None:
    """Each call about groups has its own name in the log."""
    uuid = created(client, A)["uuid"]
    for verb in CHANGES:
        change(client, uuid, verb, B)
    client.write(f"/whatsapp/group/{uuid}/set-description", {"description": "x"})
    client.write(f"/whatsapp/group/{uuid}/set-picture", {"url": "https://example.test/a.png"})
    client.get(f"/open/whatsapp/group/{uuid}")
    names = [arrival["operation"] for arrival in client.sandbox.arrivals()]
    wanted = ["create", *CHANGES, "set_description", "set_picture"]
    assert [*(f"group.{name}" for name in wanted), "lookup"] == names
