"""Who may send a large body: a browser that has been shown the form which takes one, as somebody who may use that form.

It is asked before a body is taken, where no database can be: under daphne a body is on the disk before the application is
asked for anything. So the form's page gives a signed cookie along, which a form left open for longer has to fetch anew.
"""

from __future__ import annotations

from typing import TypeVar

from django.conf import settings
from django.core import signing
from django.http.cookie import parse_cookie
from django.http.response import HttpResponseBase

COOKIE = "gpumon_upload"
VALID_SECONDS = 24 * 3600
_SALT = "monitor.http.upload_permit"

AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)


def with_permit(page: AnyResponse, path: str) -> AnyResponse:
    """The page, which lets its browser send large bodies to this path and what is below it."""
    page.set_cookie(
        COOKIE,
        signing.get_cookie_signer(salt=_SALT).sign("shown"),
        max_age=VALID_SECONDS,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
    return page


def has_permit(cookies: str) -> bool:
    """Whether a request with this Cookie header may. What it sends is looked at by the view all the same."""
    try:
        signing.get_cookie_signer(salt=_SALT).unsign(parse_cookie(cookies).get(COOKIE, ""), max_age=VALID_SECONDS)
    except signing.BadSignature:
        return False
    return True
