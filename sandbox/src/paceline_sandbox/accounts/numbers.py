"""The account's own numbers: which are connected, and how the provider shows them (docs/provider.md, 2.3)."""

import re
from collections.abc import Mapping
from typing import Any, Final

from paceline_sandbox.accounts.phones import country_of
from paceline_sandbox.answers import Answer, JsonObject, refusal
from paceline_sandbox.bodies import Refused, as_whole
from paceline_sandbox.calls import Asked, Moment, Request, Service
from paceline_sandbox.clock import as_datetime
from paceline_sandbox.faults.scenario import Scenario
from paceline_sandbox.messages.history import stable_id

_PER_PAGE: Final = 50
_MOST_PER_PAGE: Final = 200
_CHANNEL: Final = re.compile(r"(?:WPN|WAN|DID)[0-9A-Za-z-]+", re.ASCII)
# The states of a scenario in which the phone is not there to be used.
_DISCONNECTED: Final = frozenset({"booting", "connecting"})


class Numbers:
    """All numbers that any request has named as the account's own, and since when; any key sees them all.

    Args:
        prefix: of the ids of their channels.
    """

    def __init__(self, prefix: str = "WPN") -> None:
        self._prefix = prefix
        self._since_us: dict[str, int] = {}

    def meet(self, number: str, now_us: int) -> None:
        """Remembers a number.

        Args:
            number: with its plus.
            now_us: the present, microseconds since the epoch.
        """
        self._since_us.setdefault(number, now_us)

    @staticmethod
    def connected(number: str, scenario: Scenario) -> bool:
        """Whether a number belongs to the account: any does, unless the scenario lists those that do.

        Args:
            number: with its plus.
            scenario: its `connected_numbers`, and the numbers of its `numbers`.
        """
        listed = scenario.connected_numbers
        return not listed or number in listed or any(entry.number == number for entry in scenario.numbers)

    def named(self, scenario: Scenario) -> list[str]:
        """All numbers that the scenario or any request has named as the account's own.

        Args:
            scenario: the scenario in force.
        """
        declared = [*scenario.connected_numbers, *(entry.number for entry in scenario.numbers)]
        return [number for number in dict.fromkeys([*declared, *self._since_us]) if self.connected(number, scenario)]

    def known(self, moment: Moment) -> Mapping[str, int]:
        """The numbers there are at this moment, and since when in microseconds since the epoch.

        Args:
            moment: a number that its scenario calls missing is not there.
        """
        elapsed_us = moment.now_us - moment.began_us
        return {
            number: self._since_us.get(number, moment.began_us)
            for number in self.named(moment.scenario)
            if moment.senders.state(number, elapsed_us) != "missing"
        }

    def services(self) -> Mapping[str, Service[Any]]:
        """Who serves what, by the operation's name."""
        return {
            "number.list": Service(_parse_list, self._list),
            "channel.get": Service(_parse_channel, self._channel),
            "channel.status": Service(_parse_channel, self._status),
        }

    def _list(self, request: Request[tuple[str, int, int]], moment: Moment) -> Answer:
        status, page, per_page = request.content
        channels = [channel_object(number, since_us, moment) for number, since_us in self.known(moment).items()]
        if status != "all":
            wanted = "C" if status == "connected" else "D"
            channels = [channel for channel in channels if channel["connection_status"] == wanted]
        shown = channels[page * per_page : (page + 1) * per_page]
        return Answer(200, {"success": True, "count": len(channels), "page": page, "numbers": shown})

    def _channel(self, request: Request[str], moment: Moment) -> Answer:
        number, since_us = self._found(request.content, moment)
        return Answer(200, {"success": True, "channel": channel_object(number, since_us, moment)})

    def _status(self, request: Request[str], moment: Moment) -> Answer:
        number, since_us = self._found(request.content, moment)
        status = _connection_status(number, moment)
        events = ["ready", "initializing"] if status == "C" else ["disconnected", "ready", "initializing"]
        shown = [{"event": event, "payload": None, "created_at": _written(since_us)} for event in events]
        return Answer(200, {"success": True, "connection_status": status, "events": shown})

    def _found(self, channel_uuid: str, moment: Moment) -> tuple[str, int]:
        for number, since_us in self.known(moment).items():
            if stable_id(self._prefix, number) == channel_uuid:
                return number, since_us
        raise Refused(refusal(404, "The channel was not found"))


def channel_object(number: str, since_us: int, moment: Moment, prefix: str = "WPN") -> JsonObject:
    """The Channel object of a connected number.

    Args:
        number: with its plus.
        since_us: when it was connected, microseconds since the epoch.
        moment: the world it is shown in.
        prefix: of the channel's id.
    """
    return {
        "uuid": stable_id(prefix, number),
        "friendly_name": f"Sandbox {number}",
        "phone_number": number,
        "iso_country_code": country_of(number),
        "pushname": "Sandbox",
        "server": "c.us",
        "platform": "android",
        "connection_status": _connection_status(number, moment),
        "enabled": True,
        "is_business_profile": prefix == "WAN",
        "channel_type": "WABA" if prefix == "WAN" else "WW",
        "sync_contacts": True,
        "created_at": _written(since_us),
        "updated_at": _written(since_us),
    }


def page_of(query: Mapping[str, str]) -> tuple[int, int]:
    """The page asked for, from 0, and its size.

    Args:
        query: its `page_number` and `results_per_page`.
    """
    page = as_whole(query.get("page_number", "0"), "page_number")
    per_page = as_whole(query.get("results_per_page", str(_PER_PAGE)), "results_per_page", 1, _MOST_PER_PAGE)
    return page, per_page


def _parse_list(asked: Asked, _: Moment) -> Request[tuple[str, int, int]]:
    status = asked.query.get("status", "all")
    if status not in {"connected", "disconnected", "all"}:
        raise Refused(refusal(422, "status is one of connected, disconnected and all"))
    return Request("lookup", (status, *page_of(asked.query)))


def _parse_channel(asked: Asked, _: Moment) -> Request[str]:
    channel_uuid = asked.path["channel_uuid"]
    if not _CHANNEL.fullmatch(channel_uuid):
        raise Refused(refusal(422, "This is not a channel id"))
    return Request("lookup", channel_uuid, to=channel_uuid)


def _connection_status(number: str, moment: Moment) -> str:
    state = moment.senders.state(number, moment.now_us - moment.began_us)
    return "F" if state == "banned" else "D" if state in _DISCONNECTED else "C"


def _written(at_us: int) -> str:
    return as_datetime(at_us).strftime("%Y-%m-%d %H:%M:%S")
