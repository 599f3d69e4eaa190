"""The package among a project's functions."""

from __future__ import annotations

import pytest
from pgflow_supabase.__main__ import main

from .test_typescript import PACKAGE, deno


def test_the_package_is_put_among_the_functions_and_renewed(tmp_path, capsys):
    (tmp_path / "_shared/pgflow").mkdir(parents=True)
    (tmp_path / "_shared/pgflow/old.ts").write_text("")
    main(["add", str(tmp_path)])
    target = tmp_path / "_shared" / "pgflow"
    assert capsys.readouterr().out == f"wrote {target}\n"
    assert {path.name for path in target.iterdir()} == {path.name for path in PACKAGE.glob("src/*.ts")}
    (tmp_path / "images").mkdir()
    (tmp_path / "images/index.ts").write_text(
        'import { serve } from "../_shared/pgflow/mod.ts";\nserve({});\n'
    )
    deno("check", "images/index.ts", cwd=tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["add", str(tmp_path / "nowhere")])
    assert ended.value.code == 2
    assert "nowhere is no folder of functions" in capsys.readouterr().err
