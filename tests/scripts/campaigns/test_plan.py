"""The plan of a campaign: what it says, against what a real state server then grants; and that it writes nothing."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from paceline import Plan
from paceline.campaigns.campaign import Campaign
from paceline.campaigns.draft import Draft, draft
from paceline.campaigns.plan.plan import plan_campaign, plan_rest
from paceline.campaigns.upload import open_campaign, upload
from paceline.errors import CampaignConflict, UnknownAccount, UnknownSender
from paceline.ids import new_id
from paceline.inbox.record import compact
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.info import Info
from tests.conftest import SENDER, add_account
from tests.support.drive import ACCEPTED, Drive

INTERVAL_US = 6_100_000
INTERVAL = timedelta(microseconds=INTERVAL_US)
_MANY_DAYS = timedelta(days=300)


def numbers(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"to": f"+1555020{number:04d}"} for number in range(first, first + count)]


def described(drive: Drive, name: str, options: dict[str, Any]) -> Draft:
    given: dict[str, Any] = {
        "account": "acme",
        "sender": SENDER,
        "template": "Hi",
        "valid_until": drive.now + _MANY_DAYS,
    } | options
    return draft(name, **given)


def plan(drive: Drive, rows: Iterable[Mapping[str, str]], name: str = "spring", **options: Any) -> Plan:
    more = {option: options.pop(option) for option in ("on_invalid", "on_progress") if option in options}
    return plan_campaign(drive.state, described(drive, name, options), rows, **more)


def start(
    drive: Drive, rows: Iterable[Mapping[str, str]], name: str = "spring", *, accept: bool = True, **options: Any
) -> None:
    """Upload it, as `Outbox.campaign` does."""
    campaign = described(drive, name, options).continuing(drive.state.campaign(name), drive.now)
    written: list[str] = []

    def submit(campaign: str, account: str, sender: str, count: int, body: str) -> None:
        written.append(new_id())
        drive.state.submit(written[-1], account, sender, count, body, campaign=campaign)

    open_campaign(drive.state, campaign)
    # Openings of a window are counted from the producer's clock, which nobody moves here.
    drive.state.control_campaign("change", name, compact(campaign.options.texts(drive.now)))
    upload(campaign, rows, state=drive.state, submit=submit, on_invalid=None, on_progress=None)
    if accept:
        drive.worker.accept(written)


def grants_of(drive: Drive, name: str, most: int) -> list[datetime]:
    """Send whatever comes until so many of a campaign have left; when they did."""
    slots: list[datetime] = []
    for _ in range(20 * most):
        if len(slots) == most:
            break
        hint = drive.call(ACCEPTED)
        if drive.operation(hint.id).get("c") == name:
            slots.append(datetime.fromtimestamp(hint.slot_us / 1e6, UTC))
    return slots


def everything(server: EmbeddedServer) -> dict[bytes, bytes]:
    """All keys with what they hold, as the server would write it to disk."""
    with redis.Redis.from_url(server.url) as client:
        return {key: client.dump(key) for key in client.scan_iter(count=1000)}


def test_a_plan_counts_recipients_duplicates_and_invalid_rows(drive: Drive) -> None:
    """Reasons come with the line; a plan goes on after a bad row."""
    reasons: list[tuple[int, str]] = []
    rows = [*numbers(3), *numbers(2), {"to": "5550200009"}, {"to": "+15550"}, {"to": "+155502000091"}, {"name": "Ada"}]
    found = plan(drive, rows, on_invalid=lambda row, why: reasons.append((row.line, why[:4])))
    assert (9, 3, 2, 0, 4) == (found.offered, found.recipients, found.duplicates, found.known, found.invalid)
    assert [(6, "to: "), (7, "to: "), (8, "to: "), (9, "to: ")] == reasons
    assert (3, 3, 3) == (found.requests, found.credits, found.in_time)
    assert ((), SENDER, "acme") == (found.problems, found.sender, found.account)
    assert any("duplicates" in warning for warning in found.warnings)


def test_a_number_that_no_phone_has_is_invalid(drive: Drive) -> None:
    """A country has numbers of certain lengths."""
    assert (1, 1) == ((found := plan(drive, [*numbers(1), {"to": "+155502000091"}])).recipients, found.invalid)


def test_what_an_earlier_upload_brought_is_known(drive: Drive) -> None:
    """Only what is missing counts; what it brought leaves first, after the interval that a new bucket waits."""
    start(drive, numbers(1200))
    found = plan(drive, numbers(1300, 100))
    assert (200, 1100, 0) == (found.recipients, found.known, found.duplicates)
    assert found.starts_at
    assert 1201 == round((found.starts_at - drive.now) / INTERVAL)
    assert (0, 1200) == ((again := plan(drive, numbers(1200))).recipients, again.known)
    assert ("there is nothing to send",) == again.problems


def test_what_goes_from_the_inbox_into_its_lane_between_two_looks_counts_once(drive: Drive) -> None:
    """The plan of what is left stands on one look, whatever happens after it."""
    start(drive, numbers(20), accept=False)
    seen = drive.state.campaign_picture("spring")
    drive.accept_all()
    assert seen
    assert 20 == plan_rest(drive.state, "spring", seen).recipients
    assert 20 == Campaign("spring", drive.state).plan().recipients


def test_a_plan_writes_nothing(drive: Drive, server: EmbeddedServer) -> None:
    """Whatever it finds: a new campaign, a known one, one that cannot be."""
    start(drive, numbers(5), window="00:00-12:00 Europe/Berlin", rate="1/minute")
    drive.send()
    drive.send(accept=False)
    before = everything(server)
    plan(drive, numbers(10), name="autumn", weight=3)
    plan(drive, numbers(10), window="", rate="")
    plan(drive, numbers(10), template="Ho")
    Campaign("spring", drive.state).plan()
    assert before == everything(server)
    drive.send()
    assert before != everything(server)


def test_an_unknown_account_or_sender_is_refused_as_when_sending(drive: Drive) -> None:
    """Before a row is read."""
    with pytest.raises(UnknownAccount, match="nobody"):
        plan(drive, iter(()), account="nobody")
    drive.client.hset("paceline:{0}:about:acme", "senders", "+15550100008 +15550100009")
    with pytest.raises(UnknownSender, match="lists its senders"):
        plan(drive, iter(()))
    assert () == plan(drive, numbers(1), sender="+15550100009").problems


def test_a_name_that_is_taken_is_a_problem(drive: Drive) -> None:
    """By another content, or by a cancelled campaign; and nothing of it counts as known."""
    start(drive, numbers(2))
    found = plan(drive, numbers(2), template="Ho")
    assert (2, 0) == (found.recipients, found.known)
    assert "exists with another" in found.problems[0]
    Campaign("spring", drive.state).cancel()
    assert "was cancelled, which is final" in plan(drive, numbers(3)).problems[0]


def test_a_campaign_whose_outcomes_are_forgotten_cannot_go_on(drive: Drive) -> None:
    """As an upload would say."""
    start(drive, numbers(1))
    drive.deliver(ACCEPTED)
    drive.advance(3601)
    assert any("retention time" in problem for problem in plan(drive, numbers(2)).problems)


def test_credits_that_do_not_suffice_are_a_problem(drive: Drive) -> None:
    """Credits that others need as well are worth a word, and so are those nobody knows."""
    assert any("never read" in warning for warning in plan(drive, numbers(1)).warnings)
    drive.learn(Info(per_minute=10, credits_left=10))
    assert ((), ()) == ((found := plan(drive, numbers(10))).problems, tuple(w for w in found.warnings if "cred" in w))
    assert (10, 10) == (found.credits, found.credits_left)
    assert ("the campaign needs 11 credits, and the account has 10 left",) == plan(drive, numbers(11)).problems
    for number in range(4):
        drive.send(to=f"+1555030{number:04d}")
    found = plan(drive, numbers(7))
    assert ((), True) == (found.problems, any("4 operations" in warning for warning in found.warnings))


def test_an_account_that_ends_first_is_a_problem(drive: Drive) -> None:
    """It ends before the last one leaves."""
    ends = drive.now + 10 * INTERVAL
    drive.learn(Info(per_minute=10, credits_left=1000, expires_at=ends))
    assert ((), ends) == ((found := plan(drive, numbers(9))).problems, found.account_expires_at)
    (problem,) = plan(drive, numbers(12)).problems
    assert "expires at 2025-06-15" in problem


@pytest.mark.parametrize("slots", [0, 1, 7, 24])
def test_the_number_in_time_is_exact(drive: Drive, slots: int) -> None:
    """A validity that ends in the middle of a campaign: so many really leave, and the rest expires."""
    drive.send()
    first = drive.call(ACCEPTED).slot_us
    until = datetime.fromtimestamp((first + slots * INTERVAL_US + INTERVAL_US // 2) / 1e6, UTC)
    found = plan(drive, numbers(25), valid_until=until)
    assert (slots, slots + 1) == (found.in_time, found.late_from)
    assert f"{slots} of 25 recipients leave in time: from number {slots + 1} on" in found.problems[0]
    start(drive, numbers(25), valid_until=until)
    for _ in range(60):
        for hint in drive.grant().hints:
            drive.begin_at_slot(hint)
            drive.settle(hint, ACCEPTED)
        if drive.next_due_us() is None:
            break
        drive.go_to_next_due()
    balance = drive.balance()
    assert (slots + 1, 25 - slots) == (balance.outcomes["accepted"], balance.outcomes["expired"])


def test_rows_with_an_end_of_their_own_are_counted_by_it(drive: Drive) -> None:
    """An expired one leaves its turn to the next."""
    drive.send()
    first = drive.call(ACCEPTED).slot_us

    def after(slots: float) -> str:
        return datetime.fromtimestamp((first + slots * INTERVAL_US) / 1e6, UTC).isoformat()

    ends = [after(0.5), "", after(2.5), after(2.5), after(2.5), "", after(3.5)]
    rows = [row | {"valid_until": end} for row, end in zip(numbers(7), ends, strict=True)]
    found = plan(drive, rows)
    # Leaving: the second, third, none of the next two, the sixth.
    assert (3, 1) == (found.in_time, found.late_from)
    assert "the end of their validity" in found.problems[0]


def test_a_window_spills_to_the_next_day(drive: Drive) -> None:
    """What does not leave while it is open leaves when it opens again."""
    # 2025-06-15 15:06:40 UTC is 17:06:40 in Berlin.
    found = plan(drive, numbers(50), window="09:00-17:08 Europe/Berlin")
    assert found.starts_at
    assert found.starts_at <= drive.now + 2 * INTERVAL
    assert found.ends_at
    opens = datetime(2025, 6, 16, 7, tzinfo=UTC)
    left = round((datetime(2025, 6, 15, 15, 8, tzinfo=UTC) - found.starts_at) / INTERVAL)
    assert abs((found.ends_at - opens) / INTERVAL - (50 - left)) <= 2
    start(drive, numbers(50), window="09:00-17:08 Europe/Berlin")
    granted = grants_of(drive, "spring", 50)
    assert abs(granted[0] - found.starts_at) <= INTERVAL
    assert abs(granted[-1] - found.ends_at) <= INTERVAL
    assert "09:00-17:08 Europe/Berlin" == found.window


def test_a_window_that_does_not_open_in_time_is_a_problem(drive: Drive) -> None:
    """Nobody leaves before the validity ends."""
    found = plan(drive, numbers(3), window="03:00-04:00 UTC", valid_until=drive.now + timedelta(hours=2))
    assert (0, 1) == (found.in_time, found.late_from)
    assert "0 of 3 recipients" in found.problems[0]


def test_a_rate_of_its_own_is_kept_and_told(drive: Drive) -> None:
    """One every half minute, where the account could send one every six seconds."""
    found = plan(drive, numbers(10), rate="2/minute")
    start(drive, numbers(10), rate="2/minute")
    assert any("2/minute" in warning for warning in found.warnings)
    granted = grants_of(drive, "spring", 10)
    assert found.starts_at
    assert found.ends_at
    assert abs(granted[0] - found.starts_at) <= INTERVAL
    assert abs(granted[-1] - found.ends_at) <= INTERVAL


@pytest.mark.parametrize(("weight", "ahead"), [(1, 1), (2, 2), (3, 3)])
def test_competing_campaigns_share_by_weight(drive: Drive, weight: int, ahead: int) -> None:
    """One of weight 1 and one of weight 2 wait; the planned one gets its share of 1 in 4, 2 in 5, 3 in 6."""
    start(drive, numbers(400, 1000), "one", weight=1)
    start(drive, numbers(400, 2000), "two", weight=2)
    found = plan(drive, numbers(40), weight=weight)
    start(drive, numbers(40), weight=weight)
    granted = grants_of(drive, "spring", 40)
    assert found.starts_at
    assert found.ends_at
    took = (found.ends_at - found.starts_at) / INTERVAL
    assert abs(took - 39 * (3 + ahead) / ahead) <= 1
    # Among others a forecast is off by the turns of one round.
    assert abs(granted[0] - found.starts_at) <= 4 * INTERVAL
    assert abs(granted[-1] - found.ends_at) <= 4 * INTERVAL


def test_alone_the_prediction_is_what_is_then_granted(drive: Drive) -> None:
    """Within one interval, at both ends."""
    drive.send()
    found = plan(drive, numbers(30))
    start(drive, numbers(30))
    granted = grants_of(drive, "spring", 30)
    assert found.starts_at
    assert found.ends_at
    assert abs(granted[0] - found.starts_at) <= INTERVAL
    assert abs(granted[-1] - found.ends_at) <= INTERVAL


def test_what_no_worker_accepted_so_far_counts_as_waiting(drive: Drive) -> None:
    """Another campaign's rows in the inbox have their share too."""
    start(drive, numbers(30, 1000), "other", accept=False)
    found = plan(drive, numbers(30))
    assert found.ends_at
    assert abs((found.ends_at - drive.now) / INTERVAL - 59) <= 2


def test_a_campaign_that_begins_later_is_foreseen_from_then_on(drive: Drive) -> None:
    """All its rows have a `not_before`: it takes as long, and starts then."""
    later = drive.now + timedelta(hours=3)
    found = plan(drive, [row | {"not_before": later.isoformat()} for row in numbers(10)])
    assert found.starts_at
    assert found.ends_at
    assert timedelta(0) <= found.starts_at - later <= INTERVAL
    assert abs((found.ends_at - found.starts_at) - 9 * INTERVAL) <= timedelta(milliseconds=1)
    mixed = plan(drive, [*numbers(2), *({"not_before": later.isoformat()} | row for row in numbers(1, 5))])
    assert later == mixed.ends_at
    assert any("different `not_before` times" in warning for warning in mixed.warnings)


def test_a_suspended_or_paused_account_is_worth_a_word(drive: Drive) -> None:
    """The plan is still made."""
    Accounts(drive.client).suspend("acme", "unpaid")
    found = plan(drive, numbers(2))
    assert any("suspended: unpaid" in warning for warning in found.warnings)
    assert (2, ()) == (found.in_time, found.problems)
    drive.client.hset("paceline:{0}:a:acme", "paused_until", drive.now_us + 3_600_000_000)
    found = plan(drive, numbers(2))
    assert any("throttled" in warning for warning in found.warnings)
    assert found.starts_at
    assert found.starts_at >= drive.now + timedelta(hours=1)


def test_without_a_worker_the_plan_says_so(drive: Drive) -> None:
    """With one it does not."""
    assert any("no worker" in warning for warning in plan(drive, numbers(1)).warnings)
    drive.client.hset("paceline:{0}:workers", "w1", f"10|{drive.now_us + 60_000_000}")
    assert not any("no worker" in warning for warning in plan(drive, numbers(1)).warnings)


def test_what_is_left_of_a_campaign_has_a_plan(drive: Drive) -> None:
    """A paused one as if it were resumed; a cancelled one has none."""
    start(drive, numbers(20), valid_until=drive.now + 10 * INTERVAL)
    campaign = Campaign("spring", drive.state)
    before = campaign.plan()
    assert (20, 20, 20) == (before.recipients, before.requests, before.credits)
    assert before.in_time in {9, 10}
    drive.deliver(ACCEPTED)
    campaign.pause("lunch")
    rest = campaign.plan()
    assert 19 == rest.recipients
    assert before.late_from
    assert before.late_from - 1 == rest.late_from
    assert any("paused: lunch" in warning for warning in rest.warnings)
    campaign.cancel()
    assert any("cancelled" in problem for problem in campaign.plan().problems)


def test_the_rest_of_a_campaign_is_foreseen_with_what_else_waits(drive: Drive) -> None:
    """Another account is none of its business; another campaign of its account is."""
    add_account(drive.client, "quiet")
    start(drive, numbers(20))
    alone = Campaign("spring", drive.state).plan()
    start(drive, numbers(20, 1000), "other")
    drive.learn(Info(per_minute=10, credits_left=30))
    shared = Campaign("spring", drive.state).plan()
    assert ((), True) == (
        shared.problems,
        any("20 operations already waiting on this account" in word for word in shared.warnings),
    )
    assert alone.ends_at
    assert shared.ends_at
    assert abs((shared.ends_at - alone.ends_at) / INTERVAL - 20) <= 2


def test_rows_that_are_accepted_between_two_looks_count_once(drive: Drive) -> None:
    """The plan of the rest looks at one moment: what lay in the inbox then and lies in a lane now is not there twice."""
    start(drive, numbers(10), accept=False)
    picture = drive.state.campaign_picture("spring")
    assert picture
    drive.accept_all()
    assert 10 == plan_rest(drive.state, "spring", picture).recipients
    later = drive.state.campaign_picture("spring")
    assert later
    assert 10 == plan_rest(drive.state, "spring", later).recipients


@pytest.mark.parametrize("template", ["Hi {name}", "Bye {name}"], ids=["same content", "another content"])
@pytest.mark.parametrize("command", ["", "pause", "cancel", "delete"])
@pytest.mark.parametrize("rows", [0, 2], ids=["no rows", "rows"])
def test_a_plan_foresees_what_an_upload_under_a_taken_name_meets(
    drive: Drive, rows: int, command: str, template: str
) -> None:
    """The same refusal in the same words, or none."""
    people = [{"to": f"+1555020000{number}", "name": "Ada"} for number in range(3)]
    start(drive, people[:rows], template="Hi {name}")
    if command:
        drive.state.control_campaign(command, "spring", "by hand")
    foreseen = plan(drive, people, template=template).problems
    refusals: list[str] = []
    try:
        open_campaign(drive.state, described(drive, "spring", {"template": template}))
    except CampaignConflict as error:
        refusals.append(str(error))
    assert refusals == list(foreseen)
