"""What a GPU's page asks the history for, over longer and longer spans: `python -m bench.growth.of_history`, in the folder of
GPU_MONITOR_DATA_DIR. It stores three years of a noisy GPU, and prints milliseconds by hours.
"""

from __future__ import annotations

import json

from bench.records.query_times import PAGE, measured
from bench.records.stored_history import NOW, fill, store_day
from monitor.history.database import prepare

_DAY_HOURS = 24
HOURS = (1, _DAY_HOURS, 7 * _DAY_HOURS, 90 * _DAY_HOURS, 365 * _DAY_HOURS, 730 * _DAY_HOURS)


def main() -> None:
    prepare()
    fill(store_day(1))
    costs = {hours: measured(["GPU-0"], PAGE, NOW - hours * 3600, NOW)["ms"] for hours in HOURS}
    print(json.dumps([*costs.items()]), flush=True)


if __name__ == "__main__":
    main()
