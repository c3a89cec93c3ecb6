"""What the Dockerfile and .dockerignore say. Where a container engine answers, test_image_build.py builds and runs the image."""

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
"""The files and folders that the image takes from the checkout."""


@pytest.mark.slow
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    ended = subprocess.run(
        [checker("hadolint"), "--no-color", "--failure-threshold", "style", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_everything_that_the_dockerfile_copies_exists_and_is_sent_to_the_builder() -> None:
    refused, *patterns = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    sent = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    assert refused == "*"
    assert {"gpumon_site", "monitor", "templates", "static", "manage.py", "requirements.lock"} <= set(COPIED)
    assert [name for name in COPIED if not (ROOT / name).exists()] == []
    assert sorted({name.partition("/")[0] for name in COPIED}) == sorted(sent)
    assert patterns[len(sent) :] == [
        "**/__pycache__",
        "**/*.pyc",
        "**/.env",
    ]  # after the folders: the last match decides


def test_the_toolkit_provides_what_reading_takes_and_no_more() -> None:
    assert re.findall(r"NVIDIA_(\w+)=(\S+)", DOCKERFILE) == [
        ("VISIBLE_DEVICES", "all"),
        ("DRIVER_CAPABILITIES", "utility"),
    ]


def test_the_image_runs_as_a_user_given_by_number() -> None:
    """Kubernetes' runAsNonRoot cannot check a name."""
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
