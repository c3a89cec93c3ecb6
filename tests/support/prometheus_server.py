"""A real Prometheus for tests: on a free loopback port, with its own data folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.servers import free_port, wait_for


class Prometheus:
    """Debian's prometheus with one configuration file."""

    def __init__(self, folder: Path, config: str) -> None:
        """`config`: the text of prometheus.yml. Relative paths in it are relative to `folder`."""
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._log_path = folder / "prometheus.log"
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Prometheus:
        """Start it and wait until it answers queries."""
        program = shutil.which("prometheus")
        assert program, "prometheus is not in PATH (Debian, Ubuntu: apt install prometheus)"
        command = [
            program,
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        try:
            wait_for(self._is_ready, "Prometheus to be ready", seconds=60)
        except BaseException as error:
            self.stop()
            error.add_note(f"Its log:\n{self._log_path.read_text(errors='replace')}")
            raise
        return self

    def stop(self) -> None:
        """End it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def rows(self, expression: str) -> list[dict[str, Any]]:
        """The rows of an instant query, each with its `metric` (labels) and `value`. Fails if Prometheus refuses the expression."""
        answer = self.get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        assert answer["status"] == "success", f"{answer['error']}: {expression}"
        rows: list[dict[str, Any]] = answer["data"]["result"]
        return rows

    def get(self, path: str) -> dict[str, Any]:
        """A JSON response, also of a refusal."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                content = json.load(error)
        return content

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"Prometheus ended with {self._process.returncode}"
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=40) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False
