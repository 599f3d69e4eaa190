"""Makes the zip that AWS Lambda runs a project's steps from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pgflow_lambda.packaging.archive import Archive, TooLarge, write_archive
from pgflow_lambda.packaging.platforms import Platform
from pgflow_lambda.packaging.sources import SourceMissing, copy_sources, find_sources
from pgflow_lambda.packaging.wheels import InstallFailed, install_wheels

__all__ = [
    "HANDLER",
    "Archive",
    "InstallFailed",
    "Platform",
    "SourceMissing",
    "TooLarge",
    "package",
]

HANDLER = "pgflow_function.handler"
"""What the function's configuration names."""

_FUNCTION = '''"""The function that `pgflow lambda package` made."""

from importlib import import_module

from pgflow.runtime.aws_lambda import lambda_handler

handler = lambda_handler({modules})
'''


def package(
    modules: Sequence[str],
    target: Path,
    *,
    folders: Sequence[Path],
    platform: Platform,
    include: Sequence[Path] = (),
    requirements: Sequence[Path] = (),
    with_postgres: bool = False,
) -> Archive:
    """Write a function that runs the handlers of `modules`, which lie in `folders`.

    The same sources and the same wheels make the same bytes.  `include` is copied besides; `requirements`
    are files for pip.  Raises SourceMissing, InstallFailed or TooLarge, and then writes nothing.
    """
    sources = find_sources(modules, folders, include)
    with tempfile.TemporaryDirectory(prefix="pgflow-lambda-") as scratch:
        root = Path(scratch)
        # What the project has under the same name as a dependency wins, as it does on sys.path.
        install_wheels(root, platform, requirements, with_postgres=with_postgres)
        copy_sources(root, sources)
        named = ", ".join(f'import_module("{module}")' for module in modules)
        (root / "pgflow_function.py").write_text(_FUNCTION.format(modules=named), encoding="utf-8")
        return write_archive(root, target)
