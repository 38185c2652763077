"""The parts of a campaign: waiting operations for each of its senders and sets of time zones."""

from collections.abc import Iterator, Mapping
from typing import Any

from paceline.campaigns.plan_rows import Part, Rows
from paceline.forecast.backlog import Source
from paceline.forecast.outlook import openings_of, source_of, zone_source

Openings = tuple[tuple[int, int], ...]


def planned_sources(
    rows: Rows,
    *,
    name: str,
    sender: str,
    fields: Mapping[str, Any],
    before: Mapping[Part, int],
    openings: Mapping[str, Openings],
) -> Iterator[tuple[str, Source]]:
    """The sources in which recipients will stand, each with its sender.

    Args:
        rows: the recipients.
        name: the campaign.
        sender: the only one, of a campaign without parts.
        fields: the campaign's hash.
        before: of each part the operations that stand there already.
        openings: of each set of time zones.
    """
    if not rows.parts:
        yield sender, source_of(name, fields, before.get((sender, ""), 0) + rows.recipients)
    for (own_sender, zones), own in rows.parts.items():
        waiting = before.get((own_sender, zones), 0) + own.recipients
        if zones:
            yield own_sender, zone_source(name, fields, zones, waiting, openings.get(zones, ()))
        else:
            yield own_sender, source_of(name, fields, waiting)


def parts_of(found: Mapping[str, Any], name: str) -> dict[Part, int]:
    """What of a campaign waits, for each sender and set of time zones; nothing of a campaign that has only one list.

    Args:
        found: a reply of look.lua that has ``lanes``.
        name: the campaign.
    """
    return {
        (lane["sender"], zones["id"]): int(zones["waiting"])
        for lane in found.get("lanes") or ()
        for one in lane["sources"]
        if one["name"] == name
        for zones in one.get("zones") or ()
    }


def openings_by_id(found: Mapping[str, Any], name: str) -> dict[str, Openings]:
    """The openings of the sets of time zones of a campaign that has work; arguments as for `parts_of`."""
    return {
        zones["id"]: openings_of(zones)
        for lane in found.get("lanes") or ()
        for one in lane["sources"]
        if one["name"] == name
        for zones in one.get("zones") or ()
    }
