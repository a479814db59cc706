"""The one file that travels: metadata goes in without moving a weight, and broken files say so."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnedge.bundle import read_graph, read_model, write_model
from cnnedge.bundle.cost import macs, parameters, sparsity, weights
from cnnedge.bundle.graph import IDENTIFIER
from cnnedge.engines import load_engine, random_input
from cnnedge.errors import ModelError
from cnnedge.specs import InputSize

SIZE = InputSize(height=16, width=16, channels=3)
LABELS = ("a, b", "Baum ü", "木 'x' \"y\"", "d")


@pytest.fixture(scope="module")
def packed(plain_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.tflite"
    write_model(
        path,
        plain_models["int8"].read_bytes(),
        labels=LABELS,
        size=SIZE,
        provenance={"recipe": "r", "variant": "int8", "preprocess": {"resize": "letterbox"}},
    )
    return path


def test_what_goes_in_comes_out(packed: Path) -> None:
    model = read_model(packed)
    assert model.labels == LABELS
    assert model.preprocess is not None
    assert model.preprocess.resize == "letterbox"
    assert model.normalization is not None
    assert (model.normalization.mean, model.normalization.std) == ((0.0,), (1.0,))
    assert model.picture_size() == SIZE
    assert zipfile.ZipFile(packed).namelist() == ["labels.txt", "cnnedge.json"]


def test_not_a_bit_of_the_model_changes(packed: Path, plain_models: dict[str, Path]) -> None:
    before = plain_models["int8"].read_bytes()
    after = packed.read_bytes()
    at = after.index(before[8:])
    assert at % 16 == 8  # the old bytes begin on a multiple of 16: alignment is kept
    one, other = read_model(plain_models["int8"]), read_model(packed)
    outputs = []
    for model in (one, other):
        engine = load_engine(model)
        engine.set_input(random_input(model))
        outputs.append(engine.invoke())
    assert (outputs[0] == outputs[1]).all()


def test_tensorflow_own_schema_reads_it(packed: Path) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    data = packed.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    names = [m.name.decode() for m in model.metadata]
    assert names.count("TFLITE_METADATA") == 1
    assert len(model.subgraphs[0].operators) == len(read_graph(data, "x").operators)


def test_packing_twice_replaces(packed: Path, tmp_path: Path) -> None:
    write_model(
        tmp_path / "again.tflite",
        packed.read_bytes(),
        labels=("x",) * 4,
        size=SIZE,
        provenance={"recipe": "r2"},
    )
    again = read_model(tmp_path / "again.tflite")
    assert again.labels == ("x",) * 4
    assert list(again.graph.metadata).count("TFLITE_METADATA") == 1


def test_cost_is_counted(plain_models: dict[str, Path]) -> None:
    for variant in ("float32", "float16", "dynamic", "int8"):
        model = read_model(plain_models[variant])
        assert parameters(model) == 3 * 3 * 3 * 8 + 8 + 8 * 4 + 4, variant
        assert macs(model.graph) == 14 * 14 * 8 * 27 + 32, variant
        assert sum(w.size for _, w in weights(model)) == 3 * 3 * 3 * 8 + 8 * 4, variant
        assert sparsity(model) < 0.2, variant


def test_a_constant_is_where_it_is_said_to_be(plain_models: dict[str, Path]) -> None:
    kernels = {t.shape: w for t, w in weights(read_model(plain_models["float32"]))}
    half = {t.shape: w for t, w in weights(read_model(plain_models["float16"]))}
    for shape, kernel in kernels.items():
        assert np.allclose(kernel.astype(np.float32), half[shape].astype(np.float32), atol=1e-3)


def test_a_plain_file_has_neither_labels_nor_rule(plain_models: dict[str, Path]) -> None:
    model = read_model(plain_models["float32"])
    assert (model.labels, model.provenance, model.preprocess) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"hello world, no model", "not a TFLite model"),
        (b"PK\x03\x04" + b"\0" * 100, "not a TFLite model"),
        (b"\0\0\0\0" + IDENTIFIER, "damaged"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        read_model(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_model(tmp_path / "none.tflite")
    with pytest.raises(ModelError, match="a folder"):
        read_model(tmp_path)


def test_any_truncation_is_an_error_or_a_model(plain_models: dict[str, Path]) -> None:
    data = plain_models["int8"].read_bytes()
    for length in range(0, len(data), 97):
        try:
            read_graph(data[:length], "cut")
        except ModelError:
            continue


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_crash(content: bytes) -> None:
    with pytest.raises(ModelError):
        read_graph(b"\x10\0\0\0" + IDENTIFIER + content, "random")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_crash(plain_models: dict[str, Path], data: st.DataObject) -> None:
    content = bytearray(plain_models["int8"].read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ModelError):
        read_graph(bytes(content), "flipped")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"resize": "fancy"}, "'fancy' is not allowed. Allowed: stretch"),
        ({"interpolation": "lanczos"}, "'lanczos' is not allowed"),
        ({"resize": 3}, "3 is not allowed"),
        ({"resize": ["stretch"]}, "a list"),
        ({"resize": None}, "is not allowed"),
        ({"pad_value": 300}, "300 is out of range"),
        ({"pad_value": "0"}, "expected a whole number of 64 bits, found '0'"),
        ({"pad_value": 0.5}, "expected a whole number"),
        ({"pad_value": True}, "expected a whole number"),
        ({"crop": 0.5}, "unknown key 'crop'"),
        ("stretch", "expected an object"),
        ([], "expected an object"),
        (None, "expected an object"),
    ],
)
def test_a_resize_rule_that_is_not_ours_is_refused_when_read(
    plain_models: dict[str, Path], tmp_path: Path, rule: object, said: str
) -> None:
    path = tmp_path / "model.tflite"
    provenance = {"recipe": "r", "preprocess": rule}
    write_model(
        path, plain_models["int8"].read_bytes(), labels=LABELS, size=SIZE, provenance=provenance
    )
    with pytest.raises(ModelError) as refused:
        read_model(path)
    assert said in str(refused.value)
    assert "update cnnedge or convert the model again" in str(refused.value)
    assert "\n" not in str(refused.value)
