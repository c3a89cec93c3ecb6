"""The child processes of a real server inherit none of its settings, some of which are secrets."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support.servers import Server, wait_for


@pytest.mark.slow
def test_no_child_of_the_server_has_a_setting_in_its_environment(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated", secret_key="S3CRET" * 10).start()
    try:
        pid = wait_for(lambda: server.health()["sampler_pid"], "the sampler")
        variables = psutil.Process(pid).environ()
    finally:
        server.stop()
    assert "PATH" in variables
    assert [name for name in variables if name.startswith("GPU_MONITOR_")] == []
