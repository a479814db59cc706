"""What the two tools named benchmark_model print is read strictly, in forms of several years."""

from __future__ import annotations

import pytest

from cnnedge.errors import DeviceError, GateError
from cnnedge.specs import plain
from cnnedge.targets.adb import attached, delegation, printed_classic, printed_litert
from support import adb_outputs as printed

TEXTS = {
    "2019": printed.CLASSIC_2019,
    "2021": printed.CLASSIC_2021,
    "2024": printed.CLASSIC_2024,
}


def test_the_classic_tool_of_2019() -> None:
    run = printed_classic.parse(printed.CLASSIC_2019)
    assert (run.init_ms, run.first_ms, run.warmup_count) == (10.354, 37.001, 14)
    told = plain(run.latency.statistics)
    assert told == {
        "median": None,
        "mean": 34.9728,
        "p90": None,
        "p99": None,
        "min": 34.001,
        "max": 36.9,
        "std": 0.503,
        "count": 50,
        "source": "benchmark_model",
    }
    assert (run.memory_growth_bytes, run.peak_memory_bytes) == (3.75 * 2**20, None)


def test_the_classic_tool_of_2021_with_one_warm_up_and_large_numbers() -> None:
    run = printed_classic.parse(printed.CLASSIC_2021)
    assert (run.first_ms, run.warmup_count) == (3512.391, 1)
    assert run.latency.mean == 2950.34
    assert run.latency.median is None


def test_the_classic_tool_of_2024_with_percentiles() -> None:
    run = printed_classic.parse(printed.CLASSIC_2024)
    told = plain(run.latency.statistics)
    assert (told["median"], told["p95"], told["p90"], told["count"]) == (12.38, 12.6, None, 81)
    assert run.peak_memory_bytes == 33.5 * 2**20


def test_logcat_puts_its_own_prefix_before_each_line() -> None:
    lines = printed.CLASSIC_2024.replace("INFO: ", "I tflite  : ")
    assert printed_classic.parse(lines).latency.median == 12.38


def test_runs_that_all_took_as_long() -> None:
    text = printed.CLASSIC_2021.replace("count=1 curr=3512391", "count=3 curr=3512391(all same)")
    assert printed_classic.parse(text).warmup_count == 3


def test_litert_tells_microseconds_in_its_statistics_lines() -> None:
    run = printed_litert.parse(printed.LITERT_2026)
    assert (run.init_ms, run.first_ms, run.warmup_count) == (237.44, 1.41, 5)
    assert (run.latency.mean, run.latency.count, run.rounded) == (0.9475, 1054, False)
    assert run.memory_growth_bytes == 93.25 * 2**20
    assert run.peak_memory_bytes is None


def test_litert_without_them_is_rounded_and_says_so() -> None:
    run = printed_litert.parse(printed.LITERT_PYTHON)
    told = plain(run.latency.statistics)
    assert (told["median"], told["mean"], told["p95"], run.rounded) == (3.5, 3.51, 3.8, True)


@pytest.mark.parametrize("year", TEXTS)
def test_each_line_that_is_cut_off_is_an_error(year: str) -> None:
    """A tool that died half-way is no result, wherever it died before its results."""
    text = TEXTS[year]
    needed = text.index("nference timings in us")
    for end in range(0, needed, 7):
        with pytest.raises(DeviceError, match="benchmark_model printed"):
            printed_classic.parse(text[:end])


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("count=50 first", "count=fifty first"),
        ("avg=34972.8", "avg=nan"),
        ("avg=34972.8", "avg=-5"),
        ("avg=34972.8", "avg=11111.1"),
        ("Inference: 34972.8", "Inference: 12345.6"),
        ("min=34001", "min=99999"),
        ("Init: 10354", "Init: $(reboot)"),
        ("Init: 10354", "Init: 1e999"),
        ("std=503", "std=503 more=1"),
        ("Average inference", "count=1 curr=5\nAverage inference"),
    ],
)
def test_what_the_tool_does_not_print_is_one_clear_line(was: str, now: str) -> None:
    assert was in printed.CLASSIC_2019
    with pytest.raises(DeviceError) as caught:
        printed_classic.parse(printed.CLASSIC_2019.replace(was, now))
    message = str(caught.value)
    assert message.startswith("benchmark_model printed")
    assert "\n" not in message
    assert len(message) < 700


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("BENCHMARK RESULTS", "BENCHMARK"),
        ("(1054 runs)", "(1000 runs)"),
        ("0.95 ms", "0.55 ms"),
        ("Model initialization: 237.44 ms", "Model initialization: soon"),
        ("Warmup (first):       1.41 ms", ""),
    ],
)
def test_the_same_of_litert(was: str, now: str) -> None:
    assert was in printed.LITERT_2026
    with pytest.raises(DeviceError, match="benchmark_model printed"):
        printed_litert.parse(printed.LITERT_2026.replace(was, now))


def test_escape_codes_and_a_megabyte_are_shown_harmless_and_short() -> None:
    with pytest.raises(DeviceError) as caught:
        printed_classic.parse("\x1b]0;pwned\x07\x1b[2J\n" * 100_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_graph_that_runs_on_the_gpu_as_a_whole() -> None:
    part = delegation.require("gpu", printed.GPU_WHOLE, "m")
    assert (part.nodes, part.total) == (67, 67)
    assert delegation.api(part, printed.GPU_WHOLE) == "OpenCL"
    assert delegation.left_behind(printed.GPU_WHOLE) == ()


def test_tools_of_2020_tell_that_it_was_all_and_no_numbers() -> None:
    old = "\n".join(x for x in printed.GPU_WHOLE.splitlines() if "Replacing" not in x)
    assert delegation.require("gpu", old, "m").whole
    part = old.replace("completely executed by the delegate", "partially executed by the delegate")
    with pytest.raises(GateError, match="does not tell how large"):
        delegation.require("gpu", part, "m")
    with pytest.raises(GateError):
        delegation.require("gpu", old.replace("applied GPU", "applied XNNPACK"), "m")


def test_a_part_of_it_is_told_with_what_is_left_behind() -> None:
    part = delegation.require("gpu", printed.GPU_PART, "m")
    assert (part.name, part.nodes, part.total) == ("TfLiteGpuDelegateV2", 64, 67)
    assert delegation.left_behind(printed.GPU_PART) == ("SOFTMAX", "QUANTIZE")


def test_the_cpu_is_no_delegate() -> None:
    with pytest.raises(GateError, match="no node was delegated") as caught:
        delegation.require("gpu", printed.CLASSIC_2024, "m")
    assert caught.value.exit_code == 3


def test_a_silent_fallback_is_refused_with_the_tools_own_reason() -> None:
    with pytest.raises(GateError, match="the model graph will not be executed") as caught:
        delegation.require("nnapi", printed.NNAPI_NOT, "m")
    assert "NNAPI SL driver did not answer" in str(caught.value)


def test_flags_that_the_tool_does_not_know_are_named() -> None:
    text = "WARN: Unconsumed cmdline flags: --use_gpu=true\n"
    with pytest.raises(GateError, match="does not know --use_gpu=true"):
        delegation.require("gpu", text, "m")


LIST = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
FA7AB1C00123           device usb:1-4 product:shiba model:Pixel_8 device:shiba transport_id:1
192.168.1.5:5555       offline transport_id:7
R5CT30ABCDE            unauthorized usb:2-1.3 transport_id:2
????????????           no permissions (user in plugdev group; are your udev rules wrong?); see \
[http://developer.android.com/tools/device.html] usb:1-1 transport_id:4

"""


def test_the_list_of_phones() -> None:
    found = attached.parse(LIST)
    states = [(p.serial, p.state.split(" (")[0], p.usable) for p in found]
    assert states == [
        ("FA7AB1C00123", "device", True),
        ("192.168.1.5:5555", "offline", False),
        ("R5CT30ABCDE", "unauthorized", False),
        ("????????????", "no permissions", False),
    ]


@pytest.mark.parametrize(
    ("serial", "said"),
    [
        ("R5CT30ABCDE", "accept 'Allow USB debugging\\?'"),
        ("192.168.1.5:5555", "unplug the phone"),
        ("????????????", "udev rules"),
        ("OTHER", "no phone with serial OTHER is attached; attached: FA7AB1C00123"),
        ("", "4 phones are attached"),
    ],
)
def test_each_state_has_its_remedy(serial: str, said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        attached.choose(attached.parse(LIST), serial, "pixel8")


@pytest.mark.parametrize("text", ["", "hello\n", "List of devices attached\nFA7 exploded x:1\n"])
def test_another_list_is_not_understood(text: str) -> None:
    with pytest.raises(DeviceError, match="adb devices printed"):
        attached.parse(text)
