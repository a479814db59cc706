"""Files that people name: written whole, through links, into pipes; names of any bytes."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnedge import files
from cnnedge.cli.scratch import own_temporary_folder
from cnnedge.errors import CnnedgeError
from cnnedge.files import as_bytes, json_text, read_json, whole, write_json, write_text
from support.command import assert_one_clear_line, cnnedge


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_stays_a_device() -> None:
    write_text(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(CnnedgeError, match="the disk is full"):
        write_text(Path("/dev/full"), "much")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_text(pipe, "through")
    reader.join(10)
    assert read == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(CnnedgeError, match="this is a folder; name a file"):
        write_text(tmp_path, "text")


@pytest.mark.parametrize("length", [200, 240, 255])
def test_long_names_can_be_written(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("ü" * ((length - 5) // 2) + "_.txt")
    write_text(path, "text")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(CnnedgeError, match="the name is too long"):
        write_text(tmp_path / ("n" * 256), "text")


def test_what_a_killed_writer_left_goes(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from cnnedge.files import whole\n"
        "with whole(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file.txt")], check=False)
    assert len(list(tmp_path.glob(".part-*"))) == 1
    write_text(tmp_path / "other.txt", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["other.txt"]


@pytest.fixture
def found_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Has another process lock the first file of a pattern before who made it does; its lock."""

    def found(pattern: str) -> list[int]:
        others: list[int] = []

        def late(file: int) -> bool | None:
            if not others:
                others.append(os.open(next(tmp_path.glob(pattern)), os.O_RDWR))
                assert lock(others[0])
            return lock(file)

        lock = files.lock
        monkeypatch.setattr(files, "lock", late)
        return others

    return found


def test_a_writer_whose_file_was_taken_for_a_leftover_begins_another(
    tmp_path: Path, found_first: Callable[[str], list[int]]
) -> None:
    others = found_first(".part-*")
    with whole(tmp_path / "file.txt") as part:
        os.close(others[0])
        with files.left_behind(part) as left:
            assert not left
        part.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_command_whose_folder_was_taken_for_a_leftover_makes_another(
    tmp_path: Path, found_first: Callable[[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    others = found_first("cnnedge-*/.lock")
    with own_temporary_folder():
        os.close(others[0])
        with files.left_behind(Path(tempfile.gettempdir()) / ".lock") as left:
            assert not left


def test_what_a_living_writer_writes_stays(tmp_path: Path) -> None:
    with whole(tmp_path / "first.txt") as first:
        files._CLEAN.discard(tmp_path)
        write_text(tmp_path / "second.txt", "text")
        first.write_text("whole")
    assert (tmp_path / "first.txt").read_text() == "whole"


@pytest.mark.parametrize("name", ["caf\udce9", "\x1b[31m", "\x9bm", "a\u2028b", "\ud800", "\x7f"])
def test_json_gives_back_every_name(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "names.json", {name: [name, float("nan")]})
    assert read_json(tmp_path / "names.json") == {name: [name, None]}
    text = json_text({"name": name})
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in text)
    assert json.loads(text) == {"name": name}


def test_text_keeps_the_bytes_of_names() -> None:
    assert as_bytes(os.fsdecode(b"caf\xe9")) == b"caf\xe9"
    assert as_bytes("\ud800") == b"\\ud800"


def test_json_to_a_pipe_and_to_a_device(plain_models: dict[str, Path], tmp_path: Path) -> None:
    done = cnnedge("inspect", plain_models["int8"], "--json", "/dev/stdout")
    assert json.JSONDecoder().raw_decode(done.stdout)[0]["sha256"]
    done = cnnedge("inspect", plain_models["int8"], "--json", "/dev/null")
    assert done.returncode == 0, done.stderr
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_results_are_kept_where_stdout_is_full(
    plain_models: dict[str, Path], tmp_path: Path
) -> None:
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "cnnedge", "run", str(plain_models["int8"])]
        done = subprocess.run(
            [*words, "--source", "sample", "--frames", "2", "--json", "-"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert "The results were saved in" in errors[0]
    (kept,) = tmp_path.glob("cnnedge-run-*.json")
    assert json.loads(kept.read_text())["frames"] == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "cp437"])
def test_every_encoding_of_stdout(plain_models: dict[str, Path], encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnnedge", "inspect", str(plain_models["int8"])],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "POSIX"},
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_streams(
    plain_models: dict[str, Path], tmp_path: Path, closed: tuple[int, ...]
) -> None:
    shut = " ".join(f"{n}>&-" if n else "0<&-" for n in closed)
    told = tmp_path / "told.json"
    line = f'"{sys.executable}" -m cnnedge inspect "$1" --json "$2" {shut}'
    done = subprocess.run(["sh", "-c", line, "sh", plain_models["int8"], told], timeout=60)
    assert done.returncode == 0
    assert json.loads(told.read_text())["sha256"]


@pytest.mark.parametrize("name", ["no\x1b[31m\x07.tflite", "no\x9b31m", "two\nlines", "caf\udce9"])
def test_the_terminal_gets_no_control_codes(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnnedge", "run", name], capture_output=True, cwd=tmp_path
    )
    assert done.returncode == 1
    text = done.stderr.decode()
    assert len([line for line in text.splitlines() if line]) == 1
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in text.rstrip("\n"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_recording_is_kept_when_it_is_stopped(
    plain_models: dict[str, Path], tmp_path: Path, number: signal.Signals
) -> None:
    words = [sys.executable, "-m", "cnnedge", "run", str(plain_models["int8"]), "--source"]
    words += ["sample", "--save", "out.mp4", "--jsonl", "-"]
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Once in some hundred runs a process was seen to die in OpenCV's drawing of text.
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(5):
            assert process.stdout.readline()
        for _ in range(6):
            process.send_signal(number)
        process.stdout.read()
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_jsonl_on_a_full_disk(plain_models: dict[str, Path]) -> None:
    words = ("run", plain_models["int8"], "--source", "sample", "--frames", "3")
    assert_one_clear_line(cnnedge(*words, "--jsonl", "/dev/full"), "the disk is full")


def test_reasons_are_for_people() -> None:
    for number in (errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOSPC):
        with pytest.raises(CnnedgeError, match=r"cannot write: [a-z]"), files.explained(Path("x")):
            raise OSError(number, os.strerror(number))
