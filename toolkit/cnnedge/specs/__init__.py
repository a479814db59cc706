"""Recipes, models, device profiles and the resize rule: strict YAML into frozen dataclasses.

These names are imported when they are first used: a device needs the resize rule alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import names_from

if TYPE_CHECKING:
    from .compress import ChannelSettings, Compression
    from .data import DataSpec, Splits
    from .device import DeviceProfile, parse_device
    from .model import LayerSpec, ModelSpec, parse_model
    from .pixels import InputSize, Preprocess
    from .recipe import (
        AllStage,
        Augmentation,
        Calibration,
        Conversion,
        EarlyStopping,
        HeadStage,
        Optimizer,
        Recipe,
        Schedule,
        TopStage,
        Training,
        dump,
        named,
        parse_recipe,
    )
    from .signals import Sample, SignalData, SignalSize, spoken
    from .style import Style
    from .values import plain
    from .variant import (
        FORMATS,
        TECHNIQUES,
        Channels,
        Cluster,
        Distil,
        Format,
        Prune,
        Qat,
        Technique,
        Variant,
        parse_variant,
    )

__all__ = [
    "FORMATS",
    "TECHNIQUES",
    "AllStage",
    "Augmentation",
    "Calibration",
    "ChannelSettings",
    "Channels",
    "Cluster",
    "Compression",
    "Conversion",
    "DataSpec",
    "DeviceProfile",
    "Distil",
    "EarlyStopping",
    "Format",
    "HeadStage",
    "InputSize",
    "LayerSpec",
    "ModelSpec",
    "Optimizer",
    "Preprocess",
    "Prune",
    "Qat",
    "Recipe",
    "Sample",
    "Schedule",
    "SignalData",
    "SignalSize",
    "Splits",
    "Style",
    "Technique",
    "TopStage",
    "Training",
    "Variant",
    "dump",
    "named",
    "parse_device",
    "parse_model",
    "parse_recipe",
    "parse_variant",
    "plain",
    "spoken",
]

_HOMES = {
    "AllStage": "recipe",
    "Augmentation": "recipe",
    "Calibration": "recipe",
    "ChannelSettings": "compress",
    "Channels": "variant",
    "Cluster": "variant",
    "Compression": "compress",
    "Conversion": "recipe",
    "DataSpec": "data",
    "DeviceProfile": "device",
    "Distil": "variant",
    "EarlyStopping": "recipe",
    "FORMATS": "variant",
    "Format": "variant",
    "HeadStage": "recipe",
    "InputSize": "pixels",
    "LayerSpec": "model",
    "ModelSpec": "model",
    "Optimizer": "recipe",
    "Preprocess": "pixels",
    "Prune": "variant",
    "Qat": "variant",
    "Recipe": "recipe",
    "Sample": "signals",
    "Schedule": "recipe",
    "SignalData": "signals",
    "SignalSize": "signals",
    "Splits": "data",
    "Style": "style",
    "TECHNIQUES": "variant",
    "Technique": "variant",
    "TopStage": "recipe",
    "Training": "recipe",
    "Variant": "variant",
    "dump": "recipe",
    "named": "recipe",
    "parse_device": "device",
    "parse_model": "model",
    "parse_recipe": "recipe",
    "parse_variant": "variant",
    "plain": "values",
    "spoken": "signals",
}

__getattr__ = names_from(__name__, _HOMES)
