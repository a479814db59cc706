"""XNNPACK in half precision: offered by LiteRT's CompiledModel, and by no interpreter.

A loaded float32 engine enters; one that computes in f16 leaves, or the reason why none does.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..bundle import ModelFile
from .base import Engine, random_inputs
from .compiled import CompiledEngine
from .failure import PrecisionRefused
from .interpreter import InterpreterEngine
from .probe import probe
from .runtime import Runtime

_NOTE = (
    "half precision is faster on CPUs that have its arithmetic (Armv8.2 and later, some newer "
    "x86) and slower where it is emulated"
)


def load(model: ModelFile, plain: InterpreterEngine, precision: str) -> Engine:
    """The model in f16 on the CPU, in place of `plain`. Raises PrecisionRefused.

    An integer model keeps its engine: there is nothing to round.
    """
    if plain.name != "litert":
        raise PrecisionRefused(
            precision, f"{plain.name} offers no reduced precision to Python; use --engine litert"
        )
    if precision != "f16":
        raise PrecisionRefused(
            precision, "XNNPACK supports only f16; for bf16, use --engine openvino"
        )
    if not computes_in_floats(model):
        note = f"the model computes in integers: --precision {precision} changes nothing"
        plain.delegate = dataclasses.replace(plain.delegate, notes=(note,))
        return plain
    wanted = Runtime(delegate="cpu", precision=precision, threads=plain.threads)
    answer = probe(model, "cpu", wanted)
    if answer.error:
        raise PrecisionRefused(precision, answer.error)
    report = dataclasses.replace(plain.delegate, notes=(_NOTE,))
    engine = CompiledEngine(model, "cpu", wanted, report)
    if same_answers(model, plain, engine):
        engine.close()
        raise PrecisionRefused(
            precision,
            "XNNPACK computes this model in f32 regardless on this CPU: the outputs are equal "
            "bit for bit",
        )
    plain.close()
    return engine


def computes_in_floats(model: ModelFile) -> bool:
    """Whether an operator takes and gives float32 values."""
    tensors = model.graph.tensors
    return any(
        all(any(i >= 0 and tensors[i].dtype == "float32" for i in side) for side in sides)
        for sides in ((op.inputs, op.outputs) for op in model.graph.operators)
    )


def same_answers(model: ModelFile, one: Engine, other: Engine) -> bool:
    """Whether two engines give the same bits for random inputs.

    Of pixels 0..255 and 0..1: a softmax that is given too much says 0 and 1 in any precision.
    """
    for scale in (1, 255):
        for engine in (one, other):
            for at, values in enumerate(random_inputs(model)):
                engine.set_input((values / scale).astype(values.dtype), at)
            engine.invoke()
        pairs = zip(one.outputs(), other.outputs(), strict=True)
        if not all(np.array_equal(a, b) for a, b in pairs):
            return False
    return True
