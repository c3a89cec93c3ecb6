"""Shares of processes from drivers that report them in different ways, or not at all. Each driver is a few lines here."""

from __future__ import annotations

from collections.abc import Callable

import pynvml as nvml
import pytest

from monitor.telemetry.providers.nvml.process_shares import IDLE, NO_SHARES, UNKNOWN, ProcessShares

WALL, SINCE_BOOT = 1_800_000_000.0, 5_000.0
PID = 4242
Record = tuple[int, int, int, int, int, int]


class Driver:
    """Gives one sample of one process at each time stamp, by the calls and the clock that it has."""

    def __init__(self, *, older: bool = True, newer: bool = True, clock: float = WALL) -> None:
        self.older, self.newer = older, newer
        self.clock_start = clock
        self.sm: int | None = 50
        self.seconds = 0.0
        self.refusal: int | None = None

    def ask_older(self, _handle: object, since: int) -> list[Record]:
        if self.refusal is not None:
            raise nvml.NVMLError(self.refusal)
        return self._samples(since) if self.older else []

    def ask_newer(self, _handle: object, since: int) -> list[Record]:
        if not self.newer:
            raise nvml.NVMLError(nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return self._samples(since)

    def _samples(self, since: int) -> list[Record]:
        stamp = int((self.clock_start + self.seconds) * 1e6)
        return [(PID, stamp, self.sm, 5, 0, 0)] if self.sm is not None and stamp > since else []


def read(shares: ProcessShares, driver: Driver, *, busy: float | None = 100.0, wall: float = WALL) -> object:
    """The share at one reading a second after the previous one."""
    driver.seconds += 1
    shares.read(None, wall + driver.seconds, SINCE_BOOT + driver.seconds, busy)
    return shares.of(PID)


def shares_of(driver: Driver) -> ProcessShares:
    return ProcessShares(calls=(driver.ask_older, driver.ask_newer))


KNOWN = (50, 5, 0, 0)


def test_sample_is_the_share_and_without_one_the_process_is_idle() -> None:
    driver = Driver()
    shares = shares_of(driver)
    assert read(shares, driver) == KNOWN
    assert shares.of(7) == IDLE
    driver.sm = None
    assert read(shares, driver, busy=0) == IDLE


@pytest.mark.parametrize(
    "driver",
    [
        pytest.param(lambda: Driver(older=False), id="only the newer call"),
        pytest.param(lambda: Driver(clock=SINCE_BOOT), id="stamps since boot"),
        pytest.param(lambda: Driver(older=False, clock=SINCE_BOOT), id="only the newer call, since boot"),
        pytest.param(lambda: Driver(newer=False, clock=SINCE_BOOT), id="only the older call, since boot"),
    ],
)
def test_other_calls_and_clocks_are_tried_and_meanwhile_the_share_is_unknown(driver: Callable[[], Driver]) -> None:
    made = driver()
    shares = shares_of(made)
    seen = [read(shares, made) for _ in range(14)]
    assert seen[0] == UNKNOWN
    assert IDLE not in seen
    assert seen[-3:] == [KNOWN] * 3


@pytest.mark.parametrize("busy", [100.0, 1.0, None])
def test_driver_without_samples_leaves_the_shares_on_a_busy_gpu_unknown(busy: float | None) -> None:
    """On some drivers for Blackwell, the only process on a GPU at 100 % was shown at 0 %."""
    driver = Driver(older=False, newer=False)
    shares = shares_of(driver)
    assert {read(shares, driver, busy=busy) for _ in range(20)} == {UNKNOWN}
    assert shares.reason is not None
    assert read(shares, driver, busy=0) == IDLE
    assert shares.reason is None


def test_driver_that_stops_giving_samples_is_not_read_as_idle_for_long() -> None:
    driver = Driver()
    shares = shares_of(driver)
    read(shares, driver)
    driver.sm = None
    seen = [read(shares, driver) for _ in range(5)]
    assert seen[-1] == UNKNOWN
    assert shares.reason == NO_SHARES
    driver.sm = 50
    assert KNOWN in [read(shares, driver) for _ in range(10)]


def test_shares_go_on_after_the_wall_clock_was_set_back() -> None:
    driver = Driver()
    shares = shares_of(driver)
    read(shares, driver)
    driver.clock_start -= 7200
    shares.forget_stamps()
    assert read(shares, driver, wall=WALL - 7200) == KNOWN


def test_passing_error_leaves_the_shares_unknown_while_it_lasts() -> None:
    driver = Driver()
    shares = shares_of(driver)
    read(shares, driver)
    driver.refusal = nvml.NVML_ERROR_NO_PERMISSION
    assert read(shares, driver) == UNKNOWN
    assert "no permission" in (shares.reason or "")
    driver.refusal = None
    assert read(shares, driver) == KNOWN


def test_refused_call_is_made_again_when_it_is_time() -> None:
    driver = Driver(newer=False)
    driver.refusal = nvml.NVML_ERROR_NOT_SUPPORTED
    shares = shares_of(driver)
    assert read(shares, driver) == UNKNOWN
    assert shares.refused_count == 2
    driver.refusal = None
    assert read(shares, driver) == UNKNOWN
    shares.retry()
    assert read(shares, driver) == KNOWN
