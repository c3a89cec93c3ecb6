"""Takes a report of `nvidia-smi -q -x` apart into one tree per GPU, so that damage to one GPU's part costs no other.

A report need not be XML: nvidia-smi prints control characters and invalid UTF-8 in the names of processes as they are (driver
580 escapes `<` and `&`; others were seen not to), and errors of its libraries between the tags.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET  # nosec
from typing import NamedTuple

from monitor.telemetry.providers.program import END_OF_OUTPUT, NotADocument

_END = "</nvidia_smi_log>"
_ROOT = re.compile(r"<nvidia_smi_log(?:\s[^<>]*)?>")
_GPU = re.compile(r"<gpu(?:\s[^<>]*)?>")
_GPU_ENDS = "</gpu>"
_NAME_ENDS = r"</process_name>\s*<(?:used_memory|/process_info)\b"
"""What follows a name. A name that contains a closing tag does not end there."""
_END_TAG = re.compile(_END.encode())
_NEXT_REPORT = re.compile(rb"(?<!\s)\s*+(?:<(?:\?xml|!DOCTYPE|nvidia_smi_log)\b|%s)" % END_OF_OUTPUT)
_NAME_ENDED = re.compile(_NAME_ENDS.encode())
_NO_NAME = r"</process_info>|<gpu(?:\s[^<>]*)?>\s*<product_name>"
"""What is no part of a name: if these follow, the name's own end is damaged."""
_NAME = re.compile(rf"<process_name>((?:(?!{_NO_NAME}).)*?)(?={_NAME_ENDS})", re.DOTALL)
_UNREAD = ("supported_clocks", "accounted_processes")
"""Long lists that no metric comes from."""
_NO_HANDLE = re.compile("unable to determine the device handle", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([A-Za-z_][\w.-]*)((?:\s[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"""(?<![\w.-])([A-Za-z_][\w.-]*+)\s*+=\s*+(?:"([^"]*)"|'([^']*)')""")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_DEEPEST = 30
"""Reports have eight levels; more is damage."""


class Part(NamedTuple):
    """What a report says of one GPU."""

    element: ET.Element
    is_damaged: bool
    """Its tags do not match. What could be read is in the tree."""


class Report(NamedTuple):
    """A report, taken apart."""

    head: ET.Element
    """Everything before the first GPU."""
    gpus: tuple[Part | None, ...]
    """By index; None where nvidia-smi prints an error in place of a GPU."""
    complaints: str
    """What is printed between the tags: errors and warnings."""


def split(buffer: bytearray) -> bytes | None:
    """The first whole report of a stream, taken off the buffer; None while there is none.

    The closing tag ends it, except in the middle of a process's name. What is printed before a report is dropped.
    """
    found = None
    while found is None and (end := _end_of_report(buffer)) is not None:
        document = bytes(buffer[:end])
        del buffer[:end]
        start = document.find(b"<")
        found = document[start:] if _ROOT.search(document.decode("ascii", errors="replace")) else None
    return found


def _end_of_report(buffer: bytearray) -> int | None:
    for tag in _END_TAG.finditer(buffer):
        name = buffer.rfind(b"<process_name>", 0, tag.start())
        is_in_a_name = name >= 0 and _NAME_ENDED.search(buffer, name, tag.start()) is None
        # The end of a name can be damaged: then what follows shows that the report has ended.
        if not is_in_a_name or _NEXT_REPORT.match(buffer, tag.end()):
            return tag.end()
    return None


def take_apart(document: bytes) -> Report:
    """The parts of a report. Raises NotADocument if it is none, or not whole."""
    text = _NAME.sub(_escaped, document.decode("utf-8", errors="replace"))
    roots = [found.end() for found in _ROOT.finditer(text)]
    end = text.rfind(_END)
    if not roots:
        raise NotADocument(f"it begins with {text.strip()[:60]!r}" if text.strip() else "it is empty")
    if end < roots[-1]:
        raise NotADocument("it ends early")
    *closed, rest = text[roots[-1] : end].split(_GPU_ENDS)
    gpus: list[Part | None] = []
    between: list[str] = []
    for chunk in (*closed, rest):
        starts = [found.start() for found in _GPU.finditer(chunk)]
        is_headless = not starts and len(between) < len(closed)  # the opening tag of a GPU is damaged
        between.append(chunk[: starts[0]] if starts else "" if is_headless and between else chunk)
        gpus += [None] * len(_NO_HANDLE.findall(between[-1]))
        if is_headless:
            starts = [0]
        # Of several, the first ones lack their closing tag.
        gpus += [_tree(chunk[at:after]) for at, after in itertools.pairwise([*starts, len(chunk)])]
    complaints = [line.strip() for text in between for line in text.splitlines() if line.strip() and "<" not in line]
    return Report(_mended(between[0]), tuple(gpus), " ".join(complaints))


def _escaped(name: re.Match[str]) -> str:
    """A name as XML, whether or not nvidia-smi escaped it."""
    return "<process_name>" + _plain(name[1]).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], _NOT_IN_XML.sub("\ufffd", text))


def _tree(text: str) -> Part:
    text = text.strip()
    for name in _UNREAD:
        before, opening, rest = text.partition(f"<{name}>")
        _, closing, after = rest.partition(f"</{name}>")
        text = before + after if opening and closing else text
    try:
        # It begins with <gpu>, so it has no DTD.
        return Part(ET.fromstring(f"{text}{_GPU_ENDS}"), is_damaged=False)  # noqa: S314  # nosec
    except ET.ParseError:
        root = _mended(text)
        return Part(root[0] if len(root) == 1 else root, is_damaged=True)


def _mended(text: str) -> ET.Element:
    """An element with whatever elements there are in the text.

    A closing tag closes what is open within its element too, and is ignored where its element is not open.
    """
    stack, position = [ET.Element("mended")], 0
    for tag in _TAG.finditer(text):
        if not len(stack[-1]):
            stack[-1].text = (stack[-1].text or "") + _plain(text[position : tag.start()])
        position = tag.end()
        is_closing, name, attributes = tag[1], tag[2], tag[3]
        if is_closing:
            level = next((depth for depth in range(len(stack) - 1, 0, -1) if stack[depth].tag == name), None)
            if level is not None:
                del stack[level:]
        elif len(stack) <= _DEEPEST:
            found = {key: double or single for key, double, single in _ATTRIBUTE.findall(attributes)}
            element = ET.SubElement(stack[-1], name, found)
            if not attributes.endswith("/"):
                stack.append(element)
    return stack[0]
