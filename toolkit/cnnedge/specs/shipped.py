"""Finding definitions: a plain name is a shipped one; a slash or a suffix makes it a path."""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path
from typing import Literal

from .. import given_files
from ..errors import SpecError, one_line
from .composing import MOST_CHARACTERS
from .limits import closest

Kind = Literal["recipes", "models", "devices"]


def names(kind: Kind) -> list[str]:
    """The shipped names of one kind, sorted."""
    folder = resources.files(importlib.import_module(f"cnnedge.{kind}"))
    found = (entry.name for entry in folder.iterdir())
    return sorted(name[: -len(".yaml")] for name in found if name.endswith(".yaml"))


def is_path(name: str) -> bool:
    """Whether `name` is a path and not a shipped name: never both."""
    return "/" in name or "\\" in name or Path(name).suffix != ""


def read_text(path: Path) -> str:
    """The text of a definition, of no more than is read. Raises OSError, UnicodeDecodeError."""
    data = given_files.read(path, at_most=4 * MOST_CHARACTERS)
    return data.decode("utf-8").replace("\r\n", "\n")


def read(kind: Kind, name: str) -> tuple[str, str]:
    """The YAML text of a definition and the place to name in messages. Raises SpecError."""
    singular = kind[:-1]
    if is_path(name):
        path = given_files.expanded(name)
        try:
            return read_text(path), str(path)
        except FileNotFoundError:
            raise SpecError(
                f"{path}: there is no such {singular} file. Name a shipped {singular} without "
                f"slash and suffix: {', '.join(names(kind))}"
            ) from None
        except OSError as error:
            why = error.strerror or error
            raise SpecError(f"{path}: cannot read this {singular} file: {why}") from None
        except UnicodeDecodeError as error:
            raise SpecError(
                f"{path}: this {singular} file is not UTF-8 text (byte {error.start:,}); save it "
                "as UTF-8"
            ) from None
    if name not in names(kind):
        raise SpecError(
            f"there is no shipped {singular} '{one_line(name, 80)}'.{closest(name, names(kind))} "
            f"Shipped: {', '.join(names(kind))}. A file of your own needs a slash or a suffix: "
            f"./{one_line(name, 80)}.yaml"
        )
    folder = resources.files(importlib.import_module(f"cnnedge.{kind}"))
    return (folder / f"{name}.yaml").read_text(encoding="utf-8"), f"{kind}/{name}.yaml"
