"""Receivers that ask for a pause: Retry-After as seconds and as a date, within bounds."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.models import Delivery
from monitor.notifications import delivery_queue
from monitor.notifications.webhook_client import LONGEST_RETRY_AFTER_SECONDS, retry_after_seconds
from tests.support.outbox_rows import NOON, a_channel, a_rule, fire

NOW = NOON.timestamp()


def http_date(seconds: float) -> str:
    return format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "60"}, 60),
        ({"Retry-After": " 0 "}, 0),
        ({"Retry-After": "9" * 400}, LONGEST_RETRY_AFTER_SECONDS),
        ({"Retry-After": http_date(90)}, 90),
        ({"Retry-After": http_date(-90)}, 0),
        ({"Retry-After": http_date(86_400)}, LONGEST_RETRY_AFTER_SECONDS),
        ({"Retry-After": http_date(7230), "Date": http_date(7200)}, 30),
        ({"Retry-After": http_date(30), "Date": "soon"}, 30),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "in a while"}, None),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
    ],
)
def test_pause_is_read_from_the_header(headers: dict[str, str], seconds: int | None) -> None:
    assert retry_after_seconds(headers, now=NOW) == seconds


@settings(max_examples=100)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_gives_a_pause_within_bounds_or_none(text: str, date: str) -> None:
    seconds = retry_after_seconds({"Retry-After": text, "Date": date}, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


@pytest.mark.django_db
@pytest.mark.parametrize(("asked", "pause"), [(0, 5), (3, 5), (60, 60), (3600, 3600)])
def test_next_attempt_is_not_before_the_receiver_asked(asked: int, pause: int) -> None:
    a_channel()
    fire(a_rule())
    delivery = delivery_queue.take(delivery_queue.heads(now=NOON)[0], now=NOON)
    assert delivery is not None
    delivery.retry_after_seconds = asked
    delivery_queue.settle(delivery, "The server answered 429 Too Many Requests.", now=NOON)
    (head,) = delivery_queue.heads(now=NOON)
    assert head.ready_at == NOON + timedelta(seconds=pause)
    assert Delivery.objects.get().status == "waiting"


@pytest.mark.django_db
def test_pause_ends_at_once_if_the_clock_was_ahead() -> None:
    a_channel()
    fire(a_rule())
    Delivery.objects.update(attempts=1, retry_after_seconds=60, due_at=NOON + timedelta(days=1))
    assert delivery_queue.heads(now=NOON)[0].ready_at == NOON
