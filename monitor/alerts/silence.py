"""When a rule tells nothing: it is muted, or in its quiet hours."""

from __future__ import annotations

import functools
import logging
from datetime import datetime

from django.utils import timezone

from monitor.alerts import quiet_hours
from monitor.models import AlertRule

log = logging.getLogger(__name__)


def is_silent(rule: AlertRule | None, now: datetime) -> bool:
    """Whether a rule is muted or in its quiet hours, which are in the time zone of the settings. None, deleted, is neither."""
    if rule is None:
        return False
    if rule.muted_until is not None and now < rule.muted_until:
        return True
    return quiet_hours.is_quiet(_spans(rule.quiet_hours, rule.name), now.astimezone(timezone.get_default_timezone()))


@functools.lru_cache(maxsize=256)
def _spans(text: str, name: str) -> tuple[quiet_hours.Span, ...]:
    try:
        return quiet_hours.parse(text)
    except ValueError as error:  # the form refuses such a text: it came here by another way
        log.warning("Rule %s is told at any time: %s", name, error)
        return ()
