"""The key in the snooze link of a message: it needs no login, and can do little."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from django.core import signing

VALID_SECONDS = 24 * 3600
Scope = Literal["gpu", "host", "rule"]
"""Whether a snooze is for the alert's GPU, for its host, or for all that its rule is about."""
_SIGNER = signing.TimestampSigner(salt="monitor.snooze")


class Key(NamedTuple):
    """What a valid key allows: to snooze the alert that the message was about, in the message's own scope."""

    event_id: str
    scope: Scope


def made(event_id: str, scope: Scope) -> str:
    """A key that is valid from now on, for VALID_SECONDS."""
    return _SIGNER.sign(f"{event_id}.{scope}")


def read(key: str) -> Key | str:
    """What the key allows, or why it is not accepted."""
    try:
        event_id, _, scope = _SIGNER.unsign(key, max_age=VALID_SECONDS).partition(".")
    except signing.SignatureExpired:
        return "This link is older than a day. Log in to snooze the alert."
    except signing.BadSignature:
        return "This link is incomplete or was changed. Open it as it is in the message, or log in."
    return Key(event_id, next((known for known in get_args(Scope) if known == scope), "gpu"))
