"""What a request says of who asks, taken off before anything believes it: the user that a proxy names, that there is a proxy."""

from __future__ import annotations

from monitor.http.proxies import PROXY, App, Receive, Scope, Send

FORWARDED = "gpumon.forwarded"
"""The scope's key that says whether the request bears a header of a proxy, whoever wrote it there."""
_CLAIMED = "gpumon.claimed_user"
_OF_PROXIES = frozenset({b"x-forwarded-for", b"x-real-ip", b"forwarded"})


class Claims:
    """Around TrustedProxies, which throws these headers away: notes what they say."""

    def __init__(self, app: App, remote_user_header: str | None) -> None:
        """`remote_user_header`: in lower case; None where no header names users."""
        self._app = app
        self._header = None if remote_user_header is None else remote_user_header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = self._noted(scope)
        await self._app(scope, receive, send)

    def _noted(self, scope: Scope) -> Scope:
        claimed, others, was_forwarded = [], [], False
        for name, value in scope["headers"]:
            # Remote_User would become the same variable as Remote-User further on.
            plain = name.lower().replace(b"_", b"-")
            was_forwarded = was_forwarded or plain in _OF_PROXIES
            if self._header is not None and plain == self._header:
                claimed.append((name.lower(), _text(value)))
            else:
                others.append((name, value))
        # One, spelled as it is set: of two, one may be the client's own.
        user = claimed[0][1] if len(claimed) == 1 and claimed[0][0] == self._header else ""
        if user:
            others = [header for header in others if not _is_of_the_proxy(*header)]
        return {**scope, "headers": others, FORWARDED: was_forwarded, _CLAIMED: user}


def _is_of_the_proxy(name: bytes, value: bytes) -> bool:
    """Whether this is what a proxy knows the user by, which it may hand on (oauth2-proxy, `--pass-authorization-header`): it
    would be taken for a token of ours that is not known.
    """
    return name.lower() == b"authorization" and not value.strip().lower().startswith(b"bearer gpumon_")


def _text(value: bytes) -> str:
    """As UTF-8, which proxies send; a name that is none names nobody."""
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return ""


def remote_user(scope: Scope) -> str:
    """The user that a trusted proxy names; empty where there is none. `scope`: as it is within TrustedProxies."""
    return str(scope[_CLAIMED]) if scope.get(PROXY) is True and _CLAIMED in scope else ""
