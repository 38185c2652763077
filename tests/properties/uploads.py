"""Campaigns on a moved clock: opened, written chunk by chunk, sealed and controlled, as an `Outbox` does it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from paceline.campaigns.recipients import Encoder, numbered
from paceline.ids import new_id
from paceline.inbox.record import chunk, common_fields, compact
from paceline.operations import OnUnknown
from paceline.times import instant
from paceline.window import as_text
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.properties.places import ROOT
from tests.support.drive import ACCEPTED, Drive

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def openings(begin: datetime, *stretches: tuple[float, float]) -> dict[str, str]:
    """The options of a window that is open between so many seconds after a time."""
    pairs = [(begin + timedelta(seconds=opens), begin + timedelta(seconds=closes)) for opens, closes in stretches]
    return {"window": "a test's", "openings": as_text(pairs)}


def capped(interval_us: int) -> dict[str, str]:
    """The options of a cap of one operation in so many microseconds."""
    return {"cap": str(interval_us), "rate": "a test's"}


@dataclass
class Uploads:
    """Writes campaigns.

    Args:
        drive: steps over a state server.
        offered: rows that were given per campaign.
    """

    drive: Drive
    offered: dict[str, int] = field(default_factory=dict)

    def open(
        self,
        name: str,
        *,
        account: str = "acme",
        sender: str = SENDER,
        options: Mapping[str, str] | None = None,
        on_unknown: OnUnknown = "reconcile",
        max_attempts: int = 4,
        valid_until: datetime = FAR,
        paused: bool = False,
        fs: str = "",
    ) -> str:
        """Open or continue one; returns the script's word for it."""
        common = common_fields(
            account=account,
            sender=sender,
            priority="bulk",
            kind="message.to_number",
            max_attempts=max_attempts,
            on_unknown=on_unknown,
            valid_until=valid_until,
            now=self.drive.now,
        ) | {"p": compact({"text": "Hi"})}
        common |= {"fs": fs} if fs else {}
        return self.drive.state.open_campaign(name, common, "same", dict(options or {}), paused=paused)

    def write(self, name: str, rows: Iterable[Mapping[str, str]], *, accept: bool = True) -> tuple[str, list[str]]:
        """Write one chunk to an open campaign; returns the reply, and the ids of its operations."""
        campaign = self.drive.state.campaign(name)
        assert campaign
        encoder = Encoder(name)
        encoded = [encoder(row, now=self.drive.now) for row in numbered(rows)]
        rid = new_id()
        body = chunk(campaign=name, account=campaign.account, sender=campaign.sender, priority="bulk", rows=encoded)
        reply = self.drive.state.submit(rid, campaign.account, campaign.sender, len(encoded), body, campaign=name)
        if reply == "written":
            self.offered[name] = self.offered.get(name, 0) + len(encoded)
        if accept:
            self.drive.worker.accept([rid])
        return reply, [row["id"] for row in encoded]

    def hours(self, name: str, **stretches: Iterable[tuple[float, float]]) -> None:
        """Give sets of zones their openings, in seconds from now."""
        told = {z: ["a test's", openings(self.drive.now, *pairs)["openings"]] for z, pairs in stretches.items()}
        self.drive.state.control_campaign("zones", name, json.dumps(told))

    def write_zoned(self, name: str, z: str, rows: Iterable[Mapping[str, str]]) -> list[str]:
        """Write rows of recipients in a set of zones; returns the ids of its operations."""
        campaign, encoder = self.drive.campaign(name), Encoder(name)
        encoded = [encoder(row, now=self.drive.now) | {"z": z} for row in numbered(rows)]
        rid = new_id()
        body = chunk(campaign=name, account=campaign.account, sender=campaign.sender, priority="bulk", rows=encoded)
        self.drive.state.submit(rid, campaign.account, campaign.sender, len(encoded), body, campaign=name)
        self.offered[name] = self.offered.get(name, 0) + len(encoded)
        self.drive.worker.accept([rid])
        return [row["id"] for row in encoded]

    def start(self, name: str, count: int, *, seal: bool = True, first: int = 0, **options: Any) -> list[str]:
        """Open a campaign, write so many rows and seal it; returns the ids of its operations."""
        self.open(name, **options)
        ids: list[str] = []
        numbers = [f"+1555{first + place:07d}" for place in range(count)]
        for begin in range(0, count, 1000):
            ids += self.write(name, [{"to": number} for number in numbers[begin : begin + 1000]])[1]
        if seal:
            self.seal(name)
        return ids

    def seal(self, name: str) -> None:
        self.drive.state.seal_campaign(name, self.offered.get(name, 0), 0)

    def change(self, name: str, options: Mapping[str, str]) -> str:
        return self.drive.state.control_campaign("change", name, json.dumps(dict(options)))

    def control(self, verb: str, name: str) -> str:
        return self.drive.state.control_campaign(verb, name, "by hand")

    def fields(self, name: str) -> dict[str, str]:
        return cast("dict[str, str]", self.drive.client.hgetall(f"{ROOT}:c:{name}"))

    def counted(self, name: str, what: str) -> int:
        return int(self.fields(name).get(what, 0))

    def completed(self, name: str) -> datetime | None:
        text = self.fields(name).get("completed_at")
        return instant(text) if text else None

    def told(self, name: str) -> list[dict[str, str]]:
        """The entries of its own stream of outcomes."""
        entries: Any = self.drive.client.xrange(f"{ROOT}:c:{name}:out")
        return [entry for _, entry in entries]

    def settle_down(self, turns: int = 50, verdict: Verdict = ACCEPTED) -> list[str]:
        """Whatever is due is done, and every call answered alike; returns what was delivered."""
        delivered = []
        for _ in range(turns):
            for hint in self.drive.grant().hints:
                if self.drive.begin_at_slot(hint)["s"] == "go":
                    self.drive.settle(hint, verdict)
                    delivered.append(hint.id)
            due = self.drive.next_due_us()
            if due is None:
                return delivered
            self.drive.set_time(max(self.drive.now_us, due))
        raise AssertionError("it does not settle down")
