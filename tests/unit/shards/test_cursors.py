"""The streams of all shards, read as one."""

import json
from typing import Any

import pytest

from paceline.shards.cursors import Places, all_outcomes, is_places, read_places
from paceline.shards.layout import Layout

STREAMS = {
    0: ["10-0", "30-0", "30-1"],
    1: ["20-0", "30-0", "99-0"],
    2: [],
}


def page(begin: str, most: int, streams: Any = STREAMS) -> tuple[list[str], list[str], bool]:
    """Cursors, shard and id of the entries of a page, and whether there is more."""
    path = all_outcomes(("", begin, most), Layout(len(streams)))
    replies = []
    for call in next(path) or ():
        _, begin_there, share = call.arguments
        entries = [
            [entry, [f"{call.shard}:{entry}"]] for entry in streams[call.shard] if is_after(entry, str(begin_there))
        ]
        replies.append(["entries", "0", json.dumps(entries[: int(share)])])
    with pytest.raises(StopIteration) as end:
        path.send(replies)
    what, complete, text, more = end.value.value
    assert ("entries", "0") == (what, complete)
    told = json.loads(text)
    return [cursor for cursor, _ in told], [flat[0] for _, flat in told], more == "1"


def is_after(entry: str, begin: str) -> bool:
    order = tuple(map(int, entry.split("-")))
    if begin.startswith("("):
        return order > tuple(map(int, begin[1:].split("-")))
    return begin == "-" or order[0] >= int(begin)


def test_entries_of_all_shards_come_in_the_order_of_time() -> None:
    _, entries, more = page("-", 10)
    assert ["0:10-0", "1:20-0", "0:30-0", "1:30-0", "0:30-1", "1:99-0"] == entries
    assert not more


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_reading_goes_on_after_any_entry(most: int) -> None:
    """Nothing twice, nothing left out, whatever the size of a page."""
    seen: list[str] = []
    begin, more = "-", True
    while more:
        cursors, entries, more = page(begin, most)
        seen += entries
        begin = f"({cursors[-1]}" if cursors else begin
    assert ["0:10-0", "1:20-0", "0:30-0", "1:30-0", "0:30-1", "1:99-0"] == seen


def test_a_shard_with_many_entries_does_not_hide_earlier_ones_of_others() -> None:
    many = {0: [f"{time}-0" for time in range(1, 500)], 1: ["400-7"]}
    seen: list[str] = []
    begin, more = "-", True
    while more:
        cursors, entries, more = page(begin, 200, many)
        seen += entries
        begin = f"({cursors[-1]}" if cursors else begin
    assert 500 == len(seen) == len(set(seen))
    assert seen.index("0:400-0") + 1 == seen.index("1:400-7")


def test_a_time_holds_for_shards_without_entries_too() -> None:
    cursors, entries, _ = page("30", 2)
    assert ["0:30-0", "1:30-0"] == entries
    assert "30" == read_places(cursors[-1]).begin(2)


def test_places_are_text() -> None:
    places = Places(64, since_ms=1_796_006_019_574).after(63, "1796006019574-12").after(2, "1796006019573-0")
    assert is_places(str(places))
    assert places == read_places(str(places))
    assert not is_places("1796006019574-0")


DAMAGED = [
    *("s", "s8", "s8.0.1", "s8.0.1-2", "s8.0.a-!-0", "sx.0", "s0.0", "s-1.0", "s8.-1", "s8.0.8-1-0", "s8.0.-1-1-0"),
    *("s8.0.1--1-0", "s8.0.1-" + "z" * 13 + "-0", "s8." + "z" * 13, "s8.0.", "s8.1_0", "s٨.0", "s8.0.1-1-0\n"),
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_damaged_places_are_refused(damaged: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_places(damaged)


def test_what_was_trimmed_on_one_shard_is_told() -> None:
    path = all_outcomes(("", f"({Places(2).after(0, '10-0').after(1, '20-0')}", 10), Layout(2))
    next(path)
    with pytest.raises(StopIteration) as end:
        path.send([["trimmed", "50-0"], ["entries", "0", "[]"]])
    assert ["trimmed", str(Places(2).after(1, "20-0"))] == end.value.value


def test_places_of_another_number_of_shards_are_refused() -> None:
    """They tell nothing about the streams of this state, which never changes its number."""
    path = all_outcomes(("", f"({Places(9999)}", 10), Layout(2))
    with pytest.raises(StopIteration) as end:
        next(path)
    assert ["unknown place"] == end.value.value
