"""The standard error stream is there again, whatever was captured at the same time."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cnnedge
from cnnedge.files import write_text
from cnnedge.native_stderr import captured


def test_captures_on_several_threads_keep_their_texts_apart(capfd: pytest.CaptureFixture) -> None:
    together = threading.Barrier(4)

    def one(number: int) -> str:
        together.wait()
        with captured() as native:
            for _ in range(50):
                os.write(2, f"{number};".encode())
        return native.text

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(one, range(4)))
    assert texts == [f"{number};" * 50 for number in range(4)]
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_models_loaded_on_several_threads_leave_stderr_as_it_was(
    plain_models: dict[str, Path], capfd: pytest.CaptureFixture
) -> None:
    before = os.fstat(2)
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(cnnedge.load, [plain_models["int8"]] * 12))
    assert len(models) == 12
    after = os.fstat(2)
    assert (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)
    print("said", file=sys.stderr)
    assert "said" in capfd.readouterr().err


def test_a_capture_within_a_capture_and_one_that_fails(capfd: pytest.CaptureFixture) -> None:
    with captured() as outer:
        os.write(2, b"a")
        with pytest.raises(ValueError), captured() as inner:
            os.write(2, b"b")
            raise ValueError
        os.write(2, b"c")
    assert (outer.text, inner.text) == ("ac", "b")
    os.write(2, b"d")
    assert capfd.readouterr().err == "d"


def test_files_have_the_modes_that_the_umask_leaves_them(tmp_path: Path) -> None:
    for mask in (0o022, 0o077, 0o002):
        before = os.umask(mask)
        try:
            write_text(tmp_path / f"{mask}.txt", "")
        finally:
            os.umask(before)
        assert (tmp_path / f"{mask}.txt").stat().st_mode & 0o777 == 0o666 & ~mask


def test_writing_never_changes_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the process's, and another thread may be making a private file just then."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask was changed"))
    write_text(tmp_path / "a.txt", "a")
