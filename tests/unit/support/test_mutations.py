"""The mutations of ``make mutations`` still say what they take away."""

import pytest

from tests.mutations.__main__ import ROOT
from tests.mutations.catalogue import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.what)
def test_a_mutation_can_be_applied(mutation: Mutation) -> None:
    """Its text stands in its file once, its tests exist, and the mutated file differs."""
    assert mutation.applied(ROOT) != (ROOT / mutation.path).read_text()
    assert all((ROOT / test.split("::")[0]).is_file() for test in mutation.tests)


def test_a_mutation_that_is_out_of_date_says_so() -> None:
    """Otherwise it would take nothing away, and a test that fails for another reason would pass for the one that sees it."""
    with pytest.raises(ValueError, match="once is expected"):
        Mutation("nothing", "Makefile", "no such text", "", ("tests/unit",)).applied(ROOT)
