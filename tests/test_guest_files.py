"""Files that come with something of their own: labels of all kinds, other makers' operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

from cnnedge.bundle import read_graph, read_model
from cnnedge.bundle.labels import fitting, parse_labels, read_labels
from cnnedge.bundle.special import special_needs
from cnnedge.classifier import load
from cnnedge.data.names import matched
from cnnedge.engines import CPU, load_engine
from cnnedge.errors import ModelError
from cnnedge.inspection import inspect_model
from support.guests import edited, with_metadata, written

THREE = ("cat", "dog", "a bird, of sorts")


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\na bird, of sorts\n",
        "cat\ndog\na bird, of sorts\n\n\n   \n",
        "\ufeffcat\r\ndog\r\na bird, of sorts\r\n",
        "0 cat\n1 dog\n2 a bird, of sorts\n",
        "2 a bird, of sorts\n0 cat\n1 dog",
        "0: cat\n1: dog\n2: a bird, of sorts",
        "1 cat\n2 dog\n3 a bird, of sorts\n",
        '["cat", "dog", "a bird, of sorts"]',
        '{"0": "cat", "2": "a bird, of sorts", "1": "dog"}',
        '{"dog": 1, "cat": 0, "a bird, of sorts": 2}',
        'index,label\n0,cat\n1,dog\n2,"a bird, of sorts"\n',
        'label,index\ncat,0\n"a bird, of sorts",2\ndog,1\n',
        'id;name\n0;cat\n1;dog\n2;"a bird, of sorts"\n',
    ],
)
def test_a_list_of_labels_as_people_write_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode())
    assert read_labels(path) == THREE


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("label\ncat\ndog\n", ("cat", "dog")),
        ("cat\ndog\n", ("cat", "dog")),
        ("0,cat\n1,dog\n", ("cat", "dog")),
        ("class\tid\ncat\t0\ndog\t1\n", ("cat", "dog")),
    ],
)
def test_a_table_of_labels(text: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    assert read_labels(path) == labels


def test_what_looks_like_numbers_and_is_none() -> None:
    years = "1984 novel\n2001 film\n"
    assert parse_labels(years, "x") == ("1984 novel", "2001 film")
    assert parse_labels("0  person\n1  bicycle\n3  car\n", "x") == ("person", "bicycle", "", "car")
    assert parse_labels("tench, Tinca tinca\ngoldfish, Carassius", "x")[0] == "tench, Tinca tinca"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00c"])
def test_what_is_no_list_of_labels(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="label"):
        read_labels(path)
    with pytest.raises(ModelError, match="no such file"):
        read_labels(tmp_path / "none.txt")


def test_a_list_that_is_too_long_is_never_shifted_in_silence() -> None:
    for first in ("background", "???", "__background__", "Background"):
        labels, said = fitting((first, "cat", "dog"), 2, "m", remedy="r")
        assert labels == ("cat", "dog")
        assert first in said[0]
    labels, said = fitting(tuple(f"n{i}" for i in range(1000)), 1001, "m", remedy="r")
    assert labels[:2] == ("background", "n0")
    assert "background" in said[0]
    assert fitting(("cat", "dog", " ", ""), 2, "m", remedy="r") == (("cat", "dog"), ())
    for wrong in (("cat", "dog", "bird"), ("cat",), ("a", "b", "c", "d")):
        with pytest.raises(ModelError, match=f"{len(wrong)} labels for 2 outputs.*r"):
            fitting(wrong, 2, "m", remedy="r")


@pytest.mark.parametrize(
    ("text", "labels", "said"),
    [
        ("a\nb\nc\nd\n", ("a", "b", "c", "d"), ""),
        ("a\nb\nc\nd\n\n\n", ("a", "b", "c", "d"), ""),
        ("???\na\nb\nc\nd", ("a", "b", "c", "d"), "5 labels for 4 outputs"),
    ],
)
def test_labels_in_the_file(
    text: str,
    labels: tuple[str, ...],
    said: str,
    plain_models: dict[str, Path],
    tmp_path: Path,
) -> None:
    content = with_metadata(plain_models["int8"].read_bytes(), labels=text)
    model = load(written(tmp_path, content))
    assert model.labels == labels
    assert any(said and said in each for each in model.assumptions) == bool(said)


def test_labels_of_another_model_in_the_file(plain_models: dict[str, Path], tmp_path: Path) -> None:
    content = with_metadata(plain_models["int8"].read_bytes(), labels="a\nb\nc\nd\ne\n")
    with pytest.raises(ModelError, match=r"5 labels for 4 outputs.*--labels FILE"):
        load(written(tmp_path, content))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Cat", "hot_dog", "ice-cream"), (0, 1, 2)),
        (("tench", "n01443537", "great white shark"), (3, 4, 5)),
        (("crane", "unicorn"), (None, None)),
    ],
)
def test_folders_find_their_labels(names: Any, expected: Any) -> None:
    labels = (
        *("cat", "hot dog", "Ice Cream", "tench, Tinca tinca", "n01443537 goldfish"),
        *("great white shark, white shark", "crane, bird", "crane, machine"),
    )
    assert matched(names, labels) == expected


def test_numbered_folders_and_classes_without_names() -> None:
    assert matched(("0", "2", "9"), ("class 0", "class 1", "class 2")) == (0, 2, None)


# --- files of other makers ----------------------------------------------------------------------


def custom(name: str) -> Any:
    """Makes the first operator another maker's."""

    def change(model: Any, schema: Any) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = schema.BuiltinOperator.CUSTOM
        code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode, code.version = name, 1
        model.operatorCodes.append(code)
        model.subgraphs[0].operators[0].opcodeIndex = len(model.operatorCodes) - 1
        model.subgraphs[0].operators[0].builtinOptions = None
        model.subgraphs[0].operators[0].builtinOptionsType = 0

    return change


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("edgetpu-custom-op", "libedgetpu"),
        ("ethos-u", "Vela"),
        ("NeutronGraph", "eIQ Neutron"),
        ("FlexErf", "Flex delegate"),
        ("MyOwnThing", "MyOwnThing"),
    ],
)
def test_who_runs_a_file_of_another_maker(
    name: str, said: str, plain_models: dict[str, Path], tmp_path: Path
) -> None:
    path = written(tmp_path, edited(plain_models["int8"].read_bytes(), custom(name)))
    with pytest.raises(ModelError, match=said):
        load(path)
    model = read_model(path)
    (need,) = special_needs(model.graph)
    assert said in need
    assert inspect_model(model).as_json()["needs"] == [need]


def test_an_ordinary_file_needs_nothing(plain_models: dict[str, Path]) -> None:
    assert special_needs(read_model(plain_models["int8"]).graph) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_pointer_is_no_model(version: str, tmp_path: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/{version}\noid sha256:00\nsize 1\n"
    path = written(tmp_path, pointer.encode())
    with pytest.raises(ModelError, match="git lfs pull"):
        read_model(path)


def adding(buffers: int) -> bytes:
    """The sum of two rows, as kernel tests write it: tensors on buffer 0 of so many."""
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> Any:
        made = schema.TensorT()
        made.shape, made.type, made.buffer, made.name = [1, 3], 0, 0, name
        return made

    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, [0, 1], [2]
    op.builtinOptionsType, op.builtinOptions = (
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    graph = schema.SubGraphT()
    graph.tensors = [tensor(n) for n in "abc"]
    graph.inputs, graph.outputs, graph.operators = [0, 1], [2], [op]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT() for _ in range(buffers)]
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("buffers", [0, 1])
def test_a_file_without_buffers_runs(buffers: int, tmp_path: Path) -> None:
    model = read_model(written(tmp_path, adding(buffers)))
    engine = load_engine(model, CPU)
    for at in (0, 1):
        engine.set_input(np.ones((1, 3), np.float32), at)
    assert engine.invoke().tolist() == [[2.0, 2.0, 2.0]]
    assert inspect_model(model).as_json()["operator_counts"][0]["name"] == "ADD"


def test_a_buffer_that_is_not_there_is_damage(plain_models: dict[str, Path]) -> None:
    def without(model: Any, _schema: Any) -> None:
        model.buffers = []

    with pytest.raises(ModelError, match="damaged"):
        read_graph(edited(plain_models["int8"].read_bytes(), without), "x")
