"""What importing loads: a flow module must be cheap to import, and a worker cheap to start."""

import subprocess
import sys

import pytest

#: How many times as long as counting to a million `import pgflow` may take; it takes three times as long.
MILLIONS = 12
#: Counted in the same process, so that the machine may be slow.
COST = """
import time
began = time.process_time()
import pgflow
imported = time.process_time()
for _ in range(1_000_000): pass
print((imported - began) / (time.process_time() - imported))
"""
HEAVY = ["asyncio", "click", "hypothesis", "pgflow.client", "pgflow.database", "pluggy", "psycopg", "rich"]
#: Needed as soon as a value is encoded, and not before.
PYDANTIC = ["pydantic", "pydantic_core", "pydantic_settings"]

DEFINE = """
import pgflow, sys, types
module = types.ModuleType("app")
sys.modules["app"] = module
exec('''
from pgflow import Node, const, contains, flow, map_step, step
def double(n: int) -> int: return 2 * n
def total(numbers: list[int]) -> int: return sum(numbers)
@flow
def f(numbers: Node[list[int]]) -> Node[int]:
    return step(total, map_step(double, numbers), when=contains(numbers, [1]), when_unmet="fail")
''', vars(module))
"""
RUN = (
    DEFINE
    + """
from pgflow.runtime import run_handler
assert run_handler("app:double", '{"n":"item"}', '{"item":3}') == "6"
"""
)
#: What runs a task elsewhere starts as often as there are attempts: it loads what it needs and no server.
TASK = "import sys, pgflow.runtime.__main__, pgflow.reporters.http"
LAMBDA = f"{TASK}, pgflow.runtime.aws_lambda"
NOT_FOR_TASKS = [*HEAVY, *PYDANTIC, "httpx", "jsonschema", "starlette", "uvicorn", "watchfiles"]
LOADED = "\nprint(*sys.modules)"
#: A command that fails for want of a database has loaded what it would have needed.
COMMAND = """
import contextlib, io, sys
from pgflow.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main({0!r})
print(*sys.modules)
"""
DSN = "--dsn=host=127.0.0.1 port=1 connect_timeout=2"
METADATA = "importlib.metadata"
#: What no command needs that only asks the database, or only reads flows.
SERVING = [
    *("httpx", "jsonschema", "pgflow.dispatcher", "pgflow.embedded", "starlette", "urllib3", "uvicorn"),
    "watchfiles",
]
ASKING = [*SERVING, "pgflow.dsl", "pgflow.plugins", "pluggy"]


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import pgflow, sys", HEAVY + PYDANTIC),
        ("import pgflow.runtime, sys", HEAVY + PYDANTIC),
        ("import pgflow.inline, sys", HEAVY + PYDANTIC),
        (DEFINE, HEAVY + PYDANTIC),
        (RUN, HEAVY),
        (TASK, NOT_FOR_TASKS),
        (LAMBDA, NOT_FOR_TASKS),
    ],
    ids=["pgflow", "runtime", "inline", "defining a flow", "running a handler", "a task elsewhere", "Lambda"],
)
def test_nothing_heavy_is_loaded(code, unwanted):
    loaded = set(run(code + LOADED))
    assert "pgflow" in loaded
    assert sorted(loaded & set(unwanted)) == []


@pytest.mark.parametrize(
    ("arguments", "needed", "unwanted"),
    [
        (["--version"], "click", [*HEAVY[:1], *HEAVY[2:], *PYDANTIC, METADATA, "pgflow.dsl"]),
        (["--help"], METADATA, [*HEAVY[:1], *HEAVY[2:], *PYDANTIC, "pgflow.dsl"]),
        (["completion", "bash"], "click", [*HEAVY[:1], *HEAVY[2:], *PYDANTIC, "pgflow.dsl"]),
        (["status", DSN, "latest"], "psycopg", ASKING),
        (["runs", DSN], "psycopg", ASKING),
        (["logs", DSN, "latest"], "psycopg", ASKING),
        (["cancel", DSN, "latest"], "psycopg", ASKING),
        (["run", DSN, "hello"], "psycopg", SERVING),
        (["deploy", DSN, "hello:hello"], "pydantic", SERVING),
        (["compile", "hello:hello"], "pydantic", [*SERVING, "pgflow.client", "psycopg"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_no_more_than_it_needs(arguments, needed, unwanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = set(run(COMMAND.format(arguments)))
    assert needed in loaded
    assert sorted(loaded & set(unwanted)) == []


def test_importing_is_quick():
    assert min(float(run(COST)[0]) for _ in range(3)) < MILLIONS


def test_every_public_name_can_be_imported():
    import pgflow

    for name in pgflow.__all__:
        assert getattr(pgflow, name) is not None
    assert dir(pgflow) == sorted(pgflow.__all__)


def test_every_public_name_and_method_says_what_it_is():
    import pgflow

    silent: list[str] = []
    for name in pgflow.__all__:
        found = getattr(pgflow, name)
        silent += [name] if not found.__doc__ else []
        methods = vars(found) if isinstance(found, type) else {}
        silent += [
            f"{name}.{method}"
            for method in methods
            if not method.startswith("_")
            and callable(getattr(found, method))
            and not getattr(found, method).__doc__
        ]
    assert silent == []


def test_lazy_names_are_the_real_ones():
    import pgflow
    from pgflow.client import Client
    from pgflow.runtime import current_task

    assert pgflow.Client is Client
    assert pgflow.current_task is current_task


def test_an_unknown_name_is_an_ordinary_attribute_error():
    import pgflow

    with pytest.raises(AttributeError, match="module 'pgflow' has no attribute 'Clent'"):
        _ = pgflow.Clent
