import pytest

from tests.sandbox.client import QUIET, UNLIMITED, Client


def per_minute(client: Client) -> int:
    told: int = client.get("/open/info").json()["limits"]["requests_per_minute"]
    return told


def test_a_lowered_limit_is_told_at_once(client: Client) -> None:
    """A new scenario changes what /info reports in the next answer, up and down."""
    told = []
    for limit in ("80/minute", "10/minute", "30/minute"):
        client.use(f'{QUIET}[[keys]]\nkey = "key"\nlimits = ["{limit}"]\n')
        told.append(per_minute(client))
    assert told == [80, 10, 30]


def test_a_new_scenario_changes_what_an_account_is(client: Client) -> None:
    """Standing, expiry, credits and checks are those of the scenario in force; what was used stays."""
    client.use(QUIET + UNLIMITED)
    client.codes(3)
    client.use(
        f'{QUIET}[[keys]]\nkey = "key"\nlimits = []\nblocked = true\ncredits = 5\nnumber_checks = 7\n'
        "expires_at = 2020-01-05T10:00:00Z\n"
    )
    assert client.codes(1) == [403]
    info = client.get("/open/info").json()
    assert (info["account"]["blocked"], info["account"]["expires_at"]) == (True, "2020-01-05T10:00:00Z")
    assert info["usage"] == {
        "api_request_count": 3,
        "max_api_request_count": 5,
        "number_check_count": 0,
        "max_number_check_count": 7,
    }


@pytest.mark.parametrize(
    ("settings", "status"),
    [("blocked = true", 403), ("expires_at = 2020-01-01T00:00:00Z", 402), ("credits = 0", 402)],
)
def test_bad_standing_comes_and_goes_while_it_runs(client: Client, settings: str, status: int) -> None:
    """An account gets into trouble and out of it by a new scenario; /info answers all the while."""
    for text, code in (("", 202), (settings, status), ("", 202)):
        client.use(f"{QUIET}[defaults]\nlimits = []\n{text}")
        assert [code] == client.codes(1)
        assert client.get("/open/info").status_code == 200
