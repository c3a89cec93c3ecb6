"""`python -m tests.chaos`: a server in bad weather, for ten minutes. The seed repeats a run."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from tests.chaos import hub_weather, weather
from tests.chaos.hub import hub
from tests.chaos.storm import storm
from tests.chaos.world import world


def main() -> None:
    """Every weather once in random order, and again until the time is up. Fails at the first invariant that does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--hub", action="store_true", help="a hub of several processes, over Redis and PostgreSQL")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these weathers")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance, end = random.Random(options.seed), time.monotonic() + options.minutes * 60
    every = hub_weather.EVERY if options.hub else weather.EVERY
    known = [each for each in every if options.only is None or each.__name__ in options.only]
    with (
        tempfile.TemporaryDirectory(prefix="gpumon-chaos-") as folder,
        (hub if options.hub else world)(Path(folder)) as made,
    ):
        try:
            while True:
                storm(made, chance.sample(known, len(known)), chance, say=lambda text: print(text, flush=True))
                if time.monotonic() >= end:
                    break
        except BaseException:
            print(f"\nThe log ends:\n{made.log[-8000:]}")
            raise
    print("Everything held.")


if __name__ == "__main__":
    main()
