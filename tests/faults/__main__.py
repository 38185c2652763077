"""Run the fault suite: ``python -m tests.faults --help`` tells its options."""

import argparse
import json
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.faults import answers, killing, load, scarcity, severing
from tests.faults.profile import PROFILES, Profile
from tests.faults.result import Result, as_json, as_markdown, from_dict

Run = Callable[[Profile, int], Result]

RUNS: Final[dict[str, Run]] = {
    "F0": killing.bare_queue,
    "F1": killing.kills,
    "F5 everysec": partial(severing.server_kills, appendfsync="everysec"),
    "F5 always": partial(severing.server_kills, appendfsync="always"),
    "F8": severing.reply_cuts,
    "F9": severing.network,
    "F11 reconcile": partial(answers.ambiguous, policy="reconcile"),
    "F11 hold": partial(answers.ambiguous, policy="hold"),
    "F11 resend": partial(answers.ambiguous, policy="resend"),
    "F12": answers.outage,
    "F16": answers.jumps,
    "F19": killing.poisons,
    "F22": load.overload,
    "F4": killing.stops,
    "F7": severing.wiped_broker,
    "F17": killing.terms,
    "F23": load.starved,
    "F24": load.slow_provider,
    "F25": load.herd,
    "F10": scarcity.full_server,
    "F26": scarcity.descriptors,
    "F27": scarcity.giant,
}
# What five minutes have room for.
SHORT: Final = ("F0", "F1", "F5 everysec", "F8", "F9", "F11 reconcile", "F12", "F16", "F19", "F22")


# What a machine can do is no matter of what else it does meanwhile.
ALONE: Final = ("F22", "F23", "F24", "F25", "F27")


def main() -> int:
    """Run, tell, and write the report; 1 when something was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run the fault suite.")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="short")
    parser.add_argument("--only", default="", help="faults to run, such as F1,F5; default: all of the profile")
    parser.add_argument("--percent", type=int, choices=range(1, 101), metavar="1-100", default=100, help="of the sizes")
    parser.add_argument(
        "--jobs", type=int, default=1, help="faults at the same time, but for those of load; default: 1"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all random choices; default: 1")
    parser.add_argument(
        "--directory", type=Path, default=Path("build/faults"), help="of reports; default: build/faults"
    )
    parser.add_argument("--again", action="store_true", help="run also what was run on this commit before")
    options = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # through all blocks, so that no process is left behind
        signal.signal(ending, signal.default_int_handler)
    profile = PROFILES[options.profile].scaled(options.percent)
    chosen = _chosen(options.only, profile)
    if not chosen:
        parser.error(f"--only: names no fault. They are {', '.join(RUNS)}")
    about = f"Profile {profile.name}, {options.percent} %, seed {options.seed}, commit {_commit()}."
    kept = options.directory / profile.name
    kept.mkdir(parents=True, exist_ok=True)
    run = partial(_result, profile=profile, seed=options.seed, kept=kept, about=about, again=options.again)
    with ThreadPoolExecutor(options.jobs) as pool:
        beside = {name: pool.submit(run, name) for name in chosen if name not in ALONE}
        found = {name: future.result() for name, future in beside.items()}
    found |= {name: run(name) for name in chosen if name in ALONE}
    results = [found[name] for name in chosen]
    (kept / "report.md").write_text(as_markdown(results, about=about))
    (kept / "report.json").write_text(as_json(results, about=about))
    sys.stdout.write(as_markdown(results, about=about))
    return int(not all(result.passed for result in results))


def _chosen(only: str, profile: Profile) -> list[str]:
    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    if not wanted:
        return [name for name in RUNS if profile.name == "full" or name in SHORT]
    return [name for name in RUNS if name.split()[0] in wanted or name.upper() in wanted]


def _result(name: str, *, profile: Profile, seed: int, kept: Path, about: str, again: bool) -> Result:
    """The result of one fault; one that passed on this commit with this seed is not run again unless asked for."""
    path = kept / f"{name.replace(' ', '-')}.json"
    if not again and path.exists() and (found := json.loads(path.read_text()))["about"] == about:
        earlier = from_dict(found["result"])
        if earlier.passed:
            return earlier
    began_s = time.monotonic()
    try:
        result = RUNS[name](profile, seed)
    except Exception as error:  # noqa: BLE001 - one run that breaks must not end the others
        traceback.print_exc()
        result = Result(
            name.split(maxsplit=1)[0],
            "the run broke",
            name,
            failures=(f"{type(error).__name__}: {str(error).splitlines()[:1]}",),
        )
    result = replace(result, took_s=round(time.monotonic() - began_s, 1))
    path.write_text(json.dumps({"about": about, "result": asdict(result)}))
    verdict = "pass" if result.passed else "FAIL"
    sys.stderr.write(f"{name}: {verdict} in {result.took_s:g} s {'; '.join(result.failures)}\n")
    return result


def _commit() -> str:
    run: Sequence[str] = ("git", "describe", "--always", "--dirty")
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
