"""Writes the report as one self-contained HTML page: no script, no network, dark or light."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from examples.atlas import charts
from examples.atlas.model import (
    Duplicate,
    FunctionReport,
    Keyword,
    Language,
    LinkReport,
    LongFunction,
    Problems,
    SavedIndex,
)

__all__ = ["problems_section", "render", "sections"]

_DUPLICATES = 12
_PLACES = 4


def render(title: str, source: str, numbers: Sequence[tuple[str, str, int]], body: str) -> str:
    """Put the page together; `numbers` are (id, label, value)."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    cards = "".join(
        f"<div{' class=bad' if name == 'broken_links' and value else ''}>"
        f'<dt>{escape(label)}</dt><dd id="{name}">{value:,}</dd></div>'
        for name, label, value in numbers
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>{escape(title)}</h1><p>{escape(source)}</p></header>\n"
        f'<dl class="numbers">{cards}</dl>\n{body}\n'
        f"<footer>Written by the flow <code>atlas</code> of PGFlow: one task a file, five branches"
        f" side by side, one report.</footer>\n</main>\n</body>\n</html>\n"
    )


def sections(
    languages: Sequence[Language],
    index: SavedIndex,
    links: LinkReport,
    duplicates: Sequence[Duplicate],
    functions: FunctionReport,
) -> Iterable[str]:
    """Write the sections that every report has."""
    yield _section(
        "languages",
        "Languages",
        "Lines by language; the paler end of a bar is blank lines.",
        charts.language_bars(languages),
    )
    yield _section(
        "files",
        "Files",
        "Every file is as large as its lines.",
        charts.treemap(languages) + _legend(languages),
    )
    if functions.count:
        text = f"Python functions by length in lines; half of them have at most {functions.median_lines:g}."
        chart = charts.histogram(functions)
        yield _section("functions", "Functions", text, chart + _longest(functions.longest))
    yield _section("keywords", "Keywords", "The words that most files share.", _words(index.keywords))
    if duplicates:
        text = "Blocks of six lines or more that stand in several places."
        yield _section("duplicates", "Written twice", text, _duplicates(duplicates[:_DUPLICATES]))
    yield _section("links", "Links", _link_words(links), "")


def problems_section(problems: Problems) -> str:
    """Write the section that only a report with broken links has."""
    rows = [
        [
            f"<code>{escape(path)}:{link.line}</code>",
            f"<code>{escape(link.target)}</code>",
            escape(link.reason),
        ]
        for path, links in problems.by_file.items()
        for link in links
    ]
    text = "Links of Markdown files that lead nowhere."
    return _section("problems", "Problems", text, _table(["Where", "Link", "Why"], rows))


def _section(name: str, heading: str, text: str, body: str) -> str:
    return f'<section id="{name}">\n<h2>{escape(heading)}</h2>\n<p>{escape(text)}</p>\n{body}\n</section>'


def _legend(languages: Sequence[Language]) -> str:
    items = "".join(
        f'<li><i style="background:{charts.colour(rank)}"></i>{escape(language.name)}'
        f" {len(language.files):,}</li>"
        for rank, language in enumerate(languages)
    )
    return f'<ul class="legend">{items}</ul>'


def _words(keywords: Sequence[Keyword]) -> str:
    most = max((keyword.files for keyword in keywords), default=1)
    items = "".join(
        f'<li style="font-size:{0.85 + 0.95 * keyword.files / most:.2f}rem" title="{keyword.count:,} times;'
        f' mostly in {escape(keyword.mostly_in)}">{escape(keyword.word)}<small>{keyword.files:,}</small></li>'
        for keyword in sorted(keywords, key=lambda keyword: keyword.word)
    )
    return f'<ul class="words">{items}</ul>'


def _longest(functions: Sequence[LongFunction]) -> str:
    rows = [
        [f"<code>{escape(f.name)}</code>", f"<code>{escape(f.path)}:{f.line}</code>", f"{f.lines:,}"]
        for f in functions
    ]
    return _table(["The longest", "Where", "Lines"], rows)


def _duplicates(duplicates: Sequence[Duplicate]) -> str:
    rows: list[list[str]] = []
    for duplicate in duplicates:
        shown = [f"<code>{escape(place.path)}:{place.line}</code>" for place in duplicate.places[:_PLACES]]
        more = len(duplicate.places) - len(shown)
        rows.append(["<br>".join([*shown, f"and {more} more"] if more else shown), f"{duplicate.lines:,}"])
    return _table(["Where", "Lines"], rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    numeric = {"Lines"}
    kinds = [' class="number"' if heading in numeric else "" for heading in headings]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(headings, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _link_words(links: LinkReport) -> str:
    found = f"{len(links.broken):,} of them broken" if links.has_broken else "all of them good"
    return (
        f"{links.checked:,} links between the files were followed, {found};"
        f" {links.external:,} links lead to other sites and were not visited."
    )
