"""What the console says: troubles in their order, numbers and times in words, masks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paceline.gateway import tokens
from paceline.state.pictures import FleetSnapshot
from paceline_worker.console.drawing import NONE, ago, per_minute, percent, said, tone
from paceline_worker.console.session import Viewer
from paceline_worker.console.troubles import troubles
from paceline_worker.exporter.readings import AccountReading, FleetReading, WorkerReading

NOW = 1_800_000_000.0
CALM = FleetReading(
    now_us=0,
    memory=10,
    memory_limit=100,
    aof_enabled=True,
    aof_last_write_ok=True,
    inbox=0,
    in_flight=0,
    accounts=1,
    breaker_open=False,
    workers=[WorkerReading(200)],
)
QUIET = {
    "name": "acme",
    "slots_per_s": 1.0,
    "plain_per_s": 1.0,
    "variation_s": 0.1,
    "transactional": 0,
    "bulk": 0,
    "scheduled": 0,
    "oldest_age_s": 0.0,
    "late": 0,
    "suspended": "",
    "paused": False,
    "breaker": "",
    "credits": None,
    "expires_s": None,
    "info_age_s": None,
    "held": 0,
    "dead": 0,
    "taken": 0,
    "unaccounted": 0,
    "demand": None,
    "campaigns": (),
}


def account(**fields: object) -> AccountReading:
    return AccountReading(**(QUIET | fields))  # type: ignore[arg-type]


def fleet(**fields: object) -> FleetReading:
    values = {name: getattr(CALM, name) for name in FleetReading.__slots__}
    return FleetReading(**(values | fields))


def test_nothing_is_wrong_with_a_quiet_fleet() -> None:
    """No word about what is well."""
    assert [] == troubles([account(transactional=5)], CALM, FleetSnapshot(), NOW)


@pytest.mark.parametrize(
    ("accounts", "of_fleet", "reach", "level", "words"),
    [
        ([account(bulk=7)], {"workers": []}, {}, "bad", "No worker is running: 7 messages wait."),
        ([account()], {"workers": []}, {}, "warn", "No worker is running."),
        ([account()], {}, {"unreachable": 1, "unreachable_why": "DNS"}, "bad", "1 of 1 workers cannot reach the provider: DNS"),
        ([account()], {}, {"shards_away": (3, 7)}, "bad",
         "The state servers of shards 3, 7 do not answer: accounts there are not shown."),
        ([account()], {"inbox": 101}, {}, "warn", "101 records are written and not accepted."),
        ([account()], {"breaker_open": True}, {}, "bad", "The provider fails for all accounts; workers only try now and then."),
        ([account()], {"aof_enabled": False}, {}, "warn", "The state server keeps no append-only file."),
        ([account()], {"aof_last_write_ok": False}, {}, "bad", "The state server cannot write its append-only file."),
        ([account()], {"memory": 81}, {}, "bad", "The state server's memory is 81 % full."),
        ([account(unaccounted=-2), account(unaccounted=2)], {}, {}, "bad", "4 operations are unaccounted for."),
        ([account(suspended="the key was refused", bulk=3)], {}, {}, "bad",
         "Account acme is suspended: the key was refused. 3 messages wait."),
        ([account(suspended="by hand")], {}, {}, "warn", "Account acme is suspended: by hand. 0 messages wait."),
        ([account(breaker="open")], {}, {}, "bad", "Account acme gets failures from the provider; only probes go out."),
        ([account(paused=True), account(name="b", paused=True)], {}, {}, "warn",
         "2 accounts pause because the provider throttled them (429)."),
        ([account(credits=4.0, bulk=5)], {}, {}, "warn", "Account acme has fewer credits than waiting messages."),
        ([account(expires_s=NOW + 86_400)], {}, {}, "warn", "Account acme expires within a week."),
        ([account(held=1)], {}, {}, "warn", "1 message is held: nobody knows whether the provider sent it."),
        ([account(late=2)], {}, {}, "warn", "2 messages are too late: their turn comes after their validity ends."),
        ([account(dead=2)], {}, {}, "quiet", "2 messages are rejected or given up."),
    ],
)  # fmt: skip
def test_a_trouble_is_named(
    accounts: list[AccountReading], of_fleet: dict[str, object], reach: dict[str, Any], level: str, words: str
) -> None:
    """In one sentence, with something to do."""
    [trouble] = troubles(accounts, fleet(**of_fleet), FleetSnapshot(**reach), NOW)
    assert (level, words) == (trouble.level, trouble.title)
    assert trouble.todo.endswith((".", "`"))


def test_the_worst_comes_first() -> None:
    """Whatever it is about."""
    found = troubles([account(dead=1, held=1, suspended="refused")], fleet(breaker_open=True), FleetSnapshot(), NOW)
    assert ["bad", "bad", "warn", "quiet"] == [trouble.level for trouble in found]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+15550100002", "+155••••••02"),
        ("491511234567", "4915••••••67"),
        ("to +15550100002 and +15550100003.", "to +155••••••02 and +155••••••03."),
        ("order 1234567", "order 1234567"),
        ("WAG-1", "WAG-1"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_number_is_masked(text: str | None, masked: str) -> None:
    """Its ends stay; with the scope all of it does."""

    def viewer(*scopes: str) -> Viewer:
        token, _ = tokens.make("x", scopes, ["*"], None, datetime.now(UTC))
        return Viewer(token, "")

    assert masked == viewer("read").words(text)
    assert (text or "") == viewer("read", "numbers").words(text)


def test_values_in_words() -> None:
    """As people read them."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert ["now", "12 s ago", "in 3 min"] == [
        ago(now + timedelta(seconds=seconds), now) for seconds in (0.2, -12.2, 180)
    ]
    assert [NONE, "0 %", "1 %", "99 %", "100 %"] == [percent(share) for share in (None, 0.0, 0.001, 0.999, 1.0)]
    assert [NONE, "9.8", "10", "1,500"] == [per_minute(rate) for rate in (None, 9.84, 10.0, 1500.0)]
    assert ["good", "bad", "warn", "quiet", "quiet"] == [
        tone(word) for word in ("accepted", "rejected", "held", "waiting", None)
    ]
    assert None is said({"said": "nonsense"})
    assert "2 dropped; 1 stay as they are." == said({"said": "dropped", "n": "2", "kept": "1"})
