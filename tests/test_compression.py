"""Compression end to end: techniques beside their controls, kept, gated, mended, searched."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnnedge.benchmark import PROTOCOLS
from cnnedge.bundle import read_model
from cnnedge.compression import chain
from cnnedge.conversion.session import convert
from cnnedge.conversion.settings import Wishes
from cnnedge.errors import CnnedgeError
from cnnedge.specs import parse_variant
from cnnedge.verification.network import says_corrected
from support.broken import broken_model
from support.command import assert_one_clear_line, begun, cnnedge, once
from support.environments import clean_environment, project_environment
from support.reporters import Quiet

QUICK = (
    "compress.channels={epochs: 4, steps: 2, multiple: 2}",
    "compress.prune.epochs=2",
    "compress.distil.epochs=1",
    "compress.distil.student_epochs=2",
    "compress.cluster.epochs=1",
    "compress.qat.epochs=1",
)
# Twelve, every technique and every format among them.
TWELVE = (
    "float32",
    "dynamic",
    "int8",
    "int8-float-io",
    "int16x8",
    "qat",
    "prune80",
    "prune80-qat",
    "cluster16",
    "channels50",
    "distil_shapes_model",
    "channels50-distil-qat",
)

# The labels that an engine gives a folder of pictures: of each model file, by name.
LABELS = """
import json, sys
from pathlib import Path
import cnnedge, cv2
engine, folder, *files = sys.argv[1:]
frames = [cv2.imread(str(picture)) for picture in sorted(Path(folder).iterdir())]
assert len(frames) == 40
models = [cnnedge.load(file, engine=engine) for file in files]
assert all(model.engine.name == engine for model in models)
print(json.dumps([[model(frame).label for frame in frames] for model in models]))
"""
# Those of them that a conversion is killed over: steps that build on others, and two formats.
KILLED_OVER = ("float32", "int8", "prune80", "prune80-qat", "cluster16")


def quick(*words: str) -> list[str]:
    """--set for short training: of all techniques, or of these alone."""
    settings = [
        s for s in QUICK if not words or s.startswith(tuple(f"compress.{w}" for w in words))
    ]
    return [word for setting in settings for word in ("--set", setting)]


def variants(run: Path, names: Sequence[str] = TWELVE) -> list[str]:
    """--variant for each of these; the student is the run's own definition."""
    student = run.parent / "shapes_model.yaml"
    if not student.exists():
        student.write_text((run / "model.yaml").read_text())
    texts = [f"distil: {student}" if name.startswith("distil_") else name for name in names]
    return [word for text in texts for word in ("--variant", text)]


def copy_of(run: Path, folder: Path) -> Path:
    """The run without what conversions made of it."""
    to = folder / "run"
    shutil.copytree(run, to, ignore=shutil.ignore_patterns("export", "compress"))
    return to


@pytest.fixture(scope="module")
def run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of(trained_run, tmp_path_factory.mktemp("compressed"))


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    done = cnnedge("convert", run, *variants(run), *quick(), "--json", "-")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def entry(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(v for v in report["variants"] if v["name"] == name)


@pytest.mark.heavy
def test_twelve_variants_in_one_conversion(report: dict[str, Any], run: Path) -> None:
    assert [v["name"] for v in report["variants"]] == list(TWELVE)
    for v in report["variants"]:
        model = read_model(run / "export" / v["file"])
        assert model.labels == ("circle", "cross", "square")
        assert model.provenance is not None
        assert model.provenance.variant == v["name"]
        assert v["tflite_runtime"]["runs"] or v["tflite_runtime"]["reasons"]
        assert v["status"] == "ok"
    assert {p.name for p in (run / "export").iterdir()} == {
        *(f"{name}.tflite" for name in TWELVE),
        "report.json",
        "report.html",
    }


@pytest.mark.heavy
@pytest.mark.skipif(
    sys.version_info >= (3, 12) or sys.platform != "linux",
    reason="tflite-runtime's last release has no wheel past Python 3.11 or outside Linux",
)
def test_every_variant_answers_alike_in_tflite_runtime_or_says_why_not(
    report: dict[str, Any], run: Path, shapes: Path, tmp_path: Path
) -> None:
    python = project_environment("tflite-runtime", "tflite-runtime")
    refused = [v["name"] for v in report["variants"] if not v["tflite_runtime"]["runs"]]
    for v in report["variants"]:
        assert (v["name"] in refused) == ("version" in "".join(v["tflite_runtime"]["reasons"]))
    runs = [v for v in report["variants"] if v["name"] not in refused]
    files = [str(run / "export" / v["file"]) for v in runs]
    answers = []
    for engine in ("litert", "tflite-runtime"):
        done = subprocess.run(
            [python, "-c", LABELS, engine, shapes / "circle", *files],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=clean_environment(),
        )
        assert done.returncode == 0, (engine, done.stderr[-1500:])
        answers.append(json.loads(done.stdout))
    for v, *labels in zip(runs, *answers, strict=True):
        same = np.mean([a == b for a, b in zip(*labels, strict=True)])
        # Integer kernels round halves differently: a picture on the fence may fall either way.
        assert same >= 0.97, v["name"]
    assert refused == ["dynamic"]


@pytest.mark.heavy
def test_techniques_do_what_they_say(report: dict[str, Any]) -> None:
    whole = entry(report, "int8")
    pruned, kept = entry(report, "prune80"), entry(report, "prune80-qat")
    assert pruned["sparsity"] > 0.7
    assert kept["sparsity"] >= 0.95 * pruned["sparsity"]
    assert pruned["gzip_bytes"] < whole["gzip_bytes"]
    assert entry(report, "cluster16")["gzip_bytes"] < whole["gzip_bytes"]
    smaller = entry(report, "channels50")
    assert smaller["macs"] < 0.6 * whole["macs"]
    assert smaller["parameters"] < 0.6 * whole["parameters"]
    assert entry(report, "channels50-distil-qat")["macs"] == smaller["macs"]


@pytest.mark.heavy
def test_each_technique_has_a_control_of_equal_training(report: dict[str, Any]) -> None:
    for v in report["variants"]:
        if not v["techniques"]:
            assert v["control"] is None
            continue
        assert v["control"]["epochs"] == v["epochs"] > 0
        difference = 100 * (v["accuracy"] - v["control"]["accuracy"])
        assert v["control"]["difference_points"] == pytest.approx(difference)
    assert entry(report, "prune80-qat")["epochs"] == 3
    assert entry(report, "channels50-distil-qat")["epochs"] == 4 + 1 + 1


@pytest.mark.heavy
def test_a_second_conversion_trains_nothing(
    report: dict[str, Any], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del report
    monkeypatch.setitem(PROTOCOLS, "quick", once())
    before = {p: p.stat().st_mtime_ns for p in (run / "compress").rglob("step.json")}
    files = {p: p.read_bytes() for p in (run / "export").glob("*.tflite")}
    # These have the longest steps.
    names = ["int8", "prune80-qat", "channels50-distil-qat"]
    reporter = Quiet()
    chosen = [parse_variant(name, "test") for name in names]
    used = [s for s in QUICK if "student" not in s and "cluster" not in s]
    again = convert(run, reporter, Wishes(variants=tuple(chosen), overrides=tuple(used)))
    assert reporter.trained == []
    assert [v.name for v in again.variants] == names
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert {p: p.read_bytes() for p in files} == files


@pytest.mark.heavy
def test_killed_conversion_goes_on_where_it_was(
    report: dict[str, Any], trained_run: Path, tmp_path: Path
) -> None:
    run = copy_of(trained_run, tmp_path)
    # Controls decide no file, and take as long as all the rest.
    words = ("prune", "cluster", "qat")
    told = (*variants(run, KILLED_OVER), *quick(*words), "--set", "compress.control=false")
    process = begun("convert", run, *told)
    # In the middle: something is finished, something is being trained.
    deadline = time.monotonic() + 300
    while not list((run / "compress").glob("prune80-*/step.json")):
        assert process.running()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.end()
    assert not (run / "export" / "report.json").exists()
    done = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (run / "export").glob("*.tflite")}
    # One may have been killed between its file and the record of it; it is written again.
    recorded = {p for p in done if (run / "compress/measured" / f"{p.stem}.json").exists()}
    for file in done:
        if not file.name.startswith("."):
            read_model(file)
    steps = {p: p.stat().st_mtime_ns for p in (run / "compress").rglob("step.json")}
    assert steps
    again = cnnedge("convert", run, *told, "--json", "-")
    assert again.returncode == 0, again.stderr[-3000:]
    assert {p: p.stat().st_mtime_ns for p in steps} == steps
    whole = [p for p in done if not p.name.startswith(".")]
    assert {p: p.read_bytes() for p in whole} == {p: done[p][1] for p in whole}
    kept = [p for p in whole if p in recorded]
    assert len(kept) >= len(whole) - 1
    assert {p: p.stat().st_mtime_ns for p in kept} == {p: done[p][0] for p in kept}
    resumed = json.loads(again.stdout)
    for v in resumed["variants"]:
        assert v["sha256"] == entry(report, v["name"])["sha256"], v["name"]
    names = {p.name for p in (run / "export").iterdir() if not p.name.startswith(".")}
    assert names == {*(f"{name}.tflite" for name in KILLED_OVER), "report.json", "report.html"}


@pytest.fixture(scope="module")
def broken_run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model is as good as ever in float, and broken by int8."""
    from cnnedge.training.backend import load_keras

    run = copy_of(trained_run, tmp_path_factory.mktemp("broken"))
    broken_model(load_keras(run / "model.keras")).save(run / "model.keras")
    return run


def test_the_gate_catches_int8_and_names_the_layer(broken_run: Path) -> None:
    done = cnnedge("convert", broken_run, "--variant", "int8", "--max-drop", "0.5")
    assert done.returncode == 3, done.stderr[-2000:]
    assert "int8 lost" in done.stderr
    assert (broken_run / "export" / "int8.tflite").exists()
    report = json.loads((broken_run / "export" / "report.json").read_text())
    layers = report["sensitivity"]["layers"]
    worst = min(layers, key=lambda layer: layer["own_snr_db"])
    assert worst["layer"] == "conv2d_1"
    assert "conv2d_1" in (broken_run / "export" / "report.html").read_text()


def test_selective_mends_what_int8_broke(broken_run: Path) -> None:
    done = cnnedge(
        *("convert", broken_run, "--variant", "int8", "--max-drop", "0.5"),
        *("--set", "convert.remedies=[calibration, selective]"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((broken_run / "export" / "report.json").read_text())
    assert [v["name"] for v in report["variants"]] == ["int8", "int8-recalibrated", "selective"]
    assert [v["status"] for v in report["variants"]] == ["failed", "failed", "ok"]
    # Five times the recipe's 40 would be more than the run was trained on: what was taken is said.
    pictures = {v["name"]: v["calibration_pictures"] for v in report["variants"]}
    assert pictures == {"int8": 40, "int8-recalibrated": 75, "selective": 40}
    mended = entry(report, "selective")
    assert mended["remedy_of"] == "int8"
    assert "conv2d_1" in mended["float_layers"]
    assert mended["accuracy"] >= report["reference"]["accuracy"] - 0.005


def test_a_published_network_is_trained_by_no_technique() -> None:
    """Its classes are not those of the pictures: qat has to be refused before it trains."""
    data = SimpleNamespace(
        run=SimpleNamespace(model=Path("model.keras")),
        recipe=SimpleNamespace(training=SimpleNamespace(method="pretrained")),
    )
    shop: Any = SimpleNamespace(data=data)
    chain.check(shop, [parse_variant("int8", "test"), parse_variant("selective", "test")])
    with pytest.raises(CnnedgeError, match=r"qat: .* published network.*train it on your pictures"):
        chain.check(shop, [parse_variant("qat", "test")])


def test_biases_are_corrected_or_kept_as_the_recipe_says(trained_run: Path, tmp_path: Path) -> None:
    run = copy_of(trained_run, tmp_path)
    told = {}
    for wanted in ("corrected", "keep"):
        ptq = ("--set", f"convert.ptq.biases={wanted}")
        done = cnnedge("convert", run, "--variant", "int8", *ptq)
        assert done.returncode == 0, done.stderr[-2000:]
        told[wanted] = json.loads((run / "export" / "report.json").read_text())["variants"][0]
        stated = says_corrected(read_model(run / "export" / "int8.tflite"))
        assert stated == (wanted == "corrected"), "verify has to make the same file"
        page = (run / "export" / "report.html").read_text()
        assert ("Biases of int8: corrected" in page) == (wanted == "corrected")
        assert ("before the biases were corrected" in page) == (wanted == "corrected")
        assert ("its biases are corrected" in done.stdout + done.stderr) == (wanted == "corrected")
    done_for = told["corrected"]["ptq"]
    assert done_for["corrected"] and done_for["part"] in ("val", "train")
    assert 0 <= done_for["changed"] <= done_for["pictures"]
    assert told["keep"].get("ptq") is None
    assert told["keep"]["sha256"] != told["corrected"]["sha256"]
    assert abs(told["keep"]["size_bytes"] - told["corrected"]["size_bytes"]) < 1000
    refused = cnnedge(
        "convert", run, "--variant", "float32", "--set", "convert.ptq.biases=corrected"
    )
    assert_one_clear_line(refused, "convert.ptq", "no int8 variant is made")


def test_more_calibration_is_no_remedy_where_all_pictures_were_taken(broken_run: Path) -> None:
    done = cnnedge(
        *("convert", broken_run, "--variant", "int8", "--max-drop", "0.5", "--json", "-"),
        *("--set", "convert.remedies=[calibration]", "--set", "convert.calibration.count=5000"),
    )
    assert done.returncode == 3
    (only,) = json.loads(done.stdout)["variants"]
    assert (only["name"], only["calibration_pictures"]) == ("int8", 75)


def test_a_file_that_is_there_is_a_remedy_all_the_same(broken_run: Path) -> None:
    asked = cnnedge("convert", broken_run, "--variant", "selective", "--json", "-")
    assert entry(json.loads(asked.stdout), "selective")["remedy_of"] is None
    done = cnnedge(
        *("convert", broken_run, "--variant", "int8", "--max-drop", "0.5", "--json", "-"),
        *("--set", "convert.remedies=[selective]"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert entry(json.loads(done.stdout), "selective")["remedy_of"] == "int8"
    asked = cnnedge("convert", broken_run, "--variant", "selective", "--json", "-")
    assert entry(json.loads(asked.stdout), "selective")["remedy_of"] is None


def test_a_technique_that_tfmot_cannot_do_is_said_in_one_line(run: Path) -> None:
    done = cnnedge("convert", run, "--variant", "prune70xnnpack", *quick("prune"))
    assert_one_clear_line(done, "xnnpack")


def test_what_cannot_be_made_leaves_the_others(run: Path) -> None:
    names = ("--variant", "prune70xnnpack", "--variant", "int8")
    done = cnnedge("convert", run, *names, *quick("prune"))
    assert_one_clear_line(done, "some variants could not be made", "prune70xnnpack")
    report = json.loads((run / "export" / "report.json").read_text())
    assert [v["name"] for v in report["variants"]] == ["int8"]
    assert report["not_made"][0]["name"] == "prune70xnnpack"


def test_a_teacher_of_other_classes_is_refused_before_anything_is_trained(
    run: Path, tmp_path: Path
) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(run, teacher, ignore=shutil.ignore_patterns("export", "compress"))
    (teacher / "labels.txt").write_text("cat\ndog\nbird\n")
    done = cnnedge(
        "convert", run, "--variant", f"distil: {{teacher: {teacher}}}", *quick("distil.epochs")
    )
    assert_one_clear_line(done, "same classes", "cat, dog, bird")
    assert not list((run / "compress").glob("distil_by_*"))


def test_a_student_for_other_pictures_is_refused(run: Path) -> None:
    done = cnnedge("convert", run, "--variant", "distil: yoga_net", *quick("distil.student"))
    assert done.returncode == 1
    assert "yoga_net" in done.stderr


@pytest.mark.heavy
def test_search_finds_a_model_within_the_budget(trained_run: Path, tmp_path: Path) -> None:
    run = copy_of(trained_run, tmp_path)
    size = (trained_run / "export" / "int8.tflite").stat().st_size
    done = cnnedge(
        *("convert", run, "--budget", f"size={int(0.8 * size)}B", "--max-drop", "40"),
        *(*quick("channels"), "--set", "compress.control=false", "--json", "-"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    chosen = entry(report, report["chosen"]["name"])
    assert chosen["size_bytes"] <= 0.8 * size
    assert chosen["techniques"][0].startswith("channels")
    assert report["budget"]["size_bytes"] == int(0.8 * size)
    assert report["frontier"]


def test_a_budget_that_int8_holds_needs_no_training(run: Path) -> None:
    done = cnnedge("convert", run, "--budget", "latency=1s", "--max-drop", "50", "--json", "-")
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert all(not v["techniques"] for v in report["variants"])
    assert report["chosen"]["name"] in {v["name"] for v in report["variants"]}


def test_a_budget_out_of_reach_is_exit_1_or_3(run: Path) -> None:
    done = cnnedge("convert", run, "--budget", "size=1KB", "--max-drop", "1", *quick("channels"))
    assert done.returncode == 1
    assert "removing channels cannot bring" in done.stderr


def test_the_loss_of_distillation_is_hintons() -> None:
    import tensorflow as tf

    from cnnedge.compression.distillation import distilled

    rng = np.random.default_rng(0)
    logits, taught = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    labels = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]

    def softmax(z: np.ndarray, t: float = 1.0) -> np.ndarray:
        e = np.exp(z / t)
        return e / e.sum(axis=1, keepdims=True)

    q, p = softmax(taught, 3.0), softmax(logits, 3.0)
    soft = np.sum(q * (np.log(q) - np.log(p)), axis=1)
    hard = -np.sum(labels * np.log(softmax(logits)), axis=1)
    targets = np.concatenate([labels, softmax(taught)], axis=1).astype(np.float32)
    objective = distilled(4, 3.0, 0.7)
    found = objective.loss(tf.constant(targets), tf.constant(softmax(logits).astype(np.float32)))
    assert np.allclose(found, 0.3 * hard + 0.7 * 9 * soft, atol=1e-5)
