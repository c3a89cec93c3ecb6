"""The client that delivers signed webhooks: one POST, no redirect, and a limit of time that no server can stretch."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from monitor.notifications.private_addresses import Forbidden, addresses
from monitor.notifications.webhook_signature import signature

Lookup = Callable[[str, int], list[str]]
"""From host and port to the addresses that may be connected to. Raises Forbidden, or OSError where there are none."""


def post(
    url: str,
    body: bytes,
    *,
    secret: str,
    message_id: str,
    now: datetime,
    connect_seconds: float = 5.0,
    whole_seconds: float = 15.0,
    lookup: Lookup | None = None,
) -> str | None:
    """Deliver a body. None when the receiver answered with a 2xx status, else what went wrong, without the URL.

    `whole_seconds` is for everything up to the last header received, also where the server sends a byte now and then.
    Redirects are not followed: the next address would be told what was meant for this one. The answer's body is not read.
    `lookup`: connect to the addresses it gives, and to no proxy, which would look the name up once more; None: to any.
    Raises ValueError where the secret is none.
    """
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "gpumon",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }
    _keep_addresses_out_of_the_log()
    too_late = f"The server did not answer within {whole_seconds:g} s."
    with requests.Session() as session, _deadline(session, whole_seconds, lookup) as is_over:
        session.trust_env = lookup is None
        try:
            answer = session.post(
                url,
                data=body,
                headers=headers,
                timeout=(connect_seconds, whole_seconds),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            if is_over.is_set() or isinstance(error, requests.ReadTimeout):
                return too_late
            return _why(error, connect_seconds)
        except Forbidden as error:
            return str(error)
        with answer:
            # http.client takes headers that break off for whole ones, and so our own shutting of the socket.
            return too_late if is_over.is_set() else _why_refused(answer)


def _why_refused(answer: requests.Response) -> str | None:
    if answer.ok and answer.status_code < 300:
        return None
    status = f"{answer.status_code} {answer.reason or ''}".strip()
    if 300 <= answer.status_code < 400:
        return f"The server answered {status}; redirects are not followed: enter the address it points to."
    return f"The server answered {status}."


def _why(error: requests.RequestException, connect_seconds: float) -> str:
    """In our words: the library's own name the whole URL."""
    if isinstance(error, requests.ConnectTimeout):
        return f"No connection within {connect_seconds:g} s."
    if isinstance(error, requests.exceptions.SSLError):
        return f"No trusted connection (TLS): {_innermost(error)}."
    if isinstance(error, requests.ConnectionError):
        return f"No connection: {_innermost(error)}."
    return f"The request could not be made ({type(error).__name__})."


def _innermost(error: BaseException) -> str:
    """What the operating system or OpenSSL said at first, such as Connection refused."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    while isinstance(reason, BaseException) and (reason.__cause__ or reason.__context__):
        reason = reason.__cause__ or reason.__context__
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__ if isinstance(reason, BaseException) else "the server hung up"


def _keep_addresses_out_of_the_log() -> None:
    """urllib3 logs paths and whole URLs, at levels from DEBUG to WARNING."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


# ── A limit for the whole exchange ────────────────────────────────────────────────────────────────────────────────────
# The time limits of requests are for each wait, so a server that sends a byte every few seconds can go on for hours.


@contextmanager
def _deadline(session: requests.Session, seconds: float, lookup: Lookup | None) -> Iterator[threading.Event]:
    """Shut down the session's sockets when the time is up; the event tells so. `lookup` as in post."""
    sockets: list[socket.socket] = []
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        for each in sockets:
            _shut(each)

    def opened(connection: socket.socket) -> None:
        # A duplicate: TLS takes the descriptor over, and a shutdown of either ends both.
        sockets.append(socket.socket(fileno=os.dup(connection.fileno())))
        if is_over.is_set():
            _shut(sockets[-1])

    adapter = _WatchedAdapter(opened, is_over, lookup or addresses)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()
        timer.join()
        for each in sockets:
            each.close()


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already


class _WatchedAdapter(HTTPAdapter):
    """Tells of every socket that it opens, and opens none but to the addresses of the lookup."""

    def __init__(self, opened: Any, is_over: threading.Event, lookup: Lookup) -> None:
        class Watched:
            _dns_host: str
            port: int

            def _new_conn(self) -> socket.socket:
                connection = self._connected()
                opened(connection)
                return connection

            def _connected(self) -> socket.socket:
                name = self._dns_host
                try:
                    *others, last = lookup(name, self.port)
                    for address in others:
                        with suppress(urllib3.exceptions.HTTPError):
                            return self._to(address)
                        if is_over.is_set():  # a name may have thousands of addresses, and none that answers
                            raise TimeoutError
                    return self._to(last)
                finally:
                    self._dns_host = name  # which certificate and Host header go by

            def _to(self, address: str) -> socket.socket:
                self._dns_host = address
                connection: socket.socket = super()._new_conn()  # type: ignore[misc]
                return connection

        plain = type("Plain", (Watched, HTTPConnection), {})
        tls = type("Tls", (Watched, HTTPSConnection), {})
        self._pools = {
            "http": type("Http", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("Https", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
