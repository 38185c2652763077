"""A person decides about held operations, while a real worker runs."""

from datetime import timedelta

import pytest

from paceline_worker.review.held import Held
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize(("fault", "decision"), [("drop_after_accepting", "drop"), ("drop", "release")])
def test_a_person_decides_what_nobody_knows(served: Stack, fault: str, decision: str) -> None:
    """It took effect: dropped, it is not sent again. It did not: released, it is. Either way it took effect once."""
    served.scenario(faults=[{"kind": fault, "count": 1}])
    served.add_account()
    receipt = served.send(1, on_unknown="hold")
    served.status_when(receipt, "held")
    held = Held(served.client, retention=timedelta(hours=1))
    assert [receipt.id] == [operation.id for operation in held.list(served.name).operations]
    if decision == "drop":
        held.drop(receipt.id, reason="it arrived")
        ended = served.status_when(receipt, "cancelled")
        assert "dropped by hand after an unknown outcome: it arrived" == ended.words
    else:
        held.release(receipt.id)
        ended = served.status_when(receipt, "accepted")
        assert "released" in [event.what for event in ended.history]
    served.status_when(served.send(2), "accepted")
    assert {"message 1": 1, "message 2": 1} == served.texts_accepted()
    calls = sum(arrival["body"]["text"] == "message 1" for arrival in served.arrivals())
    assert {"drop": 1, "release": 2}[decision] == calls
    assert (0, 0) == (served.balance().outcomes["held"], served.balance().unaccounted)
