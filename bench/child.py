"""A measured program in its own process, which reads lines from stdin and answers with lines of JSON."""

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
    """`PYTHON -m MODULE ARGUMENTS`; it ends when its stdin closes."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str], python: str) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, question: object) -> None:
        """Send a line. Raises CouldNotMeasure if the program has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{question}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def answer(self) -> Any:
        """The program's next line. Raises CouldNotMeasure if the program has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def ask(self, question: object) -> Any:
        """Send a line and wait for the answer."""
        self.send(question)
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

    def _ended(self) -> CouldNotMeasure:
        return CouldNotMeasure(f"{self._module} ended with exit status {self._process.wait()}")


@contextmanager
def child(
    module: str, *arguments: str, environment: Mapping[str, str] = {}, python: str = sys.executable
) -> Iterator[Child]:
    """Start the program; end it afterwards."""
    started = Child(module, *arguments, environment=environment, python=python)
    try:
        yield started
    finally:
        started.end()
