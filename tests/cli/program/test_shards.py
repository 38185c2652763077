"""``paceline shards`` and ``paceline state create``."""

import base64
import json
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from paceline import Outbox, names
from paceline.settings import Settings
from paceline.state import connect, connect_to, shards
from paceline.state.connections import GuidedConnection
from paceline.state.guides import ClusterGuide
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.runtime import Runtime
from paceline_worker.telemetry.health import READY, state_answers
from tests.cli.conftest import SECRET, Cli, Worker, one_shard, sent
from tests.support.wait import wait_until

pytestmark = one_shard

PATIENCE = timedelta(seconds=150)

API_KEY = "UAK-00000000-0000-4000-8000-000000000001"


@pytest.fixture
def sharded(cli: Cli) -> Cli:
    assert cli("state", "create", "--shards", "5").out == "State has 5 shards. Start the workers.\n"
    for number, name in enumerate(("acme", "other")):
        done = cli("accounts", "add", name, "--limit", "10/minute", "--no-info", stdin=f"{API_KEY[:-1]}{number}\n")
        assert 0 == done.code, done.err
    return cli


def test_shards_are_listed(sharded: Cli) -> None:
    rows = json.loads(sharded("shards", "list", "--json").out)
    assert [1, 0, 0, 1, 0] == [row["accounts"] for row in rows]
    assert {"shard": 3, "answers": True, "accounts": 1, "in_flight": 0, "inbox": 0, "worker": None} == rows[3]
    assert "granted by" in sharded("shards", "list").out


def test_an_account_is_moved_and_the_act_is_remembered(sharded: Cli) -> None:
    done = json.loads(sharded("shards", "move", "acme", "4", "--json").out)
    assert ("acme", 4) == (done["account"], done["shard"])
    assert done["keys"] > 2
    assert [0, 0, 0, 1, 1] == [row["accounts"] for row in json.loads(sharded("shards", "list", "--json").out)]
    assert "Account 'acme' lives on shard 4: 0 keys moved." in sharded("shards", "move", "acme", "4").out
    assert "shards move" in sharded("history").out
    assert 0 == sharded("audit").code
    assert ["acme", "other"] == [row["name"] for row in json.loads(sharded("accounts", "list", "--json").out)]


def test_a_shard_that_is_not_there_is_refused(sharded: Cli) -> None:
    refused = sharded("shards", "move", "acme", "5")
    assert (2, "") == (refused.code, refused.out)
    assert "shard: state has the shards 0 to 4" in refused.err


def moves(cli: Cli) -> list[tuple[str, str]]:
    """What the history tells of moves: account, and where to."""
    return [(act["account"], act["on"]) for act in cli("history", "--json").json if act["what"] == "shards move"]


@pytest.mark.parametrize(("account", "shard", "code"), [("acme", "5", 2), ("nobody", "0", 1)])
def test_a_refused_move_is_no_act(sharded: Cli, account: str, shard: str, code: int) -> None:
    assert code == sharded("shards", "move", account, shard).code
    assert [] == moves(sharded)


def test_a_move_that_another_one_keeps_from_beginning_is_no_act(sharded: Cli) -> None:
    sent(sharded, "acme")
    sharded("shards", "move", "acme", "4", "--wait", "0")
    refused = sharded("shards", "move", "acme", "1")
    assert (2, "being moved to shard 4: finish that first") == (refused.code, refused.refusal(2)[-41:])
    assert [("acme", "4, not finished")] == moves(sharded)


def test_a_move_that_leaves_the_account_suspended_is_remembered(sharded: Cli, worker: Worker) -> None:
    """As one that is not finished; then as one that is."""
    sent(sharded, "acme")
    refused = sharded("shards", "move", "acme", "4", "--wait", "0").refusal()
    assert refused.endswith("records wait in its inbox. It stays suspended: repeat the command")
    assert "suspended" == sharded("accounts", "show", "acme", "--json").json["state"]
    worker.accept_all()
    assert 0 == sharded("shards", "move", "acme", "4").code
    assert [("acme", "4, not finished"), ("acme", "4")] == moves(sharded)


def test_the_number_of_shards_is_fixed(sharded: Cli) -> None:
    assert 0 == sharded("state", "create", "--shards", "5").code
    refused = sharded("state", "create", "--shards", "6")
    assert 2 == refused.code
    assert "state has 5 shards, not 6, and the number is fixed when state is created" in refused.err


def test_webhooks_out_are_refused(sharded: Cli) -> None:
    refused = sharded("hooks", "list")
    assert 2 == refused.code
    assert "webhooks out need state of one shard, and this state has 5: follow outcomes instead" in refused.err


@one_shard
def test_state_that_nobody_created_has_one_shard(cli: Cli, acme: str) -> None:
    assert acme == "acme"
    assert [{"shard": 0, "accounts": 1}] == [
        {key: row[key] for key in ("shard", "accounts")} for row in json.loads(cli("shards", "list", "--json").out)
    ]
    assert 2 == cli("state", "create", "--shards", "2").code


@pytest.fixture
def away(sharded: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Shard 3 lies on a server that nobody reaches, since a worker made the key of the seals."""
    with closing(connect_to(Settings.from_environment())) as client:
        StoredSeals(client, KeyRing(SECRET)).open()

    def pool_under(pool: Any, root: str) -> Any:
        if not root.endswith("{3}"):
            return pool
        guide = ClusterGuide([("127.0.0.1", 9)], root)
        options = pool.connection_kwargs | {"guide": guide}
        return type(pool)(connection_class=GuidedConnection, max_connections=pool.max_connections, **options)

    monkeypatch.setattr(shards, "pool_under", pool_under)
    return sharded


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "0123456789abcdefghjkmnpqrs"),
        ("accounts", "show", "other"),
        ("explain", "0123456789abcdefghjkmnpqrs"),
    ],
    ids=" ".join,
)
def test_a_shard_that_does_not_answer_is_named(away: Cli, arguments: tuple[str, ...]) -> None:
    """Of an account there, and of an operation that may be there."""
    assert "the state server of shard 3 cannot be reached" in away(*arguments).refusal()


@pytest.mark.parametrize("arguments", [("audit",), ("accounts", "list"), ("campaign", "list")], ids=" ".join)
def test_lists_show_the_other_shards_and_name_the_missing_one(away: Cli, arguments: tuple[str, ...]) -> None:
    """No figure without the shard passes for that of the whole state: in words, in JSON, and by the exit code."""
    said = away(*arguments)
    assert said.refusal().startswith("shard 3 is not shown: the state server of shard 3 cannot be reached")
    assert "No " not in said.out
    rows = json.loads(away(*arguments, "--json").out)
    assert ["acme"] == [row.get("account", row.get("name")) for row in rows[:-1]] or arguments[0] == "campaign"
    assert ({"shard", "error"}, 3) == (set(rows[-1]), rows[-1]["shard"])


def test_an_operation_elsewhere_is_explained(away: Cli, worker: Worker) -> None:
    op_id = sent(away, "acme")
    worker.state.accept(worker.state.overdue(0.0, 1))
    assert (
        "The state server of shard 3 does not answer. This operation is on another shard." in away("explain", op_id).out
    )
    assert [3] == away("explain", op_id, "--json").json["shards_away"]


def test_other_shards_go_on(away: Cli) -> None:
    assert "acme" in away("accounts", "show", "acme").out
    rows = away("shards", "list", "--json")
    assert (1, [True, True, True, False, True]) == (rows.code, [row["answers"] for row in json.loads(rows.out)])


@pytest.mark.usefixtures("away", "environment")
def test_a_worker_starts_for_the_other_shards() -> None:
    """Deploying while a server is away stops nobody: the worker grants for the others, and names the missing shard."""
    runtime = Runtime(Settings.from_environment(), lambda *_: None)
    runtime.start()
    try:
        figures = runtime.figures()
        assert (True, 1) == (figures["granter"], figures["fleet_workers"])
        assert "the state server of shard 3 does not answer" == runtime.health.trouble(READY)
    finally:
        runtime.stop()


@pytest.mark.usefixtures("sharded", "environment")
def test_records_of_a_campaign_are_accepted_on_their_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the hint, and not by the sweep, which is seconds late."""
    monkeypatch.setattr("paceline_worker.dispatch.dispatcher._OVERDUE_GRACE_S", 10_000.0)
    settings = Settings.from_environment()
    with Outbox(settings=settings) as outbox, closing(connect(settings.broker_url)) as broker:
        rows = [{"to": f"+1555020{number:04d}"} for number in range(10)]
        campaign = outbox.start_campaign(
            "spring", account="other", sender="+15550100001", template="Hi", recipients=rows
        )
        outbox.close()
        (message,) = (json.loads(str(text)) for text in broker.lrange(names.ACCEPT_QUEUE, 0, -1))
        runtime = Runtime(settings, lambda *_: None)
        runtime.start()
        try:
            runtime.bulk_inbox.take(json.loads(base64.b64decode(message["body"]))[0][0])
            wait_until(lambda: campaign.progress().in_inbox == 0, PATIENCE, "accepted")
        finally:
            runtime.stop()


@pytest.mark.usefixtures("away", "environment")
def test_readiness_of_a_worker_looks_at_every_server() -> None:
    settings = Settings.from_environment()
    assert "" == state_answers(settings)()
    assert "the state server of shard 3 does not answer" == state_answers(settings, of_all_shards=True)()
