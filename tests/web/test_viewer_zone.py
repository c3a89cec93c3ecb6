"""Times on pages are in the viewer's zone, which the browser names in a cookie."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.viewer_zone import COOKIE, zone_of
from tests.web.alert_rows import event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]

EVENING = datetime(2026, 7, 1, 23, 30, 5, tzinfo=UTC)


def moment(at: datetime, form: str) -> str:
    return Template('{% load moments %}{% moment at "' + form + '" %}').render(Context({"at": at}))


def test_moment_is_in_the_current_zone_with_utc_as_its_title() -> None:
    with timezone.override("Europe/Berlin"):
        assert moment(EVENING, "full") == (
            '<time datetime="2026-07-01T23:30:05.000+00:00" data-form="full" title="1 Jul 2026, 23:30:05 UTC">'
            "2 Jul 2026, 01:30:05 CEST</time>"
        )
        assert moment(EVENING, "short").endswith(">01:30 CEST</time>")


def test_moment_without_a_viewer_is_in_the_servers_zone() -> None:
    shown = timezone.localtime(EVENING, timezone.get_default_timezone())
    assert moment(EVENING, "time").endswith(f">{shown:%H:%M:%S %Z}</time>")


@given(st.text(max_size=40) | st.sampled_from(["../../etc/passwd", "Europe", "/etc/localtime", "Europe/Berlin\0"]))
def test_only_names_of_the_tz_database_are_believed(name: str) -> None:
    request = RequestFactory().get("/")
    request.COOKIES[COOKIE] = name
    zone = zone_of(request)
    assert zone is None or zone.key == name


def seen(zone: str, query: str = "") -> str:
    client = Client()
    if zone:
        client.cookies[COOKIE] = zone
    response = client.get(f"/alerts{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_alert_history_is_grouped_and_filtered_by_the_viewers_days() -> None:
    assert settings.USE_TZ
    event(fired_at=EVENING, state="resolved", resolved_at=EVENING)
    auckland, honolulu = seen("Pacific/Auckland"), seen("Pacific/Honolulu")
    assert re.search(r"Thursday, 2 July 2026", auckland)
    assert re.search(r"Wednesday, 1 July 2026", honolulu)
    assert "fired <time" in auckland
    assert "11:30:05 NZST" in auckland
    assert 'title="1 Jul 2026, 23:30:05 UTC"' in auckland
    assert "No alerts match" in seen("Pacific/Auckland", "?day=2026-07-01")
    assert "11:30:05 NZST" in seen("Pacific/Auckland", "?day=2026-07-02")


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "9999-12-31", "9999-12-30"])
def test_days_at_the_ends_of_the_calendar_are_ignored_or_empty(day: str) -> None:
    for zone in ("Pacific/Auckland", "Pacific/Honolulu"):
        assert "history" in seen(zone, f"?day={day}")
