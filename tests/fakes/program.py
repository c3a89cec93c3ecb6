"""A fake of nvidia-smi and nvtop that prints, crashes or stays silent as its scenario says.

The scenario (JSON, named by FAKE_PROGRAM_SCENARIO) maps an argument to steps; the steps of the first argument found on
the command line are played, or those of "". Steps: {"out": …}, {"err": …}, {"sleep": seconds}, {"exit": status},
{"signal": number}, {"ignore": number}, {"repeat": times} (all steps before it; 0: forever).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def play(steps: list[dict[str, Any]]) -> None:
    for position, step in enumerate(steps):
        ((what, given),) = step.items()
        if what == "out":
            sys.stdout.buffer.write(given.encode("latin-1"))
            sys.stdout.buffer.flush()
        elif what == "err":
            sys.stderr.write(given)
            sys.stderr.flush()
        elif what == "sleep":
            time.sleep(given)
        elif what == "exit":
            sys.exit(given)
        elif what == "signal":
            os.kill(os.getpid(), given)
        elif what == "ignore":
            signal.signal(given, signal.SIG_IGN)
        elif what == "repeat":
            times = 0
            while given == 0 or times < given:
                play(steps[:position])
                times += 1


def main() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    scenario = json.loads(Path(os.environ["FAKE_PROGRAM_SCENARIO"]).read_text())
    with Path(os.environ["FAKE_PROGRAM_SCENARIO"] + ".calls").open("a") as calls:
        calls.write(json.dumps([os.getpid(), *sys.argv[1:]]) + "\n")
    play(next((steps for argument, steps in scenario.items() if argument in sys.argv), scenario.get("", [])))


if __name__ == "__main__":
    main()
