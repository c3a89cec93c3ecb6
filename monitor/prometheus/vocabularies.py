"""The vocabularies: whose names a scrape gives to the metrics. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.metrics_core import Metric

from monitor.prometheus.dcgm import dcgm
from monitor.prometheus.nvidia_smi import nvidia_smi
from monitor.prometheus.nvidia_smi_processes import compute_apps
from monitor.prometheus.own import own
from monitor.prometheus.own_processes import processes
from monitor.telemetry.schema import Snapshot

Vocabulary = Callable[[Snapshot], Iterable[Metric]]
"""The metric families of a snapshot. What is unknown has no sample; a family without samples is left out."""

VOCABULARIES: Mapping[str, Vocabulary] = {"own": own, "dcgm": dcgm, "nvidia_smi": nvidia_smi}
"""By the names in monitor/config/metrics_names.py."""

PROCESS_VOCABULARIES: Mapping[str, Callable[[Snapshot, int], Iterable[Metric]]] = {
    "own": processes,
    "nvidia_smi": compute_apps,
}
"""The vocabularies that have names for processes. The number limits the processes of each GPU."""
