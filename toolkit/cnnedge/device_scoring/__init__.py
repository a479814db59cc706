"""Accuracy on a device: predictions computed there, held against those computed here.

A target, a model file and a data set enter; the eval contract with what differs leaves.
"""

from .session import evaluate_there

__all__ = ["evaluate_there"]
