"""The clients in docs/api.md: the one of ten lines, and the one generated from the OpenAPI document, run against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.support.servers import ROOT, Server, wait_for

pytestmark = pytest.mark.slow
_, TEXT = (ROOT / "docs" / "api.md").read_text().split("\n## A client in Python\n")
BLOCKS = [textwrap.dedent(block).strip("\n") for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.MULTILINE)]
MAKE = """
from django.contrib.auth.models import User
from monitor.access import tokens
print(tokens.make(owner=User.objects.create_user("ana"), name="client", scopes=["read"]).secret)
"""


def block(beginning: str) -> str:
    (found,) = (each for each in BLOCKS if each.startswith(beginning))
    return found


class Site(NamedTuple):
    server: Server
    token: str

    def here(self, text: str) -> str:
        """An example with the address and the token of this server."""
        return text.replace("http://127.0.0.1:5000", self.server.url).replace("gpumon_…", self.token)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server where everyone must log in."""
    server = Server(
        tmp_path_factory.mktemp("server"), telemetry_provider="simulated", simulated_gpus=2, auth="login"
    ).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield Site(server, server.manage("shell", "-v0", "-c", MAKE).strip())
    finally:
        server.stop()


def test_client_has_ten_lines() -> None:
    assert len([line for line in block("import json, requests").splitlines() if line]) == 10


@pytest.mark.parametrize(
    ("use", "line"),
    [
        ('for gpu in get("snapshot")', r"0 NVIDIA \S.* \d+(\.\d+)? \n"),
        ('for series in get("history"', r"GPU-\S+ (\d+(\.\d+)?|None) W\n"),
        ("for snapshot in feed()", r"\d+ False \[\d+(\.\d+)?, \d+(\.\d+)?\]\n"),
    ],
)
def test_client_prints_what_the_server_measures(site: Site, use: str, line: str) -> None:
    source = site.here(f"{block('import json, requests')}\n\n{block(use)}")
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        first = client.stdout.readline()
        client.kill()
    assert re.fullmatch(line, first)


def test_generated_client_reads_a_snapshot(site: Site, tmp_path: Path) -> None:
    given = {"Authorization": f"Bearer {site.token}"}
    document = requests.get(f"{site.server.url}/api/openapi.json", headers=given, timeout=40)
    (tmp_path / "openapi.json").write_text(document.text)
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")  # they only format what was generated
    (generate,) = re.findall(r"^pipx run (openapi-python-client generate .*)$", block("curl"), re.MULTILINE)
    command = [
        sys.executable,
        "-m",
        *generate.replace("-", "_", 2).split(),
        "--fail-on-warning",
        "--config",
        "config.yaml",
    ]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    source = site.here(block("from gpumon_client import"))
    ran = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path / "gpumon-client", capture_output=True, text=True, check=False
    )
    assert re.fullmatch(r"\[\d+(\.\d+)?, \d+(\.\d+)?\]\n", ran.stdout), ran.stderr
