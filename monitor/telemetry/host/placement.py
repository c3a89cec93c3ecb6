"""Where a process runs: container, pod and batch job, each by id and name or with the reason why it is unknown."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from monitor.telemetry.host.container_ids import Membership
from monitor.telemetry.host.container_names import ContainerNames, Names
from monitor.telemetry.host.job_files import Job, JobFiles
from monitor.telemetry.schema import Gpu, GpuProcess

FIELDS = ("container_id", "container_name", "pod_id", "pod_name", "job_id")
"""Of GpuProcess."""
NOT_CONTAINED = "not in a container"
NOT_IN_POD = "not in a Kubernetes pod"

_MOST_KEPT = 1000

_Placement = tuple[dict[str, str | None], dict[str, str]]


class Placements:
    """Used in one thread."""

    def __init__(self, root: str, container_socket: str | None, job_mapping_dir: str | None) -> None:
        self._names = ContainerNames(Path(root), container_socket)
        self._jobs = JobFiles(None if job_mapping_dir is None else Path(job_mapping_dir))
        self._made: dict[tuple[Membership, Names, Job], _Placement] = {}
        """At each tick, most processes are where they were."""

    def begin(self, now: float) -> None:
        """A new reading, at `now` of a monotonic clock."""
        self._names.begin(now)
        self._jobs.begin(now)

    def keep_only(self, contained: Collection[Membership]) -> None:
        """Forget other containers."""
        self._names.keep_only(contained)
        if len(self._made) > _MOST_KEPT:
            self._made.clear()

    def of(self, contained: Membership, gpu: Gpu, process: GpuProcess) -> _Placement:
        """The fields of a process, and the reasons of those that are None. Both are shared: do not change them."""
        names = _NO_NAMES if contained[:2] == (None, None) else self._names.of(contained)
        job = self._jobs.of(gpu, process) if contained.job_id is None else Job(contained.job_id)
        key = (contained, names, job)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = _placement(*key)
        return made


_NO_NAMES = Names(None, None, NOT_CONTAINED, NOT_IN_POD)


def _placement(contained: Membership, names: Names, job: Job) -> _Placement:
    values = {
        "container_id": contained.container_id,
        "container_name": names.container_name,
        "pod_id": contained.pod_id,
        "pod_name": names.pod_name,
        "job_id": job.job_id,
    }
    reasons = {
        "container_id": NOT_CONTAINED,
        "container_name": NOT_CONTAINED if contained.container_id is None else names.why_no_container,
        "pod_id": NOT_IN_POD,
        "pod_name": NOT_IN_POD if contained.pod_id is None else names.why_no_pod,
        "job_id": job.reason,
    }
    return values, {field: reason for field, reason in reasons.items() if values[field] is None}
