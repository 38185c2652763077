"""The command line starts without what it does not need: a command's own module is imported when it is called."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

import pytest
from typer.core import TyperCommand
from typer.main import get_command

from paceline.cli.app import app
from paceline.cli.commands import BESIDE, COMMANDS, Command
from paceline.cli.plugins import GROUP, LazyCommand, PluginGroup
from tests.cli.conftest import Cli, Worker, sent

# Each costs a tenth of a second, some of them several.
HEAVY = {
    "aiohttp",
    "celery",
    "httpx",
    "kombu",
    "limits",
    "paceline_sandbox",
    "paceline_worker",
    "phonenumbers",
    "prometheus_client",
    "structlog",
}
PROBE = """
import sys
from paceline.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.write(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
sys.exit(code)
"""


COLLECTED = """
import gc
from paceline.cli import main
main(["--version"])
first = gc.get_freeze_count()
main(["--version"])
print(gc.isenabled(), first > 0, first == gc.get_freeze_count())
"""


def imported(environment: Mapping[str, str], *arguments: str) -> set[str]:
    """The packages that a run of the command had in memory at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )
    assert 0 == done.returncode, done.stderr
    return set(done.stderr.splitlines()[-1].split())


EARLY = """
import sys
class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "paceline.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
from paceline.cli import main
sys.exit(main(["--version"]))
"""


def test_ctrl_c_while_modules_are_imported_is_no_traceback() -> None:
    """Whoever stops a command at once is told nothing, as later."""
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, check=False, text=True, timeout=200)
    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)


def test_modules_are_imported_without_garbage_collection_and_commands_run_with_it() -> None:
    """A long command collects as ever. A program that calls the command twice keeps what it has meanwhile collectable."""
    done = subprocess.run([sys.executable, "-c", COLLECTED], capture_output=True, check=True, text=True, timeout=200)
    assert "True True True" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["secret", "generate"]], ids=" ".join)
def test_help_imports_neither_libraries_nor_commands(environment: Mapping[str, str], arguments: list[str]) -> None:
    """The list of commands, the version and a new secret need typer only, and no state server."""
    assert set() == imported(environment, *arguments) & (HEAVY | {"opentelemetry", "redis", "rich"})


def test_status_imports_what_reads_and_no_more(cli: Cli, quick: str, environment: Mapping[str, str]) -> None:
    """Whoever asks for one operation needs the client of the state server, and no broker, no numbers, no worker."""
    op_id = sent(cli, quick)
    Worker(environment["PACELINE_BROKER_URL"]).accept_all()
    assert {"redis", "rich"} == imported(environment, "status", op_id) & (HEAVY | {"redis", "rich"})
    assert {"redis"} == imported(environment, "status", op_id, "--json") & (HEAVY | {"redis", "rich"})


def test_accounts_are_listed_without_a_client_of_http(quick: str, environment: Mapping[str, str]) -> None:
    """Only who asks the provider imports what speaks to it."""
    assert quick
    assert {"redis"} == imported(environment, "accounts", "list") & {"redis", "aiohttp", "httpx"}


def listed(words: str) -> str:
    """What a list of commands shows of a command that says this of itself."""
    return str(TyperCommand("x", help=words).get_short_help_str(200))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    """The words that are listed without importing the command are its own first sentence."""
    group = get_command(app)
    assert isinstance(group, PluginGroup)
    lazy = group.commands[name]
    assert isinstance(lazy, LazyCommand)
    assert lazy.load().get_short_help_str(200) == listed(COMMANDS[name].words)


@pytest.mark.parametrize("entry", sorted(entry_points(group=GROUP)), ids=lambda entry: entry.name)
def test_the_list_says_what_commands_beside_say(entry: EntryPoint) -> None:
    """Each of our own packages' commands is known here, with its first sentence."""
    group = get_command(app)
    assert isinstance(group, PluginGroup)
    lazy = group.get_command(None, entry.name)
    assert isinstance(lazy, LazyCommand)
    assert lazy.load().get_short_help_str(200) == listed(BESIDE[entry.value].words)


def test_the_list_says_what_is_not_installed(environment: Mapping[str, str]) -> None:
    """A command whose libraries are missing is listed with what to install."""
    code = "import sys; sys.modules['aiohttp'] = None; from paceline.cli import main; sys.exit(main(['--help']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
        timeout=200,
    )
    for command in ("accounts", "receipts"):
        assert f"  {command:9} Not installed: pip install 'paceline[cli,worker]'\n" in done.stdout
    assert "  demo      Not installed: pip install 'paceline[cli,worker,embedded,sandbox]'\n" in done.stdout
    assert "  dead      Dead letters: " in done.stdout


def test_a_mistyped_command_is_guessed(cli: Cli) -> None:
    """A command that is not loaded is among those that may have been meant."""
    assert "did you mean 'status'" in cli("statsu").refusal(2).lower()


def test_commands_are_told_apart() -> None:
    """No two of them are one piece of code."""
    everything: list[Command] = [*COMMANDS.values(), *BESIDE.values()]
    assert len(everything) == len({command.target for command in everything})
