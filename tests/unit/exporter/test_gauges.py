"""The gauges of the state, from readings made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisConnectionError

from paceline.errors import StateUnavailable
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline_worker.exporter.campaigns import MOST_CAMPAIGNS, MOST_RECENT, RECENT_S
from paceline_worker.exporter.gauges import StateGauges, suspension_label, wanted
from paceline_worker.exporter.readings import (
    AccountReading,
    CampaignReading,
    FleetReading,
    Reader,
    WorkerReading,
    worker_of,
)
from paceline_worker.exporter.wanted import Demand
from tests.unit.samples import NOON_US

IDLE = AccountReading(
    name="acme",
    slots_per_s=1 / 6.1,
    plain_per_s=1 / 6,
    variation_s=0.1,
    transactional=0,
    bulk=0,
    scheduled=0,
    oldest_age_s=0.0,
    late=0,
    suspended="",
    paused=False,
    breaker="",
    credits=None,
    expires_s=None,
    info_age_s=None,
    held=0,
    dead=0,
    taken=0,
    unaccounted=0,
    demand=None,
    campaigns=(),
)
EMPTY = FleetReading(
    now_us=NOON_US,
    memory=1_000_000,
    memory_limit=0,
    aof_enabled=True,
    aof_last_write_ok=True,
    inbox=0,
    in_flight=0,
    accounts=1,
    breaker_open=False,
    workers=(),
)
TOLD = replace(IDLE, credits=459.0, expires_s=NOON_US / 1e6, info_age_s=60.0)
OF_ACCOUNTS = {
    "paceline_backlog_operations": ("account", "priority"),
    "paceline_backlog_scheduled_operations": ("account",),
    "paceline_backlog_oldest_age_seconds": ("account",),
    "paceline_backlog_late_operations": ("account",),
    "paceline_rate_limit_per_second": ("account",),
    "paceline_rate_used_ratio": ("account",),
    "paceline_variation_seconds": ("account",),
    "paceline_account_suspended": ("account", "reason"),
    "paceline_account_paused": ("account",),
    "paceline_credits_remaining": ("account",),
    "paceline_account_expiry_timestamp_seconds": ("account",),
    "paceline_account_info_age_seconds": ("account",),
    "paceline_breaker_open": ("scope",),
    "paceline_held_operations": ("account",),
    "paceline_dead_letters": ("account",),
}
OF_CAMPAIGNS = {
    "paceline_campaign_operations": ("campaign", "state"),
    "paceline_campaign_state": ("campaign", "state"),
    "paceline_campaign_ends_timestamp_seconds": ("campaign",),
    "paceline_campaign_rejected_ratio": ("campaign",),
    "paceline_campaign_receipts": ("campaign", "status"),
}
OF_ALL = (
    *("paceline_in_flight_operations", "paceline_inbox_records", "paceline_accounts", "paceline_workers"),
    *(
        "paceline_fleet_intake_operations",
        "paceline_fleet_lateness_seconds",
        "paceline_fleet_capacity_operations",
        "paceline_workers_wanted",
        "paceline_unaccounted_operations",
    ),
    *("paceline_state_memory_bytes", "paceline_state_memory_limit_bytes", "paceline_state_aof_enabled"),
    *("paceline_state_aof_last_write_ok", "paceline_state_up", "paceline_exporter_scrape_seconds"),
)


class Readings:
    """A state that knows accounts, and can be away. Campaigns have no forecast."""

    def __init__(self, accounts: Sequence[AccountReading], fleet: FleetReading) -> None:
        self.read = list(accounts)
        self.shared = fleet
        self.away = False
        self.times = 0
        self.outlooks = 0
        self.complete: dict[str, CampaignSnapshot] = {}
        self.looks = 0
        self.shards: dict[int, bool] = {}
        self.lost: set[str] = set()

    def accounts(self) -> Sequence[AccountReading]:
        self.times += 1
        if self.away:
            raise RedisConnectionError("refused")
        return self.read

    def fleet(self) -> FleetReading:
        return self.shared

    def campaign(self, name: str) -> CampaignSnapshot | None:
        self.looks += 1
        self._ask_for(name)
        return self.complete.get(name)

    def campaign_picture(self, name: str) -> None:
        self.outlooks += 1
        self._ask_for(name)

    def _ask_for(self, name: str) -> None:
        if name in self.lost:
            raise StateUnavailable("shard 1 does not answer")


class Shown:
    """What a scrape shows, on a clock that only the test moves."""

    def __init__(self, *accounts: AccountReading, fleet: FleetReading = EMPTY) -> None:
        self.readings = Readings(accounts, fleet)
        self.now_s = 0.0
        self.registry = CollectorRegistry()
        reader, state = cast("Reader", self.readings), cast("State", self.readings)
        self.registry.register(StateGauges(reader, state, capacity=200, monotonic=lambda: self.now_s))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"paceline_{name}", labels)

    def later(self, seconds: float, *accounts: AccountReading) -> "Shown":
        """So much time goes by; then the accounts are like this."""
        list(self.registry.collect())
        self.now_s += seconds
        self.readings.read = list(accounts)
        self.readings.shared = replace(self.readings.shared, now_us=self.readings.shared.now_us + round(seconds * 1e6))
        return self


def campaign(name: str = "spring", remaining: int = 10, scheduled: int = 0, **fields: str) -> CampaignReading:
    stored = {"written": str(remaining), "received": str(remaining), **fields}
    return CampaignReading(name, CampaignSnapshot.read(stored), remaining, scheduled)


def many(number: int, **fields: Any) -> list[AccountReading]:
    """Accounts of which the first have the largest backlog."""
    return [replace(IDLE, name=f"{place:05}", bulk=number - place, **fields) for place in range(number)]


def test_names_and_labels_are_pinned() -> None:
    """Dashboards and alerts are written against these."""
    told = replace(TOLD, breaker="open", campaigns=(campaign(recent="ar"),))
    shown = Shown(told).later(60, told)
    found = {
        family.name: tuple(sorted(family.samples[0].labels)) if family.samples else ("campaign",)
        for family in shown.registry.collect()
    }
    assert OF_ACCOUNTS | OF_CAMPAIGNS | dict.fromkeys(OF_ALL, ()) == found


def test_every_gauge_has_a_sentence_of_help() -> None:
    """What it means is told where it is shown, differently for each."""
    texts = [family.documentation for family in Shown(TOLD).registry.collect()]
    assert [] == [text for text in texts if not ((text[0].isupper() or text[0] == "1") and text.endswith("."))]
    assert len(texts) == len(set(texts))


def test_a_state_that_does_not_answer_is_down_and_nothing_else() -> None:
    """The scrape itself does not fail, and no old figure is shown as if it were true."""
    shown = Shown(TOLD)
    shown.readings.away = True
    assert {"paceline_state_up", "paceline_exporter_scrape_seconds"} == {one.name for one in shown.registry.collect()}
    assert 0 == shown.value("state_up")
    shown.readings.away = False
    shown.later(1, TOLD)
    assert 1 == shown.value("state_up")
    assert 459 == shown.value("credits_remaining", account="acme")


def test_two_scrapers_cost_one_reading() -> None:
    """Values are kept for a second, also that there are none."""
    shown = Shown(IDLE)
    list(shown.registry.collect())
    shown.now_s += 0.9
    list(shown.registry.collect())
    assert 1 == shown.readings.times
    shown.now_s += 0.2
    list(shown.registry.collect())
    assert 2 == shown.readings.times


def test_what_nobody_told_is_not_shown() -> None:
    """Before /info was read there is no series, rather than a zero that would raise an alert."""
    shown = Shown(IDLE)
    for name in ("credits_remaining", "account_expiry_timestamp_seconds", "account_info_age_seconds"):
        assert shown.value(name, account="acme") is None
    assert 0 == Shown(replace(TOLD, credits=0.0)).value("credits_remaining", account="acme")


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [(0, "", ""), (1, "bad_key", "bad_key (401): no"), (1, "unpaid", "unpaid (402): no"), (1, "manual", "by hand")],
)
def test_a_suspension_shows_with_its_reason(value: int, reason: str, words: str) -> None:
    """One while suspended, with a bounded reason; zero otherwise."""
    shown = Shown(replace(IDLE, suspended=words))
    assert value == shown.value("account_suspended", account="acme", reason=reason)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("", ""),
        ("bad_key", "bad_key (401): Invalid API Key"),
        ("bad_key", "bad_key: the API key of account 'acme' cannot be decrypted"),
        ("unpaid", "unpaid (402): out of credits"),
        ("unpaid", "unpaid"),
        ("manual", "by hand"),
        ("manual", "bad_keys are everywhere"),
        ("manual", "until Monday, bad_key"),
    ],
)
def test_a_suspension_has_a_bounded_reason(label: str, words: str) -> None:
    """Whatever people write as a reason, the label is one of three, or empty."""
    assert label == suspension_label(words)


@pytest.mark.parametrize(("expected", "breaker"), [(1, "open"), (0, "ramp"), (None, "")])
def test_an_accounts_breaker_shows_while_it_exists(expected: int | None, breaker: str) -> None:
    """Open is one; closed again and gaining speed is zero; after that there is no series."""
    assert expected == Shown(replace(IDLE, breaker=breaker)).value("breaker_open", scope="acme")


@pytest.mark.parametrize(("expected", "breaker", "is_open"), [(1, "open", False), (1, "ramp", True), (0, "", False)])
def test_an_account_named_like_the_provider_makes_no_second_series(expected: int, breaker: str, is_open: bool) -> None:
    """A series shown twice would make Prometheus drop the whole answer."""
    shown = Shown(replace(IDLE, name="provider", breaker=breaker), fleet=replace(EMPTY, breaker_open=is_open))
    family = next(one for one in shown.registry.collect() if one.name == "paceline_breaker_open")
    assert [expected] == [sample.value for sample in family.samples]


def test_operations_lost_here_and_doubled_there_do_not_cancel_out() -> None:
    """Anything but zero is a fault, so deviations add up without their signs, over all accounts."""
    accounts = many(300)
    accounts[3], accounts[299] = replace(accounts[3], unaccounted=2), replace(accounts[299], unaccounted=-5)
    assert 7 == Shown(*accounts).value("unaccounted_operations")


def test_accounts_beyond_fifty_share_a_series() -> None:
    """Those with the largest backlog have their own; of the others numbers add up, ages are the greatest."""
    accounts = many(100, scheduled=1, late=2, held=3, dead=4, oldest_age_s=5.0)
    accounts[98] = replace(accounts[98], oldest_age_s=99.0, info_age_s=7.0, credits=5.0, expires_s=NOON_US / 1e6 + 9e6)
    accounts[97] = replace(accounts[97], info_age_s=3.0, credits=6.0)
    shown = Shown(*accounts)
    assert 51 == shown.value("backlog_operations", account="00049", priority="bulk")
    assert shown.value("backlog_operations", account="00050", priority="bulk") is None
    assert sum(range(1, 51)) == shown.value("backlog_operations", account="other", priority="bulk")
    for expected, name in [(50, "backlog_scheduled_operations"), (100, "backlog_late_operations")]:
        assert expected == shown.value(name, account="other")
    assert (150, 200) == (shown.value("held_operations", account="other"), shown.value("dead_letters", account="other"))
    assert 99 == shown.value("backlog_oldest_age_seconds", account="other")
    assert 7 == shown.value("account_info_age_seconds", account="other")
    assert 5 == shown.value("credits_remaining", account="other")
    assert NOON_US / 1e6 + 9e6 == shown.value("account_expiry_timestamp_seconds", account="other")
    assert pytest.approx(50 / 6.1) == shown.value("rate_limit_per_second", account="other")


@pytest.mark.parametrize(
    "trouble",
    [
        {"suspended": "by hand"},
        {"paused": True},
        {"breaker": "open"},
        {"expires_s": NOON_US / 1e6 + 86_400},
        {"credits": 0.0},
    ],
)
def test_an_account_in_trouble_keeps_its_name(trouble: dict[str, Any]) -> None:
    """However little waits in it."""
    accounts = many(200)
    accounts[199] = replace(accounts[199], **trouble)
    assert 1 == Shown(*accounts).value("backlog_operations", account="00199", priority="bulk")


@pytest.mark.parametrize("number", [0, 1, 50, 51, 1000])
def test_the_number_of_series_is_bounded(number: int) -> None:
    """50 accounts, 50 more in trouble, and `other`; nothing is counted twice or left out."""
    open_one = (campaign("a"), campaign("b"))
    accounts = [
        replace(one, name=f"a{place}", campaigns=[replace(c, name=f"{c.name}{place}") for c in open_one])
        for place, one in enumerate(many(number, suspended="by hand", breaker="open"))
    ]
    shown = Shown(*accounts)
    for family in shown.registry.collect():
        labels = [tuple(sample.labels.values()) for sample in family.samples]
        assert len(labels) == len(set(labels))
        names = {label[0] for label in labels if label}
        assert len(names) <= (MOST_CAMPAIGNS if "campaign" in family.name else 102)
    family = next(one for one in shown.registry.collect() if one.name == "paceline_backlog_operations")
    assert sum(range(number + 1)) == sum(sample.value for sample in family.samples)


def test_an_account_called_other_is_one_of_the_others() -> None:
    """Its name is that of the series that the rest share."""
    shown = Shown(replace(IDLE, name="other", bulk=1000), *many(3))
    assert 1000 == shown.value("backlog_operations", account="other", priority="bulk")


def test_the_used_rate_is_what_the_limit_allowed_in_the_last_minute() -> None:
    """10 a minute: 5 slots taken since a minute ago are half of it."""
    shown = Shown(replace(IDLE, taken=100))
    assert shown.value("rate_used_ratio", account="acme") is None
    assert 0.5 == pytest.approx(shown.later(60, replace(IDLE, taken=105)).value("rate_used_ratio", account="acme"))
    assert 0 == shown.later(60, replace(IDLE, taken=105)).value("rate_used_ratio", account="acme")
    assert 1 == shown.later(60, replace(IDLE, taken=900)).value("rate_used_ratio", account="acme")


def test_many_scrapes_a_minute_tell_the_same() -> None:
    """It is the slots of a minute, whoever looks how often."""
    shown = Shown(IDLE)
    for second in range(2, 302, 2):
        shown.later(2, replace(IDLE, taken=second // 12))
    assert 0.5 == pytest.approx(shown.value("rate_used_ratio", account="acme"), abs=0.11)


def test_an_account_that_came_later_or_began_anew_uses_what_it_took_since() -> None:
    """A count that fell belongs to another account of the same name."""
    new = replace(IDLE, name="new", taken=3)
    shown = Shown(replace(IDLE, taken=500)).later(30, replace(IDLE, taken=500), new)
    assert shown.value("rate_used_ratio", account="new") is None
    shown.later(30, replace(IDLE, taken=2), replace(new, taken=8))
    assert 0 == shown.value("rate_used_ratio", account="acme")
    assert 1 == pytest.approx(shown.value("rate_used_ratio", account="new"))


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("uploading", {}),
        ("running", {"sealed": "1"}),
        ("paused", {"hold": "paused"}),
        ("cancelling", {"hold": "cancelled"}),
        ("running", {"sealed": "1", "accepted": "10"}),
        ("cancelling", {"hold": "cancelled", "cancelled": "10"}),
    ],
)
def test_a_campaign_has_one_state(state: str, fields: dict[str, str]) -> None:
    """One of four; one whose last outcome is there stays what it was until it is closed."""
    shown = Shown(replace(IDLE, campaigns=(campaign("spring", 10, 0, **fields),)))
    for one in ("uploading", "running", "paused", "cancelling"):
        assert float(one == state) == shown.value("campaign_state", campaign="spring", state=one)


def test_a_campaigns_operations_are_told_by_where_they_are() -> None:
    """Ten that are not settled, four of them scheduled; and the outcomes."""
    one = campaign(remaining=10, scheduled=4, accepted="7", rejected="3", recent="a" * 7 + "r" * 3)
    shown = Shown(replace(IDLE, campaigns=(one,)))
    expected = {"waiting": 6, "scheduled": 4, "accepted": 7, "rejected": 3, "dead": 0, "held": 0}
    for state, number in expected.items():
        assert number == shown.value("campaign_operations", campaign="spring", state=state)
    assert 0.3 == shown.value("campaign_rejected_ratio", campaign="spring")


def test_a_campaigns_receipts_are_told_also_after_its_end() -> None:
    """Receipts come later than outcomes: for six hours the campaign is looked at again, twice a minute."""
    one = campaign(accepted="10", receipt_sent="9", receipt_received="5", receipt_read="2")
    shown = Shown(replace(IDLE, campaigns=(one,)))
    assert 5 == shown.value("campaign_receipts", campaign="spring", status="delivered")
    shown.readings.complete["spring"] = CampaignSnapshot.read({"accepted": "10", "receipt_received": "8"})
    shown.later(15, IDLE)
    assert 8 == shown.value("campaign_receipts", campaign="spring", status="delivered")
    assert 10 == shown.value("campaign_operations", campaign="spring", state="accepted")
    assert shown.value("campaign_state", campaign="spring", state="running") is None
    for _ in range(10):
        shown.later(2, IDLE)
    assert 1 == shown.readings.looks
    shown.later(RECENT_S, IDLE)
    assert shown.value("campaign_receipts", campaign="spring", status="delivered") is None


def test_campaigns_that_ended_are_few_and_cost_little() -> None:
    """Twenty are remembered, and a reading looks at four of them."""
    many_open = tuple(campaign(f"c{place:02}") for place in range(50))
    shown = Shown(replace(IDLE, campaigns=many_open))
    shown.readings.complete = {one.name: CampaignSnapshot.read({"accepted": "1"}) for one in many_open}
    for number in range(1, 9):
        shown.later(1.5, IDLE)
        list(shown.registry.collect())
        assert min(4 * number, MOST_RECENT) == shown.readings.looks
    family = next(one for one in shown.registry.collect() if one.name == "paceline_campaign_receipts")
    assert MOST_RECENT == len({sample.labels["campaign"] for sample in family.samples})
    shown.readings.complete = {}  # deleted
    for _ in range(8):
        shown.later(31, IDLE)
    family = next(one for one in shown.registry.collect() if one.name == "paceline_campaign_receipts")
    assert [] == family.samples


def test_a_campaign_of_a_shard_that_is_away_hides_no_gauge() -> None:
    """It is no open campaign of those that answer, and cannot be looked at; it shows again when its shard is back."""
    there, gone = campaign("there"), campaign("gone", receipt_received="5")
    both = replace(IDLE, campaigns=(there, gone))
    shown = Shown(both)
    shown.later(1, replace(IDLE, campaigns=(there,)))
    shown.readings.lost = {"gone"}
    for _ in range(3):
        assert 1 == shown.value("state_up")
        assert 10 == shown.value("campaign_operations", campaign="there", state="waiting")
        assert shown.value("campaign_operations", campaign="gone", state="waiting") is None
        shown.later(2, replace(IDLE, campaigns=(there,)))
    assert 1 == shown.readings.looks
    shown.readings.lost = set()
    shown.later(2, both)
    assert 5 == shown.value("campaign_receipts", campaign="gone", status="delivered")


def test_a_shard_that_goes_away_in_the_middle_of_a_reading_hides_no_gauge() -> None:
    """Its campaign was read; when it ends cannot be asked any more."""
    shown = Shown(replace(IDLE, campaigns=(campaign("gone"), campaign("there"))))
    shown.readings.lost = {"gone"}
    assert 1 == shown.value("state_up")
    shown.later(2, *shown.readings.read)
    assert 1 == shown.value("state_up")
    assert 2 == shown.readings.outlooks


def test_a_forecast_is_kept_for_a_minute() -> None:
    """It costs more than counting."""
    one = replace(IDLE, campaigns=(campaign(),))
    shown = Shown(one)
    shown.later(30, one).later(29, one)
    assert 1 == shown.readings.outlooks
    shown.later(2, one)
    list(shown.registry.collect())
    assert 2 == shown.readings.outlooks


FAST = replace(IDLE, demand=Demand(slots_per_s=10, senders=50))


@pytest.mark.parametrize(
    ("expected", "fleet"),
    [
        # 100 x 10 a second, each in flight for 0.25 + 0.3 s: 550, 200 to a worker, and 1 ms of CPU each.
        (3, EMPTY),
        (28, replace(EMPTY, workers=(WorkerReading(20),))),
        # Measured: 0.6 s; 0.85 x 1,000 / 200.
        (5, replace(EMPTY, workers=(WorkerReading(200, 0.6, 0.0005), WorkerReading(200)))),
        # Measured: 7 ms of CPU; 7 cores used to 70 %.
        (10, replace(EMPTY, workers=(WorkerReading(10_000, 0.1, 0.007),))),
        (1, replace(EMPTY, breaker_open=True)),
    ],
)
def test_workers_are_wanted_by_what_workers_measured(expected: int, fleet: FleetReading) -> None:
    """Their capacity, how long a call takes them and what it costs; while the provider fails one is enough."""
    assert expected == wanted([replace(FAST, name=str(number)) for number in range(100)], fleet, 200)
    assert expected == Shown(*[replace(FAST, name=str(n)) for n in range(100)], fleet=fleet).value("workers_wanted")


def test_a_backlog_that_may_not_be_sent_wants_no_workers() -> None:
    """A million waits, and nobody may send."""
    assert 1 == wanted([replace(IDLE, bulk=1_000_000)] * 1000, EMPTY, 200)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (WorkerReading(200), f"200|{NOON_US}"),
        (WorkerReading(200, 0.25, 0.0007), f"200|{NOON_US}|250000|700"),
        (
            WorkerReading(200, 0.25, 0.0007, 150, 0.04),
            f"200|{NOON_US}|250000|700|150|9000|40000|12000|of a later release",
        ),
        (None, f"200|{NOON_US - 1}|250000|700"),
    ],
)
def test_heartbeats_of_all_releases_are_read(expected: WorkerReading | None, text: str) -> None:
    """Fields are added at the end only."""
    assert expected == worker_of(text, NOON_US)
