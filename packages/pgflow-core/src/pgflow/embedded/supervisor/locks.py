"""Advisory file locks that the operating system drops when their holder dies, however it dies."""

import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

RETRY_SECONDS = 0.01

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _FAIL_IMMEDIATELY, _EXCLUSIVE = 1, 2
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)

    class _Overlapped(ctypes.Structure):
        _fields_ = (
            ("internal", ctypes.c_void_p),
            ("internal_high", ctypes.c_void_p),
            ("offset", wintypes.DWORD),
            ("offset_high", wintypes.DWORD),
            ("event", wintypes.HANDLE),
        )

    def _lock(descriptor: int, *, exclusive: bool, wait: bool) -> bool:
        flags = (0 if wait else _FAIL_IMMEDIATELY) | (_EXCLUSIVE if exclusive else 0)
        handle = wintypes.HANDLE(msvcrt.get_osfhandle(descriptor))
        return bool(_kernel.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(_Overlapped())))

    def _unlock(descriptor: int) -> None:
        handle = wintypes.HANDLE(msvcrt.get_osfhandle(descriptor))
        _kernel.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(_Overlapped()))

else:
    import fcntl

    def _lock(descriptor: int, *, exclusive: bool, wait: bool) -> bool:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class LockGone(Exception):
    """The lock's file, or the folder it was in, does not exist or was removed while waiting."""


class FileLock:
    """A shared or exclusive lock on a file of its own, not re-entrant; the file must exist unless `create`.

    Taking it raises LockGone when there is no file.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._flags = os.O_RDWR | (os.O_CREAT if create else 0)
        self._descriptor: int | None = None
        self.is_pinned = False

    def pin(self) -> None:
        """Stay with the file of this moment, wherever it is moved and even if it is removed."""
        self._descriptor = self._open()
        self.is_pinned = True

    def unpin(self) -> None:
        """Let go of the file."""
        self.is_pinned = False
        self._close()

    def acquire(self, *, exclusive: bool, timeout: float | None = 0) -> bool:
        """Take the lock, waiting up to `timeout` seconds (None: for ever); false when it stays taken."""
        if not self.is_pinned:
            self._descriptor = self._open()
        assert self._descriptor is not None
        deadline = time.monotonic() + (timeout or 0)
        while not _lock(self._descriptor, exclusive=exclusive, wait=timeout is None):
            if time.monotonic() >= deadline:
                self._close()
                return False
            time.sleep(RETRY_SECONDS)
        if not self.is_pinned and not self._is_current(self._descriptor):
            self._close()
            raise LockGone(self.path)
        return True

    def release(self) -> None:
        """Give the lock back; a forked copy of the descriptor does not keep it."""
        if self._descriptor is not None:
            _unlock(self._descriptor)
            self._close()

    @contextlib.contextmanager
    def held(self, *, timeout: float) -> Generator[None]:
        """Hold the lock exclusively for a block; raises TimeoutError when it stays taken."""
        if not self.acquire(exclusive=True, timeout=timeout):
            raise TimeoutError(self.path)
        try:
            yield
        finally:
            self.release()

    def is_free(self) -> bool:
        """Whether nobody holds it exclusively at this moment."""
        if not self.acquire(exclusive=False):
            return False
        self.release()
        return True

    def _open(self) -> int:
        try:
            return os.open(self.path, self._flags, 0o600)
        except FileNotFoundError:
            raise LockGone(self.path) from None

    def _close(self) -> None:
        if self._descriptor is not None and not self.is_pinned:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False
