"""The one file that travels: .tflite + standard metadata + labels + provenance."""

from .files import ModelFile, pack_model, read_model, write_model
from .graph import BITS, Graph, OperatorInfo, Signature, Subgraph, TensorInfo, read_graph
from .metadata import Normalization

__all__ = [
    "BITS",
    "Graph",
    "ModelFile",
    "Normalization",
    "OperatorInfo",
    "Signature",
    "Subgraph",
    "TensorInfo",
    "pack_model",
    "read_graph",
    "read_model",
    "write_model",
]
