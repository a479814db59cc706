"""Device profiles and the words of --device, without anything that is reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnedge.cli import group
from cnnedge.errors import SpecError
from cnnedge.specs import parse_device, shipped
from cnnedge.targets import all_names, find, open_device
from support.command import assert_one_clear_line, cnnedge


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config/cnnedge/devices"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", shipped.names("devices"))
def test_every_shipped_profile_says_what_it_is(name: str) -> None:
    profile = parse_device(*shipped.read("devices", name))
    assert profile.description
    assert profile.frame_budget_ms == 33.3
    if name not in ("local", "linux_board", "android_phone", "browser"):
        assert profile.soc and profile.cores and profile.os and profile.power
    # Nothing is claimed of hardware that nobody here has held.
    assert profile.measured == (name == "local")


def test_words_without_a_profile(own: Path) -> None:
    board = find("pi@10.0.0.7")
    assert (board.name, board.profile.transport) == ("pi@10.0.0.7", "ssh")
    assert board.profile.address == "pi@10.0.0.7"
    phone = find("adb:R5CT:1")
    assert (phone.name, phone.profile.transport) == ("adb:R5CT:1", "adb")
    assert phone.profile.address == "R5CT:1"


def test_an_own_profile_takes_the_place_of_a_shipped_one(own: Path) -> None:
    assert find("pi4").profile.address == "pi4"
    (own / "pi4.yaml").write_text("transport: ssh\naddress: me@attic\n")
    (own / "bench.yaml").write_text("transport: adb\naddress: R5\nthreads: [2]\n")
    assert find("pi4").profile.address == "me@attic"
    assert find("pi4").own
    assert {"bench", "pi4", "local"} <= set(all_names())
    listed = cnnedge("devices", "--json", "-")
    assert json.loads(listed.stdout)["devices"]["bench"]["own"] is True
    assert "(yours)" in cnnedge("devices").stdout


def test_a_profile_in_a_file(own: Path, tmp_path: Path) -> None:
    path = tmp_path / "my board.yaml"
    path.write_text("transport: ssh\naddress: board.local\n")
    found = find(str(path))
    assert (found.name, found.profile.address) == ("my board", "board.local")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("transport: ssh\n", "needs an address"),
        ("transport: local\naddress: x\n", "an address is allowed only"),
        ("transport: usb\n", "usb"),
        ("transport: adb\nadress: R5\n", "Did you mean 'address'?"),
        ("transport: adb\nthreads: [0]\n", "at least 1|from 1 to 256"),
        ("", "empty"),
    ],
)
def test_a_wrong_profile_is_one_clear_error(own: Path, text: str, said: str) -> None:
    (own / "mine.yaml").write_text(text)
    with pytest.raises(SpecError, match=said):
        find("mine")


def test_unknown_names(own: Path) -> None:
    assert_one_clear_line(cnnedge("devices", "check", "pi44"), "Did you mean 'pi4'?")
    assert cnnedge("devices", "check").returncode == 2


def test_show_prints_a_profile_to_copy(own: Path) -> None:
    done = cnnedge("devices", "show", "pi4")
    assert done.stdout == shipped.read("devices", "pi4")[0]
    assert "transport: ssh" in cnnedge("devices", "show", "me@x").stdout


def test_this_machine_checks_itself() -> None:
    target = open_device("local")
    findings = list(target.check())
    target.close()
    assert findings
    done = cnnedge("devices", "check", "local", "--json", "-")
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["checked"][0]["device"] == "local"


def test_a_tool_is_fetched_with_its_checksum_alone(own: Path) -> None:
    assert cnnedge("devices", "fetch", "tflite").returncode == 2
    done = cnnedge("devices", "fetch", "tflite", "--sha256", "ab")
    assert_one_clear_line(done, "64 hexadecimal digits")
    nowhere = ("--address", "http://127.0.0.1:9/tool")
    done = cnnedge("devices", "fetch", "litert", "--sha256", "0" * 64, *nowhere)
    assert_one_clear_line(done, "cannot fetch http://127.0.0.1:9/tool", "--benchmark-tool")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("run", "m.tflite", "--benchmark-tool", "FILE"), "no --device is named"),
        (("run", "m.tflite", "--python"), "no --device is named"),
        (("run", "m.tflite", "--ssh-config", "FILE"), "no --device is named"),
        (("run", "m.tflite", "--device", "me@board", "--benchmark-tool", "FILE"), "by ssh"),
        (("run", "m.tflite", "--device", "adb:X", "--benchmark-tool", "FILE"), "for measuring"),
        (("run", "m.tflite", "--device", "adb:X", "--python"), "for measuring"),
        (("run", "m.tflite", "--device", "local", "--ssh-config", "FILE"), "by local"),
        (("bench", "m.tflite", "--python"), "no --device is named"),
        (("bench", "m.tflite", "--device", "me@board", "--python"), "by ssh"),
        (("bench", "m.tflite", "--device", "adb:X", "--ssh-config", "FILE"), "by adb"),
        (
            ("bench", "m.tflite", "--device", "adb:X", "--python", "--benchmark-tool", "FILE"),
            "with only one of them",
        ),
        (("eval", "m.tflite", "--python"), "no --device is named"),
        (("verify", "m.tflite", "--reference", "RUN", "--ssh-config", "FILE"), "no --device"),
        (("convert", "RUN", "--benchmark-tool", "FILE"), "local is reached by local"),
        (("devices", "check", "me@board", "--benchmark-tool", "FILE"), "by ssh"),
        (("devices", "clean", "adb:X", "--benchmark-tool", "FILE"), "for measuring"),
    ],
)
def test_an_option_of_another_transport_is_wrong_usage(
    words: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    done = CliRunner().invoke(group, [str(file) if w == "FILE" else w for w in words])
    assert done.exit_code == 2, done.output
    assert why in " ".join(done.output.split())
