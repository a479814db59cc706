"""Phones over the real adb: files by content, commands unharmed, a benchmark from end to end."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.benchmark import bench
from cnnedge.errors import CnnedgeError, DeviceError, GateError
from cnnedge.specs import plain
from cnnedge.targets import Finding
from cnnedge.targets.adb import AdbTarget, download
from support import adb_outputs, adbd, benchmark_tools
from support.told_device import asked

NASTY = "a b'c\"d;$(touch pwned)`touch pwned`&|\\*?\n\x1b[31mé"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[adbd.Network]:
    with adbd.network(tmp_path_factory.mktemp("network") / "net") as made:
        yield made


@pytest.fixture(scope="module")
def attached(network: adbd.Network, tmp_path_factory: pytest.TempPathFactory) -> adbd.Phone:
    return adbd.phone(network, tmp_path_factory.mktemp("phone") / "root", 16001)


@pytest.fixture
def phone(
    network: adbd.Network, attached: adbd.Phone, monkeypatch: pytest.MonkeyPatch
) -> adbd.Phone:
    """As it was when it was started, with nothing of cnnedge on it."""
    monkeypatch.setenv("PATH", network.path)
    subprocess.run(["rm", "-rf", attached.kept], check=True)
    attached.tell("dumpsys", "thermalservice", adbd.THERMAL)
    attached.tell("dumpsys", "battery", adbd.BATTERY)
    return attached


@pytest.fixture
def target(phone: adbd.Phone) -> AdbTarget:
    return AdbTarget(phone.profile(), "pixel8")


def measured(target: AdbTarget, model: Path, **settings: Any) -> dict[str, Any]:
    (result,) = bench(model, devices=[target], **settings)["results"]
    return result


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that takes long enough for tools that print hundredths of a millisecond."""
    tf_keras = pytest.importorskip("tf_keras")
    from cnnedge.converter import convert

    image = tf_keras.Input((96, 96, 3), name="image")
    x = tf_keras.layers.Rescaling(1 / 255)(image)
    x = tf_keras.layers.Conv2D(32, 3, activation="relu", bias_initializer="ones")(x)
    x = tf_keras.layers.GlobalAveragePooling2D()(x)
    network = tf_keras.Model(image, tf_keras.layers.Dense(4, bias_initializer="ones")(x))
    file = tmp_path_factory.mktemp("model") / "small.tflite"
    pictures = np.zeros((2, 96, 96, 3), np.uint8)
    file.write_bytes(convert(network, "float32", pictures))
    return file


def once(target: AdbTarget, model: Path, **changes: Any) -> dict[str, Any]:
    """What one short process answers."""
    request = asked(target.place(model), runs=5, seconds=0.01, **changes)
    return plain(target.measure(request))


def test_words_arrive_as_they_are(target: AdbTarget, tmp_path: Path) -> None:
    words = [NASTY, "", " ", "-n", "~", "$HOME", "''"]
    done = target.run(["printf", "%s\\0", *words])
    assert done.output.decode().split("\0")[:-1] == words
    assert not list(tmp_path.rglob("pwned"))


def test_exit_code_errors_input_and_environment(target: AdbTarget) -> None:
    script = 'cat; echo "$NAME" >&2; exit 7'
    data = os.urandom(300_000)
    done = target.run(["sh", "-c", script], stdin=data, environment={"NAME": NASTY})
    assert (done.code, done.output, done.errors.decode()) == (7, data, f"{NASTY}\n")


def test_a_megabyte_of_output_and_its_lines(target: AdbTarget) -> None:
    lines: list[str] = []
    done = target.run(["seq", "200000"], line=lines.append)
    assert done.output.count(b"\n") == len(lines) == 200_000
    assert lines[-1] == "200000"


def test_a_nul_cannot_be_in_a_command(target: AdbTarget) -> None:
    with pytest.raises(DeviceError, match="NUL byte"):
        target.run(["echo", "a\0b"])


def test_a_file_is_pushed_by_its_content(
    target: AdbTarget, phone: adbd.Phone, tmp_path: Path
) -> None:
    file = tmp_path / NASTY.replace("/", "")
    file.write_bytes(b"one")
    first = target.push(file)
    assert first == f"{phone.kept}/files/{hashlib.sha256(b'one').hexdigest()}/{file.name}"
    written = os.stat(first).st_mtime_ns
    assert target.push(file) == first
    assert os.stat(first).st_mtime_ns == written
    # Of the same size, and yet another file.
    file.write_bytes(b"two")
    second = target.push(file)
    assert (Path(first).read_bytes(), Path(second).read_bytes()) == (b"one", b"two")
    # What was damaged there is sent again.
    Path(second).write_bytes(b"owt")
    assert target.push(file) == second
    assert Path(second).read_bytes() == b"two"
    assert not [name for name in phone.files() if name.endswith(".part")]


def test_a_file_is_pulled_whole_or_not_at_all(
    target: AdbTarget, phone: adbd.Phone, tmp_path: Path
) -> None:
    there = phone.folder / NASTY
    there.write_bytes(os.urandom(1_000_000))
    here = tmp_path / "here.bin"
    target.pull(str(there), here)
    assert here.read_bytes() == there.read_bytes()
    with pytest.raises(DeviceError, match="there is no file"):
        target.pull("/no/such/file", tmp_path / "none")
    assert [p.name for p in tmp_path.iterdir()] == ["here.bin"]


def test_clean_leaves_nothing(target: AdbTarget, phone: adbd.Phone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(500_000))
    target.push(tmp_path / "file")
    with target.scratch() as folder:
        assert folder.startswith(str(phone.kept))
    assert target.clean() >= 500_000
    assert not phone.kept.exists()
    assert target.clean() < 100_000


def test_what_others_keep_in_the_folder_stays(target: AdbTarget, phone: adbd.Phone) -> None:
    (phone.kept / "mine").mkdir(parents=True)
    target.clean()
    assert (phone.kept / "mine").exists()


@pytest.mark.parametrize("folder", ["/", "/data", "relative/folder"])
def test_a_folder_of_its_own_is_needed(phone: adbd.Phone, folder: str) -> None:
    with pytest.raises(DeviceError, match="a folder of its own"):
        AdbTarget(phone.profile(folder=folder), "pixel8").run(["true"])


def test_the_classic_tool_from_end_to_end(phone: adbd.Phone, model: Path, tmp_path: Path) -> None:
    """A benchmark_model that runs the model here, by the documented flags and lines."""
    named = tmp_path / NASTY / "m $(x) 'y'.tflite"
    named.parent.mkdir()
    named.write_bytes(model.read_bytes())
    target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.classic(tmp_path / "tool"))
    result = measured(target, named, threads=[2])
    told = result["latency_ms"]
    assert (result["engine"], result["device"], result["threads"]) == ("tflite", "pixel8", 2)
    assert (result["samples_ms"], told["p90"], told["p99"]) == ([], None, None)
    assert 0 < told["min"] <= told["median"] <= told["max"]
    # 50 runs and 1 second in each of the three processes.
    assert told["count"] >= 150
    assert result["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert result["delegate"]["used"] == "cpu (XNNPACK)"
    assert result["peak_memory_bytes"] is None
    assert result["memory_growth_bytes"] > 0
    around = result["conditions"]
    assert (around["os"], around["hardware"]) == ("Android 14 (SDK 34)", "Acme Test Phone")
    # The current reading, not the cached one, and no sensor that is not fitted.
    assert around["temperature_c"] == 41.25
    assert "npu_temperature_c" not in around
    assert (around["battery_percent"], around["powered_by"]) == (85.0, "USB")
    assert (around["thermal_status"], around["screen"]) == ("none", "off")
    assert "emulated" not in around
    assert result["repeats"][0]["conditions"]["after"]["temperature_c"] == 41.25


def test_litert_s_own_tool_from_end_to_end(phone: adbd.Phone, model: Path, tmp_path: Path) -> None:
    """LiteRT's Python benchmark as its wheel ships it."""
    target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.litert(tmp_path))
    result = measured(target, model)
    assert (result["engine"], result["latency_ms"]["count"]) == ("litert", 150)
    assert result["delegate"]["notes"] == ["The tool prints times to 0.01 ms."]


def test_cnnedge_itself_under_the_phones_python(phone: adbd.Phone, model: Path) -> None:
    """Every sample and the agreement, as on any other device."""
    profile = phone.profile(python=sys.executable)
    target = AdbTarget(profile, "pixel8", python=True)
    answer = once(target, model)
    assert len(answer["samples_ms"]) >= 5
    around = answer["conditions"]
    assert (answer["engine"], around["before"]["temperature_c"]) == ("litert", 41.25)
    assert around["machine"]["hardware"] == "Acme Test Phone"


def test_a_phone_without_a_python_is_one_clear_line(phone: adbd.Phone, model: Path) -> None:
    target = AdbTarget(phone.profile(), "pixel8", python=True)
    with pytest.raises(DeviceError, match="cannot run a Python at /data") as caught:
        once(target, model)
    assert "--device USER@PHONE" in str(caught.value)


@pytest.mark.parametrize(
    ("delegate", "reason"),
    [
        ("gpu", "No GPU device found"),
        ("nnapi", "NNAPI acceleration is unsupported on this platform"),
        ("npu", "is run with cpu, gpu, nnapi"),
    ],
)
def test_a_delegate_that_does_not_run_is_refused(
    phone: adbd.Phone, model: Path, tmp_path: Path, delegate: str, reason: str
) -> None:
    target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.classic(tmp_path))
    with pytest.raises(GateError, match=reason):
        once(target, model, delegate=delegate)


def test_auto_falls_back_and_says_why(phone: adbd.Phone, model: Path, tmp_path: Path) -> None:
    target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.classic(tmp_path))
    delegate = once(target, model, delegate="auto")["delegate"]
    assert (delegate["requested"], delegate["used"]) == ("auto", "cpu (XNNPACK)")
    assert "No GPU device found" in delegate["passed_over"][0]["reason"]


def test_a_part_on_the_gpu_is_reported(phone: adbd.Phone, model: Path, tmp_path: Path) -> None:
    """As a recorded run tells it; and on Android 15 that NNAPI has ended."""
    tool = benchmark_tools.saying(
        tmp_path, out=adb_outputs.CLASSIC_2024, errors=adb_outputs.GPU_PART
    )
    result = measured(AdbTarget(phone.profile(), "pixel8", tool=tool), model, delegates=["gpu"])
    delegate = result["delegate"]
    assert (delegate["nodes_delegated"], delegate["nodes_total"]) == (64, 67)
    assert delegate["left_behind"] == ["SOFTMAX", "QUANTIZE"]
    assert (delegate["used"], result["precision"]) == ("gpu (TfLiteGpuDelegateV2)", "f16")
    assert "agreement with the CPU was not checked" in " ".join(delegate["notes"])


def test_nnapi_on_android_15(phone: adbd.Phone, model: Path, tmp_path: Path) -> None:
    log = adb_outputs.GPU_WHOLE.replace("TfLiteGpuDelegateV2", "TfLiteNnapiDelegate")
    tool = benchmark_tools.saying(tmp_path, out=adb_outputs.CLASSIC_2024, errors=log)
    phone.tell("getprop", "ro.build.version.sdk", "35\n")
    try:
        target = AdbTarget(phone.profile(), "pixel8", tool=tool)
        delegate = once(target, model, delegate="nnapi")["delegate"]
    finally:
        phone.tell("getprop", "ro.build.version.sdk", "34\n")
    assert delegate["used"] == "nnapi (TfLiteNnapiDelegate)"
    assert "deprecated since Android 15" in delegate["notes"][0]


def test_an_emulator_says_that_it_is_none(phone: adbd.Phone, model: Path, tmp_path: Path) -> None:
    phone.tell("getprop", "ro.hardware", "ranchu\n")
    try:
        target = AdbTarget(phone.profile(), "x", tool=benchmark_tools.classic(tmp_path))
        assert "emulator (ranchu)" in once(target, model)["conditions"]["machine"]["emulated"]
    finally:
        phone.tell("getprop", "ro.hardware", "acme\n")


def test_what_a_phone_lies_about_itself_harms_nothing(
    phone: adbd.Phone, model: Path, tmp_path: Path
) -> None:
    lies = '"}\n\x1b]0;x\x07$(touch pwned)\n@cafe:model\n' * 1000
    phone.tell("dumpsys", "battery", f"{lies}  level: 9999\n  scale: 0\n  temperature: 99999\n")
    phone.tell("dumpsys", "thermalservice", f"{lies}Thermal Status: 9\n{lies}")
    phone.tell("getprop", "ro.product.model", lies)
    try:
        target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.classic(tmp_path))
        told = once(target, model)["conditions"]
        around = told["machine"] | told["before"]
    finally:
        phone.tell("getprop", "ro.product.model", "Test Phone\n")
    assert "battery_percent" not in around
    assert "temperature_c" not in around
    assert "\x1b" not in around["hardware"]
    assert len(around["hardware"]) < 200
    assert not list(phone.folder.rglob("pwned"))


def test_two_phones_at_the_same_time(
    network: adbd.Network, phone: adbd.Phone, model: Path, tmp_path: Path
) -> None:
    other = adbd.phone(network, tmp_path / "other", 16002)
    other.tell("getprop", "ro.product.model", "Second Phone\n")
    tool = benchmark_tools.classic(tmp_path / "tool")
    targets = [
        AdbTarget(each.profile(), name, tool=tool)
        for each, name in ((phone, "one"), (other, "two"))
    ]
    results = bench(model, devices=targets)["results"]
    told = [(r["device"], r["conditions"]["hardware"]) for r in results]
    assert told == [("one", "Acme Test Phone"), ("two", "Acme Second Phone")]
    with pytest.raises(DeviceError, match=r"2 phones are attached .*adb:SERIAL"):
        AdbTarget(phone.profile(address=""), "pixel8").run(["true"])
    network.adb("disconnect", other.serial)


def elf(path: Path, machine: int, loader: bytes = b"/system/bin/linker64") -> Path:
    """The header of a 64-bit program, with the texts of a benchmark_model behind it."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    part = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(loader) + 1, len(loader) + 1, 1)
    path.write_bytes(head + part + loader + b"\0Inference timings in us: \0")
    return path


@pytest.mark.parametrize(
    ("machine", "loader", "said"),
    [
        (183, b"/system/bin/linker64", "built for arm64-v8a; pixel8 runs x86_64, x86"),
        (8, b"/system/bin/linker64", "built for e_machine 8"),
        (62, b"/lib64/ld-linux-x86-64.so.2", "built for Linux"),
    ],
)
def test_a_tool_for_another_machine_is_refused_before_it_is_pushed(
    phone: adbd.Phone, model: Path, tmp_path: Path, machine: int, loader: bytes, said: str
) -> None:
    target = AdbTarget(phone.profile(), "pixel8", tool=elf(tmp_path / "tool", machine, loader))
    with pytest.raises(DeviceError, match=said):
        once(target, model)
    assert not [name for name in phone.files() if name.endswith("/tool")]


def test_what_is_no_benchmark_model_is_refused(
    phone: adbd.Phone, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "tool").write_bytes(b"#!/bin/sh\nexit 0\n")
    with pytest.raises(DeviceError, match="this is no benchmark_model"):
        once(AdbTarget(phone.profile(), "x", tool=tmp_path / "tool"), model)


def test_a_model_that_is_too_fast_for_a_tool(
    phone: adbd.Phone, model: Path, tmp_path: Path
) -> None:
    lines = adb_outputs.LITERT_PYTHON.splitlines(keepends=True)
    fast = "".join(re.sub(r"\d\.\d\d ms", "0.00 ms", x) if "Inf" in x else x for x in lines)
    tool = benchmark_tools.saying(tmp_path, out=fast)
    target = AdbTarget(phone.profile(), "pixel8", tool=tool)
    with pytest.raises(CnnedgeError, match="too fast for this benchmark_model"):
        once(target, model)


def test_without_a_tool_it_is_said_where_one_goes(
    phone: adbd.Phone, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path))
    place = tmp_path / "tools" / "litert-x86_64" / "benchmark_model"
    with pytest.raises(DeviceError, match="--benchmark-tool") as caught:
        once(AdbTarget(phone.profile(), "pixel8"), model)
    assert str(place) in str(caught.value)
    place.parent.mkdir(parents=True)
    place.write_bytes(benchmark_tools.litert(tmp_path / "made").read_bytes())
    assert once(AdbTarget(phone.profile(), "pixel8"), model)["engine"] == "litert"


def test_a_download_is_asked_for_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "tool").write_bytes(b"BENCHMARK RESULTS")
    right = hashlib.sha256(b"BENCHMARK RESULTS").hexdigest()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "served"))

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/tool"
        with pytest.raises(DeviceError, match=r"SHA-256 is .* not kept"):
            download("litert", "arm64-v8a", sha256="0" * 64, address=address)
        assert not list((tmp_path / "cache").rglob("benchmark_model"))
        place = download("litert", "arm64-v8a", sha256=right, address=address)
        server.shutdown()
    # Once here, no network is needed.
    assert download("litert", "arm64-v8a", sha256=right, address=address) == place
    with pytest.raises(DeviceError, match=r"cannot fetch .*put it at .*--benchmark-tool"):
        download("tflite", "arm64-v8a", sha256=right, address=address)
    with pytest.raises(DeviceError, match="no address is known"):
        download("litert", "riscv64", sha256=right)


def found(target: AdbTarget) -> dict[str, Finding]:
    return {finding.what: finding for finding in target.check()}


def test_check_of_a_good_phone(phone: adbd.Phone, tmp_path: Path) -> None:
    target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.classic(tmp_path))
    told = found(target)
    assert not [f for f in told.values() if f.ok is False], told
    assert told["battery"].found == "85 %, charging, 28 °C"
    assert told["temperature"].found == "41 °C"
    assert told["system"].found == "Android 14 (SDK 34)"
    assert "TensorFlow Lite's benchmark_model" in told["tool"].found


def test_check_names_what_would_spoil_a_measurement(phone: adbd.Phone) -> None:
    phone.tell("dumpsys", "battery", adbd.BATTERY.replace("level: 85", "level: 9"))
    hot = adbd.THERMAL.replace("Status: 0", "Status: 3").replace("41.25", "77.5")
    phone.tell("dumpsys", "thermalservice", hot)
    target = AdbTarget(phone.profile(cool_to_c=40.0), "pixel8")
    told = found(target)
    bad = {what for what, finding in told.items() if finding.ok is False}
    assert bad == {"tool", "battery", "temperature", "thermal status"}
    assert all(told[what].remedy for what in bad)
    assert told["thermal status"].found == "severe"
    assert target.temperature_c() == 77.5


def test_check_without_adb_says_how_to_install_it(
    phone: adbd.Phone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (only,) = AdbTarget(phone.profile(), "pixel8").check()
    assert (only.what, only.ok) == ("reachable", False)
    assert "apt install adb" in only.found + only.remedy


def test_options_that_no_benchmark_model_takes_are_refused(
    phone: adbd.Phone, model: Path, tmp_path: Path
) -> None:
    target = AdbTarget(phone.profile(), "pixel8", tool=benchmark_tools.classic(tmp_path))
    for settings, said in (
        ({"engine": "openvino"}, "allowed: auto, tflite"),
        ({"options": {"a": "b"}, "delegate": "gpu"}, "are not passed"),
        ({"precision": "f16"}, "allowed: auto, f32"),
    ):
        with pytest.raises(CnnedgeError, match=said):
            once(target, model, **settings)
