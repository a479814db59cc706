"""Models that are not a classifiers: a picture in, their outputs as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.bundle import Guest, read_model
from cnnedge.engines import Runtime
from cnnedge.errors import GateError, ModelError
from cnnedge.preprocess import Pixels
from cnnedge.raw_model import RawOutput, RawOutputs, dequantized, load_raw, output_names
from support.command import assert_one_clear_line, cnnedge

FRAME: Pixels = np.random.default_rng(1).integers(0, 256, (50, 70, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def two_outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A detector in small: boxes and scores of a picture, float32 and int8."""
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    kernels = [tf.Variable(random.normal(0, 0.3, (3, 3, 3, 6)).astype(np.float32))]
    kernels += [tf.Variable(random.normal(0, 0.5, (1, 1, 6, n)).astype(np.float32)) for n in (4, 2)]

    class Detector(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(autograph=False)  # type: ignore[misc]
        def detect(self, image: Any) -> dict[str, Any]:
            x = tf.nn.relu(tf.nn.conv2d(image / 255, kernels[0], 2, "VALID"))
            boxes, scores = (tf.nn.conv2d(x, kernel, 1, "VALID") for kernel in kernels[1:])
            return {"boxes": boxes, "scores": tf.sigmoid(scores)}

    detector = Detector()
    detector.kernels = kernels
    image = tf.TensorSpec((1, 16, 24, 3), tf.float32, name="image")
    folder = tmp_path_factory.mktemp("two")
    files = {}
    for variant in ("float32", "int8"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [detector.detect.get_concrete_function(image)], detector
        )
        if variant == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [random.integers(0, 256, (1, 16, 24, 3)).astype(np.float32)] for _ in range(20)
            )
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        files[variant] = folder / f"{variant}.tflite"
        files[variant].write_bytes(converter.convert())
    return files


def by_interpreter(path: Path, pixels: Pixels) -> dict[tuple[int, ...], Any]:
    """The raw outputs by their shapes, as the interpreter's own user gets them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], pixels[np.newaxis].astype(entry["dtype"]))
    interpreter.invoke()
    details = interpreter.get_output_details()
    return {tuple(d["shape"]): interpreter.get_tensor(d["index"]) for d in details}


def test_outputs_have_names_and_are_what_the_interpreter_gives(
    two_outputs: dict[str, Path],
) -> None:
    model = load_raw(two_outputs["float32"], Runtime(guest=Guest(pixel_range="0..255")))
    outputs = model(FRAME)
    assert {o.name for o in outputs} == set(model.names) == {"boxes", "scores"}
    expected = by_interpreter(two_outputs["float32"], model.prepare(FRAME))
    for output in outputs:
        assert np.array_equal(output.raw, expected[output.shape])
        assert output.values.dtype == np.float32
        assert np.array_equal(outputs[output.name], output.values)
    assert len(outputs) == 2
    with pytest.raises(KeyError, match="boxes"):
        outputs["masks"]


def test_quantised_outputs_come_as_real_numbers(two_outputs: dict[str, Path]) -> None:
    model, plain = (
        load_raw(two_outputs["int8"]),
        load_raw(two_outputs["float32"], Runtime(guest=Guest(pixel_range="0..255"))),
    )
    quantised, real = model(FRAME), plain(FRAME)
    for output in quantised:
        assert output.dtype == str(output.raw.dtype) == "uint8"
        assert output.values.dtype == np.float32
        spread = real[output.name].max() - real[output.name].min()
        assert np.abs(output.values - real[output.name]).max() < 0.1 * spread + 0.05
    scores = quantised["scores"]
    assert 0 <= scores.min() <= scores.max() <= 1


def test_what_infer_gave_stays_whatever_runs_next(two_outputs: dict[str, Path]) -> None:
    model = load_raw(two_outputs["int8"])
    model.feed(FRAME)
    first = model.infer()
    kept = [values.copy() for values in first]
    model.feed(255 - FRAME)
    model.infer()
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))
    by_hand = model.predict(model.prepare(FRAME))
    assert all(np.array_equal(o.raw, k) for o, k in zip(by_hand, kept, strict=True))


def test_a_file_that_says_nothing_has_its_assumptions_listed(
    two_outputs: dict[str, Path],
) -> None:
    assert any("stretched" in text for text in load_raw(two_outputs["float32"]).assumptions)


def test_a_classifier_may_be_run_raw_too(int8_model: Path) -> None:
    model = load_raw(int8_model)
    (output,) = model(FRAME)
    assert output.shape == (1, 3)
    assert output.values.sum() == pytest.approx(1, abs=0.02)
    assert model.assumptions == []


def test_the_json_is_json(two_outputs: dict[str, Path]) -> None:
    found = json.loads(json.dumps(load_raw(two_outputs["int8"])(FRAME).as_json(), allow_nan=False))
    boxes = next(o for o in found if o["name"] == "boxes")
    assert boxes["dtype"] == "uint8"
    assert np.asarray(boxes["values"]).shape == tuple(boxes["shape"]) == (1, 7, 11, 4)
    odd = np.array([[np.nan, np.inf, 1.5]], np.float32)
    output = RawOutput(name="odd", dtype="float32", values=odd, raw=odd)
    assert RawOutputs((output,)).as_json()[0]["values"] == [[None, None, 1.5]]


def test_what_float32_does_not_hold_stays_as_it_is(two_outputs: dict[str, Path]) -> None:
    tensor = read_model(two_outputs["float32"]).output
    large = np.array([2**40 + 1], np.int64)
    assert dequantized(large, tensor)[0] == 2**40 + 1
    assert dequantized(np.array([True]), tensor).dtype == np.float32
    assert dequantized(np.array([7], np.int8), tensor).dtype == np.float32


def test_equal_names_are_told_apart(two_outputs: dict[str, Path]) -> None:
    names = output_names(read_model(two_outputs["float32"]))
    assert len(set(names)) == len(names) == 2


def test_other_inputs_and_delegates_are_refused(
    two_outputs: dict[str, Path], tmp_path: Path
) -> None:
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec((1, 10), tf.float32)], autograph=False)
    def numbers(x: Any) -> Any:
        return x * 2

    path = tmp_path / "numbers.tflite"
    converter = tf.lite.TFLiteConverter.from_concrete_functions([numbers.get_concrete_function()])
    path.write_bytes(converter.convert())
    with pytest.raises(ModelError, match=r"not one picture: found float32 \[1, 10\]"):
        load_raw(path)
    assert_one_clear_line(
        cnnedge("run", path, "--raw", "--source", "sample", "--frames", 1), "numbers.tflite"
    )
    with pytest.raises(GateError):
        load_raw(two_outputs["float32"], Runtime(delegate="nnapi"))


def test_run_raw_says_every_output(two_outputs: dict[str, Path]) -> None:
    done = cnnedge(
        "run", two_outputs["int8"], "--raw", "--source", "sample", "--frames", 3, "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["frames"] == len(result["outputs"]) == 3
    names = {o["name"] for o in result["outputs"][0]["outputs"]}
    assert names == {"boxes", "scores"}


def test_without_raw_it_says_what_to_do(two_outputs: dict[str, Path]) -> None:
    done = cnnedge("run", two_outputs["int8"], "--source", "sample", "--frames", 1)
    assert_one_clear_line(done, "not a classifier")
