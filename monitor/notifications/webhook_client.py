"""The requests of webhooks and heartbeats, within the sending process, which limits its time and its addresses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import requests
import urllib3

CONNECT_SECONDS = 5.0
LONGEST_RETRY_AFTER_SECONDS = 3600
"""A receiver can delay a message, and those behind it, by no more than this for each attempt."""


class Answered(NamedTuple):
    """The result of a request."""

    error: str | None
    """None if the receiver answered with a 2xx status, else what went wrong, without the URL."""
    retry_after_seconds: int | None = None


def post(url: str, body: bytes, headers: dict[str, str]) -> Answered:
    """Deliver a webhook's body."""
    return _request("POST", url, headers, body)


def get(url: str) -> Answered:
    """Send a heartbeat: every service of this kind accepts GET, and Uptime Kuma nothing else."""
    return _request("GET", url, {"User-Agent": "gpumon"}, None)


def _request(method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answered:
    """Redirects are not followed: the next address would receive what was meant for this one. The answer's body is not read."""
    try:
        answer = requests.request(  # the process has a limit for everything after the connection
            method,
            url,
            data=body,
            headers=headers,
            timeout=(CONNECT_SECONDS, None),
            allow_redirects=False,
            stream=True,
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return Answered(_reason(error))
    if 200 <= answer.status_code < 300:
        return Answered(None)
    status = f"{answer.status_code} {answer.reason or ''}".strip()
    if 300 <= answer.status_code < 400:
        return Answered(
            f"The server answered {status}. Redirects are not followed: enter the address that it points to."
        )
    return Answered(f"The server answered {status}.", retry_after_seconds(answer.headers, now=time.time()))


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> int | None:
    """Retry-After (RFC 9110, 10.2.3), as seconds or as an HTTP date, from 0 to LONGEST_RETRY_AFTER_SECONDS. None if it is
    missing or neither. A date counts from the receiver's own clock (Date), if it tells it; else from `now`, Unix seconds.
    """
    text = headers.get("Retry-After", "").strip()[:100]
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        moment = _moment(text)
        if moment is None:
            return None
        from_then = _moment(headers.get("Date", "").strip()[:100])
        seconds = moment - (now if from_then is None else from_then)
    return round(min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS))


def _moment(text: str) -> float | None:
    """An HTTP date in Unix seconds."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """The failure in our own words: the libraries' messages contain the whole URL."""
    if isinstance(error, requests.ConnectTimeout):
        return f"No connection within {CONNECT_SECONDS:g} s."
    if isinstance(error, requests.exceptions.ProxyError):
        return f"No connection through the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY): {_cause(error)}."
    if isinstance(error, requests.exceptions.SSLError):
        return f"No trusted connection (TLS): {_cause(error)}."
    if isinstance(error, requests.ConnectionError):
        return f"No connection: {_cause(error)}."
    if isinstance(error, urllib3.exceptions.LocationParseError | requests.exceptions.InvalidURL):
        return "The URL contains an invalid host name."
    return f"The request could not be made ({type(error).__name__})."


def _cause(error: BaseException) -> str:
    """The first error of the operating system or OpenSSL, such as Connection refused."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    while isinstance(reason, BaseException) and (reason.__cause__ or reason.__context__):
        reason = reason.__cause__ or reason.__context__
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__ if isinstance(reason, BaseException) else "the server hung up"
