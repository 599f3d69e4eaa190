"""A hook of mkdocs: a picture from outside docs/ comes along; other links that leave it show their text."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File

_LINK: Final = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]+)\]\((?P<target>(?:\.\./)+[^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Keep the text of each link to a file outside docs/, and each picture."""
    folder = posixpath.dirname(page.file.src_uri)

    def kept(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link["target"]))
        if not target.startswith(".."):
            return link[0]
        if not link["picture"]:
            return link["text"]
        taken = f"pictures/{posixpath.basename(target)}"
        if files.get_file_from_path(taken) is None:
            files.append(File.generated(config, taken, abs_src_path=str(Path(config.docs_dir, target))))
        return f"![{link['text']}]({posixpath.relpath(taken, folder or '.')})"

    return _LINK.sub(kept, markdown)
