"""The traceback of an exception as its author needs it: without the frames of what called their code."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Final

__all__ = ["user_traceback"]

_MOST_BYTES: Final = 8 * 1024
_CUT: Final = "... (cut)\n"

_PACKAGE: Final = Path(__file__).parent
_STANDARD: Final = Path(traceback.__file__).parent
#: Above the first frame of this file are those of the worker.
_CALL_FILE: Final = str(_PACKAGE / "runtime" / "call.py")
_NOT_USERS: Final = (
    *(
        f"{folder}{os.sep}"
        for folder in (_PACKAGE, *map(_STANDARD.joinpath, ("asyncio", "concurrent", "importlib")))
    ),
    "<frozen importlib",
)


def user_traceback(exception: BaseException) -> str:
    """Return the user's frames and the exceptions; of more than 8 KiB the last part, "" without a place."""
    try:
        shown = traceback.TracebackException.from_exception(exception)
        if not _keep_user_frames(shown):
            return ""
        text = "".join(shown.format())
    except Exception:  # formatting calls the user's __str__
        return ""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _MOST_BYTES:
        return text
    return _CUT + encoded[len(_CUT) - _MOST_BYTES :].decode("utf-8", "ignore")


def _keep_user_frames(shown: traceback.TracebackException) -> bool:
    """Drop the frames of worker and library, in causes too; return whether any place in a file is left."""
    frames = list(shown.stack)
    starts = [place for place, frame in enumerate(frames) if frame.filename == _CALL_FILE]
    frames = frames[starts[0] if starts else 0 :]
    shown.stack = traceback.StackSummary.from_list(
        [f for f in frames if not f.filename.startswith(_NOT_USERS)]
    )
    context = None if shown.__suppress_context__ else shown.__context__
    inner = [shown.__cause__, context, *(shown.exceptions or ())]
    kept = [_keep_user_frames(other) for other in inner if other is not None]
    # A SyntaxError names its place by itself.
    return bool(shown.stack) or getattr(shown, "filename", None) is not None or any(kept)
