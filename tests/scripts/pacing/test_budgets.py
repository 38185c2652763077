"""Budgets per sender and kind, and the account's pool of number checks."""

from datetime import timedelta

import redis

from paceline.operations import CheckNumber, CreateGroup
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.info import Info
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, NOT_MADE, OVERLOADED, Drive

# J, and the hop: what a pause held back is granted when the pause ends, for a slot 40 ms later.
LATER_US = 140_000
FULL_GROUP = tuple(f"+1555030{i:04d}" for i in range(12))


def budget(drive: Drive, rates: str = "600/minute", **budgets: str) -> None:
    """Give `acme` budgets; `any` is every kind."""
    named = {{"any": "*", "create": "group.create", "check": "number.check"}[name]: b for name, b in budgets.items()}
    Accounts(drive.client).change("acme", rates=rates, budgets=named)
    drive.advance(10)


def create(drive: Drive, *, sender: str = SENDER, size: int = 2) -> str:
    return drive.submit(CreateGroup(account="acme", sender=sender, name="Team", participants=FULL_GROUP[:size]))


def check(drive: Drive, number: int = 0) -> str:
    return drive.submit(CheckNumber(account="acme", sender=SENDER, number=f"+1555040{number:04d}"))


def slots(drive: Drive, count: int, verdict: Verdict = ACCEPTED) -> list[int]:
    return [drive.call(verdict).slot_us for _ in range(count)]


def logs(client: redis.Redis) -> list[str]:
    return [str(key) for key in client.keys("paceline:?0?:l:*:q:*")]


def test_a_sender_keeps_its_spacing_and_another_does_not_wait_for_it(drive: Drive) -> None:
    """A budget of one per 5 seconds of any call: 5.1 s between calls of one sender, whatever the account may."""
    budget(drive, any="1/5 second")
    for _ in range(3):
        drive.send()
    first = slots(drive, 1)[0]
    other = drive.send(sender="+15550100009")
    assert other == drive.deliver(ACCEPTED)
    assert [first + 5_000_000 + LATER_US, first + 10_000_000 + 2 * LATER_US] == slots(drive, 2)


def test_the_calls_of_a_kind_are_counted_over_a_sliding_window(drive: Drive) -> None:
    """Two new groups an hour: the third leaves an hour after the first; messages of the sender go on."""
    budget(drive, create="2/hour")
    groups = [create(drive) for _ in range(3)]
    first, _ = slots(drive, 2)
    message = drive.send()
    assert message == drive.deliver(ACCEPTED)
    assert "the budget of 2 group.create of its sender is used up" == drive.operation(groups[2])["le"]
    assert [first + 3_600_000_000 + LATER_US] == slots(drive, 1)
    assert 0 == drive.balance().unaccounted


def test_budgets_belong_to_a_sender(drive: Drive) -> None:
    """Another number of the account has its own."""
    budget(drive, create="1/hour")
    create(drive)
    create(drive, sender="+15550100009")
    first, second = slots(drive, 2)
    assert second - first < 1_000_000


def test_participants_added_to_a_group_are_no_new_groups(drive: Drive) -> None:
    """One creation of twelve is two calls and one new group."""
    budget(drive, create="1/hour")
    create(drive, size=12)
    first, second = slots(drive, 2, Verdict("step", result='{"calls":1,"group_uuid":"WAG1"}'))
    assert second - first < 1_000_000


def test_a_call_that_was_not_made_gives_its_budget_back(drive: Drive) -> None:
    """Late for its slot: the only creation of the hour is still to be had."""
    budget(drive, create="1/hour")
    create(drive)
    missed = slots(drive, 1, NOT_MADE)[0]
    again = slots(drive, 1)[0]
    assert again - missed < 1_000_000
    create(drive)
    assert [again + 3_600_000_000 + LATER_US] == slots(drive, 1)


def test_a_call_that_was_made_and_failed_has_used_its_budget(drive: Drive) -> None:
    """The provider counts calls, not successes."""
    budget(drive, create="1/hour")
    create(drive)
    failed = slots(drive, 1, OVERLOADED)[0]
    assert [failed + 3_600_000_000 + LATER_US] == slots(drive, 1)


def test_several_budgets_are_taken_together_or_not_at_all(drive: Drive) -> None:
    """What the hour refuses does not use up the minute."""
    budget(drive, any="5/minute", create="1/hour")
    create(drive)
    create(drive)
    slots(drive, 1)
    messages = [drive.send() for _ in range(4)]
    assert messages == [drive.deliver(ACCEPTED) for _ in range(4)]


def test_of_two_budgets_over_one_window_the_strictest_counts_and_each_call_once(drive: Drive) -> None:
    """6/minute; 4/60 second: four may leave in a minute, not two."""
    budget(drive, any="6/minute; 4/60 second")
    for _ in range(5):
        drive.send()
    found = slots(drive, 5)
    assert found[3] - found[0] < 5_000_000
    assert found[4] - found[0] == 60_000_000 + LATER_US


def test_a_lowered_budget_counts_what_left_before(drive: Drive) -> None:
    """4 an hour lowered to 2: the next creation waits for the second latest."""
    budget(drive, create="4/hour")
    for _ in range(4):
        create(drive)
    found = slots(drive, 3)
    Accounts(drive.client).change("acme", budgets={"group.create": "2/hour"})
    assert [found[1] + 3_600_000_000 + LATER_US] == slots(drive, 1)


def test_every_log_of_a_budget_expires_with_its_window(drive: Drive) -> None:
    """Nothing of a sender that fell silent stays."""
    budget(drive, any="5/minute", create="1/hour")
    create(drive)
    slots(drive, 1)
    assert 2 == len(logs(drive.client))
    assert all(0 < drive.client.pttl(log) <= 3_600_000 + 61_000 for log in logs(drive.client))


def test_an_empty_pool_of_number_checks_holds_checks_back_and_nothing_else(drive: Drive) -> None:
    """Two left: the third check is looked at again after a quarter of an hour; then /info has told of more."""
    budget(drive, check="50/minute")
    drive.learn(Info(checks_left=2))
    checks = [check(drive, number) for number in range(3)]
    message = drive.send()
    assert [*checks[:2], message] == [drive.deliver(ACCEPTED) for _ in range(3)]
    assert drive.now_us + 800_000_000 < (drive.due_us() or 0)
    drive.learn(Info(checks_left=10))
    assert checks[2] == drive.deliver(ACCEPTED)
    assert "9" == drive.client.hget("paceline:{0}:a:acme", "checks_left")


def test_a_check_that_was_not_made_goes_back_to_the_pool(drive: Drive) -> None:
    """One left, missed its slot: it can be made."""
    budget(drive, check="50/minute")
    drive.learn(Info(checks_left=1))
    op = check(drive)
    assert [op, op] == [drive.deliver(verdict) for verdict in (NOT_MADE, ACCEPTED)]
    assert "0" == drive.client.hget("paceline:{0}:a:acme", "checks_left")


def test_what_waits_for_its_budget_expires_at_its_validity(drive: Drive) -> None:
    """A budget of a day does not keep what is not wanted any more."""
    budget(drive, create="1/day")
    create(drive)
    soon = drive.now + timedelta(minutes=5)
    late = drive.submit(
        CreateGroup(account="acme", sender=SENDER, name="T", participants=FULL_GROUP[:1], valid_until=soon)
    )
    slots(drive, 1)
    drive.advance(2)
    drive.grant()
    while drive.due_us() is not None:
        drive.go_to_next_due()
        drive.grant()
    assert "expired" == drive.operation(late)["oc"]


def test_a_campaign_waits_as_a_whole_when_the_budget_of_its_kind_is_used_up(drive: Drive) -> None:
    """No operation of the campaign is moved into a timer, so what a used-up budget costs does not grow with the campaign."""
    Accounts(drive.client).change("acme", rates="600/minute", budgets={"message.to_number": "3/hour"})
    drive.advance(10)
    uploads = Uploads(drive)
    uploads.open("c1")
    ids = uploads.write("c1", [{"to": f"+1555050{place:04d}"} for place in range(50)])[1]
    uploads.seal("c1")
    first, *_ = slots(drive, 3)
    group = create(drive)
    assert group == drive.call(ACCEPTED).id
    assert [] == drive.grant().hints
    assert 47 == drive.client.llen(f"paceline:{{0}}:l:acme:{SENDER}:b:c1")
    assert 0 == drive.client.exists(f"paceline:{{0}}:l:acme:{SENDER}:h")
    assert first + 3_600_000_000 + LATER_US - 80_000 == drive.next_due_us()  # J after the hour, less the hop
    assert [ids[3], ids[4]] == [drive.call(ACCEPTED).id for _ in range(2)]
