"""The recipients' own hours of a campaign: sets of time zones, and the openings of each of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from paceline.errors import CampaignConflict
from paceline.inbox.record import compact
from paceline.recipients.zones import Zones, zone_id, zone_infos, zones_named, zones_of_number
from paceline.state.campaigns import CampaignSnapshot
from paceline.window import Window, as_text, from_text

# As a campaign's window with a zone of its own: the scripts know no time zones.
_AHEAD: Final = timedelta(days=366)
_MOST_OPENINGS: Final = 400
_ALWAYS: Final = "0-9000000000000000"
_MOST_NAMED: Final = 3


class RecipientHours:
    """What a campaign in its recipients' own hours knows of time zones.

    Args:
        window: local hours; '' is always open. A window with a zone of its own holds for all recipients alike.
        begin: from when on openings are written down.
    """

    def __init__(self, window: str, begin: datetime | None = None) -> None:
        self._window = Window.parse(window) if window else None
        self._begin = begin or datetime.now(UTC)
        self._openings: dict[Zones, str] = {}
        self._untold: dict[Zones, str] = {}

    def place(self, to: str, column: str) -> str:
        """The id of the zones of a row.

        Args:
            to: the number.
            column: zones that the row names itself; '' leaves them to the number.

        Returns:
            8 characters, as `zone_id`.

        Raises:
            ValueError: the number tells no zone, the column names none, or the hours never come in all of them at once.
        """
        try:
            zones = zones_named(column) if column else zones_of_number(to)
        except ValueError as error:
            raise ValueError(str(error) if column else f'{error}; name the zone in a column "zone"') from None
        if not self.openings(zones):
            raise ValueError(
                f'the hours {self._window} never overlap in {_named(zones)}; name one zone in a column "zone"'
            )
        return zone_id(zones)

    def openings(self, zones: Zones) -> str:
        """When the hours are open in all of some zones at once, as state holds openings; '' when they never are."""
        known = self._openings.get(zones)
        if known is None:
            known = self._openings[zones] = self._untold[zones] = self._worked_out(zones)
        return known

    def untold(self) -> str:
        """Sets of zones that were not asked for before, as campaign.lua's `zones` takes them; '' when there are none."""
        if not self._untold:
            return ""
        told = told_of(self._untold)
        self._untold = {}
        return told

    def again(self, words: Mapping[str, str]) -> str:
        """The openings of sets that a campaign has already, likewise.

        Args:
            words: id of a set to its names.
        """
        return told_of({zones: self.openings(zones) for text in words.values() for zones in [tuple(text.split())]})

    def by_id(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The openings of all sets that were asked for, by their ids."""
        return {zone_id(zones): tuple(from_text(text)) for zones, text in self._openings.items()}

    def _worked_out(self, zones: Zones) -> str:
        if self._window is None:
            return _ALWAYS
        end = self._begin + _AHEAD
        return as_text(self._window.openings_in(zone_infos(zones), self._begin, end, _MOST_OPENINGS))


def told_of(openings: Mapping[Zones, str]) -> str:
    """Sets of zones and their openings, as campaign.lua's `zones` takes them."""
    return compact({zone_id(zones): [" ".join(zones), text] for zones, text in openings.items()})


def check_hours(name: str, existing: CampaignSnapshot | None, window: str | None) -> None:
    """Refuse the recipients' own hours for a campaign whose rows have no zones.

    Args:
        name: the campaign.
        existing: as it was read; None for a new one.
        window: the new window; None: no change.

    Raises:
        CampaignConflict: they were uploaded for another window.
    """
    has_other_rows = existing is not None and existing.received and not existing.zoned
    if window and has_other_rows and Window.parse(window).is_recipients:
        raise CampaignConflict(
            f"campaign {name!r} was uploaded without the zones of its recipients, so it cannot take their own hours: "
            "upload the rest under another name, or name a zone"
        )


def _named(zones: Sequence[str]) -> str:
    more = f" and {len(zones) - _MOST_NAMED} more zones" if len(zones) > _MOST_NAMED else ""
    return ", ".join(zones[:_MOST_NAMED]) + more
