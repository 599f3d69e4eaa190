"""Whether a dispatcher is ready, and what it says of executors that are refused."""

from pgflow.dispatcher import DispatcherStatus, LaneStatus
from pgflow.dispatcher.tally import Tally
from pgflow.http.readiness import dispatcher_parts


def executors_of(**refused):
    lanes = tuple(LaneStatus(name, 1, 0, 0, Tally(), refused=reason) for name, reason in refused.items())
    status = DispatcherStatus("w", "running", True, True, 0, (), lanes, ())
    return {part.name: part for part in dispatcher_parts(status)}["executors"]


def test_an_executor_that_is_refused_is_named_with_the_reason():
    part = executors_of(local=None, edge="403: no permission to invoke")
    assert part.ok
    assert "edge (403: no permission to invoke)" in part.reason
    assert "refused" not in executors_of(local=None).reason


def test_a_dispatcher_whose_every_executor_is_refused_is_not_ready():
    assert not executors_of(edge="403").ok
