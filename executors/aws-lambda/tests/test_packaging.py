"""What goes into a function's zip, in which order, and what is too much; the wheels are tried elsewhere."""

from __future__ import annotations

import random
import re
import sys
import zipfile
from pathlib import Path

import pytest
from pgflow_lambda.packaging import package, wheels
from pgflow_lambda.packaging.archive import TooLarge, write_archive
from pgflow_lambda.packaging.platforms import Platform
from pgflow_lambda.packaging.sources import SourceMissing, copy_sources, find_sources
from pgflow_lambda.packaging.wheels import InstallFailed, install_wheels


@pytest.fixture
def project(tmp_path):
    """A project with a package, a module and data."""
    folder = tmp_path / "project"
    files = {
        "shop/__init__.py": "",
        "shop/flows.py": "a = 1\n",
        "shop/data/prices.csv": "1\n",
        "lone.py": "b = 2\n",
    }
    files |= {"shop/__pycache__/flows.pyc": "", "shop/.secret": "", "bin/tool": "", "x.dist-info/RECORD": ""}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def contents(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_the_same_files_make_the_same_bytes(project, tmp_path):
    first = write_archive(project, tmp_path / "one.zip")
    for path in project.rglob("*"):
        path.touch()
    (project / "shop/flows.py").chmod(0o600)
    second = write_archive(project, tmp_path / "elsewhere" / "two.zip")
    assert first.path.read_bytes() == second.path.read_bytes()
    names = contents(first.path)
    assert names == sorted(names)
    assert not [name for name in names if re.search(r"pycache|RECORD", name)]
    assert "bin/tool" in names
    assert (first.files, first.zipped) == (len(names), first.path.stat().st_size)


def test_what_lambda_would_not_take_is_not_written_and_the_biggest_are_named(project, tmp_path):
    (project / "weights.bin").write_bytes(random.Random(1).randbytes(200_000))
    target = tmp_path / "function.zip"
    for limit, how in (("unzipped_limit", "unpacked"), ("zipped_limit", "as a zip")):
        with pytest.raises(
            TooLarge, match=rf"{how}, and Lambda takes .*The biggest are weights\.bin \(0\.2 MB\)"
        ):
            write_archive(project, target, **{limit: 100_000})
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_a_package_goes_along_whole_a_module_alone_and_pgflow_too(project, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    copy_sources(root, find_sources(["shop.flows", "lone"], [tmp_path, project], [project / "bin"]))
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("pgflow")} == {
        "bin/tool",
        "lone.py",
        "shop/__init__.py",
        "shop/data/prices.csv",
        "shop/flows.py",
    }
    assert {"pgflow/runtime/aws_lambda.py", "pgflow_lambda/__init__.py"} <= found


def test_a_program_that_is_included_stays_one(project, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    tool = project / "bin/tool"
    tool.chmod(0o755)
    copy_sources(root, find_sources(["lone"], [project], [tool, project / "bin"]))
    made = write_archive(root, tmp_path / "function.zip")
    with zipfile.ZipFile(made.path) as archive:
        modes = {name: archive.getinfo(name).external_attr >> 16 for name in ("tool", "bin/tool", "lone.py")}
    assert modes == {"tool": 0o755, "bin/tool": 0o755, "lone.py": 0o644}


def test_commands_of_wheels_are_left_behind(tmp_path, monkeypatch):
    pip = tmp_path / "pip.py"
    pip.write_text(
        "import pathlib, sys\n"
        "(target,) = [pathlib.Path(each[9:]) for each in sys.argv if each.startswith('--target=')]\n"
        "for name in ('bin', 'wheel'):\n"
        "    (target / name).mkdir()\n"
        "    (target / name / 'it').touch()\n"
    )
    monkeypatch.setattr(wheels, "_pip", lambda: [sys.executable, str(pip)])
    root = tmp_path / "root"
    root.mkdir()
    install_wheels(root, Platform("3.13"), [], with_postgres=False)
    assert [path.name for path in root.iterdir()] == ["wheel"]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("shop.none", "module shop.none is not in "),
        ("shop/flows.py", "is no name of a module"),
        ("x", "not in"),
    ],
)
def test_a_module_that_is_not_there_is_named_before_anything_is_fetched(
    project, tmp_path, monkeypatch, module, message
):
    monkeypatch.setattr(wheels, "_pip", lambda: pytest.fail("pip was asked"))
    with pytest.raises(SourceMissing, match=message):
        package([module], tmp_path / "function.zip", folders=[project], platform=Platform())


def test_wheels_are_those_of_the_runtimes_system():
    assert Platform("3.11").tags()[0] == "manylinux_2_26_x86_64"
    arm = Platform("3.13", "arm64")
    assert (arm.runtime, arm.tags()[0], arm.tags()[-1]) == (
        "python3.13",
        "manylinux_2_34_aarch64",
        "manylinux2014_aarch64",
    )


def test_without_pip_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InstallFailed, match="there is no pip"):
        install_wheels(tmp_path, Platform(), [], with_postgres=False)
