"""One GPU behind NVML: makes the calls of the table, caches what does not change, and builds a Gpu.

It also decides what an error costs: a field, this GPU (GpuLost), or everything (ProviderFailed).
"""

from __future__ import annotations

import contextlib

import msgspec
import pynvml as nvml

from monitor.telemetry.providers import base, gpu_notices
from monitor.telemetry.providers.nvml import accounting, activity, calls, errors, fields
from monitor.telemetry.providers.nvml.calls import Call, Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle, address_of
from monitor.telemetry.providers.nvml.fans import Fans
from monitor.telemetry.providers.nvml.identity import Identity
from monitor.telemetry.providers.nvml.links import fabric, nvlink, pcie
from monitor.telemetry.providers.nvml.mig import Mig
from monitor.telemetry.providers.nvml.processes import Processes
from monitor.telemetry.providers.nvml.retry_timer import RetryTimer
from monitor.telemetry.providers.nvml.xid import XidLog
from monitor.telemetry.providers.plausible import Bounds, checks_of, checks_without
from monitor.telemetry.providers.unified import take_host_memory
from monitor.telemetry.schema import Gpu

NOT_REPORTED = "not reported by NVML"
IN_MIG_MODE = "not available while the GPU is in MIG mode"
NO_HOTSPOT = "NVML has no call for it"

_SLOW_SECONDS = 10.0
"""Every slow call is made once in this time, spread over the ticks."""
_JUMP_SECONDS = 5.0
"""By how much the wall clock and the monotonic one differ after the host was suspended, or the wall clock was set."""
_WITHOUT_A_CALL = 2
"""Entries of the fast list that need not call the driver: fans of a GPU without any, PCIe of unified memory."""
_SELDOM = {metric for call in (*calls.STATIC, *calls.SLOW) for metric in call.metrics}
_CHECKS_AT_EACH_TICK = checks_without(_SELDOM.union(activity.METRICS))
_FIELD_METRICS = tuple(dict.fromkeys(name for names in fields.METRICS.values() for name in names))


class Device:
    """One GPU that responds. Used in one thread."""

    def __init__(self, handle: Handle, identity: Identity, bounds: Bounds) -> None:
        self.handle = handle
        self.identity = identity
        self.xid_log = XidLog(f"GPU {identity.index} ({identity.uuid})")
        self.answers_nothing = False
        """Every call of the last reading returned an unknown error."""
        self._bounds = bounds
        # What never changes, and what changes slowly. In the order of Gpu's fields, which makes building one fastest.
        self._facts: Values = msgspec.structs.asdict(
            Gpu(index=identity.index, uuid=identity.uuid, name=identity.name, pci_bus_id=identity.pci_bus_id)
        )
        self._reasons = errors.Reasons({"hotspot_temperature_celsius": NO_HOTSPOT, **identity.reasons})
        self._failing: set[Call] = set()
        self._refused: dict[Call, list[Call]] = {}
        """Calls that are made again when the timer is due, and where they belong."""
        self._timer = RetryTimer()
        self._unavailable: dict[str, str] = {}
        self._missing: list[str] = []
        self._is_unified = self._has_own_memory = False
        self._fields, self._links, self._activity = fields.Fields(), nvlink.NvLinks(), activity.Activity()
        self._processes, self._mig, self._fans = Processes(bounds), Mig(bounds), Fans(bounds)
        self._accounting = accounting.Accounting()
        self._pcie_rates, self._counts_pcie = pcie.PcieRates(), True
        self._now = self._at = 0.0
        self._memory_v1 = Call(calls.MEMORY_V1.metrics, self._fill_memory_v1)
        self._pcie = Call(pcie.METRICS, self._fill_pcie, (calls.PCIE_THROUGHPUT,), instead_is_slow=True)
        self._fast: list[Call] = [
            *calls.FAST,
            Call((*calls.MEMORY_V1.metrics, "memory_reserved_bytes"), self._fill_memory_v2, (self._memory_v1,)),
            Call(_FIELD_METRICS, self._fill_fields),
            Call(("processes",), self._fill_processes),
            Call(("fans",), self._fans.fill, (Call(("fans",), self._fans.fill_first),)),
            self._pcie,
        ]
        self._slow: list[Call] = [
            *calls.SLOW,
            Call(("mig_mode",), self._fill_mig_mode),
            Call((), self._measure_mig_instances),
            Call(nvlink.METRICS, self._fill_nvlinks),
            fabric.FABRIC,
            Call(activity.METRICS, self._fill_activity),
            Call(accounting.METRICS, self._fill_ended),
        ]
        self._slow_cursor = 0
        self._slow_due = 0.37 * identity.index % 1  # spreads the GPUs' slow calls over different ticks

    def is_at(self, handle: Handle, identity: Identity) -> bool:
        """Whether this is the GPU with that identity, by its place on the bus or else by its UUID."""
        mine = self.identity
        if mine.pci_bus_id is not None and identity.pci_bus_id is not None:
            return mine.pci_bus_id == identity.pci_bus_id
        is_same_handle = address_of(self.handle) == address_of(handle)
        return mine.uuid == identity.uuid != "" or (is_same_handle and not (mine.is_complete and identity.is_complete))

    def is_exactly(self, handle: Handle, identity: Identity) -> bool:
        """Whether neither its handle nor anything of its identity has changed."""
        return self.identity == identity and address_of(self.handle) == address_of(handle)

    def start(self, now: float, at: float) -> None:
        """Make the static and the slow calls. Raises GpuLost and ProviderFailed."""
        self._now, self._at = now, at
        self._make_static_calls()
        self._links.find(self.handle)
        for call in tuple(self._slow):
            self._make(call, self._facts, self._slow)
        self._check_facts()

    def ask_again(self) -> None:
        """Make every call at the next reading that the driver has refused: the GPU was lost."""
        self._timer.expire()

    def begin_sample(self) -> None:
        """Read for the first time what has to be read twice in a tick; an error shows in the reading itself."""
        if self._counts_pcie and not self._is_unified:
            with contextlib.suppress(*errors.FIELD_ERRORS):
                self._pcie_rates.begin(self.handle)

    def end_sample(self) -> None:
        """Read it for the second time."""
        if self._counts_pcie and not self._is_unified:
            with contextlib.suppress(*errors.FIELD_ERRORS):
                self._pcie_rates.end(self.handle)

    def read(self, now: float, at: float) -> Gpu:
        """The GPU at `now` (Unix time; `at` is monotonic seconds). Raises GpuLost and ProviderFailed."""
        if abs((now - self._now) - (at - self._at)) > _JUMP_SECONDS:
            self._timer.expire()
            self._processes.clock_was_set()
        if has_asked_again := self._timer.is_due(at):
            self._make_refused_calls()
            self._check_facts()
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
        self._timer.note(self._count_refused(), at, has_asked=has_asked_again)
        is_silent = unanswered > 0 and unanswered >= len(asked) - _WITHOUT_A_CALL
        self.answers_nothing = is_silent and not calls.is_answered(handle)
        if reasons := self._bounds.check(values, checks=_CHECKS_AT_EACH_TICK):
            self._reasons.note(reasons)
        if self._is_unified:
            self._reasons.note(take_host_memory(values))
        values["memory_used_percent"] = base.used_percent(values["memory_used_bytes"], values["memory_total_bytes"])
        values["xids"] = self.xid_log.xids
        if values["xids"] is None:
            self._reasons.note({"xids": self.xid_log.reason or NOT_REPORTED})
        if values["recovery_action"] is None and errors.REQUIRES_RESET in self._reasons.values():
            values["recovery_action"] = gpu_notices.RESET  # drivers before R560 say so by the error of other calls
        values["memory_unattributed_bytes"] = base.unattributed_bytes(values["memory_used_bytes"], values["processes"])
        values["memory_is_unified"] = self._is_unified
        values["mig_instances"] = self._mig.read()
        values["unavailable"] = self._explain(values)
        return Gpu(**values)

    def lost(self, since: float) -> Gpu:
        """The GPU after it fell off the bus. The roster adds its lasting facts."""
        values: Values = {"pci_bus_id": self.identity.pci_bus_id, "xids": self.xid_log.xids}
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

    def _make_static_calls(self) -> None:
        """Make those whose values are not known yet."""
        for call in self._unknown_facts():
            self._make(call, self._facts, [])
        self._pcie_rates.set_link(self._facts["pcie_generation_max"], self._facts["pcie_width_max"])
        self._unknown_fact_count = len(self._unknown_facts())

    def _unknown_facts(self) -> list[Call]:
        return [call for call in calls.STATIC if any(self._facts[metric] is None for metric in call.metrics)]

    def _check_facts(self, metrics: tuple[str, ...] | None = None) -> None:
        """Check the facts of these metrics, or all."""
        checks = None if metrics is None else checks_of(metrics)
        self._reasons.note(self._bounds.check(self._facts, checks=checks))

    def _make_slow_calls(self, elapsed: float) -> None:
        """Make those that are due."""
        self._slow_due += len(self._slow) * elapsed / _SLOW_SECONDS
        for _ in range(min(int(self._slow_due), len(self._slow))):
            self._slow_cursor = (self._slow_cursor + 1) % len(self._slow)
            call = self._slow[self._slow_cursor]
            self._make(call, self._facts, self._slow)
            self._check_facts(call.metrics)
            if not self._slow:
                break
        self._slow_due %= 1

    def _make_refused_calls(self) -> None:
        """Give every refused call its place back, and make those now that are not made at each tick."""
        refused, self._refused, self._counts_pcie = self._refused, {}, True
        instead = {other for call in refused for other in call.instead}
        for calls_made in (self._fast, self._slow):
            calls_made[:] = [call for call in calls_made if call not in instead]
        for call, among in refused.items():
            if call not in instead:
                among.append(call)
        self._fields.retry()
        self._processes.retry()
        self._links.find(self.handle)
        self._make_static_calls()
        for call, among in refused.items():
            if among is self._slow and call in self._slow:
                self._make(call, self._facts, self._slow)

    def _count_refused(self) -> int:
        parts = (self._links, self._fields, self._processes)
        return len(self._refused) + self._unknown_fact_count + sum(part.refused_count for part in parts)

    def _make(self, call: Call, values: Values, among: list[Call]) -> None:
        try:
            call.fill(self.handle, values)
        except errors.FIELD_ERRORS as error:
            self._failed(call, error, values, among)
        else:
            if call in self._failing:
                self._recovered(call)

    def _failed(self, call: Call, error: Exception, values: Values, among: list[Call]) -> int:
        """Note why the call's metrics are unknown; if it was refused, remove it from `among` and make others instead."""
        code = errors.code_of(error)
        if code in errors.OF_MORE_THAN_A_CALL and not calls.is_answered(self.handle):
            if code == errors.GPU_IS_LOST:
                raise errors.GpuLost from error
            if (cause := errors.of_the_driver()) is not None:
                raise base.ProviderFailed(cause.reason, cause.fix) from error
        in_mig_mode = self._facts["mig_mode"] is True
        reason = IN_MIG_MODE if in_mig_mode and code == nvml.NVML_ERROR_NOT_SUPPORTED else errors.field_reason(error)
        values.update(dict.fromkeys(call.metrics))
        self._reasons.note(dict.fromkeys(call.metrics, reason))
        self._failing.add(call)
        if code in errors.PERMANENT and call in among:
            among.remove(call)
            self._refused[call] = among
            self._counts_pcie &= call is not self._pcie
            for other in call.instead:
                instead = self._slow if call.instead_is_slow else among
                instead.append(other)
                self._make(other, self._facts if call.instead_is_slow else values, instead)
                values.update({metric: self._facts[metric] for metric in call.metrics if call.instead_is_slow})
            # Unified memory (GB10, Jetson): the memory calls are NotSupported. In MIG mode that means something else.
            is_of_memory = call is self._memory_v1 and code == nvml.NVML_ERROR_NOT_SUPPORTED
            self._is_unified |= is_of_memory and not in_mig_mode and not self._has_own_memory
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
        self._learn_memory(values)

    def _fill_memory_v1(self, handle: Handle, values: Values) -> None:
        calls.memory_v1(handle, values)
        self._learn_memory(values)
        self._reasons.note({"memory_reserved_bytes": "this driver does not report its reserve separately"})

    def _learn_memory(self, values: Values) -> None:
        self._has_own_memory |= values["memory_total_bytes"] > 0
        self._is_unified = not self._has_own_memory
        if values["memory_total_bytes"] == 0 and self._has_own_memory:
            values.update(dict.fromkeys((*calls.MEMORY_V1.metrics, "memory_reserved_bytes")))
            self._reasons.note(dict.fromkeys(calls.MEMORY_V1.metrics, "the driver reports a total of 0 bytes"))

    def _fill_fields(self, handle: Handle, values: Values) -> None:
        self._fields.fill(handle, values, self._at)
        if self._fields.reasons:
            self._reasons.note(self._fields.reasons)

    def _fill_pcie(self, handle: Handle, values: Values) -> None:
        if self._is_unified:
            return
        self._pcie_rates.fill(handle, values)
        if values["pcie_rx_bytes_per_second"] is None:
            self._reasons.note(self._pcie_rates.reasons)

    def _fill_nvlinks(self, handle: Handle, values: Values) -> None:
        self._links.fill(handle, values, self._at)
        self._reasons.note(self._links.reasons)

    def _fill_activity(self, handle: Handle, values: Values) -> None:
        self._activity.fill(handle, values)
        self._reasons.note(self._activity.reasons)

    def _fill_ended(self, handle: Handle, values: Values) -> None:
        self._accounting.fill(handle, values, now=self._now, at=self._at, running=self._processes.pids)
        if values["ended_processes"] is None:
            self._reasons.note(self._accounting.reasons)

    def _fill_mig_mode(self, handle: Handle, values: Values) -> None:
        before = values["mig_mode"]
        values["mig_mode"] = bool(nvml.nvmlDeviceGetMigMode(handle)[0])
        if before is not None and before != values["mig_mode"]:
            self._timer.expire()  # the mode decides which calls are supported
        if values["mig_mode"]:
            self._mig.find(handle)
        else:
            self._mig.clear()

    def _measure_mig_instances(self, handle: Handle, _values: Values) -> None:
        self._mig.measure(handle)

    def _fill_processes(self, handle: Handle, values: Values) -> None:
        mig = self._mig
        try:
            values["processes"] = self._processes.read(handle, self._now, self._at, mig.by_ids, values)
        except nvml.NVMLError as error:
            if not mig.handles or errors.code_of(error) in errors.OF_MORE_THAN_A_CALL:
                raise
            # Without privileges the parent does not list the processes of its instances, but each instance does.
            values["processes"] = tuple(
                process
                for instance in mig.handles
                for process in self._processes.read(instance, self._now, self._at, mig.by_ids, values)
            )
