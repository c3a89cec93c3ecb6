"""The `daphne` command writes an access log to standard output, with queries. Here, without: tokens may be in them."""

from __future__ import annotations

import functools
import sys
from typing import Any

from monitor.http.request_id import shown_path


def hide_queries() -> None:
    """Nothing where another server runs the application: daphne has loaded its log before it imports one.

    It takes no format as an argument, hence this wrapper (daphne 4.2, access.py, write_entry).
    """
    access = sys.modules.get("daphne.access")
    if access is None:
        return
    write = access.AccessLogGenerator.write_entry

    @functools.wraps(write)
    def without_query(log: Any, *, request: str, **details: Any) -> None:
        write(log, request=shown_path(request), **details)

    access.AccessLogGenerator.write_entry = without_query
