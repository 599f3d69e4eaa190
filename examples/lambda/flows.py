"""A flow whose steps run as an AWS Lambda function."""

from __future__ import annotations

from pgflow import Node, flow, map_step, step
from pgflow_lambda import Lambda

__all__ = ["counting"]


def split(text: str) -> list[str]:
    """Return the words."""
    return text.split()


def measure(word: str) -> int:
    """Return a word's length."""
    return len(word)


def total(lengths: list[int]) -> int:
    """Add up."""
    return sum(lengths)


@flow(runs_on=Lambda("pgflow-steps", qualifier="live"), timeout=60, launch_timeout=300)
def counting(text: Node[str]) -> Node[int]:
    """Count the letters of a text, word by word."""
    return step(total, map_step(measure, step(split, text)))
