"""ServeStatic's middleware, except that with DEBUG on a file that is not there is 404 and not an error of the server."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import MissingFileError


class StaticFiles(ServeStaticMiddleware):  # type: ignore[misc]  # has no types
    """With DEBUG off it never raises: there ServeStatic knows all files, and hands the request on."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The file, or what comes after this middleware. Raises Http404 with the folders that were searched."""
        try:
            answer: HttpResponseBase = await super().__call__(request)
        except MissingFileError as error:
            raise Http404(str(error)) from error
        return answer
