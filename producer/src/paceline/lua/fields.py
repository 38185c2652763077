"""Names of stored fields: the one dictionary, `lua/fields.lua`, as scripts and programs use it.

State stores an operation under codes of one to three letters, because there are millions of operations. Nobody else writes a code:
a script is given codes for names when it is loaded (`with_codes`), and a program reads and writes by name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

_HEADING: Final = re.compile(r"-- (?P<key>[a-z]+:\S+) (?P<what>[^()]*?)(?: \((?P<variables>[a-z, ]+)\))?")
_FIELD: Final = re.compile(r"--   (?P<code>[a-z_0-9]+) +(?P<name>[a-z_0-9]+) +(?P<meaning>\S.*)")
# `field.o.outcome`, `o.outcome` of a variable that holds an operation, or `campaign.of(...).hold`. A method's name is followed by a
# parenthesis.
_NAMED: Final = re.compile(
    r"\bfield\.(?P<catalogue>[a-z]+)\.(?P<literal>[a-z_0-9]+)"
    r"|(?<![.\w])(?P<variable>[a-z]+|campaign\.of\((?:[^()]|\([^()]*\))*\))\.(?P<name>[a-z_0-9]+)\b(?!\()"
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a stored hash.

    Args:
        code: as state stores it.
        name: as scripts and programs call it.
        meaning: of its value.
    """

    code: str
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The fields of one kind of hash.

    Args:
        key: what its keys look like, such as ``o:<id>``.
        what: what it is.
        variables: names of variables that hold one in scripts.
        fields: all of them.
    """

    key: str
    what: str
    variables: tuple[str, ...]
    fields: tuple[Field, ...]
    _codes: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _names: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_codes", {one.name: one.code for one in self.fields})
        object.__setattr__(self, "_names", {one.code: one.name for one in self.fields})

    @property
    def prefix(self) -> str:
        """What `field` is followed by in scripts: the first part of its keys."""
        return self.key.partition(":")[0]

    def code(self, name: str) -> str:
        """The code of a field.

        Raises:
            KeyError: lua/fields.lua does not declare it.
        """
        return self._codes[name]

    def has(self, name: str) -> bool:
        """Whether there is a field of this name."""
        return name in self._codes

    def coded(self, **values: str) -> dict[str, str]:
        """Fields by name as state stores them.

        Raises:
            KeyError: lua/fields.lua does not declare one of them.
        """
        return {self._codes[name]: value for name, value in values.items()}

    def named(self, stored: Mapping[str, str]) -> dict[str, str]:
        """What state stores, by name. Fields that this release does not know are left out."""
        return {self._names[code]: value for code, value in stored.items() if code in self._names}


@cache
def catalogues() -> tuple[Catalogue, ...]:
    """All of them, in the order of lua/fields.lua."""
    return tuple(_read((files("paceline") / "lua" / "fields.lua").read_text("utf-8")))


def _read(text: str) -> list[Catalogue]:
    found: list[Catalogue] = []
    heading: re.Match[str] | None = None
    fields: list[Field] = []
    for line in [*text.splitlines(), "--"]:
        if match := _FIELD.fullmatch(line):
            fields.append(Field(**match.groupdict()))
            continue
        if heading and fields:
            variables = tuple((heading["variables"] or "").replace(" ", "").split(","))
            found.append(Catalogue(heading["key"], heading["what"], tuple(filter(None, variables)), tuple(fields)))
        heading, fields = _HEADING.fullmatch(line), []
    return found


def catalogue(prefix: str) -> Catalogue:
    """The fields of the keys that begin so: ``o``, ``c``, ``a``, ``about``, ``secret``, ``hook`` or ``l``."""
    return next(one for one in catalogues() if one.prefix == prefix)


OPERATION: Final = catalogue("o")
CAMPAIGN: Final = catalogue("c")
ACCOUNT: Final = catalogue("a")
ABOUT: Final = catalogue("about")
LANE: Final = catalogue("l")


def with_codes(text: str) -> str:
    """A script with the codes of fields in place of their names.

    Args:
        text: as it is written.

    Returns:
        As state runs it.

    Raises:
        KeyError: it names a field that lua/fields.lua does not declare.
    """
    by_variable = {variable: one for one in catalogues() for variable in one.variables}

    def coded(match: re.Match[str]) -> str:
        if match["catalogue"]:
            return f"'{catalogue(match['catalogue']).code(match['literal'])}'"
        named = CAMPAIGN if match["variable"].endswith(")") else by_variable.get(match["variable"])
        if named is None or not named.has(match["name"]):
            return match[0]
        return f"{_NAMED.sub(coded, match['variable'])}.{named.code(match['name'])}"

    return "\n".join(_coded_line(line, coded) for line in text.split("\n"))


def _coded_line(line: str, coded: Callable[[re.Match[str]], str]) -> str:
    """Comments stay as they are."""
    code, dashes, comment = line.partition("--")
    return _NAMED.sub(coded, code) + dashes + comment
