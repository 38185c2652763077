from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_sandbox.console.tables import ReceiptRules
from paceline_sandbox.faults.courses import NEVER_READ, NEVER_RECEIVED, NEVER_SENT, Course, Courses, Lot
from paceline_sandbox.faults.scenario import BadScenario, Scenario, parse_toml
from paceline_sandbox.webhooks.receipts import Notice, notices
from tests.sandbox.client import RECIPIENT, SENDER

ACCEPTED_US = 1_000_000_000


def rules(text: str = "") -> ReceiptRules:
    return parse_toml("[receipts]\n" + text).receipts


def lot(ordinal: int = 1, seed: int = 0) -> Lot:
    return Lot(seed, SENDER, ordinal)


def course(text: str = "", to: str = RECIPIENT, chances: Lot | None = None) -> Course:
    return Courses(parse_toml(text)).of(chances or lot(), to)


def planned(text: str = "", to: str = RECIPIENT, ordinal: int = 1, seed: int = 0) -> list[Notice]:
    """The notices of one message, the n-th of its number."""
    scenario = parse_toml("[receipts]\n" + text)
    chances = lot(ordinal, seed)
    fate = Courses(scenario).of(chances, to)
    return notices(scenario.receipts, chances, fate, "MSG1", ACCEPTED_US)


def steps(ordered: list[Notice]) -> list[str]:
    return [notice.step for notice in ordered]


def test_a_message_is_sent_received_and_read() -> None:
    """By default a message climbs the whole ladder, at the delays of the scenario."""
    assert course().steps == (("sent", 50_000), ("received", 200_000), ("read", 1_000_000))
    assert course("[receipts]\nsent_ms = 1\nreceived_ms = 2\nread_ms = 2.5").steps == (
        ("sent", 1000),
        ("received", 2000),
        ("read", 2500),
    )


def test_a_step_never_comes_before_the_one_below_it() -> None:
    """A delay that is shorter than that of an earlier step counts as that one."""
    assert course("[receipts]\nsent_ms = 7\nreceived_ms = 5\nread_ms = 6").steps == (
        ("sent", 7000),
        ("received", 7000),
        ("read", 7000),
    )


@pytest.mark.parametrize(
    ("recipient", "reached"),
    [
        (NEVER_SENT, ["not-sent"]),
        (NEVER_RECEIVED, ["sent"]),
        (NEVER_READ, ["sent", "received"]),
        (RECIPIENT, ["sent", "received", "read"]),
        ("WAG1", ["sent", "received", "read"]),
    ],
)
def test_magic_recipients_have_a_fixed_fate(recipient: str, reached: list[str]) -> None:
    """Three numbers never get further than their step, whatever else is drawn, unless magic is off."""
    assert reached == [step for step, _ in course(to=recipient).steps]
    assert [step for step, _ in course("magic = false", to=recipient).steps] == ["sent", "received", "read"]


@pytest.mark.parametrize(
    ("age_us", "ack", "flags"),
    [
        (0, 0, (False, False, False)),
        (49_999, 0, (False, False, False)),
        (50_000, 1, (True, False, False)),
        (200_000, 2, (True, True, False)),
        (1_000_000, 3, (True, True, True)),
    ],
)
def test_the_state_follows_the_steps(age_us: int, ack: int, flags: tuple[bool, bool, bool]) -> None:
    """wa_msg_ack counts the steps done at an age, and each flag tells one of them."""
    state = course().state(age_us)
    assert {"wa_msg_ack": ack, **dict(zip(("sent", "received", "read"), flags, strict=True))} == state


def test_a_message_that_fails_stays_created() -> None:
    """A message that is not sent has the state of one just created, for ever."""
    assert course("[receipts]\nnot_sent = 1").state(10**12) == {
        "wa_msg_ack": 0,
        "sent": False,
        "received": False,
        "read": False,
    }


def test_receipts_are_due_when_their_step_is() -> None:
    """Without faults there is one receipt for each step, in order, due at its instant."""
    ordered = planned()
    assert steps(ordered) == ["sent", "received", "read"]
    assert [notice.due_us - ACCEPTED_US for notice in ordered] == [50_000, 200_000, 1_000_000]
    assert all(notice.happened_us == notice.due_us for notice in ordered)


def test_a_failed_message_has_one_receipt() -> None:
    """not_sent makes messages fail instead of being sent."""
    assert steps(planned("not_sent = 1")) == ["not-sent"]


def test_lost_receipts_are_not_delivered() -> None:
    """lose drops receipts."""
    assert planned("lose = 1") == []


def test_duplicates_follow_at_once() -> None:
    """A duplicated receipt comes twice in a row, the second marked."""
    ordered = planned("duplicate = 1")
    assert steps(ordered) == ["sent", "sent", "received", "received", "read", "read"]
    assert [notice.duplicate for notice in ordered] == [False, True] * 3


def test_reordered_receipts_come_after_a_later_one() -> None:
    """A reordered receipt still tells its own instant and goes out with the one that it waits for."""
    ordered = planned("reorder = 1")
    assert steps(ordered) == ["read", "sent", "received"]
    assert [notice.reordered for notice in ordered] == [False, True, True]
    assert [notice.happened_us - ACCEPTED_US for notice in ordered] == [1_000_000, 50_000, 200_000]
    assert {notice.due_us - ACCEPTED_US for notice in ordered} == {1_000_000}


def test_a_receipt_without_a_later_one_cannot_be_reordered() -> None:
    """The only receipt of a message stays where it is."""
    assert [notice.reordered for notice in planned("reorder = 1\nnot_sent = 1")] == [False]


def test_an_early_receipt_is_due_at_acceptance() -> None:
    """An early message is sent when it is accepted, and its receipt is never reordered or copied early."""
    first, second, *rest = planned("early = 1\nreorder = 1\nduplicate = 1")
    assert (first.step, first.early, first.duplicate, first.due_us) == ("sent", True, False, ACCEPTED_US)
    assert (second.step, second.early, second.duplicate, second.due_us) == ("sent", False, True, ACCEPTED_US)
    assert steps(rest) == ["read", "read", "received", "received"]


def test_a_message_that_fails_is_never_early() -> None:
    """Only the receipt that a message was sent can overtake the answer."""
    assert [notice.early for notice in planned("early = 1\nnot_sent = 1")] == [False]


def test_forged_receipts_tell_of_foreign_messages() -> None:
    """forge = N adds N receipts with ids that were never given out, and leaves the real ones alone."""
    ordered = planned("forge = 3")
    forged = [notice for notice in ordered if notice.forged]
    assert len({notice.message_uuid for notice in forged}) == 3
    assert all(notice.message_uuid.startswith("MSG") and notice.message_uuid != "MSG1" for notice in forged)
    assert steps([notice for notice in ordered if not notice.forged]) == ["sent", "received", "read"]
    assert not any(notice.forged for notice in planned("forge = false"))


def test_forgeries_vary_in_step_and_place() -> None:
    """Over many messages forged receipts tell of every step and come at every place."""
    runs = [planned("forge = 1", ordinal=ordinal) for ordinal in range(1, 101)]
    assert {notice.step for run in runs for notice in run if notice.forged} == {"sent", "received", "read", "not-sent"}
    assert {place for run in runs for place, notice in enumerate(run) if notice.forged} == {0, 1, 2, 3}


SHARES = "not_sent = 0.2\nlose = 0.3\nduplicate = 0.4\nreorder = 0.3\nearly = 0.3\nforge = 0.5"


def test_the_seed_decides() -> None:
    """The n-th message of a number has the same receipts in every run with a seed, and others with another seed."""
    first, second = ([planned(SHARES, ordinal=ordinal) for ordinal in range(1, 101)] for _ in range(2))
    assert first == second
    assert first != [planned(SHARES, ordinal=ordinal, seed=1) for ordinal in range(1, 101)]
    assert len({tuple(steps(run)) for run in first}) > 5


@pytest.mark.parametrize("name", ["not_sent", "lose", "duplicate", "reorder", "early", "forge"])
def test_shares_are_kept(name: str) -> None:
    """A share of 0.3 strikes about 3 of 10 of those it can strike."""
    runs = [planned(f"{name} = 0.3", ordinal=ordinal) for ordinal in range(1, 1001)]
    hit = {
        "not_sent": sum("not-sent" in steps(run) for run in runs) / 1000,
        "lose": sum(3 - len(run) for run in runs) / 3000,
        "duplicate": sum(notice.duplicate for run in runs for notice in run) / 3000,
        "reorder": sum(notice.reordered for run in runs for notice in run) / 2000,
        "early": sum(notice.early for run in runs for notice in run) / 1000,
        "forge": sum(notice.forged for run in runs for notice in run) / 1000,
    }[name]
    assert hit == pytest.approx(0.3, abs=0.06)


@given(
    shares=st.fixed_dictionaries(
        {name: st.sampled_from([0, 0.5, 1]) for name in ("not_sent", "lose", "duplicate", "reorder", "early", "forge")}
    ),
    delays=st.tuples(*[st.integers(0, 5)] * 3),
    ordinal=st.integers(1, 1000),
    recipient=st.sampled_from([RECIPIENT, NEVER_SENT, NEVER_RECEIVED, NEVER_READ]),
)
def test_every_plan_keeps_its_promises(
    shares: dict[str, float], delays: tuple[int, ...], ordinal: int, recipient: str
) -> None:
    """Whatever is mixed: due times never fall, only own steps are told, nothing comes more than twice, early is first."""
    ladder = dict(zip(("sent_ms", "received_ms", "read_ms"), delays, strict=True))
    scenario = Scenario(receipts=ReceiptRules.model_validate({**shares, **ladder}))
    fate = Courses(scenario).of(lot(ordinal), recipient)
    ordered = notices(scenario.receipts, lot(ordinal), fate, "MSG1", ACCEPTED_US)
    assert all(earlier.due_us <= later.due_us for earlier, later in pairwise(ordered))
    assert all(notice.due_us >= notice.happened_us >= ACCEPTED_US for notice in ordered)
    own = [notice for notice in ordered if not notice.forged]
    known = dict(fate.steps)
    assert all(notice.happened_us == ACCEPTED_US + known[notice.step] for notice in own)
    assert all(steps(own).count(step) <= 2 for step in known)
    assert all(position == 0 for position, notice in enumerate(ordered) if notice.early)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('hook_url = "example.test/hook"', "receipts.hook_url"),
        ('hook_url = "ftp://example.test"', "receipts.hook_url"),
        ('hook_url = "http://"', "receipts.hook_url"),
        ('hook_url = "http://[::1"', "receipts.hook_url"),
        ('hook_url = "http://a b"', "receipts.hook_url"),
        ("lose = 1.5", "receipts.lose"),
        ("forge = -1", "receipts.forge"),
        ("sent_ms = -1", "receipts.sent_ms"),
        ("timeout_ms = 0", "receipts.timeout_ms"),
        ("retries = 11", "receipts.retries"),
        ('body = "xml"', "receipts.body"),
        ("delivered_ms = 1", "receipts.delivered_ms"),
    ],
)
def test_wrong_rules_are_named(text: str, place: str) -> None:
    """A wrong field of [receipts] is refused by its name."""
    with pytest.raises(BadScenario, match=place.replace(".", r"\.")):
        rules(text)


def test_the_readme_names_every_rule() -> None:
    """Every field of [receipts] has a place in the README."""
    readme = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
    assert [name for name in ReceiptRules.model_fields if f"`{name}`" not in readme] == []
