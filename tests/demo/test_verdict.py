"""What counts as lost, doubled, broken and held: decided from values, by the provider's log."""

from __future__ import annotations

from typing import Any

import pytest

from paceline_sandbox.demo.plan import Account
from paceline_sandbox.demo.verdict import AccountVerdict, Report, audit_in_words, judge

ACCOUNT = Account("acme", 60, "window", "sliding_log", None, ("+15550100001",), 3)
ADA, BO, CY = "+15550200001", "+15550200002", "+15550200003"
ALL_ACCEPTED = {ADA: "accepted", BO: "accepted", CY: "accepted"}


def arrival(to: str, second: float, *, status: int | None = 202, key: str = ACCOUNT.key) -> dict[str, Any]:
    """A line of the provider's log; one that was answered 202, or not at all, took effect."""
    return {
        "at_us": int(second * 1_000_000),
        "key": key,
        "method": "POST",
        "body": {"to_number": to},
        "status": status,
        "accepted": status in (202, None),
    }


def key_report(*, violations: int = 0, per_second: float | None = 0.9) -> dict[str, Any]:
    return {
        "violations": violations,
        "achieved_per_second": per_second,
        "limits": [{"share_used": per_second}],
    }


ALL_ARRIVED = [arrival(ADA, 0), arrival(BO, 1), arrival(CY, 2)]


def test_all_is_well_when_each_message_took_effect_once() -> None:
    """Nothing to complain about, and the provider's own figures are passed on."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED, ALL_ARRIVED, key_report())
    assert verdict.problems() == []
    assert (verdict.to_send, verdict.arrived, verdict.accepted) == (3, 3, 3)
    assert (verdict.per_minute, verdict.share_used, verdict.share_between) == (54.0, 0.9, 1.0)
    assert verdict.notes == ()


def test_said_to_be_accepted_and_never_arrived_is_lost() -> None:
    """State's word alone does not count."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED, ALL_ARRIVED[:2], key_report())
    assert verdict.problems() == ["acme: 1 message lost"]


@pytest.mark.parametrize("state", ["", "waiting", "granted", "sending"])
def test_without_an_outcome_it_is_lost_even_if_it_arrived(state: str) -> None:
    """An operation that never comes to an end is one that somebody waits for in vain."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED | {CY: state}, ALL_ARRIVED, key_report())
    assert verdict.problems() == ["acme: 1 message lost"]


def test_one_that_took_effect_again_is_doubled() -> None:
    """Each further time counts."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED, [*ALL_ARRIVED, arrival(ADA, 3), arrival(ADA, 4)], key_report())
    assert verdict.problems() == ["acme: 2 messages sent twice"]
    assert (verdict.accepted, verdict.doubled, verdict.lost) == (5, 2, 0)


def test_a_repetition_after_a_refusal_doubles_nothing() -> None:
    """A request answered 503 or 429 took no effect."""
    refused = [arrival(ADA, 0, status=503), arrival(BO, 1, status=429)]
    later = [arrival(ADA, 10), arrival(BO, 11), arrival(CY, 12)]
    verdict = judge(ACCOUNT, ALL_ACCEPTED, [*refused, *later], key_report())
    assert verdict.problems() == []
    assert (verdict.arrived, verdict.accepted) == (5, 3)
    assert [next((word for word in ("429", "503") if word in note), note) for note in verdict.notes] == [
        "429",
        "503",
        "longest silence 9.0 s",
    ]


def test_a_broken_limit_is_what_the_provider_says_it_is() -> None:
    """The provider counts; an injected 429 is none."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED, ALL_ARRIVED, key_report(violations=2))
    assert verdict.problems() == ["acme: 2 requests broke the limit of the key"]


@pytest.mark.parametrize(("arrived", "known"), [(ALL_ARRIVED, 1), (ALL_ARRIVED[:2], 0)])
def test_held_is_neither_lost_nor_doubled(arrived: list[dict[str, Any]], known: int) -> None:
    """Its worker died in the middle of the call: allowed, and shown with what the provider knows."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED | {CY: "held"}, arrived, key_report())
    assert verdict.problems() == []
    assert (1, known) == (verdict.held, verdict.held_accepted)
    assert any("held" in note for note in verdict.notes)


def test_one_that_was_held_and_sent_again_is_doubled() -> None:
    """Held does not excuse a second effect."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED | {CY: "held"}, [*ALL_ARRIVED, arrival(CY, 5)], key_report())
    assert verdict.problems() == ["acme: 1 message sent twice"]


@pytest.mark.parametrize("outcome", ["rejected", "expired", "cancelled", "dead", "suppressed"])
def test_any_other_outcome_is_a_problem_here(outcome: str) -> None:
    """Nothing in the demo's scenario justifies it."""
    verdict = judge(ACCOUNT, ALL_ACCEPTED | {CY: outcome}, ALL_ARRIVED[:2], key_report())
    assert verdict.problems() == ["acme: 1 message neither accepted nor held"]


def test_requests_of_other_keys_and_kinds_do_not_count() -> None:
    """A message sent with another account's key has not arrived."""
    reading = {"at_us": 0, "key": ACCOUNT.key, "method": "GET", "body": None, "status": 200, "accepted": False}
    foreign = arrival(CY, 2, key="another")
    verdict = judge(ACCOUNT, ALL_ACCEPTED, [reading, *ALL_ARRIVED[:2], foreign], key_report())
    assert (verdict.arrived, verdict.lost) == (2, 1)


def test_a_key_the_provider_never_saw_has_no_rate() -> None:
    """And all its messages are lost."""
    verdict = judge(ACCOUNT, dict.fromkeys(ALL_ACCEPTED, ""), [], {})
    assert (verdict.lost, verdict.per_minute, verdict.share_used, verdict.share_between) == (3, None, None, None)


class TestReport:
    """All accounts and the audit together."""

    GOOD = judge(ACCOUNT, ALL_ACCEPTED, ALL_ARRIVED, key_report())
    BAD = judge(ACCOUNT, ALL_ACCEPTED, ALL_ARRIVED[:2], key_report())

    @staticmethod
    def of(*verdicts: AccountVerdict, audit_ok: bool = True, audit: str = "", given_up: str = "") -> Report:
        return Report(7, 12.34, verdicts, audit_ok, audit, given_up)

    def test_it_is_well_when_all_accounts_and_the_audit_are(self) -> None:
        """And says so in JSON."""
        found = self.of(self.GOOD, audit="fine").as_json()
        assert tuple(found[name] for name in ("ok", "problems", "seed", "seconds")) == (True, [], 7, 12.3)
        assert found["audit"] == {"ok": True, "says": "fine"}
        assert found["accounts"][0]["account"] == "acme"

    def test_it_collects_what_must_not_happen(self) -> None:
        """Giving up comes first, for it explains the rest."""
        report = self.of(self.GOOD, self.BAD, audit_ok=False, audit="1 missing", given_up="time is up")
        expected = ["time is up", "acme: 1 message lost", "`paceline audit` disagrees: 1 missing"]
        assert expected == report.problems == report.as_json()["problems"]
        assert report.as_json()["ok"] is False


def test_the_audit_is_told_in_one_sentence() -> None:
    """Over all accounts."""
    books = [
        {"received": 3, "outcomes": {"accepted": 2, "held": 1}, "unaccounted": 0},
        {"received": 1, "outcomes": {"accepted": 0}, "unaccounted": 1},
    ]
    assert audit_in_words(books) == "4 operations received, 3 with an outcome, 1 unaccounted for"
