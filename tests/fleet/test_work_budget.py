"""A host whose messages take the hub's processor: one of 4 MiB can take a second, however few come."""

from __future__ import annotations

from monitor.fleet.work_budget import AT_ONCE_SECONDS, MOST_SHARE, WorkBudget


def test_host_that_takes_too_much_has_to_wait() -> None:
    now = 1000.0
    budget = WorkBudget(lambda: now)
    for _ in range(3600):
        budget.add("usual", 0.9 * MOST_SHARE)
        now += 1
    assert not budget.is_spent("usual")
    for _ in range(30):
        budget.add("greedy", 1.0)
        now += 1
    assert budget.is_spent("greedy")
    assert not budget.is_spent("usual")
    assert not budget.is_spent("new")
    now += (30 - AT_ONCE_SECONDS) / MOST_SHARE
    assert not budget.is_spent("greedy")
