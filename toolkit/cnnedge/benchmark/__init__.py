"""Benchmarks: protocols over an engine, in fresh processes, every sample kept.

The folder is not named after its function: `cnnedge.bench` is the function, always.
"""

from .device import Case, Device
from .local import LocalDevice
from .protocols import PROTOCOLS, Protocol, get_protocol
from .rounds import Failure, Outcome
from .session import bench, cases_of, measure_all, run_cases

__all__ = [
    "PROTOCOLS",
    "Case",
    "Device",
    "Failure",
    "LocalDevice",
    "Outcome",
    "Protocol",
    "bench",
    "cases_of",
    "get_protocol",
    "measure_all",
    "run_cases",
]
