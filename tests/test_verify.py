"""verify: a model broken on purpose parts at the stage it was broken at, an intact one nowhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.bundle import Guest, read_model, write_model
from cnnedge.engines import Runtime
from cnnedge.errors import GateError
from cnnedge.specs import InputSize
from support.broken import broken_model, huge_layer
from support.command import assert_one_clear_line, cnnedge
from support.delegate import build
from support.pictures import SHAPES, shape_picture

tf_keras = pytest.importorskip("tf_keras")

from cnnedge.conversion.work import prepare  # noqa: E402
from cnnedge.converter import convert  # noqa: E402
from cnnedge.packing import pack, unpack  # noqa: E402
from cnnedge.training.backend import load_keras  # noqa: E402
from cnnedge.training.run_folder import RunFolder, read_recipe  # noqa: E402
from cnnedge.verification.case import Question  # noqa: E402
from cnnedge.verification.session import verify  # noqa: E402
from cnnedge.verification.verdict import Stage, Verdict, flips, moved, snr_db  # noqa: E402
from support.reporters import Quiet  # noqa: E402

SIZE = InputSize(height=24, width=24, channels=3)
NAMES = ["decode", "resize", "colour", "scale", "quantise"]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The trained run, and a place where its model is broken. calibration: of the run."""

    run: Path
    folder: Path
    calibration: np.ndarray
    labels: tuple[str, ...]
    provenance: dict[str, Any]

    def keras(self) -> Any:
        """The run's model; a new one each time."""
        return load_keras(self.run / "model.keras")

    def flatbuffer(self, model: Any, variant: str) -> bytes:
        return convert(model, variant, self.calibration)

    def pack(self, flatbuffer: bytes, **changes: Any) -> Path:
        """A file like the run's own, but for what was changed."""
        labels = changes.pop("labels", self.labels)
        path = self.folder / "broken.tflite"
        provenance = self.provenance | changes
        write_model(path, flatbuffer, labels=labels, size=SIZE, provenance=provenance)
        return path

    def verdict(self, path: Path, **options: Any) -> Verdict:
        elsewhere = {k: options.pop(k) for k in ("target", "progress") if k in options}
        return verify(Question(model=path, **{"run": self.run} | options), **elsewhere)


@pytest.fixture(scope="module")
def bench(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    run = RunFolder(trained_run)
    work = prepare(run, read_recipe(run), Quiet())
    model = read_model(trained_run / "export" / "int8.tflite")
    assert model.labels is not None
    assert model.provenance is not None
    return Bench(
        run=trained_run,
        folder=tmp_path_factory.mktemp("broken"),
        calibration=work.calibration(40),
        labels=model.labels,
        provenance=dict(model.provenance.raw),
    )


def stage(verdict: Verdict, name: str) -> Stage:
    return next(s for s in verdict.stages if s.name == name)


def first(verdict: Verdict) -> Stage:
    assert verdict.parted, verdict.stages
    return verdict.parted[0]


def wide_pictures(folder: Path, *, labelled: bool = True, grey: bool = False) -> Path:
    """Eight pictures of each shape, twice as wide as high."""
    for kind in SHAPES:
        place = folder / kind if labelled else folder
        place.mkdir(parents=True, exist_ok=True)
        for i in range(8):
            picture = cv2.resize(shape_picture(kind, 900 + i), (96, 48))
            if grey:
                picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            cv2.imwrite(str(place / f"{kind}{i}.png"), picture)
    return folder


def without_scaling(model: Any) -> Any:
    image = x = tf_keras.layers.Input(SIZE.shape)
    for layer in model.layers:
        if not isinstance(layer, (tf_keras.layers.Rescaling, tf_keras.layers.InputLayer)):
            x = layer(x)
    return tf_keras.Model(image, x)


def scaled_twice(model: Any) -> Any:
    def again(layer: Any) -> Any:
        if isinstance(layer, tf_keras.layers.Rescaling):
            return tf_keras.layers.Rescaling(1 / 255**2)
        return type(layer).from_config(layer.get_config())

    copy = tf_keras.models.clone_model(model, clone_function=again)
    copy.set_weights(model.get_weights())
    return copy


def taking_bgr(model: Any) -> Any:
    layer = next(x for x in model.layers if isinstance(x, tf_keras.layers.Conv2D))
    kernel, *rest = layer.get_weights()
    layer.set_weights([kernel[:, :, ::-1], *rest])
    return model


def trained_otherwise(model: Any) -> Any:
    rng = np.random.default_rng(0)
    noisy = [w * (1 + 0.05 * rng.standard_normal(w.shape)) for w in model.get_weights()]
    model.set_weights(noisy)
    return model


def edited(flatbuffer: bytes, end: str, scale: float, zero: int) -> bytes:
    """With other quantisation parameters of the graph's input or output."""
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    tensor = graph.tensors[(graph.inputs if end == "input" else graph.outputs)[0]]
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([zero], np.int64)
    return pack(model)


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_an_intact_variant_agrees(bench: Bench, variant: str) -> None:
    verdict = bench.verdict(bench.run / "export" / f"{variant}.tflite")
    assert verdict.parted == ()
    parts = ["network float32", *([f"network {variant}"] if variant != "float32" else [])]
    names = [*NAMES, *parts, "network file", "delegate", "labels"]
    assert [s.name for s in verdict.stages] == names
    assert all(s.agrees for s in verdict.stages)
    assert verdict.format == variant
    assert stage(verdict, "decode").found.startswith("the pixels of training")
    assert stage(verdict, "colour").would_show > 0.02
    network = stage(verdict, "network file")
    assert network.deviation <= network.allowed
    if variant == "float32":
        assert verdict.flipped == ()
        assert network.deviation < 1e-5


@pytest.mark.parametrize("variant", ["float32", "int8"])
@pytest.mark.parametrize(
    ("broken", "name", "cause"),
    [
        (taking_bgr, "colour", "BGR where the run takes RGB"),
        (without_scaling, "scale", "scaling to 0..1 is not in the graph"),
        (scaled_twice, "scale", "scales pixels to 0..1 twice"),
    ],
)
def test_what_the_graph_does_with_pixels(
    bench: Bench, variant: str, broken: Callable[[Any], Any], name: str, cause: str
) -> None:
    """Also: no other stage is accused."""
    path = bench.pack(bench.flatbuffer(broken(bench.keras()), variant))
    verdict = bench.verdict(path)
    assert [s.name for s in verdict.parted] == [name]
    found = first(verdict)
    assert cause in found.cause
    assert found.deviation > 4 * found.allowed
    assert found.flips > 0
    assert verdict.flipped
    assert stage(verdict, "network file").agrees


def test_the_remedy_for_a_missing_scale_helps(bench: Bench) -> None:
    path = bench.pack(bench.flatbuffer(without_scaling(bench.keras()), "float32"))
    assert "--pixels 0..1" in first(bench.verdict(path)).remedy
    assert bench.verdict(path, runtime=Runtime(guest=Guest(pixel_range="0..1"))).parted == ()


def test_a_file_without_metadata(bench: Bench) -> None:
    """It does not say how to resize, nor what it takes: the assumptions are named, and mended."""
    path = bench.folder / "plain.tflite"
    path.write_bytes(bench.flatbuffer(bench.keras(), "float32"))
    verdict = bench.verdict(path)
    assert [s.name for s in verdict.parted] == ["resize", "scale"]
    assert "states no resize rule" in verdict.parted[0].cause
    assert "the file does not state what it takes" in verdict.parted[1].cause
    assert "--pixels 0..255" in verdict.parted[1].remedy
    assert stage(verdict, "labels").agrees is None
    assert any("resize rule" in text for text in verdict.assumptions)
    mended = bench.verdict(path, runtime=Runtime(guest=Guest(pixel_range="0..255")))
    assert [s.name for s in mended.parted] == ["resize"]


def test_another_resize_rule(bench: Bench, tmp_path: Path) -> None:
    path = bench.pack(bench.flatbuffer(bench.keras(), "int8"), preprocess={"resize": "stretch"})
    wide = bench.verdict(path, data=str(wide_pictures(tmp_path)))
    assert [s.name for s in wide.parted] == ["resize"]
    assert first(wide).flips > 0
    assert len(wide.flipped) > 0
    # The run's own pictures have the input's size and need no resizing; a camera's frame does.
    hidden = bench.verdict(path)
    assert [s.name for s in hidden.parted] == ["resize"]
    assert "these pictures need no resizing" in first(hidden).found
    assert first(hidden).flips == 0


@pytest.mark.parametrize(
    ("end", "scale", "zero"), [("input", 0.5, 0), ("input", 1.0, 60), ("output", 1 / 1024, 0)]
)
def test_quantisation_parameters(bench: Bench, end: str, scale: float, zero: int) -> None:
    flatbuffer = bench.flatbuffer(bench.keras(), "int8")
    verdict = bench.verdict(bench.pack(edited(flatbuffer, end, scale, zero)))
    assert [s.name for s in verdict.parted] == ["quantise"]
    assert f"{end}, scale {scale:.6g}, zero point {zero}" in first(verdict).found


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_weights_of_another_run(bench: Bench, variant: str) -> None:
    model = bench.keras()
    names = [x.name for x in model.layers if x.get_weights() and "norm" not in x.name]
    flatbuffer = bench.flatbuffer(trained_otherwise(model), variant)
    verdict = bench.verdict(bench.pack(flatbuffer, model_sha256="00"))
    assert [s.name for s in verdict.parted] == ["network file"]
    cause = first(verdict).cause
    assert "in 3 of 3 layers with weights" in cause
    assert all(name in cause for name in names)
    assert "made from another model.keras" in cause
    # What other weights answer says nothing of colour and scale.
    assert stage(verdict, "colour").agrees is None


def test_other_calibration_pictures(bench: Bench) -> None:
    path = bench.pack(convert(bench.keras(), "int8", bench.calibration // 8))
    verdict = bench.verdict(path)
    assert [s.name for s in verdict.parted] == ["network file"]
    assert "calibrated on other values" in first(verdict).cause


def test_a_missing_softmax(bench: Bench) -> None:
    model = bench.keras()
    last = model.layers[-1]
    logits = type(last).from_config(last.get_config() | {"activation": "linear"})
    without = tf_keras.Model(model.input, logits(model.layers[-2].output))
    logits.set_weights(last.get_weights())
    verdict = bench.verdict(bench.pack(bench.flatbuffer(without, "float32")))
    assert [s.name for s in verdict.parted] == ["network file"]
    assert first(verdict).cause == "the final softmax is not in the file"


def test_a_network_that_does_not_bear_int8(bench: Bench, tmp_path: Path) -> None:
    """One channel is huge; the layer is named, and left in float the file agrees."""
    skipped = shutil.ignore_patterns("export", "compress")
    run = shutil.copytree(bench.run, tmp_path / "run", ignore=skipped)
    model = broken_model(bench.keras())
    model.save(run / "model.keras")
    guilty, _ = huge_layer(model)
    verdict = bench.verdict(bench.pack(bench.flatbuffer(model, "int8")), run=run)
    assert [s.name for s in verdict.parted] == ["network int8"]
    assert guilty in first(verdict).cause
    assert "selective" in first(verdict).remedy
    assert len(verdict.flipped) > 5
    assert bench.verdict(bench.pack(bench.flatbuffer(model, "float32")), run=run).parted == ()

    layers = [x.name for x in model.layers if type(x).__name__ in ("Conv2D", "MaxPooling2D")]
    mixed = convert(model, "int8", bench.calibration, float_layers=layers[:3])
    assert bench.verdict(bench.pack(mixed), run=run).parted == ()


def test_a_file_of_another_run(bench: Bench, plain_models: dict[str, Path]) -> None:
    verdict = bench.verdict(plain_models["int8"])
    assert [s.stage for s in verdict.parted] == ["resize", "network"]
    assert "4 classes; the run has 3" in stage(verdict, "network file").found
    assert verdict.flipped == ()


def test_labels_in_another_order(bench: Bench) -> None:
    model = bench.keras()
    verdict = bench.verdict(bench.pack(bench.flatbuffer(model, "int8"), labels=bench.labels[::-1]))
    assert [s.name for s in verdict.parted] == ["labels"]
    assert "another order than its outputs" in first(verdict).cause
    assert {f.model_label for f in verdict.flipped} <= set(bench.labels)

    # With the outputs in that order too, it is the same model.
    last = model.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel[:, ::-1], bias[::-1]])
    path = bench.pack(bench.flatbuffer(model, "int8"), labels=bench.labels[::-1])
    assert bench.verdict(path).parted == ()


def test_a_delegate_that_computes_something_else(bench: Bench, tmp_path: Path) -> None:
    library = str(build(tmp_path))
    path = bench.run / "export" / "float32.tflite"

    def on(**options: str) -> Verdict:
        runtime = Runtime(delegate=library, options=options)
        return bench.verdict(path, runtime=runtime)

    assert on().parted == ()
    wrong = on(offset="0.2")
    assert [s.name for s in wrong.parted] == ["delegate"]
    assert first(wrong).deviation > first(wrong).allowed
    assert "what the CPU does" in first(wrong).cause
    with pytest.raises(GateError, match="no such device"):
        on(fail="create")


def test_another_engine(bench: Bench) -> None:
    pytest.importorskip("openvino")
    for variant in ("float32", "int8"):
        path = bench.run / "export" / f"{variant}.tflite"
        verdict = bench.verdict(path, runtime=Runtime(engine="openvino", precision="f32"))
        assert verdict.parted == ()
        assert verdict.as_json()["engine"] == "openvino"
        assert "openvino" in stage(verdict, "delegate").found


def test_pictures_that_changed_since_training(bench: Bench, shapes: Path, tmp_path: Path) -> None:
    """Where the run's data lies now, one file holds other pixels."""
    moved_to = shutil.copytree(shapes, tmp_path / "pictures")
    run = shutil.copytree(bench.run, tmp_path / "run")
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(shapes), str(moved_to)))
    int8 = run / "export" / "int8.tflite"
    assert bench.verdict(int8, run=run).parted == ()
    changed = next(moved_to.rglob("*.png"))
    cv2.imwrite(str(changed), cv2.imread(str(changed)) // 2)
    verdict = bench.verdict(int8, run=run)
    assert [s.name for s in verdict.parted] == ["decode"]
    # Named as pictures of the user's own, they need not be those of training.
    assert bench.verdict(int8, run=run, data=str(moved_to)).parted == ()


def test_pictures_of_ones_own(bench: Bench, shapes: Path, tmp_path: Path) -> None:
    int8 = bench.run / "export" / "int8.tflite"
    loose = wide_pictures(tmp_path / "loose", labelled=False)
    unlabelled = bench.verdict(int8, data=str(loose), pictures=9)
    assert (unlabelled.parted, unlabelled.pictures) == ((), 9)
    assert all(f.truth is None for f in unlabelled.flipped)
    assert bench.verdict(int8, data=str(loose / "cross3.png")).pictures == 1
    # On grey pictures nobody can tell RGB from BGR.
    grey = bench.verdict(int8, data=str(wide_pictures(tmp_path / "grey", grey=True)))
    assert stage(grey, "colour").agrees is None
    assert grey.parted == ()
    # The run's data by another path: its test pictures are taken.
    moved_to = shutil.copytree(shapes, tmp_path / "moved")
    tested = bench.verdict(int8)
    assert bench.verdict(int8, data=str(moved_to)).pictures == tested.pictures


def test_the_command(bench: Bench, tmp_path: Path) -> None:
    int8 = bench.run / "export" / "int8.tflite"
    done = cnnedge("verify", int8, "--reference", bench.run)
    assert done.returncode == 0, done.stderr
    assert "All stages agree." in done.stdout
    for name in (*NAMES, "network int8", "network file", "delegate", "labels"):
        assert f"✓  {name}" in done.stdout

    broken = bench.pack(bench.flatbuffer(taking_bgr(bench.keras()), "float32"))
    kept = tmp_path / "verdict.json"
    done = cnnedge("verify", broken, "--reference", bench.run, "--json", kept)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "✗  colour" in done.stdout
    assert "Parts at colour: the model takes BGR" in done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert "parts from its training run at colour" in errors[0]
    found = json.loads(kept.read_text())
    assert (found["agrees"], found["first"]) == (False, "colour")
    assert {"stage", "deviation", "allowed", "because", "flips"} <= set(found["stages"][0])
    assert found["flipped"]
    for flip in found["flipped"]:
        assert flip["name"] in done.stdout
        assert flip["reference_label"] != flip["model_label"]


def test_on_a_device(bench: Bench) -> None:
    """This machine as a device: three rows more, which agree."""
    int8 = bench.run / "export" / "int8.tflite"
    words = ("verify", int8, "--reference", bench.run, "--pictures", 9, "--device", "local")
    done = cnnedge(*words)
    assert done.returncode == 0, done.stderr
    for name in ("decode on local", "resize on local", "network on local"):
        assert f"✓  {name}" in done.stdout
    done = cnnedge(*words, "--delegate", "nnapi")
    assert done.returncode == 3
    assert "local: --delegate nnapi" in done.stderr


def test_json_alone(bench: Bench) -> None:
    int8 = bench.run / "export" / "int8.tflite"
    done = cnnedge("verify", int8, "--reference", bench.run, "--pictures", 6, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["agrees"], found["first"], found["pictures"]) == (True, None, 6)


def test_wrong_usage(bench: Bench, tmp_path: Path, plain_models: dict[str, Path]) -> None:
    int8 = bench.run / "export" / "int8.tflite"
    assert cnnedge("verify", int8).returncode == 2
    assert_one_clear_line(
        cnnedge("verify", int8, "--reference", bench.run, "--device", "pi"), "no device 'pi'"
    )
    assert_one_clear_line(
        cnnedge("verify", int8, "--reference", tmp_path / "none"), "no such run folder"
    )
    assert_one_clear_line(
        cnnedge("verify", tmp_path / "none.tflite", "--reference", bench.run), "no such file"
    )


def test_measures() -> None:
    sure = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    other = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1]], np.float32)
    assert moved(sure, sure) == 0
    assert moved(sure, other) == pytest.approx(0.1)
    assert moved(sure, sure[::-1]) == pytest.approx(1.0)
    assert flips(sure, other) == 0
    assert flips(sure, sure[::-1]) == 2
    assert snr_db(sure, sure) > 100
    assert snr_db(other, sure) == pytest.approx(10 * np.log10((2 / 3) / 0.02), abs=1e-3)
    assert snr_db(sure[::-1], sure) < 0
