"""load_dataset: every source, honest splits, one clear message for every bad input; Pixels."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import sys
import types
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnedge.data import Dataset, Pixels, calibration_indices, content_hash, load_dataset
from cnnedge.data.names import natural_key
from cnnedge.data.splits import assign, uniform
from cnnedge.data.ties import untied
from cnnedge.errors import DataError, MissingExtraError
from cnnedge.preprocess import prepare
from cnnedge.specs import InputSize, Preprocess, Splits

HALF = Splits(train=0.5, val=0.2, test=0.3)


def picture(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture(seed))[1].tobytes())
    return path


def folder(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    seed = start
    for name, count in counts.items():
        for number in range(count):
            write(root / name / f"{number}.png", seed)
            seed += 1
    return root


def parts_by_content(dataset: Dataset) -> dict[str, int]:
    return dict(zip(dataset.identities, dataset.split.tolist(), strict=True))


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def grey(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8), np.uint8)


def labels(count: int, classes: int = 3) -> np.ndarray:
    return (np.arange(count) % classes).astype(np.uint8)


def problem(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


# Image folders


def test_an_image_folder(tmp_path: Path) -> None:
    root = folder(tmp_path, {"cat": 30, "dog": 20})
    dataset = load_dataset(str(root), splits=HALF)
    assert dataset.source == str(root.resolve()) and dataset.classes == ("cat", "dog")
    assert len(dataset) == 50 and not dataset.own_test
    assert dataset.targets.dtype == np.int64 and not dataset.warnings and not dataset.skipped
    everything = [dataset.indices(part) for part in ("train", "val", "test")]
    assert sorted(np.concatenate(everything).tolist()) == dataset.indices("all").tolist()
    assert all(n > 0 for part in dataset.counts().values() for n in part.values())
    for index in (0, 49):
        again = cv2.imread(dataset.name(index))
        assert np.array_equal(dataset.frame(index), again)
        assert dataset.identities[index] == content_hash(again).hex()
        assert Path(dataset.name(index)).parent.name == dataset.classes[dataset.targets[index]]


def test_class_names_of_every_kind(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    names = ["10 down, dog", "2 up dog", "日本", decomposed, "🙂", "Zebra", "apple"]
    root = folder(tmp_path, dict.fromkeys(names, 3))
    classes = load_dataset(str(root)).classes
    assert classes == ("2 up dog", "10 down, dog", "apple", "Zebra", "é", "日本", "🙂")


def test_natural_order() -> None:
    assert sorted(["c10", "c9", "b", "c"], key=natural_key) == ["b", "c", "c9", "c10"]


def test_preset_parts(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 40, "b": 40})
    folder(tmp_path / "test", {"a": 5, "b": 6}, start=1000)
    dataset = load_dataset(str(tmp_path), splits=Splits(train=0.6, val=0.2, test=0.2))
    assert dataset.own_test and dataset.counts()["test"] == {"a": 5, "b": 6}
    assert 5 <= len(dataset.indices("val")) <= 40
    folder(tmp_path / "valid", {"a": 3, "b": 4}, start=2000)
    dataset = load_dataset(str(tmp_path))
    assert dataset.counts()["val"] == {"a": 3, "b": 4}
    assert dataset.counts()["train"] == {"a": 40, "b": 40}


def test_train_and_val_without_test_carves_a_test(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 40, "b": 40})
    folder(tmp_path / "val", {"a": 5, "b": 6}, start=1000)
    dataset = load_dataset(str(tmp_path))
    assert not dataset.own_test and len(dataset.indices("test")) > 0
    assert dataset.counts()["val"] == {"a": 5, "b": 6}


def test_classes_may_be_called_train_and_bus(tmp_path: Path) -> None:
    assert load_dataset(str(folder(tmp_path, {"train": 4, "bus": 4}))).classes == ("bus", "train")


def test_hidden_files_vanish_and_others_are_listed(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 4, "b": 4})
    for name in ("a/.DS_Store", "a/Thumbs.db", "b/._1.png"):
        (root / name).write_bytes(b"x")
    folder(root / "__MACOSX", {"a": 1})
    folder(root, {".git": 1})
    (root / "a" / "notes.txt").write_text("hello")
    write(root / "loose.png", 99)
    dataset = load_dataset(str(root), max_unreadable=0)
    assert len(dataset) == 8 and dataset.classes == ("a", "b")
    assert sorted(Path(s.path).name for s in dataset.skipped) == ["loose.png", "notes.txt"]
    assert any("1 .txt file" in w for w in dataset.warnings)


def test_nested_folders_and_links_that_loop(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 3, "b": 3})
    write(root / "a" / "deep" / "er" / "x.png", 77)
    os.symlink(root / "a", root / "a" / "deep" / "loop")
    assert len(load_dataset(str(root))) == 7


def test_unreadable_pictures_are_counted_listed_and_limited(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 10, "b": 9})
    (root / "b" / "broken.jpg").write_bytes(b"no picture")
    dataset = load_dataset(str(root))
    assert len(dataset) == 19 and len(dataset.skipped) == 1
    assert dataset.skipped[0].path.endswith("broken.jpg")
    assert "not a picture" in dataset.skipped[0].reason
    assert any("1 picture could not be read" in w for w in dataset.warnings)
    (root / "a" / "empty.png").write_bytes(b"")
    text = problem(lambda: load_dataset(str(root)))
    assert "2 of 21 pictures could not be read" in text and "data.max_unreadable=0.1" in text
    assert "broken.jpg" in text and "0 bytes" in text
    assert len(load_dataset(str(root), max_unreadable=0.1)) == 19


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_dataset(
        str(folder(tmp_path, {"a": 4, "b": 4})), progress=lambda done, n: seen.append((done, n))
    )
    assert seen[-1] == (8, 8)


# Copies


def test_copies_never_stand_on_two_sides(tmp_path: Path) -> None:
    root = folder(tmp_path / "one", {"a": 10, "b": 10})
    shutil.copytree(root / "a", root / "a" / "again")
    jpeg = root / "a" / "photo.jpg"
    smooth = cv2.resize(picture(5), (64, 64), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(jpeg), smooth)
    cv2.imwrite(str(root / "a" / "resaved.png"), cv2.imread(str(jpeg)))
    dataset = load_dataset(str(root))
    assert len(dataset) == 21 == len(set(dataset.identities))
    assert any("11 pictures repeated" in w for w in dataset.warnings)


def test_a_picture_under_two_labels_is_dropped_and_named(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 6, "b": 6})
    shutil.copy(root / "a" / "0.png", root / "b" / "same.png")
    dataset = load_dataset(str(root))
    assert len(dataset) == 11
    (warning,) = (w for w in dataset.warnings if "different labels" in w)
    assert str(root / "a" / "0.png") in warning and str(root / "b" / "same.png") in warning


def test_train_copies_of_test_pictures_leave_train(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 10, "b": 10})
    folder(tmp_path / "test", {"a": 4, "b": 4}, start=1000)
    shutil.copy(tmp_path / "test" / "a" / "1.png", tmp_path / "train" / "a" / "leak.png")
    dataset = load_dataset(str(tmp_path))
    assert dataset.counts()["test"] == {"a": 4, "b": 4} and len(dataset) == 28
    assert any("1 picture also in test or val" in w for w in dataset.warnings)


def test_grey_is_grey_however_it_is_stored() -> None:
    flat = picture(3)[:, :, 0]
    assert content_hash(flat) == content_hash(flat[:, :, None])
    assert content_hash(flat) == content_hash(np.dstack([flat, flat, flat]))
    assert content_hash(flat) != content_hash(flat.T) != content_hash(picture(3))
    assert content_hash(flat) != content_hash(flat.reshape(16, 12))


# Splits


def test_adding_and_renaming_moves_none_of_the_others(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 60, "b": 60})
    before = parts_by_content(load_dataset(str(root), splits=HALF))
    for number in range(40):
        write(root / "a" / f"0new{number}.png", 5000 + number)
    (root / "b" / "3.png").rename(root / "b" / "zzz.png")
    after = parts_by_content(load_dataset(str(root), splits=HALF))
    assert len(after) == 160 and before.items() <= after.items()


def test_seed_and_fractions_change_the_split(tmp_path: Path) -> None:
    root = str(folder(tmp_path, {"a": 60, "b": 60}))
    zero, one = (parts_by_content(load_dataset(root, splits=HALF, seed=s)) for s in (0, 1))
    assert zero != one
    no_val = load_dataset(root, splits=Splits(train=0.8, val=0, test=0.2))
    assert len(no_val.indices("val")) == 0


def test_tiny_classes_borrow_and_say_so(tmp_path: Path) -> None:
    root = folder(tmp_path, {"big": 60, "tiny": 3})
    dataset = load_dataset(str(root))
    assert [part["tiny"] for part in dataset.counts().values()] == [1, 1, 1]
    assert any("class 'tiny' is small (3 pictures)" in w for w in dataset.warnings)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.binary(min_size=4, max_size=4), st.integers(0, 2)),
        unique_by=lambda item: item[0],
        min_size=30,
        max_size=80,
    ),
    st.integers(0, 2**31),
    st.randoms(use_true_random=False),
)
def test_split_law(items: list[tuple[bytes, int]], seed: int, random: object) -> None:
    def split(chosen: list[tuple[bytes, int]]) -> dict[bytes, int]:
        hashes = np.array([list(key * 8) for key, _ in chosen], np.uint8)
        part, _ = assign(
            untied(hashes),
            targets=np.array([target for _, target in chosen], np.int64),
            part=np.zeros(len(chosen), np.int8),
            own=frozenset(),
            classes=("x", "y", "z"),
            splits=HALF,
            seed=seed,
        )
        u = uniform(hashes, seed, "split")
        assert ((u >= 0) & (u < 1)).all()
        lawful = np.where(u < 0.3, 2, np.where(u < 0.5, 1, 0))
        counts = np.bincount([t for _, t in chosen], minlength=3)
        borrowed = int((part != lawful).sum())
        assert borrowed <= 6 and all(
            len(set(part[[t == c for _, t in chosen]].tolist())) == 3 for c in range(3)
        ), counts
        return {key: int(p) for (key, _), p in zip(chosen, part, strict=True)}

    if min(sum(t == c for _, t in items) for c in range(3)) < 3:
        return
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert split(items) == split(shuffled)


def test_fingerprint_knows_contents_and_labels_not_paths(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"a": 5, "b": 5})
    two = tmp_path / "two"
    for number in range(5):
        for name in "ab":
            write(two / name / "sub" / f"{9 - number}.bmp", number + (5 if name == "b" else 0))
    first, second = load_dataset(str(one)), load_dataset(str(two), seed=5)
    assert first.fingerprint == second.fingerprint and len(first.fingerprint) == 64
    (two / "b").rename(two / "c")
    assert load_dataset(str(two)).fingerprint != first.fingerprint


# Arrays


def test_idx_folder(tmp_path: Path) -> None:
    for part, count, seed in (("train", 60, 1), ("t10k", 12, 2)):
        images, targets = idx(grey(count, seed)), idx(labels(count))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(targets)
    dataset = load_dataset(str(tmp_path), labels=("x", "y", "z"))
    assert dataset.classes == ("x", "y", "z") and dataset.own_test
    assert len(dataset.indices("test")) == 12 and dataset.name(0) == "train[0]"
    assert dataset.name(int(dataset.indices("test")[3])) == "test[3]"
    assert np.array_equal(dataset.frame(5), grey(60, 1)[5])


def test_one_idx_images_file(tmp_path: Path) -> None:
    (tmp_path / "emnist-images-idx3-ubyte").write_bytes(idx(grey(30)))
    (tmp_path / "emnist-labels-idx1-ubyte").write_bytes(idx(labels(30)))
    dataset = load_dataset(str(tmp_path / "emnist-images-idx3-ubyte"))
    assert dataset.classes == ("0", "1", "2") and len(dataset) == 30


def test_npz_of_each_shape(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    x, y = np.stack([picture(n) for n in range(30)]), labels(30)
    np.savez(path, x=x, y=y[:, None])
    dataset = load_dataset(str(path))
    assert np.array_equal(dataset.frame(4), x[4][:, :, ::-1])
    fingerprint = dataset.fingerprint
    np.savez(path, images=x / np.float32(255), labels=np.eye(3)[y])
    assert load_dataset(str(path)).fingerprint == fingerprint
    np.savez(path, x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    dataset = load_dataset(str(path))
    assert dataset.own_test and len(dataset.indices("test")) == 10
    np.savez(path, x=x, y=np.array(["up dog", "down, dog", "é"])[y])
    assert load_dataset(str(path)).classes == ("down, dog", "up dog", "é")


def test_the_same_pictures_from_files_and_arrays_are_the_same_set(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"0": 5, "1": 5})
    x = np.stack([picture(n)[:, :, ::-1] for n in range(10)])
    np.savez(tmp_path / "a.npz", x=x, y=np.repeat([0, 1], 5))
    from_files, from_array = load_dataset(str(root)), load_dataset(str(tmp_path / "a.npz"))
    assert from_files.fingerprint == from_array.fingerprint
    assert parts_by_content(from_files) == parts_by_content(from_array)


def test_embedded() -> None:
    dataset = load_dataset("embedded:fashion_mnist")
    assert dataset.source == "embedded:fashion_mnist" and dataset.classes[9] == "Ankle boot"
    counts = dataset.counts()
    assert set(counts["test"].values()) == {200} and not dataset.warnings and dataset.own_test
    assert all(counts["train"][c] + counts["val"][c] == 1000 for c in dataset.classes)


def test_the_digits_of_scikit_learn() -> None:
    dataset = load_dataset("sklearn:digits")
    assert dataset.classes == tuple("0123456789") and len(dataset) == 1797
    frame = dataset.frame(0)
    assert frame.shape == (28, 28) and frame.dtype == np.uint8
    assert not frame[:4].any() and not frame[:, -4:].any() and frame[4:24, 4:24].any()
    brightest = max(int(dataset.frame(i).max()) for i in range(100))
    assert brightest == 255, "the 17 levels reach over all of 0 to 255"
    assert all(count > 0 for count in dataset.counts()["test"].values())
    assert "allowed: digits" in problem(lambda: load_dataset("sklearn:iris"))


def test_keras_offline_says_what_to_place_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline() -> None:
        raise Exception("URL fetch failure on https://host/mnist.npz: None -- no such host")

    keras = types.ModuleType("tf_keras")
    keras.datasets = types.SimpleNamespace(mnist=types.SimpleNamespace(load_data=offline))
    monkeypatch.setitem(sys.modules, "tf_keras", keras)
    text = problem(lambda: load_dataset("keras:mnist"))
    assert "mnist.npz" in text and ".keras/datasets" in text and "embedded:fashion_mnist" in text
    data = (grey(60, 1), labels(60)), (grey(12, 2), labels(12))
    keras.datasets.mnist.load_data = lambda: data
    assert load_dataset("keras:mnist").own_test
    assert "allowed: mnist" in problem(lambda: load_dataset("keras:imagenet"))


@pytest.mark.parametrize(
    "source, module", [("keras:mnist", "tf_keras"), ("tfds:mnist", "tensorflow_datasets")]
)
def test_a_missing_extra_is_named(
    source: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cnnedge\[train\]'"):
        load_dataset(source)


def test_tfds_of_mixed_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, **_: object) -> tuple[object, object]:
        items = [(picture(n, 10 + n % 2), n % 2) for n in range(20)]
        feature = types.SimpleNamespace(names=["cat", "dog"])
        return {"train": items}, types.SimpleNamespace(features={"label": feature})

    tfds = types.ModuleType("tensorflow_datasets")
    tfds.load, tfds.as_numpy = load, lambda items: items
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", tfds)
    dataset = load_dataset("tfds:pets", splits=HALF)
    assert dataset.classes == ("cat", "dog") and dataset.frame(1).shape == (11, 16, 3)
    size = InputSize(height=8, width=8)
    assert Pixels(dataset, size, Preprocess()).batch([0, 1, 5]).shape == (3, 8, 8, 3)


# CSV


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> str:
    folder(tmp_path / "p", {"a": 6, "b": 6})
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


ROWS = [f'p/{c}/{n}.png,"{c}, the {c}"' for c in "ab" for n in range(6)]


@pytest.mark.parametrize("header", ["", "path,label\n", "Filename, Class \n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv(tmp_path: Path, header: str, encoding: str) -> None:
    dataset = load_dataset(table(tmp_path, header + "\n".join(ROWS), encoding))
    assert dataset.classes == ("a, the a", "b, the b") and len(dataset) == 12


def test_csv_with_parts_and_columns_in_another_order(tmp_path: Path) -> None:
    rows = [f"{c},{'test' if n < 2 else 'train'},p/{c}/{n}.png,me" for c in "ab" for n in range(6)]
    dataset = load_dataset(table(tmp_path, "label,split,path,by\n" + "\n".join(rows)))
    assert dataset.own_test and dataset.counts()["test"] == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    "header",
    [
        *("file_name,label", "image_path,class_name", "image_id,category", "filename,class"),
        *("File Name,Labels", "img-path,target", "FILEPATH,Category_Name", "id,tag"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_headers_and_separators_of_other_people(
    tmp_path: Path, header: str, separator: str
) -> None:
    lines = [header, *(f"p/{c}/{n}.png,{c}" for c in "ab" for n in range(6))]
    text = "\n".join(lines).replace(",", separator)
    dataset = load_dataset(table(tmp_path, text))
    assert (dataset.classes, len(dataset)) == (("a", "b"), 12)
    assert not [w for w in dataset.warnings if "taken for" in w]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_without_a_header_by_any_separator(tmp_path: Path, separator: str) -> None:
    lines = [f"p/{c}/{n}.png{separator}{c}, or not" for c in "ab" for n in range(6)]
    if separator == ",":
        lines = [line.replace(", or not", "") for line in lines]
    assert len(load_dataset(table(tmp_path, "\r\n".join(lines)))) == 12


def test_csv_as_excel_and_windows_write_it(tmp_path: Path) -> None:
    lines = [f"p\\{c}\\{n}.png;{c}" for c in "ab" for n in range(6)]
    dataset = load_dataset(table(tmp_path, "sep=;\r\npath;label\r\n" + "\r\n".join(lines)))
    assert dataset.classes == ("a", "b") and len(dataset) == 12
    text = problem(lambda: load_dataset(table(tmp_path, "path,label\nC:\\p\\a\\1.png,a\n")))
    assert "labels.csv:2: C:\\p\\a\\1.png is a path of a Windows computer" in text


def test_csv_of_ids_without_a_suffix(tmp_path: Path) -> None:
    lines = ["image_id,label", *(f"p/{c}/{n},{c}" for c in "ab" for n in range(6))]
    assert len(load_dataset(table(tmp_path, "\n".join(lines)))) == 12


def test_csv_one_unknown_column_is_taken_and_said(tmp_path: Path) -> None:
    lines = ["image_id,breed", *(f"p/{c}/{n}.png,{c}" for c in "ab" for n in range(6))]
    dataset = load_dataset(table(tmp_path, "\n".join(lines)))
    assert dataset.classes == ("a", "b")
    assert "the column 'breed' is taken for the label" in dataset.warnings[0]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("image_id,breed,age", "which column is the label? Found 'image_id', 'breed', 'age'"),
        ("where,class,age", "which column is the path?"),
        ("foo,bar,baz", "no header that is understood: 'foo', 'bar', 'baz'"),
    ],
)
def test_csv_a_header_that_is_not_understood_is_named(
    tmp_path: Path, header: str, said: str
) -> None:
    lines = [header, *(f"p/{c}/{n}.png,{c},3" for c in "ab" for n in range(6))]
    text = problem(lambda: load_dataset(table(tmp_path, "\n".join(lines))))
    assert "labels.csv:1: " in text and said in text


def test_csv_with_a_nul_in_a_path(tmp_path: Path) -> None:
    text = problem(lambda: load_dataset(table(tmp_path, "p/a/1.png,a\np/a/\0.png,a\n")))
    assert "labels.csv" in text and "NUL" in text.upper()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Cat", "cat", "dog"), "'Cat' and 'cat'"),
        (("T shirt", "t-shirt", "dog"), "'t-shirt' and 'T shirt'"),
        (("Straße", "STRASSE", "weg"), "'STRASSE' and 'Straße'"),
    ],
)
def test_classes_that_differ_by_case_alone_are_warned_of(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    dataset = load_dataset(str(folder(tmp_path, dict.fromkeys(names, 5))))
    assert len(dataset.classes) == 3
    warned = [w for w in dataset.warnings if "differ by case" in w]
    assert len(warned) == 1
    assert all(repr(name) in warned[0] for name in names[:2]), said


def test_classes_of_numbers_and_signs_are_not_alike(tmp_path: Path) -> None:
    dataset = load_dataset(str(folder(tmp_path, dict.fromkeys(("1", "11", "-", "_"), 5))))
    assert not [w for w in dataset.warnings if "differ by case" in w]


def test_csv_bad_lines_name_file_and_line(tmp_path: Path) -> None:
    for row, said in (
        ("p/a/1.png", "found 1 column"),
        ("p/a/1.png;a", "found 1 column"),
        ("p/a/1.png,", "label is empty"),
        ("p/a/1.png,a,later", "split is 'later'"),
        ("p/a/1.png,a,train,x", "found 4 columns"),
    ):
        text = problem(lambda row=row: load_dataset(table(tmp_path, f"{ROWS[0]}\n{row}\n")))
        assert "labels.csv:2: " in text and said in text
    assert "empty" in problem(lambda: load_dataset(table(tmp_path, "\n\n")))
    assert "no rows" in problem(lambda: load_dataset(table(tmp_path, "path,label\n")))
    assert "UTF-8" in problem(lambda: load_dataset(table(tmp_path, "é,é", "latin-1")))
    text = problem(lambda: load_dataset(table(tmp_path, "\n".join([*ROWS, "gone.png,b"]))))
    assert "gone.png: there is no such file" in text


# Bad inputs: each one clear message


def make_text_folder(root: Path) -> None:
    for number in range(5):
        (root / "a").mkdir(exist_ok=True)
        (root / "a" / f"{number}.txt").write_text("x")


def make_empty_class(root: Path) -> None:
    folder(root, {"a": 4, "b": 4})
    (root / "c").mkdir()
    (root / "c" / "x.md").write_text("x")


def make_test_with_a_new_class(root: Path) -> None:
    folder(root / "train", {"a": 4, "b": 4})
    folder(root / "test", {"a": 4, "z": 4}, start=100)


def make_flat_test(root: Path) -> None:
    folder(root / "train", {"a": 4, "b": 4})
    folder(root, {"test": 3}, start=100)


def make_contradiction(root: Path) -> None:
    folder(root, {"a": 4, "b": 4})
    folder(root, {"c": 4})


BAD_FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda root: None, "no pictures found in"),
    "texts": (make_text_folder, "found 5 .txt files; expected one folder per class"),
    "no class folders": (
        lambda root: [write(root / f"{n}.png", n) for n in range(3)],
        "no pictures found in",
    ),
    "one class": (lambda root: folder(root, {"a": 9}), "found 1 class ('a')"),
    "one picture each": (
        lambda root: folder(root, {"a": 1, "b": 1}),
        "class 'a' has 1 picture, class 'b' has 1 picture; at least 3 different ones are needed: "
        "one each for train, val and test",
    ),
    "one small class": (
        lambda root: folder(root, {"a": 9, "b": 2}),
        "class 'b' has 2 pictures; at least 3",
    ),
    "empty class": (make_empty_class, "the class folder 'c' holds no pictures; found 1 .md file"),
    "one level too high": (
        lambda root: folder(root / "inner", {"a": 4, "b": 4}),
        "if those are the classes, give",
    ),
    "test without train": (
        lambda root: folder(root / "test", {"a": 4, "b": 4}),
        "no 'train' folder",
    ),
    "a class that is only judged": (make_test_with_a_new_class, "class 'z' has 0 pictures"),
    "test without labels": (make_flat_test, "found no class folders in it"),
    "all labels contradict": (make_contradiction, "carried different labels"),
    "a name on two lines": (lambda root: folder(root, {"a\nb": 4, "c": 4}), "on one line"),
}


@pytest.mark.parametrize("kind", list(BAD_FOLDERS))
def test_bad_folders(kind: str, tmp_path: Path) -> None:
    build, said = BAD_FOLDERS[kind]
    build(tmp_path)
    text = problem(lambda: load_dataset(str(tmp_path)))
    assert said in text and str(tmp_path) in text


def test_two_pictures_will_do_without_val(tmp_path: Path) -> None:
    splits = Splits(train=0.8, val=0.0, test=0.2)
    dataset = load_dataset(str(folder(tmp_path, {"a": 2, "b": 2})), splits=splits)
    assert dataset.counts()["test"] == {"a": 1, "b": 1}
    text = problem(lambda: load_dataset(str(folder(tmp_path, {"c": 1}, start=50)), splits=splits))
    assert "class 'c' has 1 picture; at least 2" in text and "train and test" in text


def test_nothing_readable_at_all(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"text")
    text = problem(lambda: load_dataset(str(tmp_path), max_unreadable=1.0))
    assert "2 of 2 pictures could not be read" in text


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    root = str(folder(tmp_path, {"a": 4, "b": 4}))
    assert load_dataset(root, labels=("b", "a")).classes == ("b", "a")
    assert load_dataset(root, labels=("a", "c")).classes == ("a", "b")
    assert "data.labels holds 2 names" in problem(
        lambda: load_dataset("embedded:fashion_mnist", labels=("a", "b"))
    )


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("x.zip", b"PK", "unpack it"),
        ("x.png", b"\x89PNG", "this is one picture"),
        ("x.parquet", b"x", "found a '.parquet' file"),
        ("x.npz", b"not a zip", "not an NPZ archive"),
        ("x.npz", b"", "not an NPZ archive"),
        ("train-images-idx3-ubyte", b"", "not an IDX file"),
        ("train-images-idx3-ubyte", idx(grey(9))[:-5], "cut off"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(grey(9)))[:-20], "gzip file is cut off"),
    ],
)
def test_bad_files(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels(9)))
    text = problem(lambda: load_dataset(str(tmp_path / name)))
    assert said in text and name in text


@pytest.mark.parametrize("source", ["", "/no/such/folder", "keras-mnist", "huggingface:x", "a\0b"])
def test_unknown_sources_list_what_is_allowed(source: str) -> None:
    text = problem(lambda: load_dataset(source))
    assert "embedded:fashion_mnist" in text and "one folder per class" in text


BAD_ARRAYS: dict[str, tuple[dict[str, object], str]] = {
    "channels first": ({"x": np.zeros((9, 3, 8, 8), np.uint8), "y": labels(9)}, "channels last"),
    "normalised": ({"x": grey(9) / 128.0 - 1, "y": labels(9)}, "without mean and scale"),
    "too few labels": ({"x": grey(9), "y": labels(8)}, "9 pictures, but labels"),
    "negative": ({"x": grey(9), "y": labels(9).astype(int) - 1}, "whole numbers from 0"),
    "gaps": ({"x": grey(9), "y": labels(9) * 2}, "class '1' has 0 pictures"),
    "other names": ({"data": grey(9)}, "found the arrays data; expected x_train"),
    "labels missing": ({"x_train": grey(9)}, "expected x_train and y_train"),
    "no pictures": ({"x": np.zeros((0, 8, 8), np.uint8), "y": labels(0)}, "found shape (0, 8, 8)"),
    "objects": ({"x": np.array([None, {}]), "y": labels(2)}, "without Python objects"),
    "shapes differ": (
        {"x_train": grey(9), "y_train": labels(9), "x_test": grey(9)[:, 1:], "y_test": labels(9)},
        "different shapes",
    ),
}


@pytest.mark.parametrize("kind", list(BAD_ARRAYS))
def test_bad_arrays(kind: str, tmp_path: Path) -> None:
    arrays, said = BAD_ARRAYS[kind]
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    text = problem(lambda: load_dataset(str(path)))
    assert said in text and str(path) in text


# Calibration and pixels


def test_calibration_is_from_train_stratified_and_stable(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 60, "b": 20, "c": 20})
    dataset = load_dataset(str(root), splits=HALF)
    chosen = calibration_indices(dataset, 12, seed=1)
    assert chosen.dtype == np.int64 and len(set(chosen.tolist())) == 12
    assert set(chosen.tolist()) <= set(dataset.indices("train").tolist())
    assert np.bincount(dataset.targets[chosen]).tolist() == [4, 4, 4]
    before = {dataset.identities[i] for i in chosen}
    for number in range(60):
        (root / "a" / f"{number}.png").rename(root / "a" / f"n{59 - number}.png")
    again = load_dataset(str(root), splits=HALF)
    assert {again.identities[i] for i in calibration_indices(again, 12, seed=1)} == before
    everything = calibration_indices(dataset, 10**6, seed=1)
    assert sorted(everything.tolist()) == dataset.indices("train").tolist()
    assert len(calibration_indices(dataset, 0, seed=1)) == 0


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "center_crop"])
def test_cached_and_streamed_pixels_are_prepare(tmp_path: Path, resize: str) -> None:
    dataset = load_dataset(str(folder(tmp_path, {"a": 20, "b": 20})))
    size, rule = InputSize(height=9, width=7), Preprocess(resize=resize)  # type: ignore[arg-type]
    cached, streamed = Pixels(dataset, size, rule), Pixels(dataset, size, rule, cache_bytes=0)
    order = np.random.default_rng(1).permutation(40)
    order = np.concatenate([order, order[:5]])
    expected = np.stack([prepare(dataset.frame(i), size, rule) for i in order])
    for pixels in (cached, cached, streamed):
        batch = pixels.batch(order)
        assert batch.dtype == np.uint8 and np.array_equal(batch, expected)
    batch = cached.batch([3])
    batch[:] = 0
    assert np.array_equal(cached.one(3), prepare(dataset.frame(3), size, rule))
    assert cached.batch([]).shape == (0, 9, 7, 3)
    with pytest.raises(IndexError):
        cached.batch([40])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("side", [8, 5])
def test_array_pixels_are_prepare(tmp_path: Path, channels: int, colour: bool, side: int) -> None:
    x = np.stack([picture(n, 8, 8) for n in range(30)]) if colour else grey(30)
    np.savez(tmp_path / "a.npz", x=np.concatenate([x, x[:1]]), y=[*labels(30), 0])
    dataset = load_dataset(str(tmp_path / "a.npz"))
    size = InputSize(height=side, width=side, channels=channels)
    pixels = Pixels(dataset, size, Preprocess())
    order = np.arange(len(dataset))[::-1]
    expected = np.stack([prepare(dataset.frame(i), size, Preprocess()) for i in order])
    assert np.array_equal(pixels.batch(order), expected)
    assert np.array_equal(pixels.one(2), expected[::-1][2])
    assert pixels.batch([]).shape == (0, side, side, channels)


def test_a_picture_that_goes_bad_after_the_scan_is_named(tmp_path: Path) -> None:
    dataset = load_dataset(str(folder(tmp_path, {"a": 4, "b": 4})))
    Path(dataset.name(2)).unlink()
    pixels = Pixels(dataset, InputSize(height=8, width=8), Preprocess())
    assert dataset.name(2) in problem(lambda: pixels.batch(np.arange(8)))
