"""Every stored field is declared once, in lua/fields.lua, and nobody writes a code instead of a name."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

import paceline
import paceline_worker
from paceline.lua.fields import ACCOUNT, CAMPAIGN, LANE, OPERATION, Catalogue, catalogue, catalogues, with_codes

HOMES = (Path(paceline.__file__).parent, Path(paceline_worker.__file__).parent)
SCRIPTS = [path for home in HOMES for path in sorted((home / "lua").rglob("*.lua")) if path.name != "fields.lua"]
MODULES = [path for home in HOMES for path in sorted(home.rglob("*.py"))]
CODES = {one.code for each in catalogues() for one in each.fields if one.code != one.name}
# A call of a hash command: the verb, the key, and what follows it on the line.
HASH = re.compile(
    r"redis\.call\('(?P<verb>H[A-Z]+)', (?P<key>key\.[a-z]+\([^()]*\)|[a-z]+\.[a-z]+|[a-z]+), (?P<rest>.*)"
)
KEYS = {
    "key.operation": OPERATION,
    "o.key": OPERATION,
    "key.campaign": CAMPAIGN,
    "key.account": ACCOUNT,
    "a.key": ACCOUNT,
    "key.lane": LANE,
    "o.lane": LANE,
    "lane": LANE,
    "key.about": catalogue("about"),
    "key.secret": catalogue("secret"),
    "key.hook": catalogue("hook"),
}
# JSON of replies and of files that has such keys: events, begin's answers, units of time.
NOT_FIELDS = {
    "status/view.py": {"at"},
    "delivery/courier.py": {"s"},
    "cli/show/outcomes.py": {"s"},
    "cli/dead.py": {"s", "m"},
    "cli/spans.py": {"s", "m"},
    "campaigns/options.py": {"w"},
    "console/drawing.py": {"n"},
    "gateway/cli.py": {"m"},
    "state/snapshots.py": {"w", "g", "s"},
    "paceline/status/history.py": {"at"},
    "recipients/workbooks.py": {"c", "r", "s", "t", "v", "xf"},
}


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The code of a script, without comments."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        yield number, line.partition("--")[0]


def fields_of(call: re.Match[str]) -> list[str]:
    """The literal fields of a hash command: of HSET every other argument is a value, which may be a letter too."""
    arguments = re.split(r", (?![^(]*\))", call["rest"])
    if call["verb"] == "HINCRBY":
        arguments = arguments[:1]
    places = arguments[::2] if call["verb"] in {"HSET", "HSETNX"} else arguments
    return [found[1] for text in places if (found := re.match(r"'([a-z_0-9]+)'", text)) and ".." not in text]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_writes_a_code(path: Path) -> None:
    """Neither as an attribute of a variable, nor as a field of a hash command."""
    variables = {variable: one for one in catalogues() for variable in one.variables}
    raw = []
    for number, line in lines(path):
        for variable, name in re.findall(r"(?<![.\w])([a-z]+)\.([a-z_0-9]+)\b(?!\()", line):
            known = variables.get(variable)
            if known and not known.has(name) and name in {one.code for one in known.fields}:
                raw.append(f"{path.name}:{number}: {variable}.{name}")
        if (call := HASH.search(line)) and (known := KEYS.get(call["key"].partition("(")[0])):
            strange = {one.code for one in known.fields} - {one.name for one in known.fields}
            raw += [f"{path.name}:{number}: '{word}'" for word in fields_of(call) if word in strange]
    assert [] == raw


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_field_that_a_script_names_is_declared(path: Path) -> None:
    """What stands first in a hash command is a declared field of that hash, or a variable."""
    undeclared = []
    for number, line in lines(path):
        call = HASH.search(line)
        known = KEYS.get(call["key"].partition("(")[0]) if call else None
        if call and known:
            undeclared += [f"{path.name}:{number}: '{word}'" for word in fields_of(call)[:1] if not known.has(word)]
    assert [] == undeclared


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_name_of_a_script_has_a_code(path: Path) -> None:
    """A typing error in `field.o.outcome` is found when the script is loaded."""
    assert "field." not in re.sub(r"--.*", "", with_codes(path.read_text("utf-8")))


def test_no_program_writes_a_code() -> None:
    """A key of a mapping, what it is asked for, and what it is tested for."""
    raw = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[ast.expr | None] = []
            match node:
                case ast.Subscript(slice=ast.Constant() as name):
                    names = [name]
                case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[name, *_]):
                    names = [name]
                case ast.Dict(keys=keys):
                    names = keys
                case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()]):
                    names = [name]
            allowed = {code for end, codes in NOT_FIELDS.items() if str(path).endswith(end) for code in codes}
            raw += [
                f"{path}:{name.lineno}: {name.value}"
                for name in names
                if isinstance(name, ast.Constant) and name.value in CODES - allowed
            ]
    assert [] == raw


def test_the_fields_that_a_grant_reads_are_the_accounts() -> None:
    """account_fields.lua names the fields of a:<acct>; all others are elsewhere."""
    text = (files("paceline_worker") / "lua" / "shared" / "account_fields.lua").read_text("utf-8")
    list_text = text[text.index("gmatch(") + len("gmatch(") : text.index("'%S+'")]
    listed = set(re.findall(r"[a-z_0-9]+", list_text))
    # Counted and kept by scripts alone, never given by a caller.
    own = {"seq", "rb", "rb_at"}
    assert {one.code for one in ACCOUNT.fields} - own == listed


@pytest.mark.parametrize("one", catalogues(), ids=lambda one: one.prefix)
def test_a_code_and_a_name_mean_one_field(one: Catalogue) -> None:
    """Within one kind of hash."""
    assert len(one.fields) == len({each.code for each in one.fields}) == len({each.name for each in one.fields})


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("redis.call('HSET', o.key, 'oc', o.oc)", "redis.call('HSET', o.key, field.o.outcome, o.outcome)"),
        ("if o.c and campaign.of(o.c).k then", "if o.campaign and campaign.of(o.campaign).kind then"),
        ("o.lane, o.source, one.outcome, x.o.outcome", "o.lane, o.source, one.outcome, x.o.outcome"),
        ("local c = c.f  -- c.sender", "local c = c.sender  -- c.sender"),
    ],
)
def test_names_become_codes_when_a_script_is_loaded(expected: str, text: str) -> None:
    """Attributes that no field has stay as they are; so do comments."""
    assert expected == with_codes(text)


def test_an_undeclared_name_is_an_error() -> None:
    """Before the script reaches a server."""
    with pytest.raises(KeyError, match="outcom"):
        with_codes("redis.call('HGET', o.key, field.o.outcom)")


def test_programs_write_by_name() -> None:
    """And read by name; what a later release added is passed over."""
    assert {"oc": "held", "to": "+1"} == OPERATION.coded(outcome="held", to="+1")
    assert {"outcome": "held", "to": "+1"} == OPERATION.named({"oc": "held", "to": "+1", "zzz": "?"})
