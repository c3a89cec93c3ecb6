"""A hub with a GPU of its own, and hosts that have joined it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.runtime.runtime import Runtime
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host, process
from tests.web.hosts.joined import HUB, join


@pytest.fixture
def hub() -> Iterator[Runtime]:
    """It has a GPU, and node1 has two; lab1 has never sent anything."""
    with current_runtime(host_id=HUB) as runtime:
        runtime.hub.take(host(gpu(0), host="hub"))
        users = (process(7, user="mira", command="python secret.py"),)
        given = host(gpu(0, use="busy", processes=users), gpu(1, uuid="GPU-free", use="free"))
        join(runtime, "node1", given, tags=("train", "rack 1"))
        join(runtime, "lab1", None, tags=("lab",))
        yield runtime
