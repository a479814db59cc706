"""Boards over ssh, on a real sshd: what arrives there, what comes back, what is left."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnedge.benchmark import bench
from cnnedge.errors import CnnedgeError, DeviceError, GateError
from cnnedge.specs import DeviceProfile, plain
from cnnedge.targets import open_device
from cnnedge.targets.local import LocalTarget
from cnnedge.targets.ssh import SshTarget
from cnnedge.targets.ssh.wheels import COMMON, RUNTIMES
from support.boards import CACHE, board, eventually, files_in, wheels_cache  # noqa: F401
from support.command import assert_one_clear_line, cnnedge
from support.cuttable import network_to
from support.sshd import Sshd, running, sshd
from support.told_device import asked

HOSTILE = (
    "a b",
    'it\'s "quoted"',
    "a;touch made",
    "$(touch made)",
    "`touch made`",
    "line\nline",
    "-rf",
    "\\n*?[a]~!#&|<>",
    "grün 日本",
    "\033[31mred",
)


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the user was told."""
    return []


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board's folder: a name that a shell would part."""
    return tmp_path_factory.mktemp("there") / "it's my $folder"


@pytest.fixture(scope="module")
def pi4(served: Sshd, there: Path, said: list[str]) -> Iterator[SshTarget]:
    target = board(served.config, there, pace=None, said=said)
    yield target
    target.close()


def test_words_arrive_as_they_are(pi4: SshTarget, there: Path) -> None:
    show = "import sys; sys.stdout.write(repr(sys.argv[1:]))"
    done = pi4.run([sys.executable, "-c", show, *HOSTILE], environment={"A": HOSTILE[3]})
    assert done.code == 0
    assert done.text == repr(list(HOSTILE))
    assert pi4.run(["printenv", "A"], environment={"A": HOSTILE[5]}).text == f"{HOSTILE[5]}\n"
    assert not list(there.rglob("made"))


def test_input_output_and_exit_code(pi4: SshTarget) -> None:
    sent = os.urandom(3_000_000)
    done = pi4.run(["sh", "-c", "cat; echo wrong >&2; exit 7"], stdin=sent)
    assert (done.code, done.output == sent, done.errors) == (7, True, b"wrong\n")
    # One that reads nothing holds nothing up; one that is killed says so.
    assert pi4.run(["true"], stdin=sent).code == 0
    assert pi4.run(["sh", "-c", "kill -9 $$"]).code == -9
    # 255 is the command's own here, not ssh's.
    assert pi4.run(["sh", "-c", "exit 255"]).code == 255
    with pytest.raises(DeviceError, match="no-such-command: No such file"):
        pi4.run(["no-such-command"])


def test_lines_come_as_they_are_printed(pi4: SshTarget) -> None:
    lines: list[str] = []
    long = "printf '\\033[2Jred\\007 a'; printf 'b\\ncd'; echo; head -c 1000000 /dev/zero"
    done = pi4.run(["sh", "-c", long], line=lines.append)
    assert lines[:2] == ["[2Jred ab", "cd"]
    assert all(c.isprintable() for line in lines for c in line)
    assert len(done.output) == len("\033[2Jred\007 ab\ncd\n") + 1_000_000


def test_more_than_anyone_needs_is_not_kept(pi4: SshTarget) -> None:
    done = pi4.run(["sh", "-c", "head -c 70000000 /dev/zero; echo end >&2"])
    assert (done.code, len(done.output), done.errors) == (0, 64_000_000, b"end\n")


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 250])
def test_files_go_there_and_back(pi4: SshTarget, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(name.encode() * 1000)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    path = pi4.push(file)
    assert path == f"{pi4.board.folder}/files/{sha256}/{name}"
    pi4.pull(path, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()


def test_a_file_is_pushed_by_its_content(pi4: SshTarget, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(b"one")
    first = Path(pi4.push(file))
    inode = first.stat().st_ino
    assert Path(pi4.push(file)).stat().st_ino == inode
    # Same name and size: another file.
    file.write_bytes(b"two")
    assert Path(pi4.push(file)).read_bytes() == b"two" and first.read_bytes() == b"one"
    # What was damaged there is replaced.
    first.write_bytes(b"bad")
    file.write_bytes(b"one")
    assert Path(pi4.push(file)).read_bytes() == b"one"


def test_pull_is_whole_or_not_at_all(pi4: SshTarget, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"'/no \$\(such\)' cannot be read there: .*No such file"):
        pi4.pull("/no $(such)", tmp_path / "back")
    assert list(tmp_path.iterdir()) == []


def test_it_brings_what_is_missing_once(
    pi4: SshTarget, served: Sshd, there: Path, said: list[str]
) -> None:
    installed = pi4.installed
    assert str(there) in installed.python
    assert [text for text in said if "pushing its runtime" in text]
    # Nothing of this machine's own packages is in reach.
    shown = pi4.cnnedge(["import sys, cnnedge, cv2, numpy; print(sys.path)"], module="code")
    show = "import cnnedge, numpy, cv2, yaml, rich; print(cnnedge.__file__, numpy.__file__)"
    done = pi4.run([installed.python, "-c", show], environment=installed.environment)
    assert done.text.count(str(there)) == 2, (done, shown)
    assert "cnnedge bench" in pi4.cnnedge(["--help"]).text
    # The archive of wheels is not kept, and a second client pushes nothing.
    assert not [f for f in files_in(there / "files") if f.endswith(".zip")]
    before = len(said)
    second = board(served.config, there, pace=None, said=said)
    assert second.installed == installed
    assert said[before:] == []
    second.close()


def test_a_board_without_venv(served: Sshd, tmp_path: Path, plain_models: dict[str, Path]) -> None:
    """Some systems part it from Python."""
    import dataclasses

    target = board(served.config, tmp_path / "b", pace=None)
    bare = tuple(dataclasses.replace(p, has_venv=False) for p in target.board.pythons)
    target.__dict__["board"] = dataclasses.replace(target.board, pythons=bare)
    assert target.installed.python == bare[0].path
    answer = target.measure(asked(target.place(plain_models["int8"])))
    assert answer.engine == "litert"
    target.clean()
    target.close()


def test_each_python_is_asked_once(tmp_path: Path) -> None:
    """A link to another of them is none of its own; one to a launcher may be."""
    folder, asked_of = tmp_path / "bin", tmp_path / "asked"
    folder.mkdir()
    for name in ("python3.11", "launcher"):
        started = f'#!/bin/sh\necho "${{0##*/}}" >> {asked_of}\nexec {sys.executable} "$@"\n'
        (folder / name).write_text(started)
        (folder / name).chmod(0o755)
    for link, to in (("python3", "python3.11"), ("python3.10", "launcher"), ("mine", "launcher")):
        (folder / link).symlink_to(to)
    around = {"PATH": f"{folder}:/usr/bin:/bin"}
    with sshd(tmp_path / "sshd", environment=around) as own:
        target = board(own.config, tmp_path / "there", python="mine")
        assert target.board.pythons
        target.close()
    assert asked_of.read_text().split() == ["mine", "python3.11", "python3.10"]


def test_bench_on_a_board(pi4: SshTarget, tmp_path: Path, plain_models: dict[str, Path]) -> None:
    models = []
    for name, variant in ((HOSTILE[1], "int8"), (HOSTILE[3], "float32")):
        models.append(tmp_path / f"{name}.tflite")
        shutil.copy(plain_models[variant], models[-1])
    outcome = bench(models, devices=[pi4])
    assert [r["device"] for r in outcome["results"]] == ["pi4", "pi4"]
    assert [r["model"] for r in outcome["results"]] == [str(m) for m in models]
    assert "failed" not in outcome
    for result, model in zip(outcome["results"], models, strict=True):
        assert result["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
        assert result["latency_ms"]["median"] > 0


def test_what_lies_in_the_boards_home_is_not_executed(
    served: Sshd, pi4: SshTarget, plain_models: dict[str, Path]
) -> None:
    home = served.folder / "home"
    names = ("numpy.py", "cnnedge.py", "json.py", "ai_edge_litert.py")
    for name in names:
        (home / name).write_text(f"open({str(home / 'executed')!r}, 'w').close()\n")
    try:
        model = pi4.push(plain_models["int8"])
        assert pi4.measure(asked(model)).samples_ms
        assert pi4.check()
    finally:
        for name in names:
            (home / name).unlink()
    assert not (home / "executed").exists()


@pytest.mark.parametrize("how", ["cut", "restart"])
def test_a_benchmark_that_is_cut_keeps_what_was_measured(
    served: Sshd, pi4: SshTarget, there: Path, plain_models: dict[str, Path], how: str
) -> None:
    """In the second round of three: each model was measured once by then."""
    place = pi4.place(plain_models["int8"])
    assert place
    with network_to(served.port) as network:
        target = board(served.configure(Port=str(network.port)), there)
        try:

            def progress(done: int, _total: int, _what: str) -> None:
                if done == 3:
                    end = network.cut if how == "cut" else served.reboot
                    threading.Timer(0.5, end).start()

            models = [plain_models["int8"], plain_models["float32"]]
            outcome = bench(models, devices=[target], progress=progress)
        finally:
            target.close()
            served.configure()
    assert len(outcome["results"]) == 2
    assert any("incomplete" in reason for r in outcome["results"] for reason in r["unstable"])
    assert all(r["latency_ms"]["count"] == len(r["samples_ms"]) > 0 for r in outcome["results"])
    (failed,) = outcome["failed"]
    assert failed["device"] == "pi4" and failed["exit_code"] == 1
    assert "was lost" in failed["error"] and "\n" not in failed["error"]
    assert eventually(lambda: not running(target.installed.python))


def test_what_cannot_be_measured_keeps_its_exit_code(
    pi4: SshTarget, tmp_path: Path, plain_models: dict[str, Path]
) -> None:
    model = pi4.place(plain_models["float32"])
    with pytest.raises(GateError, match="pi4: ") as refused:
        pi4.measure(asked(model, delegate="nnapi"))
    assert refused.value.exit_code == 3
    # The path is the user's own, not the board's.
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    with pytest.raises(CnnedgeError) as failed:
        pi4.measure(asked(pi4.place(broken)))
    assert str(broken) in str(failed.value) and "/files/" not in str(failed.value)
    assert not isinstance(failed.value, DeviceError)


LIES = {
    "no object": "print('[1, 2]')",
    "no JSON": "print('Traceback: \\033[2J\\033]0;owned\\007 oh no')",
    "nothing": "pass",
    "deep": "print('[' * 200000)",
    "deep, and right": "print('{\"a\":' * 900 + '0' + '}' * 900)",
    "an error in colour": (
        "import json; print(json.dumps({'error': '\\033[31mred\\nline ' * 1000, 'exit_code': 1}))"
    ),
    "numbers that are none": (
        "import json; print(json.dumps({'engine': 'e', 'engine_version': '1', 'precision': 'p', "
        "'sha256': 's', 'init_ms': float('nan'), 'first_ms': -1, 'samples_ms': ['1']}))"
    ),
    "a megabyte": "print('{\"engine\": \"' + 'x' * 1_000_000 + '\"}')",
    "a crash": "import os, sys; sys.stderr.write('\\033[1mGone'); os.abort()",
}


@pytest.mark.parametrize("lie", LIES)
def test_what_a_board_answers_is_data(
    pi4: SshTarget, plain_models: dict[str, Path], lie: str
) -> None:
    model = pi4.place(plain_models["int8"])
    worker = Path(pi4.installed.search) / "cnnedge" / "benchmark" / "worker.py"
    true = worker.read_text()
    worker.write_text(LIES[lie])
    try:
        with pytest.raises(CnnedgeError) as caught:
            pi4.measure(asked(model))
    finally:
        worker.write_text(true)
    text = str(caught.value)
    assert text.startswith("pi4: ") and len(text) < 3000
    assert all(c.isprintable() for c in text)
    # A process that died is one model's end, a lie is the device's.
    assert isinstance(caught.value, DeviceError) == (lie not in ("a crash", "an error in colour"))


def test_texts_of_an_answer_are_freed_of_escape_codes(
    pi4: SshTarget, plain_models: dict[str, Path]
) -> None:
    worker = Path(pi4.installed.search) / "cnnedge" / "benchmark" / "worker.py"
    true = worker.read_text()
    mark = "**vars(engine.described())"
    assert mark in true
    worker.write_text(true.replace(mark, f'**({mark[2:]} | {{"engine": "\\033[31mlitert"}})'))
    try:
        answer = pi4.measure(asked(pi4.place(plain_models["int8"])))
    finally:
        worker.write_text(true)
    assert "\\u001b" not in json.dumps(plain(answer)) and "litert" in answer.engine


def test_check_tells_what_is_there(pi4: SshTarget) -> None:
    found = {f.what: f for f in pi4.check()}
    for what in ("reachable", "Python", "engine", "space"):
        assert found[what].ok, found[what]
    assert "/" in found["Python"].found and "MB free" in found["space"].found
    for finding in found.values():
        assert finding.remedy or finding.ok is not False


def test_clean_leaves_nothing(served: Sshd, tmp_path: Path) -> None:
    target = board(served.config, tmp_path / "b")
    target.push(served.config)
    assert target.clean() > 0
    assert not (tmp_path / "b").exists()
    # It can be used again, and cleaned when there is nothing.
    target.push(served.config)
    target.clean()
    assert target.clean() == 0
    target.close()


def test_the_usual_folder_is_in_the_home(served: Sshd) -> None:
    home = served.folder / "home"
    target = board(served.config)
    path = target.push(served.config)
    assert Path(path).is_relative_to(home / ".cache" / "cnnedge" / "board")
    target.clean()
    assert [p for p in home.rglob("*") if p.is_file()] == []
    target.close()


def test_a_folder_of_others_is_left_alone(served: Sshd, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine").write_text("mine")
    target = board(served.config, tmp_path)
    with pytest.raises(DeviceError, match="holds files that cnnedge did not put there"):
        target.push(served.config)
    assert target.clean() == 0
    assert (tmp_path / "files" / "mine").read_text() == "mine"
    assert [f for f in target.check() if f.what == "folder" and f.ok is False]
    target.close()


def test_what_a_login_says_does_not_disturb(served: Sshd, tmp_path: Path) -> None:
    """Start-up files that print break scp and sftp."""
    start = served.folder / "home" / ".bashrc"
    start.write_text("echo Welcome to my board; echo and to its errors >&2\n")
    try:
        target = board(served.config, tmp_path / "b")
        assert Path(target.push(served.config)).read_bytes() == served.config.read_bytes()
        assert target.run(["echo", "fine"]).output == b"fine\n"
        target.close()
    finally:
        start.unlink()


def test_nothing_is_left_here(served: Sshd, tmp_path: Path) -> None:
    target = board(served.config, tmp_path / "b")
    target.run(["true"])
    sockets = target.connection._sockets
    assert sockets and sockets.exists() and sockets.stat().st_mode & 0o77 == 0
    assert running(str(sockets))
    target.close()
    assert not sockets.exists()
    assert eventually(lambda: not running(str(sockets)))


def test_a_shared_connection_of_the_users_own_is_used(served: Sshd, tmp_path: Path) -> None:
    own = Path("/tmp") / f"cnnedge-own-{os.getpid()}"
    served.configure(ControlMaster="auto", ControlPath=str(own), ControlPersist="60")
    try:
        target = board(served.config, tmp_path / "b")
        target.run(["true"])
        assert target.connection._sockets is None
        target.close()
        # It is theirs: it stays.
        assert own.exists()
    finally:
        stop = ["ssh", "-F", str(served.config), "-O", "exit", "pi4"]
        subprocess.run(stop, capture_output=True)
        served.configure()


def test_an_address_needs_no_profile(served: Sshd) -> None:
    target = open_device("root@pi4", ssh_config=served.config)
    assert target.name == "root@pi4"
    assert target.run(["echo", "here"]).text == "here\n"
    target.clean()
    target.close()


def test_bench_by_command_line(served: Sshd, tmp_path: Path, plain_models: dict[str, Path]) -> None:
    """Both figures of one table are measured by the same code, here and there."""
    words = ("bench", plain_models["int8"], "--device", "local,pi4", "--json", "-")
    around = {"XDG_CACHE_HOME": str(CACHE), "XDG_CONFIG_HOME": str(tmp_path)}
    done = cnnedge(*words, "--ssh-config", served.config, env=around)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [r["device"] for r in results] == ["local", "pi4"]
    assert results[0]["sha256"] == results[1]["sha256"]
    served.configure(HostName="board.invalid")
    try:
        done = cnnedge(*words, "--ssh-config", served.config, env=around)
    finally:
        served.configure()
    # What was measured here is kept.
    assert_one_clear_line(done, "no host is known by the name of board.invalid")
    outcome = json.loads(done.stdout)
    assert [r["device"] for r in outcome["results"]] == ["local"]
    assert outcome["failed"][0]["device"] == "pi4"


def test_the_runtime_is_what_the_package_asks_for() -> None:
    """What is pushed is what `pip install cnnedge` brings, but for OpenCV without windows.

    Nor does a board make pages, fetch files, or draw text.
    """
    import configparser

    config = configparser.RawConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    asked = {line.split(";")[0].strip() for line in lines if line and not line.startswith("#")}
    asked = {line.replace("opencv-python", "opencv-python-headless") for line in asked}
    asked -= {"Jinja2>=3.1", "pooch>=1.8", "python-bidi>=0.6"}
    pushed = {*COMMON, *RUNTIMES[0].requirements}
    assert {line for line in asked if not line.startswith("ai-edge-litert")} == pushed


def test_this_machine_has_the_same_verbs(tmp_path: Path) -> None:
    target = LocalTarget(DeviceProfile(), "local")
    file = tmp_path / HOSTILE[3]
    file.write_bytes(b"content")
    lines: list[str] = []
    done = target.run(["cat", target.push(file)], line=lines.append)
    assert (done.code, done.output, lines) == (0, b"content", ["content"])
    target.pull(target.push(file), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"
    assert target.run(["sh", "-c", "sleep 300 & exit 3"], seconds=20).code == 3
    with pytest.raises(DeviceError, match="did not end in 0 s, and was ended"):
        target.run(["sleep", "300"], seconds=0.2)
    with pytest.raises(DeviceError, match="does not start"):
        target.run(["no-such-command"])
    assert target.clean() == 0
    assert {f.what for f in target.check()} >= {"hardware", "Python", "clocks"}
