"""Limits of accounts: what is set by hand, what the provider tells, and what changes later."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from paceline import names
from paceline.state import connect
from paceline_sandbox import RunningSandbox, Scenario, running_sandbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import API_KEY, Cli, one_shard, stored_key

# -- what the provider tells of the account -------------------------------------------------------------------------------

TRIAL_ENDS = datetime(2030, 1, 31, 12, tzinfo=UTC)
PAID: dict[str, Any] = {
    "limits": ["80/minute"],
    "on_trial": False,
    "credits": 500,
    "number_checks": 100,
    "expires_at": TRIAL_ENDS,
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


class Emulated:
    """The emulated provider, which the commands of this test ask."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox

    def knows(self, **key: Any) -> None:
        """One key, and no other."""
        entry = {"key": API_KEY, **key}
        self._sandbox.use(Scenario.model_validate({"accept_unknown_keys": False, "latency_ms": 0, "keys": [entry]}))
        self._sandbox.reset()

    def answers(self, status: int) -> None:
        """The same answer to every question for the account."""
        faults = [{"kind": "answer", "on": "info", "status": status}]
        self._sandbox.use(Scenario.model_validate({"latency_ms": 0, "faults": faults}))
        self._sandbox.reset()

    @property
    def asked(self) -> list[str]:
        return [f"{arrival['method']} {arrival['path']}" for arrival in self._sandbox.arrivals()]


@pytest.fixture
def provider(environment: Mapping[str, str], running: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A provider that knows our key, with 80 requests a minute."""
    assert environment
    monkeypatch.setenv(names.ENV_API_BASE, running.api_base)
    emulated = Emulated(running)
    emulated.knows(**PAID)
    return emulated


def add(cli: Cli, *options: str, stdin: str = f"{API_KEY}\n") -> Any:
    return cli("accounts", "add", "acme", *options, stdin=stdin)


def shown(cli: Cli) -> Any:
    return cli("accounts", "show", "acme", "--json").json


def keys_in_state(server: EmbeddedServer) -> int:
    client = connect(server.url)
    try:
        return int(client.dbsize())
    finally:
        client.close()


def test_add_takes_the_limit_that_the_provider_tells(cli: Cli, provider: Emulated) -> None:
    """Without --limit the account has the rate of /info, asked for once; and what else /info tells is known."""
    answer = add(cli)
    assert (0, "") == (answer.code, answer.err)
    assert answer.out == "Account acme is added: 80/minute (from /info), one every 850 ms (70.59 slots a minute).\n"
    assert ["GET /open/info"] == provider.asked
    expected: dict[str, Any] = {
        "limit": "80/minute",
        "limit_by_hand": None,
        "requests_per_minute": 80,
        "number_checks_left": 100,
        "on_trial": False,
        "blocked": False,
        "expires_at": TRIAL_ENDS.isoformat(),
        "interval_s": 0.85,
    }
    found = shown(cli)
    assert expected == {name: found[name] for name in expected}
    assert found["credits_left"] in {499, 500}
    text = " ".join(cli("accounts", "show", "acme").out.split())
    for words in (
        "limit 80/minute (from /info)",
        f"credits {found['credits_left']} left",
        "subscription paid",
        "expires 2030-01-31",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("slots", "limit"), [(9.836, "10/minute"), (70.588, "80/minute"), (70.588, "200/minute"), (70.588, "1000/day")]
)
def test_a_limit_by_hand_is_a_ceiling(cli: Cli, provider: Emulated, slots: float, limit: str) -> None:
    """The lower one of the limit by hand and the provider's is in force, and both are shown."""
    assert 0 == add(cli, "--limit", limit).code
    found = shown(cli)
    assert (slots, limit, 80) == (found["slots_per_minute"], found["limit_by_hand"], found["requests_per_minute"])
    assert f"80/minute (from /info), at most {limit}" in " ".join(cli("accounts", "show", "acme").out.split())
    assert 1 == len(provider.asked)


@one_shard
@pytest.mark.parametrize("options", [[], ["--limit", "10/minute"]])
def test_a_key_that_the_provider_refuses_is_not_added(
    cli: Cli, provider: Emulated, server: EmbeddedServer, options: list[str]
) -> None:
    """401 is exit 1 and one sentence without the key, whether or not a limit is given; nothing is written."""
    provider.knows(key="another key")
    sentence = add(cli, *options).refusal()
    assert "refuses this API key (401)" in sentence
    assert API_KEY not in sentence
    assert 0 == keys_in_state(server)
    assert 1 == len(provider.asked)


@pytest.mark.parametrize("status", [402, 429, 500, 503])
def test_add_needs_a_limit_when_the_provider_tells_none(cli: Cli, provider: Emulated, status: int) -> None:
    """Any other failure to answer is no verdict on the key: with a limit it is added, and a worker asks again."""
    provider.answers(status)
    assert "give --limit" in add(cli).refusal()
    assert [] == cli("accounts", "list", "--json").json
    answer = add(cli, "--limit", "10/minute")
    assert 0 == answer.code
    assert "a worker tries again" in answer.err
    assert (9.836, None) == (shown(cli)["slots_per_minute"], shown(cli)["requests_per_minute"])


@one_shard
def test_add_refuses_when_nobody_answers_and_no_limit_is_given(cli: Cli, server: EmbeddedServer) -> None:
    """Without provider and without --limit nobody knows how fast it may send."""
    assert "does not report the account's limit" in add(cli).refusal()
    assert 0 == keys_in_state(server)


def test_add_warns_when_nobody_answers_and_a_limit_is_given(cli: Cli, server: EmbeddedServer) -> None:
    """The account is added with the limit by hand, and one sentence on stderr says what is missing."""
    answer = add(cli, "--limit", "10/minute")
    assert (0, 1) == (answer.code, answer.err.count("\n"))
    assert answer.err.startswith("paceline: the provider's /info could not be read")
    assert API_KEY not in answer.err
    assert "Account acme is added: 10/minute" in answer.out
    assert API_KEY == stored_key(server, "acme")


@pytest.mark.parametrize(
    ("limit", "options"), [("10/minute until /info is read", []), ("20/minute", ["--limit", "20/minute"])]
)
def test_add_asks_nobody_when_told_so(cli: Cli, provider: Emulated, limit: str, options: list[str]) -> None:
    """--no-info leaves the question to a worker; until then a limit holds that is safe for every account."""
    answer = add(cli, "--no-info", *options)
    assert (0, "") == (answer.code, answer.err)
    assert f"Account acme is added: {limit}, " in answer.out
    assert [] == provider.asked
    found = shown(cli)
    assert (None, None, None) == (found["requests_per_minute"], found["credits_left"], found["info_read_at"])


@one_shard
@pytest.mark.parametrize("line", ["", "\n", "  \n", "kéy\n", "two\twords\n"])
def test_a_key_that_no_header_can_carry_is_refused_before_anything_is_asked(
    cli: Cli, provider: Emulated, server: EmbeddedServer, line: str
) -> None:
    """An empty key, or one with characters that no key has, is bad usage."""
    assert "API key: is empty, or has characters that no key has" in add(cli, stdin=line).refusal(2)
    assert ([], 0) == (provider.asked, keys_in_state(server))


def test_wrong_options_are_refused_before_anything_is_asked(cli: Cli, provider: Emulated, acme: str) -> None:
    """Nor is a key asked for under a name that is taken."""
    assert "exists" in add(cli, stdin="").refusal()
    assert "--budget" in cli("accounts", "add", "other", "--budget", "message.by_pigeon=1/day").refusal(2)
    assert [] == provider.asked
    assert [acme] == [account["name"] for account in cli("accounts", "list", "--json").json]


def test_a_variation_of_zero_is_none(cli: Cli, provider: Emulated) -> None:
    """--variation 0 is no missing one: slots are exactly a limit's share apart."""
    assert 0 == add(cli, "--variation", "0").code
    assert (0.0, 0.75) == (shown(cli)["variation_s"], shown(cli)["interval_s"])
    assert 1 == len(provider.asked)


# -- changes --------------------------------------------------------------------------------------------------------------


def test_change_gives_other_limits(cli: Cli) -> None:
    """The limit is another one at once; an unknown account and a wrong rate are refused."""
    cli("accounts", "add", "acme", "--limit", "10/minute", stdin="KEY\n")
    changed = cli("accounts", "change", "acme", "--limit", "80/minute", "--pacing", "window")
    assert "is changed: 80/minute" in changed.out
    assert "80/minute" == cli("accounts", "show", "acme", "--json").json["limit"]
    assert "no account named 'nobody'" in cli("accounts", "change", "nobody", "--limit", "80/minute").refusal(1)
    assert "is not a rate" in cli("accounts", "change", "acme", "--limit", "fast").refusal(2)


CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"limit": "20/minute", "limit_by_hand": "20/minute", "interval_s": 3.1}, ["--limit", "20/minute"]),
    ({"limit": "10/minute", "limit_by_hand": None, "interval_s": 6.1}, ["--limit", ""]),
    ({"pacing": "window", "interval_s": 6.01}, ["--pacing", "window"]),
    ({"variation": "fixed", "variation_s": 0.5, "interval_s": 6.5}, ["--variation", "500ms"]),
    ({"variation": "fixed", "variation_s": 0.0, "interval_s": 6.0}, ["--variation", "0"]),
    ({"variation": "auto"}, ["--variation", "auto"]),
    ({"treat_503_as": "unknown"}, ["--treat-503-as", "unknown"]),
    (
        {"budgets": {"group.create": "10 in 1 d", "number.check": "50 in 1 min"}},
        ["--budget", "group.create=10/day"],
    ),
    (
        {"budgets": {"group.create": "30 in 1 d", "number.check": "50 in 1 min", "*": "1 in 3 s"}},
        ["--budget", "*=1/3seconds"],
    ),
    (
        {"budgets": {"group.create": "30 in 1 d; 5 in 1 h", "number.check": "50 in 1 min"}},
        ["--budget", "group.create=30/day", "--budget", "group.create=5/hour"],
    ),
]
MOVING = {"next_slot_at", "slots_per_minute"}


@pytest.mark.parametrize(("changes", "options"), CHANGES, ids=[" ".join(options) for _, options in CHANGES])
def test_change_changes_one_thing_and_keeps_the_rest(
    cli: Cli, acme: str, changes: dict[str, Any], options: list[str]
) -> None:
    """Each option by itself; also budgets of other kinds stay."""
    before = shown(cli)
    assert "Account acme is changed: " in cli("accounts", "change", acme, *options).out
    after = shown(cli)
    assert {name: after[name] for name in changes} == changes
    assert {name: after[name] for name in before.keys() - changes - MOVING} == {
        name: before[name] for name in before.keys() - changes - MOVING
    }


def test_change_back_and_forth_is_no_change(cli: Cli, acme: str) -> None:
    """Options are read as they are written: what was changed twice is as before."""
    before = shown(cli)
    for options in (["--pacing", "window"], ["--pacing", "spacing"], ["--treat-503-as", "unknown"]):
        cli("accounts", "change", acme, *options)
    cli("accounts", "change", acme, "--treat-503-as", "overloaded", "--budget", "group.create=5/hour")
    cli("accounts", "change", acme, "--budget", "group.create=30/day", "--budget", "number.check=50/minute")
    after = shown(cli)
    assert {name: before[name] for name in before.keys() - MOVING} == {
        name: after[name] for name in before.keys() - MOVING
    }


def test_change_leaves_what_the_provider_tells_in_force(cli: Cli, provider: Emulated) -> None:
    """Another limit by hand is another ceiling; the provider is not asked for it."""
    add(cli, "--limit", "10/minute")
    cli("accounts", "change", "acme", "--limit", "200/minute")
    assert (0.85, 80) == (shown(cli)["interval_s"], shown(cli)["requests_per_minute"])
    assert 1 == len(provider.asked)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("--limit: 'often' is not a rate", ["--limit", "often"]),
        ("--variation: is neither auto nor a time", ["--variation", "soon"]),
        ("--variation: between 0 and 10 seconds", ["--variation", "11s"]),
        ("--budget: is not KIND=RATE", ["--budget", "group.create"]),
        ("'message.by_pigeon' is no kind of operation", ["--budget", "message.by_pigeon=1/day"]),
        ("--budget: group.create: 'often' is not a rate", ["--budget", "group.create=often"]),
        ("--budget: above 100000", ["--budget", "group.create=100001/day"]),
        ("--treat-503-as: ", ["--treat-503-as", "well"]),
        ("--pacing: ", ["--pacing", "fast"]),
    ],
)
def test_change_refuses_bad_usage(cli: Cli, acme: str, words: str, options: list[str]) -> None:
    """A wrong option is exit 2 and one sentence that names it, and nothing is changed."""
    before = shown(cli)
    assert words in cli("accounts", "change", acme, *options).refusal(2)
    after = shown(cli)
    assert before["limit"] == after["limit"]
    assert before["budgets"] == after["budgets"]
