"""Real nginx with the examples in deploy/nginx, in front of real daphne and gunicorn: pages and sockets in real Chromium, at
the root, below a path and over TLS; static files from disk; clients cannot spoof their address.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.commands import GUNICORN, StartServer
from tests.deploy.proxies import SITE, Nginx, example
from tests.support.servers import Server, free_port, wait_for
from tests.support.sockets import connect

pytestmark = [pytest.mark.slow, pytest.mark.browser]


class Site:
    """gpumon as clients of nginx see it."""

    def __init__(self, server: Server, nginx: Nginx, base_path: str, static_dir: Path, *, is_secure: bool) -> None:
        self.server, self.nginx, self.base_path, self.static_dir = server, nginx, base_path, static_dir
        self.is_secure = is_secure
        self.host = f"localhost:{nginx.tls_port if is_secure else nginx.port}"
        self.url = f"{'https' if is_secure else 'http'}://{self.host}{base_path}"
        self.trusting = ssl.create_default_context()  # accepts any certificate: the test makes its own
        self.trusting.check_hostname = False
        self.trusting.verify_mode = ssl.CERT_NONE

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """The response to a request below the base path, with its body in `.body`."""
        port = int(self.host.rpartition(":")[2])
        connection = (
            http.client.HTTPSConnection("127.0.0.1", port, context=self.trusting, timeout=40)
            if self.is_secure
            else http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        )
        connection.request("GET", self.base_path + path, headers={"Host": self.host, **headers})
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def feed(self) -> Any:
        """The socket of a program."""
        secure = {"ssl": self.trusting} if self.is_secure else {}
        return connect(self.url.replace("http", "ws", 1) + "/ws/gpu", **secure)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key.pem and a self-signed fullchain.pem."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", "key.pem", "-out", "fullchain.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(
    scope="module",
    params=[("daphne", ""), ("gunicorn", "tls"), ("daphne", "/gpus"), ("gunicorn", "/gpus")],
    ids=["daphne", "gunicorn over TLS", "daphne below a path", "gunicorn below a path"],
)
def site(
    request: pytest.FixtureRequest,
    start_server: StartServer,
    certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    kind, how = request.param
    base_path = how if how.startswith("/") else ""
    static_dir = tmp_path_factory.mktemp("cache") / "static"
    server = start_server(kind, base_path=base_path, trusted_proxies="127.0.0.1", static_dir=static_dir)
    text = SITE if base_path else example("gpumon-tls.conf" if how == "tls" else "gpumon-http.conf")
    tls = {"/etc/ssl/gpumon": str(certificate)} if how == "tls" else {}
    nginx = Nginx(
        tmp_path_factory.mktemp("nginx") / "etc",
        {"upstream.conf": example("gpumon-upstream.conf"), "site.conf": text},
        {"server 127.0.0.1:5000;": f"server 127.0.0.1:{server.port};", "/var/cache/gpumon/static": str(static_dir)}
        | tls,
    ).start()
    site = Site(server, nginx, base_path, static_dir, is_secure=how == "tls")
    yield site
    nginx.stop()
    assert "[warn]" not in nginx.complaints
    assert "[emerg]" not in nginx.complaints


def is_live(page: Page) -> None:
    expect(page.locator("[data-connection]")).to_have_attribute("data-state", "live")


def test_dashboard_and_gpu_page_are_live_and_their_links_stay_below_the_path(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{site.url}/", ignore_https_errors=True)
    is_live(page)
    links = page.evaluate("[...document.querySelectorAll('main a[href]')].map((link) => link.getAttribute('href'))")
    assert links
    assert all(link.startswith((f"{site.base_path}/", "#", "?")) for link in links)
    page.locator(f'a[href^="{site.base_path}/gpu/"]').first.click()
    page.wait_for_url(f"{site.url}/gpu/**")
    is_live(page)


def test_administrator_logs_in_and_the_cookies_stay_below_the_path(site: Site, open_page: Callable[..., Page]) -> None:
    name, password = site.server.make_superuser()
    page = open_page(f"{site.url}/admin/", ignore_https_errors=True)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert page.url == f"{site.url}/admin/"
    assert {cookie["path"] for cookie in page.context.cookies()} == {f"{site.base_path}/"}


def test_program_receives_the_feed(site: Site) -> None:
    with site.feed() as feed:
        assert len(json.loads(feed.recv(timeout=40))["gpus"]) == 8


def test_pages_and_api_responses_are_compressed(site: Site) -> None:
    answer = site.get("/api/snapshot", **{"Accept-Encoding": "gzip"})
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(answer.body))["gpus"]  # type: ignore[attr-defined]


def test_hashed_files_are_served_from_disk_and_cached_forever(site: Site) -> None:
    (site.static_dir / "only-nginx-knows.0123456789ab.css").write_text("p { color: red }")
    answer = site.get("/static/only-nginx-knows.0123456789ab.css")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_precompressed_file_is_sent_unchanged(site: Site) -> None:
    compressed = next((site.static_dir / "css").glob("gpumon.*.css.gz"))
    answer = site.get(f"/static/css/{compressed.stem}", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.body == compressed.read_bytes()  # type: ignore[attr-defined]


def test_other_names_are_served_by_gpumon_and_cannot_leave_the_folder(site: Site) -> None:
    assert "immutable" not in site.get("/static/css/gpumon.css").headers.get("Cache-Control", "")
    assert site.get("/static/css/gpumon.css").status == 200
    assert site.get("/static/css/gone.0123456789ab.css").status == 404
    (site.static_dir.parent / "secret.0123456789ab.css").write_text("SECRET")
    for path in ("/static/..%2fsecret.0123456789ab.css", "/static/css/..%2f..%2f..%2fsecret.0123456789ab.css"):
        assert b"SECRET" not in site.get(path).body  # type: ignore[attr-defined]


def test_unknown_host_name_is_refused_through_the_proxy_too(site: Site) -> None:
    assert site.get("/api/snapshot", Host="evil.example").status == 400
    assert site.get("/api/health", Host="evil.example").status == 200


def test_plain_http_redirects_to_https(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=40)
    connection.request("GET", "/gpu/x?a=b", headers={"Host": "localhost"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if site.is_secure:
        assert (answer.status, answer.headers["Location"]) == (308, "https://localhost/gpu/x?a=b")
    else:
        assert answer.status in {200, 404}


def test_path_without_its_slash_redirects_to_the_dashboard(site: Site) -> None:
    answer = site.get("?kiosk=1") if site.base_path else site.get("/")
    assert (answer.status, answer.headers["Location"]) == (
        (308, f"{site.url}/?kiosk=1") if site.base_path else (200, None)
    )


# ── The client ────────────────────────────────────────────────────────────────────────────────────────────────────────

LIES = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;proto=https",
    "Remote-User": "root",
}


@pytest.fixture(scope="module", params=["daphne", "gunicorn"])
def echo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Nginx]]:
    """An application that returns the client it sees, on each server, behind nginx."""
    command = {
        "daphne": [sys.executable, "-m", "daphne", "-b", "0.0.0.0", "-p", "{port}", "tests.deploy.echo:application"],
        "gunicorn": [*GUNICORN, "-b", "0.0.0.0:{port}", "tests.deploy.echo:application"],
    }[request.param]
    server = Server(tmp_path_factory.mktemp("echo"), None, command, trusted_proxies="127.0.0.1").start()
    nginx = Nginx(
        tmp_path_factory.mktemp("nginx") / "etc",
        {"upstream.conf": example("gpumon-upstream.conf"), "site.conf": example("gpumon-http.conf")},
        {"server 127.0.0.1:5000;": f"server 127.0.0.1:{server.port};"},
    ).start()
    wait_for(lambda: ask(nginx.port, "127.0.0.1")["path"] == "/", "the first answer")
    yield server, nginx
    nginx.stop()
    server.stop()


def test_links_that_need_no_login_are_not_logged(echo: tuple[Server, Nginx]) -> None:
    _, nginx = echo
    for path in ("/view/key.signature/gpu/x", "/gpus/view/key.signature/", "/setup/token", "/gpu/view"):
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=40)
        connection.request("GET", path, headers={"Host": "localhost"})
        connection.getresponse().read()
        connection.close()
    wait_for(lambda: "GET /gpu/view " in nginx.access_log, "the record of the last request")
    assert not re.search(r"signature|setup", nginx.access_log)


def ask(port: int, source: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The response to a client with the given source address."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40, source_address=(source, 0))
    connection.request("GET", "/", headers={"Host": "localhost", **(headers or {})})
    text = connection.getresponse().read()
    connection.close()
    answer: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {"path": None}
    return answer


def ask_socket(port: int, source: str, headers: dict[str, str]) -> dict[str, Any]:
    with connect(f"ws://127.0.0.1:{port}/", additional_headers=headers, source_address=(source, 0)) as socket:
        answer: dict[str, Any] = json.loads(socket.recv(timeout=40))
        return answer


def test_client_behind_nginx_cannot_spoof_its_address(echo: tuple[Server, Nginx]) -> None:
    port = echo[1].port
    for answer in (ask(port, "127.0.0.2", LIES), ask_socket(port, "127.0.0.2", LIES)):
        # A local client, and none of its lies: a loopback address in a header makes nobody local.
        assert (answer["client"], answer["by_proxy"]) == (None, True)
        assert answer["scheme"] in {"http", "ws"}
        assert answer["host"] in {"localhost", f"127.0.0.1:{port}"}
        assert not {"x-forwarded-for", "forwarded", "x-real-ip", "remote-user"} & set(answer["headers"])


def test_headers_of_clients_that_bypass_nginx_are_ignored(echo: tuple[Server, Nginx]) -> None:
    port = echo[0].port
    for answer in (ask(port, "127.0.0.3", LIES), ask_socket(port, "127.0.0.3", LIES)):
        assert (answer["client"], answer["by_proxy"]) == ("127.0.0.3", False)
        assert answer["scheme"] in {"http", "ws"}
        assert "evil.example" not in answer["host"]


def test_headers_of_the_trusted_proxy_are_accepted(echo: tuple[Server, Nginx]) -> None:
    port = echo[0].port
    answers = ask(port, "127.0.0.1", LIES), ask_socket(port, "127.0.0.1", LIES)
    assert [answer["client"] for answer in answers] == ["203.0.113.9"] * 2
    assert [answer["scheme"] for answer in answers] == ["https", "wss"]
    assert [answer["host"] for answer in answers] == ["evil.example"] * 2


def test_connection_is_upgraded_only_to_websocket(echo: tuple[Server, Nginx]) -> None:
    answer = ask(echo[1].port, "127.0.0.1", {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"})
    assert "upgrade" not in answer["headers"]


# ── As in docker-compose.yml ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("upstream", "servers"),
    [("gpumon-upstream.conf", ["gpumon"]), ("gpumon-fleet-upstream.conf", ["gpumon-1", "gpumon-2"])],
)
def test_nginx_of_the_container_has_the_same_rules(upstream: str, servers: list[str], tmp_path: Path) -> None:
    port = free_port()
    nginx = Nginx(
        tmp_path / "etc",
        {"gpumon.conf": example("docker/gpumon.conf"), "gpumon-upstream.conf": example(f"docker/{upstream}")},
        {f"server {name}:5000;": f"server 127.0.0.1:{port};" for name in servers},
    ).start()
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=40)
    connection.request("GET", "/", headers={"Host": "anything"})
    assert connection.getresponse().status == 502
    connection.close()
    nginx.stop()
    # It tries the other server, if there is one.
    warnings = [
        line for line in nginx.complaints.splitlines() if "[warn]" in line and "temporarily disabled" not in line
    ]
    assert warnings == []
