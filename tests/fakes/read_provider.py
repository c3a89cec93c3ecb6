"""A child process that opens one provider, with real libraries, and prints a reading for each line on stdin.

python -m tests.fakes.read_provider pynvml '{"interval_seconds": 1}'
"""

from __future__ import annotations

import os
import sys
import time

import msgspec

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.selection import make
from monitor.telemetry.sampler.wire import Failed


def say(what: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    provider = make(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Options))
    try:
        provider.open()
        for _ in sys.stdin:
            say(provider.read(time.time()))
    except (ProviderUnavailable, ProviderFailed) as error:
        say(Failed(reason=error.reason, fix=error.fix))
    provider.close()
    os._exit(0)


if __name__ == "__main__":
    main()
