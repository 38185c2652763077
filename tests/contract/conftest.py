from collections.abc import Iterator

import pytest

from paceline_sandbox import running_sandbox
from paceline_sandbox.faults.scenario import parse_toml
from tests.contract.service import Given, Service, given_by_environment

SCENARIO = """
latency_ms = 0
accept_unknown_keys = false
accept_unknown_groups = false
connected_numbers = ["+15550100001", "+15550100003", "+15550100004"]

[[keys]]
key = "contract"
limits = []

[[templates]]
uuid = "TMP11111111-2222-4333-8444-555555555555"
content = "It is on its way."
"""


@pytest.fixture(scope="session", params=["sandbox", "real service"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The sandbox always; the real service when the environment has a key for it."""
    if request.param == "real service":
        yield Service(given_by_environment())
        return
    with running_sandbox(parse_toml(SCENARIO)) as sandbox:
        yield Service(
            Given(
                base=sandbox.api_base,
                key="contract",
                sender="+15550100001",
                to="+15550100002",
                remote_id="123456789012345@lid",
                picture="https://example.com/a.jpg",
                video="https://example.com/a.mp4",
                waba_from="+15550100003",
                template="TMP11111111-2222-4333-8444-555555555555",
                sms_from="+15550100004",
            )
        )
