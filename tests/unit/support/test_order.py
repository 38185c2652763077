"""How tests are dealt to the processes of a run."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from tests.support.order import dealt, seconds

# Names of tests: a file, and how long each of its tests takes.
FILES = {"slow": 30.0, "waits": 5.0, "starts": 2.0, "quick": 0.1, "pure": 0.01}
TESTS = [f"{file}::{number}" for file in FILES for number in range(8 if FILES[file] > 0.5 else 100)]


def file_of(test: str) -> str:
    return test.split("::", maxsplit=1)[0]


def lasts_s(test: str) -> float:
    return FILES[file_of(test)]


def parts(processes: int, tests: Sequence[str] = TESTS) -> list[list[str]]:
    """What each process begins with, as xdist cuts the list."""
    rest, cut = dealt(tests, processes, file=file_of, lasts_s=lasts_s), []
    for number in range(processes):
        size = len(rest) // (processes - number)
        cut.append(rest[:size])
        rest = rest[size:]
    return cut


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
def test_no_test_is_lost_or_doubled(processes: int) -> None:
    """However many processes there are, and in whatever order the tests come."""
    shuffled = random.Random(processes).sample(TESTS, len(TESTS))
    assert sorted(TESTS) == sorted(dealt(shuffled, processes, file=file_of, lasts_s=lasts_s))


def test_every_process_begins_with_a_long_file() -> None:
    """The three long files begin at once, each in a process of its own and as a whole."""
    firsts = [part[:8] for part in parts(3)]
    assert {"slow", "waits", "starts"} == {file_of(first[0]) for first in firsts}
    for first in firsts:
        assert {file_of(first[0])} == {*map(file_of, first)}


def test_the_end_of_each_part_is_short() -> None:
    """Whoever is through first takes tests over from there."""
    for part in parts(2):
        assert {"quick", "pure"} >= {file_of(test) for test in part[-len(part) // 5 :]}


def test_between_long_files_short_tests_run() -> None:
    """A process that only waits leaves the cores to the others: not all of them should wait at once."""
    [part] = parts(1)
    places = [part.index(f"{file}::0") for file in ("slow", "waits", "starts")]
    assert all(after - before > 20 for before, after in pairwise(places))


def test_the_longest_beginning_of_a_name_decides() -> None:
    """Folders have their seconds, and single files theirs."""
    assert seconds("tests/deploy/test_chart.py::test_it") < 1 < seconds("tests/deploy/test_live.py::test_it")


def test_the_order_of_a_file_with_one_speed_is_kept() -> None:
    """What shuffled the tests has its way within a file."""
    assert [test for test in TESTS if test.startswith("waits")] == [
        test for part in parts(2) for test in part if test.startswith("waits")
    ]
