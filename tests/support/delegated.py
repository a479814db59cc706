"""What LiteRT's XNNPACK really took of a model: the truth that forecasts are held against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnnedge.engines.interpreter import _delegated


@dataclass(frozen=True, kw_only=True)
class Delegated:
    """taken: the operators' places. pieces: how many nodes the delegate put in their stead."""

    taken: frozenset[int]
    pieces: int
    total: int


def xnnpack_took(model: Path) -> Delegated:
    """Loads a model into LiteRT on one thread, as a run does."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter._get_ops_details()
    total = sum(op["op_name"] != "DELEGATE" for op in details)
    return Delegated(
        taken=frozenset(_delegated(details, total)), pieces=len(details) - total, total=total
    )
