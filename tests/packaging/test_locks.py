"""The lock files, which are made with one Python and installed with others."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.servers import ROOT

LOCKS = sorted(ROOT.glob("requirements*.lock"))
PYTHONS = ("3.11.0", "3.11.2", "3.12.0", "3.13.0", "3.14.0")
PROCESSORS = ("x86_64", "aarch64")


def locked(lock: Path) -> set[str]:
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_has_what_its_packages_need_on_other_pythons(lock: Path, python: str) -> None:
    """Regression: redis needs one more package before Python 3.11.3, so that the service could not be installed on Debian 12."""
    names = locked(lock)
    missing = set()
    for name in names:
        for requirement in map(Requirement, distribution(name).requires or []):
            for processor in PROCESSORS:
                version = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
                here = {**version, "platform_machine": processor, "extra": ""}
                if requirement.marker is None or requirement.marker.evaluate(here):
                    missing |= {canonicalize_name(requirement.name)} - names
    assert not missing
