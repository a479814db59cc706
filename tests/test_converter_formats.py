"""Formats of the converter: what goes in and out, what a file costs, and what runs it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnedge import converter
from cnnedge.bundle import ModelFile, read_model
from cnnedge.bundle.compatibility import not_runnable
from cnnedge.bundle.cost import layer_costs, macs, parameters, sparsity, weights
from cnnedge.bundle.graph import NumbersAt, SparseLayout, SparseLevel, TensorInfo
from cnnedge.bundle.layer_names import known_layer, layer_name
from cnnedge.bundle.values import constant
from cnnedge.converter import SETTINGS, SPARSE, convert
from cnnedge.errors import MissingExtraError, ModelError
from support.environments import clean_environment, environment
from support.networks import answers, shape_pixels

pytest.importorskip("tf_keras")

PICTURES = shape_pixels(60, first=5000)
CALIBRATION = shape_pixels(50)
INT8_PIXELS = ("int8", "int8-sparse", "int8-selective")
WEIGHTED = ("first_conv", "second_conv", "depthwise", "third_conv", "hidden", "probabilities")
# Labels and scores of a model in tflite-runtime, or its message, as JSON.
OLD_RUNTIME = """\
import json, sys
import numpy as np
from tflite_runtime.interpreter import Interpreter
model, pictures = sys.argv[1:]
try:
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
except (ValueError, RuntimeError) as error:
    print(json.dumps({"error": str(error)}))
    sys.exit()
(into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
scale, zero = out["quantization"]
scores = []
for picture in np.load(pictures):
    interpreter.set_tensor(into["index"], picture[None].astype(into["dtype"]))
    interpreter.invoke()
    values = interpreter.get_tensor(out["index"])[0].astype(float)
    scores.append((((values - zero) * scale) if scale else values).tolist())
print(json.dumps({"scores": scores}))
"""


@pytest.fixture(scope="module")
def made(chain: Any, pruned_chain: Any, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """All formats by name, as files: (the Keras model, the file)."""
    folder = tmp_path_factory.mktemp("formats")
    contents = {v: (chain, convert(chain, v, CALIBRATION)) for v in SETTINGS}
    for variant in SPARSE:
        content = convert(pruned_chain, variant, CALIBRATION, sparse=True)
        contents[f"{variant}-sparse"] = (pruned_chain, content)
        contents[f"{variant}-full"] = (pruned_chain, convert(pruned_chain, variant, CALIBRATION))
    selective = convert(chain, "int8", CALIBRATION, float_layers=("third_conv", "probabilities"))
    contents["int8-selective"] = (chain, selective)
    for name, (_, content) in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return {name: (m, folder / f"{name}.tflite") for name, (m, _) in contents.items()}


def file(made: dict, name: str) -> ModelFile:
    return read_model(made[name][1])


NAMES = (*SETTINGS, *(f"{v}-sparse" for v in SPARSE), "int8-selective")


@pytest.mark.parametrize("name", NAMES)
def test_a_format_answers_as_the_keras_model(made: dict, name: str) -> None:
    model, path = made[name]
    expected = model.predict(PICTURES.astype(np.float32), verbose=0)
    assert set(expected.argmax(axis=1)) == {0, 1, 2}
    found = answers(path.read_bytes(), PICTURES)
    tolerance = 1e-5 if name.startswith("float32") else 0.2 if name == "int4" else 0.05
    assert np.abs(found - expected).max() <= tolerance
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


@pytest.mark.parametrize("variant", SETTINGS)
def test_a_file_is_the_one_that_tensorflow_makes_all_by_itself(
    variant: str, made: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = converter._converter

    def by_tensorflow(function: Any) -> Any:
        found = ordinary(function)
        del found._freeze_concrete_function
        return found

    model, path = made[variant]
    monkeypatch.setattr(converter, "_converter", by_tensorflow)
    converter._last_float32.clear()
    assert convert(model, variant, CALIBRATION) == path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_pixels_go_in_raw(made: dict, name: str) -> None:
    model = file(made, name)
    dtype = "uint8" if name in INT8_PIXELS else "float32"
    assert (model.input.dtype, model.input.shape) == (dtype, (1, 24, 24, 3))
    assert (model.output.dtype, model.output.shape) == (dtype, (1, 3))
    if dtype == "uint8":
        assert model.input.scales == pytest.approx((1.0,), abs=1e-6)
        assert model.input.zero_points == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_the_same_whatever_the_packing(made: dict, name: str) -> None:
    keras, plain = made[name][0], file(made, "float32")
    model, rows = file(made, name), layer_costs(file(made, name))
    assert parameters(model) == parameters(plain)
    assert macs(model.graph) == macs(plain.graph)
    assert tuple(row.name for row in rows) == WEIGHTED
    assert sum(row.parameters for row in rows) == parameters(model)
    assert sum(row.macs for row in rows) == macs(model.graph)
    for row in rows:
        kernel = keras.get_layer(row.name).get_weights()[0]
        assert int(np.prod(row.shape)) == kernel.size
        # Rounding makes zeros, and takes none away.
        assert row.sparsity >= np.mean(kernel == 0) - 1e-9
        if name.startswith("float32"):
            assert row.sparsity == pytest.approx(np.mean(kernel == 0))


def test_what_is_inside(made: dict) -> None:
    kernels = {
        name: [t.dtype for t, _ in weights(file(made, name))]
        for name in ("int8-float-io", "int16x8", "int4", "int8-selective")
    }
    assert set(kernels["int8-float-io"]) == set(kernels["int16x8"]) == {"int8"}
    assert sorted(kernels["int4"]) == ["int4"] * 5 + ["int8"]  # the depthwise one
    assert sorted(kernels["int8-selective"]) == ["float32"] * 2 + ["int8"] * 4
    rows = {r.name: r for r in layer_costs(file(made, "int4"))}
    assert rows["third_conv"].bytes == 32 * 3 * 3 * 32 / 2
    assert rows["depthwise"].bytes == 3 * 3 * 32
    assert file(made, "int4").size_bytes < 0.7 * file(made, "int8").size_bytes
    sixteen = file(made, "int16x8").graph
    assert "int16" in {sixteen.tensors[op.outputs[0]].dtype for op in sixteen.operators}


@pytest.mark.parametrize("variant", SPARSE)
def test_sparse_files_are_smaller_and_lose_nothing(made: dict, variant: str) -> None:
    full, sparse = file(made, f"{variant}-full"), file(made, f"{variant}-sparse")
    assert sparsity(sparse) == sparsity(full) >= 0.69
    # Zeros below zero are the same zeros.
    kernels = [{(w + w.dtype.type(0)).tobytes() for _, w in weights(m)} for m in (full, sparse)]
    assert kernels[0] == kernels[1]
    rows = [{r.name: r.bytes for r in layer_costs(model)} for model in (full, sparse)]
    # An index takes a byte, as an int8 value does: two thirds are left of 70 % zeros.
    assert rows[1]["third_conv"] < (0.7 if "int8" in variant else 0.5) * rows[0]["third_conv"]
    if "int8" in variant:
        assert rows[1]["hidden"] == rows[0]["hidden"]
    else:
        assert sparse.size_bytes < 0.7 * full.size_bytes


@pytest.mark.parametrize(
    ("variant", "arguments", "said"),
    [
        ("int7", {}, "unknown variant 'int7'. Did you mean 'int"),
        ("dynamic", {"sparse": True}, "dynamic cannot be stored sparse: LiteRT"),
        ("int16x8", {"sparse": True}, "int16x8 cannot be stored sparse"),
        ("int4", {"sparse": True}, "int4 cannot be stored sparse"),
        (
            "float16",
            {"float_layers": ("hidden",)},
            "only in int8 and int8-float-io, not in float16",
        ),
        ("int8", {"float_layers": ("hiden",)}, "no layer 'hiden'. Did you mean 'hidden'?"),
        ("int8", {"float_layers": ("image",)}, "'image' has no operator of its own"),
    ],
)
def test_what_cannot_be_made_is_refused(
    chain: Any, variant: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError) as caught:
        convert(chain, variant, CALIBRATION[:2], **arguments)
    assert said in str(caught.value)


def test_four_bits_without_their_library(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "litert_quantizer" else found(n)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'cnnedge\[int4\]'"):
        convert(chain, "int4", CALIBRATION[:2])


@pytest.mark.parametrize("variant", ["int8", "int8-float-io"])
@pytest.mark.parametrize("sparse", [True, False])
def test_named_layers_stay_in_float(
    pruned_chain: Any, variant: str, sparse: bool, tmp_path: Path
) -> None:
    content = convert(
        pruned_chain,
        variant,
        CALIBRATION,
        sparse=sparse,
        float_layers=("first_relu", "depthwise", "probabilities"),
    )
    (tmp_path / "model.tflite").write_bytes(content)
    graph = read_model(tmp_path / "model.tflite").graph
    tensors = [(op.name, graph.tensors[op.outputs[0]]) for op in graph.operators]
    inside = [(name, t.dtype) for name, t in tensors if name not in ("QUANTIZE", "DENSIFY")]
    done = [x for x in inside if x[0] != "DEQUANTIZE"]
    assert done == [
        *[("MUL", "int8"), ("ADD", "int8"), ("CONV_2D", "float32"), ("CONV_2D", "int8")],
        *[("DEPTHWISE_CONV_2D", "float32"), ("CONV_2D", "int8"), ("MEAN", "int8")],
        *[("FULLY_CONNECTED", "int8"), ("FULLY_CONNECTED", "float32"), ("SOFTMAX", "float32")],
    ]
    expected = pruned_chain.predict(PICTURES.astype(np.float32), verbose=0)
    assert np.abs(answers(content, PICTURES) - expected).max() <= 0.05


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("model/relu/Relu;model/bn/FusedBatchNormV3;model/conv/Conv2D1", "conv"),
        ("model/dense/MatMul;model/dense/Relu;model/dense/BiasAdd", "dense"),
        ("m/b_relu/Relu6;m/b_BN/Fused;m/b_depthwise/depthwise;;m/b_pad/Pad1", "b_depthwise"),
        ("model/block/conv/Conv2D", "block/conv"),
        ("model/out/Relu;model/sum/add", "sum"),
        ("model/sep/separable_conv2d/depthwise", "sep"),
        ("model/dense/Tensordot/MatMul", "dense"),
        ("tfl.quantize", "tfl.quantize"),
        ("", ""),
    ],
)
def test_a_layer_is_told_from_its_tensor(tensor: str, layer: str) -> None:
    assert layer_name(tensor) == layer


def test_a_layer_is_told_among_known_ones() -> None:
    names = ("Conv", "Conv/BatchNorm", "separable_conv2d", "sep")
    assert known_layer("m/Conv/Conv2D", names) == "Conv"
    assert known_layer("m/Conv/BatchNorm/FusedBatchNormV3", names) == "Conv/BatchNorm"
    assert known_layer("m/Conv/BatchNorm/Fused;m/Conv/Conv2D1", names) == "Conv"
    assert known_layer("StatefulPartitionedCall:0", names) is None


def test_packed_numbers() -> None:
    def values(dtype: str, data: bytes, count: int) -> list[int]:
        tensor = TensorInfo(
            index=0, name="", dtype=dtype, shape=(count,), constant_bytes=len(data), constant_at=3
        )
        found = constant(b"\0\0\0" + data, tensor)
        assert found is not None
        return found.tolist()

    assert values("int4", bytes([0x21, 0xF8, 0x07]), 5) == [1, 2, -8, -1, 7]
    assert values("int2", bytes([0b11100100]), 4) == [0, 1, -2, -1]


def test_a_sparse_tensor_of_blocks() -> None:
    """4 x 4 in blocks of 2 x 2, of which one in each row of blocks is stored."""
    numbers = bytes([0, 1, 2, 1, 0])
    stored = np.arange(1, 9, dtype=np.float32)
    layout = SparseLayout(
        order=(0, 1, 2, 3),
        blocks=(0, 1),
        levels=(
            SparseLevel(size=2),
            SparseLevel(
                segments=NumbersAt(at=0, count=3, dtype="uint8"),
                indices=NumbersAt(at=3, count=2, dtype="uint8"),
            ),
            SparseLevel(size=2),
            SparseLevel(size=2),
        ),
    )
    tensor = TensorInfo(
        index=0,
        name="",
        dtype="float32",
        shape=(4, 4),
        constant_bytes=stored.nbytes,
        constant_at=8,
        sparse=layout,
    )
    data = numbers.ljust(8, b"\0") + stored.tobytes()
    found = constant(data, tensor)
    assert found is not None
    assert found.tolist() == [[0, 0, 1, 2], [0, 0, 3, 4], [5, 6, 0, 0], [7, 8, 0, 0]]
    assert layout.index_bytes == 5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_flipped_bytes_never_crash_the_count(
    made: dict, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(made["float16-sparse"][1].read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.tflite"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        layer_costs(read_model(path))


def test_the_last_tflite_runtime(made: dict) -> None:
    reasons = {name: not_runnable(file(made, name)) for name in NAMES}
    stuck = {name for name, reason in reasons.items() if reason}
    assert stuck == {"dynamic", "int4"}
    assert reasons["dynamic"] == ("FULLY_CONNECTED version 12: tflite-runtime 2.14.0 has up to 10",)
    assert "CONV_2D with int4 values" in reasons["int4"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "STABLEHLO_ADD"}, "STABLEHLO_ADD: tflite-runtime 2.14.0 does not have it"),
        ({"name": "CUSTOM Mine"}, "custom operator Mine: tflite-runtime 2.14.0 does not have it"),
        ({"version": 9}, "MUL version 9: tflite-runtime 2.14.0 has up to 7"),
    ],
)
def test_an_operator_that_is_too_new(made: dict, change: dict[str, Any], said: str) -> None:
    model = file(made, "float32")
    first, *rest = model.graph.operators
    graph = replace(model.graph, operators=(replace(first, **change), *rest))
    assert not_runnable(replace(model, graph=graph)) == (said,)


@pytest.fixture(scope="module")
def old_runtime(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], dict[str, Any]]:
    """Runs a file in tflite-runtime's last release, in a process of its own: some end it."""
    python = environment("tflite-runtime-alone", ["tflite-runtime==2.14.0", "numpy<2"])
    pictures = tmp_path_factory.mktemp("old") / "pictures.npy"
    np.save(pictures, PICTURES)

    def run(path: Path) -> dict[str, Any]:
        done = subprocess.run(
            [str(python), "-c", OLD_RUNTIME, str(path), str(pictures)],
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=300,
        )
        if done.returncode:
            return {"error": f"ended with {done.returncode}"}
        return json.loads(done.stdout)

    return run


@pytest.mark.heavy
@pytest.mark.skipif(
    sys.version_info >= (3, 12) or sys.platform != "linux",
    reason="tflite-runtime's last release has no wheel past Python 3.11 or outside Linux",
)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_tflite_runtime_is_true(
    made: dict, old_runtime: Callable[[Path], dict[str, Any]], name: str
) -> None:
    path = made[name][1]
    found, ours = old_runtime(path), answers(path.read_bytes(), PICTURES)
    assert set(ours.argmax(axis=1)) == {0, 1, 2}
    theirs = np.array(found.get("scores", np.zeros_like(ours)))
    same = bool((theirs.argmax(axis=1) == ours.argmax(axis=1)).all())
    agree = same and float(np.abs(theirs - ours).max()) <= 0.05
    assert agree == (not not_runnable(file(made, name))), found.get("error")
