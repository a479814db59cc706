"""What goes wrong with phones: one clear line in bounded time, and nothing stays behind on them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cnnedge.benchmark import cases_of, get_protocol, measure_all
from cnnedge.errors import CnnedgeError, DeviceError
from cnnedge.specs import DeviceProfile
from cnnedge.targets.adb import AdbTarget, files
from support import adb_outputs, adbd, benchmark_tools


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[adbd.Network]:
    with adbd.network(tmp_path_factory.mktemp("network") / "net") as made:
        yield made


@pytest.fixture(scope="module")
def attached(network: adbd.Network, tmp_path_factory: pytest.TempPathFactory) -> adbd.Phone:
    folder = tmp_path_factory.mktemp("phone") / "root"
    return adbd.phone(network, folder, 16001, connect=False)


@pytest.fixture
def alone(network: adbd.Network, monkeypatch: pytest.MonkeyPatch) -> adbd.Network:
    """No phone is attached."""
    monkeypatch.setenv("PATH", network.path)
    network.forget()
    return network


@pytest.fixture
def phone(alone: adbd.Network, attached: adbd.Phone) -> Iterator[adbd.Phone]:
    """Nothing is kept on it, and nothing runs there afterwards."""
    subprocess.run(["rm", "-rf", attached.kept], check=True)
    adbd.attach(alone, attached.serial)
    yield attached
    assert idle(attached)


@pytest.fixture
def cable(alone: adbd.Network, phone: adbd.Phone, request: pytest.FixtureRequest) -> adbd.Cable:
    alone.forget()
    # A port of its own: the one of a cable that was cut may still be in use.
    port = 16100 + sum(map(ord, request.node.name)) % 800
    return adbd.cable(alone, phone, port)


@pytest.fixture(scope="session")
def model(plain_models: dict[str, Path]) -> Path:
    return plain_models["int8"]


def said(act: Callable[[], object], kind: type[CnnedgeError] = DeviceError) -> str:
    """The one line of the error, harmless and not too long."""
    with pytest.raises(kind) as caught:
        act()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 900
    return message


def idle(phone: adbd.Phone) -> bool:
    """Whether all that ran on the phone ends within a while."""
    for _ in range(200):
        if not phone.processes():
            return True
        time.sleep(0.05)
    return False


def ended(*numbers: int) -> bool:
    """The same of processes here."""
    for _ in range(200):
        if not any(Path(f"/proc/{number}").exists() for number in numbers):
            return True
        time.sleep(0.05)
    return False


def started(sign: Path) -> list[int]:
    """The process ids that a hanging tool wrote."""
    for _ in range(200):
        if sign.exists() and len(sign.read_text().split()) == 2:
            return [int(number) for number in sign.read_text().split()]
        time.sleep(0.05)
    pytest.fail("the tool was never started")


def any_phone() -> AdbTarget:
    return AdbTarget(DeviceProfile(transport="adb"), "pixel8")


def test_no_phone(alone: adbd.Network) -> None:
    assert "no phone is attached" in said(lambda: any_phone().run(["true"]))
    findings = list(any_phone().check())
    assert findings[-1].ok is False
    assert "USB debugging" in findings[-1].remedy + findings[-1].found


@pytest.mark.parametrize(
    ("port", "kind", "told"),
    [
        (17001, "unauthorized", "accept 'Allow USB debugging?'"),
        (17002, "silent", "is offline: unplug the phone"),
        (17003, "old", "Android 7 or later is needed"),
    ],
)
def test_a_phone_that_cannot_be_used(alone: adbd.Network, port: int, kind: str, told: str) -> None:
    serial = adbd.strange_phone(alone, port, kind)
    for target in (
        any_phone(),
        AdbTarget(DeviceProfile(transport="adb", address=serial), "pixel8"),
    ):
        assert told in said(lambda t=target: t.run(["true"]))
        assert [f for f in target.check() if f.ok is False]


def test_an_address_is_connected_to_where_it_is_not_yet(
    alone: adbd.Network, phone: adbd.Phone
) -> None:
    alone.forget()
    assert AdbTarget(phone.profile(), "pixel8").run(["echo", "here"]).text == "here\n"


def test_no_space(alone: adbd.Network, phone: adbd.Phone, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(2_000_000))
    target = AdbTarget(phone.profile(), "pixel8")
    with alone.small_disk(phone.kept, 15):
        told = said(lambda: target.push(tmp_path / "big"))
        bad = [f.what for f in target.check() if f.ok is False]
        left = target.run(["find", str(phone.kept), "-type", "f"]).text
    assert "big needs 2.0 MB and 20 MB to spare on the phone, 15.7 MB are free" in told
    assert "space" in bad
    assert left == ""


def test_the_storage_fills_while_pushing(
    alone: adbd.Network, phone: adbd.Phone, cable: adbd.Cable, tmp_path: Path
) -> None:
    """By another app: there was room when it was asked for."""
    (tmp_path / "big").write_bytes(os.urandom(15_000_000))
    target = AdbTarget(phone.profile(address=cable.serial), "pixel8")
    with alone.small_disk(phone.kept, 40):
        cable.order("stop 5000000")

        def fill() -> None:
            cable.order("stopped")
            filler = [*alone.enter, "dd", "if=/dev/zero", f"of={phone.kept}/filler", "bs=1M"]
            subprocess.run(filler, check=False, capture_output=True)
            cable.order("go")

        filling = threading.Thread(target=fill)
        filling.start()
        told = said(lambda: target.push(tmp_path / "big"))
        filling.join()
        left = target.run(["find", str(phone.kept), "-type", "f"]).text
    assert "its storage became full" in told and "devices clean" in told
    assert [Path(path).name for path in left.split()] == ["filler"]


def test_a_folder_that_cannot_be_written(phone: adbd.Phone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    target = AdbTarget(phone.profile(folder="/proc/nothing/cnnedge"), "pixel8")
    assert "failed on the phone" in said(lambda: target.push(tmp_path / "file"))


def test_cut_while_pushing(phone: adbd.Phone, cable: adbd.Cable, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(20_000_000))
    target = AdbTarget(phone.profile(address=cable.serial), "pixel8")
    assert target.run(["true"]).code == 0
    cable.order("cut 7000000")
    told = said(lambda: target.push(tmp_path / "big"))
    assert "the phone stopped answering during adb push" in told
    # adbd removes what it had begun.
    for _ in range(100):
        if not phone.files():
            break
        time.sleep(0.05)
    assert phone.files() == []


def test_cut_while_measuring_keeps_what_was_measured(
    phone: adbd.Phone, cable: adbd.Cable, model: Path, tmp_path: Path
) -> None:
    """The second process hangs, and is there when the cable is cut."""
    sign, once = tmp_path / "sign", tmp_path / "once"
    tool = benchmark_tools.saying(tmp_path / "tool", out=adb_outputs.CLASSIC_2024)
    hang = f"sleep 1000 & echo $$ $! >'{sign}'; wait"
    text = tool.read_text().split("\n", 1)
    tool.write_text(
        f"{text[0]}\nimport os\nif os.path.exists({str(once)!r}):\n"
        f'    os.execvp("sh", ["sh", "-c", {hang!r}])\nopen({str(once)!r}, "w").close()\n{text[1]}'
    )
    target = AdbTarget(phone.profile(address=cable.serial), "pixel8", tool=tool)

    def cut() -> None:
        started(sign)
        cable.order("cut 0")

    thread = threading.Thread(target=cut)
    thread.start()
    outcome = measure_all({target: cases_of(model)}, get_protocol("quick"))
    thread.join()
    (result,), (failure,) = outcome.results, outcome.failures
    assert result.latency_ms.median == 12.38
    assert "incomplete: 1 of 3" in " ".join(result.unstable)
    assert "stopped answering during benchmark_model" in str(failure.error)
    assert failure.error.exit_code == 1
    assert idle(phone)


def test_a_phone_that_falls_silent(phone: adbd.Phone, cable: adbd.Cable, tmp_path: Path) -> None:
    """Nothing is closed, nothing answers: our limit ends it here, and the phone's own there."""
    target = AdbTarget(phone.profile(address=cable.serial), "pixel8")
    sign = tmp_path / "sign"
    hang = f"sleep 1000 & echo $$ $! >'{sign}'; wait"

    def stall() -> None:
        started(sign)
        cable.order("stall")

    thread = threading.Thread(target=stall)
    thread.start()
    told = said(lambda: target.run(["sh", "-c", hang], seconds=3))
    thread.join()
    assert "did not end in 3 s and was ended" in told
    assert idle(phone)


def test_a_hanging_tool_is_ended_here_and_there(
    phone: adbd.Phone, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnedge.targets.adb.measuring.PATIENCE_SECONDS", 1.0)
    sign = tmp_path / "sign"
    tool = benchmark_tools.hanging(tmp_path, sign)
    target = AdbTarget(phone.profile(), "pixel8", tool=tool)
    outcome = measure_all({target: cases_of(model)}, get_protocol("quick"))
    (failure,) = outcome.failures
    assert "benchmark_model did not end in" in str(failure.error)
    assert idle(phone)


@pytest.mark.parametrize("victim", ["client", "ourselves"])
def test_a_kill_leaves_no_process_on_the_phone(
    phone: adbd.Phone, tmp_path: Path, victim: str
) -> None:
    sign = tmp_path / "sign"
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom cnnedge.specs import DeviceProfile\n"
        "from cnnedge.targets.adb import AdbTarget\n"
        "profile = DeviceProfile(transport='adb', address=sys.argv[1], folder=sys.argv[2])\n"
        f"""target = AdbTarget(profile, 'pixel8')
target.run(['sh', '-c', "sleep 1000 & echo $$ $! >'{sign}'; wait"], seconds=600)
"""
    )
    process = subprocess.Popen(
        [sys.executable, script, phone.serial, str(phone.kept)], stderr=subprocess.DEVNULL
    )
    started(sign)
    assert phone.processes()
    clients = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    )
    killed = process.pid if victim == "ourselves" else int(clients.stdout.split()[0])
    os.kill(killed, signal.SIGKILL)
    assert idle(phone)
    assert process.wait() != 0
    assert ended(*map(int, clients.stdout.split()))


@pytest.mark.parametrize(
    ("out", "errors", "code", "told"),
    [
        ("hello\n", "", 0, "benchmark_model printed no line of inference timings"),
        ("", "", 0, "ended with: nothing"),
        ("", "ERROR: Failed to mmap model\n", 1, "failed on the phone (exit 1): ERROR: Failed to"),
        ("\x1b]0;x\x07\x1b[2J" * 100_000, "", 0, "benchmark_model printed no line"),
        ("Unconsumed cmdline flags: --num_runs=50\n", "", 0, "does not know --num_runs=50"),
        (adb_outputs.CLASSIC_2024.replace("count=81", "count=3"), "", 0, "after 3 of 50"),
    ],
)
def test_a_tool_that_prints_something_else(
    phone: adbd.Phone, model: Path, tmp_path: Path, out: str, errors: str, code: int, told: str
) -> None:
    tool = benchmark_tools.saying(tmp_path, out=out, errors=errors, code=code)
    target = AdbTarget(phone.profile(), "pixel8", tool=tool)
    outcome = measure_all({target: cases_of(model)}, get_protocol("quick"))
    (failure,) = outcome.failures
    assert (outcome.results, failure.error.exit_code) == ([], 1)
    assert told in said(lambda: _raise(failure.error), CnnedgeError)


def _raise(error: CnnedgeError) -> None:
    raise error


def test_a_file_that_arrives_changed_is_not_kept(
    phone: adbd.Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone whose storage gives back something else."""
    (tmp_path / "file").write_bytes(b"right")
    lying = phone.folder / "system" / "bin" / "sha256sum"
    before = lying.read_text()
    lying.write_text(f"#!/bin/sh\necho {'0' * 64}\n")
    try:
        told = said(lambda: AdbTarget(phone.profile(), "pixel8").push(tmp_path / "file"))
    finally:
        lying.write_text(before)
    assert "arrived changed on the phone" in told
    assert phone.files() == []


def test_a_phone_without_sha256sum(phone: adbd.Phone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"right")
    place = phone.folder / "system" / "bin" / "sha256sum"
    before = place.read_text()
    place.write_text("#!/bin/sh\necho 'inaccessible or not found' >&2\nexit 127\n")
    try:
        target = AdbTarget(phone.profile(), "pixel8")
        (phone.kept / files.KEPT).mkdir(parents=True)
        told = said(lambda: target.push(tmp_path / "file"))
    finally:
        place.write_text(before)
    assert "gives no SHA-256" in told
    assert phone.files() == []
