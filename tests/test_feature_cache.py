"""Feature rows on disk: whole or not there, whoever writes beside, whatever damages them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cnnedge.errors import CnnedgeError
from cnnedge.files import cache_root
from cnnedge.training.feature_cache import FeatureTable, row_keys

HASHES = np.random.default_rng(0).integers(0, 256, (6, 32)).astype(np.uint8)
KEYS = row_keys(HASHES, 0)
ROWS = np.arange(18, dtype=np.float32).reshape(6, 3)


def opened(folder: Path) -> FeatureTable:
    return FeatureTable(folder, (3,))


def filled(folder: Path) -> FeatureTable:
    """Two parts: rows 0..3, and 4 and 5."""
    table = opened(folder)
    table.add(KEYS[:4], ROWS[:4])
    table.add(KEYS[4:], ROWS[4:])
    return table


def part_of(folder: Path, row: int) -> tuple[Path, Path]:
    """The files that hold a row: keys, rows."""
    for path in folder.glob("*.keys.npy"):
        if KEYS[row].tobytes() in {key.tobytes() for key in np.load(path)}:
            return path, path.with_name(path.name.replace(".keys.npy", ".npy"))
    raise AssertionError(f"no part holds row {row}")


def test_rows_come_back_in_any_order_from_any_part(tmp_path: Path) -> None:
    for table in (filled(tmp_path), opened(tmp_path)):
        order = [5, 0, 3, 4, 0]
        assert (table.rows(KEYS[order]) == ROWS[order]).all()
        assert len(table.missing(KEYS)) == 0
        assert KEYS[2].tobytes() in table


def test_a_view_of_a_picture_is_a_row_of_its_own(tmp_path: Path) -> None:
    table = filled(tmp_path)
    assert table.missing(row_keys(HASHES, 1)).tolist() == list(range(6))
    assert len({row_keys(HASHES[:1], view).tobytes() for view in range(600)}) == 600
    with pytest.raises(KeyError):
        table.rows(row_keys(HASHES[:1], 1))


def test_rows_stay_on_disk_and_what_is_handed_out_may_be_changed(tmp_path: Path) -> None:
    table = filled(tmp_path)
    assert all(isinstance(part, np.memmap) for part in [*table._parts, *opened(tmp_path)._parts])
    taken = table.rows(KEYS)
    taken[:] = -1
    assert (table.rows(KEYS) == ROWS).all()
    assert (opened(tmp_path).rows(KEYS) == ROWS).all()


@pytest.mark.parametrize("which", ["keys", "rows"])
@pytest.mark.parametrize("left", [0, 5, 70, 127, 128, 140, -1])
def test_a_part_cut_short_is_missing_alone_and_can_be_made_again(
    tmp_path: Path, which: str, left: int
) -> None:
    filled(tmp_path)
    damaged = part_of(tmp_path, 0)[which == "rows"]
    damaged.write_bytes(damaged.read_bytes()[:left])
    table = opened(tmp_path)
    assert table.missing(KEYS).tolist() == [0, 1, 2, 3]
    assert (table.rows(KEYS[4:]) == ROWS[4:]).all()
    table.add(KEYS[:4], ROWS[:4])
    assert (opened(tmp_path).rows(KEYS) == ROWS).all()
    assert len(list(tmp_path.iterdir())) == 4, "the damaged files are gone"


@pytest.mark.parametrize(
    "content",
    [b"", b"rubbish" * 50, b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00\x76\x00{'descr': (((("],
)
@pytest.mark.parametrize("which", ["keys", "rows"])
def test_other_content_under_a_parts_name_is_made_again(
    tmp_path: Path, which: str, content: bytes
) -> None:
    filled(tmp_path)
    part_of(tmp_path, 5)[which == "rows"].write_bytes(content)
    assert opened(tmp_path).missing(KEYS).tolist() == [4, 5]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:3],
        ROWS[:4, :2],
        ROWS[:4].astype(np.float64),
        np.float32(1.0),
        np.array([{"an": "object"}] * 4),
    ],
)
def test_rows_that_do_not_fit_their_keys_are_made_again(tmp_path: Path, rows: np.ndarray) -> None:
    filled(tmp_path)
    np.save(part_of(tmp_path, 0)[1], rows, allow_pickle=True)
    assert opened(tmp_path).missing(KEYS).tolist() == [0, 1, 2, 3]


def test_keys_without_rows_and_rows_without_keys_count_as_missing(tmp_path: Path) -> None:
    filled(tmp_path)
    part_of(tmp_path, 0)[1].unlink()
    part_of(tmp_path, 5)[0].unlink()
    table = opened(tmp_path)
    assert len(table.missing(KEYS)) == 6
    table.add(KEYS, ROWS)
    assert (opened(tmp_path).rows(KEYS) == ROWS).all()


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "own.npy").write_bytes(b"mine")
    (tmp_path / "folder.keys.npy").mkdir()
    assert (opened(tmp_path).rows(KEYS) == ROWS).all()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "own.npy").read_bytes() == b"mine"


def test_a_part_that_is_still_being_written_is_left_to_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, seen = os.replace, []

    def watched(source: str | Path, target: str | Path) -> None:
        # Another run opens the folder at the worst moment.
        seen.append(opened(tmp_path).missing(KEYS).tolist())
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    opened(tmp_path).add(KEYS, ROWS)
    assert seen == [list(range(6))] * 2
    assert (opened(tmp_path).rows(KEYS) == ROWS).all()


def test_a_part_that_cannot_be_read_for_now_is_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused)
        assert len(opened(tmp_path).missing(KEYS)) == 6
    assert (opened(tmp_path).rows(KEYS) == ROWS).all()


def test_tables_that_add_the_same_rows_at_once_do_no_harm(tmp_path: Path) -> None:
    def run(_: int) -> np.ndarray:
        table = opened(tmp_path)
        for some in (slice(0, 3), slice(2, 6)):
            table.add(KEYS[some], ROWS[some])
            opened(tmp_path)
        return table.rows(KEYS)

    with ThreadPoolExecutor(8) as pool:
        for rows in pool.map(run, range(24)):
            assert (rows == ROWS).all()
    table = opened(tmp_path)
    assert (table.rows(KEYS) == ROWS).all()
    assert len(list(tmp_path.iterdir())) == 2 * 2 * 24, "no half-written part stays"


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    table = opened(tmp_path / "file" / "rows")
    with pytest.raises(CnnedgeError, match="cannot write") as error:
        table.add(KEYS, ROWS)
    assert str(tmp_path / "file") in str(error.value)
    assert "\n" not in str(error.value)


def test_where_features_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CNNEDGE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "cnnedge"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "cnnedge"
    monkeypatch.setenv("CNNEDGE_CACHE", "~/elsewhere")
    assert cache_root() == Path.home() / "elsewhere"
