"""The batch job of a GPU's processes, from the files of a job scheduler's prolog."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.telemetry.host import job_files
from monitor.telemetry.host.job_files import NO_JOB, NOT_ANSWERED, Job, JobFiles
from monitor.telemetry.schema import Gpu, GpuProcess, MigInstance


def job(folder: Path | None, uuid: str = "GPU-1", index: int = 1, mig_instance: int | None = None) -> Job:
    instances = (MigInstance(index=0, uuid="MIG-0"), MigInstance(index=1, uuid="MIG-1"))
    gpu = Gpu(index=index, uuid=uuid, name="H100", mig_instances=instances)
    files, at = JobFiles(folder), 0.0
    while (found := files.of(gpu, GpuProcess(pid=7, mig_instance=mig_instance))).reason == NOT_ANSWERED:
        at += 0.001
        files.begin(at)
    return found


@pytest.mark.parametrize("name", ["1", "GPU-1"])
@pytest.mark.parametrize("text", ["8841", "8841\n", "8841 1000\n", "\n  8841\t1000\n8841 1000\n"])
def test_file_by_index_or_uuid_gives_the_job(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert job(tmp_path) == Job("8841")


def test_file_of_a_mig_instance_comes_before_that_of_its_gpu(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("1")
    (tmp_path / "MIG-1").write_text("2")
    assert (job(tmp_path, mig_instance=1), job(tmp_path, mig_instance=0)) == (Job("2"), Job("1"))


def test_jobs_that_share_a_gpu_cannot_be_told_apart(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("8841\n8842\n")
    assert job(tmp_path) == Job(None, "2 jobs share the GPU")


def test_gpu_without_a_job_says_so(tmp_path: Path) -> None:
    assert job(None) == Job(None, NO_JOB)
    assert job(tmp_path).reason == "the job mapping folder has no file for the GPU"
    (tmp_path / "1").write_text("")
    assert job(tmp_path) == Job(None, NO_JOB)


def test_name_that_leaves_the_folder_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root")
    (tmp_path / "jobs").mkdir()
    for uuid in ("../secret", "..", ".", "/etc/hostname", "a\0b"):
        assert job(tmp_path / "jobs", uuid=uuid).job_id is None


def test_hostile_file_gives_a_short_plain_word(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"\xff\x1b[31m" + b"x" * 1000)
    found = job(tmp_path).job_id or ""
    assert "\x1b" not in found
    assert len(found) == job_files.LONGEST_JOB
    (tmp_path / "1").write_bytes(b"x" * (1 << 17))
    assert job(tmp_path).job_id is None
