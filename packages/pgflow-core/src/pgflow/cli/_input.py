"""Reads a run's input from the command line, a file or standard input."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgflow.cli._problems import Problem
from pgflow.jsontext import DEEPEST, is_too_deep, load

__all__ = ["Input", "read_input"]


@dataclass(frozen=True, slots=True)
class Input:
    """JSON as it was written, and as it was understood: a float knows fewer digits than its text."""

    text: str
    value: Any


def read_input(text: str | None) -> Input:
    """Read JSON given as text, as "@file", or as "-" for standard input; without any it is {}."""
    if text is None:
        return Input("{}", {})
    if text == "-":
        return _parse(_decoded(sys.stdin.buffer.read(), "standard input"), "standard input")
    if text.startswith("@"):
        return _parse(_read(Path(text[1:])), text[1:])
    return _parse(text, "--input")


def _parse(text: str, source: str) -> Input:
    if is_too_deep(text):
        raise Problem(
            f"{source} is nested more than {DEEPEST} levels deep",
            mend="give a flatter document",
            kind="InputError",
        )
    try:
        text.encode()  # an argument that is no UTF-8 holds surrogates
        return Input(text, load(text))
    except UnicodeEncodeError:
        raise _not_utf8(source) from None
    except ValueError as error:
        shown = text.strip()
        raise Problem(
            f"{source} is not JSON: {error}" + (f" in {shown!r}" if len(shown) <= 60 else ""),
            mend='write JSON, as in --input \'{"name": "Ada"}\' (mind the shell), or --input @file.json',
            kind="InputError",
        ) from None


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Problem(
            f"{file} cannot be read: {error.strerror}",
            mend="--input @FILE takes a file of JSON",
            kind="InputError",
        ) from None
    return _decoded(content, str(file))


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _not_utf8(source) from None


def _not_utf8(source: str) -> Problem:
    return Problem(f"{source} is not UTF-8 text", mend="write it as UTF-8", kind="InputError")
