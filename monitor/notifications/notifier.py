"""Sends what is in the outbox: one thread looks for due deliveries, and one thread per active channel sends them."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from monitor.database.changes import Changes
from monitor.logs.lasting_problem import LastingProblem
from monitor.models import Delivery
from monitor.notifications import delivery_queue
from monitor.notifications.masking import without_secrets
from monitor.notifications.reminders import depends_on_time, review
from monitor.notifications.reports import due
from monitor.notifications.reports.settings import ReportSettings

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
"""How often the outbox is checked without `wake`: other processes can add to it."""
REVIEW_SECONDS = 15.0
"""How often to look for reminders and for what mute and quiet hours delayed."""
MOST_AT_ONCE = 8
"""Channels that send at the same time."""
_RECORD_AGAIN_SECONDS = 1.0


class Send(Protocol):
    """Sends one delivery: Sending(…).send of monitor/notifications/senders.py."""

    def __call__(self, delivery: Delivery, *, now: datetime) -> str | None: ...


class Notifier:
    """Runs from `start` to `stop`. Only one can run per database: it repeats what another one is sending."""

    def __init__(
        self,
        send: Send,
        *,
        reports: Callable[[], ReportSettings] = ReportSettings,
        clock: Callable[[], datetime] = timezone.now,
        poll_seconds: float = POLL_SECONDS,
        review_seconds: float = REVIEW_SECONDS,
    ) -> None:
        self._send = send
        self._reports = reports
        self._unreported = LastingProblem(log)
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._review_seconds = review_seconds
        self._changes = Changes()
        """Since a look that found nothing to do, now or later."""
        self._reports_then: ReportSettings | None = None
        self._reviewed_at: datetime | None = None
        self._is_reviewed = False
        """Whether the last review succeeded."""
        self._has_recovered = False
        self._trouble: str | None = None
        self.waiting: int | None = None
        """Messages that wait to be sent or are being sent, as of the last look at the outbox; None before the first."""
        self.results = {"sent": 0, "failed": 0}
        """Attempts since the start, by result."""
        self._woken = threading.Event()
        self._is_stopping = threading.Event()
        self._senders: dict[int, threading.Thread] = {}
        """By channel: each sends one message at a time."""
        self._senders_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Announce a new message in the outbox. From any thread, at any time."""
        self._woken.set()

    def stop(self, seconds: float = 5.0) -> None:
        """Start nothing more and wait up to `seconds` for messages in progress. Unfinished ones are sent again after the next
        start.
        """
        deadline = time.monotonic() + seconds
        self._is_stopping.set()
        self.wake()
        _join(self._thread, deadline)
        with self._senders_lock:  # only now: the thread could have started one more
            senders = [*self._senders.values()]
        for thread in senders:
            _join(thread, deadline)

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            while not self._is_stopping.is_set():
                self._woken.clear()
                self._woken.wait(self.look())
        finally:
            connection.close()

    def look(self) -> float:
        """Start what is due. Returns the seconds to wait, unless woken."""
        try:
            wait = self._do_due(self._clock())
        except (DatabaseError, InterfaceError) as error:  # locked, missing, being migrated: nothing is lost
            self._note_trouble(f"cannot read the outbox ({error}); retrying every {self._poll_seconds:g} s")
            connection.close()
            return self._poll_seconds
        except Exception:  # noqa: BLE001  # later messages must still be sent
            self._note_trouble(f"notification delivery failed: {traceback.format_exc()}")
            connection.close()
            return self._poll_seconds
        if self._is_reviewed:
            self._note_trouble(None)
        return wait

    def _note_trouble(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            if trouble is None:
                log.info("notification delivery resumed")
            else:
                log.error("%s", trouble)
            self._trouble = trouble

    def _do_due(self, now: datetime) -> float:
        if not self._has_recovered:
            delivery_queue.recover()
            self._has_recovered = True
        reports = self._reports()
        if not self._changes.may_exist() and reports == self._reports_then:
            return self._poll_seconds
        is_due = self._reviewed_at is None or abs((now - self._reviewed_at).total_seconds()) >= self._review_seconds
        if is_due:
            self._reviewed_at = now  # even if it fails: waiting messages are sent before the next review
            self._is_reviewed = False
            review(now=now)
            self._add_reports(reports.address, now)
            self._is_reviewed = True
        wait = self._poll_seconds
        with self._senders_lock:
            busy = set(self._senders)
        heads = delivery_queue.heads(now=now, without=busy)
        self.waiting = delivery_queue.waiting_count() if heads or busy else 0
        if is_due and not heads and not busy and not depends_on_time():
            self._changes.note_read()
            self._reports_then = reports
        for head in heads:
            if self._is_stopping.is_set():
                break
            if head.ready_at is None or len(busy) >= MOST_AT_ONCE:
                continue
            if head.ready_at > now:
                wait = min(wait, (head.ready_at - now).total_seconds())
            elif (delivery := delivery_queue.take(head, now=now)) is not None:
                busy.add(head.channel_id)
                self._begin(delivery)
        return wait

    def _add_reports(self, address: str | None, now: datetime) -> None:
        due.enqueue_due(now=now, address=address)
        if (problem := due.problem(address)) is not None:
            self._unreported.noticed(problem)
        else:
            self._unreported.is_over("users get weekly reports again, or need none")

    # ── One message ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, delivery: Delivery) -> None:
        name = f"notifier-{delivery.channel_id}"
        thread = threading.Thread(target=self._deliver, args=(delivery,), name=name, daemon=True)
        with self._senders_lock:
            self._senders[delivery.channel_id] = thread
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            with self._senders_lock:
                del self._senders[delivery.channel_id]
            self._record(delivery, f"The message could not be sent: {error}.")

    def _deliver(self, delivery: Delivery) -> None:
        try:
            error = self._attempt(delivery)
            with self._senders_lock:
                self.results["sent" if error is None else "failed"] += 1
            self._record(delivery, error)
        finally:
            connection.close()
            with self._senders_lock:
                del self._senders[delivery.channel_id]
            self.wake()

    def _attempt(self, delivery: Delivery) -> str | None:
        try:
            return self._send(delivery, now=self._clock())
        except Exception as error:  # noqa: BLE001  # our own error: retried like any other
            channel = delivery.channel
            trace = without_secrets(traceback.format_exc(), channel.url, channel.signing_secret, longest=5000)
            log.error("message %s could not be sent: %s", delivery.message_id, trace)
            return f"The message could not be sent: {type(error).__name__} (see the log)."

    def _record(self, delivery: Delivery, error: str | None) -> None:
        """Until the result is recorded, the channel sends nothing else: an unrecorded message would be sent again. The trouble is
        logged once, and once more when it is over.
        """
        is_in_trouble = False
        while True:
            try:
                delivery_queue.settle(delivery, error, now=self._clock())
            except (DatabaseError, InterfaceError) as trouble:
                if not is_in_trouble:
                    what = "cannot record delivery status of message %s (%s); retrying every %g s"
                    log.warning(what, delivery.message_id, trouble, _RECORD_AGAIN_SECONDS)
                is_in_trouble = True
                connection.close()
                if self._is_stopping.wait(_RECORD_AGAIN_SECONDS):
                    return
            else:
                if is_in_trouble:
                    log.info("recovered: delivery status of message %s is recorded", delivery.message_id)
                return


def _join(thread: threading.Thread, deadline: float) -> None:
    if thread.is_alive():
        thread.join(max(0.0, deadline - time.monotonic()))
