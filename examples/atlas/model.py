"""What travels between the steps of the atlas: plain dataclasses, stored as JSON by PGFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Folder:
    """The input: which folder to read, and where to write the report."""

    path: str
    output: str = ".pgflow/atlas"


@dataclass(frozen=True)
class SourceFile:
    """One text file of the folder; `path` is relative to `root`, with forward slashes."""

    root: str
    path: str
    language: str


@dataclass(frozen=True)
class Link:
    """A link of a Markdown file, as it is written there."""

    line: int
    target: str


@dataclass(frozen=True)
class Function:
    """A Python function; `lines` counts from its first decorator to its last line."""

    name: str
    line: int
    lines: int


@dataclass(frozen=True)
class Block:
    """Lines that stand together between two blank lines, by the hash of their text."""

    fingerprint: str
    line: int
    lines: int


@dataclass(frozen=True)
class FileFacts:
    """What one file holds."""

    path: str
    language: str
    lines: int
    blank: int
    words: int
    keywords: dict[str, int]
    links: list[Link]
    anchors: list[str]
    functions: list[Function]
    blocks: list[Block]


@dataclass(frozen=True)
class FileSize:
    """A file by its number of lines."""

    path: str
    lines: int


@dataclass(frozen=True)
class Language:
    """All files of one language, the longest first."""

    name: str
    lines: int
    blank: int
    words: int
    files: list[FileSize]


@dataclass(frozen=True)
class Keyword:
    """A word: in how many files it stands, how often, and where most."""

    word: str
    files: int
    count: int
    mostly_in: str


@dataclass(frozen=True)
class SavedIndex:
    """The keyword index, and the JSON file it was saved in on the given attempt."""

    path: str
    attempt: int
    keywords: list[Keyword]


@dataclass(frozen=True)
class BrokenLink:
    """A link that leads nowhere."""

    path: str
    line: int
    target: str
    reason: str


@dataclass(frozen=True)
class LinkReport:
    """The links of all Markdown files; `external` ones are counted and not visited."""

    checked: int
    external: int
    has_broken: bool
    broken: list[BrokenLink]


@dataclass(frozen=True)
class Problems:
    """The broken links, grouped for the report by the file that has to be mended."""

    by_file: dict[str, list[BrokenLink]]


@dataclass(frozen=True)
class Place:
    """A line of a file."""

    path: str
    line: int


@dataclass(frozen=True)
class Duplicate:
    """The same lines in several places."""

    lines: int
    places: list[Place]


@dataclass(frozen=True)
class LongFunction:
    """A function and the file it is in."""

    path: str
    name: str
    line: int
    lines: int


@dataclass(frozen=True)
class FunctionReport:
    """How long Python functions are; `histogram` counts them by length, ten lines a bin."""

    count: int
    median_lines: float
    histogram: list[int]
    longest: list[LongFunction]


@dataclass(frozen=True)
class Report:
    """The result of the run: the page, and its headline numbers."""

    page: str
    files: int
    lines: int
    words: int
    languages: int
    functions: int
    links: int
    broken_links: int
    duplicates: int
    has_problems_section: bool
