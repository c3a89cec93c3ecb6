"""Which container and pod a process is of, told by the text of /proc/PID/cgroup; no API is asked."""

from __future__ import annotations

import re
from typing import NamedTuple


class Membership(NamedTuple):
    """A container's id (64 hexadecimal digits) and a Kubernetes pod's UID, each None outside of one."""

    container_id: str | None
    pod_id: str | None


# Docker: /docker/<id>, docker-<id>.scope. containerd, CRI-O, Podman: cri-containerd-<id>.scope, crio-<id>.scope,
# libpod-<id>.scope. Kubernetes with cgroupfs: /kubepods/burstable/pod<uid>/<id>. Where kubelet says systemd and containerd
# cgroupfs, the path holds colons: kubepods-burstable-pod<uid>.slice:cri-containerd:<id>.
_CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?=\.scope|/|$)")
# With the systemd driver the UID's hyphens are underscores: kubepods-burstable-pod<uid>.slice. That of a static pod, which
# kubelet runs from a file, is a hash without hyphens.
_POD = re.compile(r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./:]|$)")


def membership(text: str) -> Membership:
    """What the cgroup paths tell. Of nested containers the innermost counts."""
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
