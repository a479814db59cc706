"""The Python examples of the documentation, run as they stand there."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnnedge.benchmark import PROTOCOLS
from support.command import once
from support.pictures import SHAPES, shape_picture

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/python.md")


@pytest.fixture
def place(int8_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "quick", once())
    export = tmp_path / "runs" / "pets" / "export"
    cats = tmp_path / "pictures" / "cat"
    for folder in (export, cats):
        folder.mkdir(parents=True)
    shutil.copy(int8_model, export)
    shutil.copy(int8_model, tmp_path / "model.tflite")
    for number in range(1, 5):
        cv2.imwrite(str(cats / f"{number}.jpg"), shape_picture(SHAPES[number % 3], number, 64))
    shutil.copy(cats / "1.jpg", tmp_path / "picture.jpg")
    writer = cv2.VideoWriter("clip.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
    writer.release()
    return tmp_path


def examples(page: str) -> list[tuple[int, str]]:
    """(line, code) of each block of Python."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start(1)), found[1])
        for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(place: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = examples(page)
    assert found
    names: dict[str, object] = {"__name__": "example"}
    for line, code in found:
        # Blank lines before it: an error names the line of the page.
        exec(compile("\n" * line + code, page, "exec"), names)
    assert capsys.readouterr().out
    assert not [t.name for t in threading.enumerate() if t.name.startswith("cnnedge")]
