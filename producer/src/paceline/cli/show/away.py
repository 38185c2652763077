"""Lists of state with several shards, of which one may be away: the rest is shown, and the missing part is named."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from paceline.cli.errors import FAILURE, complain
from paceline.state import translating
from paceline.state.calls import State
from paceline.state.shards import of_each

if TYPE_CHECKING:
    import redis

_T = TypeVar("_T")


def of_all_shards(
    state: State, read: Callable[[State], Sequence[_T]], name: Callable[[_T], str]
) -> tuple[list[_T], Mapping[int, str]]:
    """What is read of each shard, by name, and what is wrong with those whose server is away.

    Args:
        state: all of it.
        read: takes the state of one shard.
        name: of one row.
    """

    def read_one(client: "redis.Redis") -> Sequence[_T]:
        return read(state if client is state.client else State(client))

    with translating():
        readings = of_each(state.client, read_one)
    return sorted((row for rows in readings.values for row in rows), key=name), readings.away


def rows_away(away: Mapping[int, str]) -> list[dict[str, Any]]:
    """Rows of a JSON list that stand for shards that are not shown."""
    return [{"shard": shard, "error": words} for shard, words in away.items()]


def end_without(away: Mapping[int, str]) -> None:
    """When a shard is not shown, say so on stderr, and end with exit code 1."""
    if away:
        shards, words = ", ".join(map(str, away)), next(iter(away.values()))
        noun, verb = ("shard", "is") if len(away) == 1 else ("shards", "are")
        complain(f"{noun} {shards} {verb} not shown: {words}")
        raise typer.Exit(FAILURE)
