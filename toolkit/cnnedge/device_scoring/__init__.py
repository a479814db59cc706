"""Accuracy on a device: predictions computed there, held against those computed here.

A target, a model file and a data set enter; the eval contract with what differs leaves.
"""

from .differences import differences
from .predictions import Predictions
from .session import EvaluationThere, There, evaluate_there, pixels_apart, predict_both

__all__ = [
    "EvaluationThere",
    "Predictions",
    "There",
    "differences",
    "evaluate_there",
    "pixels_apart",
    "predict_both",
]
