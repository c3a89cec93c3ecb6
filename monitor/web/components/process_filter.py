"""The filter of the process table: `gpu:3 user:mira train.py`. static/js/processes.js filters the same way as one types."""

from __future__ import annotations

import re
from typing import NamedTuple

from monitor.telemetry.redaction import OF_PROCESSES
from monitor.telemetry.schema import Gpu, GpuProcess

_TERM = re.compile(r'(?:(gpu|user|pid):)?(?:"([^"]*)"?|(\S+))', re.IGNORECASE)
_SPACE = re.compile(r"\s")


class Term(NamedTuple):
    """A word of the filter, in lower case."""

    field: str
    """gpu, user or pid, which must be equal to the word; empty: any of the row's texts contains it."""
    word: str


def terms_of(text: str) -> list[Term]:
    """The terms of a filter, all of which a row must match. Quotes hold a word with spaces together: `user:"ana maria"`."""
    found = [(field, quoted or word) for field, quoted, word in _TERM.findall(text)]
    return [Term(field.lower(), word.casefold()) for field, word in found if word]


def filter_for_user(user: str) -> str:
    """The filter that shows the processes of one user."""
    return f'user:"{user}"' if _SPACE.search(user) else f"user:{user}"


def matches(terms: list[Term], gpu: Gpu, process: GpuProcess) -> bool:
    """Whether the row of a process is shown. `gpu:3` includes its MIG instances, `gpu:3.0` is the first of them."""
    return all(_matches(term, gpu, process) for term in terms)


def _matches(term: Term, gpu: Gpu, process: GpuProcess) -> bool:
    if term.field == "gpu":
        return term.word in {f"{gpu.index}", place_of(gpu, process)}
    if term.field == "user":
        return process.user is not None and process.user.casefold() == term.word
    if term.field == "pid":
        return term.word == f"{process.pid}"
    texts = (str(process.pid), *(getattr(process, name) for name in OF_PROCESSES))
    return term.word in " ".join(text for text in texts if text).casefold()


def place_of(gpu: Gpu, process: GpuProcess) -> str:
    """The GPU's index, and that of the MIG instance: 3 or 3.0."""
    return f"{gpu.index}" if process.mig_instance is None else f"{gpu.index}.{process.mig_instance}"
