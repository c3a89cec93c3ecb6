"""The Dockerfile without Docker: its own steps, one after another, each stage in a root of its own by chroot.

The base image is stood for by this machine's system, laid below the stage (overlayfs): its Python is there as `python`; its
compilers, the checkout and what others have in /tmp are not. So a file that is not copied is missed, and a package too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import ROOT

COMPILERS = re.compile(r"(.*-)?(gcc|g\+\+|cc|c\+\+|clang|ld|as)(-\d+)?")
HIDDEN = ("work", "tmp", "home", "opt", "mnt", "srv")


class Instruction(NamedTuple):
    """One line of a Dockerfile, its continuations joined."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows the name: a JSON list, or words as a shell splits them."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


def instructions(text: str) -> list[Instruction]:
    """All of them, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def sent_to_the_builder(ignore: str, names: list[str]) -> list[str]:
    """Those of the paths that .dockerignore lets through: the last pattern that matches a path, or a folder above it, decides."""
    rules = [line.strip() for line in ignore.splitlines() if line.strip() and not line.startswith("#")]

    def is_sent(name: str) -> bool:
        parts = name.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        verdict = True
        for rule in rules:
            if any(re.fullmatch(_expression(rule.removeprefix("!")), path) for path in above):
                verdict = rule.startswith("!")
        return verdict

    return [name for name in names if is_sent(name)]


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")


class Stage:
    """A root that is being filled, and the settings that go with it. `close` ends what holds it."""

    def __init__(self, folder: Path) -> None:
        self.upper, self.merged = folder / "upper", folder / "merged"
        for path in (self.upper, self.merged, folder / "work"):
            path.mkdir(parents=True)
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.workdir, self.user, self.command, self.healthcheck = "/", "0:0", [""], [""]
        self.volumes: list[str] = []
        self._stand_for_the_base_image()
        mounts = [
            f"mount -t overlay overlay -o lowerdir=/,upperdir={self.upper},workdir={folder / 'work'} {self.merged}",
            *(f"mount -t tmpfs -o mode=1777 none {self.merged}/{name}" for name in HIDDEN if Path(f"/{name}").is_dir()),
            *(f"mount --rbind /{name} {self.merged}/{name}" for name in ("proc", "dev")),
            *(f"mount --bind /dev/null {self.merged}{path}" for path in _compilers()),
        ]
        # What the stage makes in a hidden folder has to last: its working folder lies in the upper layer all the same.
        mounts.append(f"mkdir -p {self.upper}/opt && mount --bind {self.upper}/opt {self.merged}/opt")
        script = "set -e; " + "; ".join(mounts) + "; echo mounted; exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"mounted\n"

    def close(self) -> None:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(10)
        self._holder.stdout.close()

    def inside(self, command: list[str], variables: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs this command in the root, as the stage's user. No process of its own stands between."""
        given = [f"{name}={value}" for name, value in {**self.environment, **(variables or {})}.items()]
        enter = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--", "chroot", f"--userspec={self.user}"]
        return [*enter, str(self.merged), "env", "-i", "-C", self.workdir, *given, *command]

    def outside(self, script: str) -> None:
        """Run a script among the stage's mounts, on the machine's own root."""
        enter = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]
        subprocess.run([*enter, "sh", "-ec", script], check=True)

    def put(self, source: Path, destination: str) -> None:
        """Copy a file or what is in a folder there. Links stay links."""
        target = self.upper / os.path.normpath(Path(self.workdir) / destination).lstrip("/")
        if destination.endswith("/"):
            target /= source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def seal(self) -> None:
        """As `docker run --read-only --tmpfs /tmp` has it: only the volumes and /tmp can be written."""
        binds = [f"mount --bind {self.merged}{volume} {self.merged}{volume}" for volume in self.volumes]
        self.outside(
            "; ".join(
                [*binds, f"mount -o remount,ro,bind {self.merged}", f"mount -o remount,ro,bind {self.merged}/opt"]
            )
        )

    def _stand_for_the_base_image(self) -> None:
        python = Path(sys.executable).resolve()
        self.environment["PATH"] = f"{python.parent}:{self.environment['PATH']}"
        for folder in python.parents:  # one in a home folder would be out of the user's reach
            (self.upper / str(folder).lstrip("/")).mkdir(exist_ok=True, parents=True)
            (self.upper / str(folder).lstrip("/")).chmod(0o755)
        # Beside the real one: by a link elsewhere it would not find its library.
        if not python.with_name("python").exists():
            (self.upper / str(python.with_name("python")).lstrip("/")).symlink_to(python)


def _compilers() -> Iterator[Path]:
    for folder in ("/usr/bin", "/usr/local/bin"):
        yield from (
            path for path in Path(folder).iterdir() if COMPILERS.fullmatch(path.name) and path.resolve().is_file()
        )


class Image:
    """What the Dockerfile makes of a context: its last stage."""

    def __init__(self, context: Path, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._stages: dict[str, Stage] = {}

    def build(self) -> None:
        """Carry out every instruction; one that this class does not know is an error."""
        for instruction in instructions((ROOT / "Dockerfile").read_text()):
            getattr(self, f"_{instruction.name.lower()}")(instruction)

    @property
    def last(self) -> Stage:
        """The stage that is being filled, in the end the image."""
        return list(self._stages.values())[-1]

    def close(self) -> None:
        for stage in self._stages.values():
            stage.close()

    def _from(self, instruction: Instruction) -> None:
        base, *name = instruction.words
        assert base.startswith("python:")
        self._stages[name[-1] if name else "image"] = Stage(self._folder / f"stage{len(self._stages)}")

    def _workdir(self, instruction: Instruction) -> None:
        self.last.workdir = instruction.rest
        (self.last.upper / instruction.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction) -> None:
        words = instruction.words
        origin = self._context
        if words[0].startswith("--from="):
            origin = self._stages[words.pop(0).removeprefix("--from=")].upper
        *sources, destination = words
        for source in sources:
            self.last.put(origin / source.lstrip("/"), destination)

    def _run(self, instruction: Instruction) -> None:
        # The registry is this machine's, as a builder's would be.
        outer = {name: value for name, value in os.environ.items() if name.lower().startswith(("pip_", "http", "ssl_"))}
        command = self.last.inside(["sh", "-ec", instruction.rest], {"HOME": "/root", **outer})
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"RUN {instruction.rest}\n{ended.stdout}{ended.stderr}"

    def _env(self, instruction: Instruction) -> None:
        for word in instruction.words:
            name, _, value = word.partition("=")
            self.last.environment[name] = value.replace("$PATH", self.last.environment["PATH"])

    def _volume(self, instruction: Instruction) -> None:
        self.last.volumes = instruction.words

    def _user(self, instruction: Instruction) -> None:
        self.last.user = instruction.rest

    def _healthcheck(self, instruction: Instruction) -> None:
        self.last.healthcheck = json.loads(instruction.rest[instruction.rest.index("CMD") + 3 :])

    def _cmd(self, instruction: Instruction) -> None:
        self.last.command = instruction.words

    def _expose(self, instruction: Instruction) -> None:
        assert instruction.rest == "5000"
