"""Who a GPU process runs for: the five things by which usage is reported."""

from __future__ import annotations

import functools
import posixpath
import re
from typing import NamedTuple

from monitor.telemetry.schema import GpuProcess

DIMENSIONS = ("user", "container", "program", "command", "job")
MOST_CHARACTERS = 150
"""Of each name in the ledger."""

_INTERPRETER = re.compile(
    r"(?:python|pypy|perl|ruby|node|java|julia|Rscript|bash|sh|torchrun|accelerate|deepspeed)[0-9.]*"
)
_SCRIPT = (".py", ".sh", ".pl", ".rb", ".js", ".jl", ".R", ".jar")
_WORDS = 24
"""Of a command line that are looked at for the script."""


class Holder(NamedTuple):
    """A user and what they run. Empty text: unknown, or there is none (a process outside containers)."""

    user: str = ""
    container: str = ""
    """The pod (namespace/name) in Kubernetes, else the container's name, else the first 12 digits of its ID."""
    program: str = ""
    """The executable's name: python."""
    command: str = ""
    """The program and the script or module that it runs, without options: python train.py."""
    job: str = ""
    """The job of the batch system."""

    def refines(self, other: Holder) -> bool:
        """Whether this is the other with unknown fields filled in."""
        return all(mine == theirs or not theirs for mine, theirs in zip(self, other, strict=True))


def holder_of(process: GpuProcess) -> Holder:
    """The holder of this process, as far as its facts are known."""
    container = process.pod_name or process.container_name or (process.container_id or "")[:12]
    return _holder(process.user, container, process.name, process.command, process.job_id)


@functools.lru_cache(maxsize=4096)
def _holder(user: str | None, container: str, name: str | None, command: str | None, job: str | None) -> Holder:
    program, condensed = _named(name or "", command or "")
    return Holder(*[text[:MOST_CHARACTERS] for text in (user or "", container, program, condensed, job or "")])


def _named(name: str, command: str) -> tuple[str, str]:
    """The program, and the program with its script. Libraries rename threads (pt_main_thread), so argv[0] is the better name."""
    words = command.split(maxsplit=_WORDS)[:_WORDS]
    if not words or words[0].startswith("["):
        return name, name
    program = posixpath.basename(words[0].lstrip("-")) or name
    script = _script(words[1:]) if _INTERPRETER.fullmatch(program) else ""
    return program, f"{program} {script}" if script else program


def _script(words: list[str]) -> str:
    """The script or module among an interpreter's arguments; never another argument, which can be private."""
    for place, word in enumerate(words):
        if word == "-c":
            return "-c"
        if word == "-m":
            return " ".join(words[place : place + 2])
        if word.endswith(_SCRIPT) and not word.startswith("-"):
            return posixpath.basename(word)
    return ""
