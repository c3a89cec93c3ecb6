"""Makes text inert in every receiver's language: it rings nobody, links nowhere and formats nothing. Django-free.

Users of the host choose command lines, and alerts quote them. Chat services give a meaning to parts of such text, each in its
own language: `@everyone`, `<!channel>`, `[click](https://…)`, `*bold*`. Their escapes differ, so the text is changed in ways
that all of them show alike: an invisible mark where a construct begins, and lookalikes for characters that no mark disarms.
"""

from __future__ import annotations

import re
from collections.abc import Collection

MARK = "\u200b"
"""Zero-width space: invisible, and neither white space nor punctuation in CommonMark (section 2.1)."""
_LOOKALIKES = str.maketrans({"*": "\u2217", "`": "\u02cb", "~": "\u223c"})
"""CommonMark pairs these characters whatever stands between them (section 6.2). Not in scripts that a lookalike could mislead."""
_STARTS = re.compile(
    r"^(?=[^\w\s·])"  # headings, quotes, lists, commands
    r"|[@<>\[\]|]"  # mentions, tags, links, spoilers
    r"|&(?=[#\w])"  # HTML entities
    r"|:(?=//)"  # addresses with a scheme
    r"|(?<=\w)\.(?=[^\W\d_])"  # names with a domain: evil.example
)
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_UNDERSCORE = re.compile(r"_")


def inert(text: str, *, kept: Collection[str] = ()) -> str:
    """The text without any construct of a receiver's language. `kept`: the names of hosts in it, which people copy: they are not
    changed if they are made of letters, digits, dots and dashes. A recording can name its host anything.
    """
    known = sorted(filter(_HOST_NAME.fullmatch, kept), key=len, reverse=True)
    if not known:
        return "\n".join(map(_inert_line, text.split("\n")))
    return known[0].join(inert(piece, kept=known[1:]) for piece in text.split(known[0]))


def _inert_line(line: str) -> str:
    marked = _STARTS.sub(lambda found: found[0] + MARK, line.translate(_LOOKALIKES))
    # A mark on both sides: such an underscore neither opens nor closes emphasis (CommonMark 6.2, rules 2 and 4).
    return _UNDERSCORE.sub(f"{MARK}_{MARK}", marked)
