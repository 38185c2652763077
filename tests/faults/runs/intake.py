"""F35: workers are killed while they take campaigns in."""

import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from paceline.state.campaigns import CampaignSnapshot
from tests.faults.fleet import Fleet
from tests.faults.invariants import left_over, while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.killing import RATE, SLOW
from tests.faults.world import World, world
from tests.support.processes import Process, spawn

# The sweep of a fleet finds what a killed worker was told of and did not take: after five seconds, some records at a time.
TAKEN_IN_S: Final = 15.0
PATIENCE_S: Final = 300.0
_UPLOADING: Final = """
import sys
from paceline import Outbox
name, rows = sys.argv[1], int(sys.argv[2])
recipients = ({"to": f"+1555{row:07d}", "row": f"{row}"} for row in range(rows))
with Outbox() as outbox:
    outbox.start_campaign(
        name, account="acme", sender="+15559999999", template=name + " {row}", recipients=recipients, on_unknown="hold"
    )
"""


def taken_in(profile: Profile, seed: int) -> Result:
    """F35: SIGKILL of workers every 0.2 to 1 s while they take one campaign after another in; each is cancelled by the next."""
    rows, number = profile.intake
    with world(seed, scenario=SLOW) as built, Fleet(built.environment, 2, forked=True) as fleet:
        built.add_account("acme", RATE, "window")
        names: list[str] = []
        killed = 0
        uploads: list[Process] = []
        while killed < number:
            if not uploads or (uploads[-1].exit_code is not None and not int(built.state.fleet().inbox)):
                if names:
                    built.outbox.find_campaign(names[-1]).cancel("the next one begins")
                names.append(f"spring-{len(names)}")
                uploads.append(_upload(built, names[-1], rows))
            time.sleep(built.random.uniform(0.2, 1.0))
            killed += fleet.kill(built.random.randrange(2))
        codes = {upload.wait(timedelta(seconds=PATIENCE_S)) for upload in uploads}
        began_s = time.monotonic()
        while int(built.state.fleet().inbox) and time.monotonic() < began_s + PATIENCE_S:
            time.sleep(0.1)
        recovery_s = time.monotonic() - began_s
        built.outbox.find_campaign(names[-1]).cancel("the run ends")
        found = [_completed(built, name) for name in names]
        texts = Counter(str(arrival["body"]["text"]) for arrival in built.sandbox.arrivals() if arrival["accepted"])
        violations = built.violations()
        wrong = while_loaded(built, fleet) + left_over(built, fleet)
    wrong += [f"an upload ended with code {code}" for code in codes if code]
    wrong += [f"the inbox was empty after {recovery_s:.1f} s, {TAKEN_IN_S:g} s are allowed"] * (recovery_s > TAKEN_IN_S)
    wrong += [f"{violations} calls against the pace"] * bool(violations)
    return _row(rows, found, texts, killed, recovery_s, violations, wrong)


def _row(
    rows: int,
    found: list[CampaignSnapshot],
    texts: Counter[str],
    killed: int,
    recovery_s: float,
    violations: int,
    wrong: list[str],
) -> Result:
    """What became of each row: taken in once, with one outcome, and at the provider as often as the books say."""
    ended = sum(sum(campaign.outcomes.values()) for campaign in found)
    accepted = sum(campaign.outcomes.get("accepted", 0) for campaign in found)
    held = sum(campaign.outcomes.get("held", 0) for campaign in found)
    lost = rows * len(found) - ended
    doubled = sum(times > 1 for times in texts.values())
    wrong += [f"{lost} rows have no outcome"] * bool(lost)
    wrong += [f"{doubled} doubled"] * bool(doubled)
    wrong += [
        f"{campaign.written} rows of {rows} were taken in, {campaign.duplicate} of them twice"
        for campaign in found
        if (campaign.written, campaign.duplicate) != (rows, 0)
    ]
    if not accepted <= len(texts) <= accepted + held:
        wrong.append(f"{len(texts)} arrived, the books say {accepted} and {held} of unknown outcome")
    return Result(
        "F35",
        "workers killed while campaigns are taken in",
        f"{len(found)} campaigns of {rows} rows, {killed} kills",
        messages=rows * len(found),
        lost=lost,
        doubled=doubled,
        violations=violations,
        unresolved=held,
        recovery_s=recovery_s,
        figures={"arrived": len(texts)},
        failures=tuple(wrong),
    )


def _upload(built: World, name: str, rows: int) -> Process:
    """Another service uploads: a thread here would take the time of those that measure."""
    log = Path(mkdtemp(prefix="paceline-upload-")) / "log"
    return spawn([sys.executable, "-c", _UPLOADING, name, str(rows)], built.environment, log)


def _completed(built: World, name: str) -> CampaignSnapshot:
    """A cancelled campaign once its numbers are final; as it is when they do not become so."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = built.state.campaign(name)
        assert found is not None
        if found.completed_at_us or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
