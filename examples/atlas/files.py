"""Finds the text files of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pgflow import NonRetryable

from examples.atlas.model import Folder, SourceFile

__all__ = ["LANGUAGES", "discover"]

LANGUAGES: Final = {
    ".c": "C",
    ".cfg": "INI",
    ".css": "CSS",
    ".go": "Go",
    ".h": "C",
    ".html": "HTML",
    ".ini": "INI",
    ".java": "Java",
    ".js": "JavaScript",
    ".json": "JSON",
    ".md": "Markdown",
    ".py": "Python",
    ".rs": "Rust",
    ".rst": "reStructuredText",
    ".sh": "Shell",
    ".sql": "SQL",
    ".toml": "TOML",
    ".ts": "TypeScript",
    ".txt": "Text",
    ".yaml": "YAML",
    ".yml": "YAML",
}
_NOT_SOURCES: Final = {"__pycache__", "build", "dist", "node_modules", "site-packages", "target"}
_LARGEST: Final = 512 * 1024


def discover(folder: Folder) -> list[SourceFile]:
    """List the text files below a folder, by path; hidden folders and build results are left out."""
    root = Path(folder.path).resolve()
    if not root.is_dir():
        raise NonRetryable(f"{root} is not a folder")
    found = [
        SourceFile(str(root), path.relative_to(root).as_posix(), LANGUAGES[path.suffix])
        for path in _walk(root)
        if path.suffix in LANGUAGES and _is_readable(path)
    ]
    if not found:
        known = ", ".join(sorted(LANGUAGES))
        raise NonRetryable(f"{root} holds no text file that the atlas knows: {known}")
    return sorted(found, key=lambda file: file.path)


def _is_readable(path: Path) -> bool:
    """Leave out dangling links, pipes, what is too large, and names that are no text."""
    return str(path).isprintable() and path.is_file() and path.stat().st_size <= _LARGEST


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_SOURCES]
        yield from (Path(folder, name) for name in names if not name.startswith("."))
