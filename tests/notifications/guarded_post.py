"""A program that posts a webhook to a name under the address guard, for test_address_guard.py.

python -m tests.notifications.guarded_post URL PUBLIC RESOLVED…    every name resolves to RESOLVED; only PUBLIC counts as public
"""

from __future__ import annotations

import socket
import sys
from typing import Any
from unittest import mock

from monitor.notifications import address_guard
from monitor.notifications.sending_child import WebhookOrder, obey


def main(url: str, public: str, *resolved: str) -> None:
    def lookup(_host: str, port: int, *_given: Any, **_named: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in resolved]

    order = WebhookOrder(url=url, body=b"{}", headers={}, limit_seconds=20, forbids_private=True)
    with (
        mock.patch.object(socket, "getaddrinfo", lookup),
        mock.patch.object(address_guard, "is_public", lambda address: address == public),
    ):
        print(obey(order).error or "")


if __name__ == "__main__":
    main(*sys.argv[1:])
