"""Where every operation is, read from the state server's keys themselves and not through our scripts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis

from paceline import names

ROOT = names.STATE_ROOT
_BULK = 4e15  # account.lua


@dataclass
class Places:
    """One look at all keys.

    Args:
        waiting: how often each operation stands in a lane, behind another, or in a timer.
        flying: operation to the end of its lease (us).
        held: operations of unknown outcome.
        operations: id to fields.
        followers: operation to those that follow it.
        timed: members of all timers.
        heads: (account, sender) to the operation that the lane has in flight.
        pauses: (account, sender) to the end of the lane's pause (us).
        lists: (account, sender, source) to the operations that wait there; source '' is the transactional list.
        turns: (account, sender) to the tags of the sources in its rotation.
        ready: account to the senders that may send, and whether with transactional work.
        wakes: campaign to the time (us) at which it is attended to.
        campaigns: name to fields.
        open: (account, campaign) of those that are not complete.
        due: account to when a dispatcher looks whether it may have a slot (us).
        timers: account to when a dispatcher looks at its timers (us).
    """

    waiting: Counter[str] = field(default_factory=Counter)
    flying: dict[str, float] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    operations: dict[str, dict[str, str]] = field(default_factory=dict)
    followers: dict[str, list[str]] = field(default_factory=dict)
    timed: list[str] = field(default_factory=list)
    heads: dict[tuple[str, str], str] = field(default_factory=dict)
    pauses: dict[tuple[str, str], int] = field(default_factory=dict)
    lists: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    turns: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    ready: dict[str, dict[str, bool]] = field(default_factory=dict)
    wakes: dict[str, float] = field(default_factory=dict)
    campaigns: dict[str, dict[str, str]] = field(default_factory=dict)
    open: set[tuple[str, str]] = field(default_factory=set)
    due: dict[str, float] = field(default_factory=dict)
    timers: dict[str, float] = field(default_factory=dict)

    def account_of(self, op: str) -> str:
        """The account of an operation; a campaign's has it from there."""
        return self._field(op, "a")

    def sender_of(self, op: str) -> str:
        """Its sender."""
        return self._field(op, "f")

    def _field(self, op: str, name: str) -> str:
        fields = self.operations[op]
        return fields[name] if name in fields else self.campaigns[fields["c"]][name]

    def of_campaign(self, name: str) -> dict[str, dict[str, str]]:
        """Its operations, as far as they are still there."""
        return {op: fields for op, fields in self.operations.items() if fields.get("c") == name}


def look(client: redis.Redis) -> Places:
    """Read everything."""
    keys = [str(key) for key in client.keys(f"{ROOT}:*".replace("{", "?").replace("}", "?"))]
    with client.pipeline() as pipe:
        for key in keys:
            _ask(pipe, key)
        answers = dict(zip(keys, pipe.execute(), strict=True))
    found = Places()
    for key, answer in answers.items():
        _sort(found, key.removeprefix(f"{ROOT}:").split(":"), answer)
    return found


def _ask(pipe: Any, key: str) -> None:
    parts = key.removeprefix(f"{ROOT}:").split(":")
    if parts[0] == "o" or (parts[0] == "l" and len(parts) == 3) or (parts[0] == "c" and len(parts) == 2):
        pipe.hgetall(key)
    elif _is_sorted(parts):
        pipe.zrange(key, 0, -1, withscores=True)
    elif parts[0] == "a" and parts[2:] == ["c"]:
        pipe.smembers(key)
    elif parts[0] == "f" or (parts[0] == "l" and parts[3] in {"t", "b", "k"}):
        pipe.lrange(key, 0, -1)
    else:
        pipe.exists(key)


def _is_sorted(parts: list[str]) -> bool:
    match parts:
        case ["a", _, "tm" | "held" | "r"] | ["c", _, "tm"] | ["l", _, _, "w"] | ["due"] | ["timers"] | ["fl"]:
            return True
    return False


def _sort(found: Places, parts: list[str], answer: Any) -> None:  # noqa: PLR0912 - one case per kind of key
    match parts:
        case ["o", op]:
            found.operations[op] = answer
        case ["f", op]:
            found.followers[op] = answer
        case ["fl"]:
            found.flying |= dict(answer)
        case ["a", _, "held"]:
            found.held |= {op for op, _ in answer}
        case ["a", _, "tm"]:
            found.wakes |= {member[4:]: at for member, at in answer if member.startswith("c:")}
            members = [member for member, _ in answer if not member.startswith("c:")]
            found.timed += members
            found.waiting.update(member.rsplit(":", 1)[1] for member in members)
        case ["c", _, "tm"]:
            found.waiting.update(member.rsplit(":", 1)[1] for member, _ in answer)
        case ["l", account, sender]:
            if "f" in answer:
                found.heads[account, sender] = answer["f"]
            found.pauses[account, sender] = int(answer.get("p", 0))
        case ["l", account, sender, "t"]:
            found.lists[account, sender, ""] = answer
            found.waiting.update(answer)
        case ["l", account, sender, "b", source]:
            found.lists[account, sender, source] = answer
            found.waiting.update(answer)
        case ["l", _, _, "k", *_]:
            found.waiting.update(answer)
        case ["l", account, sender, "w"]:
            found.turns[account, sender] = dict(answer)
        case ["a", account, "r"]:
            found.ready[account] = {sender: since < _BULK for sender, since in answer}
        case ["a", account, "c"]:
            found.open |= {(account, name) for name in answer}
        case ["c", name]:
            found.campaigns[name] = answer
        case ["due"]:
            found.due = dict(answer)
        case ["timers"]:
            found.timers = dict(answer)
