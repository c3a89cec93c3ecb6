"""A ledger with weeks of use of eight GPUs, written as rows: mira and oskar work, jo mostly holds, the nights are free.

A running server may have written rows of its own.
"""

from __future__ import annotations

import math
import random

from monitor.models.usage import (
    UsageGpu,
    UsageHolder,
    UsagePeriod,
    UsageShare,
    UsageSlice,
    UsageSpan,
    UsageUser,
)

SLICE = 900
MS = SLICE * 1000
PEOPLE = ("mira", "oskar", "lin", "jo", "render", "sofia", "dev-ci", "aziz", "<b>ninth</b>", "=tenth")


def fill(now: float, days: float = 30, gpus: int = 8, uuids: tuple[str, ...] = (), seed: int = 3) -> None:
    """Write it down up to the last whole quarter-hour before `now`. With less than three days, it depends on the time of the day
    whether each of the first five people is in it.
    """
    draw = random.Random(seed)
    end = int(now // SLICE) * SLICE
    start = end - int(days * 86400)
    users = {
        name: UsageUser.objects.get_or_create(name=name, defaults={"hue": hue if hue <= 8 else 0})[0]
        for hue, name in enumerate(PEOPLE, 1)
    }
    holders = {
        name: UsageHolder.objects.create(
            user=name, container="trainer" if name == "mira" else "", program="python", command=f"python {name[:4]}.py",
            job="", last_at=end,
        ).pk
        for name in users
    }  # fmt: skip
    slices, shares, spans = [], [], []
    for index in range(gpus):
        uuid = uuids[index] if uuids else f"GPU-51e0cade-{index:04}-4000-8000-{index:012}"
        known = {"index": index, "name": "NVIDIA H100 80GB HBM3", "host": "dgx"}
        gpu, _ = UsageGpu.objects.get_or_create(uuid=uuid, defaults=known)
        UsagePeriod.objects.create(gpu=gpu, start=start, end=end)
        at = start
        while at < end:
            length = SLICE * draw.randint(4, 40)
            name = draw.choices(PEOPLE, weights=(30, 20, 10, 8, 6, 4, 3, 2, 5, 5))[0]
            night = math.cos((at % 86400) / 86400 * 2 * math.pi) > 0.3
            weights = (60, 200 if name == "jo" else 9, 60 if night else 12, 1, 1)
            state = draw.choices(("busy", "held", "free", "nobody", "unread"), weights)[0]
            until = min(end, at + length)
            shown = {"nobody": "busy", "unread": "unknown"}.get(state, state)
            user = name if state in ("busy", "held") else ""
            spans.append(UsageSpan(gpu_id=gpu.pk, start=at, end=until, state=shown, user=user))
            for each in range(at, until, SLICE):
                slices.append(
                    UsageSlice(
                        gpu_id=gpu.pk, start=each, busy_ms=MS if state in ("busy", "nobody") else 0,
                        held_ms=MS if state == "held" else 0, nobody_ms=MS if state == "nobody" else 0,
                        free_ms=MS if state == "free" else 0, lost_ms=0, unread_ms=MS if state == "unread" else 0,
                        energy_joules=SLICE * (500 if state == "busy" else 90), energy_ms=MS,
                    )
                )  # fmt: skip
                if user:
                    sm = draw.randint(60, 99) if state == "busy" else 0
                    shares.append(
                        UsageShare(
                            gpu_id=gpu.pk, start=each, holder_id=holders[name], share_ms=MS, user_ms=MS, container_ms=MS,
                            program_ms=MS, command_ms=MS, job_ms=MS, held_ms=MS if state == "held" else 0,
                            zero_ms=MS if state == "held" else 0, sm_known_ms=MS, sm_percent_seconds=sm * SLICE,
                            memory_mib_seconds=40_000 * SLICE, energy_joules=SLICE * (500 if sm else 90),
                        )
                    )  # fmt: skip
            at = until
    UsageSlice.objects.bulk_create(slices, batch_size=2000)
    UsageShare.objects.bulk_create(shares, batch_size=2000)
    UsageSpan.objects.bulk_create(spans, batch_size=2000)
