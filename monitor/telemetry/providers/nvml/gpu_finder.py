"""Finds the GPUs that the driver lists, also those added while gpumon runs.

Opening a GPU wakes it and can take seconds without persistence mode. After the start a thread does it, so that the readings
of the others go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import msgspec
import pynvml as nvml

from monitor.telemetry.providers.nvml import errors
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.identity import Identity, identify
from monitor.telemetry.sampler.gpu_sleep import find_gpus

log = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0
"""How often the driver is asked for the number of GPUs."""


class Found(msgspec.Struct, frozen=True):
    """A GPU that the driver lists: open, or the problem with it."""

    index: int
    handle: Handle | None = None
    identity: Identity | None = None
    problem: str | None = None


class GpuFinder:
    """Lists and opens the GPUs, but none of those left asleep."""

    def __init__(self, left_alone: Collection[str], root: Path) -> None:
        """`left_alone` are PCI bus ids."""
        self._left_alone = left_alone
        self._root = root
        self._count: int | None = None
        self._look_at = 0.0
        self._thread: threading.Thread | None = None
        self._found: list[Found] | None = None

    def find(self, at: float) -> list[Found]:
        """Open every GPU. Raises NVMLError if the driver does not list them."""
        self._look_at = at + _LOOK_SECONDS
        self._count = nvml.nvmlDeviceGetCount()
        return [_open(index, ask_handle) for index, ask_handle in self._handles(self._count)]

    def look(self, at: float, *, must_open: bool) -> list[Found] | None:
        """Every GPU, some time after their number has changed or `must_open`; None if there is nothing new."""
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread = None
            return self._found
        if must_open or (at >= self._look_at and self._has_changed(at)):
            self._thread = threading.Thread(target=self._find_in_thread, args=(at,), name="gpu-finder", daemon=True)
            self._thread.start()
        return None

    def _has_changed(self, at: float) -> bool:
        self._look_at = at + _LOOK_SECONDS
        try:
            return bool(nvml.nvmlDeviceGetCount() != self._count)
        except errors.FIELD_ERRORS as error:
            log.debug("nvmlDeviceGetCount: %s", error)
            return False

    def _find_in_thread(self, at: float) -> None:
        self._found = None
        try:
            self._found = self.find(at)
        except errors.FIELD_ERRORS as error:
            log.info("GPUs cannot be listed: %s", error)

    def _handles(self, count: int) -> list[tuple[int, Callable[[], Handle]]]:
        """How to open each GPU. Opening one wakes it, so with GPUs asleep the others are opened by PCI bus id."""
        if not self._left_alone:
            return [(index, partial(nvml.nvmlDeviceGetHandleByIndex, index)) for index in range(count)]
        return [
            (index, partial(nvml.nvmlDeviceGetHandleByPciBusId, gpu.pci_bus_id))
            for index, gpu in enumerate(find_gpus(self._root))
            if gpu.pci_bus_id not in self._left_alone
        ]


def _open(index: int, ask_handle: Callable[[], Handle]) -> Found:
    try:
        handle = ask_handle()
    except errors.FIELD_ERRORS as error:
        return Found(index, problem=problem_of(error))
    try:
        index = nvml.nvmlDeviceGetIndex(handle)
    except errors.FIELD_ERRORS as error:
        log.debug("nvmlDeviceGetIndex: %s", error)  # the place in the list is the same in all but odd cases
    return Found(index, handle, identify(handle, index))


def problem_of(error: Exception) -> str:
    """Why a GPU cannot be read, after "GPU 1"."""
    if errors.code_of(error) == errors.GPU_IS_LOST:
        return "is lost: it has fallen off the bus."
    return errors.explain_everything(error).reason
