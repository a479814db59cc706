"""Recipes, models, device profiles and the resize rule: strict YAML into frozen dataclasses."""

from .device import DeviceProfile, parse_device
from .model import LayerSpec, ModelSpec, parse_model
from .pixels import InputSize, Preprocess
from .recipe import (
    AllStage,
    Augmentation,
    Calibration,
    Conversion,
    DataSpec,
    EarlyStopping,
    HeadStage,
    Optimizer,
    Recipe,
    Schedule,
    Splits,
    TopStage,
    Training,
    VariantName,
    dump,
    named,
    parse_recipe,
    plain,
)

__all__ = [
    "AllStage",
    "Augmentation",
    "Calibration",
    "Conversion",
    "DataSpec",
    "DeviceProfile",
    "EarlyStopping",
    "HeadStage",
    "InputSize",
    "LayerSpec",
    "ModelSpec",
    "Optimizer",
    "Preprocess",
    "Recipe",
    "Schedule",
    "Splits",
    "TopStage",
    "Training",
    "VariantName",
    "dump",
    "named",
    "parse_device",
    "parse_model",
    "parse_recipe",
    "plain",
]
