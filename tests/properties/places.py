"""Where every operation is, read from the state server's keys themselves and not through our scripts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis

from paceline import names

ROOT = names.STATE_ROOT


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
    """

    waiting: Counter[str] = field(default_factory=Counter)
    flying: dict[str, float] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    operations: dict[str, dict[str, str]] = field(default_factory=dict)
    followers: dict[str, list[str]] = field(default_factory=dict)
    timed: list[str] = field(default_factory=list)
    heads: dict[tuple[str, str], str] = field(default_factory=dict)


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
    if parts[0] == "o" or (parts[0] == "l" and len(parts) == 3):
        pipe.hgetall(key)
    elif (parts[0] == "a" and len(parts) == 3 and parts[2] in {"fl", "tm", "held"}) or parts[2:] == ["tm"]:
        pipe.zrange(key, 0, -1, withscores=True)
    elif parts[0] == "f" or (parts[0] == "l" and parts[3] in {"t", "b", "k"}):
        pipe.lrange(key, 0, -1)
    else:
        pipe.exists(key)


def _sort(found: Places, parts: list[str], answer: Any) -> None:
    match parts:
        case ["o", op]:
            found.operations[op] = answer
        case ["f", op]:
            found.followers[op] = answer
        case ["a", _, "fl"]:
            found.flying |= dict(answer)
        case ["a", _, "held"]:
            found.held |= {op for op, _ in answer}
        case ["a", _, "tm"]:
            members = [member for member, _ in answer if not member.startswith("c:")]
            found.timed += members
            found.waiting.update(member.rsplit(":", 1)[1] for member in members)
        case ["c", _, "tm"]:
            found.waiting.update(member.rsplit(":", 1)[1] for member, _ in answer)
        case ["l", account, sender]:
            if "f" in answer:
                found.heads[account, sender] = answer["f"]
        case ["l", _, _, "t" | "b" | "k", *_]:
            found.waiting.update(answer)
