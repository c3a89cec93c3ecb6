"""The parameters of /api/alerts, and its records of past alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from monitor.web.api.alerts import DEFAULT_LIMIT, Past, past_wanted, records
from tests.web.alert_rows import NOON, event


def test_without_parameters_only_open_alerts_are_requested() -> None:
    assert past_wanted({}) is None
    assert past_wanted({"state": "open"}) is None


def test_history_is_requested_by_state_time_and_limit() -> None:
    assert past_wanted({"state": "all"}) == Past(is_resolved_only=False, since=None, limit=DEFAULT_LIMIT)
    given = past_wanted({"state": "resolved", "since": "1790000000.5", "limit": "20"})
    assert given == Past(is_resolved_only=True, since=datetime.fromtimestamp(1_790_000_000.5, UTC), limit=20)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"state": "shut"}, "state is 'shut'; it must be open, resolved or all"),
        ({"state": "all", "since": "yesterday"}, "since is 'yesterday'; it must be a time in Unix seconds"),
        ({"state": "all", "since": "nan"}, "since is 'nan'"),
        ({"state": "all", "since": "1e300"}, "since is '1e300'"),
        ({"state": "all", "limit": "0"}, "limit is '0'; it must be a whole number from 1 to 1000"),
        ({"state": "all", "limit": "1001"}, "limit is '1001'"),
        ({"state": "all", "limit": "0000010009999"}, "limit is '0000010009999'"),
        ({"state": "all", "limit": "٣"}, "limit is '٣'"),
        ({"limit": "5"}, "limit applies to the history: add state=resolved or state=all"),
        ({"stat": "all"}, "unknown parameter 'stat'; known are state, since, limit"),
    ],
)
def test_invalid_parameter_is_named_with_its_allowed_values(query: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError) as error:
        past_wanted(query)
    assert told in str(error.value)


@pytest.mark.django_db
def test_records_list_the_rows_newest_first_with_unknown_as_null() -> None:
    ana = User.objects.create_user("ana")
    old = event(60, acknowledged_at=NOON, acknowledged_by=ana, note="Known", resolved_because="the value fell")
    bare = event(
        5, state="firing", gpu_uuid="", gpu_index=None, gpu_name="", metric="", value=None, worst_value=None,
        threshold=None,
    )  # fmt: skip
    every = records(Past(is_resolved_only=False, since=None, limit=10), has_details=True)
    assert [record.id for record in every] == [str(bare.id), str(old.id)]
    assert (every[0].gpu_uuid, every[0].metric, every[0].detail, every[0].resolved_at, every[0].note) == (None,) * 5
    assert (every[1].acknowledged_by, every[1].note, every[1].worst_value) == ("ana", "Known", 99.0)
    assert every[1].resolved_at == every[1].fired_at + 120
    assert [record.id for record in records(Past(is_resolved_only=True, since=None, limit=10), has_details=True)] == [
        str(old.id)
    ]
    since = NOON - timedelta(minutes=30)
    assert [record.id for record in records(Past(is_resolved_only=False, since=since, limit=10), has_details=True)] == [
        str(bare.id)
    ]
    assert len(records(Past(is_resolved_only=False, since=None, limit=1), has_details=True)) == 1
