"""Names of containers and pods: from the socket of Docker or Podman if one is set, else from files that container engines write.

Both can be slow, so they are asked in threads.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.sanitize import plain
from monitor.telemetry.host.background_lookups import BackgroundLookups
from monitor.telemetry.host.bounded_files import read_bounded
from monitor.telemetry.host.container_ids import Membership
from monitor.telemetry.host.container_socket import Described, SocketProblem, describe, in_kubernetes
from monitor.unreadable import UNREADABLE

log = logging.getLogger(__name__)

KNOWN_SECONDS = 300.0
"""A container can be renamed."""
UNKNOWN_SECONDS = 30.0
_THREADS = 2
_PATIENCE_SECONDS = 0.1
LONGEST_NAME = 200
_MOST_ENTRIES = 10_000
"""Of a folder that is looked through."""
_MOST_FILE_BYTES = 8 << 20
"""Podman lists all its containers in one file."""

NOT_ANSWERED = "it has not been looked up yet"
NO_SOCKET = "GPU_MONITOR_CONTAINER_SOCKET is not set, and the files that name containers are not readable"
NO_POD_FILE = "/var/log/pods does not list the pod, or is not readable"

_DOCKER = "var/lib/docker/containers/{id}/config.v2.json"
_PODMAN = "var/lib/containers/storage/overlay-containers/containers.json"
_PODS = "var/log/pods"
"""kubelet's folders NAMESPACE_POD_UID. Names in Kubernetes contain no underscore."""
_POD_CONTAINERS = "var/log/containers"
"""kubelet's links POD_NAMESPACE_CONTAINER-ID.log."""


class Names(NamedTuple):
    """The names that belong to a container id and a pod UID; None with the reason where they are unknown."""

    container_name: str | None
    pod_name: str | None
    why_no_container: str
    why_no_pod: str


class _DockerContainer(msgspec.Struct):
    name: str = msgspec.field(name="Name", default="")


class _PodmanContainer(msgspec.Struct):
    id: str = ""
    names: list[str] = []


_docker = msgspec.json.Decoder(_DockerContainer)
_podman = msgspec.json.Decoder(list[_PodmanContainer])


class ContainerNames:
    """Used in one thread."""

    def __init__(self, root: Path, socket_path: str | None) -> None:
        self._names: BackgroundLookups[Membership, Names] = BackgroundLookups(
            _Finder(root, socket_path).find,
            seconds_valid=lambda names: KNOWN_SECONDS if names.container_name else UNKNOWN_SECONDS,
            most_threads=_THREADS,
            patience_seconds=_PATIENCE_SECONDS,
        )

    def begin(self, now: float) -> None:
        """A new reading, at `now` of a monotonic clock."""
        self._names.begin(now)

    def of(self, contained: Membership) -> Names:
        """The names, as far as they are known now."""
        return self._names.get(contained._replace(job_id=None)) or _PENDING

    def keep_only(self, contained: Collection[Membership]) -> None:
        """Forget the other containers."""
        self._names.keep_only({each._replace(job_id=None) for each in set(contained)})


_PENDING = Names(None, None, NOT_ANSWERED, NOT_ANSWERED)


class _Finder:
    """Looks for the names of one container. Used in several threads."""

    def __init__(self, root: Path, socket_path: str | None) -> None:
        self._root = root
        self._socket = socket_path
        self._last_problem: str | None = None

    def find(self, contained: Membership) -> Names:
        container, pod, why = None, None, NO_SOCKET
        if contained.container_id is not None:
            found, why = self._described(contained.container_id)
            if found is not None:
                container, pod = found
        if pod is None and contained.pod_id is not None:
            pod = self._pod_by_folder(contained.pod_id)
        return Names(_short(container), _short(pod), why, NO_POD_FILE)

    def _described(self, container_id: str) -> tuple[Described | None, str]:
        """The container, or why its name is unknown."""
        if (found := self._by_kubelet(container_id)) is not None:
            return found, ""
        why = NO_SOCKET
        if self._socket is not None:
            try:
                found, why = describe(self._socket, container_id), ""
            except SocketProblem as problem:
                why = str(problem)
            self._note(why)
        return found or self._by_docker(container_id) or self._by_podman(container_id), why

    def _note(self, problem: str) -> None:
        """Log what is wrong with the socket once, until it is well again."""
        if problem and problem != self._last_problem:
            log.warning("names of containers: %s (%s)", problem, self._socket)
        self._last_problem = problem

    def _by_kubelet(self, container_id: str) -> Described | None:
        ending = f"-{container_id}.log"
        name = self._entry(_POD_CONTAINERS, lambda name: name.endswith(ending))
        parts = name.removesuffix(ending).split("_")
        return Described(parts[2], f"{parts[1]}/{parts[0]}") if len(parts) == 3 else None

    def _pod_by_folder(self, pod_id: str) -> str | None:
        parts = self._entry(_PODS, lambda name: name.endswith(f"_{pod_id}")).split("_")
        return f"{parts[0]}/{parts[1]}" if len(parts) == 3 else None

    def _entry(self, folder: str, is_it: Callable[[str], bool]) -> str:
        """The first entry of a folder that it is; empty if there is none."""
        return next((name for name in _entries(self._root / folder) if is_it(name)), "")

    def _by_docker(self, container_id: str) -> Described | None:
        data = read_bounded(self._root / _DOCKER.format(id=container_id), _MOST_FILE_BYTES)
        if data is None:
            return None
        try:
            name = _docker.decode(data).name.strip("/")
        except UNREADABLE as error:
            log.debug("Docker's file on container %s: %s", container_id, error)
            return None
        return (in_kubernetes(name) or Described(name, None)) if name else None

    def _by_podman(self, container_id: str) -> Described | None:
        data = read_bounded(self._root / _PODMAN, _MOST_FILE_BYTES)
        if data is None:
            return None
        try:
            names = next((each.names for each in _podman.decode(data) if each.id == container_id), ())
        except UNREADABLE as error:
            log.debug("Podman's list of containers: %s", error)
            return None
        name = next(iter(names), "")
        return (in_kubernetes(name) or Described(name, None)) if name else None


def _entries(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False):
                yield entry.name
    except OSError:
        return  # not there, or not for us: the reason says so


def _short(name: str | None) -> str | None:
    """On one line, and cut: engines limit names to less."""
    if name is None:
        return None
    text = plain(name)
    return (text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…") or None
