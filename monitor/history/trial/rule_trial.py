"""Tests an alert rule on the stored history: the same evaluation as of live readings, on what is stored of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from monitor.history import store
from monitor.history.tiers import MINUTES, QUARTERS, SECONDS, TIERS, Tier
from monitor.history.trial.stored_snapshots import Lane, Pick, Window, is_stored, limit_of, windows
from monitor.history.trial.tried_host import TriedHost
from monitor.rules.choices import COMPARE
from monitor.rules.evaluation import LONGEST_STEP_SECONDS
from monitor.rules.kinds.registry import kind_of
from monitor.rules.metrics import label_of
from monitor.rules.rule import Rule
from monitor.rules.trial import Trial, Tried

_TRACKED = 1500
"""Values that the chart keeps of each GPU."""
_QUIET_STEP = 20
"""Of a GPU no value of which meets the condition within a window, every nth reading is evaluated, at most."""


class CannotTry(Exception):
    """Why the rule cannot be tested on this span."""


class TriedOnHistory(NamedTuple):
    """The result, and what it is based on."""

    tried: Tried
    tier: Tier
    pick: Pick
    """Which value of each minute was compared."""


def try_on_history(rule: Rule, start: float, end: float, *, host: TriedHost) -> TriedOnHistory:
    """Evaluate what is stored of a host from `start` to `end` (Unix seconds).

    Raises CannotTry, and Django's database errors.
    """
    metrics = kind_of(rule).stored(rule)
    if metrics is None:
        raise CannotTry(f"Such rules cannot be tested on stored history: {kind_of(rule).why_not_stored}.")
    for metric in metrics:
        if not is_stored(metric):
            raise CannotTry(f"The history does not store {label_of(metric)}.")
    tier = _tier(host.host_id, start, end)
    pick = _pick(rule, tier)
    track_seconds = float((end - start) // _TRACKED)
    trial = Trial(
        rule,
        tags=host.tags,
        track_seconds=track_seconds if track_seconds > tier.bucket_seconds else 0.0,
        gap_seconds=max(LONGEST_STEP_SECONDS, 2.5 * tier.bucket_seconds),
    )
    every = max(1, min(_QUIET_STEP, int(track_seconds))) if tier is SECONDS else 1  # each value of the chart has one
    for window in windows(metrics, rule.which, tier, start, end, host=host, pick=pick):
        for snapshot in window.snapshots(every=every, always=_eventful(rule, window, trial.waiting)):
            trial.take(snapshot)
    return TriedOnHistory(trial.result(), tier, pick)


def _tier(host_id: str, start: float, end: float) -> Tier:
    """Seconds where they still reach back to the start, or have all there is; else minutes."""
    seconds, minutes, quarters = (_first(host_id, tier) for tier in TIERS)
    known = [first for first in (seconds, minutes, quarters) if first is not None]
    if not known:
        raise CannotTry("Nothing is stored yet.")
    if seconds is not None and seconds <= max(start, min(known) + MINUTES.bucket_seconds):
        return SECONDS
    if minutes is not None and minutes <= max(start, min(known) + QUARTERS.bucket_seconds):
        return MINUTES
    raise CannotTry(
        "Of the beginning of this span only means of a quarter of an hour are stored, which are too coarse to test a rule on."
    )


def _first(host_id: str, tier: Tier) -> int | None:
    found = [extent for row in store.sources(host_id) if (extent := store.extent(row.pk, tier)) is not None]
    return min((first for first, _last in found), default=None)


def _pick(rule: Rule, tier: Tier) -> Pick:
    """A rule that fires within a minute is met by the worst value of each; one that waits longer, by the mean."""
    if tier is SECONDS or rule.for_seconds >= tier.bucket_seconds:
        return "mean"
    return "high" if rule.comparator.startswith(">") else "low"


def _eventful(rule: Rule, window: Window, waiting: Collection[str]) -> frozenset[str]:
    """The keys of the sources of which every reading must be evaluated: a value meets the condition, or did before."""
    found = {lane.source.key for lane in window.gpus if lane.source.key in waiting or _meets(rule, window, lane)}
    if window.system is not None and (waiting or _meets(rule, window, window.system)):
        found.add(window.system.source.key)
    return frozenset(found)


def _meets(rule: Rule, window: Window, lane: Lane) -> bool:
    values = window.values(lane)
    if lane.lost or not values:
        return bool(lane.lost)
    if rule.kind != "threshold":
        return any(values)
    base = limit_of(lane, rule.relative_to) if rule.relative_to else 0.0
    if base is None:
        return False
    worst = max(values) if rule.comparator.startswith(">") else min(values)
    return COMPARE[rule.comparator](worst - base, rule.threshold)
