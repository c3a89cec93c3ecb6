"""The ribbon of a GPU: each minute has the state and the user that it had for longest, and equal minutes join."""

from __future__ import annotations

from monitor.usage.accounts import Closed, ClosedSpan, OpenGpu, Span, State
from monitor.usage.slices import MINUTE_SECONDS


def add(known: OpenGpu, state: State, user: str, seconds: float) -> None:
    """Count these seconds of the current minute."""
    key = state, user
    known.tally[key] = known.tally.get(key, 0.0) + seconds


def relabel(known: OpenGpu, before: str, user: str) -> None:
    """Count what the current minute has for one user to another: the name has become known."""
    for state in ("busy", "held"):
        seconds = known.tally.pop((state, before), 0.0)
        if seconds:
            add(known, state, user, seconds)


def end_minute(known: OpenGpu, closed: list[Closed]) -> None:
    """Join the counted minute to the open span, or begin another. A span that this ends goes to `closed`."""
    if not known.tally:
        return
    state, user = longest(known.tally, known.span)
    known.tally.clear()
    span = known.span
    if span is not None and span.end == known.minute and (span.state, span.user) == (state, user):
        span.end += MINUTE_SECONDS
        return
    end_span(known, closed)
    known.span = Span(known.minute, known.minute + MINUTE_SECONDS, state, user)


def end_span(known: OpenGpu, closed: list[Closed]) -> None:
    """Move the open span to `closed`."""
    if known.span is not None:
        closed.append(ClosedSpan(known.uuid, known.span))
        known.span = None


def longest(tally: dict[tuple[State, str], float], before: Span | None) -> tuple[State, str]:
    """The longest state, then its user of the longest time. Equal ones: as in the span before, else the first by name."""
    states: dict[State, float] = {}
    for (state, _user), seconds in tally.items():
        states[state] = states.get(state, 0.0) + seconds
    state = max(states, key=lambda each: (states[each], before is not None and each == before.state))
    users = {user: seconds for (each, user), seconds in tally.items() if each == state}
    return state, max(sorted(users), key=lambda each: (users[each], before is not None and each == before.user))
