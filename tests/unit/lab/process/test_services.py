from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immtf.lab.guest.boot import ServiceSpec
from immtf.lab.guest.services import LONGEST_PAUSE_S, QUICK_ENDS, STEADY_S, Service, to_start, to_stop, without_ground


def make_service(name: str, *after: str) -> Service:
    return Service(ServiceSpec(name, (name,), after))


def test_a_service_starts_when_all_it_comes_after_is_there() -> None:
    db, web = make_service("db", "/data"), make_service("web", "db")
    assert to_start([db, web], set(), 0.0) == []
    assert to_start([db, web], {"/data"}, 0.0) == [db]
    db.has_started(1, 0.0)
    assert to_start([db, web], {"/data"}, 0.0) == [web]


def test_they_stop_the_other_way_round() -> None:
    db, web = make_service("db"), make_service("web", "db")
    db.has_started(1, 0.0)
    web.has_started(2, 0.0)
    assert to_stop([db, web]) == [web]
    web.kill_at = 5.0
    assert to_stop([db, web]) == []
    web.has_ended(1.0)
    assert to_stop([db, web]) == [db]


def test_ten_quick_ends_are_enough() -> None:
    service, now, pauses = make_service("it"), 0.0, []
    while service.state != "failed":
        service.has_started(1, now)
        service.has_ended(now)
        pauses.append(service.due - now)
        now = service.due
    assert len(pauses) == QUICK_ENDS
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert to_start([service], set(), now + 1000) == []


def test_one_that_ran_for_long_begins_anew() -> None:
    service = make_service("it")
    for _ in range(50):
        service.has_started(1, 0.0)
        service.has_ended(STEADY_S)
    assert (service.state, service.due - STEADY_S) == ("restarting", 0.5)


def test_what_loses_its_ground() -> None:
    db, web, other = make_service("db", "/data"), make_service("web", "db"), make_service("other")
    assert without_ground([db, web, other], ["/data"]) == [db, web]


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=40))
def test_never_a_busy_loop(runs: list[float]) -> None:
    """Whatever a service does, between an end and the next start lie at least half a second and at most ten."""
    service, now = make_service("it"), 0.0
    for seconds in runs:
        if service.state == "failed":
            break
        service.has_started(1, now)
        now += seconds
        service.has_ended(now)
        assert 0.499 <= service.due - now <= LONGEST_PAUSE_S + 0.001
        assert to_start([service], set(), now) == []
        now = service.due
