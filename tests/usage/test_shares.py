"""How one reading divides a GPU among its holders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.usage.holders import DIMENSIONS, Holder
from monitor.usage.shares import Division, Portion, Use
from tests.support.snapshots import GIB

names = st.sampled_from(["", "a", "b"])
holders = st.builds(Holder, user=names, container=names, program=names, command=names, job=names)
uses = st.tuples(st.none() | st.integers(0, 80 * GIB), st.none() | st.floats(0, 100))


@given(st.lists(st.tuples(holders, uses), min_size=1, max_size=6), st.none() | st.floats(0, 100))
def test_shares_energy_and_occupied_time_are_whole(listed: list[tuple[Holder, Use]], utilization: float | None) -> None:
    portions = divided(listed, utilization)
    assert sum(each.share for each in portions) == pytest.approx(1)
    assert sum(each.energy for each in portions) == pytest.approx(1)
    assert all(each.sm_percent is None or 0 <= each.sm_percent <= 100 for each in portions)
    for place in range(len(DIMENSIONS)):
        values = {each.holder[place] for each in portions}
        for value in values:
            occupied = sum(each.occupied[place] for each in portions if each.holder[place] == value)
            assert occupied == pytest.approx(1)


def divided(listed: list[tuple[Holder, Use]], utilization: float | None) -> list[Portion]:
    division = Division([holder for holder, _use in listed])
    return division.portions([use for _holder, use in listed], utilization_percent=utilization, idle_percent=5.0)


def portions_of(*uses: tuple[str, int | None, float | None], utilization: float | None = 50.0) -> dict[str, Portion]:
    listed = [
        (Holder(user=user, command=f"job {place}"), (memory, time)) for place, (user, memory, time) in enumerate(uses)
    ]
    return {f"{each.holder.user} {each.holder.command}": each for each in divided(listed, utilization)}


def test_users_share_equally_whatever_the_number_of_their_processes() -> None:
    found = portions_of(("ana", GIB, 10.0), ("ana", GIB, 10.0), ("bo", GIB, 60.0))
    assert [each.share for each in found.values()] == [0.25, 0.25, 0.5]
    assert [each.energy for each in found.values()] == [0.125, 0.125, 0.75]


def test_small_context_has_no_share_unless_it_works_or_its_size_is_unknown() -> None:
    assert [each.share for each in portions_of(("ana", 8 * GIB, 0.0), ("gdm", 4 << 20, 1.0)).values()] == [1.0, 0.0]
    assert [each.share for each in portions_of(("ana", 8 * GIB, 0.0), ("bo", 4 << 20, 40.0)).values()] == [0.5, 0.5]
    assert [each.share for each in portions_of(("ana", 8 * GIB, 0.0), ("bo", None, 0.0)).values()] == [0.5, 0.5]


def test_utilization_stands_for_one_holder_without_sm_time_and_0_for_all() -> None:
    (only,) = portions_of(("ana", GIB, None), utilization=70.0).values()
    assert only.sm_percent == 70.0
    assert [each.sm_percent for each in portions_of(("ana", 1, None), ("bo", 1, None)).values()] == [None, None]
    idle = portions_of(("ana", 1, None), ("bo", 1, None), utilization=0.0)
    assert [each.sm_percent for each in idle.values()] == [0.0, 0.0]
    assert [each.energy for each in idle.values()] == [0.5, 0.5], "by share: nobody worked"
