"""Brings the branches together: writes the page and counts its headline numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from examples.atlas.model import (
    Duplicate,
    Folder,
    FunctionReport,
    Language,
    LinkReport,
    Problems,
    Report,
    SavedIndex,
)
from examples.atlas.page import problems_section, render, sections

__all__ = ["write_report"]


def write_report(  # noqa: PLR0917  one parameter a branch
    folder: Folder,
    languages: Sequence[Language],
    index: SavedIndex,
    links: LinkReport,
    problems: Problems | None,
    duplicates: Sequence[Duplicate],
    functions: FunctionReport,
) -> Report:
    """Write the report; `problems` is None when that step was skipped."""
    root = Path(folder.path).resolve()
    page = Path(folder.output).resolve() / "report.html"
    report = Report(
        page=str(page),
        files=sum(len(language.files) for language in languages),
        lines=sum(language.lines for language in languages),
        words=sum(language.words for language in languages),
        languages=len(languages),
        functions=functions.count,
        links=links.checked + links.external,
        broken_links=len(links.broken),
        duplicates=len(duplicates),
        has_problems_section=problems is not None,
    )
    numbers = [
        ("files", "Files", report.files),
        ("lines", "Lines", report.lines),
        ("words", "Words", report.words),
        ("functions", "Functions", report.functions),
        ("links", "Links", report.links),
        ("broken_links", "Broken links", report.broken_links),
        ("duplicates_found", "Written twice", report.duplicates),
    ]
    body = [] if problems is None else [problems_section(problems)]
    body.extend(sections(languages, index, links, duplicates, functions))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(f"Atlas of {root.name}", str(root), numbers, "\n".join(body)), encoding="utf-8")
    return report
