"""GPU_MONITOR_METRICS_NAMES: each vocabulary once, in one order, and none that does not exist."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from monitor.config.metrics_names import checked_metrics_names
from monitor.config.model import Config


def test_order_case_and_repetition_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_METRICS_NAMES", " nvidia_smi, OWN ,own")
    assert Config().metrics_names == ("own", "nvidia_smi")


@pytest.mark.parametrize("names", [[], [""], ["dcgm", "nonsense"], ["own dcgm"]])
def test_other_names_are_refused_with_those_that_exist(names: list[str]) -> None:
    with pytest.raises(ValueError, match="one or more of own, dcgm and nvidia_smi, separated by commas"):
        checked_metrics_names(names)


def test_wrong_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_METRICS_NAMES", "own,prometheus")
    with pytest.raises(ValidationError, match="one or more of own, dcgm and nvidia_smi"):
        Config()
