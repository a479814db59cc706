"""Boards that cannot be reached, lack something, or go away: one clear line, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnedge.errors import DeviceError
from cnnedge.targets.ssh import SshTarget
from support.boards import HASTY, board, ends, eventually, files_in, wheels_cache  # noqa: F401
from support.cuttable import network_to
from support.environments import missing
from support.sshd import Sshd, free_port, running, sshd

LOST = r"connection to pi4 .* was lost .* switched off or restarted, or the network was cut"
# What the shell of a bare board has.
TOOLS = (
    *("sh", "uname", "tr", "cut", "head", "tail", "df", "mkdir", "dirname", "ls", "grep", "cat"),
    *("sort", "uniq", "timeout", "rm", "rmdir", "du"),
)


@pytest.fixture()
def mark() -> str:
    """Of the processes of one test."""
    return f"cnnedge-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def configured(served: Sshd) -> None:
    """Every test begins with a configuration that works."""
    served.configure()


def refusal(target: SshTarget) -> str:
    """What a user reads: one line."""
    with pytest.raises(DeviceError) as caught:
        target.run(["true"])
    target.close()
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.exit_code == 1
    return text


def test_an_unknown_host_key(served: Sshd, tmp_path: Path) -> None:
    config = served.configure(UserKnownHostsFile=str(tmp_path / "none"))
    text = refusal(board(config, tmp_path / "b"))
    assert "host key" in text and "is not known here" in text and "ssh -F " in text
    # The same where the user's configuration would ask, for there is nobody to answer.
    config = served.configure(UserKnownHostsFile="/dev/null", StrictHostKeyChecking="ask")
    assert "is not known here" in refusal(board(config, tmp_path / "b"))


def test_a_changed_host_key(served: Sshd, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("board " + (served.folder / "client.pub").read_text())
    config = served.configure(UserKnownHostsFile=str(tmp_path / "known"))
    text = refusal(board(config, tmp_path / "b"))
    assert "has changed" in text and "ssh-keygen -R" in text


def test_a_refused_key(served: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    config = served.configure(IdentityFile=str(key))
    text = refusal(board(config, tmp_path / "b"))
    assert "refuses your key" in text and "ssh-copy-id -F" in text


def test_no_server_there(served: Sshd, tmp_path: Path) -> None:
    config = served.configure(Port=str(free_port()))
    text = refusal(board(config, tmp_path / "b"))
    assert "no ssh server runs on it" in text and "raspi-config" in text


def test_a_host_that_is_down(served: Sshd, tmp_path: Path) -> None:
    with network_to(served.port) as network:
        network.cut()
        config = served.configure(Port=str(network.port))
        text = refusal(board(config, tmp_path / "b"))
    assert "does not answer" in text and "switched on" in text


def test_a_name_that_nobody_has(served: Sshd, tmp_path: Path) -> None:
    config = served.configure(HostName="board.invalid")
    text = refusal(board(config, tmp_path / "b"))
    assert "no host is known by the name of board.invalid" in text


def test_a_broken_configuration(served: Sshd, tmp_path: Path) -> None:
    served.config.write_text("Host pi4\n  NoSuchOption yes\n")
    assert "does not take its configuration" in refusal(board(served.config, tmp_path / "b"))
    assert "no ssh configuration at" in refusal(board(tmp_path / "none", tmp_path / "b"))


def test_no_ssh_here(served: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no ssh here" in refusal(board(served.config, tmp_path / "b"))


@pytest.mark.parametrize("address", ["-oProxyCommand=touch${IFS}%s", "a b", "x;touch %s", "$(x)"])
def test_an_address_is_no_option_and_no_command(served: Sshd, tmp_path: Path, address: str) -> None:
    made = tmp_path / "made"
    address = address.replace("%s", str(made))
    assert "is no address" in refusal(board(served.config, tmp_path / "b", address=address))
    assert not made.exists()


def bare_board(folder: Path, **programs: str) -> dict[str, str]:
    """The environment of a board with a shell, its usual tools, and programs written for it."""
    folder.mkdir()
    for tool in TOOLS:
        there = Path("/usr/bin") / tool
        if tool not in programs:
            (folder / tool).symlink_to(there if there.exists() else Path("/bin") / tool)
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def python_that_says(version: str, soabi: str, libc: str) -> str:
    fields = ("python", "/usr/bin/pythonX", version, "64", libc, soabi, "1")
    return "printf '" + "\\t".join(fields) + "\\n'"


@pytest.mark.parametrize(
    ("programs", "parts"),
    [
        ({}, ("no Python", "python3.10", "apt-get install python3")),
        (
            {"uname": "[ $1 = -m ] && echo riscv64 || echo Linux", "python3": 'exec {python} "$@"'},
            ("architecture, riscv64", "aarch64, x86_64, armv7l"),
        ),
        (
            {"python3": python_that_says("3.8", "cpython-38-x86_64-linux-gnu", "glibc-2.31")},
            ("found there: 3.8, too old", "python: python3.14"),
        ),
        (
            {"python3": python_that_says("3.12", "cpython-312-x86_64-linux-musl", "-")},
            ("C library is musl", "Raspberry Pi OS"),
        ),
        (
            {"python3": python_that_says("3.11", "cpython-311-x86_64-linux-gnu", "glibc-2.24")},
            ("its glibc is 2.24", "2.27"),
        ),
        (
            {"uname": "[ $1 = -m ] && echo arm64 || echo Darwin", "python3": 'exec {python} "$@"'},
            ("runs Darwin", "wanted: Linux"),
        ),
        ({"df": "exit 1", "uname": "printf '\\033[2J%s' $1"}, ("it runs", "wanted: Linux")),
    ],
    ids=["no Python", "architecture", "old Python", "musl", "old glibc", "macOS", "nonsense"],
)
def test_a_board_that_lacks_what_is_needed(
    tmp_path: Path, programs: dict[str, str], parts: tuple[str, ...]
) -> None:
    said = {name: text.replace("{python}", sys.executable) for name, text in programs.items()}
    around = bare_board(tmp_path / "bin", **said)
    with sshd(tmp_path / "sshd", environment=around) as served:
        text = refusal(board(served.config, tmp_path / "b"))
        failed = [f for f in board(served.config, tmp_path / "b").check() if f.ok is False]
    for part in parts:
        assert part in text
    assert "\033" not in text
    assert not (tmp_path / "b").exists()
    # `devices check` says the same, in two halves.
    assert [f for f in failed if f.what == "Python" and f.remedy]


@pytest.fixture()
def small_board(tmp_path: Path) -> Iterator[Sshd]:
    """With 8 MB of space at `small`, which only the board sees."""
    if os.geteuid() != 0:
        missing("a disk of a board's own takes root, to mount it")
    (tmp_path / "small").mkdir()
    mount = f"mount -t tmpfs -o size=8m tmpfs '{tmp_path}/small'"
    with sshd(tmp_path / "sshd", prepare=mount) as served:
        yield served


def test_no_space(small_board: Sshd, tmp_path: Path) -> None:
    target = board(small_board.config, tmp_path / "small" / "b")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(9_000_000))
    with pytest.raises(DeviceError, match=r"no space: 9\.0 MB are needed and 8\.4 MB free in /"):
        target.push(large)
    with pytest.raises(DeviceError, match=r"no space: .* for its runtime.*name a folder"):
        _ = target.installed
    left = target.run(["find", str(tmp_path / "small" / "b"), "-type", "f"]).text.split()
    assert [Path(path).name for path in left] == [".cnnedge"]
    found = {f.what: f for f in target.check()}
    assert found["space"].ok is False and "another disk" in found["space"].remedy
    target.close()


def test_the_disk_fills_while_a_file_is_pushed(small_board: Sshd, tmp_path: Path) -> None:
    """By somebody else: there was room when it was asked for."""
    folder = tmp_path / "small" / "b"
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(6_000_000))
    other = board(small_board.config, tmp_path / "other")
    other.run(["true"])
    with network_to(small_board.port) as network:
        target = board(small_board.configure(Port=str(network.port)), folder)
        target.run(["true"])
        network.stop_at = 2_000_000

        def fill() -> None:
            network.stopped.wait(10)
            other.run(["dd", "if=/dev/zero", f"of={tmp_path}/small/filler", "bs=1M"])
            network.go_on()

        filling = threading.Thread(target=fill)
        filling.start()
        with pytest.raises(DeviceError, match=r"pi4: .*became full .* another disk") as caught:
            target.push(large)
        filling.join()
        assert "\n" not in str(caught.value)
        # The connection is as good as before, and nothing of the file is left.
        left = target.run(["find", str(folder), "-type", "f"]).text.split()
        assert [Path(path).name for path in left] == [".cnnedge"]
        other.run(["rm", f"{tmp_path}/small/filler"])
        assert target.run(["cat", target.push(large)]).output == large.read_bytes()
        target.close()
    other.close()


def test_the_network_is_cut_while_a_file_is_pushed(served: Sshd, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(20_000_000))
    with network_to(served.port) as network:
        target = board(served.configure(Port=str(network.port)), tmp_path / "b")
        target.run(["true"])
        network.most = 5_000_000
        text = ""
        with pytest.raises(DeviceError) as caught:
            target.push(large)
        text = str(caught.value)
        target.close()
        # The board sees no end of the connection, and clears up all the same.
        assert eventually(lambda: files_in(tmp_path / "b") == [])
    assert "pi4" in text and "\n" not in text
    assert "was lost" in text
    # Once it is back, the file arrives.
    target = board(served.configure(), tmp_path / "b")
    assert Path(target.push(large)).read_bytes() == large.read_bytes()
    target.close()


def test_the_network_is_cut_while_a_command_runs(served: Sshd, tmp_path: Path, mark: str) -> None:
    with network_to(served.port) as network:
        target = board(served.configure(Port=str(network.port)), tmp_path / "b")
        threading.Timer(1.5, network.cut).start()
        with pytest.raises(DeviceError, match=LOST):
            target.run(["sh", "-c", f"sleep 300 & sleep 300; : {mark}"], seconds=300)
        target.close()
        assert ends(mark)


def test_the_board_restarts_while_a_command_runs(served: Sshd, tmp_path: Path, mark: str) -> None:
    target = board(served.config, tmp_path / "b")
    threading.Timer(1.5, served.reboot).start()
    with pytest.raises(DeviceError, match=LOST):
        target.run(["sh", "-c", f"sleep 300; : {mark}"], seconds=300)
    assert ends(mark)
    # It is back.
    assert target.run(["echo", "here"]).text == "here\n"
    target.close()


def test_a_session_that_stands_still(served: Sshd, tmp_path: Path, mark: str) -> None:
    """As the process of an overloaded board does: neither an answer nor an end."""
    target = board(served.config, tmp_path / "b")
    target.run(["true"])
    stopped: list[int] = []

    def stop() -> None:
        stopped.extend(served.sessions())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    threading.Timer(1.0, stop).start()
    with pytest.raises(DeviceError, match=LOST):
        target.run(["sh", "-c", f"sleep 300; : {mark}"], seconds=300)
    target.close()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert ends(mark)


def test_a_command_that_hangs(served: Sshd, tmp_path: Path, mark: str) -> None:
    """It ignores being asked to end, and so do those that it started."""
    target = board(served.config, tmp_path / "b")
    stubborn = f"trap '' TERM; (trap '' TERM; sleep 300; : {mark}) & sleep 300; : {mark}"
    with pytest.raises(DeviceError, match=r"sh did not end in 1 s, and was ended there"):
        target.run(["sh", "-c", stubborn], seconds=1)
    assert ends(mark)
    target.close()


def test_a_login_that_hangs(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "ForceCommand sleep 300") as served:
        text = refusal(board(served.config, tmp_path / "b"))
    assert "gave no answer in" in text and "ssh pi4" in text


def test_a_login_that_gives_no_shell(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "ForceCommand echo This account is closed.") as served:
        text = refusal(board(served.config, tmp_path / "b"))
    assert "gives no shell" in text and "This account is closed." in text


CLIENT = """
    import sys
    from pathlib import Path
    from cnnedge.specs import DeviceProfile
    from cnnedge.targets.ssh import SshTarget
    profile = DeviceProfile(transport="ssh", address="pi4", folder=sys.argv[2])
    target = SshTarget(profile, "pi4", config=Path(sys.argv[1]))
    target.run(["sh", "-c", f"echo started; sleep 300; : {sys.argv[3]}-there"], seconds=300)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_client_dies(served: Sshd, tmp_path: Path, mark: str, number: int) -> None:
    there = f"{mark}-there"
    words = [sys.executable, "-c", textwrap.dedent(CLIENT), str(served.config)]
    client = subprocess.Popen(
        [*words, str(tmp_path / "b"), mark],
        stderr=subprocess.DEVNULL,
        # The runner may ignore it, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert eventually(lambda: len(running(f"sleep 300; : {there}")) > 0, 30)
    client.send_signal(number)
    client.wait(30)
    assert ends(there)


def test_what_a_power_cut_left_is_swept(served: Sshd, tmp_path: Path) -> None:
    target = board(served.config, tmp_path / "b")
    first = target.push(served.config)
    above = Path(first).parents[1]
    (above / ".part-999999999-x").write_bytes(b"half")
    other = tmp_path / "other"
    other.write_text("more")
    second = target.push(other)
    kept = sorted(
        [Path(first).relative_to(tmp_path / "b"), Path(second).relative_to(tmp_path / "b")]
    )
    assert files_in(tmp_path / "b") == [str(path) for path in kept]
    target.close()


def test_time_out_is_told_before_it_is_long(served: Sshd, tmp_path: Path) -> None:
    """Nobody waits for longer than the pace allows."""
    with network_to(served.port) as network:
        target = board(served.configure(Port=str(network.port)), tmp_path / "b")
        target.run(["true"])
        network.cut()
        began = time.monotonic()
        with pytest.raises(DeviceError):
            target.temperature_c()
        assert time.monotonic() - began < 5 * (HASTY.connect + HASTY.silence)
        target.close()
