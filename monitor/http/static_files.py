"""Static files under hashed names: how they are named, collected into STATIC_ROOT when the server starts, and served."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import re
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.base import ContentFile, File
from django.core.management import call_command
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import MissingFileError
from servestatic.storage import CompressedManifestStaticFilesStorage

from monitor.private_file import give_to_owner_of_folder, open_private
from monitor.version import __version__

STAMP = "sources.sha256"
"""The file that says which sources the collected files come from."""
_STYLE_SPACE = re.compile(r"""(?P<text>"[^"]*")|(?:(?<!\s)\s++)?(?P<mark>[{};,])\s*+|(?<=[\w-]):[ ]+""")
_STYLE_COMMENT = re.compile(r"""(?P<text>"[^"]*")|/\*.*?\*/""", re.DOTALL)
_SCRIPT_TEXT = re.compile(r"""(?P<text>"[^"]*"|'[^']*'|`[^`]*`)""")
_SCRIPT_SPACE = re.compile(
    _SCRIPT_TEXT.pattern + r"|(?:(?<![ ])[ ]++)?(?P<mark>=>|[!=]==|&&|\|\||\?\?|[=,;{}()?:])[ ]*+"
)


class HashedStaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # has no types
    """Also rewrites `import … from "./other.js"`, so that a changed module never runs with outdated cached ones.

    Only in the project's own scripts: Django's switch for this (support_js_module_import_aggregation) requires the file
    of every `import("…")`, even of one in a comment. Also makes scripts and styles compact.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        (
            "js/*.js",
            (
                (
                    r"""(?m)^(?P<matched>(?P<before>(?:import|export)\b[^'";]*)["'](?P<url>\.{1,2}/[^"']+)["'])""",
                    """%(before)s"%(url)s\"""",
                ),
            ),
        ),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        self._urls: dict[str, str] = {}
        super().__init__(*args, **given)

    def url(self, name: str, force: bool = False) -> str:
        """The address of a file. It is kept: a page names sixteen, and Django takes each apart and puts it together again."""
        if settings.DEBUG or force:
            return str(super().url(name, force))
        if (known := self._urls.get(name)) is None:
            known = self._urls[name] = str(super().url(name))
        return known

    def save_manifest(self) -> None:
        """Write down the hashed names of the files that were collected."""
        self._urls.clear()
        super().save_manifest()

    def _save(self, name: str, content: File[bytes]) -> str:
        if name.startswith(("js/", "css/")) and name.endswith((".js", ".css")):
            content.seek(0)  # it was read for the hash
            source = content.read().decode()
            made = compact_style(source) if name.endswith(".css") else compact_script(source)
            content = ContentFile(made.encode())
        return str(super()._save(name, content))


def compact_script(source: str) -> str:
    """A script of the project without comments, indentation and most white space around punctuation: a third of its size.

    Lines stay lines. One with a regular expression, a division, or one text in another keeps its spaces. With DEBUG on, the
    files are served as they are.
    """
    lines = (_without_remark(line.strip()) for line in source.splitlines())
    return "".join(f"{_compact_line(line)}\n" for line in lines if line)


def _without_remark(line: str) -> str:
    """Without a comment at the end. A `//` after an opened quotation mark is none."""
    code, _, remark = f" {line}".partition(" // ")
    return code.strip() if remark and all(code.count(mark) % 2 == 0 for mark in "\"'`") else line


def _compact_line(line: str) -> str:
    is_plain = line.count("`") <= 2 and not {"/", "\\"} & {*_SCRIPT_TEXT.sub("", line)}
    return _SCRIPT_SPACE.sub(lambda found: found["text"] or found["mark"], line) if is_plain else line


def compact_style(source: str) -> str:
    """A style of the project without comments and the white space around its punctuation. Texts keep theirs."""
    style = _STYLE_COMMENT.sub(lambda found: found["text"] or "", source)
    style = _STYLE_SPACE.sub(lambda found: found["text"] or found["mark"] or ":", style.strip())
    return style.replace(";}", "}") + "\n"


class StaticFiles(ServeStaticMiddleware):  # type: ignore[misc]  # has no types
    """ServeStatic's middleware, but it opens each file at its first request, and a missing file is 404 and not a server error.

    ServeStatic looks at all 400 files when it is made, which took a sixth of the start.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._not_requested: dict[str, str] = {}
        super().__init__(get_response)

    def add_files_from_manifest(self) -> None:
        """Remember the addresses of the collected files."""
        names = itertools.chain.from_iterable(_storage().hashed_files.items())
        self._not_requested = {f"{self.static_prefix}{name}": name for name in names}

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The file, or the response of the next middleware. Raises Http404 with the folders that were searched."""
        try:
            if name := self._not_requested.pop(request.path_info, None):
                self.add_file_to_dictionary(request.path_info, _storage().path(name), root=_storage().location)
            response: HttpResponseBase = await super().__call__(request)
        except MissingFileError as error:
            raise Http404(str(error)) from error
        return response


def _storage() -> HashedStaticStorage:
    return cast("HashedStaticStorage", staticfiles_storage)


def collect_if_outdated() -> bool:
    """Update STATIC_ROOT; returns whether anything had changed. Requires `django.setup()`.

    The server does this when it starts, so there is no build step to forget. With DEBUG on, files are served from their
    sources and nothing is collected.
    """
    if settings.DEBUG:
        return False
    root = Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    stamp = root / STAMP
    # If two servers start together, one collects; the other waits and finds it done.
    with os.fdopen(open_private(root.parent / f"{root.name}.lock"), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fingerprint = _fingerprint()
        if stamp.exists() and stamp.read_text() == fingerprint:
            return False
        # Cleared first: collectstatic compares times, so it would keep a file whose source was replaced by an older one.
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(fingerprint)
        _open_to_all(root)
        return True


def _open_to_all(root: Path) -> None:
    """Make the files readable for a web server in front, which is another user: the compressor creates them by the umask.

    If root collects them once, the server's user must be able to replace them later.
    """
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        give_to_owner_of_folder(path)


def build_id() -> str:
    """Eight hexadecimal digits that change with every style and script, unlike the version during development."""
    stamp = Path(settings.STATIC_ROOT) / STAMP
    is_collected = not settings.DEBUG and stamp.exists()
    return (stamp.read_text() if is_collected else _fingerprint())[:8]  # startup has just looked at all files


def _fingerprint() -> str:
    """Hash of names, sizes and times, not of contents: every start looks at about 200 files."""
    versions = f"{__version__} {version('django')} {version('servestatic')}"
    digest = hashlib.sha256(f"{versions} {settings.STATIC_URL}\n".encode())
    for finder in get_finders():
        for path, storage in sorted(finder.list(None), key=lambda found: found[0]):
            facts = Path(storage.path(path)).stat()
            digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
