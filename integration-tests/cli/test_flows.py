"""Commands that look at flows and need no database: init, graph, compile, and the mistakes they meet."""

import json
from pathlib import Path

import pytest

HELLO = "flows.hello:hello"


@pytest.fixture
def hello(project):
    project.pgflow("init")
    return project


def test_init_writes_a_flow_that_runs_without_a_database(hello):
    done = hello.process("graph", HELLO)
    assert done.returncode == 0
    code = "from flows.hello import hello, Text; print(hello.run_inline(Text('a bcd')))"
    import subprocess
    import sys

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=hello.folder
    )
    assert printed.stdout == "Summary(words=2, letters=4, longest='bcd')\n"


def test_init_never_overwrites(hello):
    hello.write("pgflow.toml", "flows = []\n")
    refused = hello.pgflow("init", code=1)
    assert refused.stderr.startswith("error: pgflow.toml exists already; nothing was written\n mend: ")
    assert (hello.folder / "pgflow.toml").read_text() == "flows = []\n"


def test_init_makes_the_folder_it_is_given(project):
    assert project.json("init", "shop") == {"written": ["shop/pgflow.toml", "shop/flows/hello.py"]}
    assert (project.folder / "shop" / "flows" / "hello.py").is_file()


def test_graph_draws_a_tree_that_names_every_edge(hello):
    drawn = hello.pgflow("graph", HELLO).stdout
    assert drawn.splitlines() == [
        "hello",
        "└── split",
        "    └── measure  map over split",
        "        └── summarize + split",
    ]


def test_graph_draws_mermaid_and_dot_with_the_same_edges(hello):
    mermaid = hello.pgflow("graph", HELLO, "--format", "mermaid").stdout
    assert "    s_measure --> s_summarize" in mermaid.splitlines()
    assert mermaid.count("-->") == 3
    dot = hello.pgflow("graph", HELLO, "--format", "dot").stdout
    assert '    "split" -> "measure";' in dot.splitlines()
    assert dot.count("->") == 3


def test_graph_shows_conditions_and_where_a_step_runs(project):
    project.write(
        "shapes.py",
        "from pgflow import Node, contains, flow, step\n"
        "from pgflow.dsl import Target\n"
        "def look(n: int) -> dict[str, bool]: ...\n"
        "def act(seen: dict[str, bool]) -> int: ...\n"
        "@flow\n"
        "def shaped(n: Node[int]) -> Node[int | None]:\n"
        "    seen = step(look, n)\n"
        "    return step(act, seen, when=contains(seen, {'ok': True}), runs_on=Target('gpu')).or_none()\n",
    )
    tree = project.pgflow("graph", "shapes:shaped").stdout
    assert '    └── act  on gpu  if {"look": {"ok": true}}' in tree.splitlines()
    assert "s_look -.-> s_act" in project.pgflow("graph", "shapes:shaped", "--format", "mermaid").stdout


def test_graph_prints_the_definition_as_json(hello):
    definition = hello.json("graph", HELLO)
    assert [step["step_slug"] for step in definition["steps"]] == ["split", "measure", "summarize"]


def test_compile_writes_a_file_that_calls_define_flow(hello):
    hello.pgflow("compile", HELLO, "-o", "migrations/0001_hello.sql")
    sql = (hello.folder / "migrations" / "0001_hello.sql").read_text()
    assert "pgflow.define_flow(" in sql
    assert sql == hello.pgflow("compile", HELLO).stdout


def test_typegen_writes_the_types_of_the_flows_that_are_named_or_configured(hello):
    said = hello.pgflow("typegen", "--lang", "typescript", HELLO, "-o", "web/flows.ts").stdout
    assert said == "wrote web/flows.ts: hello\n"
    written = (hello.folder / "web" / "flows.ts").read_text()
    assert written.startswith(f"// Written by `pgflow typegen --lang typescript {HELLO}`.")
    assert "export type Flows = {\n  hello: {\n    input: Text;\n" in written
    assert hello.pgflow("typegen", "--lang", "typescript", HELLO).stdout == written
    everything = hello.json("typegen", "--lang", "typescript")
    assert everything["flow_slugs"] == ["hello"]
    assert everything["text"].partition("\n")[2] == written.partition("\n")[2]


def test_typegen_asks_for_a_language_that_it_knows(hello):
    shown = hello.pgflow("typegen", "--lang", "cobol", HELLO, code=2).stderr
    assert "'cobol' is not 'typescript'" in shown


@pytest.mark.parametrize(
    ("reference", "what", "mend"),
    [
        ("flows.hello", "'flows.hello' is not a flow reference", "write MODULE:flow"),
        ("flows.helo:hello", "there is no module 'flows.helo'", "check the spelling"),
        ("./flows/hello.py:hello", "names a file", "write its module: `flows.hello:hello`"),
        (".hello:hello", "is not a flow reference", "write MODULE:flow"),
        ("hello.py:hello", "there is no module 'hello", "not its file: `hello:hello`"),
        ("flows.hello:helo", "module 'flows.hello' has no flow 'helo'", "did you mean `flows.hello:hello`?"),
        (
            "flows.hello:split",
            "'flows.hello:split' is a function, not a flow",
            "its flows are `flows.hello:hello`",
        ),
    ],
)
def test_a_flow_that_is_not_there_is_named_with_what_is(hello, reference, what, mend):
    shown = hello.pgflow("compile", reference, code=2).stderr
    assert what in shown
    assert mend in shown
    assert "Traceback" not in shown


BROKEN = {
    "missing": (
        "import nowhere\n",
        "flows/bad.py:1: cannot import 'flows.bad': ModuleNotFoundError: No module named 'nowhere'",
        ["import nowhere", "ModuleNotFoundError: No module named 'nowhere'"],
    ),
    "raises": (
        "def ratio():\n    return 1 / 0\n\nx = ratio()\n",
        "flows/bad.py:2: cannot import 'flows.bad': ZeroDivisionError",
        ["line 4, in <module>", "x = ratio()", "line 2, in ratio", "return 1 / 0", "ZeroDivisionError"],
    ),
    "unspelt": (
        "def f(:\n",
        "flows/bad.py:1: cannot import 'flows.bad': SyntaxError",
        ["line 1", "def f(:", "SyntaxError"],
    ),
    "exits": (
        "import sys\nsys.exit('no display')\n",
        "flows/bad.py:2: cannot import 'flows.bad': SystemExit: no display",
        ["sys.exit('no display')", "SystemExit: no display"],
    ),
}


def in_order(text, parts):
    place = 0
    for part in parts:
        assert part in text[place:], f"{part!r} is not after {text[:place]!r}"
        place = text.index(part, place) + len(part)


@pytest.mark.parametrize("command", ["graph", "compile", "deploy", "run"])
@pytest.mark.parametrize(("source", "shown", "frames"), BROKEN.values(), ids=BROKEN)
def test_a_module_that_cannot_be_imported_is_shown_with_its_own_frames(
    hello, database, command, source, shown, frames
):
    hello.write("flows/bad.py", source)
    stderr = hello.pgflow(command, "flows.bad:f", code=2).stderr
    assert stderr.startswith(f"error: {shown}")
    in_order(stderr, [f'File "{hello.folder}/flows/bad.py"', *frames, " mend: correct that line"])
    assert "importlib" not in stderr
    assert str(Path("pgflow", "cli")) not in stderr


def test_a_broken_module_below_another_is_shown_with_the_way_to_it(hello):
    hello.write("flows/bad.py", "from flows import worse\n")
    hello.write("flows/worse.py", "x = {}['y']\n")
    stderr = hello.pgflow("compile", "flows.bad:f", code=2).stderr
    assert stderr.startswith("error: flows/worse.py:1: cannot import 'flows.bad': KeyError: 'y'")
    in_order(stderr, ["flows/bad.py", "from flows import worse", "flows/worse.py", "x = {}['y']"])
    error = json.loads(hello.pgflow("compile", "flows.bad:f", "--json", code=2).stderr)["error"]
    in_order(error["traceback"], ["Traceback (most recent call last):", "flows/bad.py", "flows/worse.py"])


def test_a_wrong_flow_is_shown_by_its_line_alone(hello):
    hello.write(
        "flows/bad.py",
        "from pgflow import Node, flow, step\n@flow\ndef f(n: Node[int]) -> Node[int]:\n"
        "    return step(lambda x: x, n)\n",
    )
    stderr = hello.pgflow("graph", "flows.bad:f", code=2).stderr
    assert "flows/bad.py:4: " in stderr
    assert "Traceback" not in stderr


def test_an_error_is_one_json_object_with_json(hello):
    shown = hello.pgflow("graph", "flows.hello:helo", "--json", code=2)
    assert shown.stdout == ""
    error = json.loads(shown.stderr)["error"]
    assert error["message"] == "module 'flows.hello' has no flow 'helo'"
    assert error["mend"] == "did you mean `flows.hello:hello`?"


def test_a_broken_configuration_names_file_and_key(hello):
    hello.write("pgflow.toml", "flow = []\n")
    shown = hello.pgflow("compile", HELLO, code=2).stderr
    assert shown.startswith(f"error: {hello.folder}/pgflow.toml: unknown key `flow`; did you mean `flows`?")


def test_migrate_prints_its_sql_without_a_database(project):
    script = project.pgflow("migrate", "--sql").stdout
    assert "create schema pgflow" in script
    assert "commit;" in script
