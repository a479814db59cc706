"""The frozen part of a network, run once per picture and view and never again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cnnedge.bundle import read_model
from cnnedge.data import Dataset, Pixels, load_dataset
from cnnedge.errors import CnnedgeError
from cnnedge.specs import Augmentation, InputSize, Preprocess
from support.pictures import SHAPES, shape_folder, shape_picture

tf_keras = pytest.importorskip("tf_keras")
features = pytest.importorskip("cnnedge.training.features")

SIZE = InputSize(height=24, width=24)
RULE = Preprocess()
FLIPPED = Augmentation(flip="both", shift=0.2, brightness=0.2)
Make = Callable[..., Any]


def network(
    seed: int = 0,
    size: InputSize = SIZE,
    last: str = "pool",
    named: str | None = None,
    swapped: bool = False,
) -> Any:
    """A small frozen network of the weights that `seed` draws."""
    layers = tf_keras.layers
    image = tf_keras.Input(size.shape)
    x = layers.Rescaling(1 / 255)(image)
    first = layers.Conv2D(4, 3, padding="same", activation="relu", name=named)(x)
    second = layers.Conv2D(4, 3, padding="same", activation="relu")(first)
    second = layers.BatchNormalization()(second)
    x = layers.Subtract()([second, first] if swapped else [first, second])
    if last == "pool":
        x = layers.GlobalAveragePooling2D()(x)
    model = tf_keras.Model(image, x)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(str(shape_folder(tmp_path_factory.mktemp("data") / "a", per_class=10)))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the converted `network()` and no rows: converting takes a second or two."""
    root = tmp_path_factory.mktemp("converted")
    features.Extractor(network(), root)
    return root


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache will be; nothing is there yet."""
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cache(bare: Path, converted: Path) -> Path:
    """A cache that knows `network()`, without any rows."""
    return Path(shutil.copytree(converted, bare))


def of(
    data: Dataset,
    model: Any = None,
    *,
    size: InputSize = SIZE,
    rule: Preprocess = RULE,
    views: int = 1,
    augmentation: Augmentation = FLIPPED,
    seed: int = 0,
) -> Any:
    """Features as another run would open them: nothing is shared but the disk."""
    return features.Features(
        features.Extractor(model or network(size=size)),
        Pixels(data, size, rule),
        features.Views(count=views, augmentation=augmentation, seed=seed),
    )


def made(opened: Any, views: int = 1, indices: np.ndarray | None = None) -> int:
    """How many rows were not there yet."""
    data = opened._pixels.dataset
    return opened.extract(data.indices() if indices is None else indices, views)


@pytest.mark.parametrize("last", ["pool", "map"])
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_what_keras_computes(
    dataset: Dataset, cache: Path, last: str, channels: int
) -> None:
    size = replace(SIZE, channels=channels)
    model = network(size=size, last=last)
    opened = of(dataset, model, size=size)
    assert made(opened) == len(dataset)
    order = dataset.indices()[::-1]
    expected = model.predict(Pixels(dataset, size, RULE).batch(order).astype(np.float32), verbose=0)
    rows = opened.rows(order)
    assert rows.dtype == np.float32
    assert rows.shape == expected.shape == (len(dataset), *opened.shape)
    assert np.allclose(rows, expected, rtol=1e-5, atol=1e-5)
    assert len(np.unique(rows.reshape(len(rows), -1), axis=0)) == len(dataset)


def test_rows_are_made_once_for_all_runs(dataset: Dataset, cache: Path) -> None:
    first = of(dataset, views=3)
    half = dataset.indices()[::2]
    assert made(first, 1, half) == len(half)
    assert made(first, 1) == len(dataset) - len(half)
    assert made(first, 3) == 2 * len(dataset)
    assert made(first, 3) == 0
    second = of(dataset, views=3)
    assert made(second, 3) == 0
    for view in range(3):
        rows = first.rows(dataset.indices(), view)
        assert (second.rows(dataset.indices(), view) == rows).all()
        assert (second.rows(half, view) == rows[::2]).all()


def test_progress_counts_what_is_new(dataset: Dataset, cache: Path) -> None:
    opened, seen = of(dataset, views=2), []
    made(opened, 1, dataset.indices()[:5])
    opened.extract(dataset.indices(), 2, lambda done, total: seen.append((done, total)))
    total = 2 * len(dataset) - 5
    assert {t for _, t in seen} == {total}
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (total, total)


def test_the_same_pictures_elsewhere_under_other_names_are_found(
    dataset: Dataset, cache: Path, tmp_path: Path
) -> None:
    made(of(dataset, views=2), 2)
    # Other folder, names, classes and order, another file format, and a part of them.
    for number, kind in enumerate(SHAPES[:2]):
        folder = tmp_path / "elsewhere" / f"{9 - number}"
        folder.mkdir(parents=True)
        for seed in range(8):
            cv2.imwrite(str(folder / f"{90 - seed}.bmp"), shape_picture(kind, seed))
    other = load_dataset(str(tmp_path / "elsewhere"))
    assert len(other) == 16
    opened = of(other, views=2)
    assert made(opened, 2) == 0
    known, original = of(dataset, views=2), {h: i for i, h in enumerate(dataset.identities)}
    same = np.array([original[h] for h in other.identities])
    for view in range(2):
        assert (opened.rows(other.indices(), view) == known.rows(same, view)).all()


def test_a_changed_picture_is_another_picture(cache: Path, tmp_path: Path) -> None:
    folder = shape_folder(tmp_path / "pictures", per_class=6)
    before = load_dataset(str(folder))
    made(of(before))
    changed = folder / "circle" / "003.png"
    picture = cv2.imread(str(changed))
    picture[0, 0] = 255 - picture[0, 0]
    cv2.imwrite(str(changed), picture)
    after = load_dataset(str(folder))
    opened = of(after)
    assert made(opened) == 1
    index = next(i for i in after.indices() if after.name(i) == str(changed))
    assert (opened.rows(np.array([index])) != of(before).rows(np.array([index]))).any()


OTHERS: dict[str, Callable[[Dataset], Any]] = {
    "weights": lambda data: of(data, network(seed=1)),
    "layer": lambda data: of(data, network(last="map")),
    "links": lambda data: of(data, network(swapped=True)),
    "size": lambda data: of(data, size=InputSize(height=20, width=24)),
    "channels": lambda data: of(data, size=replace(SIZE, channels=1)),
    "resize": lambda data: of(data, rule=Preprocess(resize="letterbox")),
    "interpolation": lambda data: of(data, rule=Preprocess(interpolation="nearest")),
    "pad": lambda data: of(data, rule=Preprocess(pad_value=7)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_network_size_or_rule_never_takes_old_rows(
    dataset: Dataset, cache: Path, what: str
) -> None:
    made(of(dataset))
    assert made(OTHERS[what](dataset)) == len(dataset)
    assert made(of(dataset)) == 0


def test_one_weight_changed_is_another_network(dataset: Dataset, cache: Path) -> None:
    model = network()
    made(of(dataset, model))
    weights = model.get_weights()
    weights[-1][0] = np.nextafter(weights[-1][0], 2)
    model.set_weights(weights)
    assert made(of(dataset, model)) == len(dataset)


def test_names_and_what_is_trainable_make_no_other_network(dataset: Dataset, cache: Path) -> None:
    made(of(dataset))
    assert made(of(dataset, network(named="another"))) == 0
    frozen = network()
    frozen.trainable = False
    assert made(of(dataset, frozen)) == 0
    rebuilt = network()
    for layer in rebuilt.layers[2:4]:
        layer.trainable = False
    assert made(of(dataset, tf_keras.Model(rebuilt.input, rebuilt.output, name="cut"))) == 0


@pytest.mark.parametrize(
    "other",
    [
        {"augmentation": Augmentation(flip="both", shift=0.2, brightness=0.21)},
        {"augmentation": replace(FLIPPED, fill="black")},
        {"seed": 1},
    ],
    ids=["augmentation", "fill", "seed"],
)
def test_another_augmentation_or_seed_has_views_of_its_own_and_shares_the_pictures(
    dataset: Dataset, cache: Path, other: dict[str, Any]
) -> None:
    first, second = of(dataset, views=3), of(dataset, views=3, **other)
    assert made(first, 3) == 3 * len(dataset)
    second = of(dataset, views=3, **other)
    assert made(second, 1) == 0
    assert made(second, 3) == 2 * len(dataset)
    indices = dataset.indices()
    assert (first.rows(indices) == second.rows(indices)).all()
    assert (first.rows(indices, 1) != second.rows(indices, 1)).any()


def test_more_views_are_added_to_those_that_are_there(dataset: Dataset, cache: Path) -> None:
    two = of(dataset, views=2)
    made(two, 2)
    four = of(dataset, views=4)
    assert made(four, 4) == 2 * len(dataset)
    assert (four.rows(dataset.indices(), 1) == two.rows(dataset.indices(), 1)).all()


def test_views_differ_from_each_other_and_from_the_picture(dataset: Dataset, cache: Path) -> None:
    opened = of(dataset, views=4)
    made(opened, 4)
    rows = np.concatenate([opened.rows(dataset.indices(), view) for view in range(4)])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_a_view_does_not_depend_on_which_other_pictures_are_there(
    dataset: Dataset, cache: Path
) -> None:
    together = of(dataset, views=2)
    made(together, 2)
    expected = [together.rows(dataset.indices(), view) for view in range(2)]
    shutil.rmtree(cache / "features")
    alone = of(dataset, views=2)
    some = np.array([17, 3, 8])
    assert made(alone, 2, some) == 6
    for view in range(2):
        assert np.allclose(alone.rows(some, view), expected[view][some], atol=1e-6)


def test_an_interruption_keeps_the_parts_that_are_done(
    dataset: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_PART_BYTES", 1)
    monkeypatch.setattr(features, "_BATCH", 4)

    def interrupted(done: int, total: int) -> None:
        if done >= 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        of(dataset).extract(dataset.indices(), 1, interrupted)
    opened = of(dataset)
    assert made(opened) == len(dataset) - 12
    assert not list(cache.rglob(".part-*"))
    expected = network().predict(
        Pixels(dataset, SIZE, RULE).batch(dataset.indices()).astype(np.float32), verbose=0
    )
    assert np.allclose(opened.rows(dataset.indices()), expected, atol=1e-5)


@pytest.mark.parametrize("left", [0, 0.5, -1])
def test_a_damaged_extractor_is_made_again(dataset: Dataset, cache: Path, left: float) -> None:
    first = of(dataset)
    made(first)
    [path] = (cache / "extractors").glob("*.tflite")
    data = path.read_bytes()
    path.write_bytes(data[: int(left * len(data)) if 0 < left < 1 else int(left)])
    second = of(dataset)
    assert made(second) == 0
    assert read_model(path).output.shape == (1, *first.shape)
    for part in (cache / "features").rglob("*.npy"):
        part.unlink()
    third = of(dataset)
    assert made(third) == len(dataset)
    assert (third.rows(dataset.indices()) == first.rows(dataset.indices())).all()


def test_damaged_rows_are_made_again(dataset: Dataset, cache: Path) -> None:
    first = of(dataset)
    made(first)
    before = first.rows(dataset.indices())
    for part in (cache / "features").rglob("*.npy"):
        part.write_bytes(part.read_bytes()[:-7])
    second = of(dataset)
    assert made(second) == len(dataset)
    assert (second.rows(dataset.indices()) == before).all()


@pytest.mark.parametrize("file", ["cache", "cache/extractors", "cache/features"])
def test_a_file_where_the_cache_should_be_is_one_clear_error(
    dataset: Dataset, bare: Path, tmp_path: Path, file: str
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("mine")
    with pytest.raises(CnnedgeError, match="cannot write") as error:
        made(of(dataset))
    assert str(tmp_path / file) in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / file).read_text() == "mine"


def test_a_cache_that_may_not_be_written_is_one_clear_error(
    dataset: Dataset, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cnnedge.files.secrets.token_hex", refused)
    with pytest.raises(CnnedgeError, match="permission denied") as error:
        of(dataset)
    assert str(bare) in str(error.value)


def test_nothing_asked_nothing_made(dataset: Dataset, cache: Path) -> None:
    opened = of(dataset, views=2)
    none = np.empty(0, np.int64)
    assert made(opened, 2, none) == 0
    assert opened.rows(none, 1).shape == (0, *opened.shape)
    assert not (cache / "features").exists()
