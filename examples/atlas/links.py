"""Follows the links of the Markdown files, and describes what is broken."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from examples.atlas.model import BrokenLink, FileFacts, Folder, Link, LinkReport, Problems

__all__ = ["check_links", "describe_problems"]


def check_links(folder: Folder, facts: Sequence[FileFacts]) -> LinkReport:
    """Follow every relative link of the Markdown files, to the heading if it names one."""
    anchors = {fact.path: set(fact.anchors) for fact in facts if fact.language == "Markdown"}
    root = Path(folder.path).resolve()
    checked = external = 0
    broken: list[BrokenLink] = []
    for fact in facts:
        for link in fact.links:
            if urlsplit(link.target).scheme or link.target.startswith("//"):
                external += 1
                continue
            checked += 1
            reason = _why_broken(link, fact.path, root, anchors)
            if reason:
                broken.append(BrokenLink(fact.path, link.line, link.target, reason))
    return LinkReport(checked, external, bool(broken), broken)


def _why_broken(link: Link, source: str, root: Path, anchors: dict[str, set[str]]) -> str:
    parts = urlsplit(link.target)
    path = unquote(parts.path)
    below = path.lstrip("/") if path.startswith("/") else posixpath.join(posixpath.dirname(source), path)
    target = posixpath.normpath(below) if path else source
    if not (root / target).exists():
        return "no such file"
    if parts.fragment and target in anchors and unquote(parts.fragment) not in anchors[target]:
        return "no such heading"
    return ""


def describe_problems(links: LinkReport) -> Problems:
    """Group the broken links by the file to mend; runs only if there are any."""
    by_file: dict[str, list[BrokenLink]] = {}
    for link in links.broken:
        by_file.setdefault(link.path, []).append(link)
    return Problems(by_file)
