"""The parts that need no process."""

import os
import signal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgflow.plugins import configure, load_plugins
from pgflow.runtime.allowed import allow_list
from pgflow_local import Local, crash, log, spawn, wire
from pgflow_local.settings import LocalSettings
from pgflow_local.slots import Slots

from .support import HANDLERS

FRAMES = st.lists(
    st.builds(
        wire.Frame,
        st.integers(0, 255),
        st.integers(0, 2**64 - 1),
        st.binary(max_size=50),
        st.binary(max_size=50),
        st.integers(0, wire.MAX_PART),
    ),
    max_size=8,
)


@settings(max_examples=50, deadline=None)
@given(FRAMES, st.lists(st.integers(0, 600), max_size=10))
def test_frames_survive_any_cut_of_the_stream(frames, cuts):
    stream = b"".join(wire.encode(*frame) for frame in frames)
    reader = wire.FrameReader()
    places = [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert [frame for piece in pieces for frame in _read(reader, piece)] == frames


def test_a_frame_larger_than_the_reader_s_room_comes_whole():
    large = wire.Frame(wire.TASK, 1, b"a" * 300_000, b"b" * 200_000, 0)
    small = wire.Frame(wire.TASK, 2, b"c", b"", 7)
    reader = wire.FrameReader()
    room = len(reader.room())
    stream = b"".join(wire.encode(*frame) for frame in (small, large, small, large, small))
    assert _read(reader, stream) == [small, large, small, large, small]
    assert len(reader.room()) == room


def _read(reader, stream):
    """What the reader makes of a stream that comes as fast as it has room."""
    frames = []
    while stream:
        room = reader.room()
        count = min(len(room), len(stream))
        room[:count], stream = stream[:count], stream[count:]
        frames += reader.take(count)
    return frames


def test_the_plugin_brings_the_executor(monkeypatch):
    monkeypatch.setenv("PGFLOW_PLUGINS", "local")
    plugins = load_plugins()
    assert plugins.problems == []
    assert (plugins.loaded[0].distribution, plugins.loaded[0].executors) == ("pgflow-local", ("local",))
    instance = configure(plugins, "batch", "local", {"processes": 3, "grace": 2.5})
    assert isinstance(instance.settings, LocalSettings)
    assert instance.settings.grace.total_seconds() == 2.5
    instance.step_options({})


def test_a_step_names_the_executor_it_runs_on():
    assert (Local().executor_name, Local().executor_options()) == ("local", {})
    assert Local("gpu").executor_name == "gpu"


def test_the_default_is_a_process_for_each_processor():
    assert LocalSettings().processes == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("patterns", "handler", "allowed"),
    [
        (("examples.*",), "examples.atlas:fetch", True),
        (("examples.*",), "examples.deep.er:fetch", True),
        (("examples.*",), "examples:fetch", True),
        (("examples.*",), "examples_too.atlas:fetch", False),
        (("shop.mail:send",), "shop.mail:send", True),
        (("shop.mail:send",), "shop.mail:send_all", False),
        (("shop.mail:send_*",), "shop.mail:send_all", True),
        (("shop",), "shop.mail:send", False),
        (("*",), "os:system", True),
        ((), "shop:run", False),
    ],
)
def test_patterns_allow_handlers(patterns, handler, allowed):
    refusal = allow_list(patterns, (), "the settings")(handler)
    assert (refusal is None) == allowed, refusal


@pytest.mark.parametrize(
    ("handler", "allowed"),
    [
        ("deeds:noop", True),
        ("os:system", False),
        ("builtins:exec", False),
        ("sys:exit", False),
        ("pydantic:create_model", False),
        ("no_such_module_at_all:run", True),
    ],
)
def test_by_default_the_project_is_allowed(monkeypatch, handler, allowed):
    """What cannot be found is let through: its import says more than a refusal would."""
    monkeypatch.syspath_prepend(HANDLERS)
    refusal = allow_list(None, (str(HANDLERS),), "the settings")(handler)
    assert (refusal is None) == allowed, refusal


def test_a_virtual_environment_inside_the_project_is_not_the_project(tmp_path, monkeypatch):
    packages = tmp_path / ".venv" / "lib" / "site-packages"
    (packages / "strange").mkdir(parents=True)
    (packages / "strange" / "__init__.py").touch()
    monkeypatch.syspath_prepend(packages)
    refusal = allow_list(None, (str(tmp_path),), "the settings")("strange:run")
    assert "strange is not part of the project" in refusal
    assert 'name it in the settings, for example "strange.*"' in refusal


def test_the_environment_is_an_allow_list():
    parent = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "PGPASSWORD": "x",
        "AWS_PROFILE": "x",
        "AWS_REGION": "y",
        "LCD": "z",
    }
    assert spawn.environment(parent, ()) == {"PATH": "/bin", "LC_ALL": "C"}
    assert spawn.environment(parent, ("AWS_R*",)) == {"PATH": "/bin", "LC_ALL": "C", "AWS_REGION": "y"}


@pytest.mark.parametrize(
    ("returncode", "said"),
    [
        (0, "exited with code 0"),
        (75, "exited with code 75"),
        (-signal.SIGABRT, "was killed by SIGABRT: C code called abort()"),
        (-signal.SIGTERM, "was killed by SIGTERM"),
        (-63, "was killed by signal 63"),
    ],
)
def test_an_ending_is_put_in_words(returncode, said):
    assert crash.ending(returncode) == said


def test_slots_show_what_runs_to_another_mapping():
    with Slots.file(2) as file:
        worker, parent = Slots(file.fileno(), 2), Slots(file.fileno(), 2)
        assert parent.states() == {}
        worker.load(0, 7)
        assert parent.states()[7].started is None
        worker.start(0, 7, cancellable=True)
        worker.start(1, 8, cancellable=False)
        first, second = parent.states()[7], parent.states()[8]
        assert (first.cancellable, second.cancellable) == (True, False)
        assert first.started == first.heartbeat
        assert first.started <= second.started
        worker.beat(0)
        assert parent.states()[7].heartbeat > first.heartbeat
        worker.clear(0)
        assert set(parent.states()) == {8}
        assert worker.micros(0) == 0
        for slots in (worker, parent):
            slots.close()


def test_a_log_keeps_its_tail():
    with log.log_file() as file:
        assert log.take(file.fileno(), 10) == b""
        file.write(b"0123456789")
        assert log.tail(file.fileno(), 10) == b"0123456789"
        file.write(b"abc")
        assert log.take(file.fileno(), 10) == b"[... 3 bytes of output dropped ...]\n3456789abc"
        file.write(b"next")
        assert log.take(file.fileno(), 10) == b"next"


def test_a_log_that_grows_without_end_is_cut():
    with log.log_file() as file:
        file.write(b"x" * 2_000_000 + b"the end")
        log.shorten(file.fileno(), 10)
        assert log.tail(file.fileno(), 100) == b"[... 1999997 bytes of output dropped ...]\nxxxthe end"
