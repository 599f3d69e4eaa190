"""Configured instances: settings and step options are checked, and the message names the key."""

from typing import Any, cast

import pytest
from pgflow.errors import ConfigError, DefinitionError
from pgflow.executor import Executor
from pgflow.plugins import PluginProblem, Plugins, configure
from pydantic import BaseModel, ConfigDict, SecretStr


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    namespace: str
    replicas: int = 1
    password: SecretStr | None = None


class StepOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    memory_mb: int = 128


class Cluster:
    name = "cluster"
    Settings = Settings
    StepOptions = StepOptions


PLUGINS = Plugins(executors={"cluster": cast("type[Executor]", Cluster)})


def gpu(**settings: Any):
    return configure(PLUGINS, "gpu", "cluster", settings)


def test_an_instance_has_its_own_name_and_checked_settings():
    instance = gpu(namespace="gpu", replicas=3)
    assert instance.name == "gpu"
    assert instance.executor is Cluster
    assert instance.settings == Settings(namespace="gpu", replicas=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"namspace": "x", "namespace": "x"}, "unknown setting `namspace`; did you mean `namespace`?"),
        (
            {"namespace": "x", "q": 1},
            "unknown setting `q`; known settings are: namespace, replicas, password",
        ),
        ({}, "setting `namespace` is missing"),
        ({"namespace": "x", "replicas": "many"}, "setting `replicas` is wrong"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(ConfigError) as raised:
        gpu(**settings)
    assert str(raised.value).startswith("executors.gpu: ")
    assert message in str(raised.value)


def test_a_wrong_value_is_not_shown():
    with pytest.raises(ConfigError) as raised:
        gpu(namespace="x", password={"hunter2": 1})
    assert "`password` is wrong" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_an_unknown_executor_names_what_there_is_and_what_is_broken():
    problem = PluginProblem("tape", "pgflow-tape", "1.0", "cannot be imported", "reinstall it")
    plugins = Plugins(executors=PLUGINS.executors, problems=[problem])
    with pytest.raises(ConfigError) as raised:
        configure(plugins, "night", "tape", {})
    message = str(raised.value)
    assert message.startswith("executors.night.use: no executor 'tape' is installed (there are: cluster)")
    assert "plugin 'tape' of pgflow-tape 1.0: cannot be imported; reinstall it" in message


def test_step_options_are_checked_and_the_key_is_named():
    instance = gpu(namespace="gpu")
    assert instance.step_options({"memory_mb": 512}) == StepOptions(memory_mb=512)
    with pytest.raises(
        DefinitionError, match=r"executor 'gpu': unknown option `memory`; did you mean `memory_mb`"
    ):
        instance.step_options({"memory": 512})
