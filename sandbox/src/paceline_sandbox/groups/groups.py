"""Groups and who is in them, as plain state: no requests, no answers."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from paceline_sandbox.clock import SECOND_US

DAY_US: Final = 86_400 * SECOND_US


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group since `joined_us`, microseconds since the epoch; the creator is an admin for ever."""

    joined_us: int
    changed_us: int
    is_admin: bool = False
    is_creator: bool = False


class Group:
    """One group.

    Args:
        uuid: the provider's id, ``WAG...``.
        wa_group_id: WhatsApp's id, ``...@g.us``.
        name: its subject.
        owner: the connected number that made it.
        created_us: when, in microseconds since the epoch.
        assumed: whether somebody else made it, outside the sandbox. Everybody then counts as a member until removed.
    """

    def __init__(
        self, uuid: str, wa_group_id: str, name: str, owner: str, created_us: int, *, assumed: bool = False
    ) -> None:
        self.uuid = uuid
        self.wa_group_id = wa_group_id
        self.name = name
        self.owner = owner
        self.created_us = created_us
        self.updated_us = created_us
        self.assumed = assumed
        self.description = ""
        self.picture: str | None = None
        self._members = {owner: Member(created_us, created_us, is_admin=True, is_creator=True)}
        self._gone: set[str] = set()
        self._shown: Mapping[str, Member] = dict(self._members)
        self._unpublished: deque[tuple[int, Mapping[str, Member]]] = deque()

    def __contains__(self, number: str) -> bool:
        return number in self._members

    def add(self, number: str, now_us: int) -> bool:
        """Adds a number; False when it is a member already.

        Args:
            number: with its plus.
            now_us: the present, microseconds since the epoch.
        """
        if number in self._members:
            return False
        self._members[number] = Member(now_us, now_us)
        self._gone.discard(number)
        return True

    def remove(self, number: str, now_us: int) -> bool:
        """Removes a number; False when the number is no member, or the creator."""
        member = self._member(number, now_us)
        if member is None or member.is_creator:
            return False
        del self._members[number]
        self._gone.add(number)
        return True

    def set_admin(self, number: str, now_us: int, *, admin: bool) -> bool:
        """Makes a member an admin, or an ordinary member again; repeating it changes nothing.

        Args:
            number: with its plus.
            now_us: the present, microseconds since the epoch.
            admin: what it shall be.

        Returns:
            False when the number is no member, or the creator is to be demoted.
        """
        member = self._member(number, now_us)
        if member is None or (member.is_creator and not admin):
            return False
        if member.is_admin != admin:
            self._members[number] = replace(member, is_admin=admin, changed_us=now_us)
        return True

    def _member(self, number: str, now_us: int) -> Member | None:
        if self.assumed and number not in self._members and number not in self._gone:
            self._members[number] = Member(now_us, now_us)
        return self._members.get(number)

    def publish(self, now_us: int, lag_us: int) -> None:
        """Lets the members as they are now show after a time.

        Args:
            now_us: the present, microseconds since the epoch.
            lag_us: how long they do not show yet; 0 for at once.
        """
        self.updated_us = now_us
        self._unpublished.append((now_us + lag_us, dict(self._members)))

    def shown_members(self, now_us: int) -> Mapping[str, Member]:
        """The members as the provider shows them.

        Args:
            now_us: the present, microseconds since the epoch.
        """
        while self._unpublished and self._unpublished[0][0] <= now_us:
            self._shown = self._unpublished.popleft()[1]
        return self._shown


class GroupBook:
    """All groups, and how many each number has made of late."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._made: dict[str, deque[int]] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def __len__(self) -> int:
        return len(self._groups)

    def find(self, uuid: str) -> Group | None:
        """The group of that id, or None."""
        return self._groups.get(uuid)

    def add(self, group: Group) -> None:
        """Records a group; a group made through the sandbox counts for its owner's day."""
        self._groups[group.uuid] = group
        if not group.assumed:
            self._made.setdefault(group.owner, deque()).append(group.created_us)

    def made_today(self, number: str, now_us: int) -> int:
        """How many groups a number has made in the last 24 hours.

        Args:
            number: the connected number.
            now_us: the present, microseconds since the epoch.
        """
        made = self._made.get(number, deque())
        while made and made[0] <= now_us - DAY_US:
            made.popleft()
        return len(made)
