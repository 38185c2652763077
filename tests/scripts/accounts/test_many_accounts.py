"""Many accounts at once: added in few round trips, read by the page."""

from datetime import timedelta

import pytest
import redis

from paceline import names
from paceline.errors import InvalidOperation, StateUnavailable
from paceline_worker.accounts.account import NewAccount
from paceline_worker.accounts.accounts import PIPELINED, Accounts
from paceline_worker.accounts.info import Info
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.accounts.stored import StoredAccount, StoredAccounts
from tests.conftest import SECRET, add_account
from tests.support.stored import stored_account

RING = KeyRing(SECRET)
OTHER = KeyRing("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
# Different each time, and for each account.
MOVING = {"name", "key", "digest", "key_version", "added_at", "info_at", "info_read_at", "next", "recheck", "due"}


def fields(client: redis.Redis, name: str) -> dict[str, str]:
    found = stored_account(client, name)
    return {str(field): str(value) for field, value in found.items() if field not in MOVING}


def stored(client: redis.Redis, ring: KeyRing | None = RING) -> list[StoredAccount]:
    return list(StoredAccounts(client, ring).each())


def test_an_account_of_many_is_as_if_it_were_added_alone(client: redis.Redis) -> None:
    """All options reach it, and it is due like any other."""
    options = {
        "rates": "10/minute; 1000/day", "pacing": "window", "variation": timedelta(milliseconds=20), "senders": ["+15550100001"],
        "budgets": {"*": "1/3 seconds"}, "treat_503_as": "unknown", "reserve": 20, "info": Info(per_minute=80),
        "info_every": timedelta(hours=1),
    }  # fmt: skip
    accounts = Accounts(client)
    accounts.add("alone", ApiKey("KEY-1"), ring=RING, **options)  # type: ignore[arg-type]
    assert [] == accounts.add_many([NewAccount(name="many", key=ApiKey("KEY-2"), **options)], ring=RING)  # type: ignore[arg-type]
    assert fields(client, "alone") == fields(client, "many")
    assert ["alone", "many"] == sorted(client.zrange(f"{names.STATE_ROOT}:due", 0, -1))


def test_defaults_are_those_of_add(client: redis.Redis) -> None:
    """A name and a key are enough."""
    accounts = Accounts(client)
    accounts.add("alone", ApiKey("KEY-1"), ring=RING)
    accounts.add_many([NewAccount(name="many", key=ApiKey("KEY-2"))], ring=RING)
    assert fields(client, "alone") == fields(client, "many")


def test_more_than_one_round_trip_holds(client: redis.Redis) -> None:
    """Any number of accounts, with their own keys; a generator will do."""
    count = 2 * PIPELINED + 1
    wanted = (NewAccount(name=f"a{n:04}", key=ApiKey(f"KEY-{n}"), rates="10/minute") for n in range(count))
    assert [] == Accounts(client).add_many(wanted, ring=RING)
    found = stored(client)
    assert [f"a{n:04}" for n in range(count)] == [account.name for account in found]
    assert [f"KEY-{n}" for n in range(count)] == [account.key.reveal() for account in found if account.key]


def test_names_that_are_taken_are_told(client: redis.Redis) -> None:
    """Those accounts stay as they are; the others are added."""
    add_account(client, "beta", rates="20/minute")
    before = stored_account(client, "beta")
    wanted = [NewAccount(name=name, key=ApiKey(f"KEY-{name}")) for name in ("alpha", "beta", "gamma")]
    assert ["beta"] == Accounts(client).add_many(wanted, ring=RING)
    assert before == stored_account(client, "beta")
    assert ["alpha", "beta", "gamma"] == [account.name for account in stored(client)]


def test_wrong_arguments_are_refused(client: redis.Redis) -> None:
    """Nothing of their round trip is written."""
    wanted = [NewAccount(name="a", key=ApiKey("K")), NewAccount(name="b", key=ApiKey("K"), rates="often")]
    with pytest.raises(InvalidOperation, match="limit: "):
        Accounts(client).add_many(wanted, ring=RING)
    assert [] == stored(client)


def test_a_server_without_room_is_told_without_the_command(client: redis.Redis) -> None:
    """A refused command neither counts as done, nor is repeated with what it carries."""
    limit = str(client.config_get("maxmemory")["maxmemory"])
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(StateUnavailable) as refused:
            Accounts(client).add_many([NewAccount(name=n, key=ApiKey("KEY")) for n in ("a", "b")], ring=RING)
    finally:
        client.config_set("maxmemory", limit)
    assert "redis.call" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_page_has_the_settings_of_those_that_exist(client: redis.Redis) -> None:
    """Unknown names are left out."""
    Accounts(client).add(
        "acme",
        ApiKey("KEY-acme"),
        ring=RING,
        rates="10/minute",
        pacing="window",
        variation=timedelta(microseconds=1500),
        senders=["+15550100001", "+15550100002"],
        budgets={"*": "1/3 seconds; 500/day", "group.create": "30/day"},
        reserve=20,
    )
    page = StoredAccounts(client, RING).page(["nobody", "acme"])
    assert ["acme"] == list(page)
    acme = page["acme"]
    assert acme.key is not None
    assert "KEY-acme" == acme.key.reveal()
    assert "KEY-acme" not in repr(page)
    assert (
        "10/minute",
        "window",
        timedelta(microseconds=1500),
        20,
        {"*": "1/3 seconds; 500/day", "group.create": "30/day"},
        ("+15550100001", "+15550100002"),
    ) == (acme.rates, acme.pacing, acme.variation, acme.reserve, acme.budgets, acme.senders)


def test_keys_are_read_only_with_a_ring_that_fits(client: redis.Redis) -> None:
    """Without a ring they do not leave state; another ring makes none of them."""
    add_account(client, "acme")
    assert [None] == [account.key for account in stored(client, None)]
    assert [None] == [account.key for account in stored(client, OTHER)]


def test_senders_can_be_changed(client: redis.Redis) -> None:
    """To others, and to any; nothing else changes."""
    add_account(client, "acme")
    before = fields(client, "acme")
    accounts = Accounts(client)
    accounts.change("acme", senders=["+15550100001"])
    assert before | {"senders": "+15550100001"} == fields(client, "acme")
    accounts.change("acme", reserve=0)
    assert "+15550100001" == fields(client, "acme")["senders"]
    accounts.change("acme", senders=())
    assert before == fields(client, "acme")
    with pytest.raises(InvalidOperation, match="sender"):
        accounts.change("acme", senders=["0049"])
