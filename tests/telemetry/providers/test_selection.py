"""The selection of the provider: the first that opens, with the reason and fix for each skipped one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Explained, Provider, ProviderUnavailable
from monitor.telemetry.providers.selection import IN_ORDER, LABELS, NAMES, ON_REQUEST, make, select
from monitor.telemetry.schema import Reading, Snapshot
from tests.support.servers import ROOT


class Answering:
    """A provider with this name that opens, or fails with the given reason."""

    is_simulated = False
    streams_at_interval = False

    def __init__(self, name: str, refusal: Exception | None) -> None:
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
    """Creates such providers and keeps a list of them."""

    def __init__(self) -> None:
        self.refusals: dict[str, Exception] = {}
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


def test_first_provider_that_opens_is_read_and_later_ones_are_not_tried(house: House) -> None:
    selection = select(Options(), house)
    assert [provider.name for provider in house.made] == ["pynvml"]
    assert selection.provider is house.made[0]
    assert [(report.name, report.is_chosen, report.reason) for report in selection.reports] == [("pynvml", True, None)]


def test_error_of_gpumon_in_one_provider_does_not_keep_others_from_being_tried(house: House) -> None:
    """A bug in one provider ended every sampler, although another provider would have worked."""
    house.refusals["pynvml"] = ZeroDivisionError("a bug")
    selection = select(Options(), house)
    assert selection.provider is house.made[1]
    assert house.made[0].is_closed
    assert (selection.reports[0].reason or "").startswith(
        "An error in gpumon itself, not in the driver: ZeroDivisionError"
    )


def test_skipped_providers_are_closed_and_reported_with_reason_and_fix(house: House) -> None:
    house.refuses("pynvml", "nvidia_smi")
    selection = select(Options(), house)
    assert selection.provider is house.made[2]
    assert [provider.is_closed for provider in house.made] == [True, True, False]
    assert [(report.name, report.reason, report.fix) for report in selection.reports] == [
        ("pynvml", "pynvml is missing.", "Install pynvml."),
        ("nvidia_smi", "nvidia_smi is missing.", "Install nvidia_smi."),
        ("nvtop", None, None),
    ]


def test_every_reason_is_reported_and_no_error_raised_without_a_provider(house: House) -> None:
    house.refuses(*NAMES)
    selection = select(Options(), house)
    assert selection.provider is None
    assert [report.name for report in selection.reports] == list(IN_ORDER)
    assert all(report.reason and report.fix and not report.is_chosen for report in selection.reports)


@pytest.mark.parametrize("name", NAMES)
def test_provider_named_in_the_setting_is_the_only_one_tried(house: House, name: str) -> None:
    house.refuses(name)
    selection = select(Options(provider=name), house)
    assert selection.provider is None
    assert [report.name for report in selection.reports] == [name]


def test_simulated_readings_are_used_only_on_request(house: House) -> None:
    house.refuses(*IN_ORDER)
    assert select(Options(), house).provider is None
    assert not {provider.name for provider in house.made} & set(ON_REQUEST)


@pytest.mark.parametrize("name", NAMES)
def test_every_provider_name_has_a_provider_and_a_label(name: str) -> None:
    assert make(name, Options()).name == name
    assert LABELS[name]


def test_unknown_name_is_refused_with_a_list_of_the_known_ones() -> None:
    with pytest.raises(Explained, match="pynvml, nvidia_smi, nvtop, simulated, replay"):
        make("nvitop", Options())


ACME = """
from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import GPU_METRICS
from monitor.telemetry.schema import Gpu, Reading

class Acme:
    name = "acme"
    is_simulated = False
    streams_at_interval = False

    def __init__(self, options: Options) -> None: ...
    def open(self) -> None: ...
    def close(self) -> None: ...

    def read(self, now: float) -> Reading:
        known = {"utilization_percent": 42.0}
        reasons = {name: "not reported by Acme" for name in GPU_METRICS if name not in known}
        return Reading(sampled_at=now, gpus=(Gpu(index=0, uuid="acme-0", name="Acme 1", unavailable=reasons, **known),))
"""


@pytest.fixture
def with_acme(tmp_path: Path) -> Path:
    """A copy of the program with a provider added: one file, and one line in the list."""
    shutil.copytree(ROOT / "monitor", tmp_path / "monitor", ignore=shutil.ignore_patterns("__pycache__"))
    providers = tmp_path / "monitor/telemetry/providers"
    (providers / "acme.py").write_text(ACME)
    listed = (providers / "selection.py").read_text()
    first = "PROVIDERS = (\n"
    assert listed.count(first) == 1
    (providers / "selection.py").write_text(listed.replace(first, f'{first}    Entry("acme", "Acme", "acme:Acme"),\n'))
    return tmp_path


def run_in(folder: Path, *command: str, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), **variables}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_new_provider_is_one_file_and_one_line(with_acme: Path) -> None:
    """It is tried in its order, the command line and the setting accept its name, and it has a label."""
    for choice in ((), ("--provider", "acme")):
        snapshot = msgspec.json.decode(run_in(with_acme, "-m", "monitor.telemetry", *choice), type=Snapshot)
        assert (snapshot.provider, snapshot.gpus[0].utilization_percent) == ("acme", 42)
    setting = "from monitor.config.model import Config; print(Config().telemetry_provider)"
    assert run_in(with_acme, "-c", setting, GPU_MONITOR_TELEMETRY_PROVIDER="Acme") == "acme\n"
    label = "from monitor.telemetry.providers.selection import LABELS; print(LABELS['acme'])"
    assert run_in(with_acme, "-c", label) == "Acme\n"
