"""`python -m tests.history.recording`: records the time of a Machine into the history of GPU_MONITOR_DATA_DIR until it is killed.

Prints a line for each minute. A minute passes in milliseconds, so that a kill is likely to come in the middle of a write.
"""

from __future__ import annotations

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from monitor.history.database import prepare  # noqa: E402
from tests.history.machines import Machine  # noqa: E402


def main() -> None:
    prepare()
    machine = Machine(gpus=2)
    while True:
        machine.run(60, every=2)
        print(int(machine.now), flush=True)


if __name__ == "__main__":
    main()
