"""The wiring of the atlas: which step takes what from which."""

from __future__ import annotations

from datetime import timedelta

from pgflow import Node, contains, flow, map_step, step

from examples.atlas.duplicates import find_duplicates
from examples.atlas.facts import inspect_file
from examples.atlas.files import discover
from examples.atlas.functions import measure_functions
from examples.atlas.keywords import index_keywords, save_index
from examples.atlas.languages import count_languages
from examples.atlas.links import check_links, describe_problems
from examples.atlas.model import Folder, Report
from examples.atlas.report import write_report

__all__ = ["atlas"]


@flow
def atlas(folder: Node[Folder]) -> Node[Report]:
    """Read every text file of a folder and report on them all."""
    files = step(discover, folder)
    facts = map_step(inspect_file, files)

    languages = step(count_languages, facts)
    keywords = step(index_keywords, facts)
    links = step(check_links, folder, facts)
    duplicates = step(find_duplicates, facts)
    functions = step(measure_functions, facts)

    # Refused once, on purpose: see save_index.
    index = step(save_index, folder, keywords, max_attempts=3, base_delay=timedelta(milliseconds=300))
    problems = step(describe_problems, links, when=contains(links, {"has_broken": True}))

    return step(write_report, folder, languages, index, links, problems.or_none(), duplicates, functions)
