"""What `inspect` tells of a model holds when it runs, and no file however broken breaks it."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnedge.bundle import read_model
from cnnedge.bundle.graph import IDENTIFIER
from cnnedge.cli.inspect.text import facts, left_behind, one_line
from cnnedge.errors import ModelError
from cnnedge.inspection import Forecast, forecasts, inspect_model, plan_arena
from cnnedge.inspection.memory import ALIGNMENT, Lifetime, arena_size
from cnnedge.specs import InputSize, parse_model, shipped
from support.command import assert_one_clear_line, cnnedge
from support.delegated import xnnpack_took

SIZES = {"mnist": 28, "small": 32}


def forecast(model: Path, delegate: str, level: int | None = None) -> Forecast:
    return next(
        f
        for f in forecasts(read_model(model))
        if f.delegate == delegate and (level is None or level in f.levels)
    )


def reasons(found: Forecast) -> dict[str, str]:
    return {left.operator: left.reason for left in found.left}


def assert_foreseen(model: Path) -> None:
    """The forecast for XNNPACK is what LiteRT does, operator by operator and piece by piece."""
    real, told = xnnpack_took(model), forecast(model, "XNNPACK")
    assert (sorted(told.taken), told.pieces) == (sorted(real.taken), real.pieces)
    assert told.total == real.total
    assert sum(left.count for left in told.left) == told.total - len(told.taken)


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_xnnpack_takes_what_was_foreseen(plain_models: dict[str, Path], variant: str) -> None:
    assert_foreseen(plain_models[variant])


def test_the_trained_model_is_foreseen(trained_run: Path) -> None:
    for model in sorted((trained_run / "export").glob("*.tflite")):
        assert_foreseen(model)


# The operators that pictures meet, and some in a way that XNNPACK refuses.
ONE_OF_EACH: dict[str, Callable[[Any, Any], Any]] = {
    "convolution": lambda tf, x: tf.nn.relu6(
        tf.nn.conv2d(x, np.ones((3, 3, 4, 6), "f"), 2, "SAME")
    ),
    "tanh convolution": lambda tf, x: tf.nn.tanh(
        tf.nn.conv2d(x, np.ones((1, 1, 4, 6), "f"), 1, "SAME")
    ),
    "grouped": lambda tf, x: tf.nn.conv2d(x, np.ones((3, 3, 2, 6), "f"), 1, "SAME"),
    "depthwise": lambda tf, x: tf.nn.depthwise_conv2d(
        x, np.ones((3, 3, 4, 2), "f"), (1, 1, 1, 1), "SAME"
    ),
    "transposed": lambda tf, x: tf.nn.conv2d_transpose(
        x, np.full((3, 3, 6, 4), 2, "f"), (1, 16, 16, 6), 2
    ),
    "dense": lambda tf, x: tf.matmul(tf.reshape(x, (1, 256)), np.ones((256, 5), "f")),
    "matrices": lambda tf, x: tf.matmul(tf.reshape(x, (1, 8, 32)), tf.reshape(x, (1, 32, 8))),
    "arithmetic": lambda tf, x: (x + tf.abs(x)) * (x - np.float32([1, 2, 3, 4])) / (tf.abs(x) + 1),
    "limits": lambda tf, x: tf.maximum(tf.minimum(x, 0.5), tf.math.squared_difference(x, 0.2)),
    "power": lambda tf, x: tf.pow(tf.abs(x), 2.5) + tf.math.floordiv(x, 2.0),
    "curves": lambda tf, x: tf.sigmoid(x) + tf.tanh(x) + tf.nn.elu(x) + tf.nn.leaky_relu(x, 0.1),
    "functions": lambda tf, x: tf.sin(x) + tf.cos(x) + tf.exp(x) + tf.math.log(tf.abs(x) + 1),
    "roots": lambda tf, x: tf.sqrt(tf.abs(x)) + tf.math.rsqrt(tf.abs(x) + 1) + tf.square(x),
    "steps": lambda tf, x: tf.math.ceil(x) + tf.floor(x) + tf.round(x) + tf.negative(x),
    "softmax": lambda tf, x: tf.nn.softmax(x) + tf.nn.log_softmax(x),
    "pools": lambda tf, x: tf.nn.avg_pool2d(x, 2, 2, "VALID") + tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "thin pool": lambda tf, x: tf.nn.max_pool2d(x, 1, 2, "SAME"),
    "means": lambda tf, x: tf.reduce_mean(x, (1, 2)) + tf.reduce_sum(x, (1, 2)),
    "extremes": lambda tf, x: tf.reduce_max(x, 3) + tf.reduce_min(x, 3) + tf.reduce_prod(x, 3),
    "pad": lambda tf, x: tf.pad(x, ((0, 0), (1, 1), (2, 1), (0, 0))),
    "mirror pad": lambda tf, x: tf.pad(x, ((0, 0), (1, 1), (2, 1), (0, 0)), "REFLECT"),
    "five dimensions": lambda tf, x: tf.expand_dims(x, 1) * 2,
    "transpose": lambda tf, x: tf.transpose(x, (0, 2, 3, 1)),
    "concatenation": lambda tf, x: tf.concat((x, tf.abs(x)), 3),
    "six at once": lambda tf, x: tf.concat([x * i for i in range(2, 8)], 3),
    "halves": lambda tf, x: tf.concat(tf.split(x, 2, 3)[::-1], 3),
    "eighths": lambda tf, x: tf.concat(tf.split(x, 8, 1)[::-1], 1),
    "slice": lambda tf, x: tf.slice(x, (0, 1, 1, 0), (1, 4, 4, 4)) + x[:, 1:5, 2:6, :],
    "every other": lambda tf, x: x[:, ::2] + 1,
    "one row": lambda tf, x: x[:, 0] + 1,
    "bilinear": lambda tf, x: tf.image.resize(x, (16, 16)),
    "nearest": lambda tf, x: tf.image.resize(x, (16, 16), "nearest"),
    "blocks": lambda tf, x: tf.nn.space_to_depth(tf.nn.depth_to_space(x, 2), 2),
    "gather": lambda tf, x: tf.gather(x, (0, 2), axis=3),
    "pack": lambda tf, x: tf.stack((x, tf.abs(x)), 1),
    "largest": lambda tf, x: tf.cast(tf.argmax(x, 3, output_type=tf.int32), tf.float32),
    "comparison": lambda tf, x: tf.where(x > 0.1, x, tf.abs(x)),
}


@pytest.fixture(scope="module")
def one_of_each(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model with every operator beside the others, float32 and int8."""
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("each")
    shape = (1, 8, 8, 4)

    def all_of_them(x: Any) -> dict[str, Any]:
        return {f"out{i}": make(tf, x) for i, make in enumerate(ONE_OF_EACH.values())}

    function = tf.function(
        all_of_them, input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False
    )
    random = np.random.default_rng(0)
    files = {}
    for variant in ("float32", "dynamic", "float16", "int8"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()]
        )
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if variant == "int8":
            converter.representative_dataset = lambda: (
                [random.normal(size=shape).astype(np.float32)] for _ in range(4)
            )
        files[variant] = folder / f"{variant}.tflite"
        files[variant].write_bytes(converter.convert())
    return files


@pytest.mark.parametrize("variant", ["float32", "dynamic", "float16", "int8"])
def test_every_operator_is_foreseen(one_of_each: dict[str, Path], variant: str) -> None:
    assert_foreseen(one_of_each[variant])


def test_options_are_read_as_the_schema_says(one_of_each: dict[str, Path]) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    data = one_of_each["float32"].read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    operators = model.subgraphs[0].operators
    theirs = {
        "stride_width": "strideW",
        "stride_height": "strideH",
        "dilation_width": "dilationWFactor",
        "dilation_height": "dilationHFactor",
        "activation": "fusedActivationFunction",
    }
    checked = 0
    for ours, table in zip(
        read_model(one_of_each["float32"]).graph.operators, operators, strict=True
    ):
        for name, value in ours.options.items():
            words = name.split("_")
            camel = theirs.get(name) or words[0] + "".join(w.title() for w in words[1:])
            assert getattr(table.builtinOptions, camel) == pytest.approx(value), (ours.name, name)
            checked += 1
    assert checked > 60


def small_and_large() -> list[Any]:
    """The shipped definitions; those with a backbone take long to convert."""
    return [
        pytest.param(
            name,
            marks=[pytest.mark.heavy]
            if parse_model(*shipped.read("models", name)).backbone
            else [],
        )
        for name in shipped.names("models")
    ]


@pytest.mark.parametrize("name", small_and_large())
def test_every_shipped_definition_is_foreseen(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tf_keras")
    from cnnedge.architectures import build_model
    from cnnedge.converter import convert

    spec = parse_model(*shipped.read("models", name))
    size = InputSize(height=96, width=96) if spec.backbone or not spec.input else spec.input
    network = build_model(spec.scaled((1 / 255,), (0.0,)), size, 10)
    pictures = np.random.default_rng(0).integers(0, 256, (4, *size.shape)).astype(size.dtype)
    for variant in ("float32", "int8"):
        model = tmp_path / f"{variant}.tflite"
        model.write_bytes(convert(network, variant, pictures))
        assert_foreseen(model)


def test_phones_take_8_bits_from_android_10_on(plain_models: dict[str, Path]) -> None:
    early = reasons(forecast(plain_models["int8"], "NNAPI", 27))
    assert early["CONV_2D"] == "int8 values need API level 29"
    assert early["QUANTIZE"] == "needs API level 29"
    assert reasons(forecast(plain_models["int8"], "NNAPI", 29))["QUANTIZE"].endswith("level 30")
    late = forecast(plain_models["int8"], "NNAPI", 33)
    assert {30, 35} <= set(late.levels)
    assert "CONV_2D" not in reasons(late)
    assert late.note == "deprecated since Android 15"
    old = reasons(forecast(plain_models["float32"], "NNAPI", 27))
    assert old["MEAN"] == "needs API level 28"


def test_the_edge_tpu_takes_8_bits_alone(plain_models: dict[str, Path]) -> None:
    assert forecast(plain_models["int8"], "Edge TPU").taken
    nothing = forecast(plain_models["float32"], "Edge TPU")
    assert not nothing.taken
    assert nothing.pieces == 0
    assert reasons(nothing)["CONV_2D"] == "float32 values; only 8 bits are supported"


def test_the_edge_tpu_takes_one_piece(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 4), tf.float32)], autograph=False)
    def interrupted(x: Any) -> Any:
        x = tf.nn.relu(tf.nn.conv2d(x, np.ones((3, 3, 4, 4), "f"), 1, "SAME"))
        return tf.nn.conv2d(tf.math.log(x + 2), np.ones((3, 3, 4, 4), "f"), 1, "SAME")

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [interrupted.get_concrete_function()]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.ones((1, 8, 8, 4), "f") * i] for i in range(4))
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    found = forecast(tmp_path / "m.tflite", "Edge TPU")
    assert found.pieces == 1
    assert min(found.taken) == 0
    assert reasons(found)["CONV_2D"].startswith("supported, but after")


def test_a_gpu_takes_floats_and_8_bits(
    plain_models: dict[str, Path], one_of_each: dict[str, Path]
) -> None:
    for delegate in ("GPU (LiteRT)", "GPU (TFLite)"):
        for variant in plain_models:
            assert not forecast(plain_models[variant], delegate).left, (delegate, variant)
    left = reasons(forecast(one_of_each["float32"], "GPU (LiteRT)"))
    assert left["LOG_SOFTMAX"] == "no kernel for it"
    assert left["STRIDED_SLICE"] == "shrink axis mask"
    assert left["PACK"] == "5 dimensions; the limit is 4"


def test_the_arena_is_the_interpreter_s_own(tmp_path: Path) -> None:
    """Where no kernel needs scratch memory, the plan is what TFLite allocates, to the byte."""
    tf_keras = pytest.importorskip("tf_keras")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from cnnedge.converter import convert

    layers = tf_keras.layers
    image = tf_keras.Input((40, 40, 3), name="image")
    x = layers.DepthwiseConv2D(3, depth_multiplier=4, padding="same")(image)
    for width in (24, 16, 32):
        skip = layers.Conv2D(width, 1)(x)
        x = layers.MaxPooling2D(2)(layers.DepthwiseConv2D(3, padding="same")(skip))
        x = layers.Concatenate()([x, layers.AveragePooling2D(2)(skip)])
    x = layers.Dense(7, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(tf_keras.Model(image, x), "float32", np.zeros((1, 40, 40, 3), "u1")))

    model = read_model(path)
    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    spans = []
    for tensor in model.graph.tensors:
        if not tensor.constant_bytes:
            begin = interpreter.tensor(tensor.index)().__array_interface__["data"][0]
            spans.append((begin, begin + tensor.size_bytes))
    plan = plan_arena(model)
    assert plan.arena_bytes == max(e for _, e in spans) - min(b for b, _ in spans)
    assert plan.working_set_bytes <= plan.peak_bytes <= plan.arena_bytes


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 12), st.integers(0, 6)), max_size=25)
)
def test_a_plan_holds_all_that_is_alive(found: list[tuple[int, int, int]]) -> None:
    lives = [Lifetime(size=size, first=first, last=first + more) for size, first, more in found]
    alive = [sum(x.size for x in lives if x.first <= t <= x.last) for t in range(20)]
    whole = sum(-(-x.size // ALIGNMENT) * ALIGNMENT for x in lives)
    assert max(alive, default=0) <= arena_size(lives) <= whole


def test_the_table_and_the_json(int8_model: Path) -> None:
    shown = cnnedge("inspect", int8_model)
    assert shown.returncode == 0, shown.stderr
    for part in (
        "XNNPACK",
        "NNAPI, API 30–35",
        "Edge TPU",
        "QUANTIZE: uint8 to int8",
        "serving_default(",
        "per channel: ",
        "arena ",
        "2.14.0 has every operator",
        "labels.txt",
        "largest layers",
        "█",
    ):
        assert part in shown.stdout, part
    found = json.loads(cnnedge("inspect", int8_model, "--json", "-").stdout)
    xnnpack = found["delegates"][0]
    assert xnnpack["nodes_total"] == len(found["operators"])
    assert xnnpack["nodes_delegated"] < xnnpack["nodes_total"]
    assert all(x["reason"] for x in xnnpack["left_behind"])
    assert all(x["source"] for x in found["delegates"])
    assert found["tflite_metadata"]["inputs"][0]["content"].startswith("image RGB 24x24")
    assert found["associated_files"].keys() == {"labels.txt", "cnnedge.json"}
    assert sum(found["weight_bytes"].values()) < found["size_bytes"]
    assert sum(x["macs"] for x in found["layers"]) == found["macs"]
    assert found["arena"]["computed"] is True
    assert found["tflite_runtime"] == {"runs": True, "reasons": []}
    assert found["signature_details"][0]["inputs"]


def test_the_bench_agrees_with_the_forecast(int8_model: Path) -> None:
    (result,) = json.loads(cnnedge("bench", int8_model, "--json", "-").stdout)["results"]
    told = forecast(int8_model, "XNNPACK")
    assert result["delegate"]["nodes_delegated"] == len(told.taken)
    assert set(result["delegate"]["left_behind"]) == {left.operator for left in told.left}


def test_narrow_terminals_and_the_list_of_operators(int8_model: Path) -> None:
    done = cnnedge("inspect", int8_model, "--operators", "--layers", "2")
    assert "and" in done.stdout and "more; --layers N" in done.stdout
    assert "uint8 [1, 24, 24, 3]" in done.stdout
    assert "CONV_2D v" in done.stdout
    assert "largest layers" not in cnnedge("inspect", int8_model, "--layers", "0").stdout


def test_pictures_of_the_layers(int8_model: Path, tmp_path: Path) -> None:
    done = cnnedge("inspect", int8_model, "--plot", tmp_path / "new" / "out.png")
    assert done.returncode == 0, done.stderr
    picture = cv2.imread(str(tmp_path / "new" / "out.png"))
    assert picture.shape == (1280, 1920, 3)
    blue = (picture == (235, 99, 37)).all(axis=2)
    assert blue.mean() > 0.005, "no bars of convolutions"
    cnnedge("inspect", int8_model, "--plot", tmp_path / "out.svg")
    page = ElementTree.parse(tmp_path / "out.svg").getroot()
    texts = [t.text for t in page.iter("{http://www.w3.org/2000/svg}text")]
    assert int8_model.name in texts
    assert any(t and t.startswith("weights in the file") for t in texts)
    assert_one_clear_line(
        cnnedge("inspect", int8_model, "--plot", tmp_path / "a.pdf"), ".png or .svg"
    )


def test_further_subgraphs_are_told(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec((1, 4, 4, 3), tf.float32)], autograph=False)
    def choose(x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: tf.sin(x))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([choose.get_concrete_function()])
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    found = inspect_model(read_model(tmp_path / "m.tflite")).as_json()
    assert found["subgraphs"] == 3
    assert [s["operators"] for s in found["subgraph_details"]][1:] == [1, 1]
    shown = cnnedge("inspect", tmp_path / "m.tflite").stdout
    assert sum(line.startswith("subgraph") for line in shown.splitlines()) == 2
    assert_foreseen(tmp_path / "m.tflite")


def inspected(content: bytes, path: Path) -> None:
    """All that the command does with a file, but for the terminal."""
    path.write_bytes(content)
    found = inspect_model(read_model(path))
    json.dumps(found.as_json())
    for _, text in facts(found):
        assert "\x1b" not in text.plain
    for told in found.forecasts:
        left_behind(told)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_flipped_bytes_are_one_line(int8_model: Path, data: st.DataObject) -> None:
    content = bytearray(int8_model.read_bytes())
    # The checksum of our own files would stop most of them before anything is read.
    end = content.index(b"PK\x03\x04")
    content = content[:end]
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = int8_model.parent / "flipped.bin"
    with contextlib.suppress(ModelError):
        inspected(bytes(content), path)
    path.unlink()


def test_cut_short_anywhere(plain_models: dict[str, Path], tmp_path: Path) -> None:
    data = plain_models["int8"].read_bytes()
    for length in range(8, len(data), 61):
        with contextlib.suppress(ModelError):
            inspected(data[:length], tmp_path / "cut.tflite")


def flatbuffer(operators: int, indices: int, *, cyclic: bool = False) -> bytes:
    """A model of one tensor whose operators all share one table and one long list of inputs."""
    import flatbuffers

    b = flatbuffers.Builder(1024)
    empty = _offsets(b, [])
    b.StartVector(4, indices, 4)
    for _ in range(indices):
        b.PrependInt32(0)
    many = b.EndVector()
    b.StartVector(4, 1, 4)
    b.PrependInt32(0)
    one = b.EndVector()
    b.StartObject(8)
    tensor = b.EndObject()
    b.StartObject(13)
    b.PrependUOffsetTRelativeSlot(1, many, 0)
    b.PrependUOffsetTRelativeSlot(2, one, 0)
    operator = b.EndObject()
    tensors, list_of_operators = _offsets(b, [tensor]), _offsets(b, [operator] * operators)
    b.StartObject(5)
    b.PrependUOffsetTRelativeSlot(0, tensors, 0)
    b.PrependUOffsetTRelativeSlot(1, one, 0)
    b.PrependUOffsetTRelativeSlot(2, one, 0)
    b.PrependUOffsetTRelativeSlot(3, list_of_operators, 0)
    graph = _offsets(b, [b.EndObject()])
    b.StartObject(4)
    code = b.EndObject()
    b.StartObject(3)
    buffer = b.EndObject()
    codes, buffers = _offsets(b, [code]), _offsets(b, [buffer])
    b.StartObject(8)
    for slot, value in ((1, codes), (2, graph), (4, buffers), (6, empty)):
        b.PrependUOffsetTRelativeSlot(slot, value, 0)
    b.Finish(b.EndObject(), file_identifier=IDENTIFIER)
    return bytes(b.Output())


def _offsets(b: Any, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def test_one_list_named_a_million_times_is_refused(tmp_path: Path) -> None:
    inspected(flatbuffer(3, 2), tmp_path / "fine.tflite")
    (tmp_path / "hostile.tflite").write_bytes(flatbuffer(100_000, 100_000))
    assert_one_clear_line(
        cnnedge("inspect", tmp_path / "hostile.tflite"), "damaged", "more bytes than the file has"
    )


def test_operators_that_feed_themselves_end(tmp_path: Path) -> None:
    # Every operator reads and writes the one tensor there is: none is ever ready.
    inspected(flatbuffer(50, 2), tmp_path / "cycle.tflite")


def test_an_archive_that_would_fill_the_memory(
    plain_models: dict[str, Path], tmp_path: Path
) -> None:
    bomb = io.BytesIO()
    bomb.write(plain_models["float32"].read_bytes())
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        for i in range(40):
            archive.writestr(f"{i}.txt", b"\0" * 2**20)
    path = tmp_path / "bomb.tflite"
    path.write_bytes(bomb.getvalue())
    assert sum(read_model(path).associated.values()) <= 16 * 2**20


def test_huge_shapes_are_numbers_and_no_memory(
    plain_models: dict[str, Path], tmp_path: Path
) -> None:
    data = plain_models["float32"].read_bytes()
    shape = struct.pack("<5I", 4, 1, 16, 16, 3)
    assert shape in data
    huge = data.replace(shape, struct.pack("<5I", 4, 1, *[2**31 - 1] * 3))
    (tmp_path / "huge.tflite").write_bytes(huge)
    done = cnnedge("inspect", tmp_path / "huge.tflite")
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


def test_names_cannot_move_the_cursor(plain_models: dict[str, Path], tmp_path: Path) -> None:
    data = plain_models["float32"].read_bytes()
    assert b"serving_default" in data
    (tmp_path / "m.tflite").write_bytes(data.replace(b"serving_default", b"\x1b[2J\x1b[31merving"))
    done = cnnedge("inspect", tmp_path / "m.tflite", "--plot", tmp_path / "o.svg")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    ElementTree.parse(tmp_path / "o.svg")
    assert one_line("a\x1bb\n") == "a\ufffdb\ufffd"
