"""Where a process runs: container, pod and batch job, each by id and name or with the reason why it is unknown."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from monitor.telemetry.host.container_ids import Membership
from monitor.telemetry.host.container_names import ContainerNames
from monitor.telemetry.host.job_files import JobFiles
from monitor.telemetry.schema import Gpu, GpuProcess

FIELDS = ("container_id", "container_name", "pod_id", "pod_name", "job_id")
"""Of GpuProcess."""
NOT_CONTAINED = "not in a container"
NOT_IN_POD = "not in a Kubernetes pod"

_Placement = tuple[dict[str, str | None], dict[str, str]]


class Placements:
    """Used in one thread."""

    def __init__(self, root: str, container_socket: str | None, job_mapping_dir: str | None) -> None:
        self._names = ContainerNames(Path(root), container_socket)
        self._jobs = JobFiles(None if job_mapping_dir is None else Path(job_mapping_dir))

    def begin(self, now: float) -> None:
        """A new reading, at `now` of a monotonic clock."""
        self._names.begin(now)
        self._jobs.begin(now)

    def keep_only(self, contained: Collection[Membership]) -> None:
        """Forget other containers."""
        self._names.keep_only(contained)

    def of(self, contained: Membership, gpu: Gpu, process: GpuProcess) -> _Placement:
        """The fields of a process, and the reasons of those that are None."""
        container, pod, job = contained
        values: dict[str, str | None] = {"container_id": container, "pod_id": pod, "job_id": job}
        reasons: dict[str, str] = {}
        values["container_name"] = values["pod_name"] = None
        if container is not None or pod is not None:
            names = self._names.of(contained)
            values["container_name"], values["pod_name"] = names.container_name, names.pod_name
            reasons["container_name"], reasons["pod_name"] = names.why_no_container, names.why_no_pod
        if container is None:
            reasons["container_id"] = reasons["container_name"] = NOT_CONTAINED
        if pod is None:
            reasons["pod_id"] = reasons["pod_name"] = NOT_IN_POD
        if job is None:
            values["job_id"], reasons["job_id"] = self._jobs.of(gpu, process)
        return values, {field: reason for field, reason in reasons.items() if values[field] is None}
