"""A server of several processes says that its own GPUs are neither judged nor recorded, unless an agent sends them."""

from __future__ import annotations

import pytest

from monitor.runtime.unrecorded_gpus import LOOK_SECONDS, UnrecordedGpus
from tests.support.snapshots import gpu, host

REASON = "2 GPUs of this machine are neither judged nor recorded: run an agent on it, as docs/fleet.md says"


class Server:
    def __init__(self) -> None:
        self.now = 0.0
        self.sent: set[str] = set()
        self.stage = UnrecordedGpus(lambda: self.sent, monotonic=lambda: self.now)

    def reads(self, *indexes: int, is_simulated: bool = False) -> str | None:
        """The problem a minute later."""
        self.stage.take(host(*map(gpu, indexes), is_simulated=is_simulated))
        self.now += LOOK_SECONDS
        self.stage.take(host(*map(gpu, indexes), is_simulated=is_simulated))
        return self.stage.problem


def test_gpus_that_no_agent_sends_are_a_problem_until_one_does(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.stage.take(host(gpu(0), gpu(1)))
    assert server.stage.problem is None  # agents may still connect
    assert server.reads(0, 1) == server.reads(0, 1) == REASON
    assert caplog.text.count(REASON) == 1
    server.sent = {gpu(0).uuid, gpu(1).uuid, "GPU-of-another-host"}
    assert server.reads(0, 1) is None


@pytest.mark.parametrize(("indexes", "is_simulated"), [((), False), ((0, 1), True)])
def test_server_without_real_gpus_has_no_problem(indexes: tuple[int, ...], is_simulated: bool) -> None:
    assert Server().reads(*indexes, is_simulated=is_simulated) is None
