"""The limit of open files: raised as far as allowed and useful, and compared with the promised number of WebSockets."""

from __future__ import annotations

import logging
import resource

import pytest

from monitor.server.descriptors import ENOUGH, raise_limit, room_for_connections, warn_if_sockets_do_not_fit

INFINITY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "raised_to"),
    [
        ((1024, 524_288), (ENOUGH, 524_288)),
        ((1024, 4096), (4096, 4096)),
        ((1024, INFINITY), (ENOUGH, INFINITY)),
        ((1024, 1024), None),
        ((100_000, 524_288), None),
        ((INFINITY, INFINITY), None),
    ],
)
def test_soft_limit_is_raised_to_the_hard_one_as_far_as_useful(
    before: tuple[int, int], raised_to: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: made.append(limits))
    limit = raise_limit()
    assert made == ([] if raised_to is None else [raised_to])
    assert limit == (raised_to or (ENOUGH if before[0] == INFINITY else before[0],))[0]


def test_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refused)
    assert raise_limit() == 1024


def test_more_sockets_than_fit_are_warned_of_with_the_fix(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_if_sockets_do_not_fit(ENOUGH, 2000)
        assert caplog.text == ""
        warn_if_sockets_do_not_fit(1024, 2000)
    assert "GPU_MONITOR_MAX_SOCKETS=2000 is more than fit: this process can open 1024 files" in caplog.text
    assert f"enough for {room_for_connections(1024)} connections" in caplog.text
    assert "LimitNOFILE=" in caplog.text


def test_some_descriptors_are_always_kept_free() -> None:
    assert room_for_connections(1024) == 896
    assert room_for_connections(256) == 192
