"""Records of which a client decides the text: each once, and few of them."""

from __future__ import annotations

import logging

import pytest

from monitor.http.log_once import MOST_TEXTS, PERIOD_SECONDS, LogOnce, shown


def test_each_text_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    refusals = LogOnce(logging.getLogger("gpumon.test"), monotonic=lambda: now[0])
    for text in ("a", "b", "a", "a"):
        refusals.warning(text)
    assert caplog.messages == ["a", "b"]
    now[0] += PERIOD_SECONDS
    refusals.warning("a")
    assert caplog.messages == ["a", "b", "a"]


def test_client_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    refusals = LogOnce(logging.getLogger("gpumon.test"), monotonic=lambda: now[0])
    for number in range(10 * MOST_TEXTS):
        refusals.warning(f"refused {number}")
    assert len(caplog.messages) == MOST_TEXTS + 1
    assert caplog.messages[-1] == "many other such records follow; they are left out for an hour"
    now[0] += PERIOD_SECONDS
    refusals.warning("refused 499")
    assert caplog.messages[-1] == "refused 499"


def test_text_of_a_client_is_short_and_on_one_line() -> None:
    assert shown("a\r\nb\x1b[0m") == r"'a\r\nb\x1b[0m'"
    assert len(shown("a" * 10_000)) < 110
