"""The batch jobs of a GPU, from files that a job scheduler's prolog writes: a folder with one file a GPU, a job in each line.

The file's name is the GPU's index or UUID, or a MIG instance's UUID. DCGM exporter reads such a folder (its HPC job mapping), and
/run/gpustat is one; where a line has more than a job's number (there: the user's), the first word counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from monitor.sanitize import plain
from monitor.telemetry.host.background_lookups import BackgroundLookups
from monitor.telemetry.host.bounded_files import read_bounded
from monitor.telemetry.schema import Gpu, GpuProcess

_VALID_SECONDS = 10.0
_PATIENCE_SECONDS = 0.1
_THREADS = 2
_MOST_BYTES = 1 << 16
_MOST_JOBS = 64
LONGEST_JOB = 64

NO_JOB = "not in a batch job"
NOT_ANSWERED = "the job mapping file has not been read yet"


class Job(NamedTuple):
    """The only job of a GPU, or why there is none."""

    job_id: str | None
    reason: str = ""


_NONE = Job(None, NO_JOB)


class JobFiles:
    """Used in one thread."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._jobs: BackgroundLookups[tuple[str, ...], Job] = BackgroundLookups(
            self._job_in, seconds_valid=lambda _: _VALID_SECONDS, most_threads=_THREADS, patience_seconds=_PATIENCE_SECONDS
        )  # fmt: skip

    def begin(self, now: float) -> None:
        """A new reading, at `now` of a monotonic clock."""
        self._jobs.begin(now)

    def of(self, gpu: Gpu, process: GpuProcess) -> Job:
        """The job of a process, if its GPU or MIG instance is given to one job."""
        if self._folder is None:
            return _NONE
        instance = next((each.uuid for each in gpu.mig_instances if each.index == process.mig_instance), None)
        return self._jobs.get((*((instance,) if instance else ()), gpu.uuid, str(gpu.index))) or Job(None, NOT_ANSWERED)

    def _job_in(self, names: tuple[str, ...]) -> Job:
        """By the first of these files that exists."""
        assert self._folder is not None
        for name in names:
            if "/" in name or "\0" in name or name.startswith("."):
                continue  # the driver's own text, which is no file name
            data = read_bounded(self._folder / name, _MOST_BYTES)
            if data is not None:
                return _only_job(data)
        return Job(None, "the job mapping folder has no file for the GPU")


def _only_job(data: bytes) -> Job:
    lines = [line.split(None, 1) for line in data.decode(errors="replace").splitlines()]
    jobs = list(dict.fromkeys(plain(words[0])[:LONGEST_JOB] for words in lines if words))[:_MOST_JOBS]
    if len(jobs) == 1:
        return Job(jobs[0])
    return Job(None, f"{len(jobs)} jobs share the GPU" if jobs else NO_JOB)
