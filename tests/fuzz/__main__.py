"""`python -m tests.fuzz`: mutated inputs for five minutes a target. The printed seed repeats a run."""

from __future__ import annotations

import argparse
import sys
import time

import pytest


def main() -> int:
    """Run the tests of this folder for longer than `make test` does, with inputs of another seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", default="", help="only tests whose name contains this, such as nvtop or queries")
    parser.add_argument("--seconds", type=float, default=300.0, help="for each target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    of_fuzz = [f"--fuzz-seconds={options.seconds:g}", f"--fuzz-seed={options.seed}"]
    return int(pytest.main(["tests/fuzz", "-s", "-q", "-k", f"fuzz_{options.target}", "-p", "no:randomly", *of_fuzz]))


if __name__ == "__main__":
    sys.exit(main())
