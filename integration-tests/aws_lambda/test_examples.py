"""The SAM template and the Terraform example: valid, alike, and no right too many."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest
from pgflow_lambda.packaging import HANDLER
from pgflow_lambda.packaging.platforms import PYTHONS

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "examples" / "lambda"
RIGHTS_OF_THE_FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents"}
RIGHTS_OF_THE_DISPATCHER = {"lambda:InvokeFunction", "lambda:GetFunctionEventInvokeConfig"}


@pytest.fixture(scope="module")
def template():
    from cfnlint.decode.cfn_yaml import load  # a second and sympy: not for those who only collect

    return load(str(FOLDER / "template.yaml"))["Resources"]


@pytest.fixture(scope="module")
def terraform():
    """Resources and data by type and name, with plain texts."""
    text = (FOLDER / "main.tf").read_text(encoding="utf-8")
    options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False)
    parsed = hcl2.loads(text, serialization_options=options)
    return {
        f"{kind}.{name}": body
        for block in (*parsed["resource"], *parsed["data"])
        for kind, named in block.items()
        for name, body in named.items()
    }


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def rights(document) -> set[str]:
    """The actions of a policy document of the template; each must be of named resources."""
    actions: set[str] = set()
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert "*" not in listed(statement["Resource"])
        actions |= set(listed(statement["Action"]))
    return actions


def test_the_template_gives_each_side_its_rights_and_no_other(template):
    role = template["FunctionRole"]["Properties"]
    assert "ManagedPolicyArns" not in role
    assert [rights(policy["PolicyDocument"]) for policy in role["Policies"]] == [RIGHTS_OF_THE_FUNCTION]
    dispatcher = template["DispatcherPolicy"]["Properties"]["PolicyDocument"]
    assert rights(dispatcher) == RIGHTS_OF_THE_DISPATCHER


def test_terraform_gives_each_side_its_rights_and_no_other(terraform):
    documents = {
        name.rpartition(".")[2]: {
            action for statement in body["statement"] for action in statement["actions"]
        }
        for name, body in terraform.items()
        if name.startswith("aws_iam_policy_document.")
    }
    assert documents == {
        "assume": {"sts:AssumeRole"},
        "logs": RIGHTS_OF_THE_FUNCTION,
        "dispatcher": RIGHTS_OF_THE_DISPATCHER,
    }
    resources = [
        resource
        for name, body in terraform.items()
        if name.startswith("aws_iam_policy_document.") and not name.endswith(".assume")
        for statement in body["statement"]
        for resource in statement["resources"]
    ]
    assert len(resources) == 4
    assert "*" not in resources
    attached = [body for name, body in terraform.items() if name.startswith("aws_iam_role_policy.")]
    assert [body["policy"] for body in attached] == ["${data.aws_iam_policy_document.logs.json}"]
    assert not [name for name in terraform if "attachment" in name]


def test_both_make_the_same_function_which_lambda_never_tries_again(template, terraform):
    sam, tf = template["Steps"]["Properties"], terraform["aws_lambda_function.steps"]
    pairs = {
        "Handler": "handler",
        "Runtime": "runtime",
        "Architectures": "architectures",
        "MemorySize": "memory_size",
        "Timeout": "timeout",
    }
    assert {key: sam[key] for key in pairs} == {key: tf[name] for key, name in pairs.items()}
    assert sam["Handler"] == HANDLER
    assert sam["Runtime"].removeprefix("python") in PYTHONS
    events = terraform["aws_lambda_function_event_invoke_config.live"]
    assert sam["EventInvokeConfig"] == {
        "MaximumRetryAttempts": events["maximum_retry_attempts"],
        "MaximumEventAgeInSeconds": events["maximum_event_age_in_seconds"],
    }
    assert events["maximum_retry_attempts"] == 0


def test_every_name_that_terraform_refers_to_is_there(terraform):
    referred = set(re.findall(r"\baws_\w+\.\w+", (FOLDER / "main.tf").read_text(encoding="utf-8")))
    assert referred <= set(terraform)
    unused = {"aws_iam_role_policy.logs", "aws_lambda_function_event_invoke_config.live"}
    assert set(terraform) - referred == unused


def test_cfn_lint_has_nothing_to_say():
    command = [str(Path(sys.executable).with_name("cfn-lint")), "-r", "eu-west-1", "us-east-1", "--"]
    done = subprocess.run(
        [*command, str(FOLDER / "template.yaml")], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_terraform_finds_the_example_valid(tmp_path):
    """Needs a folder of providers (a filesystem mirror), as registries are not asked in tests."""
    program, providers = shutil.which("terraform"), os.environ.get("PGFLOW_TEST_TERRAFORM_PROVIDERS")
    if program is None:
        pytest.skip("terraform is not installed")
    command = [program, "fmt", "-check", "-diff", str(FOLDER)]
    formatted = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    if providers is None:
        pytest.skip(
            "PGFLOW_TEST_TERRAFORM_PROVIDERS names no folder of providers: only the format was checked"
        )
    shutil.copy(FOLDER / "main.tf", tmp_path)
    (tmp_path / "function.zip").touch()
    for step in (["init", "-backend=false", f"-plugin-dir={providers}"], ["validate"]):
        command = [program, f"-chdir={tmp_path}", *step]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
