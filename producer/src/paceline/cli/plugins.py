"""Commands that are imported when they are called: our own, and those found through the entry points ``paceline.commands``."""

from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from paceline.cli.commands import BESIDE, COMMANDS, PANELS, Command
from paceline.errors import PacelineError

GROUP: Final = "paceline.commands"

# Former names of commands: they work as before, and the list of commands leaves them out.
FORMER: Final = {"unknown"}

# The package of a command that cannot be loaded -> the extras that bring all it needs.
_EXTRAS: Final = {"paceline_worker": "cli,worker", "paceline_sandbox": "cli,worker,embedded,sandbox"}
_EXTRAS_OF_MODULES: Final = {"paceline_worker.cli.hooks": "cli,worker,hooks"}

# Of a sentence in the list of commands, in characters.
_WIDEST: Final = 200

# Of a command that leaves its arguments to another program.
_UNREAD: Final = {"ignore_unknown_options": True, "allow_extra_args": True}


class MissingExtra(PacelineError):
    """The command needs packages that are not installed."""


class LazyCommand(TyperCommand):
    """A name and a sentence for the list of commands; the command itself is loaded when somebody calls it.

    Args:
        name: what the user types.
        words: for the list.
        load: gives the command.
    """

    def __init__(self, name: str, words: str, load: Callable[[], Any]) -> None:
        super().__init__(name, help=words)
        self.load = load

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """The context of the command itself: parsing, help and running are its own."""
        return self.load().make_context(*args, **kwargs)


class PluginGroup(TyperGroup):
    """The commands of this package, and after them those of entry points.

    Neither ``paceline --help`` nor a command of this package imports the worker.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            self.add_command(LazyCommand(name, command.words, partial(_own, name, command)), name)

    def list_commands(self, ctx: Any) -> list[str]:
        """All names: ours in the order of the help, then the others by name."""
        own = list(super().list_commands(ctx))
        return own + sorted(installed().keys() - set(own))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of ours, or that of an entry point, or None."""
        own = super().get_command(ctx, cmd_name)
        entry = installed().get(cmd_name) if own is None else None
        if entry is None:
            return own
        beside = BESIDE.get(entry.value)
        if beside is None:
            return _loaded(entry)
        missing = next((module for module in beside.needs if find_spec(module) is None), None)
        if missing:
            return _placeholder(entry, ImportError(name=missing))
        return LazyCommand(cmd_name, beside.words, partial(_loaded, entry))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands under headings; no sentence is shortened."""
        rows: dict[str, list[tuple[str, str]]] = {panel: [] for panel in PANELS}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden and name not in FORMER:
                rows[_panel(name)].append((name, command.get_short_help_str(_WIDEST)))
        widest = max(len(name) for panel in rows.values() for name, _ in panel)
        for panel, listed in rows.items():
            if listed:
                with formatter.section(panel):
                    formatter.write_dl([(name.ljust(widest), words) for name, words in listed])


def _panel(name: str) -> str:
    entry = installed().get(name)
    command = COMMANDS.get(name) or (BESIDE.get(entry.value) if entry else None)
    return command.panel if command else PANELS[-1]


@cache
def installed() -> dict[str, EntryPoint]:
    """The entry points by name; read once, because the metadata of every installed package is looked at."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _own(name: str, command: Command) -> Any:
    return _as_command(name, resolve_name(command.target), command)


def _loaded(entry: EntryPoint) -> Any:
    try:
        found = entry.load()
    except ImportError as error:
        return _placeholder(entry, error)
    return _as_command(entry.name, found, BESIDE.get(entry.value))


@cache
def _as_command(name: str, found: Any, command: Command | None) -> Any:
    """A function or a group under a name, as if it stood in the program's own Typer. Reading its parameters takes typer a while."""
    program = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        program.add_typer(found, name=name)
    else:
        settings = _UNREAD if command and command.passes_on else None
        kind = getattr(found, "command_class", None)
        epilog = command.epilog if command else None
        program.command(name, cls=kind, epilog=epilog, context_settings=settings)(found)
    return get_group(program).commands[name]


def _placeholder(entry: EntryPoint, cause: ImportError) -> Any:
    extras = _EXTRAS_OF_MODULES.get(entry.module) or _EXTRAS.get(entry.module.partition(".")[0], "cli,worker")
    remedy = f"pip install 'paceline[{extras}]'"
    program = typer.Typer(add_completion=False, rich_markup_mode=None)

    # A short help is not shortened: the whole line is what to copy.
    @program.command(entry.name, short_help=f"Not installed: {remedy}", context_settings=_UNREAD, add_help_option=False)
    def missing() -> None:
        raise MissingExtra(f"'paceline {entry.name}' cannot load {cause.name or entry.module}: {remedy}") from cause

    return get_group(program).commands[entry.name]
