"""The one file that travels: .tflite + standard metadata + labels + provenance."""

from .files import ModelFile, pack_model, read_model, write_model
from .fitting import fitted, sized
from .graph import BITS, Graph, OperatorInfo, Signature, Subgraph, TensorInfo, read_graph
from .guest import Guest
from .inputs import InputMeaning
from .metadata import Normalization
from .outputs import OutputMeaning

__all__ = [
    "BITS",
    "Graph",
    "Guest",
    "InputMeaning",
    "ModelFile",
    "Normalization",
    "OperatorInfo",
    "OutputMeaning",
    "Signature",
    "Subgraph",
    "TensorInfo",
    "fitted",
    "pack_model",
    "read_graph",
    "read_model",
    "sized",
    "write_model",
]
