"""What each check asks of an executor, in the words of its contract; and how a breach of it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn

import pytest

__all__ = ["CHECKS", "breach", "expect"]

CONTRACT: Final = "docs/reference/executor-contract.md"

CHECKS: Final[Mapping[int, str]] = {
    1: "an attempt that is launched starts, runs and completes once",
    2: "launching the same attempt twice runs its code once",
    3: "a launch whose answer is lost is Unknown, or Accepted if the executor looked; never Rejected",
    4: "a throttled launch is Rejected('throttled') with the retry_after it was told, and costs nothing",
    5: "what the remote place will never take is Rejected('permanent'), denied access Rejected('operator')",
    6: "one launch is one remote request: the core is the only one that tries again",
    7: "launch bounds its own calls: one that is not answered in time is Unknown",
    8: "observe answers NOT_FOUND or UNKNOWN for what it does not know, and never raises",
    9: "observe looks at many attempts with few requests",
    10: "cancel of something unknown, not started or cancelled before is no error, and stops the code",
    11: "an executor that was just started sees what the one before it launched",
    12: "a handle is JSON of at most 4 KiB that comes back as it went",
    13: "token and input are in no log, repr, handle, message, name or label",
    14: "an input too large to go along is fetched at the handshake",
    15: "the report of an attempt that was replaced changes nothing",
    16: "code that ends without a report is noticed, and the task is tried again",
    17: "an attempt past its time-out frees its slot",
    18: "aclose leaves no task, thread or open file behind",
    19: "settings and step options refuse keys they do not know",
    20: "amid faults, two dispatchers run each attempt at most once and each task to its end",
}


def expect(number: int, holds: object, did: str) -> None:
    """Fail the check, in words, unless something holds."""
    if not holds:
        breach(number, did)


def breach(number: int, did: str) -> NoReturn:
    """Fail the check: say what the executor did, what its contract asks, and where that is written."""
    pytest.fail(f"check {number}: {did}\nThe contract: {CHECKS[number]}.\nSee {CONTRACT}", pytrace=False)
