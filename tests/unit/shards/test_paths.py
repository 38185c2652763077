"""The ways of a call through the shards, without a server: what is asked where, and what becomes of the replies."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest

from paceline.shards import routes
from paceline.shards.layout import Layout
from paceline.shards.paths import REFRESH, Call, Path, by_account, by_names, each, is_empty, paged, search
from paceline_worker.state import routes as workers

LAYOUT = Layout(3, moved={"a": 0, "b": 1, "c": 2})
# Scripts that belong to one shard, whose worker runs each with a client of it; and those that lead through the shards.
OF_ONE_SHARD = {
    "accept",
    "begin",
    "clock_set",
    "grant",
    "heartbeat",
    "overdue_records",
    "records",
    "restart_buckets",
    "restarted",
} | {"move", "seal_campaign", "settle", "slice", "way", "forget"}


def asked(path: Path, *replies: Any) -> tuple[list[Any], Any]:
    """Walk a path with these replies; returns what it asked, and its result."""
    steps: list[Any] = []
    answers: Any = iter([None, *replies])
    while True:
        try:
            steps.append(path.send(next(answers)))
        except StopIteration as end:
            return steps, end.value


def calls(*shards: int, arguments: Sequence[str] = ("x",)) -> list[Call]:
    return [Call(shard, arguments) for shard in shards]


def scripts_of(package: str) -> set[str]:
    """Its scripts; what they include has no word of keys."""
    return {
        path.name.removesuffix(".lua")
        for path in (files(package) / "lua").iterdir()
        if path.name.endswith(".lua") and "\n-- KEYS  1" in path.read_text("utf-8")
    }


def test_every_script_has_its_way() -> None:
    """A script that nobody thought of would see one shard, and nobody would notice."""
    assert scripts_of("paceline") - {"directory", "layout"} == set(routes.ROUTES)
    assert scripts_of("paceline_worker") - OF_ONE_SHARD == set(workers.ROUTES)


def test_an_account_is_asked_where_it_is() -> None:
    assert ([calls(1, arguments=("x", "b"))], "done") == asked(by_account(1)(("x", "b"), LAYOUT), ["done"])


def test_an_account_that_is_unknown_may_have_been_moved() -> None:
    arguments = ("x", "b")
    steps, reply = asked(by_account(1)(arguments, LAYOUT), ["unknown account"], Layout(3, 1, {"b": 2}), ["done"])
    assert ([calls(1, arguments=arguments), REFRESH, calls(2, arguments=arguments)], "done") == (steps, reply)


def test_an_account_that_nobody_knows_is_asked_for_once() -> None:
    steps, reply = asked(by_account(1)(("x", "b"), LAYOUT), ["unknown account"], LAYOUT)
    assert (2, "unknown account") == (len(steps), reply)


def test_what_was_found_once_is_asked_for_there() -> None:
    layout = Layout(3)
    path = search(0, is_empty)
    assert ([calls(0, 1, 2)], "found") == asked(path(("x",), layout), ["", "found", ""])
    assert ([calls(1)], "found") == asked(path(("x",), layout), ["found"])
    assert ([calls(1), calls(0, 1, 2)], "") == asked(path(("x",), layout), [""], ["", "", ""])


def test_a_shard_that_does_not_answer_may_have_it() -> None:
    away = ConnectionError("away")
    assert "found" == asked(search(0, is_empty)(("x",), Layout(2)), [away, "found"])[1]
    with pytest.raises(ConnectionError):
        asked(search(0, is_empty)(("x",), Layout(2)), [away, ""])


def test_names_are_told_in_their_order() -> None:
    steps, reply = asked(
        by_names(1, 2)(("x", "c", "a", "c2", "a2"), Layout(3, moved={"a": 0, "a2": 0, "c": 2, "c2": 2})),
        [["C1", "C2", "c1", "c2"], ["A1", "A2", "a1", "a2"]],
    )
    assert [[Call(2, ["x", "c", "c2"]), Call(0, ["x", "a", "a2"])]] == steps
    assert ["C1", "C2", "A1", "A2", "c1", "c2", "a1", "a2"] == reply


def test_pages_go_from_shard_to_shard() -> None:
    """The end of a shard is not the end."""
    seen, cursor = [], "0"
    for reply in (["7", "one"], ["0", "two"], ["0", "three"], ["0", "four"]):
        [step], (cursor, word) = asked(paged(1)(("x", cursor), LAYOUT), [reply])
        seen.append((step[0].shard, step[0].arguments[1], word, cursor))
    assert [
        (0, "0", "one", "0.7"),
        (0, "7", "two", "1.0"),
        (1, "0", "three", "2.0"),
        (2, "0", "four", "0"),
    ] == seen


def test_of_each_thing_one_shard_knows_more() -> None:
    path = each(1, lambda items: next((item for item in items if item != "gone"), "gone"))(("x", "p", "q"), Layout(2))
    assert ["p", "gone"] == asked(path, [["gone", "gone"], ["p", "gone"]])[1]
