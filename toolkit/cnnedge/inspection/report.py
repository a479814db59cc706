"""Everything that `inspect` knows about a model file.

A ModelFile enters; an Inspection leaves, and its JSON. Nothing is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..bundle import ModelFile, OperatorInfo, Subgraph, TensorInfo
from ..bundle.compatibility import not_runnable
from ..bundle.cost import macs, parameters, sparsity
from ..bundle.description import ModelDescription, describe_metadata
from ..bundle.metadata import METADATA_NAME
from ..bundle.special import special_needs
from ..bundle.tables import refusing_damage
from .delegation import Forecast, forecasts
from .layers import LayerCost, layers_of, weight_types
from .memory import ArenaPlan, plan_arena

# Entries that hold a short text are shown as one.
_MOST_TEXT = 64


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file says about its model.

    weights: bytes of constants by dtype. not_runnable: why tflite-runtime cannot run it, empty
    if it can. described: the standard metadata, None if there is none.
    """

    file: ModelFile
    parameters: int
    macs: int
    sparsity: float
    weights: dict[str, int]
    arena: ArenaPlan
    layers: tuple[LayerCost, ...]
    forecasts: tuple[Forecast, ...]
    not_runnable: tuple[str, ...]
    described: ModelDescription | None

    def as_json(self) -> dict[str, Any]:
        file, graph = self.file, self.file.graph
        return {
            "model": str(file.path),
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "description": graph.description,
            "subgraphs": len(graph.subgraphs),
            "subgraph_details": [_subgraph(s) for s in graph.subgraphs],
            "signatures": [s.key for s in graph.signatures],
            "signature_details": [
                {
                    "name": s.key,
                    "subgraph": s.subgraph,
                    "inputs": list(s.inputs),
                    "outputs": list(s.outputs),
                }
                for s in graph.signatures
            ],
            "inputs": [_tensor(i.tensor) | {"meaning": i.as_json()} for i in file.inputs],
            "outputs": [_tensor(o.tensor) | {"meaning": o.as_json()} for o in file.outputs],
            "answer": file.picture_answer.as_json() if file.picture_answer else None,
            "operators": [_operator(graph.tensors, op) for op in graph.operators],
            "operator_counts": [
                {"name": name, "version": version, "count": count}
                for (name, version), count in operator_counts(graph.operators)
            ],
            "quantization": quantization(graph.tensors),
            "parameters": self.parameters,
            "macs": self.macs,
            "sparsity": self.sparsity,
            "weight_bytes": self.weights,
            "arena": {
                "arena_bytes": self.arena.arena_bytes,
                "peak_bytes": self.arena.peak_bytes,
                "working_set_bytes": self.arena.working_set_bytes,
                "unpacked_bytes": self.arena.unpacked_bytes,
                "computed": True,
            },
            "layers": [asdict(layer) for layer in self.layers],
            "delegates": [forecast.as_json() for forecast in self.forecasts],
            "needs": special_needs(graph),
            "tflite_runtime": {
                "runs": not self.not_runnable,
                "reasons": list(self.not_runnable),
            },
            "labels": list(file.labels) if file.labels is not None else None,
            "metadata": sorted(graph.metadata),
            "metadata_entries": [
                {"name": name, "size_bytes": len(content), "text": entry_text(content)}
                for name, content in sorted(graph.metadata.items())
            ],
            "tflite_metadata": self.described.as_json() if self.described else None,
            "associated_files": file.associated,
            "cnnedge": dict(file.provenance.raw) if file.provenance else None,
        }


def inspect_model(file: ModelFile) -> Inspection:
    """Reads everything. Raises ModelError if the file contradicts itself."""
    with refusing_damage(str(file.path)):
        arena = plan_arena(file)
        metadata = file.graph.metadata.get(METADATA_NAME)
        return Inspection(
            file=file,
            parameters=parameters(file),
            macs=macs(file.graph),
            sparsity=sparsity(file),
            weights=weight_types(file),
            arena=arena,
            layers=layers_of(file, arena.activation_bytes),
            forecasts=forecasts(file),
            not_runnable=not_runnable(file),
            described=describe_metadata(metadata) if metadata else None,
        )


def operator_counts(operators: Sequence[OperatorInfo]) -> list[tuple[tuple[str, int], int]]:
    """How many of each operator and version, the most first."""
    return Counter((op.name, op.version) for op in operators).most_common()


def quantization(tensors: Sequence[TensorInfo]) -> dict[str, dict[str, int]]:
    """How many tensors have one scale, and how many one for each channel, by dtype."""
    found: dict[str, Counter[str]] = {"per_tensor": Counter(), "per_channel": Counter()}
    for tensor in tensors:
        if tensor.scales:
            found["per_channel" if len(tensor.scales) > 1 else "per_tensor"][tensor.dtype] += 1
    return {kind: dict(counts) for kind, counts in found.items()}


def entry_text(content: bytes) -> str | None:
    """A metadata entry's content if it is a short text, such as a version."""
    stripped = content.rstrip(b"\0")
    if not stripped or len(stripped) > _MOST_TEXT:
        return None
    try:
        text = stripped.decode("ascii")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _subgraph(subgraph: Subgraph) -> dict[str, Any]:
    return {
        "name": subgraph.name,
        "operators": len(subgraph.operators),
        "tensors": len(subgraph.tensors),
        "inputs": [list(subgraph.tensors[i].shape) for i in subgraph.inputs],
        "outputs": [list(subgraph.tensors[i].shape) for i in subgraph.outputs],
    }


def _tensor(tensor: TensorInfo) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "shape_signature": list(tensor.shape_signature or tensor.shape),
        "scales": list(tensor.scales),
        "zero_points": list(tensor.zero_points),
    }


def _operator(tensors: Sequence[TensorInfo], op: OperatorInfo) -> dict[str, Any]:
    inputs = [tensors[i] for i in op.inputs if i >= 0]
    outputs = [tensors[i] for i in op.outputs if i >= 0]
    return {
        "name": op.name,
        "version": op.version,
        "options": dict(op.options),
        "inputs": [list(t.shape) for t in inputs],
        "outputs": [list(t.shape) for t in outputs],
        "input_dtypes": [t.dtype for t in inputs],
        "output_dtypes": [t.dtype for t in outputs],
        "per_channel": any(len(t.scales) > 1 for t in inputs),
    }
