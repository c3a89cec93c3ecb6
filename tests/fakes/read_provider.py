"""A child process that opens one provider, with real libraries, and prints a reading for each line on stdin.

python -m tests.fakes.read_provider pynvml '{"interval_seconds": 1}'

A line has two numbers: the seconds that pass before the reading, and those by which the wall clock is set forward then.
Nobody waits for them: the clocks of this process are ahead.
"""

from __future__ import annotations

import os
import sys
import time

import msgspec

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Provider, ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.nvml.provider import Pynvml
from monitor.telemetry.providers.selection import make
from monitor.telemetry.sampler.wire import Failed


def say(what: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


class Clocks:
    """The monotonic and the wall clock, ahead of the real ones."""

    passed = stepped = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed

    def time(self) -> float:
        return time.time() + self.passed + self.stepped


def make_provider(name: str, options: Options, clocks: Clocks) -> Provider:
    return Pynvml(options, monotonic=clocks.monotonic) if name == Pynvml.name else make(name, options)


def main() -> None:
    clocks = Clocks()
    provider = make_provider(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Options), clocks)
    try:
        provider.open()
        for line in sys.stdin:
            seconds, step = map(float, line.split())
            clocks.passed += seconds
            clocks.stepped += step
            say(provider.read(clocks.time()))
    except (ProviderUnavailable, ProviderFailed) as error:
        say(Failed(reason=error.reason, fix=error.fix))
    provider.close()
    os._exit(0)


if __name__ == "__main__":
    main()
