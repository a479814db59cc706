"""One-dimensional signals from a table to an int8 file, and what is refused on the way."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cnnedge as package
from cnnedge.architectures import build_model
from cnnedge.bundle import pack_model, read_graph, read_model
from cnnedge.cli.train import resolve
from cnnedge.data import Signals, load_dataset, samples_of
from cnnedge.data.chromatogram import CLASSES, recording, windows
from cnnedge.errors import DataError, ModelError, SpecError
from cnnedge.specs import Preprocess, SignalData, SignalSize, parse_model
from cnnedge.specs.arithmetic import trace
from support.command import cnnedge
from support.once import made_once

SIZE = SignalSize(length=100)
MODEL = """
input: {length: 64, channels: 2}
layers:
  - Rescaling: {scale: data}
  - Conv1D: {filters: 4, kernel_size: 5, strides: 2, padding: same, activation: relu}
  - MaxPooling1D: {pool_size: 2}
  - Conv1D: {filters: 6, kernel_size: 3, dilation_rate: 2}
  - BatchNormalization
  - GlobalAveragePooling1D
  - Dense: {units: classes, activation: softmax}
"""


def write_rows(path: Path, count: int, seed: int, *, header: bool = False) -> Path:
    """A table with a synthetic signal and its label in each row."""
    values, targets = windows(count, seed)
    lines = [",".join(f"v{i}" for i in range(100)) + ",class"] if header else []
    for signal, target in zip(values[..., 0], targets, strict=True):
        lines.append(",".join(f"{v:.2f}" for v in signal) + f",{CLASSES[target]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_recording(path: Path, moments: int, seed: int) -> Path:
    """One long synthetic recording with times and labels."""
    found = recording(moments, seed)
    lines = ["time,absorbance,label"]
    for i, (value, target) in enumerate(zip(found.values[:, 0], found.targets, strict=True)):
        lines.append(f"{i / 10:.1f},{value:.2f},{CLASSES[target]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, and a run trained on one of them and converted, by the command line."""

    def make(folder: Path) -> None:
        write_rows(folder / "train.csv", 900, 1)
        write_rows(folder / "new.csv", 40, 2)
        write_recording(folder / "recording.csv", 3000, 3)
        words = ("train", "chromatogram", "--data", "train.csv", "--out", "run")
        few = ("--set", "training.epochs=12", "--set", "training.batch_size=32")
        for command in (
            (*words, *few),
            ("convert", "run", "--variant", "int8", "--max-drop", "20"),
        ):
            done = cnnedge(*command, cwd=folder)
            assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "signals", make)


@pytest.fixture(scope="module")
def int8(place: Path) -> Path:
    return place / "run" / "export" / "int8.tflite"


def told(*words: object, cwd: Path) -> dict[str, object]:
    """What a command writes with --json."""
    done = cnnedge(*words, "--json", "-", cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def refused(*words: object, cwd: Path) -> str:
    """The one line of a command that ends with a message."""
    done = cnnedge(*words, cwd=cwd)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done.stderr
    errors: list[str] = [x for x in done.stderr.splitlines() if x.startswith("Error:")]
    assert len(errors) == 1
    return errors[0]


def test_the_whole_way_keeps_the_labels(place: Path, int8: Path) -> None:
    metrics = json.loads((place / "run" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.6, "three classes in equal number: chance is a third"
    for name in ("curves.png", "confusion.png"):
        assert (place / "run" / name).exists()
    assert not (place / "run" / "augmentation.png").exists(), "signals are not augmented"
    (entry,) = json.loads((place / "run" / "export" / "report.json").read_text())["variants"]
    # Twelve epochs leave many scores near the middle, and processors round differently.
    assert entry["flipped"] <= 0.1 * entry["count"]
    scored = told("eval", int8, cwd=place)
    assert scored["accuracy"] == entry["accuracy"], "the very test split is found again"
    page = (place / "run" / "export" / "report.html").read_text()
    assert "test signals" in page and "pictures" not in page


def test_new_tables_are_judged_as_they_are(place: Path, int8: Path) -> None:
    rows = told("eval", int8, "--data", "new.csv", "--split", "all", cwd=place)
    windows_of_one = told("eval", int8, "--data", "recording.csv", "--split", "all", cwd=place)
    assert rows["count"] == 40
    assert windows_of_one["count"] == 54, "half a window apart, without those between stretches"


def test_the_file_says_what_it_takes(place: Path, int8: Path) -> None:
    model = read_model(int8)
    assert model.signal_size == SIZE
    assert (model.input.dtype, tuple(model.input.shape)) == ("float32", (1, 100, 1))
    assert model.output.dtype == "uint8"
    seen = cnnedge("inspect", int8, cwd=place).stdout
    assert "one signal, 100 values of one channel" in seen
    assert "as they were measured; the graph scales them" in seen


def test_scaling_stays_in_float_and_the_rest_is_int8(int8: Path) -> None:
    graph = read_model(int8).graph
    types = {op.name: graph.tensors[op.outputs[0]].dtype for op in graph.operators}
    assert types["DIV"] == "float32", "softsign's division comes before the rounding"
    assert types["CONV_2D"] == types["FULLY_CONNECTED"] == "int8"


def test_verify_finds_the_run_in_the_file(place: Path, int8: Path) -> None:
    found = told("verify", int8, "--reference", "run", cwd=place)
    assert found["agrees"] is True
    names = [stage["stage"] for stage in found["stages"]]  # type: ignore[attr-defined]
    assert "network" in names and "resize" not in names and "colour" not in names


def test_bench_measures_it(place: Path, int8: Path) -> None:
    (result,) = told("bench", int8, "--protocol", "quick", cwd=place)["results"]  # type: ignore[misc]
    assert result["latency_ms"]["median"] < 1  # type: ignore[index]


def test_rows_recording_and_stdin_get_the_same_answers(place: Path, int8: Path) -> None:
    rows = told("run", int8, "--source", "new.csv", cwd=place)
    assert rows["frames"] == 40
    answers = rows["predictions"]
    values, _ = windows(40, 2)
    with package.load(int8) as model:
        for answer, signal in zip(answers, values, strict=True):  # type: ignore[call-overload]
            best = model(signal).top(1)[0]
            assert (answer["top"][0]["label"], answer["top"][0]["score"]) == (
                best.label,
                pytest.approx(best.score),
            )
    assert answers[3]["name"] == "new.csv:4"  # type: ignore[index]
    from_file = told("run", int8, "--source", "recording.csv", "--step", 30, cwd=place)
    numbers = (place / "recording.csv").read_text().splitlines()[1:]
    text = "".join(line.split(",")[1] + "\n" for line in numbers)
    command = [sys.executable, "-m", "cnnedge", "run", str(int8), "--source", "-"]
    done = subprocess.run(
        [*command, "--step", "30", "--jsonl", "-"],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    streamed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [x["top"] for x in streamed] == [x["top"] for x in from_file["predictions"]]  # type: ignore[attr-defined]
    assert [x["start"] for x in streamed] == list(range(0, 2901, 30))
    assert streamed[2]["name"] == "stdin[60:160]"


def test_stdin_is_answered_while_it_lasts(place: Path, int8: Path) -> None:
    command = [sys.executable, "-m", "cnnedge", "run", str(int8), "--source", "-", "--jsonl", "-"]
    quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **quiet) as process:  # type: ignore[call-overload]
        process.stdin.write("\n".join(map(str, range(100))) + "\n")
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        assert first["name"] == "stdin[0:100]" and process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 0


def test_only_a_change_of_the_label_is_a_line(place: Path, int8: Path) -> None:
    shown = cnnedge("run", int8, "--source", "sample", cwd=place).stdout
    labels = [x.split(": ")[1].rsplit(" ", 5)[0] for x in shown.splitlines() if "recording[" in x]
    assert labels and all(a != b for a, b in itertools.pairwise(labels))
    assert "signals/s" in shown


def test_a_model_takes_numbers_of_its_size(int8: Path) -> None:
    with package.load(int8) as model:
        flat = np.arange(100)
        assert model(flat).label == model(flat[:, np.newaxis].astype(np.float64)).label
        for wrong, why in (
            (np.zeros(99), r"found \[99\].*Cut windows"),
            (np.full(100, np.nan), "NaN"),
            (np.zeros(100, bool), "no numbers"),
            ([0.0] * 100, "numpy.asarray"),
        ):
            with pytest.raises(DataError, match=why):
                model(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("run", "--show", "--source", "sample"), "--show is for pictures"),
        (("run", "--source", "0"), "this model takes signals. Allowed: a .csv file"),
        (("run", "--source", "train.csv", "--step", "5"), "--step, which slides windows"),
        (("run", "--source", "recording.csv", "--resize", "stretch"), "resize is for pictures"),
        (("demo",), "takes signals of 100 values, not pictures"),
        (("eval", "--data", "embedded:fashion_mnist"), "the model takes signals"),
        (("eval", "--device", "browser"), "--device is for pictures"),
        (("run", "--device", "browser"), "--device is for pictures"),
    ],
)
def test_what_is_for_pictures_is_refused(
    place: Path, int8: Path, words: tuple[str, ...], why: str
) -> None:
    assert why in refused(words[0], int8, *words[1:], cwd=place)


def test_a_picture_model_refuses_what_is_for_signals(int8_model: Path, place: Path) -> None:
    assert "takes pictures" in refused("run", int8_model, "--step", "5", cwd=place)
    data = ("--data", "synthetic:chromatogram")
    assert "these are signals" in refused("eval", int8_model, *data, cwd=place)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("augmentation.flip=horizontal", "takes signals"),
        ("preprocess.resize=letterbox", "takes signals"),
        ("data.near_duplicates=apart", "files of pictures"),
        ("training.head.epochs=3", "only method transfer"),
    ],
)
def test_a_setting_of_pictures_is_used_or_refused(key: str, why: str) -> None:
    with pytest.raises(SpecError, match=f"this has no effect.*{why}"):
        resolve("chromatogram", None, (key,))


def test_a_setting_of_signals_is_refused_for_pictures() -> None:
    with pytest.raises(SpecError, match=r"data\.signals\.window.*takes pictures"):
        resolve("fashion_cnn", None, ("data.signals.window=100",))


def test_the_arithmetic_is_what_keras_builds() -> None:
    spec = parse_model(MODEL, "mine.yaml").scaled((0.5, 2.0), (0.0, -1.0))
    rows = trace(spec, None, 3)
    model = build_model(spec, spec.input, 3)
    assert sum(row.parameters for row in rows) == model.count_params()
    assert [row.output_shape for row in rows[1:4]] == [(32, 4), (16, 4), (12, 6)]
    assert rows[1].arithmetic == "(64 + 1+2 - 5)/2 + 1 = 32"
    assert rows[1].receptive_field == (1, 5)
    # Each channel has a scale of its own.
    seen = model.layers[2](np.ones((1, 1, 64, 2), np.float32)).numpy()
    assert seen[0, 0, 0].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("Conv1D", "Conv2D", "Conv2D is for pictures, but the input is a signal; use Conv1D"),
        ("{length: 64, channels: 2}", "{height: 64, width: 64}", "scale: data is for signals"),
        ("scale: data", "scale: data, offset: 1", "learns the offset too"),
        ("length: 64", "length: 4", "input.length: 4 is out of range"),
    ],
)
def test_a_model_definition_is_of_one_kind(old: str, new: str, why: str) -> None:
    with pytest.raises(SpecError, match=why):
        parse_model(MODEL.replace(old, new, 1), "mine.yaml")


def test_synthetic_signals_are_the_same_everywhere() -> None:
    values, targets = windows(300, 4)
    again, _ = windows(300, 4)
    assert np.array_equal(values, again) and values.shape == (300, 100, 1)
    assert np.bincount(targets).tolist() == [100, 100, 100]
    whole = values.astype(np.float64) * 100
    assert np.abs(whole - np.rint(whole)).max() < 0.01, "steps of a detector"
    data = load_dataset("synthetic:chromatogram", signals=SignalData())
    assert any("synthetic" in text for text in data.warnings)


def test_windows_of_a_recording_are_never_on_two_sides(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "long.csv", 12_000, 5)
    data = load_dataset(str(path), signals=SignalData(window=100, step=25))
    held = {}
    for part in ("train", "val", "test"):
        lines: set[int] = set()
        for index in data.indices(part):  # type: ignore[arg-type]
            first, last = data.name(int(index)).rsplit(":", 1)[1].split("-")
            lines.update(range(int(first), int(last) + 1))
        held[part] = lines
    assert held["train"] and held["test"]
    assert not held["train"] & held["test"] and not held["train"] & held["val"]
    samples = samples_of(data, SIZE, Preprocess())
    assert isinstance(samples, Signals) and samples.batch([0, 1]).shape == (2, 100, 1)


def test_a_named_column_holds_the_labels(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{'ab'[i % 2]};{i};{';'.join(str((i * j) % 7) for j in range(20))}" for i in range(30)]
    table.write_text("kind;number;" + ";".join(f"x{i}" for i in range(20)) + "\n" + "\n".join(rows))
    data = load_dataset(str(table), signals=SignalData(label="kind"))
    assert data.classes == ("a", "b") and data.frame(0).shape == (21, 1)
    with pytest.raises(DataError, match=r"no column 'kin'.* Did you mean 'kind'"):
        load_dataset(str(table), signals=SignalData(label="kin"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,2,x,a\n1,2,3,b\n", r"t.csv:1, column 3: expected a number, found 'x'"),
        ("1,2,3,a\n1,2,b\n", r"t.csv:2: found 3 columns; the first row has 4"),
        ("1,2,nan,a\n1,2,3,b\n", "found 'nan'"),
        ("a,b,label\n", "a header and no rows"),
        ("", "the table is empty"),
        ("1,2,\n3,4,b\n", r"t.csv:1: the label is empty"),
        ('1,"2\n', "not valid CSV"),
    ],
)
def test_a_bad_table_names_its_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=why):
        load_dataset(str(path), signals=SignalData())


def test_signals_of_another_length_say_what_to_set(tmp_path: Path) -> None:
    data = load_dataset(str(write_rows(tmp_path / "rows.csv", 60, 6)), signals=SignalData())
    with pytest.raises(DataError, match=r"100 values, but the model takes 50.*length: 100"):
        samples_of(data, SignalSize(length=50), Preprocess())
    # Two channels side by side are a hundred values in a row, too.
    assert samples_of(data, SignalSize(length=50, channels=2), Preprocess()).one(0).shape == (50, 2)


def test_a_two_channel_model_converts() -> None:
    from cnnedge.converter import convert

    spec = parse_model(MODEL, "mine.yaml").scaled((0.5, 2.0), (0.0, -1.0))
    signals = np.random.default_rng(0).normal(size=(8, 64, 2)).astype(np.float32)
    graph = read_graph(convert(build_model(spec, spec.input, 3), "int8", signals), "int8")
    assert tuple(graph.tensors[graph.inputs[0]].shape) == (1, 64, 2)


def test_a_file_that_states_another_length_is_refused(int8: Path, tmp_path: Path) -> None:
    copy = tmp_path / "changed.tflite"
    stated = SignalSize(length=101)
    copy.write_bytes(pack_model(int8.read_bytes(), labels=CLASSES, size=stated, provenance={}))
    with pytest.raises(ModelError, match="takes signals of 101x1, but the model's input"):
        read_model(copy)
