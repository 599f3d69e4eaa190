"""What can go wrong with the embedded PostgreSQL; each message says where it happened and how to mend it."""

from pathlib import Path

from pgflow.errors import PgflowError


class EmbeddedError(PgflowError):
    """The embedded PostgreSQL could not be used."""


class BinariesMissing(EmbeddedError):
    """No PostgreSQL binaries come with PGFlow for this platform."""


class NotOurFolder(EmbeddedError):
    """The folder holds something else than an embedded PostgreSQL."""


class OtherVersion(EmbeddedError):
    """The folder holds a cluster of another PostgreSQL version."""


class PortTaken(EmbeddedError):
    """Another program listens on the port the embedded PostgreSQL was told to use."""


class ServerFailed(EmbeddedError):
    """PostgreSQL's own program ended with an error."""

    def __init__(self, what: str, folder: Path, output: str) -> None:
        super().__init__(f"{what} in {folder}: {_mend(output)}\n{output}")
        self.folder = folder
        self.output = output


class ServerTimeout(EmbeddedError):
    """The embedded PostgreSQL did not start or stop in time."""


_MENDS = {
    "No space left on device": "the disk is full; free some space or choose another folder.",
    "Read-only file system": "the file system is read-only; choose another folder.",
    "Permission denied": "a file or folder may not be used by this user; choose another folder.",
    "cannot be run as root": "PostgreSQL refuses to run as root; run as another user, or set PGFLOW_DSN.",
    "user does not exist": "this user id has no name on this machine; run as a named user or set PGFLOW_DSN.",
    "could not create shared memory": "no shared memory is left; end other servers, or set PGFLOW_DSN.",
}


def _mend(output: str) -> str:
    known = (mend for words, mend in _MENDS.items() if words in output)
    return next(known, "PostgreSQL says why below; another server can be used by setting PGFLOW_DSN.")
