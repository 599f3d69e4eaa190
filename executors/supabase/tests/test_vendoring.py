"""The package among a project's functions."""

from __future__ import annotations

from click.testing import CliRunner
from pgflow_supabase.commands.edge import command

from .tools import PACKAGE, deno


def test_the_package_is_put_among_the_functions_and_renewed(tmp_path):
    (tmp_path / "_shared/pgflow").mkdir(parents=True)
    (tmp_path / "_shared/pgflow/old.ts").write_text("")
    done = CliRunner().invoke(command, ["add", str(tmp_path)])
    target = tmp_path / "_shared" / "pgflow"
    assert done.output == f"wrote {target}\n"
    assert {path.name for path in target.iterdir()} == {path.name for path in PACKAGE.glob("src/*.ts")}
    (tmp_path / "images").mkdir()
    (tmp_path / "images/index.ts").write_text(
        'import { serve } from "../_shared/pgflow/mod.ts";\nserve({});\n'
    )
    deno("check", "images/index.ts", cwd=tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    done = CliRunner().invoke(command, ["add", str(tmp_path / "nowhere")])
    assert done.exit_code == 2
    assert "nowhere' does not exist" in done.output
