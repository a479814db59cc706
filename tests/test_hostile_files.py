"""Files, folders and sources of strangers are refused in one line, or read as they are, in time."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzz import pictures

from cnnedge import given_files, numpy_files
from cnnedge.bundle import read_model
from cnnedge.bundle.labels import read_labels
from cnnedge.camera import open_source
from cnnedge.camera.stills import natural
from cnnedge.cli.run.source import placed
from cnnedge.data import load_dataset
from cnnedge.device_scoring import predictions
from cnnedge.display import open_sink
from cnnedge.errors import CnnedgeError, DataError, DeviceError, one_line
from cnnedge.pictures import below, is_picture, matching, read_picture
from support.hostile import LABELS, PICTURES, X, Y, idx, in_time, load, refusal, zipped
from support.pictures import shape_folder


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    with in_time(60):
        yield


GOOD = idx(PICTURES)
ROWS = "".join(f"{c}/{n}.png,{c}\n" for c in "ab" for n in range(4))


def idx_folder(folder: Path, images: bytes, labels: bytes = idx(LABELS)) -> Path:
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    return folder


# Folders with what is no file


def odd_folder(folder: Path) -> list[str]:
    """Things that are no pictures, in a folder; returns their names."""
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.jpg")
    here = os.getcwd()
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.png")
    os.chdir(here)
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "self.png").symlink_to("self.png")
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    (folder / "up").symlink_to("..")
    (folder / "in").mkdir()
    (folder / "in" / "here").symlink_to(".")
    (folder / "in" / "above").symlink_to(folder)
    return [
        *("pipe", "pipe.jpg", "socket.png", "zero.png", "gone.png", "self.png", "one", "two", "up"),
        *("in/here", "in/above"),
    ]


def test_a_data_folder_of_pipes_devices_and_circles(tmp_path: Path) -> None:
    root = shape_folder(tmp_path / "set", per_class=4, labels=("a", "b"))
    odd = odd_folder(root / "a")
    dataset = load_dataset(str(root), splits=None, max_unreadable=0)
    assert len(dataset) == 8 and dataset.classes == ("a", "b")
    reasons = {os.path.relpath(s.path, root / "a"): s.reason for s in dataset.skipped}
    assert sorted(reasons) == sorted(odd)
    assert reasons["pipe.jpg"] == "is a pipe" and reasons["socket.png"] == "is a socket"
    assert reasons["zero.png"] == "is a device"
    assert "broken link" in reasons["self.png"] and "leads back to a parent folder" in reasons["up"]
    (warning,) = [w for w in dataset.warnings if w.startswith("skipped")]
    assert "5 links" not in warning and "2 pipes" in warning and "1 socket" in warning


def test_a_class_folder_that_is_a_circle(tmp_path: Path) -> None:
    root = shape_folder(tmp_path / "set", per_class=4, labels=("a", "b"))
    (root / "c").symlink_to(root)
    (root / "d").symlink_to(tmp_path)
    (root / "e").symlink_to("e")
    os.mkfifo(root / "train")
    dataset = load_dataset(str(root), splits=None)
    assert dataset.classes == ("a", "b") and len(dataset) == 8
    assert {Path(s.path).name for s in dataset.skipped} == {"c", "d", "e", "train"}


def test_a_source_folder_of_pipes_devices_and_circles(tmp_path: Path) -> None:
    root = shape_folder(tmp_path / "set", per_class=2, labels=("a",)) / "a"
    odd = odd_folder(root)
    for text in (root, root / "*", root / "**", root / "**" / "*.*"):
        source = open_source(str(text))
        assert len(list(source)) == 2
        said = "\n".join(source.skipped)
        assert "pipe.jpg is a pipe" in said and "zero.png is a device" in said
    source = open_source(str(root))
    assert "others like these were also skipped (1)" in source.skipped[-1]
    assert len(source.skipped) == len(odd)


def test_links_without_end(tmp_path: Path) -> None:
    """Each folder leads to the next by ten links: 10**8 ways, and nine folders."""
    for level in range(9):
        (tmp_path / f"f{level}").mkdir()
        (tmp_path / f"f{level}" / "x.png").write_bytes(b"")
    for level in range(8):
        for n in range(10):
            (tmp_path / f"f{level}" / f"to{n}").symlink_to(tmp_path / f"f{level + 1}")
    assert len(below(tmp_path / "f0").files) == 9
    assert len(matching(str(tmp_path / "f0" / "**" / "*.png"))) == 9
    (tmp_path / "f8" / "back").symlink_to(tmp_path / "f0")
    found = below(tmp_path / "f0")
    assert len(found.files) == 9 and len(found.passed) == 8 * 9 + 1


@contextmanager
def deep(folder: Path, name: str, levels: int) -> Iterator[None]:
    """Folders within folders; made by steps, for a path has an end."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(levels):
            os.mkdir(name)
            os.chdir(name)
        Path("x.png").write_bytes(b"")
        os.chdir(here)
        yield
    finally:
        os.chdir(here)
        # Python's own way down ends where its recursion does.
        subprocess.run(["rm", "-rf", str(folder / name)], check=True)


def test_1500_nested_folders(tmp_path: Path) -> None:
    root = shape_folder(tmp_path / "set", per_class=4, labels=("a", "b"))
    with deep(root / "a", "d", 1500):
        dataset = load_dataset(str(root), splits=None, max_unreadable=0.5)
        assert len(dataset) == 8
        assert [s.reason.split(":")[0] for s in dataset.skipped] == [
            "the file is empty (0 bytes); replace or remove it"
        ]
    with deep(root / "a", "d" * 40, 120):
        dataset = load_dataset(str(root), splits=None)
        assert len(dataset) == 8
        assert any("cannot be listed: File name too long" in s.reason for s in dataset.skipped)
        source = open_source(str(root / "a"))
        assert len(list(source)) == 4 and "File name too long" in source.skipped[0]
        assert len(list(open_source(str(root / "a" / "**")))) == 4


def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = shape_folder(tmp_path / "set", per_class=4, labels=("a", "b"))
    closed = root / "a" / "closed"
    closed.mkdir()
    listed = os.scandir

    def scandir(path: object) -> object:
        if os.fspath(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(closed))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    dataset = load_dataset(str(root), splits=None)
    assert [s.reason for s in dataset.skipped] == [
        "is a folder that cannot be listed: Permission denied"
    ]
    source = open_source(str(root / "a"))
    assert len(list(source)) == 4 and source.skipped[0].endswith("Permission denied")
    closed = root / "a"
    assert "cannot be listed" in refusal(lambda: load_dataset(str(root), splits=None), DataError)
    assert "permission denied" in refusal(lambda: open_source(str(root / "a")))


def test_names_of_any_bytes(tmp_path: Path) -> None:
    root = shape_folder(tmp_path / "set", per_class=4, labels=("a", "b"))
    picture = (root / "a" / "000.png").read_bytes()
    names = [b"\xff\xfe.png", b"a\nb.png", b"\x1b[31m.png", b"x" * 251 + b".png", "²".encode()]
    for number, name in enumerate(names):
        # Bytes behind a PNG's end are no part of it; another text makes another content of none.
        (root / "a" / os.fsdecode(name)).write_bytes(
            (root / "b" / f"00{number % 4}.png").read_bytes()
        )
        (root / "a" / os.fsdecode(b"no" + name[:200] + b".txt")).write_bytes(b"")
    (root / "a" / "1²3").write_bytes(picture)
    dataset = load_dataset(str(root), max_unreadable=1.0, splits=None)
    assert len(dataset.skipped) == 5 and len(dataset.fingerprint) == 64
    assert all(os.fsencode(s.path) for s in dataset.skipped)
    source = open_source(str(root / "a"))
    frames = [frame.name for frame in source]
    assert {os.fsencode(Path(f).name) for f in frames} > set(names)
    assert len(list(open_source(str(root / "a" / "*.png")))) == 8
    assert all(one_line(name).isprintable() for name in frames)
    for name in names[:3]:
        assert len(list(open_source(str(root / "a" / os.fsdecode(name))))) == 1
    assert natural("1²3") < natural("2²")


def test_a_data_set_below_a_name_of_bytes(tmp_path: Path) -> None:
    # OpenCV itself dies of such a name.
    root = shape_folder(tmp_path / "made", per_class=5, labels=("a", "b")).rename(
        tmp_path / os.fsdecode(b"\xff")
    )
    plain = shape_folder(tmp_path / "plain", per_class=5, labels=("a", "b"))
    found, same = load_dataset(str(root)), load_dataset(str(plain))
    assert found.fingerprint == same.fingerprint and (found.split == same.split).all()
    assert os.fsencode(found.name(0)).startswith(os.fsencode(root))
    (root / os.fsdecode(b"\xfe")).mkdir()
    (root / os.fsdecode(b"\xfe") / "x.png").write_bytes((root / "a" / "000.png").read_bytes())
    assert "not valid Unicode" in refusal(lambda: load_dataset(str(root)), DataError)
    for name, content in (
        ("set.npz", zipped([("x.npy", X), ("y.npy", Y)])),
        ("table.csv", ROWS.replace("/", "/00").encode()),
    ):
        assert load(root / name, content).source.endswith(name)


# One thing where a file is wanted


def special(folder: Path, kind: str) -> Path:
    path = folder / "thing"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(folder)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("thing")
        os.chdir(here)
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("suffix", ["", ".npz", ".csv", ".png", ".tflite", ".mp4", ".txt"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_a_pipe_in_place_of_a_file_is_refused(kind: str, suffix: str, tmp_path: Path) -> None:
    path = special(tmp_path, kind).rename(tmp_path / f"thing{suffix}")
    said = f"this is a {kind}, not a file"
    assert said in refusal(lambda: load_dataset(str(path)), DataError)
    assert said in refusal(lambda: read_model(path))
    assert said in refusal(lambda: read_labels(path))
    assert said in refusal(lambda: read_picture(path))
    line = refusal(lambda: open_source(str(path)))
    assert (said in line) if kind != "device" else ("is not a camera" in line)
    with pytest.raises(OSError, match=said):
        numpy_files.read_arrays(path)
    like = predictions.Predictions(
        raw=np.zeros((1, 2)), decoded=np.zeros(1, np.uint64), prepared=np.zeros(1, np.uint64)
    )
    assert said in refusal(lambda: predictions.read(path, like=like, name="pi"), DeviceError)
    assert suffix == ".png" or not is_picture(path)


def test_pipes_as_idx_files(tmp_path: Path) -> None:
    for missing in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        folder = idx_folder(tmp_path / missing, GOOD)
        (folder / missing).unlink()
        os.mkfifo(folder / missing)
        line = refusal(lambda folder=folder: load(folder), DataError)
        assert missing in line and "this is a pipe, not a file" in line


def test_paths_that_are_none(tmp_path: Path) -> None:
    for text in ("a\0b", "x" * 300, "x/" * 1200 + "x" * 300, "~nobody_of_this_name/x", "\ud800"):
        refusal(lambda text=text: load_dataset(text), DataError)
        refusal(lambda text=text: open_source(text))
        refusal(lambda text=text: read_picture(text))
        refusal(lambda text=text: read_labels(text))
    assert "ame too long" in refusal(lambda: open_source("9" * 2000))
    with pytest.raises(OSError, match="cannot be a path"):
        given_files.read("a\0b", at_most=1)


def test_a_file_is_read_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 1000)
    assert given_files.read(path, at_most=1000) == b"x" * 1000
    with pytest.raises(OSError, match="the limit is 999 bytes"):
        given_files.read(path, at_most=999)
    # Of what the system makes up no size is known before.
    assert b"Name:" in given_files.read("/proc/self/status", at_most=10**6)
    with pytest.raises(OSError, match="the limit is 10 bytes"):
        given_files.read("/proc/self/status", at_most=10)


def test_a_picture_without_end(tmp_path: Path) -> None:
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(2**40)
    assert "too large" in refusal(lambda: read_picture(tmp_path / "x.png"), DataError)


def test_a_video_whose_name_is_no_text(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (64, 48))
    for _ in range(5):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    path = film.rename(tmp_path / os.fsdecode(b"\xff.mp4"))
    with in_time(20):
        source = open_source(str(path))
        names = [frame.name for frame in source]
    assert names == [f"{path}#{n}" for n in range(5)] and source.skipped == []
    assert "plain text" in refusal(lambda: written(tmp_path / os.fsdecode(b"\xfe.mp4"), path))
    for address in ("http://\udcff/", "rtsp://\udcff", "gst:\udcff"):
        assert "an address must be text" in refusal(lambda address=address: open_source(address))


def written(target: Path, source: Path) -> None:
    with open_sink(str(target), open_source(str(source))) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8), "x")


def test_pictures_are_saved_under_names_that_fit(tmp_path: Path) -> None:
    film = open_source(str(shape_folder(tmp_path / "set", per_class=2, labels=("a",))))
    with open_sink(str(tmp_path / "out"), film) as sink:
        for name in ("x" * 250 + ".png", "ü" * 120 + ".png", "ü" * 120 + ".jpg", "\udcff.png"):
            sink.write(np.zeros((48, 64, 3), np.uint8), name)
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_what_travels_to_a_device_is_files_alone(tmp_path: Path) -> None:
    class Target:
        name = "told"

        def __init__(self) -> None:
            self.names: list[str] = []

        def push(self, path: Path) -> str:
            import tarfile

            with tarfile.open(path) as tar:
                self.names = tar.getnames()
            return "there"

        def run(self, words: object, seconds: float) -> object:
            return type("Done", (), {"code": 0})

    root = shape_folder(tmp_path / "set", per_class=2, labels=("a",)) / "a"
    odd_folder(root)
    with deep(root / "in", "d" * 40, 120):
        for text in (root, root / "**"):
            target = Target()
            placed(target, str(text), "/tmp/there")  # type: ignore[arg-type]
            assert len([n for n in target.names if n.endswith(("0.png", "1.png"))]) == 2


# Mutants


def test_mutants_of_pictures_are_read_or_refused(tmp_path: Path) -> None:
    files = list(pictures.mutants(1, 150))
    assert files == list(pictures.mutants(1, 150))
    read = 0
    for content in files:
        try:
            pixels = read_picture(content)
        except DataError as error:
            assert one_line(str(error)) == str(error)
        else:
            read += 1
            assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
        (tmp_path / "thing").write_bytes(content)
        try:
            source = open_source(str(tmp_path / "thing"))
            for _, frame in zip(range(3), source, strict=False):
                assert frame.pixels.ndim == 3
            source.close()
        except CnnedgeError as error:
            assert "\n" not in str(error)
    assert 20 < read < 150
