"""Tells, within this process, when something was saved by which a socket may have lost its right to be open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from monitor.models import ApiToken


def tell_of_changes(tell: Callable[[], None]) -> None:
    """Call `tell`, from whatever thread, once it is written for good: a session ended, an account or a token changed."""

    def changed(**given: Any) -> None:
        # A login notes its time in the account, which is no change of that kind.
        if given.get("created") or given.get("update_fields") == frozenset({"last_login"}):
            return
        transaction.on_commit(tell)

    for model in (get_user_model(), ApiToken):
        post_save.connect(changed, sender=model, weak=False)
        post_delete.connect(changed, sender=model, weak=False)
    post_delete.connect(changed, sender=Session, weak=False)
