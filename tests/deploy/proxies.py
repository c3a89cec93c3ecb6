"""nginx with the project's own examples; only addresses, ports and paths are replaced for the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.servers import ROOT, free_port, wait_for

EXAMPLES = ROOT / "deploy" / "nginx"
MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    include {mime_types};
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include conf.d/*.conf;
}}
"""
SITE = """
server {
    listen 80;
    server_name gpu.example.com;
    location / { return 200 "the rest of the site"; }
    include snippets/gpumon-subpath.conf;
}
"""
"""A site with other content, for the example below a path."""


class Nginx:
    """A running nginx. `port` replaces port 80 of the example, `tls_port` port 443."""

    def __init__(self, folder: Path, texts: Mapping[str, str], replacing: Mapping[str, str]) -> None:
        """`texts`: the files of its conf.d by name. `replacing`: each key occurs in a file and is replaced by its value."""
        self.port, self.tls_port = free_port(), free_port()
        self._folder = folder
        changes = {
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "listen [::]:80;": "",
            "listen 443 ssl": f"listen 127.0.0.1:{self.tls_port} ssl",
            "listen [::]:443 ssl http2;": "",
            "listen 3000;": f"listen 127.0.0.1:{self.port};",
            "server_name gpu.example.com;": "server_name localhost;",
            "/var/log/nginx/access.log": str(folder / "access.log"),
        }
        (folder / "conf.d").mkdir(parents=True)
        shutil.copytree(EXAMPLES / "snippets", folder / "snippets")
        for name, text in texts.items():
            (folder / "conf.d" / name).write_text(text)
        files = [*(folder / "conf.d").iterdir(), *(folder / "snippets").iterdir()]
        together = "".join(file.read_text() for file in files)
        for before, after in {**changes, **replacing}.items():
            assert before in together or before in changes, f"no example says {before!r}"
            for file in files:
                file.write_text(file.read_text().replace(before, after))
        main = MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else "", mime_types=_mime_types())
        (folder / "nginx.conf").write_text(main)

    def start(self) -> Nginx:
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "nginx is not in PATH (Debian, Ubuntu: apt install nginx-light)"
        command = [program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-e", "stderr"]
        with (self._folder / "output.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._listens, "nginx to listen")
        return self

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def complaints(self) -> str:
        """The output of nginx, with configuration warnings first."""
        return (self._folder / "output.log").read_text() + (self._folder / "error.log").read_text()

    @property
    def access_log(self) -> str:
        """The requests so far."""
        return (self._folder / "access.log").read_text()

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "output.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def example(name: str) -> str:
    """The text of a file in deploy/nginx."""
    return (EXAMPLES / name).read_text()


def _mime_types() -> str:
    return "/etc/nginx/mime.types"
