"""How long an import takes, and how near it stays: source and run side by side, on pictures.

    python benchmarks/bench_import.py PICTURES [FOLDER] [--only WORD]... [--torch NAME...]
    python benchmarks/bench_import.py PICTURES [FOLDER] --source SOURCE[,WEIGHTS]...

PICTURES: a folder of photographs by class. Makes the sources in FOLDER (a temporary one where it
is left out): those of import_sources.py, or with --torch networks of torchvision, as .pt2 and as
ONNX, of timm by name, and `lite0`: EfficientNet-Lite0 in PyTorch with its published weights, also
as .tflite of onnx2tf and litert-torch (torch_sources.py). --only: those whose row has this word.
--source: sources of your own. Prints a table: seconds of the import, the largest difference of a
probability, how many labels of at most 200 pictures are those of the source in float32, and how
many labels of the int8 variant, calibrated on 300 other pictures as convert does, are those of the
float32 file. Says on stderr how many different labels there are, as agreement says nothing where
all are one, and by how much the best class leads where int8 agrees, and where it does not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from import_sources import SIZE, Pictures, Source, sources

from cnnedge.architectures import weight_store
from cnnedge.bundle import Guest
from cnnedge.converter import convert
from cnnedge.data import Dataset, Pixels, load_dataset
from cnnedge.frozen import FrozenNetwork, read_frozen
from cnnedge.importing import ImportWishes, import_model
from cnnedge.importing.detective import chosen
from cnnedge.importing.environment import python_of
from cnnedge.importing.onnx_opened import ONNX2TF
from cnnedge.importing.torch_opened import LITERT_TORCH
from cnnedge.specs import InputSize, Preprocess
from cnnedge.training import backend
from cnnedge.training.run_folder import RunFolder

NAMES = tuple(f"class {i}" for i in range(1000))
IMAGENET = Guest(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), labels=NAMES)
# As the authors of EfficientNet-Lite feed it.
LITE = Guest(mean=127.0, std=128.0)
CODE = "efficientnet_lite_pytorch==0.1.0"
JUDGED, CALIBRATION, SEEN = 200, 300, 64


@dataclass(frozen=True, kw_only=True)
class Work:
    """pictures: a folder by class. folder: for sources and runs."""

    pictures: str
    folder: Path
    dataset: Dataset


class Silent:
    """A reporter that keeps to itself."""

    def scanning(self, done: int, total: int) -> None: ...

    def stage(self, text: str, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pictures", help="a folder of photographs by class")
    parser.add_argument("folder", nargs="?", type=Path, help="make the sources here, and keep them")
    parser.add_argument("--only", action="append", default=[], help="rows with this word")
    parser.add_argument("--source", action="append", default=[], help="import this one")
    parser.add_argument("--pixels", help="what sources take that do not say it")
    parser.add_argument("--labels", help="of sources with random weights")
    parser.add_argument("--torch", nargs="+", default=[], help="lite0, and of torchvision and timm")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        dataset = load_dataset(options.pictures)
        work = Work(pictures=options.pictures, folder=folder, dataset=dataset)
        print("| source | imported as | seconds | largest difference | float32 | int8 |")
        print("|---|---|---|---|---|---|")
        if options.source:
            guest = Guest(pixel_range=options.pixels, labels=options.labels)
            found = (given(text, guest) for text in options.source)
        else:
            found = torch_sources(work, options.torch) if options.torch else sources()
        for source in found:
            if not options.only or any(word in source.name for word in options.only):
                row(source, work)


def given(text: str, guest: Guest) -> Source:
    """What a person names."""
    path, _, weights = text.partition(",")
    told = Guest(labels=guest.labels) if weights else guest
    return Source(name=Path(path).name, file=path, guest=told, weights=weights or None)


def torch_sources(work: Work, names: list[str]) -> Iterator[Source]:
    """Each network in its formats, made in the environment that has PyTorch."""
    for name in names:
        stem = work.folder / name.replace("timm:", "timm_")
        if name == "lite0":
            yield from torch_lite0(work)
        elif name.startswith("timm:"):
            weights, onnx = Path(f"{stem}.safetensors"), Path(f"{stem}.onnx")
            make_torch(work, [weights, onnx], name)
            guest = Guest(labels=NAMES)
            yield Source(name=f"`{name}`", file=name, guest=guest, weights=str(weights))
            yield Source(name=f"{name}, `.onnx`", file=onnx.name, guest=IMAGENET)
        else:
            made = [Path(f"{stem}{suffix}") for suffix in (".pt2", ".onnx")]
            make_torch(work, made, name)
            for path in made:
                yield Source(name=f"{name}, `{path.suffix}`", file=path.name, guest=IMAGENET)


def torch_lite0(work: Work) -> Iterator[Source]:
    """EfficientNet-Lite0 of efficientnet_lite_pytorch, and what both converters make of it."""
    files = ("torch_lite0.pt2", "torch_lite0.onnx", "litert_torch.tflite", "onnx2tf.tflite")
    program, onnx, by_torch, by_onnx = (work.folder / name for name in files)
    code = work.folder / "code"
    if not code.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", code, CODE]
        subprocess.run([str(word) for word in pip], check=True)
    weights = weight_store.find("efficientnet_lite0").path
    make_torch(work, [program, onnx, by_torch], f"lite0={code},{weights}")
    if not by_onnx.exists():
        words = f"import onnx2tf; onnx2tf.convert('{onnx}', output_folder_path='{onnx}.made')"
        python = python_of(ONNX2TF, None, Silent())
        # Its simplifier is a program beside it.
        found = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
        run = [str(python), "-c", words]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, env=found)
        next(Path(f"{onnx}.made").glob("*_float32.tflite")).rename(by_onnx)
    for path in (program, onnx, by_onnx, by_torch):
        yield Source(name=f"EfficientNet-Lite0 in PyTorch, {path.name}", file=path.name, guest=LITE)


def make_torch(work: Work, made: list[Path], name: str) -> None:
    if all(path.exists() for path in made):
        return
    python = python_of(LITERT_TORCH, None, Silent())
    (onnx,) = python_of(ONNX2TF, None, Silent()).parents[1].glob("lib/*/site-packages")
    script = Path(__file__).with_name("torch_sources.py")
    words = [python, "-W", "ignore", script, work.pictures, work.folder, onnx, name]
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def row(source: Source, work: Work) -> None:
    path = work.folder / source.file
    if ":" in source.file or Path(source.file).exists():
        path = Path(source.file)
    elif not path.exists():
        source.make(path, seen(work.dataset))
    out = work.folder / f"run_{str(source.file).translate(str.maketrans('/.:', '___'))}"
    wishes = ImportWishes(
        guest=source.guest,
        data=work.pictures,
        signature=source.signature,
        weights=source.weights,
        trust=True,
        force=True,
    )
    started = time.perf_counter()
    made = import_model(path, out, Silent(), wishes)
    seconds = time.perf_counter() - started
    assert made.parity is not None
    same, count = int8_labels(out, work.dataset, made.convention.rule)
    print(
        f"| {source.name} | {made.network} | {seconds:.0f} | {made.parity.max_abs:.0e} | "
        f"{made.parity.labels_agree} of {made.parity.count} | {same} of {count} |",
        flush=True,
    )


def seen(dataset: Dataset) -> Pictures:
    """uint8 [64, 224, 224, 3]: what BatchNorm of random networks sees."""
    return Pixels(dataset, SIZE, Preprocess()).batch(chosen(dataset, SEEN))


def int8_labels(out: Path, dataset: Dataset, rule: Preprocess) -> tuple[int, int]:
    """How many labels of the int8 variant are those of the float32 network."""
    from ai_edge_litert.interpreter import Interpreter

    path = RunFolder(out).model
    model = read_frozen(path) if path.suffix == ".tflite" else backend.load_keras(path)
    height, width, channels = model.input_shape[1:]
    indices = chosen(dataset, JUDGED + CALIBRATION)
    pixels = Pixels(dataset, InputSize(height=height, width=width, channels=channels), rule)
    judged = pixels.batch(indices[:JUDGED])
    # A folder with few pictures has none to spare.
    calibration = pixels.batch(indices[JUDGED:] if len(indices) > JUDGED else indices)
    exact = FrozenNetwork(convert(model, "float32", judged[:1]), "").predict(judged)
    engine = Interpreter(model_content=convert(model, "int8", calibration))
    engine.allocate_tensors()
    answers = []
    for picture in judged:
        engine.set_tensor(engine.get_input_details()[0]["index"], picture[np.newaxis])
        engine.invoke()
        answers.append(engine.get_tensor(engine.get_output_details()[0]["index"])[0].argmax())
    labels, top = exact.argmax(axis=1), np.sort(exact, axis=1)
    same, lead = labels == answers, top[:, -1] - top[:, -2]
    print(
        f"{out.name}: {len(set(labels))} different labels; the best of float32 leads by "
        f"{np.median(lead[same]):.2f} where int8 agrees, {np.median(lead[~same]):.2f} where not",
        file=sys.stderr,
    )
    return int(same.sum()), len(judged)


if __name__ == "__main__":
    main()
