"""Statistics against independent sources."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnedge import results
from cnnedge.benchmark import Result
from cnnedge.benchmark.result import Conditions
from cnnedge.benchmark.trust import bad_conditions, trust, trust_line
from support import runs


def test_wilson_against_published_values() -> None:
    # Newcombe (1998), table I, method 3: 81/263 and 0/20.
    assert results.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert results.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert results.wilson(0, 0) == (0.0, 1.0)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    before, after = rng.random(500) < 0.8, rng.random(500) < 0.75
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    expected = scipy_stats.binomtest(min(lost, won), lost + won).pvalue
    assert results.mcnemar(before, after) == pytest.approx(expected)
    assert results.mcnemar(before, before) == 1.0


def test_confusion_and_per_class() -> None:
    matrix = results.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    rows = results.per_class(matrix, ["a", "b", "c"])
    assert rows[0] == results.ClassScore(label="a", count=2, precision=1.0, recall=0.5)
    assert rows[2].precision is None
    assert rows[1].precision == pytest.approx(1 / 3)


def test_latency_keeps_the_contract() -> None:
    stats = results.latency([3.0, 1.0, 2.0, 10.0])
    assert set(stats) == {"median", "mean", "p90", "p99", "min", "max", "std", "count"}
    assert stats["median"] == 2.5
    assert stats["count"] == 4
    assert (stats["min"], stats["max"]) == (1.0, 10.0)


def around(**conditions: Any) -> Conditions:
    return Conditions(protocol="quick", **conditions)


def test_a_quiet_machine_is_stable() -> None:
    rng = np.random.default_rng(0)
    repeats = [list(rng.normal(10, 0.1, 200)) for _ in range(3)]
    assert results.instabilities(repeats) == []
    assert bad_conditions(around(busy_fraction=0.02, steal_fraction=None)) == []


@pytest.mark.parametrize(
    ("repeats", "conditions", "said"),
    [
        ([[10.0] * 80 + [15.0] * 20], {}, "p90"),
        ([[10.0] * 90, [11.0] * 90], {}, "fresh processes"),
        ([list(np.linspace(10, 10.8, 90))], {}, "drifted"),
        ([[10.0] * 90], {"busy_fraction": 0.5}, "by other programs"),
        ([[10.0] * 90], {"governor": "powersave"}, "governor"),
        ([[10.0] * 90], {"steal_fraction": 0.1}, "virtual machines"),
        ([[10.0] * 90], {"others_fraction": 0.4}, "by other programs during"),
        ([[10.0] * 9, [10.4] * 9, [10.0] * 9, [10.4] * 9], {}, "two such runs may differ"),
    ],
)
def test_every_reason_for_doubt_is_said(repeats, conditions, said: str) -> None:
    reasons = results.instabilities(repeats) + bad_conditions(around(**conditions))
    assert any(said in reason for reason in reasons), reasons


def test_the_larger_noise_floor_of_two_equal_runs_holds_what_they_differ_by() -> None:
    rng = np.random.default_rng(0)
    within = 0
    for _ in range(200):
        runs = [list(np.exp(0.02 * rng.standard_normal(8))) for _ in range(2)]
        floor = max(results.noise_floor(r) or 0.0 for r in runs)
        within += bool(abs(np.median(runs[0]) / np.median(runs[1]) - 1) <= floor)
    assert within >= 180


def test_the_noise_floor_of_few_or_equal_processes() -> None:
    assert results.noise_floor([10.0]) is None
    assert results.noise_floor([]) is None
    assert results.noise_floor([10.0] * 4) == 0
    assert results.noise_floor([10.0, 11.0]) == pytest.approx(0.0697, abs=1e-3)
    assert results.noise_floor([10.0] * 20 + [11.0] * 20) == pytest.approx(0.07, abs=0.01)


def session(*unstable: list[str], **changes: Any) -> list[Result]:
    floors = {"noise_floor": {"median": 0.034, "p90": 0.213}}
    found = (runs.result(**floors | {"unstable": u} | changes) for u in unstable)
    return runs.read(*found)


def test_many_doubts_are_one_line() -> None:
    busy = session(
        ["a", "b"], [], ["c"], conditions={"busy_fraction": 0.4, "governor": "powersave"}
    )
    found = trust(busy)
    assert found is not None
    assert (found.unstable, found.results) == (2, 3)
    line = trust_line(found)
    assert line == (
        "latencies: accurate to 3.4 % (median) and 21 % (p90) at best: 40% of the CPU was in use "
        "by other programs before the run, the CPU governor is 'powersave'; 2 of 3 results are "
        "unstable"
    )


def test_steady_results_and_an_emulator_cast_no_doubt_on_figures() -> None:
    assert trust(session([], [])) is None
    assert trust(session(["an emulator's"], emulated="qemu")) is None


def test_of_one_process_it_is_not_known_how_far_to_trust_it() -> None:
    found = trust(session(["a"], noise_floor={"median": None, "p90": None}))
    assert found is not None
    assert "latencies: of unknown accuracy" in trust_line(found)
