"""The documentation names only commands and options that the command line has."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from cnnedge.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
# A command with its options: in a block of code or in backticks, up to a comment, pipe or quote.
CALL = re.compile(r"\bcnnedge ([a-z][a-z-]*)((?: +(?!\|\||&&)[^\n`#|;]*)?)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?:sh|text)?\n.*?^```$|^(?: {4}\S.*\n)+", re.MULTILINE | re.DOTALL)


def code(text: str) -> list[tuple[int, str]]:
    """(line, text) of all code of a page, with continued lines joined."""
    found = []
    blocks = re.finditer(
        r"^```(?:sh|text)?\n(.*?)^```$|^(?: {4}\S.*\n)+", text, re.MULTILINE | re.DOTALL
    )
    for block in blocks:
        joined = re.sub(r"\\\n\s*", " ", block[0])
        found.append((text.count("\n", 0, block.start()) + 1, joined))
    for inline in re.finditer(r"`([^`]+)`", FENCED.sub("", text)):
        found.append((0, inline[1]))
    return found


def options(command: click.Command) -> set[str]:
    names = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            names |= options(inner)
    return names | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    wrong = []
    for line, text in code(page.read_text("utf-8")):
        for call in CALL.finditer(text):
            name, words = call[1], call[2]
            if name not in COMMANDS:
                continue
            command = group.get_command(click.Context(group), name)
            assert command is not None
            given = re.findall(r"(?<!\S)(--[a-z][a-z0-9-]*)", words)
            wrong += [
                f"{page.name}:{line}: cnnedge {name} has no {option}"
                for option in given
                if option not in options(command)
            ]
    assert not wrong


def test_every_command_is_documented() -> None:
    texts = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert not [name for name in COMMANDS if f"cnnedge {name}" not in texts]


def test_every_option_has_a_help_text() -> None:
    context = click.Context(group)
    wrong = []

    def look(command: click.Command, name: str) -> None:
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.help:
                wrong.append(f"{name} {parameter.opts[0]}")
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                look(found, f"{name} {inner}")

    for name in COMMANDS:
        found = group.get_command(context, name)
        assert found is not None
        look(found, name)
    assert not wrong
