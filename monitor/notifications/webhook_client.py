"""The POST of a webhook, within the sending process, which limits its time and its addresses."""

from __future__ import annotations

import requests
import urllib3

CONNECT_SECONDS = 5.0


def post(url: str, body: bytes, headers: dict[str, str]) -> str | None:
    """Deliver a body. None if the receiver answered with a 2xx status, else what went wrong, without the URL.

    Redirects are not followed: the next address would receive what was meant for this one. The answer's body is not read.
    """
    try:
        answer = requests.post(  # the process has a limit for everything after the connection  # nosec B113
            url,
            data=body,
            headers=headers,
            timeout=(CONNECT_SECONDS, None),
            allow_redirects=False,
            stream=True,
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return _reason(error)
    if 200 <= answer.status_code < 300:
        return None
    status = f"{answer.status_code} {answer.reason or ''}".strip()
    if 300 <= answer.status_code < 400:
        return f"The server answered {status}. Redirects are not followed: enter the address that it points to."
    return f"The server answered {status}."


def _reason(error: Exception) -> str:
    """The failure in our own words: the libraries' messages contain the whole URL."""
    if isinstance(error, requests.ConnectTimeout):
        return f"No connection within {CONNECT_SECONDS:g} s."
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
