import time
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from paceline.ids import derived_id, derived_ids, new_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PARTS = st.lists(st.text(), min_size=1, max_size=4)


def number(op_id: str) -> int:
    value = 0
    for character in op_id:
        value = value * 32 + ALPHABET.index(character)
    return value


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def test_the_alphabet_sorts_as_its_digits_do() -> None:
    """The characters of an id are in the order of their values, so ids sort as numbers do."""
    assert "".join(sorted(ALPHABET)) == ALPHABET


def test_a_new_id_begins_with_its_millisecond() -> None:
    """The upper 48 bits of a new id are the time it was made, so later ids sort after earlier ones."""
    before, op_id, after = milliseconds(), new_id(), milliseconds()
    assert before <= number(op_id) >> 80 <= after


def test_a_new_id_has_the_layout_of_ulid() -> None:
    """26 characters of Crockford's alphabet, the first of them below 8."""
    op_id = new_id()
    assert len(op_id) == 26
    assert set(op_id) <= set(ALPHABET)
    assert op_id[0] in "01234567"


def test_new_ids_do_not_repeat() -> None:
    """80 random bits keep ids of one millisecond apart."""
    assert len({new_id() for _ in range(10_000)}) == 10_000


@given(PARTS)
def test_a_derived_id_depends_on_its_parts_alone(parts: list[str]) -> None:
    """The same parts always give the same id, in the form of all ids."""
    op_id = derived_id(*parts)
    assert op_id == derived_id(*parts)
    assert len(op_id) == 26
    assert set(op_id) <= set(ALPHABET)


@given(PARTS, PARTS)
def test_different_parts_give_different_ids(one: list[str], other: list[str]) -> None:
    """Ids are equal exactly if the parts are."""
    assert (one == other) == (derived_id(*one) == derived_id(*other))


@given(st.text(), st.integers(0), st.integers(0))
def test_parts_are_kept_apart(text: str, one: int, other: int) -> None:
    """Where a text is cut into parts matters: ("a", "bc") is not ("ab", "c")."""
    first, second = one % (len(text) + 1), other % (len(text) + 1)
    ids = {derived_id(text[:cut], text[cut:]) for cut in (first, second)}
    assert len(ids) == len({first, second})


@given(PARTS)
def test_a_derived_id_is_the_hash_of_its_framed_parts(parts: list[str]) -> None:
    """Each part stands behind its length and a colon; the id is the 128 bits of their hash, written in base 32."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    assert int.from_bytes(blake2b(framed.encode(), digest_size=16).digest()) == number(derived_id(*parts))


@given(PARTS, st.lists(st.text(), max_size=3))
def test_ids_with_the_same_first_parts_can_be_derived_together(first: list[str], last: list[str]) -> None:
    """Many ids that differ in their last part alone are the ids that are derived one by one, in any order."""
    derive = derived_ids(*first)
    assert [derived_id(*first, part) for part in last] == [derive(part) for part in last]


def test_derived_ids_are_pinned() -> None:
    """A release that derived other ids would send again what an older one sent."""
    assert derived_id("key", "acme", "order-7") == "4b6t6a0vhydb41hwawatnpr7f4"
    assert derived_id("campaign", "spring", "+15550100002") == "4e9wk9mxh99xh2sd754exewn51"
