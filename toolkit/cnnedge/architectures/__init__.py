"""Model definitions into Keras models: layers, backbones and their weights."""

from .backbones import block_names, classifier, features
from .network import build_model

__all__ = ["block_names", "build_model", "classifier", "features"]
