"""As whom PostgreSQL runs, since it refuses to run as root and wants a user that has a name.

Root gets a user namespace in which it is `nobody` (files keep their owner), or, where the system refuses
namespaces as most container runtimes do, becomes `nobody` for real. No account is made and no folder above
ours is touched. A cluster that an ordinary user made is run as that user.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

if sys.platform != "win32":
    import pwd
    import signal

    _CLONE_NEWUSER = 0x10000000
    _PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
    _SECBIT_NO_SETUID_FIXUP = 1 << 2  # capabilities survive setuid, and access() heeds them
    _CAP_DAC_OVERRIDE = 1
    _LINUX_CAPABILITY_VERSION_3 = 0x20080522
    _libc = ctypes.CDLL(None, use_errno=True)


def child_setup(cluster: Path) -> Callable[[], None] | None:
    """What a forked child does before it executes a program on a cluster folder.

    The child becomes somebody PostgreSQL accepts, and gets SIGINT, PostgreSQL's fast shutdown, when the
    thread that forked it ends. Safe in a process with one thread only.
    """
    if sys.platform == "win32":
        return None
    parent = os.getpid()
    change_user = _change_of_user(cluster)

    def setup() -> None:
        change_user()
        if sys.platform == "linux":  # last: a change of user clears it
            _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0))
            if os.getppid() != parent:
                os._exit(1)

    return setup


if sys.platform != "win32":

    def _change_of_user(cluster: Path) -> Callable[[], None]:
        user, owner = os.geteuid(), cluster.stat()
        if user == 0 and owner.st_uid != 0:  # of an ordinary user, or given to nobody before
            return partial(become, owner.st_uid, owner.st_gid)
        if user != 0 and _has_name(user):
            return lambda: None
        if sys.platform == "linux" and _namespaces_allowed():
            return enter_namespace
        if user != 0:
            return lambda: None
        _give_to_nobody(cluster)
        return partial(become, _nobody().pw_uid, _nobody().pw_gid)

    def _give_to_nobody(folder: Path) -> None:
        user = _nobody()
        os.chown(folder, user.pw_uid, user.pw_gid)
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.chown(Path(parent, name), user.pw_uid, user.pw_gid, follow_symlinks=False)

    def _has_name(uid: int) -> bool:
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return False
        return True

    def _nobody() -> pwd.struct_passwd:
        try:
            return pwd.getpwnam("nobody")
        except KeyError:
            return next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)

    def _namespaces_allowed() -> bool:
        pid = os.fork()
        if pid == 0:
            try:
                enter_namespace()
            except BaseException:  # nothing may return into the parent's stack
                os._exit(1)
            os._exit(0)
        return os.waitpid(pid, 0)[1] == 0

    def enter_namespace() -> None:
        """Move this process into a user namespace in which its user is `nobody`."""
        uid, gid, user = os.geteuid(), os.getegid(), _nobody()
        _check(_libc.unshare(_CLONE_NEWUSER))
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user.pw_uid} {uid} 1")
        _write("/proc/self/gid_map", f"{user.pw_gid} {gid} 1")

    def _write(path: str, text: str) -> None:
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)

    def become(uid: int, gid: int) -> None:
        """Change the user of this process for good, keeping the access to files that root has, if it has."""
        keeps = sys.platform == "linux" and not _libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        if keeps:
            _keep_file_access()

    def _keep_file_access() -> None:
        # Interpreters often live below a home folder that only root may enter; without this one
        # capability `nobody` could not read the binaries. Where root lacks it, none is kept.
        if _set_capabilities(1 << _CAP_DAC_OVERRIDE):
            _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
        else:
            _set_capabilities(0)

    def _set_capabilities(bits: int) -> bool:
        header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)  # effective, permitted, inheritable
        return bool(_libc.capset(header, data) == 0)

    def _check(result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
