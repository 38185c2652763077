import pytest

from tests.sandbox.client import QUIET, SENDER, UNLIMITED, Client

PICTURE = "https://example.test/a.png"
CALLS = [
    ("set-profile-picture", {"url": PICTURE}, "profile.picture"),
    ("set-profile-picture", {"url": None}, "profile.picture"),
    ("set-status", {"status": "Busy"}, "profile.about"),
    ("set-text-status", {"text": "Hello"}, "status.text"),
    ("set-text-status", {"text": "Hello", "params": {"backgroundColor": "#ff0000", "font": 2}}, "status.text"),
    ("set-image-status", {"image_url": PICTURE}, "status.image"),
    ("set-video-status", {"video_url": "https://example.test/a.mp4"}, "status.video"),
]


@pytest.mark.parametrize(("path", "body", "operation"), CALLS)
def test_profile_and_stories_are_set(client: Client, path: str, body: dict[str, object], operation: str) -> None:
    """Each succeeds for a number in the path; only the profile says that it is batched."""
    response = client.write(f"/whatsapp/{path}/{SENDER}", body)
    assert response.status_code == 200
    batched = {"batched": True} if operation.startswith("profile.") else {}
    assert {"success": True, **batched} == response.json()
    arrival = client.sandbox.arrivals()[-1]
    assert (operation, True) == (arrival["operation"], arrival["accepted"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("set-profile-picture", {}),
        ("set-profile-picture", {"url": 5}),
        ("set-profile-picture", {"url": "a.png"}),
        ("set-status", {}),
        ("set-status", {"status": 5}),
        ("set-text-status", {}),
        ("set-text-status", {"text": ""}),
        ("set-text-status", {"text": "x", "params": "red"}),
        ("set-text-status", {"text": "x", "params": {"backgroundColor": 5}}),
        ("set-text-status", {"text": "x", "params": {"font": []}}),
        ("set-image-status", {}),
        ("set-image-status", {"image_url": "a.png"}),
        ("set-video-status", {"video_url": ""}),
    ],
)
def test_a_malformed_setting_is_a_422(client: Client, path: str, body: dict[str, object]) -> None:
    """Missing, mistyped and malformed fields are refused."""
    assert client.write(f"/whatsapp/{path}/{SENDER}", body).status_code == 422
    assert client.sandbox.arrivals()[-1]["accepted"] is False


@pytest.mark.parametrize(("path", "body", "_"), CALLS)
def test_a_body_that_is_no_object_is_a_400(client: Client, path: str, body: object, _: str) -> None:
    """A list is no body, and a path without a number is a 422."""
    assert client.write(f"/whatsapp/{path}/{SENDER}", []).status_code == 400
    assert client.write(f"/whatsapp/{path}/nobody", body).status_code == 422


def test_a_number_does_one_thing_at_a_time(client: Client) -> None:
    """The number in the path is kept busy like by a message."""
    client.use("latency_ms = 0\nbusy_seconds = 600\n" + UNLIMITED)
    assert client.write(f"/whatsapp/set-status/{SENDER}", {"status": "x"}).status_code == 200
    assert client.write(f"/whatsapp/set-text-status/{SENDER}", {"text": "x"}).status_code == 486
    assert client.codes(1) == [486]


def test_a_number_in_trouble_sets_nothing(client: Client) -> None:
    """The states of a number apply to profile and stories."""
    client.use(QUIET + UNLIMITED + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "connecting"\n')
    assert client.write(f"/whatsapp/set-image-status/{SENDER}", {"image_url": PICTURE}).status_code == 410


def test_a_repeated_setting_is_a_repeat_and_a_repeated_story_a_duplicate(client: Client) -> None:
    """A state set again is harmless; a story told again is seen twice."""
    for _ in range(2):
        client.write(f"/whatsapp/set-status/{SENDER}", {"status": "x"})
        client.write(f"/whatsapp/set-text-status/{SENDER}", {"text": "x"})
    report = client.sandbox.report()["keys"]["key"]
    assert (report["repeats"], report["duplicates"]) == (1, 1)
