"""Options that belong together, as one value.

Options of click and a frozen dataclass enter; a decorator leaves, that hands a command the
dataclass in place of a keyword for each option.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

from . import output

Decorator = Callable[[output.F], output.F]


def gathered(
    into: Callable[..., Any],
    keyword: str,
    options: tuple[Decorator[Any], ...],
    names: Mapping[str, str] | None = None,
) -> Callable[[output.F], output.F]:
    """A decorator: `options`, in the order of --help, as the command's one `keyword`.

    into: the dataclass. names: what click calls options, and the fields they are; all fields by
    their own names where it is left out.
    """
    fields = names or {f.name: f.name for f in dataclasses.fields(cast(Any, into))}

    def decorate(function: output.F) -> output.F:
        @functools.wraps(function)
        def command(*arguments: Any, **keywords: Any) -> Any:
            given = {field: keywords.pop(name) for name, field in fields.items()}
            return function(*arguments, **{keyword: into(**given)}, **keywords)

        for option in reversed(options):
            command = option(command)
        return cast(output.F, command)

    return decorate
