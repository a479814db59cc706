"""Engines: a model file in, raw outputs out, and the truth about what ran where."""

from .agreement import AgreementCheck
from .base import DELEGATES, PRECISIONS, Engine, random_input, random_inputs
from .loading import load_engine
from .report import Agreement, DelegateReport, PassedOver, Ran
from .runtime import AUTO, CPU, ENGINES, EXACT, Runtime

__all__ = [
    "AUTO",
    "CPU",
    "DELEGATES",
    "ENGINES",
    "EXACT",
    "PRECISIONS",
    "Agreement",
    "AgreementCheck",
    "DelegateReport",
    "Engine",
    "PassedOver",
    "Ran",
    "Runtime",
    "load_engine",
    "random_input",
    "random_inputs",
]
