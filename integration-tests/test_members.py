"""Every member of the workspace has the scripts of the root, by the same names."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))["envs"]["default"]


def members() -> list[Path]:
    named = [each if isinstance(each, str) else each["path"] for each in WORKSPACE["workspace"]["members"]]
    found = [path for pattern in named for path in ROOT.glob(pattern)]
    return sorted(path for path in found if (path / "pyproject.toml").is_file())


def test_every_member_takes_its_scripts_from_one_file():
    assert len(members()) >= 4
    for member in members():
        config = tomllib.loads((member / "hatch.toml").read_text(encoding="utf-8"))
        assert config.keys() == {"env"}, member
        (collector,) = config["env"]["collectors"].values()
        assert (member / collector["path"]).resolve() == ROOT / "member_scripts.py"


def test_the_scripts_of_members_are_named_as_those_of_the_root():
    module = ast.parse((ROOT / "member_scripts.py").read_text(encoding="utf-8"))
    (scripts,) = (
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SCRIPTS"
    )
    assert scripts.keys() == {"test", "lint", "types", "format"}
    assert scripts.keys() <= WORKSPACE["scripts"].keys()
