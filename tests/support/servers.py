"""Real servers for tests: each starts on a free loopback port with its own settings, and stops with all its children."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from tests.support.prepared_folder import prepare

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ask: Callable[[], T | None], what: str, *, seconds: float = 40.0) -> T:
    """The first answer that is not None, False or empty (0 counts as an answer). Fails if there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if answer or (answer == 0 and answer is not False):
            return answer
        time.sleep(0.03)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


@functools.cache
def password_hash(password: str) -> str:
    """As a server stores it: one of another algorithm would be replaced at its first login, which takes half a second."""
    hasher = PBKDF2PasswordHasher()
    return hasher.encode(password, hasher.salt())


class Server:
    """`manage.py serve`, or another command line that serves `{port}`, with GPU_MONITOR_ settings given in lower case."""

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str] | None = None,
        command: list[str] | None = None,
        folder: Path = ROOT,
        is_first_start: bool = False,
        **settings: object,
    ) -> None:
        """`folder`: the current folder of the server. `is_first_start`: an empty `data_dir` stays empty, and the server itself
        migrates its database and collects its static files."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws = f"ws://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self._log_path = data_dir / f"server-{self.port}.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GPU_MONITOR_")}
        given = {"data_dir": data_dir, "port": self.port, **settings}
        self.environment = {
            **clean,
            **{f"GPU_MONITOR_{name.upper()}": str(value) for name, value in given.items()},
            **(environment or {}),
        }
        if not is_first_start:
            prepare(data_dir)
        self._command = command or [sys.executable, "manage.py", "serve"]
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start the server and wait until it listens."""
        process = self.launch()
        try:
            wait_for(self._listens, "the server to listen", seconds=90)
        except BaseException as error:
            process.kill()
            process.wait()
            error.add_note(f"Its log:\n{self.log}")
            raise
        return self

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server without waiting."""
        command = [part.format(port=self.port) for part in self._command]
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self._folder, env=self.environment, stdout=log, stderr=log)
        return self.process

    def manage(self, *arguments: str, **variables: str) -> str:
        """The output of `manage.py` with this server's settings. Fails if the command fails."""
        ended = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement on the SQLite database. Committed: the server sees it as written by another process."""
        with contextlib.closing(sqlite3.connect(self.data_dir / "gpumon.sqlite3", timeout=40)) as database, database:
            return database.execute(statement, values).fetchall()

    def make_superuser(self, name: str = "root", password: str = "correct horse battery") -> tuple[str, str]:
        """Create a superuser in the SQLite database; returns username and password."""
        self.sql(
            "INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name, email, "
            "date_joined) VALUES (?, ?, 1, 1, 1, '', '', '', datetime('now'))",
            name,
            password_hash(password),
        )
        return name, password

    def stop(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = 30.0) -> int:
        """Stop the server; returns its exit status. `make bench` tells how long that takes."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a response."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=40) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def json(self, path: str) -> Any:
        """The document of a JSON response, whatever its status. Waits while there is only an error of 503: no reading yet."""
        status, document = wait_for(lambda: self._answered(path), f"a document of {path}")
        assert "error" not in document, f"{path} answered {status}: {document}"
        return document

    def _answered(self, path: str) -> tuple[int, Any] | None:
        status, body = self.get(path)
        document = json.loads(body)
        return None if status == 503 and "error" in document else (status, document)

    def health(self) -> dict[str, Any]:
        """The content of /api/health, which has one whatever its status."""
        answer: dict[str, Any] = json.loads(self.get("/api/health")[1])
        return answer

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended at its start:\n{self.log}"
        return self.listens()

    def listens(self) -> bool:
        """Whether the server accepts a connection."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
