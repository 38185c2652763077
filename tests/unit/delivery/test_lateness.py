"""What a worker measures between a grant and its call."""

from paceline_worker.delivery.lateness import Way


def test_a_new_worker_begins_just_before_the_slot() -> None:
    """Ten milliseconds are enough on a near server; the way is longer by the hand-over."""
    way = Way()
    assert (0.01, 0.015) == (way.ahead_s, way.least_s)


def test_a_distant_state_server_is_asked_earlier() -> None:
    """A round trip of 200 ms: begin comes that much before the slot, and grants run that much further ahead."""
    way = Way()
    for _ in range(20):
        way.looked(0.2)
        way.arrived(0.11)
        way.asked(0.21, 0.105)
    assert 0.21 <= way.ahead_s < 0.24
    assert 0.28 < way.least_s <= 0.32
    assert 0.62 <= way.most_s < 0.7
    assert 105_000 <= way.notice_us < 115_000


def test_lateness_is_the_mean_of_what_was_late_since_the_last_look() -> None:
    """What was in time counts as nothing, not as a credit."""
    way = Way()
    way.carries(40)
    for late_s in (-1.0, 0.0, 0.3):
        way.ready(late_s)
    found = way.take(load=7)
    assert (0.1, 3, 40) == (round(found.mean_s, 6), found.samples, found.load)
    assert (0.0, 0, 7) == ((again := way.take(load=7)).mean_s, again.samples, again.load)
