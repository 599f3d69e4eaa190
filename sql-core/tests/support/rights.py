"""Whose rights a statement of a test has: for a verb, those of the role that calls it in production."""

from __future__ import annotations

import re

_VERBS = {
    "pgflow_deployer": ("define_flow", "delete_flow", "open_flow", "close_flow"),
    "pgflow_client": (
        *("run_flow", "run_flows", "start_step", "cancel_run", "retry_run", "pause_run", "resume_run"),
        *("get_run", "get_progress", "list_runs"),
    ),
    "pgflow_dispatcher": (
        *("claim_step_tasks", "exchange_step_tasks", "report_step_tasks", "record_launches"),
        *("due_launches", "observe_launches", "lane_state"),
        *("next_wake_at", "maintain", "postpone_lease_expiry", "pause_executor", "resume_executor"),
        *("prune_runs", "backlog", "sweep_lag", "queue_waits"),
    ),
    "pgflow_worker": (
        *("start_step_task", "heartbeat_step_tasks", "complete_step_task", "fail_step_task"),
        *("release_step_tasks", "claim_with_key"),
    ),
    "pgflow_user": ("start_flow",),
    "pgflow_viewer": ("check_invariants",),
    "pgflow_owner": ("create_worker_key", "revoke_worker_key"),
}
_ROLE_OF = {verb: role for role, verbs in _VERBS.items() for verb in verbs}
_OWN = re.compile(r"\s*set (?:session |local )?(?:role|session authorization)\b")
_QUERY = re.compile(r"\s*(?:select|with|explain)\b")
_CHANGE = re.compile(r"\s*(?:insert|update|delete)\b")
_CALL = re.compile(r"\bpgflow\.(\w+)\s*\(")


def sets_a_role(query: str) -> bool:
    """Tell whether a statement makes the session somebody of the test's own choice."""
    return _OWN.match(query) is not None


def is_query(query: str) -> bool:
    """Tell whether a statement may be one of several in a message."""
    return bool(_QUERY.match(query) or _CHANGE.match(query))


def role_of(query: str) -> str | None:
    """Return the role that calls the verbs of a query; None for whatever else, which is the owner's.

    A query with verbs of several roles is for who has them all.
    """
    if _QUERY.match(query) is None:
        return None
    roles = {_ROLE_OF[verb] for verb in _CALL.findall(query) if verb in _ROLE_OF}
    return roles.pop() if len(roles) == 1 else "pgflow_owner" if roles else None
