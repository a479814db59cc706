"""A whole board: arm64 Debian with nothing but Python, and no network, behind a real sshd.

It is emulated: what it computes is a board's, what it takes is nobody's.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.bundle import read_model
from cnnedge.camera import SampleSource
from cnnedge.preprocess import compiled
from cnnedge.targets.base import Finding
from cnnedge.targets.ssh import SshTarget
from support.boards import CACHE, board, wheels_cache  # noqa: F401
from support.command import cnnedge
from support.environments import missing
from support.pi import pi
from support.pixel_digests import digests
from support.sshd import Sshd

pytestmark = pytest.mark.heavy

# Runs there and here: the answers to every picture of a file, for each model.
ANSWERS = """
import sys
import numpy as np
from cnnedge.bundle import read_model
from cnnedge.engines import CPU, load_engine

pictures, out, *models = sys.argv[1:]
found = {}
for number, path in enumerate(models):
    model = read_model(path)
    engine = load_engine(model, CPU)
    answers = []
    for picture in np.load(pictures)[str(number)]:
        engine.set_input(picture[None].astype(model.input.dtype))
        answers.append(engine.invoke()[0])
    found[str(number)] = np.stack(answers)
np.savez(out, **found)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with pi(tmp_path_factory.mktemp("pi")) as running:
        yield running


@pytest.fixture(scope="module")
def pi4(served: Sshd) -> Iterator[SshTarget]:
    target = board(served.config, pace=None)
    yield target
    target.close()


@pytest.fixture(scope="module")
def pictures(shapes: Path) -> np.ndarray:
    """100 of the pictures that the models were trained on, RGB uint8 [100, h, w, 3]."""
    files = sorted(shapes.rglob("*.png"))[:100]
    assert len(files) == 100
    return np.stack([cv2.imread(str(file))[:, :, ::-1] for file in files])


def test_it_has_nothing_of_its_own(pi4: SshTarget) -> None:
    """No package, no pip, and no way out: what it gets, it gets from here."""
    python = pi4.board.pythons[0].path
    show = (
        "import importlib.util as u; print([n for n in ('numpy', 'pip', 'yaml') if u.find_spec(n)])"
    )
    assert pi4.run([python, "-c", show]).text == "[]\n"
    devices = pi4.run(["cat", "/proc/self/net/dev"]).text.splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]
    assert pi4.run(["uname", "-m"]).text == "aarch64\n"


def test_bench_brings_all_that_it_needs(served: Sshd, trained_run: Path, tmp_path: Path) -> None:
    words = ("bench", trained_run / "export" / "int8.tflite", "--device", "pi4", "--threads", "1,2")
    around = {"XDG_CACHE_HOME": str(CACHE), "XDG_CONFIG_HOME": str(tmp_path)}
    done = cnnedge(
        *(*words, "--ssh-config", served.config, "--json", "pi4.json"),
        cwd=tmp_path,
        env=around,
        brief=True,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "pi4.json").read_text())["results"]
    assert [(r["device"], r["threads"]) for r in results] == [("pi4", 1), ("pi4", 2)]
    for result in results:
        assert result["engine"] == "litert"
        assert result["delegate"]["used"].startswith("cpu (XNNPACK")
        assert result["delegate"]["nodes_delegated"] > 0
        assert result["latency_ms"]["count"] == len(result["samples_ms"])
        conditions = result["conditions"]
        assert conditions["architecture"] == "aarch64"
        assert conditions["cpu"].startswith("Raspberry Pi 4")
        # No timing of it is presented as a device's.
        assert conditions["emulated"] == "runs as aarch64 on a kernel for x86_64"
        assert any("emulator" in reason for reason in result["unstable"])
    assert "emulated" in done.stdout + done.stderr


def test_all_that_can_be_asked_of_a_device_is_answered_there(
    served: Sshd, trained_run: Path, shapes: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained_run, tmp_path / "run")
    model = run / "export" / "int8.tflite"
    at = ("--device", "pi4", "--ssh-config", served.config, "--json", "-")
    around = {"XDG_CACHE_HOME": str(CACHE), "XDG_CONFIG_HOME": str(tmp_path)}

    def asked(*words: object) -> dict[str, Any]:
        done = cnnedge(*words, *at, env=around)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    found = asked("eval", model)
    assert (found["device"], found["here"]["identical"]) == ("pi4", found["count"])
    found = asked("run", model, "--source", next(shapes.rglob("*.png")).parent, "--frames", "3")
    assert (found["device"], found["frames"]) == ("pi4", 3)
    found = asked("verify", model, "--reference", run)
    assert found["agrees"] is True
    report = asked("convert", run, "--variant", "int8")
    assert report["device"].startswith("pi4 (Raspberry Pi 4")
    assert "runs as aarch64 on a kernel for x86_64" in report["device"]
    assert any("emulator" in warning for warning in report["warnings"])


# Cuts of the first picture and inputs: 64 pairs of sizes, for every rule.
CUTS = ((1, 1), (1, 9), (7, 1), (5, 5), (33, 47), (120, 19), (97, 161), (213, 160))
INPUTS = (
    *((4, 4, 3), (7, 5, 1), (28, 28, 1), (32, 32, 3)),
    *((24, 40, 3), (64, 64, 1), (48, 64, 3), (96, 64, 1)),
)
RULES = [
    {"resize": resize, "interpolation": interpolation, "pad_value": 9}
    | ({"crop_fraction": 0.875} if resize == "center_crop" else {})
    for resize in ("stretch", "letterbox", "center_crop")
    for interpolation in (
        *("area", "bilinear", "nearest"),
        *("pillow_box", "pillow_bilinear", "pillow_bicubic", "pillow_lanczos"),
    )
]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEGs as cameras write them: colour at half the resolution, in colour and grey, progressive;
    and one that is larger than any input."""
    folder = tmp_path_factory.mktemp("photographs")
    scene = next(iter(SampleSource())).pixels
    noise = np.random.default_rng(0).normal(0, 20, scene.shape)
    noisy = np.clip(scene + noise, 0, 255).astype(np.uint8)
    small = cv2.resize(noisy, (161, 213), interpolation=cv2.INTER_LINEAR_EXACT)
    files = [folder / name for name in ("a.jpg", "grey.jpg", "progressive.jpg", "large.jpg")]
    cv2.imwrite(str(files[0]), small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    cv2.imwrite(str(files[1]), small[:, :, 1])
    cv2.imwrite(str(files[2]), small, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    cv2.imwrite(str(files[3]), noisy)
    return files


def digests_there(
    pi4: SshTarget, files: list[Path], request: dict[str, Any], library: Path | None, folder: Path
) -> list[str]:
    pushed = {
        "files": [pi4.push(file) for file in files],
        "library": pi4.push(library) if library else None,
    }
    (folder / "request.json").write_text(json.dumps(request | pushed))
    script = pi4.push(Path(__file__).parent / "support" / "pixel_digests.py")
    words = [pi4.installed.python, script, pi4.push(folder / "request.json")]
    done = pi4.run(words, environment=pi4.installed.environment, seconds=900)
    assert done.code == 0, done.errors.decode()
    return done.text.splitlines()


@pytest.mark.parametrize("kind", ["portable", "compiled"])
def test_pixels_are_the_same_to_the_bit(
    pi4: SshTarget, photographs: list[Path], tmp_path: Path, kind: str
) -> None:
    """Files in, input pixels out, by every rule: in numpy, and by the C of an Arm compiler."""
    library, rules = None, RULES
    if kind == "compiled":
        library = arm64_library(tmp_path)
        # Pillow is the same library beside either.
        rules = [rule for rule in RULES if "pillow" not in str(rule["interpolation"])]
    request = {"cuts": CUTS, "sizes": INPUTS, "rules": rules, "whole": [224, 224, 3]}
    here = digests(request | {"files": list(map(str, photographs))})
    there = digests_there(pi4, photographs, request, library, tmp_path)
    parted = [pair for pair in zip(here, there, strict=True) if pair[0] != pair[1]]
    assert not parted, parted[:5]


def arm64_library(folder: Path) -> Path:
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is None:
        missing("no C compiler for arm64 here (Debian's package gcc-aarch64-linux-gnu)")
    library = folder / "_resample.so"
    name = f'-DSOURCE_HASH="{compiled.source_hash()}"'
    words = [compiler, "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", name]
    subprocess.run([*words, str(compiled.SOURCE), "-o", str(library)], check=True)
    return library


def test_labels_and_scores_are_the_same_from_the_files_on(
    served: Sshd, trained_run: Path, shapes: Path, photographs: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, file in enumerate([*sorted(shapes.rglob("*.png"))[::9], *photographs]):
        shutil.copy(file, folder / f"{number:03}{file.suffix}")
    at = ("--device", "pi4", "--ssh-config", served.config)
    around = {"XDG_CACHE_HOME": str(CACHE), "XDG_CONFIG_HOME": str(tmp_path)}
    # float32: XNNPACK adds up in another order on Arm.
    for variant, allowed in (("int8", steps_allowed() / 256), ("float32", 1e-6)):
        words = ("run", trained_run / "export" / f"{variant}.tflite", "--source", folder)
        here, away = (
            cnnedge(*words, "--delegate", "cpu", *more, "--json", "-", env=around)
            for more in ((), at)
        )
        assert (here.returncode, away.returncode) == (0, 0), away.stderr
        ours, theirs = (json.loads(done.stdout)["predictions"] for done in (here, away))
        assert len(ours) == len(list(folder.iterdir()))
        for one, other in zip(ours, theirs, strict=True):
            assert [s["label"] for s in one["top"]] == [s["label"] for s in other["top"]]
            for score, there in zip(one["top"], other["top"], strict=True):
                assert abs(score["score"] - there["score"]) <= allowed


def test_a_rule_that_is_not_the_same_everywhere_is_named(
    pi4: SshTarget, served: Sshd, trained_run: Path, tmp_path: Path
) -> None:
    """OpenCV's own bilinear: the resize is the stage that parts, by how much is said."""
    run = shutil.copytree(trained_run, tmp_path / "run")
    recipe = (run / "recipe.yaml").read_text()
    rule = "interpolation: area"
    assert rule in recipe
    (run / "recipe.yaml").write_text(recipe.replace(rule, "interpolation: opencv_bilinear"))
    at = ("--ssh-config", served.config, "--device", "pi4")
    around = {"XDG_CACHE_HOME": str(CACHE), "XDG_CONFIG_HOME": str(tmp_path)}
    made = cnnedge("convert", run, "--variant", "int8", env=around)
    assert made.returncode == 0, made.stderr
    data, rng = tmp_path / "data", np.random.default_rng(0)
    for number in range(12):
        place = data / ("circle", "square")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture = rng.integers(0, 256, (31, 47, 3)).astype(np.uint8)
        cv2.imwrite(str(place / f"{number}.png"), picture)
    words = ("verify", run / "export" / "int8.tflite", "--reference", run, "--data", data)
    done = cnnedge(*words, *at, "--json", "-", env=around)
    stages = {(s["stage"], s["part"]): s for s in json.loads(done.stdout)["stages"]}
    resize = stages["resize", "on pi4"]
    assert resize["agrees"] is False
    assert 1 <= resize["deviation"] <= 8
    assert "opencv_bilinear" in resize["cause"]


@pytest.fixture(scope="module")
def checked(pi4: SshTarget) -> dict[str, Finding]:
    return {finding.what: finding for finding in pi4.check()}


def test_check_compares_the_pixels(checked: dict[str, Finding]) -> None:
    found = checked["pixels"]
    assert found.found.startswith("the same as here, by all 21 resize rules")
    # The board has no compiler, which is said.
    assert "portable code" in found.found and "gcc" in found.remedy


def test_check_says_what_it_is(checked: dict[str, Finding]) -> None:
    assert checked["reachable"].ok and checked["Python"].ok
    hardware = checked["hardware"].found
    assert "Raspberry Pi 4" in hardware and "aarch64" in hardware
    assert checked["emulated"].ok is False
    assert "kernel for x86_64" in checked["emulated"].found


Answers = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def answered(
    pi4: SshTarget,
    trained_run: Path,
    pictures: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Answers]:
    """The raw outputs of three models for every picture: there and here, of one process each."""
    folder = tmp_path_factory.mktemp("answers")
    convolutions(folder / "convolutions.tflite", pictures[:1])
    models = {name: trained_run / "export" / f"{name}.tflite" for name in ("int8", "float32")}
    models["convolutions"] = folder / "convolutions.tflite"
    resized = {}
    for number, model in enumerate(models.values()):
        shape = read_model(model).input.shape
        resized[str(number)] = np.stack([cv2.resize(p, (shape[2], shape[1])) for p in pictures])
    np.savez(folder / "pictures.npz", **resized)
    script = folder / "answers.py"
    script.write_text(ANSWERS)
    out = f"{pi4.board.folder}/answers.npz"
    words = [*map(pi4.push, (script, folder / "pictures.npz")), out]
    python = [pi4.installed.python, *words, *map(pi4.push, models.values())]
    done = pi4.run(python, environment=pi4.installed.environment, seconds=300)
    assert done.code == 0, done.errors.decode()
    pi4.pull(out, folder / "there.npz")
    pi4.run(["rm", out])
    here = [sys.executable, script, folder / "pictures.npz", folder / "here.npz"]
    subprocess.run([*here, *models.values()], check=True, cwd=folder, capture_output=True)
    there, ours = np.load(folder / "there.npz"), np.load(folder / "here.npz")
    found = {name: (there[str(n)], ours[str(n)]) for n, name in enumerate(models)}
    for away, near in found.values():
        assert away.shape[0] == 100 and away.dtype == near.dtype
        # A constant would prove nothing.
        assert len(np.unique(near, axis=0)) > 20
    return found


def convolutions(path: Path, calibration: np.ndarray) -> None:
    """A float32 model of convolutions and what goes with them in a backbone: depthwise, pooling,
    sums, activations."""
    tf_keras = pytest.importorskip("tf_keras")
    from cnnedge.converter import convert

    tf_keras.utils.set_random_seed(1)
    layers = tf_keras.layers
    image = tf_keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(16, 3, strides=2, activation="relu", bias_initializer="ones")(x)
    x = layers.DepthwiseConv2D(3, activation="relu6")(x)
    x = layers.Add()([x, layers.Conv2D(16, 1, padding="same", use_bias=False)(x)])
    x = layers.Conv2D(32, 1)(layers.MaxPooling2D()(x))
    x = layers.GlobalAveragePooling2D()(x)
    path.write_bytes(convert(tf_keras.Model(image, x), "float32", calibration))


def steps_allowed() -> int:
    """XNNPACK's kernels for AVX2 round a few int8 answers by one step; those for AVX-512 do not."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    return 0 if "avx512" in cpuinfo or platform.machine() == "aarch64" else 1


def test_int8_answers_are_the_same_to_the_bit(answered: dict[str, Answers]) -> None:
    there, ours = answered["int8"]
    apart = np.abs(there.astype(int) - ours)
    assert apart.max() <= steps_allowed()
    assert (apart > 0).mean() <= 0.02


def test_float32_convolutions_are_the_same_to_the_bit(answered: dict[str, Answers]) -> None:
    np.testing.assert_array_equal(*answered["convolutions"])


def test_float32_classifiers_differ_by_rounding_alone(answered: dict[str, Answers]) -> None:
    """XNNPACK adds up in another order on Arm than on x86 in a dense layer of one picture, in
    softmax, and where channels are no multiple of 16."""
    there, ours = answered["float32"]
    np.testing.assert_allclose(there, ours, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(there.argmax(axis=1), ours.argmax(axis=1))


def test_clean_leaves_the_board_as_it_was(pi4: SshTarget) -> None:
    assert pi4.clean() > 100_000_000
    assert "cnnedge" not in pi4.connection.script("ls -RA /root", 10)
