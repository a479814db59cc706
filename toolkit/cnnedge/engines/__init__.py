"""Engines: a model file in, raw outputs out, and the truth about what ran where."""

from .base import DelegateReport, Engine, load_engine, random_input
from .interpreter import ENGINES

__all__ = ["ENGINES", "DelegateReport", "Engine", "load_engine", "random_input"]
