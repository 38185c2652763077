"""What a run of the tests tells of its own time."""

from dataclasses import dataclass

from tests.support.report import SLOWEST, by_test, of_folders, of_the_slowest


@dataclass
class Report:
    nodeid: str
    duration: float


REPORTS = [
    Report("tests/cli/send/test_send.py::test_it[system]", 0.25),
    Report("tests/unit/test_ids.py::test_it", 0.5),
    Report("tests/cli/send/test_send.py::test_it[system]", 2.0),
    Report("tests/cli/review/test_dead.py::TestIt::test_it", 1.0),
]


def test_a_test_takes_its_set_up_and_tear_down_too() -> None:
    """Each phase is a report of its own."""
    assert 2.25 == by_test(REPORTS)["tests/cli/send/test_send.py::test_it[system]"]  # type: ignore[arg-type]


def test_folders_are_told_with_their_tests() -> None:
    """The slowest folder first."""
    told = list(of_folders(by_test(REPORTS)))  # type: ignore[arg-type]
    assert ["     3.2 s      2 tests  tests/cli", "     0.5 s      1 tests  tests/unit"] == told


def test_the_slowest_tests_are_told() -> None:
    """So many of them, the slowest first."""
    told = list(of_the_slowest({f"tests/unit/test_ids.py::test_{n}": n for n in range(50)}))
    assert SLOWEST == len(told)
    assert "    49.0 s  tests/unit/test_ids.py::test_49" == told[0]
