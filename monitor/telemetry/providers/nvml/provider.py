"""All NVIDIA GPUs of this host through NVML: finds them, reads each at a tick, and continues when one is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pynvml as nvml

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import (
    LONG_PCI_DOMAIN,
    Explained,
    PercentGate,
    ProviderFailed,
    ProviderUnavailable,
)
from monitor.telemetry.providers.nvml import errors
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.device import Device, Identity
from monitor.telemetry.providers.nvml.xid import XidListener
from monitor.telemetry.sampler.gpu_sleep import find_gpus
from monitor.telemetry.schema import Gpu, Notice, Reading

log = logging.getLogger(__name__)

_RETRY_LOST_SECONDS = 10.0
_PERSISTENCE_OFF = Notice(
    code="persistence_mode_off",
    text="Persistence mode is off: when the last program releases a GPU, the driver unloads its state, and each next "
    "program (nvidia-smi too) waits a second or more while the GPU wakes up, drawing tens of watts.",
    fix="Turn it on with `sudo nvidia-smi -pm 1`, or enable the service nvidia-persistenced.",
)


class Pynvml:
    """`close` releases the driver, but the library stays loaded: only a new process loads an upgraded one."""

    name = "pynvml"
    is_simulated = False
    streams_at_interval = False

    def __init__(self, options: Options, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._left_alone = set(options.unattached)
        self._root = Path(options.root)
        self._monotonic = monotonic
        self._gate = PercentGate()
        self._devices: list[Device] = []
        self._lost: dict[Device, tuple[Gpu, float]] = {}
        self._xids = XidListener()
        self._driver_version: str | None = None
        self._cuda_version: str | None = None
        self._notices: tuple[Notice, ...] = ()
        self._is_open = False

    def open(self) -> None:
        """Initialize NVML and every GPU but those left asleep. Raises ProviderUnavailable."""
        try:
            nvml.nvmlInit()
        except errors.FIELD_ERRORS as error:
            raise _unavailable(errors.explain_everything(error)) from error
        self._is_open = True
        now, problems = time.time(), []
        try:
            self._driver_version = _text(nvml.nvmlSystemGetDriverVersion)
            self._cuda_version = _cuda_version()
            for index, ask_handle in enumerate(self._handles()):
                try:
                    self._attach(index, ask_handle(), now)
                except (errors.GpuLost, *errors.FIELD_ERRORS) as error:
                    is_lost = isinstance(error, errors.GpuLost) or errors.code_of(error) == errors.GPU_IS_LOST
                    problem = (
                        "is lost: it has fallen off the bus." if is_lost else errors.explain_everything(error).reason
                    )
                    problems.append(f"GPU {index} {problem}")
        except ProviderFailed as failure:
            raise _unavailable(failure) from failure
        except errors.FIELD_ERRORS as error:
            raise _unavailable(errors.explain_everything(error)) from error
        if not self._devices:
            reason = " ".join(problems) or "The driver is loaded, but finds no GPU."
            raise ProviderUnavailable(reason, "See `nvidia-smi -L` and `lspci | grep -i nvidia`; in a container, start it "
                                      "with `--gpus all`.")  # fmt: skip
        self._notices = tuple(Notice(code="gpu_not_read", text=problem) for problem in problems)
        self._xids.start([(_named(device), device.handle) for device in self._devices])

    def read(self, now: float) -> Reading:
        """Every GPU at `now` (Unix time). Raises ProviderFailed if the driver as a whole fails."""
        for device in self._devices:
            if device not in self._lost:
                device.begin()
        gpus = [self._read_device(device, now) for device in self._devices]
        if self._devices and all(device.answers_nothing for device in self._devices):
            raise ProviderFailed(*errors.EVERYTHING[errors.UNKNOWN])
        is_persistence_off = any(gpu.persistence_mode is False for gpu in gpus)
        return Reading(
            sampled_at=now,
            gpus=tuple(gpus),
            driver_version=self._driver_version,
            cuda_version=self._cuda_version,
            notices=(*self._notices, _PERSISTENCE_OFF) if is_persistence_off else self._notices,
            clamped_count=self._gate.clamped_count,
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

    def _handles(self) -> list[Callable[[], Handle]]:
        """How to open each GPU. Opening one wakes it, so with GPUs asleep the others are opened by PCI bus id."""
        if not self._left_alone:
            count = nvml.nvmlDeviceGetCount()
            return [partial(nvml.nvmlDeviceGetHandleByIndex, index) for index in range(count)]
        places = [gpu.pci_bus_id for gpu in find_gpus(self._root) if gpu.pci_bus_id not in self._left_alone]
        return [partial(nvml.nvmlDeviceGetHandleByPciBusId, place) for place in places]

    def _attach(self, position: int, handle: Handle, now: float) -> None:
        index = nvml.nvmlDeviceGetIndex(handle) if self._left_alone else position
        pci_bus_id = short_pci_bus_id(nvml.nvmlDeviceGetPciInfo(handle).busId)
        identity = Identity(index, nvml.nvmlDeviceGetUUID(handle), _name(handle), pci_bus_id)
        device = Device(handle, identity, self._gate, self._xids)
        device.start(now, self._monotonic())
        self._devices.append(device)

    def _read_device(self, device: Device, now: float) -> Gpu:
        at = self._monotonic()
        if device in self._lost:
            gpu, asked_at = self._lost[device]
            if at - asked_at < _RETRY_LOST_SECONDS:
                return gpu
        try:
            gpu = device.read(now, at)
        except errors.GpuLost:
            known = self._lost.get(device)
            gpu = known[0] if known else device.lost(since=now)
            self._lost[device] = gpu, at
            if known is None:
                log.warning("GPU %s is lost: it has fallen off the bus", _named(device))
            return gpu
        self._lost.pop(device, None)
        return gpu


def _named(device: Device) -> str:
    """For the log."""
    return f"{device.identity.index} ({device.identity.uuid})"


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


def _name(handle: Handle) -> str:
    """The product name. pynvml decodes strictly, so a name that is not UTF-8 is decoded here."""
    try:
        return str(nvml.nvmlDeviceGetName(handle))
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", errors="replace")


def short_pci_bus_id(bus_id: str | bytes) -> str:
    """NVML's 00000000:3B:00.0 in the form of sysfs, 0000:3b:00.0."""
    text = bus_id.decode("ascii", errors="replace") if isinstance(bus_id, bytes) else bus_id
    return LONG_PCI_DOMAIN.sub("", text.strip("\x00 ").lower())
