"""Benchmarks: protocols over an engine, in fresh processes, every sample kept.

The module itself can be called, as its `bench`: `cnnedge.bench` is this module once anything has
imported it, and the documented function before.
"""

import sys
from types import ModuleType
from typing import Any

from .local import Case, bench, run_cases
from .protocols import PROTOCOLS, Protocol, get_protocol

__all__ = ["PROTOCOLS", "Case", "Protocol", "bench", "get_protocol", "run_cases"]


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        return bench(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
