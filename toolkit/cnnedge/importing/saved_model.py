"""A TensorFlow SavedModel as a source: one signature, its arithmetic alone, frozen.

A folder enters. What its graph would do is looked through before TensorFlow loads anything: a
SavedModel is a program, and may read files, write them, and call Python.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import given_files
from ..errors import ModelError
from . import trace
from .convention import Convention
from .freezing import frozen
from .opened import ImportWishes, Opened, Reals, picture_size

_MOST_BYTES = 1 << 30
_BATCH = 16
_DEFAULT = "serving_default"
# What a network of pictures is made of. Everything else is refused, whatever it may be.
_COMPUTING = frozenset(
    """
    Abs Add AddN AddV2 All Any ArgMax AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd
    BroadcastArgs BroadcastTo Cast Ceil ClipByValue Concat ConcatV2 Const Conv2D Cos
    DepthToSpace DepthwiseConv2dNative Div DivNoNan Einsum Elu Equal Erf Erfc Exp ExpandDims Expm1
    Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd
    GatherV2 Greater GreaterEqual Identity IdentityN Inv LRN LeakyRelu Less LessEqual Log Log1p
    LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool MaxPoolV2 Maximum Mean Min Minimum
    MirrorPad Mod Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 Placeholder
    PlaceholderWithDefault Pow PreventGradient Prod Range Rank RealDiv Reciprocal Relu Relu6 Reshape
    ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt Select
    SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Size Slice Snapshot Softmax Softplus Softsign
    SpaceToBatchND BatchToSpaceND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
    StopGradient StridedSlice Sub Sum Tan Tanh Tile TopKV2 Transpose Unpack Where Xdivy Xlogy
    ZerosLike FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    VarHandleOp ReadVariableOp ResourceGather StatefulPartitionedCall PartitionedCall Assert
    If StatelessIf DisableCopyOnRead
    """.split()
)
# What a SavedModel of TensorFlow 2 restores its variables by; none is part of a signature.
_RESTORED = _COMPUTING | frozenset(
    """
    AssignVariableOp RestoreV2 ShardedFilename StaticRegexFullMatch
    StringJoin Select VarIsInitializedOp Variable VariableV2 Assign RandomUniform TruncatedNormal
    RandomStandardNormal StatelessRandomUniformV2 StatelessRandomGetKeyCounter
    StatelessRandomNormalV2
    """.split()
)
# These two write.
_EVERYTHING = _RESTORED | {"SaveV2", "MergeV2Checkpoints"}


def open_saved_model(path: Path, wishes: ImportWishes) -> Opened:
    """Reads one signature and says how to ask it. Raises ModelError."""
    graph = _read(path)
    _check_assets(graph, path)
    name = _signature(graph, wishes.signature, path)
    _check_functions(graph, name, path)
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
        call = loaded.signatures[name]
    except Exception as error:  # TensorFlow raises many kinds
        reason = " ".join(str(error).split()).partition(" You may be ")[0][:200]
        raise ModelError(
            f"{path}: TensorFlow cannot load this SavedModel ({reason}); copy its whole folder, "
            "with variables/, or export it again"
        ) from None
    given, made = call.structured_input_signature[1], call.structured_outputs
    (word, spec), output = _only(given, made, path)
    size = picture_size(spec.shape, wishes.guest.size, path)
    # By name: the order of a signature's outputs is not that of the network.

    def ask(image: Any) -> Any:
        return call(**{word: image})[output]

    def answer(values: Reals) -> Reals:
        step = 1 if spec.shape[0] == 1 else _BATCH
        parts = [
            ask(tf.constant(values[i : i + step])).numpy() for i in range(0, len(values), step)
        ]
        return np.concatenate(parts)

    def build(convention: Convention, head: str) -> tuple[Any, tuple[str, ...]]:
        said = (
            f"the SavedModel's signature '{name}' is imported frozen: it can change its format, "
            "but not be pruned or trained"
        )
        # What is loaded lives as long as this holds it.
        assert loaded is not None
        return frozen(ask, size, convention, head, str(path)), (said,)

    return Opened(
        kind=f"SavedModel, signature {name}",
        size=size,
        answer=answer,
        build=build,
        trace=lambda values: trace.of_function(call, values),
    )


def _read(path: Path) -> Any:
    from tensorflow.core.protobuf import saved_model_pb2

    found = saved_model_pb2.SavedModel()
    try:
        found.ParseFromString(given_files.read(path / "saved_model.pb", at_most=_MOST_BYTES))
        return next(m for m in found.meta_graphs if "serve" in m.meta_info_def.tags)
    except StopIteration:
        raise ModelError(f"{path}: this SavedModel has nothing to serve; export it again") from None
    except Exception as error:  # protobuf's own, or the file's
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: the SavedModel is damaged ({reason}); export it again") from None


def _signature(graph: Any, wanted: str | None, path: Path) -> str:
    names = sorted(n for n in graph.signature_def if not n.startswith("__"))
    if wanted is not None:
        if wanted not in names:
            raise ModelError(
                f"{path}: it has no signature '{wanted[:80]}'; it has {', '.join(names) or 'none'}"
                ". Name one of them, or leave --signature out"
            )
        return wanted
    if _DEFAULT in names or len(names) == 1:
        return _DEFAULT if _DEFAULT in names else names[0]
    raise ModelError(
        f"{path}: it has {len(names)} signatures ({', '.join(names) or 'none'}); choose one with "
        "--signature NAME"
        if names
        else f"{path}: it has no signature to call; export the model with model.export('FOLDER')"
    )


def _check_assets(graph: Any, path: Path) -> None:
    """Tables and files that are read when a SavedModel is loaded are none of a network's."""
    if not graph.object_graph_def.nodes:
        # Loading one of these runs operators of its graph.
        raise ModelError(
            f"{path}: this SavedModel is of TensorFlow 1; load it there and export the network "
            "again with TensorFlow 2, or convert it to a float32 .tflite and import that"
        )
    kinds = [node.WhichOneof("kind") for node in graph.object_graph_def.nodes]
    if graph.asset_file_def or "asset" in kinds or "resource" in kinds:
        raise ModelError(
            f"{path}: this SavedModel brings tables or files that are read when it is loaded; it "
            "was not loaded. Export the network alone, from pixels to scores"
        )


def _check_functions(graph: Any, signature: str, path: Path) -> None:
    """Raises ModelError for an operator that does anything but compute.

    What saves and restores variables stands in every SavedModel; what writes may be there, and may
    not be called by a signature, nor by what runs while the model is loaded.
    """
    functions = {f.signature.name: list(f.node_def) for f in graph.graph_def.library.function}
    objects = graph.object_graph_def.nodes
    called = _closure(_serving(objects, signature, path), functions)
    loading = [
        objects[each.restore_function].bare_concrete_function.concrete_function_name
        or next(iter(objects[each.restore_function].function.concrete_functions), "")
        for node in objects
        for each in node.saveable_objects.values()
    ]
    restored = _closure(loading, functions)
    main = [(_EVERYTHING, node) for node in graph.graph_def.node]
    for allowed, node in (
        *main,
        *((_COMPUTING, node) for name in called for node in functions[name]),
        *((_RESTORED, node) for name in restored for node in functions[name]),
        *((_EVERYTHING, node) for nodes in functions.values() for node in nodes),
    ):
        if node.op not in allowed:
            raise ModelError(
                f"{path}: its graph has the operator {node.op[:60]}, which is none of a network "
                "for pictures; it was not loaded. Export the network alone, from float32 pixels to "
                "scores"
            )


def _serving(objects: Any, signature: str, path: Path) -> list[str]:
    """The function of a signature, by the graph of objects, which is what TensorFlow goes by."""
    with contextlib.suppress(StopIteration, IndexError):
        signatures = next(c.node_id for c in objects[0].children if c.local_name == "signatures")
        node = next(c.node_id for c in objects[signatures].children if c.local_name == signature)
        found = objects[node].bare_concrete_function.concrete_function_name
        if found:
            return [found]
    raise ModelError(f"{path}: the SavedModel is damaged (no '{signature[:80]}'); export it again")


def _closure(names: Iterable[str], functions: Mapping[str, list[Any]]) -> set[str]:
    """The functions and all that they call."""
    found: set[str] = set()
    open_ones = [name for name in names if name in functions]
    while open_ones:
        name = open_ones.pop()
        if name not in found:
            found.add(name)
            open_ones += [n for node in functions[name] for n in _called(node) if n in functions]
    return found


def _called(node: Any) -> set[str]:
    """The functions that a node calls, by name, and of what it is called itself."""
    called = {value.func.name for value in node.attr.values() if value.HasField("func")}
    lists = (f.name for value in node.attr.values() for f in value.list.func)
    return called.union(lists, {node.op})


def _only(given: Any, made: Any, path: Path) -> tuple[tuple[str, Any], str]:
    """The one input, with its name, and the name of the output with the scores."""
    if len(given) != 1:
        raise ModelError(
            f"{path}: the signature takes {len(given)} inputs ({', '.join(sorted(given))}); "
            "expected one picture. Choose another with --signature NAME"
        )
    ((word, spec),) = given.items()
    if spec.dtype.name != "float32" or spec.shape.rank != 4 or spec.shape[-1] not in (1, 3):
        raise ModelError(
            f"{path}: the signature takes {spec.dtype.name} {spec.shape}; expected float32 "
            "pictures [batch, height, width, 1 or 3]. Choose another with --signature NAME, or "
            "export the network alone"
        )
    scores = [name for name, t in made.items() if t.shape.rank == 2]
    if len(scores) != 1:
        raise ModelError(
            f"{path}: the signature gives {', '.join(f'{n} {t.shape}' for n, t in made.items())}; "
            "expected one row of scores for each picture. Choose another with --signature NAME"
        )
    return (word, spec), scores[0]
