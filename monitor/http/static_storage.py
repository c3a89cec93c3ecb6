"""How static files get their hashed names: also those that our scripts import from one another."""

from __future__ import annotations

from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # has no types
    """Rewrites `import … from "./other.js"` too, so that a changed module is never mixed with cached old ones.

    In our own scripts only: Django's switch for this (support_js_module_import_aggregation) takes any `import("…")`,
    also the one in a comment of django-htmx's hx-sse-2.js, for a file that has to be there.
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
