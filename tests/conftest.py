"""What several test files share. Everything here is real: trained, converted, run."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.model_trial import report_nothing
from cnnedge.training.backend import forget_stacks
from support.command import cnnedge, fork_what_measures
from support.networks import pruned, trained_chain
from support.once import made_once
from support.pictures import content, shape_folder
from support.recipes import QUICK_STYLE, write_recipe
from support.sshd import Sshd, sshd

pytest_plugins = ["support.preloaded", "support.quick"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As cnnedge does before it imports TensorFlow, which else imports Keras 3 beside tf_keras.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# Several tests train at once, and TensorFlow's threads would stand in each other's way. The last
# digits of a loss depend on their number; a test of trainings that go on says how many it takes.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# For NumPy's threads too; those that have nothing to do would go on asking for work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Some tests import OpenVINO themselves.
report_nothing()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell does this to what it runs in the background; Ctrl-C is tested on our own children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    fork_what_measures()
    # Until all is imported, nothing is garbage.
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that train for long or start real targets come first: begun last, one of them would
    keep a single worker busy while the others have nothing left."""
    heavy = Counter(item.path for item in items if item.get_closest_marker("heavy"))
    items.sort(key=lambda item: -heavy[item.path])


def pytest_collection_finish() -> None:
    """Collections of garbage need not walk through TensorFlow and thousands of tests each time, and
    TensorFlow need not note the stack of a test at every operation."""
    if "tensorflow" in sys.modules:
        forget_stacks()
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000)
    gc.enable()


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 x 40 small pictures that a small network learns."""
    return made_once(tmp_path_factory, "shapes", shape_folder)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> Path:
    """A run trained and converted by the command line, as a user would; a copy for each worker."""

    def make(folder: Path) -> None:
        recipe = write_recipe(folder / "recipe", shapes)
        for words in (("train", recipe, "--out", "run"), ("convert", "run")):
            done = cnnedge(*words, cwd=folder)
            assert done.returncode == 0, done.stderr

    made = made_once(tmp_path_factory, "chain", make)
    return shutil.copytree(made / "run", tmp_path_factory.mktemp("chain") / "run")


@pytest.fixture(scope="session")
def sunset_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `cnnedge study sunset --quick`; nobody may change what is in it."""

    def make(folder: Path) -> None:
        done = cnnedge("study", "sunset", "--quick", cwd=folder)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "sunset", make) / "study-sunset"


@pytest.fixture(scope="session")
def network_studies(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> Path:
    """A folder in which `cnnedge study mlp_vs_cnn` and `capsule` ran on `shapes`, each with what it
    printed in NAME.stdout and NAME.stderr; nobody may change what is in it."""

    def make(folder: Path) -> None:
        for name in ("mlp_vs_cnn", "capsule"):
            done = cnnedge("study", name, "--data", shapes, "--quick", cwd=folder)
            assert done.returncode == 0, done.stderr
            (folder / f"{name}.stdout").write_text(done.stdout)
            (folder / f"{name}.stderr").write_text(done.stderr)

    return made_once(tmp_path_factory, "studies", make)


@pytest.fixture(scope="session")
def style_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of content `pictures`, the `run` that learned a style on them in two steps and was
    converted without a gate, and what convert said in report.json; nobody may change it."""

    def make(place: Path) -> None:
        content(place / "pictures")
        data = ("--data", place / "pictures")
        done = cnnedge("train", "style", *data, "--out", place / "run", *QUICK_STYLE)
        assert done.returncode == 0, done.stderr
        # What two steps have taught is not worth a gate.
        gate = ("--set", "convert.min_psnr=0")
        done = cnnedge("convert", place / "run", *gate, "--json", place / "report.json")
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "style", make)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`support.networks.trained_chain`; nobody may change it."""
    return trained_chain(tmp_path_factory)


@pytest.fixture(scope="session")
def pruned_chain(chain: Any) -> Any:
    """It with 70 % of each kernel zero."""
    return pruned(chain, 0.7)


@pytest.fixture(scope="session")
def int8_model(trained_run: Path) -> Path:
    """The trained run's int8 variant."""
    return trained_run / "export" / "int8.tflite"


@pytest.fixture(scope="session")
def plain_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained .tflite files without any metadata, as third parties make them, by variant."""
    tf_keras = pytest.importorskip("tf_keras")
    from cnnedge.converter import convert

    tf_keras.utils.set_random_seed(0)
    image = tf_keras.Input((16, 16, 3), name="image")
    x = tf_keras.layers.Rescaling(1 / 255)(image)
    x = tf_keras.layers.Conv2D(8, 3, activation="relu", bias_initializer="ones")(x)
    x = tf_keras.layers.GlobalAveragePooling2D()(x)
    # The converter drops a bias of zeros.
    dense = tf_keras.layers.Dense(4, activation="softmax", bias_initializer="ones")
    model = tf_keras.Model(image, dense(x))
    pictures = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3)).astype(np.uint8)
    folder = tmp_path_factory.mktemp("plain")
    files = {}
    for variant in ("float32", "float16", "dynamic", "int8"):
        files[variant] = folder / f"{variant}.tflite"
        files[variant].write_bytes(convert(model, variant, pictures))
    return files


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd, one for each test file."""
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running
