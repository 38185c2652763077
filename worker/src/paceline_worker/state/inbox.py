"""Accepting inbox records: read them, seal what is in them, move it into its lanes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from paceline.state.scripts import Script
from paceline_worker.integrity.payloads import Unreadable, is_envelope
from paceline_worker.integrity.seals import FOREIGN, UNREADABLE

if TYPE_CHECKING:
    import redis

    from paceline_worker.integrity.seals import Seals

# accept.lua: the record was refused.
REFUSED: Final = -2
# Records that are read together, and the rows after which no further record of them is handed to accept.lua: it stops there too.
_READ_TOGETHER: Final = 20
_ENOUGH_ROWS: Final = 250


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of one inbox record.

    Args:
        written: operations put into lanes; `REFUSED` when the record was refused, less than 0 when there was none.
        duplicates: operations that were there already.
        account: account name, or '' when the record had been accepted before.
        kind: operation kind.
        trace: of its first operation, as written down; '' where there is none.
        suppressed: how many of those written have their outcome, because their recipient is on a suppression list.
    """

    written: int
    duplicates: int
    account: str
    kind: str
    trace: str = ""
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One inbox record as records.lua read it; empty where there is none.

    Args:
        rid: its id.
        account: the account that it was written under.
        campaign: its campaign, or empty.
        count: how many rows it says that it has.
        body: JSON, if a producer wrote it.
    """

    rid: str
    account: bytes
    campaign: bytes
    count: bytes
    body: bytes

    @property
    def rows(self) -> int:
        """How many rows it counts as."""
        return int(self.count) if self.count.isdigit() else 0

    def sealed(self, seals: "Seals | None", *, encrypts: bool = False) -> tuple[str | bytes, ...]:
        """Its part of the arguments of accept.lua.

        Args:
            seals: seal each operation, and open envelopes.
            encrypts: encrypt what came in the clear, too.
        """
        body, made, numbers = self.body, "", ""
        if seals is not None and body:
            account, campaign = _text(self.account), _text(self.campaign)
            try:
                if encrypts or is_envelope(body):
                    body, numbers = seals.payloads.accepted(account, body)
                made = seals.of_record(account, campaign, body)
            except Unreadable:
                body, made = (b"-", FOREIGN) if is_envelope(body) else (body, UNREADABLE)
        return self.rid, self.account, self.campaign, self.count, body, made, numbers


class Inbox:
    """Calls of records.lua and accept.lua.

    Args:
        retention_ms: how long operations are kept that have their outcome at once.
    """

    def __init__(self, retention_ms: int) -> None:
        self._retention_ms = retention_ms
        self._records = Script("paceline_worker", "records")
        self._accept = Script("paceline_worker", "accept")

    def accept(
        self, client: "redis.Redis", rids: Iterable[str], seals: "Seals | None", *, encrypts: bool = False
    ) -> list[Acceptance]:
        """Move records into their lanes; earlier ones of their accounts come first.

        Args:
            client: the state server.
            rids: record ids.
            seals: seal each operation; None: nothing is sealed.
            encrypts: encrypt what came in the clear, too.

        Returns:
            Per record taken, what became of it.
        """
        accepted: list[Acceptance] = []
        left = list(rids)
        while left:
            more, behind, left = self.accept_in_turn(client, left, seals, encrypts=encrypts)
            accepted += more
            if behind:
                # It may stay: the hint of each that comes before it takes at least one, so there are enough hints for all.
                accepted += self._catch_up(client, behind, left.pop(0), seals, encrypts=encrypts)
        return accepted

    def accept_in_turn(
        self, client: "redis.Redis", rids: Sequence[str], seals: "Seals | None", *, encrypts: bool = False
    ) -> tuple[list[Acceptance], list[str], list[str]]:
        """Move records into their lanes, with the arguments of `accept`, up to the first that others of its account come before.

        Returns:
            Per record taken, what became of it; the ids of those that come before the next one; and the ids of the rest.
        """
        accepted: list[Acceptance] = []
        for start in range(0, len(rids), _READ_TOGETHER):
            records = self._read(client, rids[start : start + _READ_TOGETHER])
            while records:
                done, behind, acceptances = self._take(client, records, seals, encrypts=encrypts)
                accepted += acceptances
                records = records[done:]
                if behind:
                    return accepted, behind, [*(record.rid for record in records), *rids[start + _READ_TOGETHER :]]
        return accepted, [], []

    def _catch_up(
        self, client: "redis.Redis", behind: Sequence[str], rid: str, seals: "Seals | None", *, encrypts: bool
    ) -> list[Acceptance]:
        """The records of an account that come before one, and that one, as far as one call goes."""
        wanted = [*behind[: behind.index(rid)], rid] if rid in behind else behind
        accepted: list[Acceptance] = []
        for start in range(0, len(wanted), _READ_TOGETHER):
            records = self._read(client, wanted[start : start + _READ_TOGETHER])
            while records:
                done, still_behind, acceptances = self._take(client, records, seals, encrypts=encrypts)
                accepted += acceptances
                if still_behind or sum(max(0, one.written) for one in accepted) >= _ENOUGH_ROWS:
                    return accepted
                records = records[done:]
        return accepted

    def _read(self, client: "redis.Redis", rids: Sequence[str]) -> list[Record]:
        reply = self._records.run_in_bytes(client, *rids)
        return [Record(rid, *fields) for rid, fields in zip(rids, zip(*[iter(reply)] * 4, strict=True), strict=True)]

    def _take(
        self, client: "redis.Redis", records: Sequence[Record], seals: "Seals | None", *, encrypts: bool = False
    ) -> tuple[int, list[str], list[Acceptance]]:
        """How many of them are done with, what comes before the next one, and what became of them."""
        rows = 0
        flat: list[str | bytes] = [str(self._retention_ms)]
        for record in records:
            flat += record.sealed(seals, encrypts=encrypts)
            rows += record.rows
            if rows >= _ENOUGH_ROWS:
                break
        done, behind, *reply = self._accept.run_in_bytes(client, *flat)
        fields = zip(*[iter(reply)] * 6, strict=True)
        acceptances = [Acceptance(int(w), int(d), _text(a), _text(k), _text(t), int(s)) for w, d, a, k, t, s in fields]
        return int(done), [_text(rid) for rid in behind], acceptances


def _text(value: Any) -> str:
    return bytes(value).decode(errors="replace")
