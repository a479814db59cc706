"""HTML pages, by Jinja2, from the templates of a room and those that all pages share.

A folder of templates and what they show enter; the text of a page leaves. Every value is data and
is escaped, but for `Figure.svg`; a name that a template uses and nobody gives is an error. Jinja2
is imported when a page is made.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError
from . import text

if TYPE_CHECKING:
    from jinja2 import Environment

_SHARED = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart. svg: made of the pieces of `svg`, which escape texts; never anybody else's."""

    title: str
    svg: str
    note: str = ""


def require_jinja2() -> None:
    """Raises MissingExtraError without Jinja2; to be asked before hours are spent on a page."""
    if importlib.util.find_spec("jinja2") is None:
        raise MissingExtraError(
            "a report in HTML needs Jinja2, which is not installed. Install it: "
            "pip install 'Jinja2>=3.1'"
        )


def render(folder: Path, template: str, **shown: Any) -> str:
    """A page of a room's templates. shown: what they name. Raises MissingExtraError."""
    require_jinja2()
    return _environment(folder).get_template(template).render(shown)


@functools.cache
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([folder, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (text.decibels, text.format_count, text.format_size, text.number, script_sha256)
    made.filters |= {function.__name__: function for function in shown}
    return made


def _as_text(value: Any) -> Any:
    """What is written in place of a value, before it is escaped: of markup, the markup itself."""
    return value if hasattr(value, "__html__") else text.cleaned(value)


def script_sha256(script: str) -> str:
    """A script's digest, as a content policy wants it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
