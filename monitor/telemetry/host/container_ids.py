"""The container and pod of a process, from the text of /proc/PID/cgroup; no container API is called."""

from __future__ import annotations

import re
from typing import NamedTuple


class Membership(NamedTuple):
    """A container's id (64 hexadecimal digits) and a Kubernetes pod's UID; None outside of one."""

    container_id: str | None
    pod_id: str | None


# Docker: /docker/<id>, docker-<id>.scope. containerd, CRI-O, Podman: cri-containerd-<id>.scope, crio-<id>.scope,
# libpod-<id>.scope. Kubernetes with cgroupfs: /kubepods/burstable/pod<uid>/<id>. If kubelet uses systemd and containerd
# cgroupfs, the path contains colons: kubepods-burstable-pod<uid>.slice:cri-containerd:<id>.
_CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?=\.scope|/|$)")
# With the systemd driver the UID's hyphens are underscores: kubepods-burstable-pod<uid>.slice. A static pod, which kubelet
# runs from a file, has a hash without hyphens.
_POD = re.compile(r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./:]|$)")


def membership(text: str) -> Membership:
    """The innermost container and pod in the cgroup paths."""
    container = pod = None
    for line in text.splitlines():
        path = line.split(":", 2)[-1]
        for found in _CONTAINER.finditer(path):
            container = found.group(1)
        for found in _POD.finditer(path):
            pod = found.group(1).replace("_", "-")
        if container is not None:
            break
    return Membership(container, pod)
