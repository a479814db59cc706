"""Comparisons: noise is no difference, a tenth slower is one, and unlike conditions are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cnnedge.comparison import KEYS, as_markdown, compare, read_run
from cnnedge.comparison.effect import effect, rank_limit, t975
from cnnedge.errors import CnnedgeError
from cnnedge.specs import plain
from support import runs
from support.command import assert_one_clear_line, cnnedge

BASE = (10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 9.98, 10.0)
DOCS = Path(__file__).parents[1] / "docs" / "bench.md"


def drawn(
    rng: np.random.Generator, processes: int, noise: float, slower: float = 1.0
) -> list[float]:
    """Medians of fresh processes that vary by `noise`; one in ten is disturbed by 6 %."""
    disturbed = 1 + 0.06 * (rng.random(processes) < 0.1)
    return list(10 * slower * disturbed * np.exp(noise * rng.standard_normal(processes)))


def verdict_of(tmp_path: Path, base: dict[str, Any], new: dict[str, Any], **options: Any) -> str:
    paths = [runs.write(tmp_path / f"{n}.json", r) for n, r in (("base", base), ("new", new))]
    return compare(*map(read_run, paths), **options).verdict


def test_noise_is_no_difference_and_a_tenth_slower_is_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        base, again, slower = (drawn(rng, 8, 0.008, by) for by in (1.0, 1.0, 1.1))
        first = runs.result(base, samples=5)
        assert verdict_of(tmp_path, first, runs.result(again, samples=5)) == "no difference"
        assert verdict_of(tmp_path, first, runs.result(slower, samples=5)) == "regression"
        assert verdict_of(tmp_path, runs.result(slower, samples=5), first) == "improvement"


def test_what_noise_hides_is_said(tmp_path: Path) -> None:
    noisy = [10.0, 13.0, 9.0, 12.0, 10.5, 14.0, 8.5, 11.0]
    a = runs.write(tmp_path / "a.json", runs.result(noisy))
    b = runs.write(tmp_path / "b.json", runs.result([1.1 * m for m in reversed(noisy)]))
    done = cnnedge("compare", a, b)
    assert done.returncode == 0, done.stderr
    assert "could not have shown a slowdown of less than" in done.stderr
    assert "two such runs may differ by" in done.stderr


@pytest.mark.parametrize(("m", "n", "limit"), [(4, 4, 0), (5, 5, 2), (6, 6, 5), (8, 8, 13)])
def test_ranks_against_the_published_table(m: int, n: int, limit: int) -> None:
    # Mann and Whitney (1947); two-sided, 5 %.
    assert rank_limit(m, n) == limit


def test_intervals_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 5, 30, 40, 200):
        assert t975(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-4)
    for freedom in (1.4, 2.6, 7.3):
        assert 0 <= t975(freedom) / stats.t.ppf(0.975, freedom) - 1 < 0.2
    base, new = [10.0, 10.4, 9.8], [11.0, 11.6, 10.7]
    found = effect(base, new)
    told = stats.ttest_ind(np.log(new), np.log(base), equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.exp(told)), rel=0.01)
    assert effect([1.0], [1.0, 2.0]) is None


def test_the_interval_holds_the_truth_19_times_of_20() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = effect(np.exp(0.02 * rng.standard_normal(8)), np.exp(0.02 * rng.standard_normal(8)))
        held += found is not None and found.low <= 1 <= found.high
    assert held >= 370


def test_a_regression_exits_with_3_and_a_run_with_itself_with_0(tmp_path: Path) -> None:
    base = runs.write(tmp_path / "base.json", runs.result(BASE))
    slow = runs.write(tmp_path / "slow.json", runs.result([1.1 * m for m in BASE]))
    done = cnnedge("compare", base, slow, "--json", tmp_path / "out.json", "--markdown", "-")
    assert done.returncode == 3
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert "net.tflite +10.0 %" in error
    assert "| `net.tflite` |" in done.stdout
    (found,) = json.loads((tmp_path / "out.json").read_text())["compared"]
    assert found["verdict"] == "regression"
    assert found["ratio"] == pytest.approx(1.1, rel=0.01)
    assert found["ci95"][0] > 1
    done = cnnedge("compare", base, base)
    assert done.returncode == 0, done.stderr
    assert "no difference" in done.stdout


def test_a_slowdown_may_be_accepted(tmp_path: Path) -> None:
    base, slow = runs.result(BASE), runs.result([1.1 * m for m in BASE])
    assert verdict_of(tmp_path, base, slow, max_slower=0.15) == "no difference"
    assert verdict_of(tmp_path, base, slow, max_slower=0.05) == "regression"


UNLIKE = {
    "device": ("pi4", {"device": "pi4"}),
    "cpu": ("Cortex-A72", {"conditions": {"cpu": "Cortex-A72"}}),
    "engine": ("openvino", {"engine": "openvino"}),
    "engine_version": ("9.9", {"engine_version": "9.9"}),
    "threads": ("4", {"threads": 4}),
    "delegate": ("gpu", {"delegate": {"used": "gpu"}}),
    "precision": ("bf16", {"precision": "bf16"}),
    "protocol": ("quick", {"conditions": {"protocol": "quick"}}),
    "governor": ("powersave", {"conditions": {"governor": "powersave"}}),
    "throttled": ("capped", {"conditions": {"throttled": {"now": ["capped"], "since_boot": []}}}),
    "power_saving": ("True", {"conditions": {"power_saving": True}}),
    "thermal_status": ("severe", {"conditions": {"thermal_status": "severe"}}),
}


@pytest.mark.parametrize("key", UNLIKE)
def test_unlike_conditions_are_refused_by_key_and_both_values(key: str, tmp_path: Path) -> None:
    value, changes = UNLIKE[key]
    base = runs.write(tmp_path / "base.json", runs.result(BASE))
    new = runs.write(tmp_path / "new.json", runs.result(BASE, **changes))
    with pytest.raises(CnnedgeError, match=f"{key}: .* in BASE, {value} in NEW.*--allow {key}"):
        compare(read_run(base), read_run(new))
    allowed = compare(read_run(base), read_run(new), allow=[key])
    assert plain(allowed)["compared"][0]["allowed"][0]["key"] == key
    assert f"{key} differs" in as_markdown(allowed).replace("\\", "")


def test_a_warmer_start_is_unlike(tmp_path: Path) -> None:
    warm = runs.result(BASE)
    for repeat in warm["repeats"]:
        repeat["conditions"]["temperature_c"] = 71.0
    base = runs.write(tmp_path / "base.json", runs.result(BASE))
    done = cnnedge("compare", base, runs.write(tmp_path / "warm.json", warm))
    assert_one_clear_line(done, "temperature_c", "40", "71", "--allow temperature_c")
    assert cnnedge("compare", base, base, "--allow", "weather").returncode == 2
    assert "temperature_c" in KEYS


def test_the_timings_of_an_emulator_are_refused(tmp_path: Path) -> None:
    base = runs.write(tmp_path / "base.json", runs.result(BASE))
    new = runs.write(tmp_path / "new.json", runs.result(BASE, emulated="qemu-aarch64"))
    done = cnnedge("compare", base, new, *(f"--allow={key}" for key in KEYS))
    assert_one_clear_line(done, "emulated", "qemu-aarch64")


BROKEN = {
    "empty": b"",
    "half": b'{"results": [{"model": "net.tf',
    "binary": b"\x00\xff\xfe\x80",
    "list": b"[1, 2]",
    "other": b'{"variants": []}',
    "nothing measured": b'{"results": [], "failed": [{"device": "pi4"}]}',
    "texts": b'{"results": ["a"]}',
    "deep": b"[" * 200_000,
    "no repeats": json.dumps({"results": [runs.result() | {"repeats": []}]}).encode(),
    "not a number": json.dumps({"results": [runs.result() | {"threads": "four"}]}).encode(),
    "lies": json.dumps(
        {"results": [runs.result() | {"repeats": [{"median_ms": -1}, {"median_ms": 1e999}]}]}
    ).encode(),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_file_is_one_clear_line(kind: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(BROKEN[kind])
    with pytest.raises(CnnedgeError, match=r"bad\.json") as raised:
        read_run(tmp_path / "bad.json")
    assert "\n" not in str(raised.value)


def test_a_bad_file_on_the_command_line(tmp_path: Path) -> None:
    base = runs.write(tmp_path / "base.json", runs.result(BASE))
    assert_one_clear_line(cnnedge("compare", base, tmp_path / "no.json"), "no.json")
    (tmp_path / "bad.json").write_bytes(BROKEN["half"])
    assert_one_clear_line(cnnedge("compare", tmp_path / "bad.json", base), "bad.json", "no JSON")


def test_results_find_their_partners(tmp_path: Path) -> None:
    def named(name: str, threads: int, sha256: str = "0", **more: Any) -> dict[str, Any]:
        return runs.result(BASE, model=name, threads=threads, sha256=sha256, **more)

    base = runs.write(
        tmp_path / "base.json",
        *(named("old/int8.tflite", 1), named("old/int8.tflite", 4)),
        *(named("old/gone.tflite", 1, "gone"), named("old/renamed.tflite", 1, "same")),
    )
    new = runs.write(
        tmp_path / "new.json",
        *(named("new/as.tflite", 1, "same"), named("new/int8.tflite", 4)),
        *(named("new/int8.tflite", 1), named("new/more.tflite", 1, "more")),
    )
    found = plain(compare(read_run(base), read_run(new)))
    pairs = [(c["model"], c["threads"], c["new_model"]) for c in found["compared"]]
    assert pairs == [
        ("old/int8.tflite", 1, "new/int8.tflite"),
        ("old/int8.tflite", 4, "new/int8.tflite"),
        ("old/renamed.tflite", 1, "new/as.tflite"),
    ]
    assert [m["model"] for m in found["only_in_base"]] == ["old/gone.tflite"]
    assert [m["model"] for m in found["only_in_new"]] == ["new/more.tflite"]
    alone = runs.write(tmp_path / "alone.json", named("other.tflite", 1, "other"))
    with pytest.raises(CnnedgeError, match="no model in common"):
        compare(read_run(base), read_run(alone))
    twice = runs.write(tmp_path / "twice.json", named("a", 1), named("a", 1))
    with pytest.raises(CnnedgeError, match="2 results of a with the same settings"):
        compare(read_run(twice), read_run(twice))


def test_the_only_model_of_either_run_is_compared(tmp_path: Path) -> None:
    base = runs.write(tmp_path / "base.json", runs.result(BASE, model="a.tflite"))
    new = runs.write(tmp_path / "new.json", runs.result(BASE, model="b.tflite", sha256="1"))
    assert len(compare(read_run(base), read_run(new)).compared) == 1


def test_one_process_tells_nothing_of_noise(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "one.json", runs.result([10.0]))
    with pytest.raises(CnnedgeError, match="1 fresh process was measured"):
        compare(read_run(run), read_run(run))


def test_names_are_data_in_markdown(tmp_path: Path) -> None:
    name = "a|b`c``<img src=x onerror=alert(1)>\n# $(rm) [x](y).tflite"
    run = runs.write(
        tmp_path / "run.json", runs.result(BASE, model=name, unstable=["<b>|x|</b>\n@all"])
    )
    text = as_markdown(compare(read_run(run), read_run(run)))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    # The name holds two backticks in a row: three enclose it.
    assert "``` a\\|b" in table[2]
    notes = text.split("\n\n")[-1]
    assert "\\<b\\>" in notes
    assert "\\@all" in notes


def test_the_example_for_pull_requests_is_a_workflow() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    workflow = yaml.safe_load(example)
    # YAML 1.1 reads `on` as true.
    assert "pull_request" in workflow[True]
    (job,) = workflow["jobs"].values()
    lines = "\n".join(step.get("run", "") for step in job["steps"])
    commands = re.findall(r"cnnedge (bench|compare)((?:[^\n]|\\\n)*)", lines)
    assert {name for name, _ in commands} == {"bench", "compare"}
    for name, rest in commands:
        known = cnnedge(name, "--help").stdout
        assert all(option in known for option in re.findall(r"--[a-z-]+", rest)), (name, rest)
