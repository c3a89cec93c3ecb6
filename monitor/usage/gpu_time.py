"""Counts one stretch of a GPU's time, at most a minute, to whom and what it belongs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitor.telemetry.schema import Gpu
from monitor.usage import spans
from monitor.usage.accounts import GpuAccount, HolderAccount, OpenGpu
from monitor.usage.holders import Holder
from monitor.usage.shares import Portion

MOST_HOLDERS = 64
"""Of one GPU in one slice; further ones are counted to their user alone."""
_SURPLUS = 2.0
"""Times the power limit: an energy counter that runs faster is not this GPU's alone."""


def count(known: OpenGpu, gpu: Gpu, portions: Sequence[Portion], seconds: float, watts: float | None) -> None:
    """Count these seconds. `portions`: of the holders, if the GPU is in use. `watts`: mean power, None if unknown."""
    account = known.account
    if watts is not None:
        account.energy_joules += watts * seconds
        account.energy_known += seconds
    use = gpu.use
    if gpu.state == "lost":
        account.lost += seconds
        spans.add(known, "lost", "", seconds)
    elif use == "unknown":
        account.unread += seconds
        spans.add(known, "unknown", "", seconds)
    elif use == "free":
        account.free += seconds
        spans.add(known, "free", "", seconds)
    else:
        if use == "held":
            account.held += seconds
        else:
            account.busy += seconds
        if not portions:
            account.nobody += seconds
            spans.add(known, use, "", seconds)
        is_held, joules = use == "held", (watts or 0.0) * seconds
        for portion in portions:
            of_holder = account.holders.get(portion.holder) or _holder_account(account, portion.holder)
            _add(of_holder, portion, seconds, joules, is_held)
            if portion.share:
                spans.add(known, use, portion.holder.user, portion.share * seconds)


def power_of(known: OpenGpu, gpu: Gpu, seconds: float, *, is_continuous: bool) -> float | None:
    """Mean power over the seconds that a reading stands for, in watts: by the energy counter, else the power now.

    `is_continuous`: the previous reading was that long ago. The counter is of no use otherwise, nor when it was reset (the
    driver was loaded again) or counts more than this GPU (a whole Grace Hopper module).
    """
    before, known.energy_counter = known.energy_counter, gpu.energy_joules
    if not is_continuous or before is None or gpu.energy_joules is None or gpu.energy_joules < before:
        return gpu.power_watts
    watts = (gpu.energy_joules - before) / seconds
    return gpu.power_watts if watts > _SURPLUS * (gpu.power_limit_watts or math.inf) else watts


def _holder_account(account: GpuAccount, holder: Holder) -> HolderAccount:
    """A new one."""
    if len(account.holders) >= MOST_HOLDERS:
        holder = Holder(user=holder.user)
    return account.holders.setdefault(holder, HolderAccount())


def _add(account: HolderAccount, portion: Portion, seconds: float, joules: float, is_held: bool) -> None:
    _holder, part, (user, container, program, command, job), memory, sm_percent, energy = portion
    share = part * seconds
    account.share += share
    account.user += user * seconds
    account.container += container * seconds
    account.program += program * seconds
    account.command += command * seconds
    account.job += job * seconds
    account.memory_byte_seconds += memory * seconds
    account.energy_joules += energy * joules
    if is_held:
        account.held += share
    if sm_percent is not None:
        account.sm_known += user * seconds
        account.sm_percent_seconds += sm_percent * seconds
        if sm_percent == 0.0:
            account.zero += share
