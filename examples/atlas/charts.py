"""Draws the report's charts as inline SVG; colours come from the page's CSS variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from examples.atlas.functions import BIN_LINES
from examples.atlas.model import FunctionReport, Language

__all__ = ["Box", "bin_name", "colour", "histogram", "language_bars", "squarify", "treemap"]

_COLOURS: Final = 8
_WIDTH: Final = 960.0
_LETTER: Final = 6.6


class Box(NamedTuple):
    """A rectangle, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float


def colour(rank: int) -> str:
    """Name the colour of the language of that rank; the small ones share the last colour."""
    return f"var(--c{min(rank, _COLOURS - 1)})"


def language_bars(languages: Sequence[Language]) -> str:
    """Draw one bar a language: written lines in full colour, blank lines behind them in half."""
    row, label, bar = 30.0, 150.0, 690.0
    most = max(language.lines for language in languages) or 1
    parts: list[str] = []
    for rank, language in enumerate(languages):
        y = rank * row
        full = Box(label, y + 5, bar * language.lines / most, 20)
        written = full._replace(width=bar * (language.lines - language.blank) / most)
        tip = f"{language.name}: {language.lines:,} lines, {language.blank:,} of them blank"
        parts.append(
            _group(
                tip,
                _text(label - 12, y + 19, language.name, "name", "end"),
                _rect(full, colour(rank), opacity=0.4),
                _rect(written, colour(rank)),
                _text(label + full.width + 10, y + 19, f"{language.lines:,}", "value"),
            )
        )
    return _svg(row * len(languages), "Lines by language", parts)


def treemap(languages: Sequence[Language]) -> str:
    """Draw every file as a rectangle as large as its lines, inside its language's rectangle."""
    height = 420.0
    parts: list[str] = []
    sized = [language for language in languages if language.lines]
    frames = squarify([language.lines for language in sized], Box(0, 0, _WIDTH, height))
    for rank, (language, frame) in enumerate(zip(sized, frames, strict=True)):
        files = [file for file in language.files if file.lines]
        boxes = squarify([file.lines for file in files], frame)
        for file, box in zip(files, boxes, strict=True):
            gap = box._replace(width=max(box.width - 1.5, 0.5), height=max(box.height - 1.5, 0.5))
            tip = f"{file.path}: {file.lines:,} lines"
            parts.append(_group(tip, _rect(gap, colour(rank), radius=2), _caption(file.path, box)))
    return _svg(height, "Every file, as large as its lines", parts)


def histogram(report: FunctionReport) -> str:
    """Draw how many functions there are of each length."""
    height, base, slot = 220.0, 180.0, _WIDTH / len(report.histogram)
    most = max(report.histogram) or 1
    parts: list[str] = []
    for number, count in enumerate(report.histogram):
        name = bin_name(number, len(report.histogram))
        tall = max((base - 24) * count / most, 2 if count else 0)
        middle = number * slot + slot / 2
        parts.append(
            _group(
                f"{count:,} functions of {name} lines",
                _rect(Box(number * slot + 6, base - tall, slot - 12, tall), colour(0)),
                _text(middle, base - tall - 8, f"{count:,}", "value", "middle"),
                _text(middle, base + 22, name, "name", "middle"),
            )
        )
    return _svg(height, "Functions by length", parts)


def bin_name(number: int, bins: int) -> str:
    """Name a bin of the histogram by its lines: "1-10", and "91+" for the last."""
    first = number * BIN_LINES + 1
    return f"{first}+" if number == bins - 1 else f"{first}-{first + BIN_LINES - 1}"


def squarify(sizes: Sequence[float], frame: Box) -> list[Box]:
    """Cut a frame into rectangles of the given relative sizes, each as square as it can be.

    Sizes are positive and fall.  The method is that of Bruls, Huizing and van Wijk (2000).
    """
    total = sum(sizes)
    if not total:
        return []
    scale = frame.width * frame.height / total
    boxes: list[Box] = []
    rest, free = [size * scale for size in sizes], frame
    while rest:
        taken = _best_row(rest, min(free.width, free.height))
        row, rest = rest[:taken], rest[taken:]
        placed, free = _lay(row, free)
        boxes.extend(placed)
    return boxes


def _best_row(areas: Sequence[float], side: float) -> int:
    best = float("inf")
    for count in range(1, len(areas) + 1):
        row = areas[:count]
        total = sum(row)
        worst = max(side * side * row[0] / total**2, total**2 / (side * side * row[-1])) if side else best
        if worst > best:
            return count - 1
        best = worst
    return len(areas)


def _lay(row: Sequence[float], free: Box) -> tuple[Iterator[Box], Box]:
    total = sum(row)
    if free.width >= free.height:
        thick = total / free.height if free.height else 0
        rest = Box(free.x + thick, free.y, max(free.width - thick, 0), free.height)
        return _stack(row, Box(free.x, free.y, thick, free.height), upright=True), rest
    thick = total / free.width if free.width else 0
    rest = Box(free.x, free.y + thick, free.width, max(free.height - thick, 0))
    return _stack(row, Box(free.x, free.y, free.width, thick), upright=False), rest


def _stack(row: Sequence[float], frame: Box, *, upright: bool) -> Iterator[Box]:
    total = sum(row)
    offset = 0.0
    for area in row:
        long = (frame.height if upright else frame.width) * area / total
        if upright:
            yield Box(frame.x, frame.y + offset, frame.width, long)
        else:
            yield Box(frame.x + offset, frame.y, long, frame.height)
        offset += long


def _caption(path: str, box: Box) -> str:
    name = path.rpartition("/")[2]
    room = int((box.width - 10) / _LETTER)
    if box.height < 18 or room < 4:
        return ""
    if len(name) > room:
        name = name[: room - 1] + "…"
    return _text(box.x + 6, box.y + 15, name, "caption")


def _group(tip: str, *parts: str) -> str:
    return f"<g><title>{escape(tip)}</title>{''.join(parts)}</g>"


def _rect(box: Box, fill: str, *, radius: int = 4, opacity: float = 1) -> str:
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    faint = f' opacity="{opacity:g}"' if opacity < 1 else ""
    return f'<rect {place} rx="{radius}" fill="{fill}"{faint}/>'


def _text(x: float, y: float, content: str, kind: str, align: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{align}" class="{kind}">{escape(content)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(title)}"'
        f' xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>'
    )
