"""The album of `cnnedge teach`: names become folders, or are refused; pictures come whole."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnnedge.data import load_dataset
from cnnedge.errors import CnnedgeError
from cnnedge.web.album import MOST_IN_A_BURST, Album
from cnnedge.web.lessons import in_words
from cnnedge.web.thumbnails import SIDE, Thumbnails

BURST = "m3abcdefgh"
EVIL = "<img src=x onerror=alert(1)>"


def jpeg(seed: int, height: int = 90, width: int = 120) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def names(album: Album) -> list[str]:
    return [each.name for each in album.classes()]


def refused(does: object, *arguments: object) -> str:
    with pytest.raises(CnnedgeError) as caught:
        does(*arguments)  # type: ignore[operator]
    return str(caught.value)


def test_classes_are_made_renamed_and_deleted(tmp_path: Path) -> None:
    album = Album(tmp_path / "new" / "pets")
    given = (" cat ", "two\n words", EVIL.replace("/", ""))
    assert [album.make(name) for name in given] == ["cat", "two words", EVIL]
    assert names(album) == [EVIL, "cat", "two words"]
    album.add("cat", BURST, 0, jpeg(1))
    assert album.rename("cat", "Cat") == "Cat" and album.rename("Cat", "été") == "été"
    assert names(album) == [EVIL, "two words", "été"]
    assert album.classes()[2].pictures == (f"burst-{BURST}-0000.jpg",)
    album.remove("été")
    assert names(album) == [EVIL, "two words"]
    kept = list((tmp_path / "new/pets/.deleted").rglob("*.jpg"))
    assert len(kept) == 1 and kept[0].read_bytes() == jpeg(1)


@pytest.mark.parametrize(
    "name",
    [
        *("", "   ", ".", "..", "../..", "../../etc", "a/b", "a\\b", "/etc", "C:x", ".hidden"),
        *("a\0b", "a\x1b[31m", "x" * 61, "漢" * 61, "end.", "\ud800", "a|b", "q?"),
        *("..%2f..", "%2e%2e/", "....//", "..;/", "~/../.."),
    ],
)
def test_names_that_lead_elsewhere_are_refused_or_stay_here(name: str, tmp_path: Path) -> None:
    root = tmp_path / "deep" / "album"
    album = Album(root)
    album.make("cat")
    album.add("cat", BURST, 0, jpeg(1))
    before = sorted(p for p in tmp_path.rglob("*") if root not in (p, *p.parents))
    try:
        album.make(name)
    except CnnedgeError as error:
        assert "cannot be called" in str(error)
    for does in (
        lambda: album.rename("cat", name),
        lambda: album.rename(name, "dog"),
        lambda: album.remove_pictures(name, [name]),
        lambda: album.remove_pictures("cat", [name, f"../cat/{name}"]),
        lambda: album.add(name, BURST, 1, jpeg(2)),
        lambda: album.add("cat", name, 1, jpeg(2)),
        lambda: album.remove(name),
    ):
        with contextlib.suppress(CnnedgeError):
            does()
    with pytest.raises(FileNotFoundError):
        album.picture("cat", name or "..")
    assert before == sorted(p for p in tmp_path.rglob("*") if root not in (p, *p.parents))
    assert len(list(root.rglob(f"burst-{BURST}-0000.jpg"))) == 1


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    album = Album(tmp_path)
    album.make("cat")
    album.make("dog")
    assert "already" in refused(album.make, "Cat")
    assert "already" in refused(album.rename, "dog", "CAT")
    assert "no class" in refused(album.rename, "cow", "horse")
    (tmp_path / ".teach").mkdir()
    assert names(album) == ["cat", "dog"]


def test_pictures_come_whole_or_not_at_all(tmp_path: Path) -> None:
    album = Album(tmp_path)
    album.make("cat")
    assert album.add("cat", BURST, 7, jpeg(1)) == f"burst-{BURST}-0007.jpg"
    path = tmp_path / "cat" / f"burst-{BURST}-0007.jpg"
    # Sent again because the answer got lost.
    album.add("cat", BURST, 7, jpeg(2))
    assert path.read_bytes() == jpeg(1)
    whole = jpeg(3, 400, 500)
    for bad in (b"", b"GIF89a", whole[: len(whole) // 2], b"\xff\xd8\xff" + b"x" * 100):
        assert refused(album.add, "cat", BURST, 8, bad)
    assert "no class" in refused(album.add, "dog", BURST, 8, whole)
    for burst, number in (("short", 1), ("UPPERCASE1", 1), (BURST, MOST_IN_A_BURST), (BURST, -1)):
        assert "burst" in refused(album.add, "cat", burst, number, whole)
    assert [p.name for p in (tmp_path / "cat").iterdir()] == [path.name]


def test_an_album_is_what_training_reads(tmp_path: Path) -> None:
    album = Album(tmp_path)
    for place, name in enumerate(("cat", "dog")):
        album.make(name)
        for b in range(3):
            for i in range(4):
                burst = f"burst{name}{b}00"
                album.add(name, burst, i, jpeg(100 * place + 10 * b + i))
    assert [each.bursts for each in album.classes()] == [3, 3]
    album.remove_pictures("cat", ["burst-burstcat000-0000.jpg", "nothing.jpg"])
    (tmp_path / ".teach").mkdir()
    (tmp_path / ".teach" / "int8.tflite").write_bytes(b"x")
    dataset = load_dataset(str(tmp_path))
    assert dataset.classes == ("cat", "dog") and len(dataset) == 23 and not dataset.skipped
    assert dataset.ties is not None and dataset.ties.by_burst == 23


def test_folders_of_another_layout_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    assert "one folder per class" in refused(Album, tmp_path)
    (tmp_path / "file").write_text("x")
    assert refused(Album, tmp_path / "file")


def test_thumbnails_are_small_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(1, 900, 1600))
    thumbnails = Thumbnails()
    small = thumbnails.of(path)
    pixels = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (108, SIDE, 3) and thumbnails.of(path) is small
    path.write_bytes(jpeg(2, 900, 1601))
    assert thumbnails.of(path) != small


def test_what_came_of_it_is_one_line() -> None:
    measured = {"accuracy": 0.834, "ci95": [0.5, 0.96], "pictures": 60, "bursts": 6, "once": []}
    result = {"classes": ["cat", "dog"], "counts": [30, 31], "measured": measured}
    assert in_words(result) == (
        "trained (cat 30, dog 31); 83 % right on bursts it had not seen "
        "(6 bursts, 95 % interval 50 to 96 %)"
    )
    measured |= {"accuracy": None, "ci95": None, "once": ["cat"]}
    assert "nothing can be measured yet: one burst of cat" in in_words(result)
    assert "%" not in in_words(result)
