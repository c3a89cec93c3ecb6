"""Which provider is read: the first that answers, with the reason and the fix for each one passed over."""

from __future__ import annotations

import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.providers import IN_ORDER, LABELS, NAMES, ON_REQUEST, make, select
from monitor.telemetry.providers.base import Explained, Provider, ProviderUnavailable
from monitor.telemetry.schema import Reading


class Answering:
    """A provider of a name, which opens or says why not."""

    is_simulated = False
    streams_at_interval = False

    def __init__(self, name: str, refusal: ProviderUnavailable | None) -> None:
        self.name, self._refusal = name, refusal
        self.is_closed = False

    def open(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def read(self, now: float) -> Reading:
        return Reading(sampled_at=now, gpus=())

    def close(self) -> None:
        self.is_closed = True


class House:
    """Makes such providers, and keeps what it made."""

    def __init__(self) -> None:
        self.refusals: dict[str, ProviderUnavailable] = {}
        self.made: list[Answering] = []

    def refuses(self, *names: str) -> None:
        for name in names:
            self.refusals[name] = ProviderUnavailable(f"{name} is missing.", f"Install {name}.")

    def __call__(self, name: str, options: Options) -> Provider:
        self.made.append(Answering(name, self.refusals.get(name)))
        return self.made[-1]


@pytest.fixture
def house() -> House:
    return House()


def test_the_first_in_order_that_answers_is_read_and_no_other_is_tried(house: House) -> None:
    selection = select(Options(), house)
    assert [provider.name for provider in house.made] == ["pynvml"]
    assert selection.provider is house.made[0]
    assert [(report.name, report.is_chosen, report.reason) for report in selection.reports] == [("pynvml", True, None)]


def test_those_passed_over_are_closed_and_reported_with_reason_and_fix(house: House) -> None:
    house.refuses("pynvml", "nvidia_smi")
    selection = select(Options(), house)
    assert selection.provider is house.made[2]
    assert [provider.is_closed for provider in house.made] == [True, True, False]
    assert [(report.name, report.reason, report.fix) for report in selection.reports] == [
        ("pynvml", "pynvml is missing.", "Install pynvml."),
        ("nvidia_smi", "nvidia_smi is missing.", "Install nvidia_smi."),
        ("nvtop", None, None),
    ]


def test_with_none_every_reason_is_told_and_nothing_raised(house: House) -> None:
    house.refuses(*NAMES)
    selection = select(Options(), house)
    assert selection.provider is None
    assert [report.name for report in selection.reports] == list(IN_ORDER)
    assert all(report.reason and report.fix and not report.is_chosen for report in selection.reports)


@pytest.mark.parametrize("name", NAMES)
def test_a_provider_asked_for_by_name_is_the_only_one_tried(house: House, name: str) -> None:
    house.refuses(name)
    selection = select(Options(provider=name), house)
    assert selection.provider is None
    assert [report.name for report in selection.reports] == [name]


def test_invented_readings_come_only_when_asked_for(house: House) -> None:
    house.refuses(*IN_ORDER)
    assert select(Options(), house).provider is None
    assert not {provider.name for provider in house.made} & set(ON_REQUEST)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_its_provider_and_has_a_label(name: str) -> None:
    assert make(name, Options()).name == name
    assert LABELS[name]


def test_another_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(Explained, match="pynvml, nvidia_smi, nvtop, simulated, replay"):
        make("nvitop", Options())
