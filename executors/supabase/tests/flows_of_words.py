"""A flow whose steps run in edge functions, for the tests of types."""

from dataclasses import dataclass
from datetime import datetime

from pgflow import Node, flow, map_step, step
from pgflow_supabase import Edge


@dataclass
class Text:
    text: str
    language: str = "en"
    written_at: datetime | None = None


@dataclass
class Count:
    word: str
    letters: int = 0


def split(source: Text) -> list[str]:
    return source.text.split()


def measure(word: str) -> Count:
    return Count(word, len(word))


def longest(counts: list[Count], source: Text) -> Count | None:
    return max(counts, key=lambda count: count.letters, default=None)


def forget(source: Text) -> None:
    del source


@flow(runs_on=Edge("words"))
def words(source: Node[Text]) -> Node[Count | None]:
    counts = map_step(measure, step(split, source))
    step(forget, source)
    return step(longest, counts, source)
