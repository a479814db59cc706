"""Benchmarks: protocols over an engine, in fresh processes, every sample kept.

The folder is not named after its function: `cnnedge.bench` is the function, always.
"""

from .device import Case, Device
from .local import LocalDevice
from .protocols import PROTOCOLS, Protocol, get_protocol
from .result import Result, read_results
from .rounds import Failure, Outcome
from .session import bench, cases_of, cases_on, each_runtime, measure_all, run_cases

__all__ = [
    "PROTOCOLS",
    "Case",
    "Device",
    "Failure",
    "LocalDevice",
    "Outcome",
    "Protocol",
    "Result",
    "bench",
    "cases_of",
    "cases_on",
    "each_runtime",
    "get_protocol",
    "measure_all",
    "read_results",
    "run_cases",
]
