"""`gpumon engine`, where it is not needed."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command


def test_engine_of_a_hub_of_one_process_says_that_it_is_not_needed() -> None:
    with pytest.raises(
        CommandError, match=r"GPU_MONITOR_REDIS_URL is not set. A hub of one process judges and records its"
    ):
        call_command("engine")
