"""The container, pod and Slurm job of a process, read from the cgroup paths of each runtime."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.telemetry.host.container_ids import Membership, membership

ID = "4f2c" * 16
OTHER = "b07d" * 16
POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
POD_IN_SLICE = POD.replace("-", "_")
STATIC_POD = "3c9d0f5e8a7b6c5d4e3f2a1b0c9d8e7f"


@pytest.mark.parametrize(
    ("path", "container", "pod"),
    [
        (f"/docker/{ID}", ID, None),
        (f"/system.slice/docker-{ID}.scope", ID, None),
        (f"/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope", ID, None),
        (f"/docker/{OTHER}/docker/{ID}", ID, None),
        (f"/machine.slice/libpod-{ID}.scope/container", ID, None),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", ID, None),
        (f"/libpod_parent/libpod-{ID}", ID, None),
        (f"/../docker-{ID}.scope", ID, None),
        (f"/system.slice/containerd.service/default/{ID}", ID, None),
        (f"/kubepods/burstable/pod{POD}/{ID}", ID, POD),
        (f"/kubepods/pod{POD}/{ID}", ID, POD),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_IN_SLICE}.slice/"
            f"cri-containerd-{ID}.scope",
            ID,
            POD,
        ),
        (f"/kubepods.slice/kubepods-pod{POD_IN_SLICE}.slice/crio-{ID}.scope", ID, POD),
        (f"/kubepods.slice/kubepods-pod{POD_IN_SLICE}.slice/crio-{ID}.scope/container", ID, POD),
        (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD_IN_SLICE}.slice", None, POD),
        (f"/docker/{OTHER}/kubelet/kubepods/besteffort/pod{POD}/{ID}", ID, POD),
        ("/", None, None),
        ("/user.slice/user-1000.slice/session-3.scope", None, None),
        ("/system.slice/ollama.service", None, None),
        ("/system.slice/docker.service", None, None),
        (f"/lxc/{ID[:40]}", None, None),
        (f"/docker/{ID}ab", None, None),
    ],
)
@pytest.mark.parametrize("hierarchy", ["0::", "7:memory:", "3:cpu,cpuacct:", "1:name=systemd:"])
def test_cgroup_path_of_each_runtime_gives_container_and_pod(
    path: str, container: str | None, pod: str | None, hierarchy: str
) -> None:
    assert membership(f"{hierarchy}{path}\n") == Membership(container, pod)


def test_cgroup_path_with_colons_gives_the_pod_too() -> None:
    """kubelet uses systemd names and containerd cgroupfs; only the text after the last colon was read."""
    text = f"0::/system.slice/containerd.service/kubepods-burstable-pod{POD_IN_SLICE}.slice:cri-containerd:{ID}\n"
    assert membership(text) == Membership(ID, POD)


@pytest.mark.parametrize(
    "path",
    [
        f"/kubepods/burstable/pod{STATIC_POD}/{ID}",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC_POD}.slice/cri-containerd-{ID}.scope",
    ],
)
def test_uid_of_a_static_pod_has_no_hyphens(path: str) -> None:
    assert membership(f"0::{path}\n") == Membership(ID, STATIC_POD)


def test_one_line_of_cgroup_v1_that_names_the_container_is_enough() -> None:
    text = (
        f"12:pids:/user.slice\n11:devices:/docker/{ID}\n10:memory:/docker/{ID}\n0::/system.slice/containerd.service\n"
    )
    assert membership(text) == Membership(ID, None)


@pytest.mark.parametrize(
    ("path", "job"),
    [
        ("/system.slice/slurmstepd.scope/job_8841/step_0/user/task_0", "8841"),
        ("/system.slice/node3_slurmstepd.scope/job_8841/step_batch/user/task_0", "8841"),
        ("/../../system.slice/slurmstepd.scope/job_7/step_extern", "7"),
        ("/slurm/uid_1000/job_8841/step_0/task_1", "8841"),
        ("/slurm_node3/uid_1000/job_8841", "8841"),
        ("/user.slice/user-1000.slice/slurmstepd.scope/job_8841/step_0", None),
        ("/slurm/uid_1000/job_", None),
        ("/slurm/job_８８４１/step_0", None),
        ("/slurm/job_" + "9" * 21, None),
        ("/system.slice/slurmd.service", None),
        ("/job_8841", None),
    ],
)
@pytest.mark.parametrize("hierarchy", ["0::", "7:memory:"])
def test_cgroup_path_of_slurm_gives_the_job(path: str, job: str | None, hierarchy: str) -> None:
    """Not that of a group which a user made below their own slice."""
    text = f"12:pids:/user.slice\n{hierarchy}{path}\n1:name=systemd:/system.slice/slurmd.service\n"
    assert membership(text) == Membership(None, None, job)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = membership(text)
    assert found.container_id is None or len(found.container_id) == 64
