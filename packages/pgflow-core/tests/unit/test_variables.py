"""Which variables are told to be read by nobody, and that no documented one is."""

import re
from pathlib import Path

import pytest
from pgflow.variables import unknown_variables

ROOT = Path(__file__).parents[4]
PLACES = ("README.md", "CONTRIBUTING.md", "docs", "examples", "packages/*/src", "executors/*")


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("PGFLOW_DATABSE_URL", "DATABASE_URL"),
        ("PGFLOW_DATABASE_URL", "DATABASE_URL"),
        ("PGFLOW_DNS", "PGFLOW_DSN"),
        ("PGFLOW_PLUGIN", "PGFLOW_PLUGINS"),
        ("PGFLOW_EMBEDDED_PORT", "PGFLOW_EMBEDDED__PORT"),
        ("PGFLOW_DISPATCHR__LEASE", "PGFLOW_DISPATCHER__LEASE"),
    ],
)
def test_a_mistyped_variable_is_named_with_the_nearest(mistyped, meant):
    (said,) = unknown_variables({mistyped: "swordfish", "PGFLOW_DSN": "x", "HOME": "/"})
    assert (
        said
        == f"environment variable {mistyped} is ignored, nothing of PGFlow reads it; did you mean {meant}?"
    )


def test_a_variable_that_is_like_no_other_is_named_alone():
    (said,) = unknown_variables({"PGFLOW_XYZZY": "1"})
    assert said.endswith("nothing of PGFlow reads it; remove or rename it")


def test_what_is_set_to_nothing_counts_as_unset():
    assert not list(unknown_variables({"PGFLOW_DNS": ""}))


def test_what_kubernetes_says_of_the_service_of_the_dispatcher_is_no_mistake():
    service = {
        "PGFLOW_DISPATCHER_PORT": "tcp://10.0.0.1:80",
        "PGFLOW_DISPATCHER_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert len(list(unknown_variables(service))) == 2
    assert not list(unknown_variables({"PGFLOW_DISPATCHER_SERVICE_HOST": "10.0.0.1", **service}))


def test_no_variable_of_the_documentation_and_the_sources_is_unknown():
    files = [file for place in PLACES for found in ROOT.glob(place) for file in (found, *found.rglob("*"))]
    texts = [
        file.read_text(encoding="utf-8")
        for file in files
        if file.suffix in {".md", ".py", ".ts", ".js", ".mjs", ".yaml", ".toml"}
        and "node_modules" not in file.parts
    ]
    named = {name for text in texts for name in re.findall(r"(?<![A-Z_])PGFLOW_[A-Z]{2}[A-Z_]*[A-Z]", text)}
    assert {"PGFLOW_DSN", "PGFLOW_SIGNING_SECRET", "PGFLOW_EXECUTORS__SUPABASE__SIGNING_SECRET"} <= named
    mistyped = {"PGFLOW_FLOW"}  # where the documentation shows what is said of one
    assert list(unknown_variables(dict.fromkeys(named - mistyped, "x"))) == []
