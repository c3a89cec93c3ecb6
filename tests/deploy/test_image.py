"""The text of the Dockerfile and .dockerignore. With a container engine, test_image_build.py builds and runs the image."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.deploy.checkers import checker
from tests.support.servers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIED = [
    name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in names.split()
]
"""The files and folders that the image copies from the checkout."""


@pytest.mark.slow
def test_hadolint_reports_no_issue_in_the_dockerfile() -> None:
    ended = subprocess.run(
        [checker("hadolint"), "--no-color", "--failure-threshold", "style", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_all_files_copied_by_the_dockerfile_exist_and_are_sent_to_the_builder() -> None:
    refused, *patterns = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    sent = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    assert refused == "*"
    assert {"gpumon_site", "monitor", "templates", "static", "manage.py", "requirements-fleet.lock"} <= set(COPIED)
    assert [name for name in COPIED if not (ROOT / name).exists()] == []
    assert sorted({name.partition("/")[0] for name in COPIED}) == sorted(sent)
    assert patterns[len(sent) :] == [
        "**/__pycache__",
        "**/*.pyc",
        "**/.env",
    ]  # after the folders, because the last match wins


def test_container_toolkit_provides_only_what_reading_needs() -> None:
    assert re.findall(r"NVIDIA_(\w+)=(\S+)", DOCKERFILE) == [
        ("VISIBLE_DEVICES", "all"),
        ("DRIVER_CAPABILITIES", "utility"),
    ]


def test_image_runs_as_a_numeric_user() -> None:
    """Kubernetes' runAsNonRoot cannot check a user name."""
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
