"""The users of each GPU in a span, as /history names them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string

from monitor.models.usage import UsageGpu, UsageShare, UsageSlice
from monitor.web.usage.gpu_users import users_of_gpus
from tests.web.usage.ledger_rows import SLICE, fill

pytestmark = pytest.mark.django_db(databases=["default", "history"])
NOW = 1_800_000_000.0
IN_SPAN = "monitor/fragments/history/in_span.html"


def shares(start: float, end: float) -> dict[str, Counter[str]]:
    """Added up one by one: the users of each GPU by what they had of it."""
    found: dict[str, Counter[str]] = {}
    rows = UsageShare.objects.filter(start__gte=start, start__lt=end).select_related("gpu", "holder")
    for row in rows:
        found.setdefault(row.gpu.uuid, Counter())[row.holder.user] += row.share_ms
    return found


def test_two_users_with_the_largest_shares_are_named_and_the_others_counted() -> None:
    fill(NOW, days=3)
    start, end = NOW // SLICE * SLICE - 2 * 86400, NOW // SLICE * SLICE
    told = users_of_gpus(start, end, now=NOW)
    assert len(told) == 8
    for uuid, of_gpu in shares(start, end).items():
        names, _, more = told[uuid].partition(" +")
        most = sorted(of_gpu.values(), reverse=True)[:2]
        assert [of_gpu[name] for name in names.split(", ")] == most
        assert int(more or 0) == len(of_gpu) - len(most)


def test_gpu_that_nobody_used_in_the_span_is_left_out() -> None:
    gpu = UsageGpu.objects.create(uuid="GPU-0", index=0, name="H100", host="dgx")
    UsageSlice.objects.create(
        gpu=gpu, start=int(NOW) // SLICE * SLICE - SLICE, busy_ms=0, held_ms=0, nobody_ms=0, free_ms=SLICE * 1000, lost_ms=0,
        unread_ms=0, energy_joules=0, energy_ms=0,
    )  # fmt: skip
    assert users_of_gpus(NOW - 86400, NOW, now=NOW) == {}


@pytest.mark.parametrize("users", [None, {"GPU-0": "<b>mira, jo +1"}])
def test_list_of_the_span_carries_the_users_only_for_those_who_may_see_them(users: dict[str, str] | None) -> None:
    bar = SimpleNamespace(start=datetime.now(UTC), end=datetime.now(UTC), span=SimpleNamespace(range="1h"))
    html = render_to_string(IN_SPAN, {"shown": None, "bar": bar, "users": users, "users_json": json.dumps(users or {})})
    assert ("data-users" in html) == (users is not None)
    assert "<b>" not in html
