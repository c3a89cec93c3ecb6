"""The page for a read-only link whose signature is wrong, such as one that was not copied as a whole."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

_REASON = "It is incomplete or was changed. Open it as it was given to you."


@login_not_required
@require_safe
def wrong_link(request: HttpRequest, rest: str) -> HttpResponse:
    """404. A link with the right signature never comes here: monitor/access/link_paths.py takes it out of the path."""
    return render(request, "account/wrong_link.html", {"reason": _REASON}, status=404)
