"""Benchmarks: protocols over an engine, in fresh processes, every sample kept.

The folder is not named after its function: `cnnedge.bench` is the function, always. Names are
imported when they are first used: a process that measures needs few of them, and many are started.
"""

from typing import TYPE_CHECKING

from ..lazy import names_from

if TYPE_CHECKING:
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

_HOMES = {
    "PROTOCOLS": "protocols",
    "Case": "device",
    "Device": "device",
    "Failure": "rounds",
    "LocalDevice": "local",
    "Outcome": "rounds",
    "Protocol": "protocols",
    "Result": "result",
    "bench": "session",
    "cases_of": "session",
    "cases_on": "session",
    "each_runtime": "session",
    "get_protocol": "protocols",
    "measure_all": "session",
    "read_results": "result",
    "run_cases": "session",
}

__getattr__ = names_from(__name__, _HOMES)
