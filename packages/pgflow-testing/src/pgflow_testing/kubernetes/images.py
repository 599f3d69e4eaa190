"""The registry of images: which there are, and what they run when no command is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["Images", "Unpullable"]

_NAME: Final = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_NOWHERE: Final = ".invalid"
"""Nothing answers in this domain, anywhere."""


class Unpullable(Exception):
    """The image cannot be had: `reason` is what a container waits with, for good if `is_final`."""

    def __init__(self, reason: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Images:
    """Entry points by pattern, such as {"flows:*": ["python", "-m", "app"]}; others are not found.

    Every image is there by default, without an entry point, but those in the domain `invalid`.
    """

    entrypoints: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"*": ()})

    def pull(self, image: str) -> Sequence[str]:
        """Return the entry point of an image; raises Unpullable."""
        if not _NAME.fullmatch(image):
            told = f'Failed to apply default image tag "{image}": invalid reference format'
            raise Unpullable("InvalidImageName", told, is_final=True)
        host = image.partition("/")[0].partition(":")[0]
        for pattern, entrypoint in self.entrypoints.items():
            if fnmatchcase(image, pattern) and not host.endswith(_NOWHERE):
                return entrypoint
        told = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": not found'
        raise Unpullable("ErrImagePull", told)
