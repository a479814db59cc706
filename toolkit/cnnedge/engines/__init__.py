"""Engines: a model file in, raw outputs out, and the truth about what ran where."""

from .agreement import AgreementCheck
from .base import DELEGATES, PRECISIONS, Engine, random_input, random_inputs
from .loading import ENGINES, load_engine
from .report import Agreement, DelegateReport, PassedOver

__all__ = [
    "DELEGATES",
    "ENGINES",
    "PRECISIONS",
    "Agreement",
    "AgreementCheck",
    "DelegateReport",
    "Engine",
    "PassedOver",
    "load_engine",
    "random_input",
    "random_inputs",
]
