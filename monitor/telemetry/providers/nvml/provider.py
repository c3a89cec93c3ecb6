"""All NVIDIA GPUs of this host through NVML: finds them, reads each at a tick, and continues when one is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pynvml as nvml

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Explained, ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.gpu_notices import notices_of
from monitor.telemetry.providers.nvml import errors
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.device import NOT_REPORTED, Device
from monitor.telemetry.providers.nvml.gpu_finder import Found, GpuFinder, problem_of
from monitor.telemetry.providers.nvml.identity import Identity
from monitor.telemetry.providers.nvml.retry_timer import RetryTimer
from monitor.telemetry.providers.nvml.xid import XidListener
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import Gpu, Notice, Reading

log = logging.getLogger(__name__)

_RETRY_LOST_SECONDS = 10.0


class Pynvml:
    """`close` releases the driver, but the library stays loaded: only a new process loads an upgraded one."""

    name = "pynvml"
    is_simulated = False
    streams_at_interval = False

    def __init__(self, options: Options, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._bounds = Bounds("the driver")
        self._finder = GpuFinder(options.unattached, Path(options.root))
        self._devices: list[Device] = []
        self._problems: dict[int, str] = {}
        """GPUs that cannot be read, by index."""
        self._lost: dict[Device, tuple[Gpu, float]] = {}
        self._xids = XidListener()
        self._timer = RetryTimer()
        self._driver_version: str | None = None
        self._cuda_version: str | None = None
        self._is_open = False

    def open(self) -> None:
        """Initialize NVML and every GPU but those left asleep. Raises ProviderUnavailable."""
        try:
            nvml.nvmlInit()
        except errors.FIELD_ERRORS as error:
            raise _unavailable(errors.explain_everything(error)) from error
        self._is_open = True
        self._ask_versions()
        try:
            self._adopt(self._finder.find(self._monotonic()), time.time())
        except ProviderFailed as failure:
            raise _unavailable(failure) from failure
        except errors.FIELD_ERRORS as error:
            raise _unavailable(errors.explain_everything(error)) from error
        if not self._devices:
            reason = " ".join(self._problem_texts()) or "The driver is loaded, but finds no GPU."
            raise ProviderUnavailable(reason, "See `nvidia-smi -L` and `lspci | grep -i nvidia`; in a container, start it "
                                      "with `--gpus all`.")  # fmt: skip

    def read(self, now: float) -> Reading:
        """Every GPU at `now` (Unix time). Raises ProviderFailed if the driver as a whole fails."""
        self._look(now, self._monotonic())
        present = [device for device in self._devices if device not in self._lost]
        for device in present:
            device.begin_sample()
        for device in present:
            device.end_sample()
        gpus = [self._read_device(device, now) for device in self._devices]
        if self._devices and all(device.answers_nothing for device in self._devices):
            raise ProviderFailed(*errors.EVERYTHING[errors.UNKNOWN])
        notices = [Notice(code="gpu_not_read", text=text) for text in self._problem_texts()]
        versions = {"driver_version": self._driver_version, "cuda_version": self._cuda_version}
        return Reading(
            sampled_at=now,
            gpus=tuple(gpus),
            **versions,
            unavailable={name: NOT_REPORTED for name, version in versions.items() if version is None},
            notices=(*notices, *notices_of(gpus)),
            clamped_count=self._bounds.clamped_count,
        )

    def close(self) -> None:
        """Release the driver."""
        self._xids.stop()
        self._devices.clear()
        if self._is_open:
            self._is_open = False
            try:
                nvml.nvmlShutdown()
            except errors.FIELD_ERRORS as error:
                log.debug("nvmlShutdown: %s", error)  # the process exits next, which releases the driver as well

    def _look(self, now: float, at: float) -> None:
        """Look for GPUs that have been added, and ask again for what is missing."""
        is_incomplete = bool(self._problems) or not all(device.identity.is_complete for device in self._devices)
        if is_due := self._timer.is_due(at):
            self._ask_versions()
            self._xids.retry()
        found = self._finder.look(at, must_open=is_due and is_incomplete)
        if found is not None:
            self._adopt(found, now)
        missing = (self._driver_version, self._cuda_version).count(None) + len(self._problems) + is_incomplete
        missing += self._xids.refused_count
        self._timer.note(missing, at, has_asked=is_due)

    def _ask_versions(self) -> None:
        self._driver_version = self._driver_version or _text(nvml.nvmlSystemGetDriverVersion)
        self._cuda_version = self._cuda_version or _cuda_version()

    def _problem_texts(self) -> list[str]:
        shown = {device.identity.index for device in self._devices}  # a lost one says so itself
        return [f"GPU {index} {problem}" for index, problem in sorted(self._problems.items()) if index not in shown]

    def _adopt(self, found: Sequence[Found], now: float) -> None:
        """Start the GPUs that are new or have another handle or identity; drop those that the driver no longer lists."""
        self._problems = {each.index: each.problem for each in found if each.problem is not None}
        known, self._devices = self._devices, []
        for each in found:
            if each.identity is None:
                continue
            device = next((device for device in known if device.is_at(each.handle, each.identity)), None)
            if device is not None:
                known.remove(device)
            if device is None or not device.is_exactly(each.handle, each.identity):
                self._attach(each.handle, each.identity, device, now)
            else:
                self._devices.append(device)
        if self._problems:
            self._devices += known  # one of them may be the one with the problem
        else:
            for device in known:
                self._xids.forget(device.xid_log)
        self._lost = {device: lost for device, lost in self._lost.items() if device in self._devices}
        self._devices.sort(key=lambda device: device.identity.index)

    def _attach(self, handle: Handle, identity: Identity, before: Device | None, now: float) -> None:
        """Start a GPU. `before` is the same one with its earlier handle and identity."""
        device = Device(handle, identity, self._bounds)
        if before is not None:
            device.xid_log = before.xid_log
        try:
            device.start(now, self._monotonic())
        except errors.GpuLost as error:
            self._problems[identity.index] = problem_of(error)
            return
        self._devices.append(device)
        self._xids.watch(handle, device.xid_log)

    def _read_device(self, device: Device, now: float) -> Gpu:
        at = self._monotonic()
        if device in self._lost:
            gpu, asked_at = self._lost[device]
            if at - asked_at < _RETRY_LOST_SECONDS:
                return _with_xids(gpu, device)
            device.ask_again()
        try:
            gpu = device.read(now, at)
        except errors.GpuLost:
            known = self._lost.get(device)
            gpu = known[0] if known else device.lost(since=now)
            self._lost[device] = gpu, at
            if known is None:
                log.warning(
                    "GPU %d (%s) is lost: it has fallen off the bus", device.identity.index, device.identity.uuid
                )
            return _with_xids(gpu, device)
        self._lost.pop(device, None)
        return gpu


def _with_xids(gpu: Gpu, device: Device) -> Gpu:
    """A lost GPU with the Xids reported so far: the one that it was lost with can come later."""
    xids = device.xid_log.xids
    return gpu if xids is gpu.xids else msgspec.structs.replace(gpu, xids=xids)


def _unavailable(error: Explained) -> ProviderUnavailable:
    return ProviderUnavailable(error.reason, error.fix)


def _text(ask: Callable[[], str]) -> str | None:
    try:
        return ask()
    except errors.FIELD_ERRORS as error:
        log.info("%s: %s", getattr(ask, "__name__", "NVML"), error)
        return None


def _cuda_version() -> str | None:
    """The newest CUDA version that the driver supports; NVML returns 13000 for 13.0."""
    try:
        number = nvml.nvmlSystemGetCudaDriverVersion_v2()
    except errors.FIELD_ERRORS as error:
        log.info("nvmlSystemGetCudaDriverVersion: %s", error)
        return None
    return f"{number // 1000}.{number % 1000 // 10}"
