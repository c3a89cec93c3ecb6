"""Names of containers and pods: by the socket, else by the files that Docker, Podman and kubelet write."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from monitor.telemetry.host import container_names
from monitor.telemetry.host.container_ids import Membership
from monitor.telemetry.host.container_names import NO_POD_FILE, NO_SOCKET, ContainerNames, Names
from monitor.telemetry.host.container_socket import Described, SocketProblem
from monitor.telemetry.host.processes import ProcessTable
from monitor.telemetry.schema import Gpu, GpuProcess
from tests.support.linux_host import FakeHost

ID = "4f2c" * 16
POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
DOCKER = f"var/lib/docker/containers/{ID}/config.v2.json"
PODMAN = "var/lib/containers/storage/overlay-containers/containers.json"


def named(host: FakeHost, *, pod: str | None = None, socket_path: str | None = None) -> Names:
    names = ContainerNames(host.root, socket_path)
    at = 0.0
    while (found := names.of(Membership(ID, pod, "8841"))).why_no_container == container_names.NOT_ANSWERED:
        at += 0.001
        names.begin(at)
    return found


def test_docker_container_has_the_name_in_dockers_file(host: FakeHost) -> None:
    host.write(DOCKER, '{"ID": "x", "Config": {"Env": ["TOKEN=s"]}, "Name": "/vllm-2"}')
    assert named(host)[:2] == ("vllm-2", None)


def test_podman_container_has_the_name_in_podmans_list(host: FakeHost) -> None:
    host.write(PODMAN, f'[{{"id": "other", "names": ["a"]}}, {{"id": "{ID}", "names": ["trainer"]}}]')
    assert named(host)[:2] == ("trainer", None)


def test_container_of_cri_o_has_the_names_that_kubelet_gave(host: FakeHost) -> None:
    host.write(PODMAN, f'[{{"id": "{ID}", "names": ["k8s_server_llm-0_research_{POD}_0"]}}]')
    assert named(host, pod=POD)[:2] == ("server", "research/llm-0")


def test_container_in_a_pod_has_the_names_of_kubelets_link(host: FakeHost) -> None:
    host.link(f"var/log/containers/llm-0_research_server-{ID}.log", "/var/log/pods/x")
    host.link(f"var/log/containers/llm-0_research_side-car-{'b' * 64}.log", "/var/log/pods/y")
    assert named(host, pod=POD)[:2] == ("server", "research/llm-0")


def test_pod_has_the_name_of_its_folder(host: FakeHost) -> None:
    host.write(f"var/log/pods/research_llm-0_{POD}/server/0.log", "")
    assert named(host, pod=POD) == Names(None, "research/llm-0", NO_SOCKET, NO_POD_FILE)


def test_without_socket_and_files_the_reason_names_the_setting(host: FakeHost) -> None:
    assert named(host, pod=POD) == Names(None, None, NO_SOCKET, NO_POD_FILE)
    assert "GPU_MONITOR_CONTAINER_SOCKET" in NO_SOCKET


@pytest.mark.parametrize(
    "text", ["", "[", '{"Name": 7}', '{"Name": "/"}', '[{"id": 7}]', "null", "[" * 100_000, b"\xff"]
)
def test_damaged_file_names_nothing(host: FakeHost, text: str | bytes) -> None:
    host.write(DOCKER, text)
    host.write(PODMAN, text)
    assert named(host).container_name is None


def test_pipe_and_file_without_end_name_nothing(host: FakeHost) -> None:
    """Opening a named pipe waits for its writer."""
    host.write(DOCKER, "").unlink()
    os.mkfifo(host.root / DOCKER)
    host.write(PODMAN, "").unlink()
    (host.root / PODMAN).symlink_to("/dev/zero")
    assert named(host).container_name is None


def test_hostile_name_is_on_one_line_and_cut(host: FakeHost) -> None:
    host.write(DOCKER, '{"Name": "/a\\u0000\\n\\u202e<b>' + "x" * 1000 + '"}')
    name = named(host).container_name or ""
    assert name.startswith("a   <b>xxx")
    assert len(name) == container_names.LONGEST_NAME


def test_socket_is_asked_first_and_its_trouble_is_the_reason(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def engine(path: str, container_id: str) -> Described:
        assert (path, container_id) == ("/run/docker.sock", ID)
        if not answers:
            raise SocketProblem("the container socket cannot be used: Permission denied")
        return Described(answers[0], None)

    answers = ["by-socket"]
    monkeypatch.setattr(container_names, "describe", engine)
    assert named(host, socket_path="/run/docker.sock").container_name == "by-socket"
    answers.clear()
    found = named(host, socket_path="/run/docker.sock")
    assert (found.container_name, found.why_no_container) == (
        None,
        "the container socket cannot be used: Permission denied",
    )
    assert "/run/docker.sock" in caplog.text
    host.write(DOCKER, '{"Name": "/by-file"}')
    assert named(host, socket_path="/run/docker.sock").container_name == "by-file"


def test_reading_goes_on_without_the_name_while_the_socket_hangs(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_back = threading.Event()

    def engine(_path: str, _container_id: str) -> Described:
        is_back.wait(60)
        return Described("vllm-2", None)

    monkeypatch.setattr(container_names, "describe", engine)
    host.process(7, cgroup=f"0::/system.slice/docker-{ID}.scope\n")
    table = ProcessTable(str(host.root), container_socket="/run/docker.sock")
    gpus = (Gpu(index=0, uuid="GPU-0", name="H100", processes=(GpuProcess(pid=7),)),)

    def row(now: float) -> GpuProcess:
        (process,) = table.describe(gpus, now)[0].processes or ()
        return process

    give_up_at = time.monotonic() + 20
    while (before := row(time.monotonic())).container_id is None:
        assert time.monotonic() < give_up_at
    assert (before.command, before.container_name) == ("python3 train.py", None)
    assert before.unavailable["container_name"] == container_names.NOT_ANSWERED
    is_back.set()
    while row(time.monotonic()).container_name != "vllm-2":
        assert time.monotonic() < give_up_at


def test_name_is_kept_for_minutes_and_looked_up_again_then(host: FakeHost) -> None:
    file: Path = host.write(DOCKER, '{"Name": "/before"}')
    names = ContainerNames(host.root, None)

    def at(now: float, expected: str) -> None:
        for step in range(10_000):
            names.begin(now + step / 1e6)
            if names.of(Membership(ID, None)).container_name == expected:
                return
        raise AssertionError(names.of(Membership(ID, None)))

    at(0.0, "before")
    file.write_text('{"Name": "/after"}')
    names.begin(container_names.KNOWN_SECONDS - 1)
    assert names.of(Membership(ID, None, "8841")).container_name == "before"
    at(container_names.KNOWN_SECONDS, "after")
