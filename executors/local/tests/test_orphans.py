"""No worker, and nothing a worker started, outlives the dispatcher, however that ends."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .support import HANDLERS, alive

PARENT = """
import asyncio, json, logging, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support import HANDLERS, Local
from pgflow_local.executor import LocalExecutor
from pgflow_local.settings import LocalSettings

async def main():
    local = Local(LocalExecutor(), (HANDLERS,))
    await local.start(LocalSettings(processes=1, concurrency_per_process=int(sys.argv[4])))
    await local.launch(sys.argv[2], **json.loads(sys.argv[3]))
    await asyncio.Event().wait()

asyncio.run(main())
"""


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("handler", ["block_holding_the_lock", "block_with_child"])
def test_a_killed_dispatcher_leaves_nothing_behind(tmp_path, handler, concurrency):
    started = tmp_path / "started"
    arguments = json.dumps({"started": str(started)})
    command = [sys.executable, "-c", PARENT, str(HANDLERS.parent), handler, arguments, str(concurrency)]
    parent = subprocess.Popen(command)
    try:
        wait_for(lambda: started.exists() and len(started.read_text().split()) == 2)
        worker, grandchild = map(int, started.read_text().split())
        assert alive(worker)
        assert alive(grandchild)
        assert os.getpgid(grandchild) == worker
        parent.send_signal(signal.SIGKILL)
        wait_for(lambda: not alive(worker) and not alive(grandchild), seconds=20.0)
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.parametrize("options", [{"isolation": "process"}, {"command": "it"}])
def test_not_even_commands_and_processes_of_their_own(tmp_path, options):
    started = tmp_path / "started"
    script = f"sleep 600 & echo $PPID $! > {started}.new; mv {started}.new {started}; wait"
    commands = repr({"it": {"argv": ["sh", "-c", script]}})
    source = PARENT.replace("processes=1,", f"processes=1, commands={commands},")
    arguments = json.dumps({"started": str(started), "options": options})
    parent = subprocess.Popen(
        [sys.executable, "-c", source, str(HANDLERS.parent), "block_with_child", arguments, "1"]
    )
    try:
        wait_for(lambda: started.exists() and len(started.read_text().split()) == 2)
        pids = [int(pid) for pid in started.read_text().split()]
        assert all(alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in pids))
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="the thread is what other systems rely on")
def test_the_bell_s_thread_is_a_tripwire_of_its_own(tmp_path):
    """Without the kernel's help, the thread that waits for the bell ends the process group."""
    started = tmp_path / "started"
    source = PARENT.replace(
        "asyncio.run(main())",
        "from pgflow_local import spawn\n"
        "command = spawn.command\n"
        "def without_tripwire(*arguments):\n"
        "    *start, config = command(*arguments)\n"
        "    code = 'import sys; from pgflow_local.worker import tripwire, __main__; '"
        " 'tripwire.arm = lambda fileno: None; __main__.main()'\n"
        "    return [start[0], '-P', '-c', code, config]\n"
        "spawn.command = without_tripwire\n"
        "asyncio.run(main())",
    )
    arguments = json.dumps({"started": str(started)})
    parent = subprocess.Popen(
        [sys.executable, "-c", source, str(HANDLERS.parent), "block_with_child", arguments, "1"]
    )
    try:
        wait_for(lambda: started.exists() and len(started.read_text().split()) == 2)
        pids = [int(pid) for pid in started.read_text().split()]
        parent.send_signal(signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in pids), seconds=20.0)
    finally:
        parent.kill()
        parent.wait()
