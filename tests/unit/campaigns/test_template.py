import string
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.errors import InvalidOperation
from paceline.template import Slot, compiled, placeholders, render

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def filled(template: str, values: Mapping[str, str], *, literal_braces: bool = False) -> str:
    """What a row with these columns gets."""
    made = compiled(template, literal_braces=literal_braces)
    return render(made.fields["text"], {slot.name: values[slot.column] for slot in made.slots})


@pytest.mark.parametrize(
    ("names", "text", "template"),
    [
        (set(), "Hello", "Hello"),
        (set(), "", ""),
        ({"name"}, "Hi Ada", "Hi {name}"),
        ({"a", "b"}, "1 and 2, 1", "{a} and {b}, {a}"),
        ({"a_1"}, "x", "{a_1}"),
        ({"_"}, "y", "{_}"),
        (set(), "{name}", "{{name}}"),
        ({"name"}, "{Ada}", "{{{name}}}"),
        ({"a", "b"}, "12", "{a}{b}"),
        (set(), "{}", "{{}}"),
        (set(), "100 %s %d $name", "100 %s %d $name"),
    ],
)
def test_placeholders_are_filled_and_doubled_braces_are_braces(names: set[str], text: str, template: str) -> None:
    """``{name}`` becomes the column's value, and a doubled brace one brace."""
    values = {"name": "Ada", "a": "1", "b": "2", "a_1": "x", "_": "y"}
    assert names == placeholders(template, literal_braces=True)
    assert text == filled(template, values, literal_braces=True)


@pytest.mark.parametrize(
    ("column", "default", "template"),
    [
        ("name", None, "Hi {name}"),
        ("name", "there", "Hi {name|there}"),
        ("name", "", "Hi {name|}"),
        ("name", "my friend, or so", "Hi {name|my friend, or so}"),
        ("First Name", None, "Hi {First Name}"),
        ("pr\u00e9nom", "vous", "Hi {pr\u00e9nom|vous}"),
        ("a\u00f1o", None, "{a\u00f1o}"),
        ("\u0438\u043c\u044f", None, "{\u0438\u043c\u044f}"),
        ("No.".strip("."), None, "{No}"),
        ("price (net)", None, "{price (net)}"),
        ("e-mail", None, "{e-mail}"),
    ],
)
def test_a_placeholder_names_a_column_and_may_have_a_default(column: str, default: str | None, template: str) -> None:
    """Columns are called as they are in people's files: with blanks and accents."""
    [slot] = compiled(template).slots
    assert (column, default) == (slot.column, slot.default)


def test_what_is_stored_has_plain_names_only() -> None:
    """A column with a default, or with a name that is none in a program, gets a short name, each use with its own default one."""
    made = compiled("{name}, {name|you}, {First Name}, {name|you}, {_1}", "https://example.com/{name}.png")
    assert "{name}, {_2}, {_3}, {_2}, {_1}" == made.fields["text"]
    assert "https://example.com/{_4}.png" == made.fields["url"]
    assert ("_4", "name", None, "part") == tuple(getattr(made.slots[-1], part) for part in Slot.__slots__)


def test_a_template_without_defaults_is_stored_as_it_was_in_earlier_releases() -> None:
    """So an upload that was begun before an upgrade goes on after it."""
    assert {"text": "Hi {name} {{}}"} == compiled("Hi {name} {{}}").fields


@pytest.mark.parametrize(
    "template", ["Hi {{name}}", "Hi {{ name }}", "{{1}}", "{{first name}}, {x}", "{{contact.name}}", "{{name|you}}"]
)
def test_doubled_braces_around_a_word_are_refused_with_a_hint(template: str) -> None:
    """Most who write them come from a tool where they are placeholders; they would go out as {name}, to everybody."""
    with pytest.raises(InvalidOperation, match=r"^template: .* would be sent as \{.*\}: write \{.*literal.braces"):
        compiled(template)
    assert compiled(template, literal_braces=True).fields["text"] == template


@pytest.mark.parametrize("template", ["{{{name}}}", "{{}}", "{{!}}", "{{ {name} }}"])
def test_other_doubled_braces_are_braces(template: str) -> None:
    """Nobody could mean a column by them."""
    assert compiled(template).fields["text"] == template


@pytest.mark.parametrize(
    ("words", "url"),
    [
        ("url: holds a doubled brace", "https://example.com/{{code}}.png"),
        ("url: the brace at position 21 ", "https://example.com/{.png"),
        ("url: the brace at position 21 ", "https://example.com/{a.b}.png"),
    ],
)
def test_braces_of_an_address_are_placeholders(words: str, url: str) -> None:
    """Or wrong."""
    with pytest.raises(InvalidOperation, match=f"^{words}"):
        compiled("Hi", url)


@pytest.mark.parametrize(
    ("position", "template"),
    [
        (1, "{"),
        (1, "}"),
        (4, "Hi {"),
        (4, "Hi }"),
        (4, "Hi {}"),
        (4, "Hi {first. name}"),
        (4, "Hi {0}"),
        (4, "Hi {1st}"),
        (4, "Hi { name }"),
        (4, "Hi {name!r}"),
        (4, "Hi {name:>10}"),
        (10, "Hi {name}}"),
        (10, "Hi {{name}"),
        (1, "{name\n}"),
    ],
)
def test_a_stray_brace_is_refused_with_its_position(position: int, template: str) -> None:
    """A brace that is neither doubled nor part of a placeholder is refused, and the message says where it is."""
    with pytest.raises(InvalidOperation, match=rf"^template: .* position {position} "):
        placeholders(template)


@pytest.mark.parametrize(
    "template",
    [
        "{name.__class__}",
        "{name.__class__.__mro__[1].__subclasses__}",
        "{name[0]}",
        "{0.__globals__}",
        "{name!s}",
        "{__class__.__init__}",
    ],
)
def test_a_template_reaches_no_attributes(template: str) -> None:
    """Attributes, indexes and conversions of `str.format` are refused and never evaluated."""
    with pytest.raises(InvalidOperation):
        placeholders(template)
    assert template == render(template, {"name": "Ada"})


def test_a_missing_value_is_named() -> None:
    """A value that is not there is named in the refusal."""
    with pytest.raises(InvalidOperation, match=r"^template: no value for \{name\}$"):
        render("Hi {name}", {"Name": "Ada"})


def test_values_are_not_templates() -> None:
    """What a column holds is put in as it is, braces and all."""
    assert render("Hi {name}", {"name": "{other} {{x}}", "other": "no"}) == "Hi {other} {{x}}"


@given(st.text())
def test_an_escaped_text_renders_to_itself(text: str) -> None:
    """Doubling the braces of any text makes a template without placeholders that renders to the text."""
    assert set() == placeholders(escaped(text), literal_braces=True)
    assert text == filled(escaped(text), {}, literal_braces=True)


@given(st.lists(st.tuples(st.text(string.printable), NAMES, st.text())))
def test_rendering_puts_each_value_in_its_place(parts: list[tuple[str, str, str]]) -> None:
    """A template of texts and placeholders renders to the texts and values in the same order."""
    values = {name: value for _, name, value in parts}
    template = "".join(f"{escaped(text)}{{{name}}}" for text, name, _ in parts)
    assert set(values) == placeholders(template, literal_braces=True)
    assert "".join(text + values[name] for text, name, _ in parts) == filled(template, values, literal_braces=True)


@given(st.text(st.sampled_from("{}a.0_ !:[]|é")))
def test_rendering_never_needs_more_than_the_placeholders(template: str) -> None:
    """A template that `placeholders` accepts can be rendered with just those names."""
    try:
        names = placeholders(template)
    except InvalidOperation:
        return
    assert isinstance(filled(template, dict.fromkeys(names, "x")), str)
