"""A message is claimed once, however many threads try: on SQLite by its write lock, on PostgreSQL by the row's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from monitor.models import Delivery
from monitor.notifications import delivery_queue
from tests.support.outbox_rows import a_channel, a_rule, fire

THREADS = 4


@pytest.mark.django_db(transaction=True)
def test_one_of_several_threads_claims_a_message() -> None:
    a_channel()
    fire(a_rule(), 0)
    now = timezone.now()
    (head,) = delivery_queue.heads(now=now)
    together = threading.Barrier(THREADS)

    def claim() -> Delivery | None:
        try:
            connection.ensure_connection()
            together.wait(20)
            return delivery_queue.take(head, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        claims = [each.result() for each in [pool.submit(claim) for _ in range(THREADS)]]
    assert len([each for each in claims if each is not None]) == 1
    assert list(Delivery.objects.values_list("status", "attempts")) == [("sending", 1)]
