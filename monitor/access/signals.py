"""Signals within this process that a session, account, token or link changed, so that open sockets may have to close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from monitor.models import ApiToken, ViewLink


def watch_access_changes(call: Callable[[], None]) -> None:
    """Run `call`, from any thread, after the commit of an ended session or a changed account, token or link."""

    def changed(**given: Any) -> None:
        # A login saves its time in the account, which invalidates nothing.
        if given.get("created") or given.get("update_fields") == frozenset({"last_login"}):
            return
        transaction.on_commit(call)

    for model in (get_user_model(), ApiToken, ViewLink):
        post_save.connect(changed, sender=model, weak=False)
        post_delete.connect(changed, sender=model, weak=False)
    post_delete.connect(changed, sender=Session, weak=False)
