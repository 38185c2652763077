"""When operations leave: schedules that anybody can check, and a slot-by-slot simulator beside the forecast."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.forecast.backlog import Departure, Lane, Pace, Place, Quota, Source
from paceline.forecast.flow import departures

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# 10/minute, spacing.
INTERVAL = 6_100_000
START = 1_769_860_800_000_000
PACE = Pace(INTERVAL, START)
SENDER, OTHER = "+15550100001", "+15550100002"

Key = tuple[str, str | None]


def lane(
    *sources: Source, sender: str = SENDER, transactional: int = 0, paused_until_us: int = 0, cycle_us: int = 0
) -> Lane:
    return Lane(sender, transactional, sources, paused_until_us, cycle_us)


def bulk(name: str, *positions: int) -> list[Place]:
    return [Place(SENDER, name, position) for position in positions]


def when(lanes: Sequence[Lane], pace: Pace, places: Sequence[Place]) -> list[int | None]:
    """Departures in us after the first slot."""
    return [found.at_us - pace.next_slot_us if found else None for found in departures(lanes, pace, places)]


def slots(lanes: Sequence[Lane], places: Sequence[Place], pace: Pace = PACE) -> list[float | None]:
    """Departures in slots after the first, to a thousandth."""
    return [None if at is None else round(at / pace.interval_us, 3) for at in when(lanes, pace, places)]


def test_alone_every_operation_has_its_slot() -> None:
    """A list with the account to itself leaves one interval after the other, exactly, however long it is."""
    positions = [0, 1, 2, 999, 1_000_000]
    expected = [Departure(START + position * INTERVAL, position) for position in positions]
    assert expected == departures([lane(Source("spring", 1_000_001))], PACE, bulk("spring", *positions))
    transactional = [Place(SENDER, None, position) for position in positions]
    assert expected == departures([lane(transactional=1_000_001)], PACE, transactional)


@pytest.mark.parametrize(
    ("sources", "places", "expected"),
    [
        # Weights 1 and 3: of four turns a has one. Both are empty at the same time.
        ([Source("a", 100), Source("b", 300, 3)], [*bulk("a", 0, 1, 99), *bulk("b", 3, 297)], [0, 4, 396, 4, 396]),
        # 1, 2 and 3: of six turns one, two and three. a is empty after 60; then b has two of five, and is empty after
        # 60 + (100 - 20) * 5 / 2 = 260; by then c has had 30 + 120, and has the rest to itself.
        (
            [Source("a", 10), Source("b", 100, 2), Source("c", 300, 3)],
            [*bulk("a", 9), *bulk("b", 18, 90), *bulk("c", 30, 150, 299)],
            [54, 54, 235, 60, 260, 409],
        ),
        ([Source("a", 10), Source("b", 1000, paused=True)], [*bulk("a", 9), *bulk("b", 0)], [9, None]),
        ([Source("a", 10), Source("b", 0, 9)], [*bulk("a", 9), *bulk("b", 0)], [9, None]),
        (
            [Source("a", 10), Source("b", 10, free_at_us=START + 4 * INTERVAL)],
            [*bulk("a", 3, 5), *bulk("b", 0)],
            [3, 6, 4],
        ),
    ],
    ids=["1:3", "1:2:3", "paused", "empty", "later"],
)
def test_sources_share_their_lane_by_weight(
    sources: list[Source], places: list[Place], expected: list[float | None]
) -> None:
    """Turns are shared in proportion to weights, among those that can use them."""
    assert expected == slots([lane(*sources)], places)


def test_lanes_take_equal_turns() -> None:
    """A lane has half of the turns of two, whatever the weights inside, until one is empty."""
    lanes = [lane(Source("a", 10, 9)), lane(Source("b", 5), Source("c", 100), sender=OTHER)]
    places = [*bulk("a", 9), Place(OTHER, "b", 2), Place(OTHER, "c", 2), Place(OTHER, "c", 99)]
    assert [18, 8, 8, 114] == slots(lanes, places)


def test_transactional_work_leaves_first() -> None:
    """All transactional lanes in turn, and only then bulk; `ahead` counts them all."""
    lanes = [lane(Source("a", 10), transactional=5), lane(transactional=20, sender=OTHER)]
    places = [Place(SENDER, None, 4), Place(OTHER, None, 4), Place(OTHER, None, 19), *bulk("a", 0, 9)]
    assert [8, 8, 24, 25, 34] == slots(lanes, places)
    assert [8, 8, 24, 25, 34] == [found.ahead for found in departures(lanes, PACE, places) if found]


def test_a_paused_lane_leaves_its_turns_to_others() -> None:
    """The head of a paused lane leaves when the pause ends; until then the others have the account."""
    lanes = [
        lane(Source("a", 10), paused_until_us=START + 10 * INTERVAL),
        lane(Source("b", 30), sender=OTHER),
    ]
    assert [10, 28, 9, 18, 39] == slots(lanes, [*bulk("a", 0, 9), *(Place(OTHER, "b", at) for at in (9, 14, 29))])


def test_what_does_not_fit_into_a_window_leaves_in_the_next() -> None:
    """An hour holds 591 operations, the first at its beginning; the rest waits for tomorrow, and then for ever."""
    openings = ((START + 9 * HOUR, START + 10 * HOUR), (START + 33 * HOUR, START + 34 * HOUR))
    source = Source("a", 2000, openings=openings)
    expected = [9 * HOUR, 9 * HOUR + 590 * INTERVAL, 33 * HOUR, 33 * HOUR + 590 * INTERVAL, None]
    assert expected == when([lane(source)], PACE, bulk("a", 0, 590, 591, 1181, 1182))


def test_an_operation_does_not_leave_in_the_instant_in_which_its_window_closes() -> None:
    """An opening of three intervals holds three operations."""
    openings = ((START, START + 3 * INTERVAL), (START + DAY, START + 2 * DAY))
    assert [2 * INTERVAL, DAY] == when([lane(Source("a", 9, openings=openings))], PACE, bulk("a", 2, 3))


def test_another_source_uses_the_time_in_which_a_window_is_closed() -> None:
    """What is closed takes no turns, and what is open later comes in then."""
    night = Source("a", 10, openings=((START + 100 * INTERVAL, START + DAY),))
    assert [99, 118, 100, 118] == slots([lane(night, Source("b", 110))], [*bulk("b", 99, 109), *bulk("a", 0, 9)])


@pytest.mark.parametrize(
    ("cap_us", "others", "expected_us"),
    [
        (20 * SECOND, 0, 20 * SECOND),
        (SECOND, 0, INTERVAL),
        # Beside one that takes every slot it can get, 20 s becomes the next slot: 4 * 6.1 s.
        (20 * SECOND, 100_000, 4 * INTERVAL),
        (SECOND, 100_000, 2 * INTERVAL),
    ],
)
def test_a_cap_keeps_operations_of_a_source_apart(cap_us: int, others: int, expected_us: int) -> None:
    """A source is as fast as its cap, its share and the account let it be."""
    lanes = [lane(Source("a", 1000, interval_us=cap_us), Source("b", others))]
    assert [0, expected_us, 999 * expected_us] == when(lanes, PACE, bulk("a", 0, 1, 999))


def test_what_a_cap_leaves_goes_to_others() -> None:
    """Of a source that may have each tenth slot at most, nine go to the other."""
    sources = [Source("a", 10, 5, interval_us=10 * INTERVAL), Source("b", 90)]
    assert [90, 90] == slots([lane(*sources)], [*bulk("a", 9), *bulk("b", 81)])


@pytest.mark.parametrize(
    ("quota", "expected_us"),
    [
        # 1000/day: each day a thousand, one interval after the other.
        (Quota(1000, DAY), [0, 999 * INTERVAL, DAY, DAY + 999 * INTERVAL, 2 * DAY + 499 * INTERVAL]),
        # 400 left in a row, from an hour ago on: they are given back in a row, from an hour before tomorrow's slot on.
        (
            Quota(1000, DAY, 400, START - HOUR),
            [0, DAY - HOUR + 399 * INTERVAL, DAY, 2 * DAY - HOUR + 399 * INTERVAL, 2 * DAY + 499 * INTERVAL],
        ),
        # All of it left one a minute until a minute ago: so it is given back.
        (
            Quota(1000, DAY, 1000, START - 1000 * MINUTE, START - MINUTE),
            [DAY - 1000 * MINUTE, DAY - MINUTE, 2 * DAY - 1000 * MINUTE, 2 * DAY - MINUTE, 3 * DAY - 501 * MINUTE],
        ),
        # The limit was lowered: half of what left has to be a day old before there is room for one.
        (
            Quota(1000, DAY, 2000, START - 2000 * MINUTE // 2, START - MINUTE // 2),
            [
                DAY - 500 * MINUTE,
                DAY - MINUTE // 2,
                2 * DAY - 500 * MINUTE,
                2 * DAY - MINUTE // 2,
                3 * DAY - 501 * MINUTE // 2,
            ],
        ),
    ],
    ids=["unused", "used in a row", "used evenly", "lowered"],
)
def test_a_quota_gives_back_what_left_one_window_ago(quota: Quota, expected_us: list[int]) -> None:
    """Beside 10/minute a daily quota lets so many leave a day, at the times at which others left the day before."""
    pace = replace(PACE, quotas=(quota,))
    assert expected_us == when([lane(Source("a", 2500))], pace, bulk("a", 0, 999, 1000, 1999, 2499))


def test_a_small_quota_and_much_that_waits_come_to_an_end() -> None:
    """Two in two hours of a million, which is one an hour: from some day on the average is near enough."""
    pace = replace(PACE, quotas=(Quota(2, 2 * HOUR), Quota(100, 2 * DAY)))
    (found,) = when([lane(Source("a", 1_000_000))], pace, bulk("a", 999_999))
    assert 1_000_000 * HOUR == pytest.approx(found, rel=0.001)


def test_bulk_leaves_a_reserve() -> None:
    """Bulk takes only its own slots, and transactional work all of them."""
    pace = replace(PACE, bulk_interval_us=2 * INTERVAL)
    lanes = [lane(Source("a", 10), Source("b", 10), transactional=5)]
    assert [4, 5, 9, 41] == slots(lanes, [Place(SENDER, None, 4), *bulk("a", 0, 1, 9)], pace)


def test_a_sender_has_one_call_in_flight() -> None:
    """Calls of a sender that take longer than the interval are as far apart as they take; another sender goes on."""
    slow = lane(Source("a", 100), cycle_us=20 * SECOND)
    assert [0, 99 * 20 * SECOND] == when([slow], PACE, bulk("a", 0, 99))
    both = [slow, lane(Source("b", 300), sender=OTHER)]
    assert [99 * 4, 297 * 4 / 3] == slots(both, [*bulk("a", 99), Place(OTHER, "b", 297)])


@pytest.mark.parametrize(
    "place",
    [
        Place(SENDER, "a", 10),
        Place(SENDER, None, 0),
        Place(SENDER, "b", 0),
        Place(OTHER, "a", 0),
        Place(SENDER, "paused", 0),
        Place(SENDER, "closed", 0),
    ],
)
def test_what_does_not_wait_or_may_not_leave_has_no_departure(place: Place) -> None:
    """Beyond the end of a list, of no list, paused, or without an opening to come: never, and others are not held up."""
    closed = Source("closed", 5, openings=((START - DAY, START - HOUR),))
    lanes = [lane(Source("a", 10), Source("paused", 5, paused=True), closed)]
    assert [None, 9] == slots(lanes, [place, *bulk("a", 9)])


# The same account slot by slot: each operation is counted, nothing flows.


def waiting_of(lanes: Sequence[Lane]) -> dict[Key, int]:
    """How many wait in each list."""
    transactional: dict[Key, int] = {(each.sender, None): each.transactional for each in lanes}
    return transactional | {(each.sender, source.name): source.waiting for each in lanes for source in each.sources}


def discrete(lanes: Sequence[Lane], pace: Pace) -> dict[tuple[str, str | None, int], int]:
    """When each operation leaves: the least recently served lane, in it the source with the smallest tag."""
    queues = [(each, source) for each in lanes for source in (None, *each.sources)]
    left = waiting_of(lanes)
    lane_free = {each.sender: each.paused_until_us for each in lanes}
    source_free = {(each.sender, source.name): source.free_at_us for each, source in queues if source}
    done: Counter[Key] = Counter()
    turn: Counter[tuple[str, bool]] = Counter()
    tags: dict[Key, float] = dict.fromkeys(left, 0.0)
    reached: dict[str, float] = dict.fromkeys(lane_free, 0.0)
    taken = [pace.next_slot_us]
    log = sorted(quota.oldest_us + number * pace.interval_us for quota in pace.quotas for number in range(quota.used))
    bulk_free = 0
    leaves: dict[tuple[str, str | None, int], int] = {}

    def opens(each: Lane, source: Source | None, at: int) -> int | None:
        if not left[each.sender, source.name if source else None] or (source and source.paused):
            return None
        at = max(at, lane_free[each.sender])
        if source is None:
            return at
        at = max(at, source_free[each.sender, source.name], bulk_free)
        if source.openings is None:
            return at
        return next((max(at, begin) for begin, end in source.openings if max(at, begin) < end), None)

    now = taken[0]
    while True:
        for quota in pace.quotas:
            if len(log) >= quota.n:
                now = max(now, log[-quota.n] + quota.window_us)
        times = [(at, each, source) for each, source in queues if (at := opens(each, source, now)) is not None]
        if not times:
            return leaves
        ready = [(each, source) for at, each, source in times if at <= now]
        if not ready:
            now = min(at for at, _, _ in times)
            continue
        is_bulk = all(source for _, source in ready)
        ready = [(each, source) for each, source in ready if is_bulk or source is None]
        each = min((each for each, _ in ready), key=lambda one: turn[one.sender, is_bulk])
        turn[each.sender, is_bulk] = len(leaves) + 1
        key: Key = (each.sender, None)
        if is_bulk:
            sources = {(each.sender, source.name): source for other, source in ready if other is each and source}
            tags |= {one: max(tags[one], reached[each.sender]) for one in sources}
            key = min(sources, key=lambda one: tags[one])
            reached[each.sender] = tags[key]
            tags[key] += 1 / sources[key].weight
            source_free[each.sender, sources[key].name] = now + sources[key].interval_us
            bulk_free = now + pace.bulk_interval_us
        leaves[*key, done[key]] = now
        done[key] += 1
        left[key] -= 1
        lane_free[each.sender] = now + each.cycle_us
        log.append(now)
        now += pace.interval_us


def some_openings(most: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    ends = st.lists(st.integers(0, 200 * INTERVAL), min_size=2, max_size=2 * most, unique=True)
    return ends.map(lambda times: tuple(pairwise(sorted(START + at for at in times)))[::2])


def sources(*, windows: bool) -> st.SearchStrategy[list[Source]]:
    return st.lists(
        st.builds(
            Source,
            name=st.sampled_from("abc"),
            waiting=st.integers(0, 60),
            weight=st.integers(1, 5),
            paused=st.sampled_from([False, False, False, True]),
            free_at_us=st.just(0) | st.integers(START, START + 50 * INTERVAL),
            openings=(st.none() | some_openings(3)) if windows else st.none(),
        ),
        max_size=3,
        unique_by=lambda source: source.name,
    )


def accounts(*, windows: bool = False) -> st.SearchStrategy[list[Lane]]:
    return st.lists(
        st.builds(
            Lane,
            sender=st.sampled_from([SENDER, OTHER]),
            transactional=st.just(0) | st.integers(0, 40),
            sources=sources(windows=windows).map(tuple),
            paused_until_us=st.just(0) | st.integers(START, START + 50 * INTERVAL),
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda each: each.sender,
    )


def quotas() -> st.SearchStrategy[tuple[Quota, ...]]:
    """None, or one that may be partly used, in a row until now."""
    one = st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(1, 60 * INTERVAL)).map(
        lambda of: Quota(of[0], of[2] + of[0] * INTERVAL, min(of[:2]), START - min(of[:2]) * INTERVAL)
    )
    return st.just(()) | st.tuples(one)


PACES = st.builds(
    Pace,
    interval_us=st.just(INTERVAL),
    next_slot_us=st.just(START),
    bulk_interval_us=st.sampled_from([0, INTERVAL, 2 * INTERVAL, 3 * INTERVAL // 2]),
    quotas=quotas(),
)


def places_of(lanes: Sequence[Lane]) -> dict[Key, list[Place]]:
    """All places, by list."""
    return {key: [Place(*key, position) for position in range(count)] for key, count in waiting_of(lanes).items()}


def assert_near(lanes: Sequence[Lane], pace: Pace, places: int) -> None:
    """No operation leaves before the forecast of one so many places earlier, or after that of one so many later.

    Places and not time: one turn may decide whether it leaves just before or just after a long interruption.
    """
    exact = discrete(lanes, pace)
    slack = places * pace.interval_us
    for (sender, name), line in places_of(lanes).items():
        told = departures(lanes, pace, line)
        for position in range(len(line)):
            at = exact.get((sender, name, position))
            before = told[position - places] if position >= places else None
            after = told[position + places] if position + places < len(line) else None
            if at is None:
                assert after is None
                continue
            if position >= places:
                assert before is not None
                assert before.at_us - slack <= at
            if after is not None:
                assert at <= after.at_us + slack


@given(accounts(), PACES)
def test_the_forecast_is_within_three_places_of_a_simulation(lanes: list[Lane], pace: Pace) -> None:
    """Weights, pauses, transactional work, a reserve and a quota, against the account slot by slot."""
    assert_near(lanes, pace, 3)


@given(accounts(windows=True), PACES)
def test_with_windows_it_is_within_a_few_places_more(lanes: list[Lane], pace: Pace) -> None:
    """Each time that a window closes, up to an operation may be on the other side of it."""
    assert_near(lanes, pace, 6)


@given(st.integers(0, 40 * SECOND), st.integers(1, 5), st.integers(1, 80), st.integers(0, 80), st.booleans())
def test_a_cap_or_a_cycle_beside_one_without(gap: int, weight: int, waiting: int, others: int, caps: bool) -> None:
    """A source with a cap beside one without, and a sender whose calls take long beside another."""
    if caps:
        lanes = [lane(Source("a", waiting, weight, interval_us=gap), Source("b", others))]
    else:
        lanes = [lane(Source("a", waiting), cycle_us=gap), lane(Source("b", others), sender=OTHER)]
    assert_near(lanes, PACE, 3)


@given(accounts(windows=True), PACES)
def test_later_in_a_list_is_never_earlier(lanes: list[Lane], pace: Pace) -> None:
    """Departures of a list are in its order, and what has none has none behind it."""
    for line in places_of(lanes).values():
        times = when(lanes, pace, line)
        assert times == sorted(times, key=lambda at: float("inf") if at is None else at)


@given(accounts(windows=True), PACES)
def test_asking_for_several_places_is_asking_for_each(lanes: list[Lane], pace: Pace) -> None:
    """What is asked for changes nothing, so equal questions have equal answers."""
    places = [place for line in places_of(lanes).values() for place in line]
    assert departures(lanes, pace, places[::7]) == [departures(lanes, pace, [place])[0] for place in places[::7]]


@given(accounts(), PACES, st.integers(1, 100), st.data())
def test_more_work_elsewhere_makes_nothing_earlier(
    lanes: list[Lane], pace: Pace, more: int, data: st.DataObject
) -> None:
    """More in one list: no operation leaves earlier, but for the rounding of a turn (a quota's turns are long: without)."""
    pace = replace(pace, quotas=())
    grown = data.draw(st.sampled_from(sorted(places_of(lanes), key=str)))
    longer = [
        replace(
            each,
            transactional=each.transactional + more * (grown == (each.sender, None)),
            sources=tuple(
                replace(source, waiting=source.waiting + more * (grown == (each.sender, source.name)))
                for source in each.sources
            ),
        )
        for each in lanes
    ]
    for line in places_of(lanes).values():
        for before, after in zip(when(lanes, pace, line), when(longer, pace, line), strict=True):
            if before is not None:
                assert after is not None
                assert before - INTERVAL <= after
