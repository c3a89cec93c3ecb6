"""A campaign against one target: each input of its corpus as it is, then mutated ones, each under the same limits."""

from __future__ import annotations

import hashlib
import random
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests.fuzz.mutations import Mutation
from tests.support.servers import ROOT

CORPUS = Path(__file__).parent / "corpus"
FAILED = ROOT / "build" / "fuzz"
"""Where an input that breaks something is saved."""
MOST_MUTATIONS = 4
"""Of one input."""
WEIGHED_EACH = 10
"""Measuring memory takes several times as long as the input itself."""
MOST_CPU_SECONDS = 20.0
"""A guard against loops without an end, of this process's CPU time: most inputs take milliseconds."""


class Extent(NamedTuple):
    """How long a campaign goes on."""

    seed: int
    seconds: float
    """0: as many inputs as the target names."""


class Target(NamedTuple):
    """What is fed."""

    name: str
    run: Callable[[bytes], object]
    """Raises if the input breaks something. What the input deserves, such as a named error, it handles itself."""
    mutations: Sequence[Mutation]
    mutation_count: int
    """Mutated inputs in `make test`."""
    most_calls: Callable[[bytes], float]
    """Function calls that the input may cost."""
    most_bytes: Callable[[bytes], float]
    """Memory that it may take at once."""


def files(name: str, *others: Path) -> dict[str, bytes]:
    """The files of a folder of the corpus, and of others, by their names."""
    return {path.name: path.read_bytes() for path in [*sorted((CORPUS / name).iterdir()), *others]}


class Broken(AssertionError):
    """An input broke something."""


def campaign(target: Target, corpus: Mapping[str, bytes], extent: Extent) -> None:
    """Raises Broken, with the input saved."""
    inputs, began, number = [*corpus.values()], time.monotonic(), 0
    for place, (name, data) in enumerate(corpus.items()):
        _feed(target, data, f"{name} of the corpus", is_weighed=place % WEIGHED_EACH == 0)
    while time.monotonic() - began < extent.seconds if extent.seconds else number < target.mutation_count:
        number += 1
        data = mutated(target, inputs, extent.seed, number)
        _feed(target, data, f"mutation {number} of seed {extent.seed}", is_weighed=number % WEIGHED_EACH == 0)
    if extent.seconds:
        print(f"\n{target.name}: {len(corpus)} inputs of the corpus and {number} mutations held.", flush=True)


def mutated(target: Target, inputs: Sequence[bytes], seed: int, number: int) -> bytes:
    """The same bytes for the same numbers and corpus."""
    chance = random.Random(f"{target.name} {seed} {number}")
    data = chance.choice(inputs)
    for _ in range(chance.randint(1, MOST_MUTATIONS)):
        data = chance.choice(target.mutations)(data, chance, inputs)
    return data


def _feed(target: Target, data: bytes, what: str, *, is_weighed: bool) -> None:
    try:
        calls = calls_of(target.run, data)
        assert calls <= target.most_calls(data), f"{calls} calls"
        if is_weighed:
            memory = memory_of(target.run, data)
            assert memory <= target.most_bytes(data), f"{memory} bytes of memory"
    except Exception as error:
        FAILED.mkdir(parents=True, exist_ok=True)
        path = FAILED / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        raise Broken(f"{target.name}: {what} ({len(data)} bytes, saved as {path}): {error!r}") from error


def calls_of(run: Callable[[bytes], object], data: bytes) -> int:
    """Function calls made: what an input costs on any machine, however busy."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    with _limited_cpu_time():
        sys.setprofile(count)
        try:
            run(data)
        finally:
            sys.setprofile(None)
    return calls


def memory_of(run: Callable[[bytes], object], data: bytes) -> int:
    """Bytes of memory taken at once."""
    tracemalloc.start()
    try:
        run(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def _limited_cpu_time() -> Iterator[None]:
    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {MOST_CPU_SECONDS:g} s of CPU time")

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
