"""The thin package's side of the state: the scripts that write the inbox and read."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from paceline.state import translated
from paceline.state.scripts import Script


class State:
    """Typed calls of the scripts that producers and readers need, all of them replayable.

    Args:
        client: from `connect`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._submit = Script("paceline", "submit")
        self._campaign = Script("paceline", "campaign")
        self._look = Script("paceline", "look")

    @translated
    def submit(self, rid: str, account: str, sender: str, count: int, body: str, *, campaign: str = "") -> str:
        """Write one inbox record; see submit.lua for the replies."""
        return str(self._submit.run(self.client, rid, account, sender, count, body, campaign))

    @translated
    def open_campaign(
        self,
        name: str,
        common: dict[str, str],
        digest: str,
        options: Mapping[str, str] | None = None,
        *,
        paused: bool = False,
    ) -> str:
        """Create the campaign or continue it; see campaign.lua."""
        texts = json.dumps(common), digest, json.dumps(options or {}), str(int(paused))
        return str(self._campaign.run(self.client, "open", name, *texts))

    @translated
    def seal_campaign(self, name: str, offered: int, invalid: int) -> None:
        """Say that the upload is complete."""
        self._campaign.run(self.client, "seal", name, offered, invalid)

    @translated
    def control_campaign(self, verb: str, name: str, argument: str = "") -> str:
        """Pause, resume, cancel or change it; see campaign.lua."""
        return str(self._campaign.run(self.client, verb, name, argument))

    @translated
    def change_template(self, name: str, payload: str, digest: str) -> str:
        """Give a campaign of which nothing has left another template; see campaign.lua."""
        return str(self._campaign.run(self.client, "template", name, payload, digest))

    @translated
    def campaign_outlook(self, name: str) -> dict[str, Any] | None:
        """A campaign with its account and all that waits beside it, or None."""
        return _json(self._look.run(self.client, "campaign", name))

    @translated
    def known(self, op_ids: Iterable[str]) -> int:
        """How many of these operations are there."""
        return int(self._look.run(self.client, "known", *op_ids))

    @translated
    def campaign(self, name: str) -> dict[str, str]:
        """All fields of a campaign, `now` (us) among them; empty when unknown."""
        flat: list[str] = self._campaign.run(self.client, "read", name)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    @translated
    def operation(self, op_id: str) -> dict[str, Any] | None:
        """One operation with its lane and account, or None."""
        return _json(self._look.run(self.client, "operation", op_id))

    @translated
    def receipt(self, rid: str, op_id: str) -> dict[str, Any]:
        """What became of an inbox record so far."""
        return _json(self._look.run(self.client, "receipt", rid, op_id)) or {}

    @translated
    def account(self, name: str) -> dict[str, Any] | None:
        """Settings (never the key), counts, and what waits, or None."""
        return _json(self._look.run(self.client, "account", name))

    @translated
    def accounts(self) -> list[str]:
        """All account names, sorted."""
        return _sorted(self._look.run(self.client, "accounts"))

    @translated
    def campaigns(self) -> list[str]:
        """All campaign names, sorted."""
        return _sorted(self._look.run(self.client, "campaigns"))

    @translated
    def fleet(self) -> dict[str, Any]:
        """Workers, capacity, operations in flight, inbox records, accounts."""
        return _json(self._look.run(self.client, "fleet")) or {}


def _json(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    value: dict[str, Any] = json.loads(text)
    if value.get("lanes") == {}:  # Lua cannot tell an empty list from an empty object
        value["lanes"] = []
    return value


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)
