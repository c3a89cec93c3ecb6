"""A container's limits and usage, read from the files of cgroup v1 and v2."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.telemetry.host.container_limits import Limits, is_container
from monitor.telemetry.schema import ContainerLimits
from tests.support.linux_host import FakeHost

GIB = 1 << 30
CGROUP = "sys/fs/cgroup"


@pytest.fixture
def version_2(host: FakeHost) -> FakeHost:
    """A container limited to 2.5 cores and 8 GiB that uses 1 GiB and 1 GiB of reclaimable cache."""
    host.write(f"{CGROUP}/cgroup.controllers", "cpu memory\n")
    host.write(f"{CGROUP}/cpu.max", "250000 100000\n")
    host.write(f"{CGROUP}/cpu.stat", "usage_usec 5000000\nuser_usec 1\n")
    host.write(f"{CGROUP}/memory.max", f"{8 * GIB}\n")
    host.write(f"{CGROUP}/memory.current", f"{2 * GIB}\n")
    host.write(f"{CGROUP}/memory.stat", f"anon 1\ninactive_file {GIB}\n")
    return host


@pytest.fixture
def version_1(host: FakeHost) -> FakeHost:
    """The same container in the files of cgroup v1."""
    host.write(f"{CGROUP}/cpu/cpu.cfs_quota_us", "250000\n")
    host.write(f"{CGROUP}/cpu/cpu.cfs_period_us", "100000\n")
    host.write(f"{CGROUP}/cpuacct/cpuacct.usage", "5000000000\n")
    host.write(f"{CGROUP}/memory/memory.limit_in_bytes", f"{8 * GIB}\n")
    host.write(f"{CGROUP}/memory/memory.usage_in_bytes", f"{2 * GIB}\n")
    host.write(f"{CGROUP}/memory/memory.stat", f"cache 1\ntotal_inactive_file {GIB}\n")
    return host


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_limits_and_usage_are_read(request: pytest.FixtureRequest, version: str) -> None:
    limits = Limits(request.getfixturevalue(version).root).read(0.0)
    assert (limits.cpu_limit_cores, limits.memory_limit_bytes, limits.memory_used_bytes) == (2.5, 8 * GIB, GIB)
    assert limits.unavailable == {"cpu_used_cores": "needs two readings"}


@pytest.mark.parametrize(
    ("version", "path", "text"),
    [
        ("version_1", "cpuacct/cpuacct.usage", "8000000000\n"),
        ("version_2", "cpu.stat", "usage_usec 8000000\n"),
    ],
)
def test_cores_in_use_need_two_readings(request: pytest.FixtureRequest, version: str, path: str, text: str) -> None:
    host: FakeHost = request.getfixturevalue(version)
    limits = Limits(host.root)
    limits.read(100.0)
    host.write(f"{CGROUP}/{path}", text)
    assert limits.read(102.0).cpu_used_cores == 1.5
    assert limits.read(103.0).cpu_used_cores == 0
    assert limits.read(104.0).unavailable == {}


@pytest.mark.parametrize(
    ("version", "changes"),
    [
        ("version_2", {"cpu.max": "max 100000\n", "memory.max": "max\n"}),
        ("version_1", {"cpu/cpu.cfs_quota_us": "-1\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}),
    ],
)
def test_missing_limit_is_null_with_a_reason(
    request: pytest.FixtureRequest, version: str, changes: dict[str, str]
) -> None:
    host: FakeHost = request.getfixturevalue(version)
    for path, text in changes.items():
        host.write(f"{CGROUP}/{path}", text)
    limits = Limits(host.root).read(0.0)
    assert limits.cpu_limit_cores is limits.memory_limit_bytes is None
    assert limits.unavailable["cpu_limit_cores"] == limits.unavailable["memory_limit_bytes"]
    assert limits.unavailable["cpu_limit_cores"] == "the container has no limit"
    assert limits.memory_used_bytes == GIB


def test_every_value_is_unknown_with_a_reason_without_cgroup_files(host: FakeHost) -> None:
    limits = Limits(host.root).read(0.0)
    assert limits == ContainerLimits(unavailable=limits.unavailable)
    assert limits.unavailable["cpu_used_cores"] == "not reported by the container's cgroup"
    assert set(limits.unavailable) == set(ContainerLimits.__struct_fields__) - {"unavailable"}


def test_own_cgroup_is_read_in_the_cgroup_tree_of_the_host(version_2: FakeHost) -> None:
    """With `--cgroupns=host`, the usage of the whole host was shown as the container's."""
    version_2.write("proc/self/cgroup", "0::/system.slice/docker-ab.scope\n")
    version_2.write(f"{CGROUP}/system.slice/docker-ab.scope/cpu.max", "100000 100000\n")
    version_2.write(f"{CGROUP}/system.slice/docker-ab.scope/memory.current", f"{3 * GIB}\n")
    limits = Limits(version_2.root).read(0.0)
    assert (limits.cpu_limit_cores, limits.memory_used_bytes) == (1, 3 * GIB)


@pytest.mark.parametrize("path", ["/", "/../outside", "/system.slice/not-mounted.scope"])
def test_container_that_sees_only_its_own_cgroup_reads_it(version_2: FakeHost, path: str) -> None:
    version_2.write("proc/self/cgroup", f"1:name=systemd:/x\n0::{path}\n")
    assert Limits(version_2.root).read(0.0).cpu_limit_cores == 2.5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(text=st.binary(max_size=30))
def test_any_text_in_these_files_is_read_without_an_error(version_2: FakeHost, text: bytes) -> None:
    for name in ("cpu.max", "cpu.stat", "memory.max", "memory.current", "memory.stat"):
        version_2.write(f"{CGROUP}/{name}", text)
    limits = Limits(version_2.root).read(0.0)
    assert (limits.memory_used_bytes or 0) >= 0
    assert (limits.cpu_limit_cores or 0) >= 0


@pytest.mark.parametrize(
    ("mark", "environment", "is_one"),
    [
        (".dockerenv", {}, True),
        ("run/.containerenv", {}, True),
        ("etc/hostname", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        ("etc/hostname", {}, False),
    ],
    ids=["Docker", "Podman", "Kubernetes", "none"],
)
def test_each_runtime_is_recognized_by_its_mark(
    host: FakeHost, mark: str, environment: dict[str, str], is_one: bool
) -> None:
    host.write(mark, "")
    assert is_container(host.root, environment) == is_one
