"""How many operations each shard may have in flight."""

from paceline_worker.dispatch.rooms import Rooms, full_pause_s


def test_one_shard_has_the_whole_fleet() -> None:
    rooms = Rooms()
    rooms.looked(0, 150)
    assert 200 == rooms.capacity(0, 200)


def test_a_busy_shard_has_what_the_others_leave() -> None:
    rooms = Rooms(4)
    rooms.told([0, 30, 0, 20], held={0})
    assert 150 == rooms.capacity(0, 200)


def test_no_shard_is_kept_from_its_equal_share() -> None:
    rooms = Rooms(3)
    for shard, load in enumerate((180, 20, 0)):
        rooms.looked(shard, load)
    assert [180, 100, 67] == [rooms.capacity(shard, 200) for shard in range(3)]


def test_own_looks_know_better_than_heartbeats() -> None:
    rooms = Rooms(2)
    rooms.looked(0, 5)
    rooms.told([99, 7], held={0})
    assert ({0: 5}, 12) == (rooms.held({0}), rooms.total)


def test_many_full_shards_are_looked_at_less_often_than_one() -> None:
    """Fifty looks a second in all up to ten shards; beyond, each one within the lead of grants."""
    assert 0.02 == full_pause_s(1)
    assert 0.1 == full_pause_s(5)
    assert 0.2 == full_pause_s(64)


def test_a_shard_that_is_busy_alone_rests_as_briefly_as_the_only_one() -> None:
    """One large account keeps its fleet busy, however many other shards the worker grants for."""
    rooms = Rooms(64)
    rooms.looked(7, 400)
    assert 1 == rooms.busy(frozenset(range(64)))
    rooms.looked(8, 3)
    assert (2, 1) == (rooms.busy({7, 8, 9}), rooms.busy({8, 9}))
