"""Dead letters for tests: made, replayed, and looked at."""

from datetime import timedelta
from typing import Any

from paceline.ids import derived_id, new_id
from paceline.inbox.record import chunk, common_fields
from paceline.status.view import Status, status_of
from paceline_worker.review.dead import DeadLetters, Match, Replayed
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.support.drive import REJECTED, Drive

ROOT = "paceline:{0}"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
PEOPLE = tuple(f"+1555030{i:04d}" for i in range(12))
RETENTION = timedelta(hours=1)


def die(drive: Drive, verdict: Verdict = REJECTED, **fields: Any) -> str:
    """Send one message that ends so; nothing else may wait. Returns its id."""
    op = drive.send(**fields)
    assert op == drive.deliver(verdict)
    return op


def replay(dead: DeadLetters, *ops: str, **options: Any) -> Replayed:
    return sum(dead.replay(ops, **options), Replayed())


def replay_all(dead: DeadLetters, match: Match = Match(), **options: Any) -> Replayed:  # noqa: B008
    return sum(dead.replay_selected(dead.select(match), **options), Replayed())


def reason(dead: DeadLetters, op: str) -> str:
    """Why one operation is not replayed."""
    [refused] = replay(dead, op).refused
    assert op == refused.id
    return refused.reason


def status(drive: Drive, op: str) -> Status:
    found = drive.state.operation(op)
    assert found is not None
    return status_of(found)


def story(drive: Drive, op: str) -> list[str]:
    return [event.what for event in status(drive, op).history]


def books(drive: Drive) -> tuple[int, int, int, int]:
    """Waiting, rejected, dead, missing."""
    balance = drive.balance()
    return balance.waiting, balance.outcomes["rejected"], balance.outcomes["dead"], balance.unaccounted


def ids(dead: DeadLetters, limit: int = 100, **match: Any) -> list[str]:
    return [letter.id for letter in dead.list(Match(**match), limit=limit).letters]


def everything(drive: Drive) -> dict[str, Any]:
    """All keys of state that hold data, as they are."""
    reads = {"hash": "hgetall", "set": "smembers", "list": "lrange", "zset": "zrange", "string": "get"}
    found: dict[str, Any] = {}
    for name in map(str, drive.client.keys("paceline:?0?:*")):
        kind = str(drive.client.type(name))
        bounds: tuple[Any, ...] = (0, -1) if kind in {"list", "zset"} else ()
        value: Any = drive.client.xlen(name) if kind == "stream" else getattr(drive.client, reads[kind])(name, *bounds)
        found[name] = (sorted(value) if kind == "set" else value, drive.client.pttl(name) == -1)
    return found


def upload(
    drive: Drive, size: int, name: str = "spring", options: dict[str, str] | None = None, **more: Any
) -> list[str]:
    """A campaign of so many recipients, accepted and sealed; its ids."""
    common = common_fields(
        account="acme", sender=SENDER, priority="bulk", kind="message.to_number", max_attempts=8,
        on_unknown="hold", valid_until=more.get("valid_until", drive.now + timedelta(days=3)), now=drive.now,
    ) | {"p": '{"text":"hi"}'}  # fmt: skip
    drive.state.open_campaign(name, common, "digest", options)
    targets = [f"+1555020{number:04}" for number in range(size)]
    rows = [{"id": derived_id("campaign", name, to), "to": to, "p": "{}"} for to in targets]
    rid = new_id()
    body = chunk(campaign=name, account="acme", sender=SENDER, priority="bulk", rows=rows)
    drive.state.submit(rid, "acme", SENDER, len(rows), body, campaign=name)
    drive.worker.accept([rid])
    drive.state.seal_campaign(name, size, 0)
    return [row["id"] for row in rows]


def cemetery(drive: Drive, number: int, *, step_us: int = 0, code: str = "422") -> list[str]:
    """So many dead letters, written straight into state; all of one instant unless told otherwise. Their ids, in order."""
    ops = [f"x{i:025d}" for i in range(number)]
    fields: Any = {
        "s": "d", "oc": "rejected", "cd": code, "le": "no", "a": "acme", "f": SENDER, "to": "+15550100002", "pr": "b",
        "k": "message.to_number", "p": "{}", "t": str(drive.now_us), "vu": str(drive.now_us + 10**12), "mx": "8",
        "unk": "hold", "ur": "h", "n": "1",
    }  # fmt: skip
    with drive.client.pipeline() as pipe:
        for place, op in enumerate(ops):
            since = drive.now_us - (number - place) * step_us - 1
            pipe.hset(f"{ROOT}:o:{op}", mapping=fields | {"te": str(since)})
            pipe.pexpire(f"{ROOT}:o:{op}", RETENTION)
            pipe.zadd(f"{ROOT}:a:acme:dead", {op: since})
        pipe.sadd(f"{ROOT}:a:acme:ln", SENDER)
        for name in ("received", "written", "rejected"):
            pipe.hincrby(f"{ROOT}:a:acme:n", name, number)
        pipe.execute()
    return ops
