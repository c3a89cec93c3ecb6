"""A measured program in a process of its own: it is sent a line and answers with a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import CouldNotMeasure

ROOT = Path(__file__).resolve().parent.parent


class Child:
    """`python -m MODULE ARGUMENTS`; ends when its stdin does."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def answer(self) -> Any:
        """Its next line. Raises CouldNotMeasure when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CouldNotMeasure(f"{self._module} ended with exit status {self._process.wait()}")
        return json.loads(line)

    def ask(self, question: object) -> Any:
        """Its answer to a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n".encode())
        self._process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def child(module: str, *arguments: str, environment: Mapping[str, str] = {}) -> Iterator[Child]:
    """Started here, ended here."""
    started = Child(module, *arguments, environment=environment)
    try:
        yield started
    finally:
        started.end()
