"""A private PostgreSQL server in a folder of its own, on a free port and a Unix socket; Debian's package `postgresql`."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PASSWORD = "cluster-password"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=256MB")


class Cluster:
    """Started by `running_cluster`. Its superuser is `gpumon`; TCP asks for the password, the socket does not."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str = "postgres", *, password: str = PASSWORD, host: str = "127.0.0.1") -> str:
        return f"postgresql://gpumon:{password}@{host}:{self.port}/{name}"

    def socket_url(self, name: str) -> str:
        return f"postgresql://gpumon@/{name}?host={self.folder}&port={self.port}"

    def run(self, sql: str, name: str = "postgres") -> str:
        """What psql prints for one statement."""
        command = [
            _program("psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.socket_url(name),
            "-c",
            sql,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def new_database(self, name: str) -> str:
        """Its URL."""
        self.run(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def start(self) -> None:
        options = [f"-c{each}" for each in (f"port={self.port}", "listen_addresses=127.0.0.1", *_QUICK)]
        command = [_program("postgres"), "-D", str(self.folder / "data"), f"-k{self.folder}", *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_unprivileged())
        ready = [_program("pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port), "-t", "1"]
        for _ in range(100):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """As `pg_ctl stop -m immediate`: connections break."""
        if self._process is not None:
            self.freeze(is_frozen=False)
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
            self._process = None

    def revive(self) -> None:
        """Run, and answer."""
        if self._process is None:
            self.start()
        self.freeze(is_frozen=False)

    def freeze(self, *, is_frozen: bool = True) -> None:
        """SIGSTOP to all its processes: it holds connections and answers nothing."""
        assert self._process is not None
        for pid in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if is_frozen else signal.SIGCONT)


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Not in pytest's folders, which its own user may not enter."""
    folder = Path(tempfile.mkdtemp(prefix="gpumon-pg-"))
    cluster = Cluster(folder, _free_port())
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if owner := _unprivileged():
            for path in (folder, password):
                os.chown(path, owner["user"], owner["group"])
        initdb = [_program("initdb"), "-D", str(folder / "data"), "-U", "gpumon", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [*initdb, "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"],
            check=True, capture_output=True, **owner,
        )  # fmt: skip
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _program(name: str) -> str:
    """Debian keeps the server's programs out of PATH."""
    found = [*Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    return str(max(found)) if found else name


def _unprivileged() -> dict[str, int]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
