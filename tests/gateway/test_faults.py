"""The gateway in trouble, small; `benchmarks/gateway.py` is the same at full size."""

import pytest
from benchmarks.gateway import campaign, faults, rigged

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def test_a_key_is_one_operation_whatever_clients_and_kills_do() -> None:
    """Clients give up early and repeat, forget answers and repeat, and the gateway is killed twice."""
    with rigged(forked=True) as rig:
        told = faults(rig, 300)
    assert told["requests without an answer"] > 0
    assert {"keys": 300} == {name: figure for name, figure in told.items() if name.startswith("keys") and figure}


def test_a_large_upload_takes_the_gateway_no_memory() -> None:
    """Rows go through in parts: what the first request took is enough for all that follow."""
    with rigged() as rig:
        told = campaign(rig, 40_000, size=200_000)
    assert 40_000 == told["rows by the gateway"] == told["rows by Python"]
    assert told["MB at most"] - told["MB after the first request"] < 30
