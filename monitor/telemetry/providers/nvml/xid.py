"""Listens for Xid errors in its own thread, because waiting for events blocks in the driver."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pynvml as nvml

from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, UNKNOWN, code_of, field_reason
from monitor.telemetry.schema import Xid

log = logging.getLogger(__name__)

_WAIT_MS = 5000


def _address(handle: Handle) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value


class XidListener:
    """Counts Xid errors by GPU and code, from `start` on. NVML nvmlEventSetWait_v2, Linux only."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # By the address of the handle: UUIDs need not be unique.
        self._seen: dict[int | None, dict[int, Xid]] = {}
        self._listed: dict[int | None, tuple[Xid, ...]] = {}
        self._reasons: dict[int | None, str] = {}
        self._names: dict[int | None, str] = {}
        self._set: Any = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, gpus: Sequence[tuple[str, Handle]]) -> None:
        """Register every GPU (name for the log, handle) that supports it, and listen."""
        try:
            self._set = nvml.nvmlEventSetCreate()
        except FIELD_ERRORS as error:
            self._reasons = dict.fromkeys((_address(handle) for _, handle in gpus), field_reason(error))
            return
        for name, handle in gpus:
            address = _address(handle)
            try:
                supported = nvml.nvmlDeviceGetSupportedEventTypes(handle)
                if not supported & nvml.nvmlEventTypeXidCriticalError:
                    self._reasons[address] = "this GPU does not report Xid events"
                    continue
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._set)
            except FIELD_ERRORS as error:
                self._reasons[address] = field_reason(error)
                continue
            self._names[address] = name
            self._listed[address] = ()
        if self._listed:
            self._thread = threading.Thread(target=self._listen, name="xid", daemon=True)
            self._thread.start()

    def xids(self, handle: Handle) -> tuple[Xid, ...] | None:
        """The errors of a GPU, the latest first; None if unknown."""
        return self._listed.get(_address(handle))

    def reason(self, handle: Handle) -> str | None:
        """Why the errors of a GPU are unknown, as far as the driver says."""
        return self._reasons.get(_address(handle))

    def stop(self) -> None:
        """Stop listening. A wait in the driver lasts until its timeout; the thread ends with it or with the process."""
        self._ended.set()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                event = nvml.nvmlEventSetWait_v2(self._set, _WAIT_MS)
            except FIELD_ERRORS as error:
                if code_of(error) == nvml.NVML_ERROR_TIMEOUT:
                    continue
                log.warning("no longer listening for Xid errors: %s", error)
                why = field_reason(error) if code_of(error) != UNKNOWN else "the driver ended the event stream"
                self._reasons.update(dict.fromkeys(self._listed, why))
                self._listed = {}
                return
            if event.eventType == nvml.nvmlEventTypeXidCriticalError:
                self._heard(_address(event.device), int(event.eventData))

    def _heard(self, address: int | None, code: int) -> None:
        if address not in self._listed:
            log.warning("Xid %d on an unknown GPU", code)
            return
        of_gpu = self._seen.setdefault(address, {})
        count = of_gpu[code].count + 1 if code in of_gpu else 1
        of_gpu[code] = Xid(code=code, count=count, last_at=self._clock())
        self._listed[address] = tuple(sorted(of_gpu.values(), key=lambda xid: -xid.last_at))
        log.warning("GPU %s reported Xid %d", self._names[address], code)
