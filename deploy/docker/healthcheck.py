"""The container's health check: requests /api/health, prints the response, and exits 0 if it is healthy."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 4


def host_answered(allowed_hosts: str) -> str:
    """A host name that GPU_MONITOR_ALLOWED_HOSTS accepts; localhost if it is not set or accepts any."""
    names = [name.strip().removeprefix(".") for name in allowed_hosts.split(",")]
    return next((name for name in names if name and name != "*"), "localhost")


def address_of(host: str) -> str:
    """Where a server that listens on this address answers: for all addresses, on loopback."""
    reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{reached}]" if ":" in reached else reached


def main() -> int:
    """Exit status 0: ok or degraded (a GPU is lost, the others are read). 1: no response, or no current readings."""
    port = os.environ.get("GPU_MONITOR_PORT") or "5000"
    request = urllib.request.Request(
        f"http://{address_of(os.environ.get('GPU_MONITOR_HOST', ''))}:{port}/api/health",
        headers={"Host": host_answered(os.environ.get("GPU_MONITOR_ALLOWED_HOSTS", ""))},
    )
    try:
        # Without proxies: Docker gives http_proxy to every container, and no proxy knows this one's loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            print(answer.read().decode())  # noqa: T201
            return 0
    except urllib.error.HTTPError as error:
        with error:
            print(error.read().decode())  # noqa: T201 - the reason, for `docker inspect`
    except OSError as error:
        print(f"no answer on port {port}: {error}")  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
