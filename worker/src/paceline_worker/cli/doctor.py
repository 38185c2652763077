"""``paceline doctor``: found by the command line through its entry point."""

import typer

from paceline.cli.options import Json
from paceline.cli.render import say, say_json
from paceline.settings import Settings
from paceline_worker.doctor import Finding, examine

_SIGNS = {"ok": "ok", "warning": "WARNING", "failure": "FAILURE"}


def doctor(*, json_output: Json = False) -> None:
    """Find obstacles to sending: state, broker, provider, limits of this machine.

    No call of the provider is made, and nothing is changed. Exit code 0: no failure; 1: a failure; 2: a setting is malformed.

    JSON: a list of check, level (ok, warning or failure), words.
    """
    settings = Settings.from_environment()
    found: list[Finding] = []
    for finding in examine(settings):
        found.append(finding)
        if not json_output:
            say(f"{_SIGNS[finding.level]} {finding.check}: {finding.words}")
    if json_output:
        say_json([{"check": one.check, "level": one.level, "words": one.words} for one in found])
    if any(one.level == "failure" for one in found):
        raise typer.Exit(1)
