"""Badges for other sites' pages: small images that say how a GPU is, or how many are free."""

from __future__ import annotations

import functools
from typing import NamedTuple

from django.template.loader import render_to_string

from monitor import formats
from monitor.access import view_links
from monitor.access.refusal import Refused
from monitor.telemetry.free.choice import free_count
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.components.gpu_cards import outline_of
from monitor.web.components.gpu_tiles import STATES, state_in_words, state_of
from monitor.web.components.open_alerts import by_gpu

_LINK_WORDS: dict[Refused, str] = {"revoked": "link revoked", "expired": "link expired"}


class Badge(NamedTuple):
    """What a badge says. Its size does not depend on that, so that no page moves, and no other site can measure what it says."""

    label: str
    word: str
    state: str
    """One of STATES: the shape before the word."""
    title: str
    """The tooltip, which screen readers read out."""
    level: str = ""
    """Its outline: critical, warning or empty."""
    is_simulated: bool = False

    @property
    def label_width(self) -> int:
        """Pixels."""
        return 122 if self.is_simulated else 62

    @property
    def width(self) -> int:
        """Pixels."""
        return self.label_width + 138


def gpu_badge(snapshot: Snapshot, gpu: Gpu) -> Badge:
    """The state of a GPU: busy 98 %, free, idle-held, lost 12 min, its worst alert; or why that is not known."""
    label = f"GPU {gpu.index}"
    if unknown := _unknown(snapshot):
        return _badge(snapshot, label, *unknown)
    alerts = by_gpu(snapshot).get(gpu.uuid, ())
    state = state_of(gpu, gpu.use)
    word, _, why = state_in_words(gpu, state, alerts, snapshot.time)
    if word == STATES["busy"] and gpu.utilization_percent is not None:
        word = f"{word} {formats.PERCENT.text(gpu.utilization_percent)}"
    # A tooltip of an alert can contain names of users.
    reason = "" if alerts else why
    return _badge(snapshot, label, word, state, reason, level=outline_of(gpu, alerts))


def free_badge(snapshot: Snapshot) -> Badge:
    """How many GPUs are free, or why that is not known."""
    label = "GPUs"
    if unknown := _unknown(snapshot):
        return _badge(snapshot, label, *unknown)
    uses = [gpu.use for gpu in snapshot.gpus]
    count, unknown_count = free_count(snapshot.gpus, uses), uses.count("unknown")
    but = f"Of {unknown_count} it is not known." if unknown_count else ""
    if count:
        return _badge(snapshot, label, f"{count} free", "free", but)
    if unknown_count:
        return _badge(snapshot, label, STATES["unknown"], "unknown", but)
    return _badge(snapshot, label, "none free" if uses else "none", "busy" if uses else "unknown", "")


def no_such_gpu_badge(name: str) -> Badge:
    """For an address that names no GPU."""
    return Badge("GPU", "not found", "unknown", f"There is no GPU {name!r} here.")


def refused_badge() -> Badge:
    """For viewers who have to log in: an image cannot show a login page."""
    return Badge("GPU", "log in to see", "unknown", "This gpumon requires a login.")


def refused_link_badge(refused: Refused) -> Badge:
    """Below a read-only link that has ended: an image cannot show the page that says so."""
    return Badge("GPU", _LINK_WORDS.get(refused, "link not valid"), "unknown", view_links.WORDS[refused])


def no_reading_badge() -> Badge:
    """Right after the start."""
    return Badge("GPU", "no reading", "unknown", "There is no reading yet.")


@functools.lru_cache(maxsize=256)
def drawn(badge: Badge) -> bytes:
    """The image, as SVG. It is drawn once for all viewers, until it says something else."""
    return render_to_string("monitor/badge.svg", {"badge": badge}).encode()


def _badge(snapshot: Snapshot, label: str, word: str, state: str, why: str, *, level: str = "") -> Badge:
    simulated = "simulated, " if snapshot.is_simulated else ""
    title = f"{label} of {snapshot.host}: {simulated}{word}{f'. {why}' if why else ''}"
    return Badge(label, word, state, title, level, snapshot.is_simulated)


def _unknown(snapshot: Snapshot) -> tuple[str, str, str] | None:
    """Word, state and reason while the state of no GPU is known."""
    if snapshot.sampled_at is None:
        reasons = [each.reason for each in snapshot.providers if each.reason]
        return "no reading", "unknown", reasons[0] if reasons else ""
    if snapshot.stale:
        age = "" if snapshot.age_seconds is None else f" {formats.rough_duration(snapshot.age_seconds)}"
        return f"stale{age}", "unknown", snapshot.stale_reason or ""
    return None
