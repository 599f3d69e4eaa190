"""What `pgflow --help` and every command's own help say, and that asking is cheap."""

import click
import pytest
from click.testing import CliRunner
from pgflow.cli.app import SECTIONS, app

COMMANDS = {name: text for commands in SECTIONS.values() for name, text in commands.items()}
GROUP = click.Context(app, info_name="pgflow")


def command(name: str) -> click.Command:
    found = app.get_command(GROUP, name)
    assert found is not None
    return found


def test_the_help_names_every_command_with_one_line():
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for name, text in COMMANDS.items():
        assert f"  {name} " in shown.output
        assert text.split()[0] in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_line_of_its_own_help(name):
    help_text = (command(name).help or "").partition("\n")[0].strip()
    assert help_text == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_takes_json(name):
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"Example:\n  pgflow {name}" in shown.output
    assert "--json" in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    unexplained = [
        option.name for option in command(name).params if isinstance(option, click.Option) and not option.help
    ]
    assert unexplained == []


def test_an_unknown_command_is_answered_with_the_nearest():
    shown = CliRunner().invoke(app, ["deplyo"])
    assert shown.exit_code == 2
    assert "did you mean `deploy`?" in shown.output


def test_an_unknown_option_is_wrong_use():
    assert CliRunner().invoke(app, ["runs", "--nope"]).exit_code == 2


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert CliRunner().invoke(app, ["--version"]).output == f"pgflow, version {version('pgflow-core')}\n"
