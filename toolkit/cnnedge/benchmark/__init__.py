"""Benchmarks: protocols over an engine, in fresh processes, every sample kept.

The folder is not named after its function: `cnnedge.bench` is the function, always.
"""

from .local import Case, bench, run_cases
from .protocols import PROTOCOLS, Protocol, get_protocol

__all__ = ["PROTOCOLS", "Case", "Protocol", "bench", "get_protocol", "run_cases"]
