"""The sampler's ticks on the fake driver: `python -m bench.profile.sampler TICKS`. Prints how many samples fell into each part.

A sample is taken each time the process has used some CPU: the innermost frame of this project says what it was used for.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from types import FrameType

from monitor.telemetry.options import Options
from monitor.telemetry.sampler.loop import Ticks, start

_SAMPLE_SECONDS = 0.001
"""The kernel rounds this up to its own tick, often 4 ms."""
_PAUSE_SECONDS = 0.01
_PARTS = {
    "pynvml.py": "driver calls through ctypes",
    "nvml/ctypes_calls.py": "driver calls through ctypes",
    "telemetry/providers/": "readings made of the answers",
    "telemetry/host/": "processes: user, CPU, container",
    "sampler/reading_encoder.py": "message to the server",
    "sampler/wire.py": "message to the server",
    "monitor/sanitize.py": "message to the server",
}
"""By a part of the file's path; the first that fits."""
_OTHER = "the rest of the sampler"


def _part_of(frame: FrameType | None) -> str:
    while frame is not None:
        path = frame.f_code.co_filename
        for known, part in _PARTS.items():
            if known in path:
                return part
        frame = frame.f_back
    return _OTHER


def main() -> None:
    found: Counter[str] = Counter()
    _, sampler = start(Options(provider="pynvml"), lambda _message: None)
    assert sampler is not None
    ticks = Ticks(sampler)

    def tick() -> None:
        ticks.message(time.time(), is_watched=True, at=time.monotonic())
        time.sleep(_PAUSE_SECONDS)

    tick()  # opens what is opened once
    signal.signal(signal.SIGPROF, lambda _signal, frame: found.update([_part_of(frame)]))
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
    for _ in range(int(sys.argv[1])):
        tick()
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(found), flush=True)
    os._exit(0)  # the provider's thread waits for Xid errors inside the driver


if __name__ == "__main__":
    main()
