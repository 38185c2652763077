"""Each row of the table of answers, through a real worker process and the sandbox."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count, pairwise

import pytest

from paceline import Status, Ticket
from paceline_worker.accounts.accounts import Accounts
from tests.support.celery_tools import figures_when
from tests.support.shell import paceline
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize("status", [400, 404, 406, 413, 422])
def test_what_the_provider_rejects_is_an_outcome(served: Stack, status: int) -> None:
    """A rejected operation ends with the provider's words, and the lane goes on."""
    served.scenario(faults=[{"kind": "answer", "status": status, "count": 1, "message": "no such thing"}])
    served.add_account()
    bad, good = served.send(1, sender="+15550100001"), served.send(2, sender="+15550100001")
    status_of_bad = served.status_when(bad, "rejected")
    assert (str(status), True) == (status_of_bad.code, "no such thing" in (status_of_bad.words or ""))
    assert "accepted" == served.status_when(good, "accepted").state


def test_a_2xx_that_says_no_is_a_rejection(served: Stack) -> None:
    """success:false in a 2xx is a failure."""
    served.scenario(faults=[{"kind": "success_false", "count": 1}])
    served.add_account()
    assert "rejected" == served.status_when(served.send(1), "rejected").state


def test_503_is_repeated_until_it_passes(served: Stack) -> None:
    """An overloaded provider costs an attempt and a back-off, and the message arrives once."""
    served.scenario(faults=[{"kind": "answer", "status": 503, "count": 1}])
    served.add_account()
    assert 1 == served.status_when(served.send(1), "accepted").attempts
    assert [503, 202] == [arrival["status"] for arrival in served.arrivals()]


def test_503_to_the_last_attempt_is_dead(served: Stack) -> None:
    """Attempts used up: an outcome of its own, with the provider's words."""
    served.scenario(faults=[{"kind": "answer", "status": 503}])
    served.add_account()
    dead = served.status_when(served.send(1, max_attempts=2), "dead")
    assert "503" == dead.code
    assert 2 == len(served.arrivals())


@pytest.mark.parametrize("status", [409, 410, 486])
def test_a_busy_number_waits_without_an_attempt(served: Stack, status: int) -> None:
    """The sender pauses a few seconds; the operation goes back to the head of its lane."""
    served.scenario(faults=[{"kind": "answer", "status": status, "count": 1, "from_number": "+15550100001"}])
    served.add_account()
    busy = served.send(1, sender="+15550100001")
    other = served.send(2, sender="+15550100002")
    assert 0 == served.status_when(busy, "accepted").attempts
    assert "accepted" == served.status_when(other, "accepted").state
    first = [arrival["status"] for arrival in served.arrivals() if arrival["body"]["from_number"] == "+15550100001"]
    assert [status, 202] == first


def test_429_silences_the_account_for_as_long_as_told(served: Stack) -> None:
    """Retry-After is honoured by every sender of the account; then one probe goes first."""
    served.scenario(faults=[{"kind": "answer", "status": 429, "count": 1, "retry_after": 3}])
    served.add_account("600/minute")
    served.start_worker()
    receipts = [served.send(number) for number in range(6)]
    served.settled(6)
    throttled_at = next(arrival["at_us"] for arrival in served.arrivals() if arrival["status"] == 429)
    later = served.begun_after(receipts, answered(served, receipts, "429")[0])
    assert later[0] - throttled_at >= 3_000_000
    assert {f"message {number}": 1 for number in range(6)} == served.texts_accepted()


@pytest.mark.parametrize(("status", "reason"), [(401, "bad_key"), (403, "bad_key"), (402, "unpaid")])
def test_a_refused_key_suspends_the_account_and_loses_nothing(served: Stack, status: int, reason: str) -> None:
    """At most the calls in flight reach the provider; the backlog waits, and leaves after `resume`."""
    served.scenario(faults=[{"kind": "answer", "status": status, "count": 1}])
    served.add_account("1200/minute")
    receipts = [served.send(number, sender="+15550100001") for number in range(3)]
    found = served.wait_for(lambda _: bool(suspended(served)), "suspension")
    assert suspended(served).startswith(f"{reason} ({status})")
    assert (3, 0) == (found.waiting + found.inbox + found.in_flight, sum(found.outcomes.values()))
    assert 1 == len(served.arrivals())
    assert "suspended" in served.outbox.status(receipts[0].id).why
    Accounts(served.client).resume(served.name)
    served.settled(3)
    assert {f"message {number}": 1 for number in range(3)} == served.texts_accepted()


UNKNOWN = pytest.mark.parametrize(
    ("fault", "took_effect"),
    [
        ({"kind": "answer_after_accepting", "status": 500}, True),
        ({"kind": "answer", "status": 502}, False),
        ({"kind": "answer_after_accepting", "status": 504}, True),
        ({"kind": "drop"}, False),
        ({"kind": "drop_after_accepting"}, True),
        ({"kind": "delay", "seconds": 4.0}, True),
    ],
    ids=lambda value: "-".join(str(one) for one in value.values()) if isinstance(value, dict) else "",
)


@UNKNOWN
def test_an_unknown_outcome_is_looked_up(served: Stack, fault: dict[str, object], took_effect: bool) -> None:
    """500, 502, 504, a lost connection and silence: what is found is accepted; what a fresh history lacks is sent again."""
    served.scenario(faults=[{**fault, "count": 1}])
    served.add_account()
    settled = accepted_among_others(served, served.send(1))
    sends = [arrival for arrival in served.arrivals() if (arrival["body"] or {}).get("text") == "message 1"]
    assert ("found" if took_effect else "202", 1 if took_effect else 2) == (settled.code, len(sends))
    assert 1 == served.texts_accepted()["message 1"]
    assert settled.message_uuid == next(arrival["message_uuid"] for arrival in sends if arrival["accepted"])
    assert ["unknown", "looked up"] == [event.what for event in settled.history if event.what != "sent"][1:3]


@UNKNOWN
def test_hold_never_repeats_an_unknown_outcome(served: Stack, fault: dict[str, object], took_effect: bool) -> None:
    """With on_unknown=hold it waits for a person, visibly, and was sent once at most."""
    served.scenario(faults=[{**fault, "count": 1}])
    served.add_account()
    held = served.status_when(served.send(1, on_unknown="hold"), "held")
    after = served.status_when(served.send(2), "accepted")
    assert "nobody knows" in held.why
    assert "accepted" == after.state
    assert int(took_effect) == served.texts_accepted()["message 1"]
    assert 1 == sum(arrival["body"]["text"] == "message 1" for arrival in served.arrivals())
    assert (1, 0) == (served.balance().outcomes["held"], served.balance().unaccounted)


def test_identical_texts_of_unknown_outcome_are_told_apart_by_count(served: Stack) -> None:
    """Three equal messages, of which the second was lost before it took effect: three arrive in the end, none four times."""
    faults = [{"kind": "drop_after_accepting", "count": 1}, {"kind": "drop", "from_request": 2, "count": 1}]
    served.scenario(faults=faults)
    served.add_account()
    receipts = [served.send(0, to="+15550200001", text="the same") for _ in range(3)]
    for receipt in receipts:
        accepted_among_others(served, receipt, sender=0)
    assert 3 == served.texts_accepted()["the same"]
    uuids = {served.outbox.status(receipt.id).message_uuid for receipt in receipts}
    same = [arrival for arrival in served.arrivals() if (arrival["body"] or {}).get("text") == "the same"]
    assert {arrival["message_uuid"] for arrival in same if arrival["accepted"]} == uuids


def test_a_message_that_shows_late_in_the_history_is_not_sent_twice(served: Stack) -> None:
    """The answer was lost after accepting, and the history shows messages 6 s late, later than both look-ups of a grace of 1 s."""
    served.scenario(faults=[{"kind": "drop_after_accepting", "count": 1}], history_lag_seconds=6)
    served.add_account()
    settled = accepted_among_others(served, served.send(1))
    assert ("found", 1) == (settled.code, served.texts_accepted()["message 1"])


def accepted_among_others(stack: Stack, receipt: Ticket, sender: int = 1) -> Status:
    """The status of a message once it is accepted, while its sender goes on sending to others."""
    polls = count()
    stack.wait_for(lambda books: books.inbox == 0, "the inbox is empty")

    def check() -> Status | None:
        number = next(polls)
        if number % 25 == 0:
            stack.send(100 + number, sender=f"+155501000{sender:02d}")
        status = stack.outbox.status(receipt.id)
        return status if status.state == "accepted" else None

    return wait_until(check, PATIENCE, lambda: f"accepted; it is {stack.outbox.status(receipt.id)}")


def test_a_history_that_cannot_be_read_is_asked_for_again(served: Stack) -> None:
    """The look-up itself fails with 503 first: it waits without an attempt, then finds the message."""
    served.scenario(
        faults=[
            {"kind": "drop_after_accepting", "count": 1},
            {"kind": "answer", "status": 503, "on": "history", "count": 1},
        ]
    )
    served.add_account()
    found = served.status_when(served.send(1), "accepted")
    assert ("found", 0) == (found.code, found.attempts)
    assert {"message 1": 1} == served.texts_accepted()


def test_a_killed_workers_call_is_looked_up(stack: Stack) -> None:
    """kill -9 in the middle of a call: when its lease has run out, the conversation tells that it arrived."""
    stack.scenario(faults=[{"kind": "delay", "seconds": 1.5, "count": 1}])
    stack.add_account()
    worker = stack.start_worker()
    receipt = stack.send(1)
    stack.wait_for(lambda _: bool(stack.arrivals()), "the call")
    worker.kill()
    stack.start_worker()
    assert "found" == stack.status_when(receipt, "accepted").code
    assert {"message 1": 1} == stack.texts_accepted()


def test_503_treated_as_unknown_is_looked_up(served: Stack) -> None:
    """For the cautious: a 503 that took effect after all is found instead of being sent twice."""
    served.scenario(faults=[{"kind": "answer_after_accepting", "status": 503, "count": 1}])
    served.add_account(treat_503_as="unknown")
    assert "found" == served.status_when(served.send(1), "accepted").code
    assert {"message 1": 1} == served.texts_accepted()


ENVELOPES = {
    "error_message": '{"success": false, "error": true, "error_message": "no such thing"}',
    "message": '{"message": "no such thing"}',
    "detail": '{"detail": "no such thing"}',
    "list": '{"detail": [{"loc": ["body", "to_number"], "msg": "no such thing", "type": "value_error"}]}',
    "error_code": '{"success": false, "error": true, "error_code": "131047", "error_message": "no such thing"}',
    "page": "<html>no such thing</html>",
}


def test_the_providers_words_are_kept_whatever_their_envelope(served: Stack) -> None:
    """All error envelopes, and none: the words stand in the outcome."""
    faults = [
        {"kind": "answer", "status": 422, "body": body, "to": f"+1555020{number:04d}"}
        for number, body in enumerate(ENVELOPES.values())
    ]
    served.scenario(faults=faults)
    served.add_account()
    for receipt in [served.send(number) for number in range(len(faults))]:
        rejected = served.status_when(receipt, "rejected")
        assert ("422", True) == (rejected.code, "no such thing" in (rejected.words or ""))


def test_a_2xx_that_cannot_be_read_is_accepted_but_unverified(served: Stack) -> None:
    """The provider took it; its handle is not known, and the words say so."""
    served.scenario(faults=[{"kind": "answer_after_accepting", "status": 200, "body": "<ok>", "count": 1}])
    served.add_account()
    accepted = served.status_when(served.send(1), "accepted")
    assert (None, True) == (accepted.message_uuid, "could not be read" in (accepted.words or ""))
    assert {"message 1": 1} == served.texts_accepted()


@pytest.mark.parametrize("retry_after", ["date:3", "soon", "-5", "date:-60"])
def test_429_with_every_kind_of_retry_after(served: Stack, retry_after: str) -> None:
    """A date counts from the response's own Date; garbage and the past mean one whole window."""
    served.scenario(faults=[{"kind": "answer", "status": 429, "count": 1, "retry_after": retry_after}])
    served.add_account("10/second")
    receipts = [served.send(number) for number in range(3)]
    served.settled(3)
    throttled_at = next(arrival["at_us"] for arrival in served.arrivals() if arrival["status"] == 429)
    told_s = 1.9 if retry_after == "date:3" else 1.0  # a date has whole seconds
    later = served.begun_after(receipts, answered(served, receipts, "429")[0])
    assert later[0] - throttled_at >= told_s * 1e6
    assert {f"message {number}": 1 for number in range(3)} == served.texts_accepted()


def test_an_absurd_retry_after_is_an_hour_at_most(served: Stack) -> None:
    """A month is clamped: the account says until when it waits, and `resume` ends it."""
    served.scenario(faults=[{"kind": "answer", "status": 429, "count": 1, "retry_after": 2_592_000}])
    served.add_account()
    receipt = served.send(1)
    found = served.wait_for(lambda books: books.waiting == 1 and paused_for_s(served) > 0, "the pause")
    assert 0 == found.unaccounted
    assert 3500 <= paused_for_s(served) <= 3960
    Accounts(served.client).resume(served.name)
    assert "accepted" == served.status_when(receipt, "accepted").state


def test_a_failing_provider_opens_the_breaker_and_one_probe_closes_it(served: Stack) -> None:
    """After six failures in a row nothing leaves but one probe at a time; then all is sent, each once."""
    served.scenario(faults=[{"kind": "answer", "status": 503}])
    served.add_account("1200/minute")
    receipts = [served.send(number) for number in range(20)]
    served.wait_for(lambda _: served.account().breaker == "open", "the breaker")
    receipts.append(served.send(20))
    served.wait_for(lambda books: books.inbox == 0, "the inbox is empty")
    assert "the provider fails" in served.outbox.status(receipts[-1].id).why
    opened_us = answered(served, receipts, "503")[5].timestamp() * 1e6

    def refused_probes() -> list[int]:
        """What arrived later than a call that was under way can, which has two seconds."""
        refused = [int(arrival["at_us"]) for arrival in served.arrivals() if arrival["status"] == 503]
        return [at_us for at_us in refused if at_us > opened_us + 2_000_000]

    wait_until(refused_probes, PATIENCE, "a probe")
    served.scenario()
    served.settled(21)
    times = [opened_us, *refused_probes()]
    assert all(later - earlier >= 3_900_000 for earlier, later in pairwise(times))  # one at a time, after 4 to 5 s
    assert {1} == set(served.texts_accepted().values())
    assert 21 == len(served.texts_accepted())


def test_402_is_lifted_when_info_says_that_it_was_paid(served: Stack) -> None:
    """/info is read on while the account is unpaid; with credits it continues automatically, and the backlog leaves."""
    served.scenario(keys=[{"key": served.name, "limits": [], "credits": 1}])
    served.add_account("600/minute", info_every=timedelta(seconds=2))
    receipts = [served.send(number) for number in range(3)]
    served.wait_for(lambda _: suspended(served).startswith("unpaid (402)"), "suspension")
    served.scenario(keys=[{"key": served.name, "limits": [], "credits": 1000}])
    for receipt in receipts:
        served.status_when(receipt, "accepted")
    assert {f"message {number}": 1 for number in range(3)} == served.texts_accepted()


def test_resend_repeats_an_unknown_outcome(served: Stack) -> None:
    """A one-time code with on_unknown=resend goes out again."""
    served.scenario(faults=[{"kind": "drop_after_accepting", "count": 1}])
    served.add_account()
    assert 1 == served.status_when(served.send(1, on_unknown="resend"), "accepted").attempts
    assert 2 == served.texts_accepted()["message 1"]


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:9/open", "http://no-such-host.invalid/open", "https://{sandbox}/open"],
    ids=["refused", "no such host", "no TLS"],
)
def test_a_call_that_found_no_connection_is_certain_not_to_be_sent(stack: Stack, base: str) -> None:
    """Connect refused, an unknown host, TLS that fails: the worker steps back and says so, and no attempt is spent."""
    stack.add_account()
    origin = stack.sandbox.origin.removeprefix("http://")
    worker = stack.start_worker(PACELINE_API_BASE=base.format(sandbox=origin))
    receipt = stack.send(1)
    worker.wait_for_line("cannot reach the provider")
    figures = figures_when(stack, worker, provider_reachable=False)
    assert figures["provider_error"]
    wait_until(lambda: not stack.state.fleet().workers, PATIENCE, "a fleet without it")
    explained = paceline(stack.environment, "explain", receipt.id)
    assert "No worker can reach the provider (" in explained.out
    worker.stop()
    stack.start_worker()
    accepted = stack.status_when(receipt, "accepted")
    assert ("202", 0) == (accepted.code, accepted.attempts)
    assert {"message 1": 1} == stack.texts_accepted()


def test_failures_of_three_accounts_open_the_providers_breaker(served: Stack) -> None:
    """The provider is down for everybody: what other accounts hold back is not tried at all, until a probe is answered."""
    served.scenario(faults=[{"kind": "answer", "status": 503, "for_seconds": 6}])
    others = [served, *(served.another() for _ in range(3))]
    for one in others:
        one.add_account()
    for one in others[:3]:
        for number in range(7):
            one.send(number)
    served.wait_for(lambda _: served.state.fleet().provider_breaker_until_us is not None, "the provider's breaker")
    began_us = max(arrival["at_us"] for arrival in served.sandbox.arrivals())
    others[3].send(1)
    others[3].settled(1)
    first_us = min(arrival["at_us"] for arrival in others[3].arrivals())
    assert first_us - began_us >= 3_900_000  # the pause is 5 s, or up to a fifth shorter
    for one, sent in zip(others, (7, 7, 7, 1), strict=True):
        one.settled(sent)
        assert [1] * sent == list(one.texts_accepted().values())


def answered(stack: Stack, receipts: Iterable[Ticket], code: str) -> list[datetime]:
    """When answers of this code were noted, in order."""
    events = [event for receipt in receipts for event in stack.outbox.status(receipt.id).history]
    return sorted(event.at for event in events if event.code == code and event.what in ("retry", "deferred"))


def suspended(stack: Stack) -> str:
    return stack.account().suspended or ""


def paused_for_s(stack: Stack) -> float:
    picture = stack.state.account(stack.name)
    assert picture is not None
    return (picture.account.paused_until_us - picture.now_us) / 1e6
