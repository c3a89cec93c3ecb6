"""A problem that lasts is logged when it begins, once an hour, and when it is over."""

from __future__ import annotations

import logging

import pytest

from monitor.logs.lasting_problem import AGAIN_SECONDS, LastingProblem

log = logging.getLogger(__name__)


def test_problem_is_logged_when_it_begins_once_an_hour_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """A host without a GPU had 11,500 lines a day."""
    caplog.set_level("INFO")
    now = 0.0
    problem = LastingProblem(log, monotonic=lambda: now)
    problem.is_over("all is well")
    for now in range(0, int(2 * AGAIN_SECONDS), 30):
        problem.noticed(f"no answer for {now} s")
    problem.is_over("all is well")
    problem.is_over("all is well")
    assert caplog.messages == ["no answer for 0 s", "no answer for 3600 s", "all is well"]


def test_another_problem_and_one_that_returns_are_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    problem = LastingProblem(log, monotonic=lambda: 0.0)
    for text in ("no GPU", "no driver", "no driver"):
        problem.noticed(text)
    problem.is_over("found")
    problem.noticed("no driver")
    assert caplog.messages == ["no GPU", "no driver", "found", "no driver"]
