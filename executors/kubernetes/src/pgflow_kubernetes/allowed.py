"""What a step may ask for is decided by the operator's settings, never by a row in the database alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from pgflow_kubernetes.settings import KubernetesSettings, KubernetesStepOptions

__all__ = ["refusals"]

_NOT_FOR_STEPS: Final = re.compile(r"PGFLOW_|PYTHON|LD_")
"""Variables that decide which code runs."""


def refusals(settings: KubernetesSettings, asked: KubernetesStepOptions) -> list[str]:
    """Return what the settings do not allow, with the mend."""
    return [*_of_what_runs(settings, asked), *_of_the_rest(settings, asked)]


def _of_what_runs(settings: KubernetesSettings, asked: KubernetesStepOptions) -> Iterator[str]:
    if asked.image is None and settings.image is None:
        yield "the step names no image, and the instance has none: set `image`"
    if not _is_among(asked.image, settings.image, settings.images):
        yield f"image {asked.image!r} is not allowed: add it to `images`"
    if not _is_among(asked.service_account, settings.service_account, settings.service_accounts):
        yield f"service account {asked.service_account!r} is not allowed: add it to `service_accounts`"
    if asked.command is not None and not _is_among(" ".join(asked.command), None, settings.commands):
        yield f"command {' '.join(asked.command)!r} is not allowed: add it to `commands`"


def _of_the_rest(settings: KubernetesSettings, asked: KubernetesStepOptions) -> Iterator[str]:
    for name in asked.env or {}:
        if _NOT_FOR_STEPS.match(name):
            yield f"a step must not set {name}: it decides what runs; set it in `template` or in the image"
    for path, source in (asked.volumes or {}).items():
        kind = next(iter(source))
        if kind not in settings.volume_types:
            yield f"the volume {kind} at {path} is not allowed: add it to `volume_types`"
    if asked.envelope in {"file", "stdin"} and settings.credentials == "env":
        yield f'envelope = "{asked.envelope}" needs a Secret: set `credentials = "secret"`'
    if asked.manifest_patch is not None and not settings.manifest_patches:
        yield "manifest_patch is not allowed: set `manifest_patches = true`"


def _is_among(asked: str | None, usual: str | None, patterns: Iterable[str]) -> bool:
    return asked is None or asked == usual or any(fnmatchcase(asked, pattern) for pattern in patterns)
