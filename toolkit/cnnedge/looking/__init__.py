"""What a model looks at: filters, feature maps, and the evidence for a class.

A classifier and a picture enter; arrays of numbers leave, and labels with a heat map for live
frames. It needs no TensorFlow: the values inside a .tflite are read by making them outputs.
"""

from .classical import KERNELS, filtered
from .evidence import LinearHead, class_map, linear_head, occlusion
from .inside import FeatureMaps, InsideView, first_filters, map_layers
from .live import LookingClassifier, load_looking

__all__ = [
    "KERNELS",
    "FeatureMaps",
    "InsideView",
    "LinearHead",
    "LookingClassifier",
    "class_map",
    "filtered",
    "first_filters",
    "linear_head",
    "load_looking",
    "map_layers",
    "occlusion",
]
