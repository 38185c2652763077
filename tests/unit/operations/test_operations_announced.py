"""What each operation says of itself before it is sent: its kind, whom it is about, its calls and what they cost."""

from typing import Any

import pydantic
import pytest

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    Pin,
    PostStory,
    PromoteParticipants,
    RemoveParticipants,
    SendWaba,
    SetGroupDescription,
    SetGroupPicture,
)
from paceline.ids import derived_id, is_id, new_id
from paceline.operations import OPERATIONS, Interactive, UrlButton
from tests.unit.samples import (
    GROUP,
    MESSAGE,
    NEEDED,
    OPERATION_ID,
    PICTURE,
    RECIPIENT,
    REMOTE_ID,
    SENDER,
    make,
    message,
    numbers,
)

ASK = Interactive(body="Well?", url_button=UrlButton(label="Look", url=PICTURE))
CHANGES = (AddParticipants, RemoveParticipants, PromoteParticipants, DemoteParticipants)
IN_A_GROUP: tuple[type[Operation], ...] = (*CHANGES, SetGroupDescription, SetGroupPicture)


def test_there_is_a_sample_of_every_operation() -> None:
    """The tables of these tests leave none out."""
    assert set(OPERATIONS) == set(NEEDED)


@pytest.mark.parametrize("model", OPERATIONS)
def test_every_operation_is_of_one_of_its_kinds(model: type[Operation]) -> None:
    """Its kind is among `kinds`, which has no kind twice."""
    assert make(model).kind in model.kinds
    assert len(set(model.kinds)) == len(model.kinds)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("message.to_number", message()),
        ("message.to_number", message(text=None, url=PICTURE)),
        ("message.to_group", message(to=None, group=GROUP)),
        ("message.to_remote_id", message(to=None, remote_id=REMOTE_ID)),
        ("message.pin", message(text=None, pin=Pin(latitude=0, longitude=0))),
        ("message.pin", message(to=None, group=GROUP, text=None, pin=Pin(latitude=0, longitude=0))),
        ("status.text", make(PostStory)),
        ("status.image", make(PostStory, text=None, image_url=PICTURE)),
        ("status.video", make(PostStory, text=None, video_url=PICTURE)),
        ("waba.session_text", make(SendWaba)),
        ("waba.session_media", make(SendWaba, url=PICTURE)),
        ("waba.interactive", make(SendWaba, text=None, interactive=ASK)),
    ],
)
def test_content_and_target_make_the_kind(kind: str, operation: Operation) -> None:
    """Where one model stands for several kinds, its fields say which."""
    assert (kind, True) == (operation.kind, kind in operation.kinds)


@pytest.mark.parametrize("model", OPERATIONS)
def test_every_operation_is_frozen(model: type[Operation]) -> None:
    """No field of an operation can be changed after it was made."""
    operation = make(model)
    for field in model.model_fields:
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(operation, field, None)


@pytest.mark.parametrize("model", OPERATIONS)
def test_equal_fields_make_equal_operations(model: type[Operation]) -> None:
    """Every operation is a value."""
    assert make(model) == make(model)
    assert make(model) != make(model, idempotency_key="7")


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        (RECIPIENT, message()),
        (REMOTE_ID, message(to=None, remote_id=REMOTE_ID)),
        (RECIPIENT, make(DeleteMessage)),
        (GROUP, make(DeleteMessage, to=None, group=GROUP)),
        (OPERATION_ID, make(DeleteMessage, to=None, message=OPERATION_ID)),
        (SENDER, make(PostStory)),
        ("", make(CreateGroup)),
        (GROUP, make(AddParticipants)),
        (RECIPIENT, make(SendWaba)),
        (RECIPIENT, make(CheckNumber)),
    ],
)
def test_the_target_is_whom_it_is_about(target: str, operation: Operation) -> None:
    """A conversation, the sender's own profile, a group, or the operation itself when nothing exists before."""
    assert target == operation.target


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (10, 1), (11, 2), (20, 2), (37, 4), (1024, 103)])
@pytest.mark.parametrize("model", [CreateGroup, *CHANGES])
def test_participants_take_a_call_and_a_credit_for_each_ten(model: type[Operation], count: int, calls: int) -> None:
    """Also of a new group: its first ten come with the creation."""
    operation = make(model, participants=list(numbers(count)))
    assert (calls, calls) == (operation.requests, operation.credits)


@pytest.mark.parametrize(("credits_", "more"), [(1, False), (2, True)])
def test_a_check_with_extra_information_costs_two_credits(credits_: int, more: bool) -> None:
    """It is one call all the same (docs/provider.md, 1.5)."""
    operation = make(CheckNumber, extra_information=more)
    assert (1, credits_) == (operation.requests, operation.credits)


@pytest.mark.parametrize(
    ("calls", "fields"),
    [(1, {}), (1, {"to": None, "remote_id": REMOTE_ID}), (2, {"to": None, "group": GROUP})],
)
def test_a_deletion_in_a_group_takes_a_look_up_first(calls: int, fields: dict[str, Any]) -> None:
    """The group's WhatsApp id is asked for; the sender's channel is kept between operations and not counted."""
    operation = make(DeleteMessage, **fields)
    assert (calls, calls) == (operation.requests, operation.credits)


@pytest.mark.parametrize("model", [model for model in OPERATIONS if model not in (CreateGroup, *CHANGES)])
def test_all_others_are_one_call(model: type[Operation]) -> None:
    """One call, one credit."""
    assert (1, 1) == (make(model).requests, make(model).credits)


@pytest.mark.parametrize("model", OPERATIONS)
def test_by_itself_an_operation_follows_none(model: type[Operation]) -> None:
    """Numbers and the provider's uuids are no operations."""
    assert make(model).follows is None


@pytest.mark.parametrize("made", [new_id(), derived_id("key", "acme", "team-a")], ids=["new", "derived"])
def test_an_operation_named_by_another_follows_it(made: str) -> None:
    """A group by its creation's id, or a message by that of the operation that sent it, is waited for."""
    followers = [make(model, group=made) for model in IN_A_GROUP]
    deletion = make(DeleteMessage, to=None, message=made)
    for operation in (*followers, message(to=None, group=made), deletion):
        assert made == operation.follows
    assert deletion.payload() == {}


def test_the_providers_uuids_are_no_operation_ids() -> None:
    """They cannot be taken for each other."""
    assert [is_id(text) for text in (OPERATION_ID, GROUP, MESSAGE, RECIPIENT, REMOTE_ID)] == [True, *4 * [False]]


@pytest.mark.parametrize("field", sorted(Operation.model_fields))
def test_common_options_have_one_meaning_everywhere(field: str) -> None:
    """An option of all operations has the same type and default on each of them."""
    assert {repr(Operation.model_fields[field])} == {repr(model.model_fields[field]) for model in OPERATIONS}
