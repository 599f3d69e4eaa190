"""Pages of other origins: off unless listed, and then the verbs alone."""

from __future__ import annotations

import pytest
from pgflow.api.settings import ApiSettings
from pydantic import ValidationError

APP = "https://app.example.com"
ASKS = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def test_nothing_is_allowed_unless_listed(api, key):
    asked = api.http.options("/v1/tasks/claim", headers=ASKS)
    assert asked.status_code == 405
    answer = api.http.post(
        "/v1/tasks/claim",
        json={"executor": "local", "worker_id": "w"},
        headers={"Authorization": f"Bearer {key}", "Origin": APP},
    )
    for each in (asked, answer):
        assert not [name for name in each.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("verb", ["claim", "start", "heartbeat", "complete", "fail", "release"])
def test_a_listed_origin_may_call_every_verb_and_read_its_refusals(serve, verb):
    api = serve(cors_origins=[APP])
    asked = api.http.options(f"/v1/tasks/{verb}", headers=ASKS)
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == APP
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"].lower()
    refused = api.http.post(f"/v1/tasks/{verb}", json={}, headers={"Origin": APP})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, APP)
    assert "Access-Control-Allow-Credentials" not in refused.headers


def test_another_origin_is_refused(serve):
    api = serve(cors_origins=[APP])
    asked = api.http.options("/v1/tasks/claim", headers={**ASKS, "Origin": "https://evil.example"})
    assert asked.status_code == 400
    assert "Access-Control-Allow-Origin" not in asked.headers


def test_other_paths_stay_closed_to_pages(serve):
    api = serve(cors_origins=[APP])
    answer = api.http.get("/openapi.json", headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", ["app.example.com", "https://app.example.com/", "ftp://x", ""])
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ValidationError):
        ApiSettings(cors_origins=[origin])
