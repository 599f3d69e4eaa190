"""What keeps edge functions from running steps, for `pgflow doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, cast
from urllib.parse import urlsplit

import httpx
from pgflow.executor import DeployedStep, Hindrance, Rejected, ReportTarget, Unknown

from pgflow_supabase.answers import judge
from pgflow_supabase.calling import Functions
from pgflow_supabase.settings import PAID_WALL_CLOCK, SupabaseSettings, SupabaseStepOptions, is_here
from pgflow_supabase.transport import AddressRefused

__all__ = ["check_functions", "check_settings", "check_timeouts"]

_PROBE: Final = "pgflow-doctor"


def check_settings(settings: SupabaseSettings, report_to: ReportTarget) -> Iterator[Hindrance]:
    """Say what of the addresses lets nothing through, or too much."""
    there = urlsplit(report_to.url or "")
    if settings.is_exposed:
        found = f"{settings.url} is http: keys, signatures and attempt tokens can be read on the way"
        yield Hindrance("url", found, "use https, unless you trust the network between", "warning")
    if settings.is_remote and is_here(there.hostname):
        found = f"functions of {settings.url} are to report to {report_to.url}, which is their own machine"
        yield Hindrance("report_to", found, "set public_url in [api] to an address that they reach")
    elif there.scheme == "http" and not is_here(there.hostname):
        found = f"functions report to {report_to.url} without encryption: tokens and outputs can be read"
        yield Hindrance("report_to", found, "put https before the completion API", "warning")


def check_timeouts(settings: SupabaseSettings, steps: Iterable[DeployedStep]) -> Iterator[Hindrance]:
    """Compare what attempts may take with what the platform lets a worker live."""
    for step in steps:
        asked, life = step.timeout.total_seconds(), settings.wall_clock
        if asked <= life / 2:
            continue
        found = (
            f"its timeout is {asked:g} s; a worker lives {life:g} s and takes requests for half of them, "
            f"so an attempt may have as little as {life / 2:g} s before it is killed"
        )
        mend = f"lower its timeout to {life / 2:g} s or split the step"
        if life < PAID_WALL_CLOCK:
            mend += f"; on a paid plan, set wall_clock = {PAID_WALL_CLOCK:g}"
        yield Hindrance(
            f"{step.flow_slug}.{step.step_slug}", found, mend, "error" if asked > life else "warning"
        )


async def check_functions(functions: Functions, steps: Iterable[DeployedStep]) -> Sequence[Hindrance]:
    """Knock at every function with a signed request that starts nothing."""
    options = [cast("SupabaseStepOptions", step.options) for step in steps]
    asked = sorted({(each.function, each.region or "") for each in options})
    answers = await asyncio.gather(*(_knock(functions, name, region or None) for name, region in asked))
    return [answer for answer in answers if answer is not None]


async def _knock(functions: Functions, name: str, region: str | None) -> Hindrance | None:
    """Whoever answers that an empty object is no envelope has read the signature, and found it right."""
    try:
        answer = await functions.post(SupabaseStepOptions(function=name, region=region), b"{}", _PROBE)
    except AddressRefused as error:
        return Hindrance(name, str(error), "mend `url`")
    except (httpx.HTTPError, TimeoutError) as error:
        return Hindrance(
            name, f"no answer: {type(error).__name__} {error}".strip(), "mend `url`, or start it"
        )
    if answer.status == 422 and answer.code == "ENVELOPE_INVALID":
        return None
    result = judge(answer, _PROBE)
    found = result.reason if isinstance(result, Rejected | Unknown) else f"HTTP {answer.status}"
    if answer.code.startswith(("SECRET_", "SIGNATURE_")):
        mend = "give both the same secret: signing_secret here, PGFLOW_SIGNING_SECRET of the functions"
        return Hindrance(name, found.partition("; ")[0], mend)
    if answer.status == 404:
        return Hindrance(name, found, f"deploy it: `supabase functions deploy {name}`")
    mend = f"docs/reference/supabase.md says what it means; the log of {name} says more"
    return Hindrance(name, found, mend)
