"""The container, pod and Slurm job of a process, from the text of /proc/PID/cgroup."""

from __future__ import annotations

import re
from typing import NamedTuple


class Membership(NamedTuple):
    """A container's id (64 hexadecimal digits), a Kubernetes pod's UID and a Slurm job's number; None outside of one."""

    container_id: str | None
    pod_id: str | None
    job_id: str | None = None


# Docker: /docker/<id>, docker-<id>.scope. containerd, CRI-O, Podman: cri-containerd-<id>.scope, crio-<id>.scope,
# libpod-<id>.scope. Kubernetes with cgroupfs: /kubepods/burstable/pod<uid>/<id>. If kubelet uses systemd and containerd
# cgroupfs, the path contains colons: kubepods-burstable-pod<uid>.slice:cri-containerd:<id>.
_CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?=\.scope|/|$)")
# With the systemd driver the UID's hyphens are underscores: kubepods-burstable-pod<uid>.slice. A static pod, which kubelet
# runs from a file, has a hash without hyphens.
_POD = re.compile(r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./:]|$)")


_LONGEST_JOB = 20


def membership(text: str) -> Membership:
    """The innermost container and pod, and the Slurm job, in the cgroup paths."""
    container = pod = job = None
    for line in text.splitlines():
        path = line.split(":", 2)[-1]
        job = job or _slurm_job(path)
        if container is not None:
            continue
        for found in _CONTAINER.finditer(path):
            container = found.group(1)
        for found in _POD.finditer(path):
            pod = found.group(1).replace("_", "-")
    return Membership(container, pod, job)


def _slurm_job(path: str) -> str | None:
    """cgroup 2: /system.slice/node3_slurmstepd.scope/job_8841/step_0; version 1: /slurm_node3/uid_1000/job_8841/step_0.

    Only at the top of the tree: below their own slice, users can create groups of any name.
    """
    parts = [part for part in path.split("/") if part not in ("", "..", "system.slice")]
    if not parts or "slurm" not in parts[0]:
        return None
    number = next((part[4:] for part in parts[1:3] if part.startswith("job_")), "")
    return number if number.isascii() and number.isdigit() and len(number) <= _LONGEST_JOB else None
