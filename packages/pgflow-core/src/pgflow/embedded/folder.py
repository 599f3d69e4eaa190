"""The folder of an embedded server: made by us, recognised as ours, closed to everybody else."""

import os
import secrets
from pathlib import Path

from pgflow.embedded.errors import EmbeddedError, NotOurFolder, OtherVersion
from pgflow.embedded.supervisor.plan import Folder


def open_folder(path: Path) -> Folder:
    """Make the folder, or recognise one of ours; raises NotOurFolder when it holds anything else."""
    folder = Folder(path.absolute())
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        if not folder.start_lock.exists():
            if any(folder.root.iterdir()) and not folder.start_lock.exists():
                raise NotOurFolder(
                    f"{folder.root} holds something PGFlow did not make. Choose another folder, or empty it."
                )
            folder.root.chmod(0o700)
    except FileExistsError:
        raise NotOurFolder(f"{folder.root} is a file. Choose a folder for the embedded PostgreSQL.") from None
    except OSError as error:
        raise EmbeddedError(
            f"{folder.root} cannot hold the embedded PostgreSQL: {error.strerror}. Choose another folder."
        ) from error
    return folder


def check_version(folder: Folder, version: str) -> None:
    """Raise OtherVersion when the cluster was made by another major version."""
    try:
        found = (folder.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return
    if found != version:
        raise OtherVersion(
            f"{folder.root} holds a PostgreSQL {found} cluster, PostgreSQL {version} cannot open it. "
            f"Ask for version {found}, or move the data with pg_dump into a new folder."
        )


def password_of(folder: Folder) -> str:
    """The superuser's password, made on first use; needs the start lock."""
    if not folder.password.exists():
        draft = folder.password.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
        draft.replace(folder.password)
    return folder.password.read_text(encoding="ascii")
