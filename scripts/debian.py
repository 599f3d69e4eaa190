"""Programs out of Debian's packages, unpacked into a cache folder without being installed."""

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["CACHE", "unpack"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pgflow"


def unpack(folder: Path, *packages: str) -> None:
    """Download the packages and unpack them in a folder.

    Raises OSError or CalledProcessError where that cannot be done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        raise FileNotFoundError("there is no apt-get")
    subprocess.run([apt, "download", *packages], cwd=folder, check=True)
    for package in sorted(folder.glob("*.deb")):
        subprocess.run([dpkg, "-x", str(package), str(folder)], check=True)
