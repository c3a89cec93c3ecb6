"""Listens for Xid errors in its own thread, because waiting for events blocks in the driver."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Mapping
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
        self._seen: dict[str, dict[int, Xid]] = {}
        self._listed: dict[str, tuple[Xid, ...]] = {}
        self.reasons: dict[str, str] = {}
        """UUID → why this GPU's errors are unknown."""
        self._uuids: dict[int | None, str] = {}
        self._set: Any = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, handles: Mapping[str, Handle]) -> None:
        """Register every GPU (UUID → handle) that supports it, and listen."""
        try:
            self._set = nvml.nvmlEventSetCreate()
        except FIELD_ERRORS as error:
            self.reasons = dict.fromkeys(handles, field_reason(error))
            return
        for uuid, handle in handles.items():
            try:
                supported = nvml.nvmlDeviceGetSupportedEventTypes(handle)
                if not supported & nvml.nvmlEventTypeXidCriticalError:
                    self.reasons[uuid] = "this GPU does not report Xid events"
                    continue
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._set)
            except FIELD_ERRORS as error:
                self.reasons[uuid] = field_reason(error)
                continue
            self._uuids[_address(handle)] = uuid
            self._listed[uuid] = ()
        if self._listed:
            self._thread = threading.Thread(target=self._listen, name="xid", daemon=True)
            self._thread.start()

    def xids(self, uuid: str) -> tuple[Xid, ...] | None:
        """The errors of a GPU, the latest first; None if unknown."""
        return self._listed.get(uuid)

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
                self.reasons.update(dict.fromkeys(self._listed, why))
                self._listed = {}
                return
            if event.eventType == nvml.nvmlEventTypeXidCriticalError:
                self._heard(self._uuids.get(_address(event.device)), int(event.eventData))

    def _heard(self, uuid: str | None, code: int) -> None:
        if uuid is None:
            log.warning("Xid %d on an unknown GPU", code)
            return
        of_gpu = self._seen.setdefault(uuid, {})
        count = of_gpu[code].count + 1 if code in of_gpu else 1
        of_gpu[code] = Xid(code=code, count=count, last_at=self._clock())
        self._listed[uuid] = tuple(sorted(of_gpu.values(), key=lambda xid: -xid.last_at))
        log.warning("GPU %s reported Xid %d", uuid, code)
