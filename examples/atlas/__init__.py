"""The demo: an atlas of a folder of sources, as one HTML page.

    python -m examples.atlas [FOLDER] [--open]

It finds the text files of a folder, reads each in a task of its own, looks at them from five sides at once,
lists broken links only if there are any, and writes a report.
"""

from examples.atlas.flow import atlas

__all__ = ["atlas"]
