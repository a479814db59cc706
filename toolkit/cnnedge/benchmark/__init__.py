"""Benchmarks: protocols over an engine, in fresh processes, every sample kept.

The folder is not named after its function: `cnnedge.bench` is the function, always.
"""

from .device import Case, Device
from .local import LocalDevice
from .protocols import PROTOCOLS, Protocol, get_protocol
from .session import bench, run_cases

__all__ = [
    "PROTOCOLS",
    "Case",
    "Device",
    "LocalDevice",
    "Protocol",
    "bench",
    "get_protocol",
    "run_cases",
]
