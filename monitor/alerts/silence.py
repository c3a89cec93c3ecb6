"""Whether notifications of a rule are off: it is muted, or in its quiet hours."""

from __future__ import annotations

import functools
import logging
from datetime import datetime

from django.utils import timezone

from monitor.models import AlertRule
from monitor.rules import quiet_hours

log = logging.getLogger(__name__)


def is_silent(rule: AlertRule | None, now: datetime) -> bool:
    """Whether a rule is muted or in its quiet hours (in the time zone of the settings). A deleted rule (None) is neither."""
    if rule is None:
        return False
    if rule.muted_until is not None and now < rule.muted_until:
        return True
    return quiet_hours.is_quiet(_spans(rule.quiet_hours, rule.name), now.astimezone(timezone.get_default_timezone()))


@functools.lru_cache(maxsize=256)
def _spans(text: str, name: str) -> tuple[quiet_hours.Span, ...]:
    try:
        return quiet_hours.parse(text)
    except ValueError as error:  # the form rejects such a text, so it was written directly to the database
        log.warning("ignoring the quiet hours of rule %s: %s", name, error)
        return ()
