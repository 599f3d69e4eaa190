"""Takes out of a pod's log what looks like a secret: whoever observes does not know those of the pod."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["redacted"]

_MARK: Final = "[redacted]"
_MOST: Final = 65_536
_SECRETS: Final = re.compile(
    r"""
    (?P<kept>
        \bbearer\s+                                                   # Authorization: Bearer ...
      | \b(?:[A-Z0-9_]*(?:TOKEN|PASSWORD|SECRET|API_?KEY))["']?\s*[=:]\s*["']?   # TOKEN=..., "apikey": "..."
      | \b[a-z][a-z0-9+]*://[^\s:/@]*:(?=[^\s/@]+@)                    # postgres://user:...@
    )
    [^\s"',;@]+
    | \beyJ[\w-]{8,}\.[\w-]+\.[\w-]*                                  # a JWT
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                   # an AWS key
    | \bsb_secret_\w+
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redacted(log: str) -> str:
    """Return the end of a log, at most 64 KiB, without what looks like a secret."""
    tail = _SECRETS.sub(lambda found: f"{found['kept'] or ''}{_MARK}", log)
    return tail.encode()[-_MOST:].decode(errors="ignore")
