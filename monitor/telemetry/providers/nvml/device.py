"""One GPU behind NVML: makes the calls of the table, caches what does not change, and builds a Gpu.

It also decides what an error costs: a field, this GPU (GpuLost), or everything (ProviderFailed).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

import msgspec
import psutil
import pynvml as nvml

from monitor.telemetry.providers import base
from monitor.telemetry.providers.nvml import calls, errors, fields, nvlink, pcie
from monitor.telemetry.providers.nvml.calls import Call, Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle, Number
from monitor.telemetry.providers.nvml.mig import Mig
from monitor.telemetry.providers.nvml.processes import Processes
from monitor.telemetry.providers.nvml.xid import XidListener
from monitor.telemetry.schema import Fan, Gpu

NOT_REPORTED = "not reported by NVML"
IN_MIG_MODE = "not available while the GPU is in MIG mode"
NO_FAN = "no fan reported: cooled by the chassis"
NO_PCIE = "no PCIe between host and GPU: they share one memory"
NO_HOTSPOT = "NVML has no call for it"

_SLOW_SECONDS = 10.0
"""Every slow call is made once in this time, spread over the ticks."""
_UTILIZATIONS = tuple(name for name in base.GPU_METRICS if name.endswith("_utilization_percent"))
_PERCENTAGES = ("utilization_percent", *_UTILIZATIONS)
_PCIE = tuple(name for name in base.GPU_METRICS if name.startswith("pcie_") and name != "pci_bus_id")
_FIELD_METRICS = tuple(dict.fromkeys(name for names in fields.METRICS.values() for name in names))


class Identity(msgspec.Struct, frozen=True):
    """What identifies this GPU, as the driver reports it."""

    index: int
    uuid: str
    name: str
    pci_bus_id: str


class Reasons(dict[str, str]):
    """Why metrics are unknown, and whether that has changed since it was last read."""

    have_changed = True

    def note(self, reasons: Mapping[str, str]) -> None:
        """Add reasons."""
        if not reasons.items() <= self.items():
            self.update(reasons)
            self.have_changed = True

    def forget(self, metrics: Iterable[str]) -> None:
        """Remove the reasons of metrics that are known again."""
        for metric in metrics:
            self.have_changed |= self.pop(metric, None) is not None


class Device:
    """One GPU that responds. Used in one thread."""

    def __init__(self, handle: Handle, identity: Identity, gate: base.PercentGate, listener: XidListener) -> None:
        self.handle = handle
        self.identity = identity
        self.answers_nothing = False
        """Every call of the last reading returned an unknown error."""
        self._gate, self._listener = gate, listener
        # What never changes, and what changes slowly. In the order of Gpu's fields, which makes building one fastest.
        self._facts: Values = msgspec.structs.asdict(
            Gpu(index=identity.index, uuid=identity.uuid, name=identity.name, pci_bus_id=identity.pci_bus_id)
        )
        self._reasons = Reasons({"hotspot_temperature_celsius": NO_HOTSPOT})
        self._failing: set[Call] = set()
        self._unavailable: dict[str, str] = {}
        self._missing: list[str] = []
        self._fans: list[Number] = []
        self._is_unified = False
        self._fields, self._links, self._processes, self._mig = fields.Fields(), nvlink.NvLinks(), Processes(), Mig()
        self._pcie_rates, self._counts_pcie = pcie.PcieRates(), True
        self._now = self._at = 0.0
        self._memory_v1 = Call(calls.MEMORY_V1.metrics, self._fill_memory_v1)
        self._pcie = Call(pcie.METRICS, self._fill_pcie)
        self._fast: list[Call] = [
            *calls.FAST,
            Call((*calls.MEMORY_V1.metrics, "memory_reserved_bytes"), self._fill_memory_v2, (self._memory_v1,)),
            Call(_FIELD_METRICS, self._fill_fields, (calls.POWER_USAGE, calls.ENERGY)),
            Call(("processes",), self._fill_processes),
            self._pcie,
        ]
        self._slow: list[Call] = [*calls.SLOW, Call(("mig_mode",), self._fill_mig_mode)]
        self._slow_cursor = 0
        self._slow_due = 0.37 * identity.index % 1  # spreads the GPUs' slow calls over different ticks

    def start(self, now: float, at: float) -> None:
        """Make the static and the slow calls. Raises GpuLost and ProviderFailed."""
        self._now, self._at = now, at
        for call in calls.STATIC:
            self._make(call, self._facts, [])
        self._pcie_rates.set_link(self._facts["pcie_generation_max"], self._facts["pcie_width_max"])
        self._make(Call(("fans",), self._count_fans), self._facts, [])
        links = Call(nvlink.METRICS, self._fill_nvlinks)
        if self._links.find(self.handle):
            self._slow.append(links)
        else:
            self._reasons.note(dict.fromkeys(nvlink.METRICS, nvlink.NO_NVLINK))
        for call in tuple(self._slow):
            self._make(call, self._facts, self._slow)

    def begin(self) -> None:
        """Read what has to be read twice in a tick for the first time; an error shows in the reading itself."""
        if self._counts_pcie and not self._is_unified:
            with contextlib.suppress(*errors.FIELD_ERRORS):
                self._pcie_rates.begin(self.handle)

    def read(self, now: float, at: float) -> Gpu:
        """The GPU at `now` (Unix time; `at` is monotonic seconds). Raises GpuLost and ProviderFailed."""
        self.begin()
        self._make_slow_calls(at - self._at)
        self._now, self._at = now, at
        values: Values = self._facts.copy()
        handle, failing, unanswered = self.handle, self._failing, 0
        asked = tuple(self._fast)
        for call in asked:
            try:
                call.fill(handle, values)
            except errors.FIELD_ERRORS as error:
                unanswered += self._failed(call, error, values, self._fast) == errors.UNKNOWN
            else:
                if failing and call in failing:
                    self._recovered(call)
        self.answers_nothing = unanswered == len(asked)
        if self._is_unified:
            self._take_host_memory(values)
        values["memory_used_percent"] = base.used_percent(values["memory_used_bytes"], values["memory_total_bytes"])
        for metric in _PERCENTAGES:
            share = values[metric]
            if share is not None and not 0 <= share <= 100:
                values[metric] = self._gate(share, metric)
        values["xids"] = self._listener.xids(self.handle)
        if values["xids"] is None:
            self._reasons.note({"xids": self._listener.reason(self.handle) or NOT_REPORTED})
        values["memory_unattributed_bytes"] = base.unattributed_bytes(values["memory_used_bytes"], values["processes"])
        values["memory_is_unified"] = self._is_unified
        values["mig_instances"] = self._mig.read()
        values["unavailable"] = self._explain(values)
        return Gpu(**values)

    def lost(self, since: float) -> Gpu:
        """The GPU after it fell off the bus. The roster adds its lasting facts."""
        values: Values = {"pci_bus_id": self.identity.pci_bus_id}
        reasons = base.explain(values, base.GPU_METRICS, {}, "the GPU is lost: it has fallen off the bus")
        return Gpu(
            index=self.identity.index,
            uuid=self.identity.uuid,
            name=self.identity.name,
            state="lost",
            since=since,
            unavailable=reasons,
            **values,
        )

    # ── Making calls, and what their errors cost ──────────────────────────────────────────────────────────────────────

    def _make_slow_calls(self, elapsed: float) -> None:
        self._slow_due += len(self._slow) * elapsed / _SLOW_SECONDS
        for _ in range(min(int(self._slow_due), len(self._slow))):
            self._slow_cursor = (self._slow_cursor + 1) % len(self._slow)
            self._make(self._slow[self._slow_cursor], self._facts, self._slow)
            if not self._slow:
                break
        self._slow_due %= 1

    def _make(self, call: Call, values: Values, among: list[Call]) -> None:
        try:
            call.fill(self.handle, values)
        except errors.FIELD_ERRORS as error:
            self._failed(call, error, values, among)
        else:
            if call in self._failing:
                self._recovered(call)

    def _failed(self, call: Call, error: Exception, values: Values, among: list[Call]) -> int:
        """Note why the call's metrics are unknown; remove it from `among` if the answer will not change."""
        code = errors.code_of(error)
        if code == errors.GPU_IS_LOST:
            raise errors.GpuLost from error
        if code in errors.FATAL:
            cause = errors.explain_everything(error)
            raise base.ProviderFailed(cause.reason, cause.fix) from error
        in_mig_mode = self._facts["mig_mode"] is True
        reason = IN_MIG_MODE if in_mig_mode and code == nvml.NVML_ERROR_NOT_SUPPORTED else errors.field_reason(error)
        values.update(dict.fromkeys(call.metrics))
        self._reasons.note(dict.fromkeys(call.metrics, reason))
        self._failing.add(call)
        if code in errors.PERMANENT:
            if call in among:
                among.remove(call)
            for other in call.instead:
                among.append(other)
                self._make(other, values, among)
            # Unified memory (GB10, Jetson): the memory calls are NotSupported. In MIG mode that means something else.
            self._is_unified = self._is_unified or (call is self._memory_v1 and not in_mig_mode)
        return code

    def _recovered(self, call: Call) -> None:
        self._failing.discard(call)
        self._reasons.forget(call.metrics)

    def _explain(self, values: Values) -> dict[str, str]:
        """The `unavailable` map; the same object while it does not change."""
        missing = [metric for metric, value in values.items() if value is None]
        if missing != self._missing or self._reasons.have_changed:
            self._missing = missing
            self._reasons.have_changed = False
            self._unavailable = base.explain(values, base.GPU_METRICS, self._reasons, NOT_REPORTED)
        return self._unavailable

    # ── Calls that need the state of this GPU ─────────────────────────────────────────────────────────────────────────

    def _fill_memory_v2(self, handle: Handle, values: Values) -> None:
        calls.memory_v2(handle, values)
        self._is_unified = values["memory_total_bytes"] == 0

    def _fill_memory_v1(self, handle: Handle, values: Values) -> None:
        calls.memory_v1(handle, values)
        self._is_unified = values["memory_total_bytes"] == 0
        self._reasons.note({"memory_reserved_bytes": "this driver does not report its reserve separately"})

    def _take_host_memory(self, values: Values) -> None:
        host = psutil.virtual_memory()
        values["memory_total_bytes"] = host.total
        values["memory_free_bytes"] = host.available
        values["memory_used_bytes"] = host.total - host.available
        values["memory_reserved_bytes"] = None
        values.update(dict.fromkeys(_PCIE))
        self._reasons.note({"memory_reserved_bytes": "the memory is the host's", **dict.fromkeys(_PCIE, NO_PCIE)})

    def _fill_fields(self, handle: Handle, values: Values) -> None:
        self._fields.fill(handle, values, self._at)
        if self._fields.reasons:
            self._reasons.note(self._fields.reasons)
        if fields.POWER_INSTANT not in self._fields.supported and calls.POWER_USAGE not in self._fast:
            self._ask_instead(calls.POWER_USAGE, values, self._fast)

    def _fill_pcie(self, handle: Handle, values: Values) -> None:
        if self._is_unified:
            return
        try:
            self._pcie_rates.fill(handle, values)
        except errors.FIELD_ERRORS as error:
            if errors.code_of(error) not in (*errors.PERMANENT, nvml.NVML_ERROR_NOT_FOUND):
                raise
            self._fast.remove(self._pcie)
            self._counts_pcie = False
            self._ask_instead(calls.PCIE_THROUGHPUT, self._facts, self._slow)
            values.update({metric: self._facts[metric] for metric in pcie.METRICS})
        if values["pcie_rx_bytes_per_second"] is None:
            self._reasons.note(self._pcie_rates.reasons)

    def _ask_instead(self, call: Call, values: Values, among: list[Call]) -> None:
        if call not in self._failing:  # else it was tried before and failed too
            among.append(call)
            self._make(call, values, among)

    def _count_fans(self, handle: Handle, values: Values) -> None:
        values["fans"] = ()
        self._reasons.note({"fans": NO_FAN})
        fans = range(nvml.nvmlDeviceGetNumFans(handle))
        self._fans = [Number("nvmlDeviceGetFanSpeed_v2", fan) for fan in fans]
        if self._fans:
            self._fast.append(Call(("fans",), self._fill_fans))

    def _fill_fans(self, handle: Handle, values: Values) -> None:
        values["fans"] = tuple([Fan(speed_percent=self._gate(ask(handle), "fans")) for ask in self._fans])

    def _fill_nvlinks(self, handle: Handle, values: Values) -> None:
        self._links.fill(handle, values, self._at)
        self._reasons.note(self._links.reasons)

    def _fill_mig_mode(self, handle: Handle, values: Values) -> None:
        values["mig_mode"] = bool(nvml.nvmlDeviceGetMigMode(handle)[0])
        if values["mig_mode"]:
            self._mig.find(handle)
        else:
            self._mig.clear()

    def _fill_processes(self, handle: Handle, values: Values) -> None:
        mig = self._mig
        try:
            values["processes"] = self._processes.read(handle, self._now, self._at, mig.by_ids)
        except nvml.NVMLError as error:
            if not mig.handles or errors.code_of(error) == errors.GPU_IS_LOST:
                raise
            # Without privileges the parent does not list the processes of its instances, but each instance does.
            values["processes"] = tuple(
                process
                for instance in mig.handles
                for process in self._processes.read(instance, self._now, self._at, mig.by_ids)
            )
