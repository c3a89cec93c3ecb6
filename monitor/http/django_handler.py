"""Django's handler, with the host that HostCheck has checked."""

from __future__ import annotations

from django.core.handlers.asgi import ASGIHandler, ASGIRequest

from monitor.http.hosts import HOST


class CheckedRequest(ASGIRequest):
    """Django's own check knows neither underscores nor addresses that the machine got after the start."""

    def get_host(self) -> str:
        """The host of this request. Under an unknown one, where only health is answered, a name that exists nowhere (RFC 2606)."""
        return str(self.scope.get(HOST, "unknown.invalid"))


class Handler(ASGIHandler):
    """Serves HTTP. Django has to be set up before."""

    request_class = CheckedRequest
