"""Settings and step options that cannot work are refused, with what mends them."""

from __future__ import annotations

import pytest
from pgflow.errors import ConfigError, DefinitionError

from .support import ARN

BAD_SETTINGS = [
    ({"endpoint_url": "ftp://x"}, "must be a url"),
    ({"endpoint_url": "https://user:pass@x.example.com"}, "without user or password"),
    ({"endpoint_url": "http://localstack:4566"}, "allow_insecure"),
    ({"on_failure_queue": "arn:aws:sqs:eu-west-3:123456789012:failed"}, "on_failure_queue must be a url"),
    ({"function": f"{ARN}:live", "qualifier": "live"}, "leave it out there"),
    ({"function": "a/b"}, "`function` is wrong"),
    ({"qualifier": "a b"}, "`qualifier` is wrong"),
    ({"region": "EU"}, "`region` is wrong"),
    ({"role_arn": "pgflow"}, "`role_arn` is wrong"),
    ({"role_external_id": "canary"}, "goes with role_arn"),
    ({"mode": "DryRun"}, "`mode` is wrong"),
    ({"sync_timeout": 900}, "`sync_timeout` is wrong"),
    ({"inline_below": 1_000_000}, "`inline_below` is wrong"),
    ({"conect_timeout": 3}, "did you mean `connect_timeout`"),
]


@pytest.mark.parametrize(("settings", "said"), BAD_SETTINGS)
def test_settings_that_cannot_work_are_refused(instance, settings, said):
    with pytest.raises(ConfigError, match=said) as refused:
        instance(**settings)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"function": ARN, "qualifier": "live"},
        {"function": f"{ARN}:$LATEST"},
        {"function": ARN.replace("arn:aws:", "arn:aws-us-gov:").replace("eu-west-3", "us-gov-west-1")},
        {"region": "us-gov-west-1"},
        {"role_arn": "arn:aws:iam::123456789012:role/team/pgflow", "role_external_id": "x"},
        {"endpoint_url": "http://localstack:4566", "allow_insecure": True},
    ],
)
def test_settings_that_can_work_are_taken(instance, settings):
    assert instance(**settings).settings


@pytest.mark.parametrize(
    "options",
    [
        {"function": ""},
        {"function": "../secrets"},
        {"function": "x" * 65},
        {"function": "ä"},
        {"function": "arn:aws:s3:::bucket"},
        {"function": f"{ARN}:7", "qualifier": "7"},
        {"qualifier": ""},
        {"mode": "event"},
        {"memory": 512},
    ],
)
def test_options_that_cannot_work_are_refused(instance, options):
    with pytest.raises(DefinitionError, match=f"{next(iter(options))}"):
        instance().step_options(options)
