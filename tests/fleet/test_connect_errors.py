"""Each way not to reach a hub, with the sentence of the agent's log that says why."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.fleet.agent.connect_errors import reason_of
from monitor.fleet.agent.connection import Connection, address_of
from monitor.fleet.protocol import Hello
from tests.support.servers import free_port

HELLO = Hello(protocol=1, version="0.1.0", host_id="ab" * 16, host="node1", sent_at=1.0)


def sentence(hub: str) -> str:
    """What the agent says about this address."""
    url = address_of(hub)
    with pytest.raises(Exception) as error:  # each case has another
        Connection(url, HELLO, "gpumonhost_key")
    assert isinstance(error.value, Exception)
    return reason_of(error.value, url)


class Answering(http.server.BaseHTTPRequestHandler):
    """A web server that is no hub."""

    protocol_version = "HTTP/1.1"
    answer: tuple[int, dict[str, str]]

    def do_GET(self) -> None:
        status, headers = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def web_server(status: int, context: ssl.SSLContext | None = None, **headers: str) -> Iterator[int]:
    handler = type("Handler", (Answering,), {"answer": (status, headers)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (404, {}, "There is no hub at 127.0.0.1:PORT/gpus/ws/agent (404)"),
        (302, {"Location": "https://login.example.org/"}, "redirects to https://login.example.org/"),
        (301, {"Location": "https://other.example.org/gpus/ws/agent"}, "If that is another address of the hub, use it"),
        (200, {"Content-Type": "text/html"}, "answers with a page or a login (200): exempt the path /gpus/ws/agent"),
        (401, {}, "answers with a page or a login (401)"),
        (403, {}, "forbids the connection (403)"),
        (426, {}, "must pass on the headers Upgrade and Connection"),
        (503, {}, "does not run now, or restarts (503)"),
        (418, {}, "answers with status 418"),
    ],
)
def test_answer_of_a_web_server_is_explained(status: int, headers: dict[str, str], words: str) -> None:
    with web_server(status, **headers) as port:
        assert words.replace("PORT", str(port)) in sentence(f"http://127.0.0.1:{port}/gpus/")


def test_no_server_no_name_and_no_web_server() -> None:
    assert "Nothing listens at 127.0.0.1:" in sentence(f"http://127.0.0.1:{free_port()}")
    assert "The name nowhere.invalid is not known" in sentence("http://nowhere.invalid")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        threading.Thread(target=lambda: deaf.accept()[0].close(), daemon=True).start()
        assert "does not answer as a web server" in sentence(f"http://127.0.0.1:{port}")


def test_proxy_of_the_environment_is_named_and_not_used_for_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent said that nothing listens at the hub, where nothing listened at the proxy."""
    port = free_port()
    monkeypatch.setenv("http_proxy", f"http://jo:secret@127.0.0.1:{port}")
    said = sentence("http://gpus.example.org")
    assert said.startswith(f"The proxy 127.0.0.1:{port}, which the environment of this host names")
    assert "secret" not in said
    assert "does not lead to gpus.example.org: Connection refused. If the hub is reached without it, add" in said
    with web_server(502) as refusing:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refusing}")
        assert f"The proxy 127.0.0.1:{refusing}" in sentence("http://gpus.example.org")
    with web_server(418) as hub:
        assert "answers with status 418" in sentence(f"http://127.0.0.1:{hub}")


@pytest.mark.slow
def test_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with web_server(404, context) as port:
        assert "is not trusted (self-signed certificate)" in sentence(f"https://127.0.0.1:{port}")
    with web_server(404) as port:
        assert "does not speak TLS" in sentence(f"https://127.0.0.1:{port}")
