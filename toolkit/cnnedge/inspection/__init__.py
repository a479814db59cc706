"""What is known about a model before it runs: what each delegate takes, memory, layers."""

from .delegation import Forecast, Left, forecasts
from .layers import LayerCost
from .memory import ArenaPlan, plan_arena
from .report import Inspection, inspect_model

__all__ = [
    "ArenaPlan",
    "Forecast",
    "Inspection",
    "LayerCost",
    "Left",
    "forecasts",
    "inspect_model",
    "plan_arena",
]
