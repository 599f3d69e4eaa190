# ruff: noqa: ASYNC110, ASYNC240
"""Handlers that do, or fail to do, what the tests ask."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from pgflow import NonRetryable, RetryAfter, current_task


def sign(file: str, *pids: int) -> None:
    """Write our process id, and others; the file is there only once it is whole."""
    fresh = Path(f"{file}.new")
    fresh.write_text(" ".join(map(str, (os.getpid(), *pids))))
    fresh.rename(file)


def echo(value: object) -> object:
    return value


async def echo_async(value: object) -> object:
    await asyncio.sleep(0)
    return value


def noop() -> None:
    return None


def add(a: int, b: int = 10) -> int:
    return a + b


def pid() -> int:
    return os.getpid()


async def pid_async() -> int:
    return os.getpid()


def big(size: int) -> str:
    return "é" * (size // 2)


def environment() -> dict[str, str]:
    return dict(os.environ)


def import_path() -> list[str]:
    return sys.path


def who() -> dict[str, object]:
    task = current_task()
    return {
        "run_id": str(task.run_id),
        "flow_slug": task.flow_slug,
        "flow_version": task.flow_version,
        "step_slug": task.step_slug,
        "task_index": task.task_index,
        "attempt": task.attempt,
        "seconds_left": (task.deadline - type(task.deadline).now(task.deadline.tzinfo)).total_seconds(),
    }


def append(file: str, line: str) -> None:
    with Path(file).open("a") as out:
        out.write(line + "\n")


def block(started: str, until: str) -> str:
    """Run until a file appears."""
    sign(started)
    while not Path(until).exists():
        time.sleep(0.005)
    return "unblocked"


async def block_async(started: str, until: str) -> str:
    sign(started)
    while not Path(until).exists():
        await asyncio.sleep(0.005)
    return "unblocked"


async def block_async_politely(started: str, cleaned: str) -> None:
    """Run for ever, and clean up when cancelled."""
    try:
        sign(started)
        await asyncio.Event().wait()
    finally:
        Path(cleaned).touch()


async def block_async_stubbornly(started: str) -> None:
    """Ignore every cancellation."""
    sign(started)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


def block_with_child(started: str) -> None:
    """Run for ever, with a grandchild that does too."""
    child = subprocess.Popen(["sleep", "1000"])
    sign(started, child.pid)
    time.sleep(1000)


def block_holding_the_lock(started: str) -> None:
    """Spend minutes in one C call that never lets another thread run."""
    child = subprocess.Popen(["sleep", "1000"])
    sign(started, child.pid)
    pow(3, 10**9)


def spin(started: str) -> None:
    sign(started)
    while True:
        pass


def ignore_sigterm(started: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sign(started)
    while True:
        time.sleep(1)


def beat(seconds: float) -> str:
    """Give heartbeats for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        current_task().heartbeat()
        time.sleep(0.01)
    return "alive"


def report_progress(started: str, until: str) -> None:
    current_task().progress(3, 4, "nearly")
    block(started, until)


def fail(message: str) -> None:
    raise ValueError(message)


async def fail_async(message: str) -> None:
    raise ValueError(message)


def give_up() -> None:
    raise NonRetryable("never again")


def retry_after(seconds: float) -> None:
    raise RetryAfter(seconds)


def leave(code: int) -> None:
    sys.exit(code)


def interrupt() -> None:
    raise KeyboardInterrupt


async def interrupt_async() -> None:
    await asyncio.sleep(0)
    raise KeyboardInterrupt


async def leave_async(code: int) -> None:
    await asyncio.sleep(0)
    sys.exit(code)


async def cancel_itself() -> None:
    raise asyncio.CancelledError


def exhaust_memory() -> None:
    raise MemoryError


def hard_exit(code: int) -> None:
    print("last words", file=sys.stderr)
    os._exit(code)


def segfault() -> None:
    ctypes.string_at(0)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fork_and_return() -> str:
    """Let a forked child come back where only the parent should."""
    return "child" if os.fork() == 0 else "parent"


def leave_child(pid_file: str) -> None:
    """End while a child of ours still runs."""
    Path(pid_file).write_text(str(subprocess.Popen(["sleep", "1000"]).pid))


def pid_of_endless_thread() -> int:
    """Keep the interpreter from ending."""
    threading.Thread(target=threading.Event().wait).start()
    return os.getpid()


def say(text: str, times: int = 1) -> None:
    for _ in range(times):
        print(text)


async def say_async(text: str, other: str) -> None:
    """Speak, let another speak, speak again."""
    print(f"{text} first")
    Path(text).touch()
    while not Path(other).exists():
        await asyncio.sleep(0.005)
    print(f"{text} second", file=sys.stderr)


def say_everywhere() -> None:
    print("python stdout")
    print("python stderr", file=sys.stderr)
    logging.getLogger("shop").info("a log record")
    current_task().logger.warning("the task's logger")
    subprocess.run(["echo", "a child process"], check=True)
    ctypes.CDLL(None).puts(b"C code")


def say_bytes() -> None:
    os.write(1, b"not utf-8: \xff, and NUL: \x00.\n")


def say_and_fail() -> None:
    print("before the fall")
    raise ValueError("fell")


def say_forever(started: str, until: str) -> None:
    line = b"x" * 65535 + b"\n"
    Path(started).touch()
    while not Path(until).exists():
        os.write(1, line)
    os.write(1, b"the end\n")


def close_everything() -> None:
    """Do what daemonising libraries do."""
    os.closerange(3, 256)


def close_stdout() -> None:
    sys.stdout.close()


def fill_memory(megabytes: int, started: str) -> None:
    sign(started)
    kept = bytearray(megabytes * 1_048_576)
    while kept:
        kept[::4096] = b"x" * len(kept[::4096])


def fill_memory_of_a_child(megabytes: int, started: str) -> None:
    code = f"kept = bytearray({megabytes} << 20)\nwhile kept: kept[::4096] = b'x' * len(kept[::4096])"
    child = subprocess.Popen([sys.executable, "-c", code])
    sign(started, child.pid)
    child.wait()


def count(text: str, unit: str = "words") -> dict[str, int]:
    """What the commands of the tests promise to answer."""
    raise NotImplementedError
