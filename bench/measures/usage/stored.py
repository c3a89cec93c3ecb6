"""A ledger of three years in its own process, in the folder of GPU_MONITOR_DATA_DIR: 8 GPUs, 50 users with 3 commands each. It
answers a line of stdin with the CPU times of a month's report and of SQLite reading the same rows.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402

from monitor.models.usage import UsageGpu, UsageHolder, UsagePeriod, UsageShare, UsageSlice, UsageUser  # noqa: E402
from monitor.usage.reports import usage  # noqa: E402

_GPUS, _USERS, _COMMANDS = 8, 50, 3
_END = 1_800_000_000
_SLICES, _MONTH = 3 * 365 * 96, 30 * 96
_ROUNDS = 7


def fill() -> None:
    """Every GPU is always busy, a third of the time with two holders."""
    for index in range(_GPUS):
        gpu = UsageGpu.objects.create(uuid=f"GPU-{index}", index=index, name="NVIDIA H100 80GB HBM3", host="dgx")
        UsagePeriod.objects.create(gpu=gpu, start=_END - _SLICES * 900, end=_END)
    for number in range(_USERS):
        UsageUser.objects.create(name=f"user{number}", hue=number + 1 if number < 8 else 0)
        for program in range(_COMMANDS):
            names = {"user": f"user{number}", "program": "python", "command": f"python train{program}.py"}
            UsageHolder.objects.create(container="", job="", last_at=_END, **names)
    gpus = list(UsageGpu.objects.values_list("pk", flat=True))
    holders = list(UsageHolder.objects.values_list("pk", flat=True))
    with connections[settings.HISTORY_DATABASE].cursor() as cursor:
        cursor.executemany(_insert(UsageSlice), (row for at in range(_SLICES) for row in _slices(at, gpus)))
        cursor.executemany(_insert(UsageShare), (row for at in range(_SLICES) for row in _shares(at, gpus, holders)))


def _insert(model: type[UsageSlice] | type[UsageShare]) -> str:
    columns = [field.column for field in model._meta.fields if field.column != "id"]
    return f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"


def _start(at: int) -> int:
    return _END - (_SLICES - at) * 900


def _slices(at: int, gpus: list[int]) -> list[tuple[int, ...]]:
    return [(gpu, _start(at), 700_000, 100_000, 0, 100_000, 0, 0, 400_000 + at % 999, 900_000) for gpu in gpus]


def _shares(at: int, gpus: list[int], holders: list[int]) -> list[tuple[int, ...]]:
    rows = []
    for place, gpu in enumerate(gpus):
        held_by = [(at // 7 + place * 13) % len(holders), (at // 5 + place * 31) % len(holders)]
        for number in held_by if (at + place) % 3 == 0 else held_by[:1]:
            times = (
                800_000 - at % 99,
                *[800_000] * 5,
                100_000,
                50_000 + at % 77,
                800_000,
                60_000,
                9_000_000 + at,
                300_000,
            )
            rows.append((gpu, _start(at), holders[number], *times))
    return rows


def read_rows() -> int:
    """The floor: all rows of the month, by Python's sqlite3."""
    count = 0
    reader = sqlite3.connect(str(connections[settings.HISTORY_DATABASE].settings_dict["NAME"]))
    for model in (UsageSlice, UsageShare):
        span = _END - _MONTH * 900, _END
        found = reader.execute(f"SELECT * FROM {model._meta.db_table} WHERE start >= ? AND start < ?", span)
        count += len(found.fetchall())
    reader.close()
    return count


def report() -> int:
    return len(usage(_END - _MONTH * 900, _END, "user", now=_END).rows)


def _milliseconds(do: Callable[[], int]) -> float:
    began = time.process_time()
    do()
    return (time.process_time() - began) * 1e3


def main() -> None:
    call_command("migrate", verbosity=0)
    call_command("migrate", database=settings.HISTORY_DATABASE, verbosity=0)
    fill()
    for _ in sys.stdin:
        rows, users = read_rows(), report()
        pairs = [(_milliseconds(report), _milliseconds(read_rows)) for _ in range(_ROUNDS)]
        file = connections[settings.HISTORY_DATABASE].settings_dict["NAME"]
        answer = {
            "ratio": median(mine / floor for mine, floor in pairs),
            "ms": median(mine for mine, _ in pairs),
            "floor_ms": median(floor for _, floor in pairs),
            "rows": rows,
            "users": users,
            "mib": Path(file).stat().st_size / (1 << 20),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
