"""Tokens of the gateway, made and revoked by hand."""

import re

import pytest

from tests.cli.conftest import Cli

MAKE = ("tokens", "create", "shop", "--scope", "send,read", "--account", "acme")


def test_a_token_is_shown_once(cli: Cli) -> None:
    """Listed without its secret, and gone when it is revoked."""
    token = cli(*MAKE, "--expires", "90d").out.strip()
    assert re.fullmatch(r"pcl_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", token)
    [listed] = cli("tokens", "list", "--json").json
    assert ("shop", ["read", "send"], ["acme"]) == (listed["name"], listed["scopes"], listed["accounts"])
    assert token[4:16] == listed["id"]
    table = cli("tokens", "list").out
    assert "shop" in table
    assert token[17:] not in table + str(listed)
    assert f"{listed['id']} is revoked." in cli("tokens", "revoke", listed["id"]).out
    assert [] == cli("tokens", "list", "--json").json
    assert "no token" in cli("tokens", "revoke", listed["id"]).refusal()


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (
            "fly is not one of send, read, campaigns",
            ["tokens", "create", "shop", "--scope", "send,fly", "--account", "acme"],
        ),
        ("name: letters", ["tokens", "create", "my shop", "--scope", "send", "--account", "acme"]),
        ("account: 'no such' is not the name of an account", [*MAKE, "--account", "no such"]),
        ("account: '' is not the name of an account", [*MAKE, "--account", ""]),
        ("is not a time such as 90d", [*MAKE, "--expires", "soon"]),
        ("is not a time such as 90d", [*MAKE, "--expires", "0d"]),
    ],
)
def test_what_cannot_be_is_refused(cli: Cli, words: str, arguments: list[str]) -> None:
    """In one sentence, before anything is kept."""
    assert words in cli(*arguments).refusal(2)
    assert [] == cli("tokens", "list", "--json").json
