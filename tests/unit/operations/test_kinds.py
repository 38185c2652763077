"""The table of kinds: one line for each kind that a model can have, and what becomes of unknown outcomes."""

import string
from typing import get_args

import pytest

from paceline.kinds import KINDS, Resolution, unknown_letter
from paceline.operations import OPERATIONS, OnUnknown

POLICIES: tuple[OnUnknown, ...] = get_args(OnUnknown)
SEND, WABA, GROUP = "/whatsapp/send-message", "/waba/send-message", "/whatsapp/group/{target}/"

# kind, method, path, resolution: docs/provider.md, 0, line by line
TABLE: list[tuple[str, str, str, Resolution]] = [
    ("message.to_number", "POST", SEND, "history"),
    ("message.to_group", "POST", SEND, "history"),
    ("message.to_remote_id", "POST", SEND, "history"),
    ("message.pin", "POST", SEND, "history"),
    ("message.delete", "DELETE", "/whatsapp/message/{session_key}/{message_uuid}", "repeat"),
    ("status.text", "POST", "/whatsapp/set-text-status/{sender}", "hold"),
    ("status.image", "POST", "/whatsapp/set-image-status/{sender}", "hold"),
    ("status.video", "POST", "/whatsapp/set-video-status/{sender}", "hold"),
    ("profile.about", "POST", "/whatsapp/set-status/{sender}", "repeat"),
    ("profile.picture", "POST", "/whatsapp/set-profile-picture/{sender}", "repeat"),
    ("group.create", "POST", "/whatsapp/group/create", "groups"),
    ("group.add", "POST", GROUP + "add-participant", "repeat"),
    ("group.remove", "POST", GROUP + "remove-participant", "repeat"),
    ("group.promote", "POST", GROUP + "promote-participant", "repeat"),
    ("group.demote", "POST", GROUP + "demote-participant", "repeat"),
    ("group.set_description", "POST", GROUP + "set-description", "repeat"),
    ("group.set_picture", "POST", GROUP + "set-picture", "repeat"),
    ("waba.template", "POST", WABA, "hold"),
    ("waba.session_text", "POST", WABA, "hold"),
    ("waba.session_media", "POST", WABA, "hold"),
    ("waba.interactive", "POST", WABA, "hold"),
    ("sms.send", "POST", "/sms/send", "hold"),
    ("number.check", "GET", "/whatsapp/check-number/{sender}/{target}", "repeat"),
]


def test_the_table_is_pinned() -> None:
    """Method, path and resolution of every kind; the path is also the label of metrics."""
    assert [(name, kind.method, kind.path, kind.resolution) for name, kind in KINDS.items()] == TABLE


def test_every_kind_of_every_model_has_its_line() -> None:
    """And every line belongs to one model only."""
    kinds = [kind for model in OPERATIONS for kind in model.kinds]
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_paths_name_known_parts(kind: str) -> None:
    """What stands in braces is filled from the operation, and holds no number or id of its own."""
    parts = {part for _, part, _, _ in string.Formatter().parse(KINDS[kind].path) if part}
    assert parts <= {"sender", "target", "session_key", "message_uuid"}


def test_what_a_repeated_call_does_is_said_in_words() -> None:
    """Whoever chooses `resend` reads what may happen; only what doubles or makes again is looked up or held by default."""
    doubles = {"sends a second one", "posts a second one", "makes a second group"}
    assert all(kind.repeating for kind in KINDS.values())
    assert {name for name, kind in KINDS.items() if kind.repeating in doubles} == {
        name for name, kind in KINDS.items() if kind.resolution != "repeat"
    }


# what becomes of an unknown outcome under reconcile, resend, hold
LETTERS = {"history": "lrh", "groups": "lrh", "repeat": "rrh", "hold": "hrh"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_and_the_kind_decide_on_unknown_outcomes(kind: str) -> None:
    """`l` looked up, `r` repeated, `h` held; what only reads is repeated whatever the policy."""
    expected = "rrr" if KINDS[kind].method == "GET" else LETTERS[KINDS[kind].resolution]
    assert expected == "".join(unknown_letter(kind, policy) for policy in POLICIES)


def test_hold_never_repeats_what_changes_something() -> None:
    """Under `hold` no call but a read is made twice."""
    assert {"number.check"} == {kind for kind in KINDS if unknown_letter(kind, "hold") != "h"}


def test_an_unknown_kind_has_no_letter() -> None:
    """A kind of a newer release is refused, not guessed."""
    with pytest.raises(KeyError):
        unknown_letter("message.poll", "reconcile")
