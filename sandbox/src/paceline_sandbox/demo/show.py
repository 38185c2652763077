"""The run itself: start, upload, watch, kill a worker, wait for every outcome, and ask the provider what it saw."""

import http.client
import json
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Final

from paceline import Outbox, Settings
from paceline.errors import NotFound, StateUnavailable
from paceline.ids import derived_id
from paceline.recipients.files import read_file
from paceline_sandbox.background import RunningSandbox
from paceline_sandbox.demo.display import Display
from paceline_sandbox.demo.plan import TEMPLATE, Account, Campaign, Plan, key_variable, write_accounts, write_recipients
from paceline_sandbox.demo.stack import DemoFailed, Stack
from paceline_sandbox.demo.verdict import Report, audit_in_words, judge
from paceline_sandbox.demo.watch import Watch

_LOOK_EVERY_S: Final = 0.25
_SCRAPE_EVERY_S: Final = 1.0
_WORKERS: Final = ("w1", "w2")
_VICTIM: Final = "w1"
_REPLACEMENT: Final = "w3"


class Show:
    """One run of the demo.

    Args:
        plan: what happens.
        stack: its processes; none started yet.
        display: what people see.
    """

    def __init__(self, plan: Plan, stack: Stack, display: Display) -> None:
        self._plan = plan
        self._stack = stack
        self._display = display
        self._campaigns = tuple(plan.campaigns())

    def run(self) -> Report:
        """Everything from the first process to the report; the processes are left running.

        Raises:
            DemoFailed: it could not be carried through.
        """
        try:
            return self._run()
        except (StateUnavailable, OSError, http.client.HTTPException) as error:
            self._stack.check()  # says it better when one of the processes ended
            raise DemoFailed(f"a process of the demo does not answer: {error}") from error

    def _run(self) -> Report:
        self._start()
        with closing(Outbox(settings=Settings(broker_url=self._stack.url, state_url=self._stack.url))) as outbox:
            self._stack.wait_until(
                lambda: outbox.state.fleet().workers == len(_WORKERS), "the workers to join the fleet"
            )
            self._announce()
            self._upload(outbox)
            sandbox = RunningSandbox(self._stack.sandbox_root)
            started_s = time.monotonic()
            given_up = self._follow(Watch(self._plan, sandbox, outbox.state), outbox)
            return self._report(sandbox, outbox, time.monotonic() - started_s, given_up)

    def _start(self) -> None:
        plan, stack, say = self._plan, self._stack, self._display.say
        say(f"starting a state server: {stack.start_server()}")
        stack.start_sandbox(plan.scenario(), plan.seed)
        say(f"starting the emulated 2Chat API: {stack.sandbox_root}")
        for name in _WORKERS:
            stack.start_worker(name)
        say(f"starting workers {' and '.join(_WORKERS)}, and adding {len(plan.accounts)} accounts")
        self._add_accounts()

    def _add_accounts(self) -> None:
        # One command for all: its interpreter and imports take longer than the accounts.
        path = self._stack.directory / "accounts.csv"
        write_accounts(self._plan.accounts, path)
        keys = {key_variable(account): account.key for account in self._plan.accounts}
        done = self._stack.paceline("accounts", "import", str(path), **keys)
        if done.returncode:
            raise DemoFailed(f"the accounts could not be added: {_words_of(done) or 'without a word'}")

    def _announce(self) -> None:
        for name, port in self._stack.metrics_ports.items():
            self._display.say(f"worker {name} is ready; its metrics: http://127.0.0.1:{port}/metrics")
        self._display.say(f"the provider's own log: {self._stack.sandbox_root}/sandbox/report")

    def _upload(self, outbox: Outbox) -> None:
        random = Random(self._plan.seed)  # noqa: S311 - names of recipients
        for campaign in self._campaigns:
            path = self._stack.directory / f"{campaign.name}.csv"
            write_recipients(campaign, path, random)
            outbox.start_campaign(
                campaign.name,
                account=campaign.account,
                sender=campaign.sender,
                template=TEMPLATE,
                recipients=read_file(path),
            )
        pace = ", ".join(f"{account.name} {account.to_send} at {account.limit}" for account in self._plan.accounts)
        self._display.say(f"uploaded {len(self._campaigns)} campaigns, {self._plan.to_send} messages: {pace}")

    def _follow(self, watch: Watch, outbox: Outbox) -> str:
        """Watch until every operation has its outcome; returns what was still open when the time was up."""
        deadline_s = time.monotonic() + self._plan.deadline.total_seconds()
        fleet = _Fleet(self._stack, watch, self._display.say)
        while True:
            self._stack.check()
            fleet.scrape()
            views, events = watch.look()

            for event in events:
                self._display.say(event)

            if not fleet.hit and sum(view.sent for view in views) * 3 >= self._plan.to_send:
                fleet.hit_one()

            self._display.show(views, fleet.in_words())
            if all(outbox.find_campaign(campaign.name).progress().complete for campaign in self._campaigns):
                self._display.say("every message has its outcome")
                return ""

            if time.monotonic() > deadline_s:
                left = sum(view.open for view in views)
                return f"after {self._plan.deadline.total_seconds():.0f} s {left} messages still had no outcome"

            time.sleep(_LOOK_EVERY_S)

    def _report(self, sandbox: RunningSandbox, outbox: Outbox, seconds: float, given_up: str) -> Report:
        keys, arrivals = sandbox.report()["keys"], sandbox.arrivals()
        audit = self._stack.paceline("audit", "--json")
        verdicts = [
            judge(account, self._outcomes(account, outbox), arrivals, keys.get(account.key, {}))
            for account in self._plan.accounts
        ]
        words = _words_of(audit) if audit.returncode else audit_in_words(json.loads(audit.stdout))
        return Report(self._plan.seed, seconds, tuple(verdicts), audit.returncode == 0, words, given_up)

    def _outcomes(self, account: Account, outbox: Outbox) -> dict[str, str]:
        return {
            to: _state_of(campaign, to, outbox)
            for campaign in self._campaigns
            if campaign.account == account.name
            for to in campaign.recipients
        }


class _Fleet:
    """The workers, and the worker that is killed on the way."""

    def __init__(self, stack: Stack, watch: Watch, say: Callable[[str], None]) -> None:
        self.hit = False
        self._stack = stack
        self._watch = watch
        self._say = say
        self._states = dict.fromkeys(stack.workers, "at work")
        self._next_scrape_s = 0.0

    def scrape(self) -> None:
        """Read the metrics of all, once a second; a new worker is there once it shows some."""
        if time.monotonic() < self._next_scrape_s:
            return
        self._next_scrape_s = time.monotonic() + _SCRAPE_EVERY_S
        for name in self._stack.workers:
            if self._watch.scrape(name, self._stack.metrics_ports[name]) and self._states[name] != "at work":
                self._states[name] = "at work"
                self._say(f"worker {name} is ready")

    def hit_one(self) -> None:
        """Kill a worker and start another in its place."""
        self.hit = True
        self._say(f"killing worker {_VICTIM} with SIGKILL")
        self._stack.kill_worker(_VICTIM)
        self._states[_VICTIM] = "killed"
        # The same port: whoever looks at the metrics need not look elsewhere.
        self._stack.start_worker(_REPLACEMENT, self._stack.metrics_ports[_VICTIM])
        self._states[_REPLACEMENT] = "starting"
        self._say(f"starting worker {_REPLACEMENT} in its place")

    def in_words(self) -> str:
        """Such as ``w1 killed, w2 at work``."""
        return ", ".join(f"{name} {state}" for name, state in self._states.items())


def _state_of(campaign: Campaign, to: str, outbox: Outbox) -> str:
    """The operation's outcome, or where else it is; empty when state does not know the operation."""
    try:
        return outbox.status(derived_id("campaign", campaign.name, to)).state
    except NotFound:
        return ""


def _words_of(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said: its complaint, or the last line of its answer."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return " ".join(lines[-1].split()) if lines else ""
