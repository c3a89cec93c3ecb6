"""Why a hub cannot be reached, in one sentence that says what to do."""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, ProxyError

from monitor.fleet.agent.proxy import place_of, proxy_of

_NO_ANSWER = (socket.gaierror, ConnectionRefusedError, TimeoutError)
_LOGIN = "exempt the path {path} from its login: the agent's own key protects it"


def reason_of(error: Exception, url: str) -> str:
    """The sentence for an error of the connection to this URL (ws: or wss:)."""
    site = urlsplit(url)
    where = site.netloc
    if isinstance(error, InvalidStatus):
        return _of_status(error, where, site.path)
    proxy = proxy_of(url)
    if isinstance(error, ProxyError) or (proxy is not None and isinstance(error, _NO_ANSWER)):
        return _of_proxy(error, place_of(proxy or ""), site.hostname or "")
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {where} is not trusted ({error.verify_message}): correct it there, or name the file of its "
            "authority in the environment variable SSL_CERT_FILE."
        )
    if isinstance(error, ssl.SSLError):
        return f"{where} does not speak TLS, or not with this host ({error.reason or error}): is its address http:// and not https://?"
    if isinstance(error, socket.gaierror):
        return (
            f"The name {site.hostname} is not known ({error.strerror}): check the hub's address, and DNS on this host."
        )
    if isinstance(error, ConnectionRefusedError):
        return f"Nothing listens at {where}: check the hub's address and port, and whether it runs."
    if isinstance(error, TimeoutError):
        return f"{where} does not answer: check the hub's address, and firewalls in between."
    if isinstance(error, InvalidHandshake | ConnectionClosed):
        return f"{where} does not answer as a web server: check the port, and whether its address begins with https://."
    if isinstance(error, OSError):
        words = str(error) if error.errno is None else os.strerror(error.errno)
        return f"No connection to {where}: {words}."
    return f"The connection to {where} was closed: {error}"


def _of_proxy(error: Exception, proxy: str, hub: str) -> str:
    why = getattr(error, "strerror", None) or str(error) or "no answer"
    return (
        f"The proxy {proxy}, which the environment of this host names (HTTPS_PROXY, HTTP_PROXY), does not lead to {hub}: {why}. "
        f"If the hub is reached without it, add {hub} to NO_PROXY."
    )


def _of_status(error: InvalidStatus, where: str, path: str) -> str:
    status, headers = error.response.status_code, error.response.headers
    if 300 <= status < 400:
        target = str(headers.get("Location", "nowhere"))[:200]
        return (
            f"{where} redirects to {target}. If that is another address of the hub, use it; if it is a login in front of the hub, "
            f"{_LOGIN.format(path=path)}."
        )
    if status == 401 or (status == 200 and "html" in headers.get("Content-Type", "")):
        return f"{where} answers with a page or a login ({status}): {_LOGIN.format(path=path)}; or check the hub's address."
    if status == 404:
        return f"There is no hub at {where}{path} (404): check the path of the address, or update the hub."
    if status == 403:
        return f"{where} forbids the connection (403): it is an older gpumon without agents, or a proxy forbids {path}."
    if status in (400, 426):
        return (
            f"{where} gets no WebSocket ({status}): a proxy in between must pass on the headers Upgrade and Connection."
        )
    if status in (502, 503, 504):
        return f"The hub at {where} does not run now, or restarts ({status})."
    return f"{where} answers with status {status}: is it a gpumon hub?"
