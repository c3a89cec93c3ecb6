"""Full garbage collections skip what was loaded at the start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_MEASURE = """
import gc, json
gc.disable()
loaded = [[number] for number in range(200_000)]
gc.collect()
before = len(gc.get_objects())
from monitor.server.garbage import spare_what_was_loaded
spare_what_was_loaded()
class Cycle:
    def __init__(self):
        self.itself = self
cycle = Cycle()
del cycle
print(json.dumps([before, len(gc.get_objects()), gc.collect() > 0]))
"""


def test_objects_of_the_start_are_no_longer_visited_and_new_garbage_is_collected() -> None:
    """At 300 open pages a full collection took 100 ms, during which no message was sent."""
    ended = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, check=True, text=True)
    before, visited, collects_new_garbage = json.loads(ended.stdout)
    assert visited < before / 100
    assert collects_new_garbage
