"""ONNX models become runs that answer as onnxruntime does; hostile ones start nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tf_keras")

from cnnedge.importing.onnx_opened import ONNX2TF
from support import foreigners, onnx_files
from support.command import call
from support.environments import import_environment
from support.onnx_files import SIDE, node, tensor


@pytest.fixture(scope="module")
def onnx2tf() -> Path:
    """The environment that cnnedge makes, kept between runs of the tests."""
    return import_environment(ONNX2TF).parents[1]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    return tmp_path / "labels.txt"


def plain(*shape: int | str, last: bool = False) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "plain.onnx"
        path.write_bytes(onnx_files.network(shape, last=last))
        return path

    return write


KINDS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "any batch": (plain("n", 3, SIDE, SIDE), ("--pixels", "0..1")),
    "channels last, blue first": (
        plain(1, SIDE, SIDE, 3, last=True),
        ("--pixels", "-1..1", "--bgr"),
    ),
    "grey, any size": (
        plain("n", 1, "h", "w"),
        ("--pixels", "0..1", "--input", f"{SIDE}x{SIDE + 8}"),
    ),
    "weights in a file": (
        onnx_files.with_files,
        ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"),
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", KINDS)
def test_an_onnx_model_answers_as_onnxruntime_does(
    name: str, onnx2tf: Path, labels: Path, tmp_path: Path
) -> None:
    make, options = KINDS[name]
    run = tmp_path / "run"
    words = ("--out", run, "--labels", labels, "--onnx2tf", onnx2tf)
    done = call("import", make(tmp_path), *words, *options)
    assert done.exit_code == 0, done.output + repr(done.exception)
    found = json.loads((run / "import.json").read_text())
    assert found["network"] == "frozen" and found["kind"] == "ONNX, opset 17"
    assert found["parity"]["max_abs"] < 1e-5
    assert found["parity"]["labels_agree"] == found["parity"]["count"] == 16


@pytest.mark.heavy
def test_an_imported_onnx_model_is_converted(onnx2tf: Path, labels: Path, tmp_path: Path) -> None:
    run, pictures = tmp_path / "run", foreigners.colour_folder(tmp_path / "pictures", 40)
    source = plain("n", 3, SIDE, SIDE)(tmp_path)
    words = ("--labels", labels, "--pixels", "0..1", "--onnx2tf", onnx2tf / "bin" / "python")
    assert call("import", source, "--out", run, *words).exit_code == 0
    done = call("convert", run, "--variant", "int8", "--data", pictures)
    assert done.exit_code == 0, done.output
    assert (run / "export" / "int8.tflite").stat().st_size < 12_000


@pytest.mark.heavy
def test_the_first_node_that_parts_is_named(onnx2tf: Path, labels: Path, tmp_path: Path) -> None:
    """Random numbers are others in every run of either side."""
    source, run = tmp_path / "random.onnx", tmp_path / "run"
    scores = node("RandomUniformLike", ["g"], "random"), node("Mul", ["g", "random"], "m")
    source.write_bytes(onnx_files.network(inside=scores))
    words = ("--labels", labels, "--pixels", "0..1", "--onnx2tf", onnx2tf)
    done = call("import", source, "--out", run, *words)
    assert done.exit_code == 3, done.output + repr(done.exception)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert "The first layer that parts is 'random' (RandomUniformLike)" in line
    found = json.loads((run / "import.json").read_text())["parity"]["parting"]
    assert (found["layer"], found["after"]) == ("random", "g")


def outside(place: str) -> bytes:
    """The kernel lies elsewhere."""
    kernel = np.zeros((8, 3, 3, 3), np.float32)
    said = {"location": place, "offset": "0", "length": str(kernel.nbytes)}
    bias = tensor("bias", np.zeros(8, np.float32))
    return onnx_files.network(weights=[tensor("kernel", kernel, said), bias])


def huge() -> bytes:
    class Shaped:
        shape = (1 << 40, 1 << 40)

        def astype(self, _: str) -> np.ndarray:
            return np.zeros(1, np.float32)

    return onnx_files.network(weights=[tensor("kernel", Shaped())])  # type: ignore[arg-type]


def nested(depth: int) -> bytes:
    inner = onnx_files.graph([], [], [], onnx_files.value("x", (1,)))
    for _ in range(depth):
        inside = node("If", ["c"], "x", then_branch=inner)
        inner = onnx_files.graph([inside], [], [], onnx_files.value("x", (1,)))
    return onnx_files.network(extra=[node("If", ["c"], "x", then_branch=inner)])


def two_inputs() -> bytes:
    values = [onnx_files.value(name, ("n", 3, 8, 8)) for name in "ab"]
    whole = onnx_files.graph(
        [node("Add", ["a", "b"], "y")], [], values, onnx_files.value("y", (1, 4))
    )
    return onnx_files.model(whole)


def bytes_in() -> bytes:
    given = onnx_files.value("a", (1, 3, 8, 8), element=2)
    whole = onnx_files.graph([node("Relu", ["a"], "y")], [], [given], onnx_files.value("y", (1, 4)))
    return onnx_files.model(whole)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a file elsewhere": (outside("/etc/passwd"), "own folder alone"),
    "a file above": (outside("../weights.bin"), "own folder alone"),
    "a file in Windows' words": (outside("C:\\weights.bin"), "own folder alone"),
    "a link": (outside("link.bin"), "not behind links"),
    "no file": (outside("nothing.bin"), "put that file beside the model"),
    "too short a file": (outside("short.bin"), "do not lie in 'short.bin'"),
    "absurd sizes": (huge(), "takes more than 4 GiB"),
    "an operator of a stranger": (
        onnx_files.network(extra=[node("Shell", ["scores"], "x", domain="evil")]),
        "the operator 'Shell' of 'evil'",
    ),
    "a loop": (onnx_files.network(extra=[node("Loop", ["scores"], "x")]), "the operator 'Loop'"),
    "graphs without end": (nested(20), "nested too deeply"),
    "cut off": (onnx_files.network()[:-900], "damaged"),
    "nothing": (b"\x08\x07", "it has no graph"),
    "two inputs": (two_inputs(), "takes 2 inputs (a, b)"),
    "bytes": (bytes_in(), "its input is uint8 [1, 3, 8, 8]"),
    "open sizes": (onnx_files.network(("n", 3, "h", "w")), "--input HxW"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_start_nothing(
    name: str, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    content, expected = HOSTILE[name]
    (tmp_path / "m.onnx").write_bytes(content)
    (tmp_path / "short.bin").write_bytes(bytes(10))
    (tmp_path / "link.bin").symlink_to("/etc/passwd")
    before = sorted(os.listdir(tmp_path))
    words = ("--labels", labels, "--pixels", "0..1")
    done = call("import", tmp_path / "m.onnx", "--out", tmp_path / "run", *words)
    assert done.exit_code == 1, done.output
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert expected in line
    assert sorted(os.listdir(tmp_path)) == before


def test_without_a_network_one_line_says_what_to_do(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "")
    words = ("--out", tmp_path / "run", "--labels", labels, "--pixels", "0..1")
    done = call("import", plain("n", 3, SIDE, SIDE)(tmp_path), *words)
    assert done.exit_code == 1
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert "no package registry answers" in line and "--onnx2tf FOLDER" in line
    assert not (tmp_path / "run").exists()
    # Nothing half-made is taken for an environment the next time.
    assert not [p for p in (tmp_path / "cache" / "environments").iterdir() if p.is_dir()]


def test_an_environment_that_lacks_it(labels: Path, tmp_path: Path) -> None:
    source = plain("n", 3, SIDE, SIDE)(tmp_path)
    words = ("import", source, "--out", tmp_path / "run", "--labels", labels, "--pixels", "0..1")
    done = call(*words, "--onnx2tf", tmp_path)
    assert done.exit_code == 1 and "there is no Python there" in done.stderr
    import sys

    done = call(*words, "--onnx2tf", sys.executable)
    assert done.exit_code == 1 and "lacks something" in done.stderr and "onnx" in done.stderr
