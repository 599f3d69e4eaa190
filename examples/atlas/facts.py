"""Reads one file: its size, words, links, functions and blocks.  The map step runs this once per file."""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from examples.atlas.model import Block, FileFacts, Function, Link, SourceFile

__all__ = ["BLOCK_LINES", "anchor", "inspect_file"]

#: Fewer lines than this that stand in two places are no duplicate worth showing.
BLOCK_LINES: Final = 6
_KEYWORDS_PER_FILE: Final = 40
_WORD: Final = re.compile(r"\w+")
_KEYWORD: Final = re.compile(r"[a-z]{4,}")
_COMMON: Final = frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())


def inspect_file(file: SourceFile) -> FileFacts:
    """Read one file."""
    text = Path(file.root, file.path).read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    tokens = MarkdownIt().parse(text) if file.language == "Markdown" else []
    return FileFacts(
        path=file.path,
        language=file.language,
        lines=len(lines),
        blank=sum(not line.strip() for line in lines),
        words=len(_WORD.findall(text)),
        keywords=_keywords(text),
        links=list(_links(tokens)),
        anchors=list(_anchors(tokens)),
        functions=_functions(text) if file.language == "Python" else [],
        blocks=list(_blocks(lines)),
    )


def anchor(heading: str) -> str:
    """Derive the anchor that forges give a heading: "What's new?" becomes "whats-new"."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _keywords(text: str) -> dict[str, int]:
    words = Counter(word for word in _KEYWORD.findall(text.lower()) if word not in _COMMON)
    return dict(sorted(words.items(), key=lambda item: (-item[1], item[0]))[:_KEYWORDS_PER_FILE])


def _links(tokens: list[Token]) -> Iterator[Link]:
    for token in tokens:
        line = token.map[0] + 1 if token.map else 0
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if isinstance(target, str):
                yield Link(line, target)


def _anchors(tokens: list[Token]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or [])
            name = anchor(text)
            yield f"{name}-{seen[name]}" if seen[name] else name
            seen[name] += 1


def _functions(text: str) -> list[Function]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    found: list[Function] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.append(Function(node.name, node.lineno, (node.end_lineno or node.lineno) - start + 1))
    return found


def _blocks(lines: list[str]) -> Iterator[Block]:
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append(" ".join(line.split()))
            continue
        if len(block) >= BLOCK_LINES:
            digest = hashlib.sha256("\n".join(block).encode()).hexdigest()
            yield Block(digest[:16], number - len(block), len(block))
        block = []
