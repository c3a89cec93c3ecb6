"""Who had each GPU when: spans of one state and user, for the ribbon of a card and the strip above the charts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple, cast

import msgspec

from monitor.models.usage import UsageGpu, UsageShare, UsageSlice, UsageSpan, UsageUser
from monitor.usage.accounts import Journal, OpenGpu, State
from monitor.usage.existence import Lifetime
from monitor.usage.records import gpus_of, lifetimes_of, load_journals
from monitor.usage.slices import MINUTE_SECONDS, SLICE_SECONDS, slice_start
from monitor.usage.spans import longest
from monitor.usage.store import OWN

SPAN_DAYS = 40
"""How long spans by the minute are kept. Ribbons that begin earlier are by the quarter-hour."""


class RibbonSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span of one state."""

    start: float
    end: float
    state: State
    user: str
    """Who had it, if several the one with the largest share. Empty: nobody, or unknown."""
    hue: int


class RibbonUser(msgspec.Struct, frozen=True, kw_only=True):
    """How long a user had the GPU."""

    user: str
    hue: int
    seconds: float


class Ribbon(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU over a span. Where it has no span, the host did not have it."""

    uuid: str
    index: int
    name: str
    spans: tuple[RibbonSpan, ...]
    users: tuple[RibbonUser, ...]
    """The longest first."""


class _Piece(NamedTuple):
    start: float
    end: float
    state: State
    user: str
    seconds: float
    """How much of it: a quarter-hour can have several pieces."""


def ribbons(
    start: float,
    end: float,
    *,
    points: int = 288,
    uuid: str | None = None,
    host_id: str = OWN,
    now: float | None = None,
) -> list[Ribbon]:
    """One for each GPU that a host had in the span, or for one of them, by index. Reads the database.

    `points`: how many spans one can have at most; where more happened in a part of the span, the longest state wins.
    """
    end = min(end, time.time() if now is None else now)
    if start >= end:
        return []
    journal = load_journals(host_id).get(host_id)
    until = journal.until if journal else end
    known = gpus_of(host_id)
    lives = lifetimes_of(known, {} if journal is None else {host_id: journal}, end)
    hues = dict(UsageUser.objects.values_list("name", "hue"))
    gpus = {
        id_: gpu
        for id_, gpu in sorted(known.items(), key=lambda each: each[1].index)
        if uuid in (None, gpu.uuid) and id_ in lives and lives[id_].within(start, end) > 0
    }
    pieces: dict[int, list[_Piece]] = {gpu: [] for gpu in gpus}
    is_recent = start >= until - SPAN_DAYS * 86400
    for gpu, piece in _minutes(start, end, journal, gpus) if is_recent else _quarters(start, end, gpus):
        if gpu in pieces:
            pieces[gpu].append(piece)
    width = max(MINUTE_SECONDS, math.ceil((end - start) / points / MINUTE_SECONDS) * MINUTE_SECONDS)
    return [_ribbon(gpu, pieces[id_], lives[id_], start, end, width, hues) for id_, gpu in gpus.items()]


def _minutes(
    start: float, end: float, journal: Journal | None, gpus: dict[int, UsageGpu]
) -> Iterator[tuple[int, _Piece]]:
    rows = UsageSpan.objects.filter(end__gt=start, start__lt=end, gpu_id__in=gpus).order_by("end")
    for gpu, since, until, state, user in rows.values_list("gpu_id", "start", "end", "state", "user"):
        yield gpu, _Piece(since, until, cast("State", state), user, until - since)
    ids = {gpu.uuid: id_ for id_, gpu in gpus.items()}
    for known in journal.gpus.values() if journal else ():
        if known.uuid in ids:
            for piece in _open(known, journal.until if journal else end):
                yield ids[known.uuid], piece


def _open(known: OpenGpu, until: float) -> Iterator[_Piece]:
    if known.span is not None:
        span = known.span
        yield _Piece(span.start, span.end, span.state, span.user, span.end - span.start)
    if known.tally and until > known.minute:
        state, user = longest(known.tally, known.span)
        yield _Piece(known.minute, until, state, user, until - known.minute)


def _quarters(start: float, end: float, gpus: dict[int, UsageGpu]) -> Iterator[tuple[int, _Piece]]:
    span = {"start__gte": slice_start(start), "start__lt": end, "gpu_id__in": list(gpus)}
    columns = ("gpu_id", "start", "free_ms", "lost_ms", "unread_ms", "nobody_ms")
    names: tuple[State, ...] = ("free", "lost", "unknown", "busy")
    for gpu, at, *states in UsageSlice.objects.filter(**span).values_list(*columns):
        for state, ms in zip(names, states, strict=True):
            yield gpu, _Piece(at, at + SLICE_SECONDS, state, "", ms / 1000)
    shares = UsageShare.objects.filter(**span)
    for gpu, at, user, share, held in shares.values_list("gpu_id", "start", "holder__user", "share_ms", "held_ms"):
        yield gpu, _Piece(at, at + SLICE_SECONDS, "held", user, held / 1000)
        yield gpu, _Piece(at, at + SLICE_SECONDS, "busy", user, (share - held) / 1000)


def _ribbon(
    gpu: UsageGpu, pieces: list[_Piece], life: Lifetime, start: float, end: float, width: int, hues: dict[str, int]
) -> Ribbon:
    count = math.ceil((end - start) / width)
    tallies: list[dict[tuple[State, str], float]] = [{} for _ in range(count)]
    users: dict[str, float] = {}
    for piece in pieces:
        since, until = max(piece.start, start), min(piece.end, end)
        density = piece.seconds / (piece.end - piece.start)
        if since >= until or not density:
            continue
        if piece.user:
            users[piece.user] = users.get(piece.user, 0.0) + (until - since) * density
        for place in range(int((since - start) // width), min(count, math.ceil((until - start) / width))):
            left = start + place * width
            seconds = (min(until, left + width) - max(since, left)) * density
            key = piece.state, piece.user
            tallies[place][key] = tallies[place].get(key, 0.0) + seconds
    spans: list[RibbonSpan] = []
    for place, tally in enumerate(tallies):
        left = start + place * width
        right = min(end, left + width)
        existing = life.within(left, right)
        if not existing:
            continue
        tally["unknown", ""] = tally.get(("unknown", ""), 0.0) + max(0.0, existing - sum(tally.values()))
        state, user = longest(tally, None)
        last = spans[-1] if spans else None
        if last is not None and last.end == left and (last.state, last.user) == (state, user):
            spans[-1] = msgspec.structs.replace(last, end=right)
        else:
            spans.append(RibbonSpan(start=left, end=right, state=state, user=user, hue=hues.get(user, 0)))
    named = [RibbonUser(user=user, hue=hues.get(user, 0), seconds=seconds) for user, seconds in users.items()]
    named.sort(key=lambda each: (-each.seconds, each.user))
    return Ribbon(uuid=gpu.uuid, index=gpu.index, name=gpu.name, spans=tuple(spans), users=tuple(named))
