"""Other people's models on the command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

import cnnedge
from cnnedge.benchmark import PROTOCOLS
from cnnedge.errors import CnnedgeError, DataError
from cnnedge.files import json_text
from support.command import call, once
from support.guests import bare, tflite, written

tf = pytest.importorskip("tensorflow")

# Red, green and blue pictures, and networks that tell them by the mean of each channel.
COLOURS = {"red": (20, 10, 230), "green": (10, 220, 30), "blue": (240, 20, 10)}
SHAPE = (1, 16, 16, 3)
SHARPEN = 8 * np.eye(3, dtype=np.float32)


def means(x: Any) -> Any:
    return tf.matmul(tf.reduce_mean(x, (1, 2)), SHARPEN)


def failed(result: Result, *parts: str) -> None:
    assert result.exit_code == 1, result.output
    (line,) = [each for each in result.stderr.splitlines() if each.startswith("Error:")]
    for part in parts:
        assert part in line


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes, four pictures each."""
    folder = tmp_path_factory.mktemp("colours")
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for i in range(4):
            noise = random.integers(-9, 10, (16, 16, 3))
            picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{i}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    heads = {
        "logits": means,
        "softmax": lambda x: tf.nn.softmax(means(x)),
        "each": lambda x: tf.sigmoid(means(x) - 4),
        "one": lambda x: tf.sigmoid(tf.reduce_sum(x[..., 2] - x[..., 0], (1, 2))[:, tf.newaxis]),
        "index": lambda x: tf.argmax(means(x), -1),
        "nan": lambda x: tf.nn.softmax(tf.math.log(means(x) * 0 - 1)),
    }
    made = {name: written(folder, tflite(h, SHAPE), f"{name}.tflite") for name, h in heads.items()}
    # Pixels are written straight to its memory.
    made["uint8"] = written(
        folder, tflite(heads["softmax"], SHAPE, quantised="uint8"), "uint8.tflite"
    )
    open_shape = tflite(heads["softmax"], (None, None, None, 3))
    made["open"] = written(folder, open_shape, "open.tflite")
    (folder / "labels.txt").write_text("0 red\n1 green\n2 blue\n\n")
    made["labels"] = folder / "labels.txt"
    return made


def first_line(model: Path, picture: Path, *options: object) -> dict[str, Any]:
    done = call("run", model, "--source", picture, "--jsonl", "-", *options)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return found


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("head", ["logits", "softmax", "each", "index"])
def test_run_names_the_class(
    head: str, colour: str, models: dict[str, Path], pictures: Path
) -> None:
    line = first_line(models[head], pictures / colour / "0.png", "--labels", models["labels"])
    best = line["top"][0]
    assert best["label"] == colour
    assert best["index"] == list(COLOURS).index(colour)
    if head == "index":
        assert best["score"] is None
        assert len(line["top"]) == 1
    else:
        assert 0.5 < best["score"] <= 1
    assert ("present" in line) == (head == "each")


@pytest.mark.parametrize(("colour", "label"), [("red", "class 0"), ("blue", "class 1")])
def test_run_with_one_sigmoid(
    colour: str, label: str, models: dict[str, Path], pictures: Path
) -> None:
    done = call("run", models["one"], "--source", pictures / colour / "0.png")
    assert done.exit_code == 0, done.output
    assert f"{label} 100.0%" in done.stdout


def test_run_says_what_it_assumed(models: dict[str, Path], pictures: Path) -> None:
    source = ("--source", pictures / "red" / "0.png")
    done = call("run", models["logits"], *source)
    assert "softmax is applied" in done.stderr
    told = call("run", models["logits"], *source, "--activation", "softmax", "--pixels", "0..1")
    assert "softmax is applied" not in told.stderr
    assert "normalisation" not in told.stderr
    failed(call("run", models["logits"], *source, "--activation", "none"), "not probabilities")
    scores = call("run", models["index"], *source)
    assert "class 0" in scores.stdout
    assert "%" not in scores.stdout.splitlines()[0]


def test_options_change_what_goes_in(models: dict[str, Path], pictures: Path) -> None:
    red, softmax = pictures / "red" / "0.png", models["softmax"]
    assert first_line(softmax, red, "--bgr")["top"][0]["index"] == 2
    content = softmax.read_bytes()
    rgb = cv2.imread(str(red))[..., ::-1]
    mean, std = (10.0, 20.0, 30.0), (50.0, 60.0, 70.0)
    expected = bare(content, ((rgb - np.array(mean)) / std)[np.newaxis].astype(np.float32))[0][0]
    numbers = ("--mean", "10,20,30", "--std", "50, 60, 70")
    best = first_line(softmax, red, *numbers)["top"][0]
    assert best["score"] == pytest.approx(float(expected.max()), abs=1e-5)
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = COLOURS["green"]
    wide[:, :16] = wide[:, 32:] = COLOURS["red"]
    path = pictures.parent / "wide.png"
    cv2.imwrite(str(path), wide)
    assert first_line(softmax, path)["top"][0]["index"] == 0
    cropped = first_line(softmax, path, "--resize", "center_crop", "--interpolation", "nearest")
    assert cropped["top"][0]["index"] == 1
    # The green middle is half of the centre's height, and all of what a fraction of it leaves.
    tall = np.zeros((64, 64, 3), np.uint8)
    tall[:] = COLOURS["red"]
    tall[16:48, 16:48] = COLOURS["green"]
    cv2.imwrite(str(path), tall)
    assert first_line(softmax, path)["top"][0]["index"] == 0
    for how in ("area", "pillow_bicubic"):
        options = ("--crop-fraction", "0.5", "--interpolation", how)
        assert first_line(softmax, path, *options)["top"][0]["index"] == 1


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--mean", "1,2"), 2, "one number, or three"),
        (("--std", "0"), 1, "cannot be divided by"),
        (("--input", "224"), 2, "224x224"),
        (("--labels", "/nowhere/labels.txt"), 1, "no such file; expected a list of labels"),
        (("--activation", "tanh"), 2, "softmax"),
        (("--resize", "squash"), 2, "letterbox"),
        (("--resize", "letterbox", "--crop-fraction", "0.9"), 1, "goes with resize center_crop"),
        (("--crop-fraction", "1.5"), 2, "0.1<=x<=1"),
        (("--input", "64x64"), 1, "fixed size of 16x16"),
        (("--raw", "--activation", "softmax"), 2, "--raw has none"),
    ],
)
def test_options_that_are_none(
    options: tuple[str, ...], code: int, said: str, models: dict[str, Path], pictures: Path
) -> None:
    done = call("run", models["softmax"], "--source", pictures / "red" / "0.png", *options)
    assert done.exit_code == code, done.output
    assert said in done.stderr


def test_no_number_is_null_and_an_error(
    models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    done = call(
        *("run", models["nan"], "--source", pictures / "red", "--jsonl", "-", "--json", result)
    )
    failed(done, "4 of 4 frames", "NaN or infinity")
    texts = [*done.stdout.splitlines(), result.read_text()]
    assert not any("NaN" in text or "Infinity" in text for text in texts)
    for line in map(json.loads, texts[:4]):
        assert line["top"][0]["score"] is None
    assert json.loads(texts[-1])["predictions"][0]["top"][0]["label"] is None
    plain = call("run", models["nan"], "--source", pictures / "red")
    failed(plain, "NaN or infinity")
    assert "nan%" not in plain.stdout
    data = ("--data", pictures, "--labels", models["labels"])
    failed(call("eval", models["nan"], *data), "NaN or infinity", "0.png")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_json_holds_numbers_alone(value: float) -> None:
    payload = {"a": [1.5, value], "b": {"c": (value,)}, "ä": True}
    assert json.loads(json_text(payload)) == {"a": [1.5, None], "b": {"c": [None]}, "ä": True}
    assert "ä" in json_text(payload)
    assert json_text(payload, ascii_only=True).isascii()


def test_an_open_size_is_asked_for(models: dict[str, Path], pictures: Path) -> None:
    source = ("--source", pictures / "blue" / "1.png")
    for command in (("run", models["open"], *source), ("bench", models["open"])):
        failed(call(*command), "--input HxW")
    assert first_line(models["open"], source[1], "--input", "16x16")["top"][0]["index"] == 2
    shown = call("inspect", models["open"])
    assert "any" in shown.stdout
    assert "--input HxW" in shown.stdout


def test_bench_takes_a_size(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "quick", once())
    (result,) = cnnedge.bench(models["open"], size=(24, 32))["results"]
    assert result["input_shape"] == [1, 24, 32, 3]


def test_inspect_says_what_goes_in_and_comes_out(models: dict[str, Path]) -> None:
    for name, kind in (("softmax", "softmax of 3"), ("logits", "logits of 3"), ("index", "index")):
        done = call("inspect", models[name])
        assert "one picture, 16x16 colour, NHWC" in done.stdout
        assert kind in done.stdout
    found = json.loads(call("inspect", models["each"], "--json", "-").stdout)
    assert found["inputs"][0]["meaning"]["layout"] == "NHWC"
    assert found["outputs"][0]["meaning"] == {
        "kind": "sigmoid",
        "classes": 3,
        "because": "its last operator is LOGISTIC",
    }


# --- eval ---------------------------------------------------------------------------------------


def evaluated(model: Path, data: Path, *options: object) -> dict[str, Any]:
    done = call("eval", model, "--data", data, "--json", "-", *options)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"stderr": done.stderr}


@pytest.mark.parametrize("head", ["logits", "softmax", "each", "index", "open"])
def test_eval_matches_folders_to_labels(head: str, models: dict[str, Path], pictures: Path) -> None:
    size = ("--input", "16x16") if head == "open" else ()
    found = evaluated(models[head], pictures, "--labels", models["labels"], *size)
    assert (found["accuracy"], found["count"], found["unmatched"]) == (1.0, 12, [])
    swapped = evaluated(models[head], pictures, "--labels", models["labels"], "--bgr", *size)
    assert swapped["accuracy"] == pytest.approx(1 / 3)


def test_eval_says_which_folders_are_no_label(
    models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("index,name\n0,Red\n1,Grass\n2,BLUE\n")
    found = evaluated(models["softmax"], pictures, "--labels", labels)
    assert (found["accuracy"], found["count"], found["unmatched"]) == (1.0, 8, ["green"])
    assert "(1 of 3): green" in found["stderr"]
    failed(call("eval", models["softmax"], "--data", pictures), "--labels FILE")
    labels.write_text("a\nb\nc\n")
    failed(
        call("eval", models["softmax"], "--data", pictures, "--labels", labels),
        "not one of the model's",
    )


def test_eval_of_one_sigmoid(models: dict[str, Path], pictures: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    for name in ("red", "blue"):
        (two / name).mkdir(parents=True)
        for path in (pictures / name).iterdir():
            (two / name / path.name).write_bytes(path.read_bytes())
    labels = tmp_path / "labels.txt"
    labels.write_text("red\nblue\n")
    found = evaluated(models["one"], two, "--labels", labels)
    assert (found["accuracy"], found["labels"]) == (1.0, ["red", "blue"])


@pytest.mark.parametrize("head", ["each", "index", "one"])
def test_what_is_said_of_a_guest_travels_to_a_device(
    head: str, models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("red\nblue\n" if head == "one" else "red\ngreen\nblue\n")
    options = ("--labels", labels, "--mean", "1,2,3", "--std", "255", "--resize", "letterbox")
    found = evaluated(models[head], pictures, *options, "--device", "local")
    assert found["accuracy"] == 1.0
    assert found["here"]["flips"] == 0
    assert found["here"]["identical"] == found["count"]


def test_run_takes_it_to_a_device(models: dict[str, Path], pictures: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    done = call(
        *("run", models["open"], "--source", pictures / "red" / "0.png", "--device", "local"),
        *("--labels", models["labels"], "--input", "16x16", "--mean", "0,0,0", "--std", "255"),
        *("--bgr", "--jsonl", lines),
    )
    assert done.exit_code == 0, done.output
    assert json.loads(lines.read_text().splitlines()[0])["top"][0]["label"] == "blue"


# --- frames in Python ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (None, "cv2.imread returns None"),
        ("wrong.jpg", r"cv2.imread\('wrong.jpg'\)"),
        (np.zeros((16, 16, 3)), "float64"),
        (np.zeros((16, 16, 3), np.float32), r"255 \* frame"),
        (np.zeros((16, 16, 4), np.uint8), "transparency"),
        (np.zeros((16, 16, 2), np.uint8), r"uint8 \[16, 16, 2\]"),
        (np.zeros((1, 16, 16, 3), np.uint8), "one at a time"),
        (np.zeros((3, 16, 16), np.uint8), "transpose"),
        (np.zeros((0, 16, 3), np.uint8), "no pixels"),
        (np.zeros((16,), np.uint8), r"uint8 \[16\]"),
        (np.zeros((16, 16, 3), np.uint16), "uint16"),
        ([[0, 1], [2, 3]], "list"),
    ],
)
@pytest.mark.parametrize("name", ["softmax", "uint8"])
def test_a_wrong_frame_is_told(frame: Any, said: str, name: str, models: dict[str, Path]) -> None:
    with cnnedge.load(models[name]) as model:
        for use in (model, model.prepare, model.feed):
            with pytest.raises(DataError, match=said) as caught:
                use(frame)
            assert isinstance(caught.value, CnnedgeError)


@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8, 3), np.uint8), np.zeros(SHAPE[1:], np.float32), None]
)
def test_wrong_pixels_are_told(pixels: Any, models: dict[str, Path]) -> None:
    model = cnnedge.load(models["softmax"])
    with pytest.raises(DataError, match=r"\[16, 16, 3\]"):
        model.predict(pixels)


@pytest.mark.parametrize(
    "settings",
    [
        *({"workers": 0}, {"workers": -1}, {"workers": 1.5}, {"frames": 0}),
        *({"duration": 0}, {"smooth": -1.0}, {"duration": -2.0}),
    ],
)
def test_settings_of_a_stream_that_are_none(
    settings: dict[str, Any], models: dict[str, Path]
) -> None:
    model = cnnedge.load(models["softmax"])
    (name,) = settings
    with pytest.raises(CnnedgeError, match=f"{name}: found"):
        next(model.stream("sample", **settings))
    with pytest.raises(CnnedgeError, match="workers: found"):
        model.workers(0)


def test_a_stream_without_numbers_ends(models: dict[str, Path], pictures: Path) -> None:
    with pytest.raises(CnnedgeError, match="NaN or infinity"):
        next(cnnedge.load(models["nan"]).stream(str(pictures / "red")))
