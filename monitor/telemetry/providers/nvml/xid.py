"""Listens for Xid errors in its own thread, because waiting for events blocks in the driver."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pynvml as nvml

from monitor.telemetry.providers.nvml.ctypes_calls import Handle, address_of
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, UNKNOWN, code_of, field_reason
from monitor.telemetry.schema import Xid

log = logging.getLogger(__name__)

_WAIT_MS = 5000


class XidLog:
    """The Xid errors of one GPU since the listener began with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reason: str | None = None
        """Why its errors are unknown; None while it is listened to."""
        self._by_code: dict[int, Xid] = {}
        self._listed: tuple[Xid, ...] = ()

    @property
    def xids(self) -> tuple[Xid, ...] | None:
        """The errors, the latest first; None if unknown."""
        return None if self.reason is not None else self._listed

    def add(self, code: int, at: float) -> None:
        """Count an error."""
        count = self._by_code[code].count + 1 if code in self._by_code else 1
        self._by_code[code] = Xid(code=code, count=count, last_at=at)
        self._listed = tuple(sorted(self._by_code.values(), key=lambda xid: -xid.last_at))
        log.warning("%s reported Xid %d", self.name, code)


class XidListener:
    """Adds the Xid errors of every watched GPU to its log. NVML nvmlEventSetWait_v2, Linux only."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._watched: dict[int | None, tuple[Handle, XidLog]] = {}
        self._refused: set[int | None] = set()
        self._set: Any = None
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._has_ended = self._has_warned = False
        self._thread: threading.Thread | None = None

    def watch(self, handle: Handle, gpu: XidLog) -> None:
        """Listen for the errors of one more GPU, or of one with a new handle."""
        self.forget(gpu)
        with self._lock:
            self._watched[address_of(handle)] = handle, gpu
            self._register(address_of(handle))
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, name="xid", daemon=True)
            self._thread.start()

    def forget(self, gpu: XidLog) -> None:
        """The GPU is gone."""
        with self._lock:
            self._watched = {place: kept for place, kept in self._watched.items() if kept[1] is not gpu}
            self._refused &= self._watched.keys()

    @property
    def refused_count(self) -> int:
        """How many GPUs are not listened to."""
        return len(self._refused)

    def retry(self) -> None:
        """Register the GPUs again that are not listened to."""
        with self._lock:
            for address in tuple(self._refused):
                self._register(address)

    def stop(self) -> None:
        """Stop listening. A wait in the driver lasts until its timeout; the thread ends with it or with the process."""
        with self._lock:
            self._has_ended = True
            self._changed.notify()

    def _register(self, address: int | None) -> None:
        """Register one GPU with the event set, which is made first if there is none."""
        handle, gpu = self._watched[address]
        try:
            if self._set is None:
                self._set = nvml.nvmlEventSetCreate()
            if not nvml.nvmlDeviceGetSupportedEventTypes(handle) & nvml.nvmlEventTypeXidCriticalError:
                gpu.reason = "this GPU does not report Xid events"
            else:
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._set)
                gpu.reason = None
        except FIELD_ERRORS as error:
            gpu.reason = field_reason(error)
        (self._refused.discard if gpu.reason is None else self._refused.add)(address)
        self._changed.notify()

    def _listen(self) -> None:
        while True:
            with self._lock:
                self._changed.wait_for(lambda: self._has_ended or self._watched.keys() - self._refused)
                if self._has_ended:
                    return
            try:
                event = nvml.nvmlEventSetWait_v2(self._set, _WAIT_MS)
            except FIELD_ERRORS as error:
                if code_of(error) == nvml.NVML_ERROR_TIMEOUT:
                    self._has_warned = False
                else:
                    self._lose(error)
                continue
            if event.eventType == nvml.nvmlEventTypeXidCriticalError:
                watched = self._watched.get(address_of(event.device))
                if watched is None:
                    log.warning("Xid %d on an unknown GPU", event.eventData)
                else:
                    watched[1].add(int(event.eventData), self._clock())

    def _lose(self, error: Exception) -> None:
        """The event set is of no use any more: free it. `retry` registers every GPU with another one."""
        log.log(logging.DEBUG if self._has_warned else logging.WARNING, "no longer listening for Xid errors: %s", error)
        self._has_warned = True
        why = field_reason(error) if code_of(error) != UNKNOWN else "the driver ended the event stream"
        with self._lock:
            for address, (_, gpu) in self._watched.items():
                gpu.reason = why
                self._refused.add(address)
            events, self._set = self._set, None
        try:
            nvml.nvmlEventSetFree(events)
        except FIELD_ERRORS as freeing:
            log.debug("nvmlEventSetFree: %s", freeing)
