"""What people see while it runs: a table that changes on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from paceline_sandbox.demo.verdict import AccountVerdict, Report
from paceline_sandbox.demo.watch import AccountView

_LINE_EVERY_S: Final = 5.0
_BAR: Final = 14  # so that the table fits into 80 columns

_ABOUT_HELD: Final = (
    "held: a worker died during this call, and the conversation does not show whether the call took effect.",
    "  The message is neither repeated nor forgotten: a person decides.",
)


class Display:
    """Sentences as they come, and the state of the accounts.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._resources = ExitStack()
        self._live: Live | None = None
        self._started_s = time.monotonic()
        self._next_line_s = self._started_s + _LINE_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.freeze()

    def say(self, sentence: str) -> None:
        """One event, with the second it happened."""
        self._console.print(f"{self._seconds():5.1f} s  {sentence}", soft_wrap=True)

    def show(self, accounts: Sequence[AccountView], workers: str) -> None:
        """The present state.

        Args:
            accounts: each.
            workers: one sentence about them.
        """
        if self._console.is_terminal:
            if self._live is None:
                live = Live(console=self._console, auto_refresh=False)
                self._live = self._resources.enter_context(live)
            self._live.update(_progress(accounts, workers), refresh=True)
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + _LINE_EVERY_S
            self.say(f"{'; '.join(_in_words(view) for view in accounts)}; {workers}")

    def freeze(self) -> None:
        """Leave the table as it is; what follows stands below."""
        self._live = None
        self._resources.close()

    def print_report(self, report: Report) -> None:
        """The result, for people.

        Args:
            report: what to show.
        """
        self.print_lines([f"\nWhat the provider saw in {report.seconds:.0f} s:\n"])
        self._console.print(_results(report))
        self.print_lines(["", *(line for account in report.accounts for line in _pace_in_words(account))])
        if any(account.held for account in report.accounts):
            self.print_lines(_ABOUT_HELD)
        self.print_lines([f"paceline audit: {report.audit or 'no reason given'}", ""])
        if report.problems:
            self.print_lines(["This must not happen:", *(f"  {problem}" for problem in report.problems)])
        else:
            self.print_lines(["Nothing lost, nothing doubled, no limit broken."])

    def print_lines(self, lines: Iterable[str]) -> None:
        """Lines as they are, not wrapped."""
        self.freeze()
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._started_s


def console(*, stderr: bool) -> Console:
    """A console that takes texts as they are.

    Args:
        stderr: standard error in place of standard output.
    """
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _progress(accounts: Sequence[AccountView], workers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), caption=workers, caption_justify="left")
    for header in ("account", "", "sent", "a minute", "waiting", "in flight", "deferred", "retried", "held"):
        table.add_column(header, justify="left" if header in ("account", "") else "right", no_wrap=True)
    for view in accounts:
        total = view.account.to_send
        numbers = (view.waiting, view.in_flight, view.deferred, view.retried, view.held)
        table.add_row(
            view.account.name,
            ProgressBar(total, view.sent, width=_BAR),
            f"{view.sent}/{total}",
            _rate(view),
            *map(str, numbers),
        )
    return table


def _in_words(view: AccountView) -> str:
    rate = f"{_rate(view)} a minute" if view.open else "done"
    return f"{view.account.name} {view.sent} of {view.account.to_send} ({rate})"


def _rate(view: AccountView) -> str:
    """The rate now against the allowed one; none when there is nothing to tell, or nothing left to send."""
    now = "-" if view.per_minute is None or not view.open else f"{view.per_minute:.0f}"
    return f"{now}/{view.account.per_minute}"


def _pace_in_words(verdict: AccountVerdict) -> Iterator[str]:
    if verdict.share_used is None or verdict.share_between is None:
        yield f"{verdict.account}: too few messages for a rate"
        return
    words = f"{verdict.account}: used {verdict.share_used:.1%} of {verdict.limit}"
    pauses = f", all pauses included; {verdict.share_between:.1%} by the median distance of two requests"
    yield words + (pauses if verdict.notes else "")
    for note in verdict.notes:
        yield f"  {note}"


def _results(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in ("account", "to send", "arrived", "accepted", "doubled", "lost", "held", "violations", "rate used"):
        table.add_column(header, justify="left" if header == "account" else "right", no_wrap=True)
    for one in report.accounts:
        numbers = (one.to_send, one.arrived, one.accepted, one.doubled, one.lost, one.held, one.violations)
        table.add_row(one.account, *map(str, numbers), "" if one.share_used is None else f"{one.share_used:.1%}")
    return table
