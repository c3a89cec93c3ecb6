"""Configuration drift: where driver, CUDA, VBIOS, persistence, ECC or MIG mode differ from the most common value within a tag."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from monitor.fleet.host_summary import HostSummary
from monitor.formats import ON_OFF
from monitor.web.components.gpu_cards import short_name


class Drift(NamedTuple):
    """A value of a host that differs."""

    text: str
    """≠ driver 570.124.06."""
    title: str
    """What the others have."""


class _Value(NamedTuple):
    """One setting of one host, or of some of its GPUs."""

    setting: str
    model: str
    """Values are compared among GPUs of one model; empty where that does not matter."""
    text: str
    found: int
    """Hosts or GPUs that have it."""
    unit: str


class _Gpu(NamedTuple):
    """What is compared of a GPU."""

    model: str
    vbios_version: str | None
    persistence_mode: bool | None
    ecc_is_enabled: bool | None
    mig_mode: bool | None


class _Host(NamedTuple):
    """What is compared of a host."""

    name: str
    tags: tuple[str, ...]
    driver_version: str | None
    cuda_version: str | None
    gpus: tuple[_Gpu, ...]


_OF_GPUS: tuple[tuple[str, Callable[[_Gpu], str | None]], ...] = (
    ("VBIOS", lambda gpu: gpu.vbios_version),
    ("persistence", lambda gpu: _on_off(gpu.persistence_mode)),
    ("ECC", lambda gpu: _on_off(gpu.ecc_is_enabled)),
    ("MIG", lambda gpu: _on_off(gpu.mig_mode)),
)


def _on_off(value: bool | None) -> str | None:
    return None if value is None else ON_OFF.number(value)


def _values(host: _Host) -> list[_Value]:
    """Every known setting of a host. GPUs of a model can differ among themselves."""
    versions = (("driver", host.driver_version), ("CUDA", host.cuda_version))
    found = [_Value(name, "", text, 1, "host") for name, text in versions if text is not None]
    for setting, text_of in _OF_GPUS:
        counts = Counter((gpu.model, text) for gpu in host.gpus if (text := text_of(gpu)) is not None)
        found += [_Value(setting, model, text, count, "GPU") for (model, text), count in counts.items()]
    return found


def drifts_of(hosts: Iterable[HostSummary]) -> Mapping[str, tuple[Drift, ...]]:
    """By host name. A host with several tags is compared within each; a setting is named once, for the first tag where it differs.

    Where no value is the most common, all are marked: it is not known which is meant. Settings change rarely, and are compared
    again only then.
    """
    return _drifts_of(tuple([_settings_of(host) for host in hosts]))


def _settings_of(host: HostSummary) -> _Host:
    gpus = [
        _Gpu(short_name(gpu.name), gpu.vbios_version, gpu.persistence_mode, gpu.ecc_is_enabled, gpu.mig_mode)
        for gpu in host.gpus
    ]
    return _Host(host.name, host.tags, host.driver_version, host.cuda_version, tuple(gpus))


@functools.lru_cache(maxsize=1)
def _drifts_of(hosts: tuple[_Host, ...]) -> Mapping[str, tuple[Drift, ...]]:
    values = {host.name: (host.tags, _values(host)) for host in hosts}
    counts: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for tags, found in values.values():
        for tag in tags:
            for value in found:
                counts[tag, value.setting, value.model][value.text] += value.found
    return {name: drifts for name, (tags, found) in values.items() if (drifts := _drifts(tags, found, counts))}


def _drifts(
    tags: Sequence[str], values: Sequence[_Value], counts: Mapping[tuple[str, str, str], Counter[str]]
) -> tuple[Drift, ...]:
    drifts: dict[str, Drift] = {}
    for value in values:
        for tag in tags:
            others = counts[tag, value.setting, value.model]
            if f"{value.setting} {value.text}" not in drifts and not _is_usual(value.text, others):
                text = f"{value.setting} {value.text}"
                drifts[text] = Drift(f"≠ {text}", _title(value, tag, others))
    return tuple(drifts.values())


def _is_usual(text: str, counts: Counter[str]) -> bool:
    """Whether it is the most common value, alone."""
    (most, count), *others = counts.most_common(2)
    return len(counts) == 1 or (text == most and (not others or others[0][1] < count))


def _title(value: _Value, tag: str, counts: Counter[str]) -> str:
    """Differs within tag train: 580.82.07 on 7 hosts, 570.124.06 here."""
    others = [
        f"{text} on {count} {value.unit}{'' if count == 1 else 's'}"
        for text, count in counts.most_common(4)
        if text != value.text
    ]
    here = f"{value.text} here" if value.unit == "host" else f"{value.text} on {value.found} here"
    of_model = f" ({value.model})" if value.model else ""
    return f"Differs within tag {tag}{of_model}: {', '.join([*others, here])}"
