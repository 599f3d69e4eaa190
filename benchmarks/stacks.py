"""Where Python processes spend their time: py-spy beside them, and its folded stacks summed by function."""

import signal
import subprocess
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

RATE = 250  # looks a second
SECONDS = 30.0


@dataclass(frozen=True)
class Frame:
    """A function's share of the looks: alone on top of the stack, and anywhere in it."""

    function: str
    own: float
    within: float


@dataclass(frozen=True)
class Looks:
    """How often processes were seen at work, and in which functions, the busiest first."""

    count: int
    frames: tuple[Frame, ...]


def folded(texts: Iterable[str]) -> Looks:
    """Sum folded stacks (`outer;inner 12`, a line each), such as those of several processes."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in (line for text in texts for line in text.splitlines()):
        stack, _, count = line.rpartition(" ")
        frames = [short(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        within.update(dict.fromkeys(frames, int(count)))
    looks = own.total()
    seen = (Frame(name, own[name] / looks, within[name] / looks) for name in within)
    return Looks(looks, tuple(sorted(seen, key=lambda frame: (-frame.own, -frame.within, frame.function))))


def short(frame: str) -> str:
    """Return `function (folder/file.py)` for py-spy's `function (a/long/folder/file.py:12)`."""
    name, _, place = frame.rpartition(" (")
    if not name:
        return frame
    path, _, line = place.rstrip(")").rpartition(":")
    return f"{name} ({'/'.join(Path(path if line.isdigit() else place.rstrip(')')).parts[-2:])})"


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    mine = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return mine + [below for child in mine for below in descendants(child)]


@contextmanager
def watching(py_spy: Path, pids: dict[str, list[int]], folder: Path) -> Generator[dict[str, list[Path]]]:
    """Look at named groups of processes meanwhile; gives the files that hold their stacks afterwards.

    Raises SystemExit if this user may not look into other processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: [folder / f"{name}-{pid}.folded" for pid in found] for name, found in pids.items()}
    with ExitStack() as stack:
        for name, found in pids.items():
            for pid, file in zip(found, files[name], strict=True):
                stack.enter_context(_recording(py_spy, pid, file))
        yield files


@contextmanager
def _recording(py_spy: Path, pid: int, file: Path) -> Generator[None]:
    options = ("--format", "raw", "--function", "--nonblocking", "--rate", str(RATE), "--output", str(file))
    process = subprocess.Popen(
        [str(py_spy), "record", "--pid", str(pid), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if "Sampling process" in line:
            break
    else:
        raise SystemExit(
            f"profile: py-spy cannot look into process {pid}: run as root, or with ptrace allowed "
            f"(sysctl kernel.yama.ptrace_scope=0), or leave it out by --no-stacks\n{''.join(said)}"
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
