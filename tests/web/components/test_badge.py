"""Badges: the same states and words as the tiles, in an image of fixed size that never shows an old reading as a new one."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from monitor.access.refusal import Refused
from monitor.telemetry.schema import ProviderReport
from monitor.web.components.badge import drawn, free_badge, gpu_badge, no_such_gpu_badge, refused_link_badge
from tests.support.snapshots import alert, gpu, host


def said(image: bytes) -> str:
    """The visible text."""
    texts = ET.fromstring(image).iter("{http://www.w3.org/2000/svg}text")
    return " | ".join(each.text or "" for each in texts).replace("\u2009", " ")


def size(image: bytes) -> tuple[str | None, str | None]:
    root = ET.fromstring(image)
    return root.get("width"), root.get("height")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"use": "busy", "utilization_percent": 98.4}, "busy 98 %"),
        ({"use": "busy", "utilization_percent": None}, "busy"),
        ({"use": "held", "utilization_percent": 0.0}, "idle-held"),
        ({"use": "free", "utilization_percent": 0.0}, "free"),
        ({"use": "busy", "mig_mode": True}, "MIG"),
        ({"use": "free", "state": "asleep"}, "asleep"),
        ({"use": "unknown", "state": "lost", "since": 280.0}, "lost 12 min"),
        ({"use": "unknown", "utilization_percent": None}, "no data"),
    ],
)
def test_gpu_badge_says_the_state(changes: dict[str, Any], word: str) -> None:
    snapshot = host(gpu(**changes))
    image = drawn(gpu_badge(snapshot, snapshot.gpus[0]))
    assert said(image) == f"GPU 0 | {word}"
    assert size(image) == ("200", "20")


def test_open_alert_is_the_word_and_the_outline_without_its_tooltip() -> None:
    snapshot = host(gpu(5, use="busy"), alerts=(alert(acknowledged_at=950.0, acknowledged_by="mira"),))
    image = drawn(gpu_badge(snapshot, snapshot.gpus[0]))
    assert said(image) == "GPU 5 | too hot"
    assert b'stroke="#ff6b6b"/>' in image
    assert b"mira" not in image


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"stale": True, "age_seconds": 75.0, "stale_reason": "The driver hangs."}, "stale 1 min"),
        ({"stale": True}, "stale"),
        ({"sampled_at": None, "providers": (ProviderReport(name="pynvml", reason="No driver."),)}, "no reading"),
    ],
)
def test_old_reading_shows_its_age_and_no_value(changes: dict[str, Any], word: str) -> None:
    snapshot = host(gpu(use="busy", utilization_percent=98.0), **changes)
    for badge, label in ((gpu_badge(snapshot, snapshot.gpus[0]), "GPU 0"), (free_badge(snapshot), "GPUs")):
        image = drawn(badge)
        assert said(image) == f"{label} | {word}"
        assert b"98" not in image
        assert "The driver hangs." in badge.title or "No driver." in badge.title or changes == {"stale": True}


@pytest.mark.parametrize(
    ("uses", "word"),
    [
        (["free", "busy", "free"], "2 free"),
        (["busy", "held"], "none free"),
        (["busy", "unknown"], "no data"),
        ([], "none"),
    ],
)
def test_free_badge_counts_free_gpus_and_claims_nothing_of_unknown_ones(uses: list[str], word: str) -> None:
    badge = free_badge(host(*(gpu(index, use=use) for index, use in enumerate(uses))))
    assert said(drawn(badge)) == f"GPUs | {word}"
    assert ("not known" in badge.title) == ("unknown" in uses)


def test_simulated_readings_say_so() -> None:
    snapshot = host(gpu(use="free"), is_simulated=True)
    image = drawn(gpu_badge(snapshot, snapshot.gpus[0]))
    assert said(image) == "GPU 0 · simulated | free"
    assert size(image) == ("260", "20")


def test_badge_is_drawn_once_for_the_same_words() -> None:
    snapshot = host(gpu(use="free"))
    assert drawn(gpu_badge(snapshot, snapshot.gpus[0])) is drawn(gpu_badge(snapshot, snapshot.gpus[0]))


def test_hostile_name_is_text() -> None:
    image = drawn(no_such_gpu_badge("\"><script>alert('1')</script>"))
    assert re.findall(rb"<(?:script|a|foreignObject)", image) == []
    assert "<script>" in (ET.fromstring(image).get("aria-label") or "")


@pytest.mark.parametrize(
    ("refused", "word", "why"),
    [
        ("revoked", "link revoked", "The link has been revoked."),
        ("expired", "link expired", "The link has expired."),
        ("disabled", "link not valid", "The account of the link's creator is disabled."),
        ("unknown", "link not valid", "The link no longer exists."),
    ],
)
def test_badge_below_an_ended_link_says_why_and_has_the_size_of_the_others(
    refused: Refused, word: str, why: str
) -> None:
    image = drawn(refused_link_badge(refused))
    assert said(image) == f"GPU | {word}"
    assert ET.fromstring(image).get("aria-label") == why
    assert size(image) == size(drawn(gpu_badge(host(gpu()), gpu())))
