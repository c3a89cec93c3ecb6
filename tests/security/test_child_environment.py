"""The child processes of a real server inherit none of its settings, because some are secrets."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support.servers import Server, wait_for


@pytest.mark.slow
def test_child_processes_have_no_setting_in_their_environment(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated", secret_key="S3CRET" * 10).start()
    try:
        pid = wait_for(lambda: server.health()["sampler_pid"], "the sampler")
        variables = psutil.Process(pid).environ()
    finally:
        server.stop()
    assert "PATH" in variables
    assert [name for name in variables if name.startswith("GPU_MONITOR_")] == []
