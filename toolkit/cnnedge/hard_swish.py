"""Hard swish by operators that have integer kernels.

A float32 flatbuffer enters; the same network leaves with three operators for each HARD_SWISH:
x * relu6(x + 3) / 6 is its definition. XNNPACK has no integer kernel for HARD_SWISH, so an int8
network would leave it, convert and come back at every activation; additions and products it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .packing import add_scalar, pack, unpack

_ADD, _MUL, _HARD_SWISH = 0, 18, 117
_RELU6 = 3


def replaced(flatbuffer: bytes) -> bytes:
    """The flatbuffer without HARD_SWISH; the very same bytes if it has none."""
    from ai_edge_litert import schema_py_generated as schema

    model: Any = unpack(flatbuffer)
    found = [i for i, code in enumerate(model.operatorCodes) if _kind(code) == _HARD_SWISH]
    main = model.subgraphs[0]
    if not any(operator.opcodeIndex in found for operator in main.operators):
        return flatbuffer
    shift, factor = add_scalar(model, 3.0, "hard_swish/3"), add_scalar(model, 1 / 6, "hard_swish/6")
    gate_options = schema.AddOptionsT()
    gate_options.fusedActivationFunction = _RELU6
    product_options = schema.MulOptionsT()
    add, multiply = _code(model, _ADD), _code(model, _MUL)
    operators = []
    for operator in main.operators:
        if operator.opcodeIndex not in found:
            operators.append(operator)
            continue
        (taken,), (given,) = operator.inputs, operator.outputs
        gate, sixth = _like(main, given, "gate"), _like(main, given, "sixth")
        options = schema.BuiltinOptions.MulOptions
        operators += [
            _operator(add, [taken, shift], gate, gate_options, schema.BuiltinOptions.AddOptions),
            # A change of scale alone: in integers it rounds nothing away.
            _operator(multiply, [taken, factor], sixth, product_options, options),
            _operator(multiply, [sixth, gate], given, product_options, options),
        ]
    main.operators = operators
    return pack(model)


def _operator(code: int, inputs: list[int], output: int, options: Any, kind: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs = np.array(inputs, np.int32)
    operator.outputs = np.array([output], np.int32)
    operator.builtinOptions, operator.builtinOptionsType = options, kind
    return operator


def _code(model: Any, builtin: int) -> int:
    """The place of an operator among the model's kinds of operators, made if it has none."""
    from ai_edge_litert import schema_py_generated as schema

    for place, code in enumerate(model.operatorCodes):
        if _kind(code) == builtin:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _kind(code: Any) -> int:
    """The operator that a code stands for; older files say it in the other field."""
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _like(main: Any, number: int, step: str) -> int:
    """The number of a new tensor of another's shape, whose name says the same layer."""
    from ai_edge_litert import schema_py_generated as schema

    given, tensor = main.tensors[number], schema.TensorT()
    tensor.shape, tensor.shapeSignature, tensor.hasRank = given.shape, given.shapeSignature, True
    tensor.name = given.name + f"_{step}".encode()
    main.tensors.append(tensor)
    return len(main.tensors) - 1
