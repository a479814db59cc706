"""Learning rate and optimizer, from the recipe."""

from __future__ import annotations

import math
from typing import Any

from ..specs import Schedule, Training
from . import fused


def rate(schedule: Schedule, base: float, epoch: float, epochs: int) -> float:
    """The learning rate at a moment counted in epochs (1.5: in the middle of the second)."""
    if epoch < schedule.warmup_epochs:
        return base * max(epoch / schedule.warmup_epochs, 1e-3)
    if schedule.name == "step":
        return base * schedule.step_factor ** int(epoch / schedule.step_epochs)
    if schedule.name == "cosine":
        span = max(epochs - schedule.warmup_epochs, 1e-9)
        progress = min((epoch - schedule.warmup_epochs) / span, 1.0)
        low = schedule.final_fraction
        return base * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))
    return base


def make_optimizer(training: Training, learning_rate: float) -> Any:
    """The Keras optimizer; its rate is set before every step by `rate`."""
    spec = training.optimizer
    if spec.name == "sgd":
        return fused.sgd(learning_rate, spec.momentum, spec.nesterov)
    if spec.name == "adam":
        return fused.adam(learning_rate)
    optimizer = fused.adamw(learning_rate, spec.weight_decay)
    # Biases and batch-norm scales are few and not what overfits; decaying them only hurts.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
