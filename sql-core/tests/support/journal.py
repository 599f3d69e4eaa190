"""What an engine was asked and what it said, in order: enough to see how a random test came to its end."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.types.json import Jsonb

_VERB = re.compile(r"\bpgflow\.(?!_)\w+\s*\(|pgflow\.fake_now")


class Journal:
    """The last calls of verbs; what only reads tables is left out."""

    def __init__(self, kept: int = 400) -> None:
        self._lines: deque[str] = deque(maxlen=kept)

    def note(self, line: str) -> None:
        """Add a line of the test's own."""
        self._lines.append(line)

    @contextmanager
    def entry(self, query: str, params: Sequence[Any]) -> Iterator[list[Any]]:
        """Write down a call, and the answer that the block puts into the list or the error that it raises."""
        answer: list[Any] = []
        call = (
            f"{' '.join(query.split())} {[each.obj if isinstance(each, Jsonb) else each for each in params]}"
        )
        try:
            yield answer
        except Exception as error:
            self.note(f"{call}\n    !! {error!r}")
            raise
        if _VERB.search(query):
            self.note(f"{call}\n    -> {answer}")

    def __str__(self) -> str:
        return "\n".join(self._lines)
