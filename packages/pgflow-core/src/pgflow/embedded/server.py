"""Start an embedded PostgreSQL, or join the one that already serves the folder."""

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self
from urllib.parse import quote

from pgflow.embedded.binaries import find_binaries
from pgflow.embedded.errors import ServerTimeout
from pgflow.embedded.folder import check_version, open_folder, password_of
from pgflow.embedded.supervision import runs_unsupervised, supervise, wait_for_shutdown
from pgflow.embedded.supervisor.locks import RETRY_SECONDS, FileLock, LockGone
from pgflow.embedded.supervisor.plan import Folder, Plan
from pgflow.embedded.supervisor.postgres import SUPERUSER, PidFile

#: For servers whose data nobody misses: a crash of the machine may corrupt the cluster.
THROWAWAY_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
)

_START_SECONDS = 120.0
_STOP_SECONDS = 60.0


class EmbeddedServer:
    """One user's hold on an embedded server, which runs as long as anybody has such a hold.

    The operating system drops the hold of a process that dies, so the server never outlives its users.
    Leave with `stop()`, as a context manager, or by ending the process.
    """

    def __init__(self, folder: Folder, version: str) -> None:
        self._folder = folder
        self._version = version
        self._hold = FileLock(folder.users_lock)
        self._attached = True
        self._process_id = os.getpid()
        self._password = ""
        self._port = 0

    @classmethod
    def ensure(
        cls,
        data_dir: Path,
        *,
        version: str = "18",
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        temporary: bool = False,
        binaries: Path | None = None,
    ) -> Self:
        """Start the server of a folder, or join the running one.

        `binaries` holds the programs of that `version`; without it they are those of the wheel. `port`,
        `settings` (configuration parameters) and `temporary` (the folder goes with the server) count for a
        start only. Raises a subclass of EmbeddedError that says what is in the way.
        """
        programs = find_binaries(version) if binaries is None else binaries
        while True:
            folder = open_folder(data_dir)
            plan = Plan(
                folder=str(folder.root),
                binaries=str(programs),
                version=version,
                port=port,
                settings=dict(settings or {}),
                remove_afterwards=temporary,
                start_seconds=_START_SECONDS,
            )
            server = cls(folder, version)
            try:
                server._enter(plan)
            except LockGone:  # a temporary folder was removed while we waited for its lock
                continue
            return server

    @classmethod
    def temporary(
        cls,
        *,
        version: str = "18",
        binaries: Path | None = None,
        settings: Mapping[str, str] = THROWAWAY_SETTINGS,
    ) -> Self:
        """Start a server in a folder of its own that is removed with it."""
        folder = tempfile.mkdtemp(prefix="pgflow-")
        try:
            return cls.ensure(
                Path(folder), version=version, binaries=binaries, settings=settings, temporary=True
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def running(cls, data_dir: Path) -> str | None:
        """Return the DSN of a folder's server if it runs; it is not held, so it may stop at any time."""
        folder = Folder(data_dir.absolute())
        seen = PidFile.read(folder.cluster)
        if seen is None or not folder.password.exists() or not seen.is_served():
            return None
        return _dsn(folder.password.read_text(encoding="ascii"), seen.port, "postgres")

    @property
    def attached(self) -> bool:
        """Whether the server was running already when this hold on it was taken."""
        return self._attached

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        return self._port

    @property
    def log_file(self) -> Path:
        """What the server has written since its start."""
        return self._folder.log

    def dsn(self, database: str = "postgres") -> str:
        """A connection URI for the superuser, password included: do not print it."""
        return _dsn(self._password, self._port, database)

    def stop(self) -> None:
        """Give up the hold; if it was the last one, wait until the server has shut down."""
        if os.getpid() != self._process_id:
            return  # a forked copy: the hold is its parent's
        atexit.unregister(self.stop)
        supervisor = FileLock(self._folder.supervisor_lock, create=False)
        with contextlib.suppress(LockGone):  # stopped before, or somebody removed the folder
            supervisor.pin()
        self._hold.release()
        if supervisor.is_pinned:
            wait_for_shutdown(self._folder, supervisor, timeout=_STOP_SECONDS)
            supervisor.unpin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<EmbeddedServer PostgreSQL {self._version} in {self._folder.root}, port {self._port}>"

    def _enter(self, plan: Plan) -> None:
        folder = self._folder
        try:
            with FileLock(folder.start_lock).held(timeout=_START_SECONDS):
                # Waits for a supervisor that is just stopping; while it is held none can begin to stop.
                if not self._hold.acquire(exclusive=False, timeout=_STOP_SECONDS):
                    raise TimeoutError(folder.users_lock)
                self._password = password_of(folder)
                check_version(folder, self._version)
                self._port = self._join_or_start(plan)
        except TimeoutError as error:
            self._hold.release()
            raise ServerTimeout(f"The embedded PostgreSQL is busy: {error} stays locked.") from None
        except BaseException:
            self._hold.release()
            raise
        atexit.register(self.stop)

    def _join_or_start(self, plan: Plan) -> int:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if FileLock(self._folder.supervisor_lock).is_free() and not runs_unsupervised(self._folder):
                supervise(plan)
                self._attached = False
            seen = PidFile.read(self._folder.cluster)
            if seen is not None and seen.is_served():
                return seen.port
            time.sleep(RETRY_SECONDS)
        raise TimeoutError(self._folder.cluster / "postmaster.pid")


def _dsn(password: str, port: int, database: str) -> str:
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{quote(database, safe='')}"
