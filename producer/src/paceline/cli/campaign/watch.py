"""`paceline campaign watch`: a bar, the rate and the time left, until every operation has its outcome."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from paceline.campaigns.campaign import Progress, progress_of
from paceline.cli.campaign import status
from paceline.cli.campaign.options import Name  # noqa: TC001 - typer reads it at run time
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, duration, local, say, say_json, styled
from paceline.forecast.outlook import Forecast, forecast_of

if TYPE_CHECKING:
    from rich.console import Group

    from paceline.state.calls import State

# Often enough to look alive, seldom enough to cost nothing.
LOOK_S: Final = 0.5
_WINDOW_S: Final = 60.0
_LEAST_S: Final = 2.0
_BAR: Final = 30


def watch(name: Name, *, json_output: Json = False) -> None:
    """Watch a campaign until every operation is settled, also while the campaign is paused.

    A terminal shows a bar, the rate of the last minute and the time left. Elsewhere one line is printed whenever a
    number or the state changed. Ctrl-C ends the command, and changes nothing about the campaign.

    JSON: what `campaign status --json` prints, one document whenever a number or the state changed.
    """
    with opened_state() as state:
        follow(state, name, json_output=json_output)


@dataclass
class Throughput:
    """Outcomes a minute, from the counts of the last minute."""

    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, at_s: float, settled: int) -> None:
        """Take a count.

        Args:
            at_s: seconds of a clock.
            settled: operations with an outcome.
        """
        samples = self._samples
        if samples and settled < samples[-1][1]:  # replayed messages have no outcome again
            samples.clear()
        samples.append((at_s, settled))
        while len(samples) > 2 and samples[1][0] <= at_s - _WINDOW_S:
            samples.popleft()

    @property
    def per_minute(self) -> float | None:
        """The rate; None before some seconds have passed."""
        if not self._samples:
            return None
        (since, before), (now, settled) = self._samples[0], self._samples[-1]
        return (settled - before) * 60 / (now - since) if now - since >= _LEAST_S else None


def follow(state: State, name: str, *, json_output: bool) -> None:
    """Show a campaign until it is complete.

    Args:
        state: has it.
        name: the campaign.
        json_output: one document for each change.

    Raises:
        NotFound: there is no campaign of that name.
    """
    screen = console()
    if screen.is_terminal and not json_output:
        _draw(state, name, screen)
        return

    pace, last = Throughput(), None
    while True:
        picture = status.read(state, name)
        seen = progress_of(name, picture.campaign)
        pace.note(time.monotonic(), seen.settled)
        if seen != last:
            if json_output:
                say_json(status.described(name, picture))
            else:
                say(line(seen, pace.per_minute, _left(seen, pace.per_minute, forecast_of(name, picture))))
            screen.file.flush()
            last = seen
        if seen.complete:
            return
        time.sleep(LOOK_S)


def _draw(state: State, name: str, screen: Any) -> None:
    from rich.live import Live  # noqa: PLC0415 - JSON and lines do without rich's screen

    pace = Throughput()
    with Live(console=screen, auto_refresh=False) as live:
        while True:
            picture = status.read(state, name)
            seen = progress_of(name, picture.campaign)
            pace.note(time.monotonic(), seen.settled)
            live.update(drawing(seen, pace.per_minute, forecast_of(name, picture)), refresh=True)
            if seen.complete:
                return
            time.sleep(LOOK_S)


def line(seen: Progress, per_minute: float | None = None, left: timedelta | None = None) -> str:
    """A campaign in one line of text.

    Args:
        seen: its numbers.
        per_minute: outcomes a minute; None: not measured.
        left: time left; None: not known.
    """
    parts = [f"{seen.name}: {status.share(seen)} settled", f"{seen.remaining:,} remaining"]
    if seen.delivered:
        parts.append(f"{seen.delivered:,} delivered")
    if seen.hold:
        parts.append(f"{seen.state}: {seen.why}")
    elif not seen.complete:
        parts += [*([f"{_number(per_minute)} a minute"] if per_minute else []), *([_in_words(left)] if left else [])]
    return ", ".join(parts)


def drawing(seen: Progress, per_minute: float | None, forecast: Forecast) -> Group:
    """A campaign on a terminal: a bar, what happens, and the outcomes.

    Args:
        seen: its numbers.
        per_minute: outcomes a minute; None: not measured.
        forecast: of the rest.
    """
    from rich.console import Group  # noqa: PLC0415 - as above
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    bar = Table.grid(padding=(0, 1))
    done = "red" if seen.hold == "cancelled" else "yellow" if seen.hold else "green"
    bar.add_row(
        Text(seen.name, style="bold"),
        ProgressBar(max(1, seen.total), seen.settled, width=_BAR, complete_style=done, finished_style=done),
        status.share(seen),
    )
    counts = Text(", ").join(
        [styled(outcome, f"{outcome} {number:,}") for outcome, number in seen.outcomes.items() if number]
        + [styled(word, f"{word} {number:,}") for word, number in _receipts(seen) if number]
    )
    return Group(bar, _happens(seen, per_minute, forecast), counts if counts.plain else Text("no outcome", "dim"))


def _receipts(seen: Progress) -> list[tuple[str, int]]:
    return [("delivered", seen.delivered), ("read", seen.read), ("not sent", seen.not_sent)]


def _happens(seen: Progress, per_minute: float | None, forecast: Forecast) -> Any:
    from rich.text import Text  # noqa: PLC0415 - as above

    found = styled(seen.state)
    if seen.hold:
        return found.append(f": {seen.why}", style="")
    if seen.complete:
        return found.append(f" at {local(seen.completed_at)}" if seen.completed_at else "", style="")
    left = _left(seen, per_minute, forecast)
    rate = "measuring the rate" if per_minute is None else f"{_number(per_minute)} a minute"
    end = f", {_in_words(left)}" if left else f", {forecast.why}"
    return found.append(Text(f", {rate}{end}"))


def _left(seen: Progress, per_minute: float | None, forecast: Forecast) -> timedelta | None:
    """By the forecast, which knows windows and limits; by the rate where there is none."""
    if seen.hold or seen.complete or not seen.remaining:
        return None
    if forecast.ends_at:
        return max(timedelta(0), forecast.ends_at - datetime.now(UTC)) or None
    return timedelta(minutes=seen.remaining / per_minute) if per_minute else None


def _in_words(left: timedelta) -> str:
    return f"{duration(left)} left"


def _number(per_minute: float) -> str:
    return f"{per_minute:,.0f}" if per_minute >= 10 else f"{per_minute:.1f}".removesuffix(".0")
