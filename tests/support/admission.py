"""Admission of WebSockets without user accounts."""

from __future__ import annotations

from monitor.http.asgi_types import Scope
from monitor.live.admission import AdmittedSocket, Refusal


class AdmitEverybody:
    """Admits every socket, with details, and records the open ones."""

    def __init__(self) -> None:
        self.open: list[AdmittedSocket] = []

    async def admit(self, scope: Scope, *, accepts_tokens: bool) -> AdmittedSocket | Refusal:
        self.open.append(AdmittedSocket(sees_details=True))
        return self.open[-1]

    def release(self, socket: AdmittedSocket) -> None:
        self.open.remove(socket)
