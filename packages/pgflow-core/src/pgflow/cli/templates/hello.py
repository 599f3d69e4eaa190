"""A first flow: split a text into words, look at each word by itself, and sum up."""

from dataclasses import dataclass

from pgflow import Node, flow, map_step, step


@dataclass
class Text:
    body: str = "state transitions live in the database"


@dataclass
class Summary:
    words: int
    letters: int
    longest: str


def split(text: Text) -> list[str]:
    return text.body.split()


def measure(word: str) -> int:
    return len(word)


def summarize(words: list[str], lengths: list[int]) -> Summary:
    return Summary(len(words), sum(lengths), max(words, key=len, default=""))


@flow
def hello(text: Node[Text]) -> Node[Summary]:
    words = step(split, text)
    lengths = map_step(measure, words)
    return step(summarize, words, lengths)
